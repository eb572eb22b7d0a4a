"""Where everything is in the drawing of a flow: cards from top to bottom, values in lanes at their sides."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grammar.loading.graph import Graph, Link, TaskNode
from pictures import words

WIDTH = 430
GAP = 34
LINE = 19
TITLE = 44
LANE = 26
MARGIN = 24
LABEL = 130
MOST = 58
COLORS = 6


@dataclass(frozen=True)
class Card:
    """A task. `lines`: what is said about it, cut to the card's width."""

    task: TaskNode
    top: int
    height: int
    title: str
    lines: list[str]

    @property
    def bottom(self) -> int:
        """Where the arrow to the next one begins."""
        return self.top + self.height


@dataclass(frozen=True)
class Wire:
    """A value on its way from one card to those that read it: `path`, and the last step to each of them."""

    label: str
    x: int
    y: int
    path: str
    arrows: list[str]
    color: int
    kind: str
    certain: bool


@dataclass(frozen=True)
class Drawing:
    """All of it. `left`: where the cards begin."""

    width: int
    height: int
    left: int
    cards: list[Card]
    wires: list[Wire]


@dataclass(frozen=True)
class _Bus:
    """The links that carry the same value, in one lane, counted from the cards."""

    links: list[Link]
    lane: int

    @property
    def first(self) -> Link:
        return self.links[0]


def drawing(graph: Graph) -> Drawing:
    """The layout of a flow."""
    carried, read = (_buses([one for one in graph.links if one.kind == kind]) for kind in ("carry", "output"))
    cards = list(_cards(graph))
    left = MARGIN + _room(carried)
    wires = [*_wires(carried, cards, left, -1), *_wires(read, cards, left + WIDTH, 1)]
    height = cards[-1].bottom + MARGIN if cards else MARGIN
    return Drawing(left + WIDTH + _room(read) + MARGIN, height, left, cards, wires)


def _room(buses: Sequence[_Bus]) -> int:
    return (1 + max(one.lane for one in buses)) * LANE + LABEL if buses else 0


def _cards(graph: Graph) -> Iterator[Card]:
    top = MARGIN
    for task in graph.tasks:
        lines = [words.shorter(line, MOST) for line in words.about(task)]
        height = TITLE + LINE * len(lines) + 8
        yield Card(task, top, height, words.shorter(task.name, 42), lines)
        top += height + GAP


def _buses(links: list[Link]) -> list[_Bus]:
    """Each in the first lane that is free over its whole length."""
    by_value = defaultdict[tuple[int, str], list[Link]](list)
    for link in links:
        by_value[link.source, link.label].append(link)
    buses, ends = list[_Bus](), list[int]()
    for (source, _), same in sorted(by_value.items(), key=lambda one: (one[0][0], -one[1][-1].target)):
        lane = next((lane for lane, end in enumerate(ends) if end <= source), len(ends))
        ends[lane:lane + 1] = [same[-1].target]  # fmt: skip
        buses.append(_Bus(same, lane))
    return buses


def _wires(buses: list[_Bus], cards: list[Card], edge: int, side: int) -> Iterator[Wire]:
    """`edge`: of the cards on that side; `side`: 1 to the right, -1 to the left."""
    arrived, left_from = Counter[int](), Counter[int]()
    for number, bus in enumerate(buses):
        x = edge + side * LANE * (bus.lane + 1)
        source = cards[bus.first.source - 1]
        y = source.bottom - 14 - 12 * left_from[bus.first.source]
        left_from[bus.first.source] += 1
        ends = [(one, _port(cards[one.target - 1], arrived)) for one in bus.links]
        yield Wire(
            label=words.shorter(bus.first.label, 22),
            x=edge + side * (LANE * (bus.lane + 1) + 6),
            y=y + 4,
            path=f"M{edge} {y}H{x}V{ends[-1][1]}",
            arrows=[f"M{x} {end}H{edge + side * 3}" for _, end in ends],
            color=number % COLORS,
            kind=bus.first.kind,
            certain=bus.first.certain,
        )


def _port(card: Card, arrived: Counter[int]) -> int:
    """The next free place at the card's side."""
    number = card.task.number
    arrived[number] += 1
    return card.top + min(16 + 12 * (arrived[number] - 1), card.height - 26)
