"""Where everything is in the drawing of a flow: cards from top to bottom, values in lanes at their sides.

All lengths are in pixels.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grammar.loading.graph import Graph, Link, TaskNode
from pictures.task_lines import task_lines
from pictures.text_format import truncate

CARD_WIDTH = 430
CARD_GAP = 34
TITLE_HEIGHT = 44
LINE_HEIGHT = 19
LANE_WIDTH = 26
LABEL_WIDTH = 130
MARGIN = 24
# In characters.
MAX_TITLE = 42
MAX_LINE = 58
MAX_LABEL = 22
COLORS = 6


@dataclass(frozen=True)
class TaskCard:
    """A task. `lines`: what is said about it, cut to the card's width."""

    task: TaskNode
    top: int
    height: int
    title: str
    lines: list[str]

    @property
    def bottom(self) -> int:
        """Return where the arrow to the next card begins."""
        return self.top + self.height


@dataclass(frozen=True)
class ValueEdge:
    """A value on its way from one card to those that read it.

    `path`: SVG, from the card into the lane; `arrows`: the last step to each reader. `x`, `y`: where the label is.
    `color`: a number below COLORS. `kind`: the link's, `output` or `carry`.
    """

    label: str
    x: int
    y: int
    path: str
    arrows: list[str]
    color: int
    kind: str
    certain: bool


@dataclass(frozen=True)
class FlowLayout:
    """The whole drawing. `left`: where the cards begin."""

    width: int
    height: int
    left: int
    cards: list[TaskCard]
    edges: list[ValueEdge]


@dataclass(frozen=True)
class _LinkGroup:
    """The links that carry the same value, in one lane, counted from the cards."""

    links: list[Link]
    lane: int

    @property
    def first(self) -> Link:
        return self.links[0]


def lay_out(graph: Graph) -> FlowLayout:
    """Return the layout of a flow; one without tasks has no cards."""
    carried, read = (_grouped([link for link in graph.links if link.kind == kind]) for kind in ("carry", "output"))
    cards = list(_cards(graph))
    left = MARGIN + _width_of(carried)
    edges = [*_edges(carried, cards, left, -1), *_edges(read, cards, left + CARD_WIDTH, 1)]
    height = cards[-1].bottom + MARGIN if cards else MARGIN
    return FlowLayout(left + CARD_WIDTH + _width_of(read) + MARGIN, height, left, cards, edges)


def _width_of(groups: Sequence[_LinkGroup]) -> int:
    return (1 + max(group.lane for group in groups)) * LANE_WIDTH + LABEL_WIDTH if groups else 0


def _cards(graph: Graph) -> Iterator[TaskCard]:
    top = MARGIN
    for task in graph.tasks:
        lines = [truncate(line, MAX_LINE) for line in task_lines(task)]
        height = TITLE_HEIGHT + LINE_HEIGHT * len(lines) + 8
        yield TaskCard(task, top, height, truncate(task.name, MAX_TITLE), lines)
        top += height + CARD_GAP


def _grouped(links: list[Link]) -> list[_LinkGroup]:
    """By value, each group in the first lane that is free over its whole length."""
    by_value = defaultdict[tuple[int, str], list[Link]](list)
    for link in links:
        by_value[link.source, link.label].append(link)
    groups, ends = list[_LinkGroup](), list[int]()
    for same in sorted(by_value.values(), key=lambda same: (same[0].source, -same[-1].target)):
        lane = next((lane for lane, end in enumerate(ends) if end <= same[0].source), len(ends))
        ends[lane:lane + 1] = [same[-1].target]  # fmt: skip
        groups.append(_LinkGroup(same, lane))
    return groups


def _edges(groups: list[_LinkGroup], cards: list[TaskCard], side: int, direction: int) -> Iterator[ValueEdge]:
    """`side`: where the cards end; `direction`: 1 to the right of it, -1 to the left."""
    arrived, departed = Counter[int](), Counter[int]()
    for number, group in enumerate(groups):
        x = side + direction * LANE_WIDTH * (group.lane + 1)
        source = cards[group.first.source - 1]
        y = source.bottom - 14 - 12 * departed[group.first.source]
        departed[group.first.source] += 1
        ends = [_port(cards[link.target - 1], arrived) for link in group.links]
        yield ValueEdge(
            label=truncate(group.first.label, MAX_LABEL),
            x=x + direction * 6,
            y=y + 4,
            path=f"M{side} {y}H{x}V{ends[-1]}",
            arrows=[f"M{x} {end}H{side + direction * 3}" for end in ends],
            color=number % COLORS,
            kind=group.first.kind,
            certain=group.first.certain,
        )


def _port(card: TaskCard, arrived: Counter[int]) -> int:
    """The next free place at the card's side."""
    number = card.task.number
    arrived[number] += 1
    return card.top + min(16 + 12 * (arrived[number] - 1), card.height - 26)
