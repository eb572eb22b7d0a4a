"""The live view of a run: as many lines as fit, none longer than the terminal is wide."""

import textwrap
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from console.progress import BranchRow, RunView, TaskView
from console.throughput import told
from grammar.documents.durations import rough, spoken

SIGNS = {
    "waiting": ("·", "dim"), "running": ("▶", "bold blue"), "parked": ("⏸", "bold red"), "done": ("✓", "green"),
    "failed": ("✗", "red"), "skipped": ("–", "yellow"), "cancelled": ("■", "yellow"),
}  # fmt: skip
_STYLES = {"asks": "bold yellow", "retries": "yellow", "rests": "yellow", "works": "", "queued": "dim"}
_COUNTED = {
    "asks": "waiting for you", "retries": "to be tried again", "rests": "waiting for the endpoint",
    "works": "running", "queued": "waiting for a worker",
}  # fmt: skip
_BAR = 30
_NAME = 40
_SPOKEN = 4
_INDENT = "    "


def lines(view: RunView, width: int, height: int) -> list[Text]:
    """At most `height` lines, each at most `width` cells wide. Where not all fits, what runs comes first."""
    foot = _foot(view, width, height)
    head = [_rule(view, width)] if height >= 6 else []
    body = _tasks(view.tasks, width, max(0, height - len(head) - len(foot)))
    shown = [*head, *body, *foot][-max(1, height) :]
    for line in shown:
        line.truncate(width, overflow="ellipsis")
    return shown


def _rule(view: RunView, width: int) -> Text:
    title = f"── {view.run_id} "
    return Text(title + "─" * max(0, width - cell_len(title)), "dim")


def _foot(view: RunView, width: int, height: int) -> list[Text]:
    """Time, tokens, cost; and, where there is room, the address in the Web UI."""
    parts = [rough(view.seconds), f"{view.tokens:,} tokens", f"about {view.cost}" if view.cost else ""]
    asks = f"{view.asks} waiting for you" if view.asks else ""
    text = " · ".join(filter(None, [view.state, *parts, asks]))
    leave = "Ctrl-C: detach or cancel"
    gap = width - cell_len(text) - len(leave)
    figures = Text(text, "bold") + (Text(" " * gap + leave, "dim") if gap > 2 else Text())
    # An address that is cut leads nowhere.
    fits = view.url and cell_len(view.url) <= width and height >= 8
    return [figures, *([Text(view.url, "dim")] if view.url and fits else [])]


def _tasks(tasks: Sequence[TaskView], width: int, room: int) -> list[Text]:
    """The tasks; of many, what is over and what is to come is told in a line each."""
    names = min(_NAME, width // 2, max((cell_len(task.name) for task in tasks), default=0))
    running = [task for task in tasks if task.status in ("running", "parked")]
    wanted = sum(len(_inside(task, width, room)) for task in running)
    if len(tasks) + min(wanted, 4) > room:
        shown = [part for status, some in groupby(tasks, _phase) for part in _folded(status, list(some), names)]
    else:
        shown = [(task, _line(task, names)) for task in tasks]
    # What runs is not pushed out by what does not.
    while len(shown) > max(1, room) and (idle := next((one for one in shown if one[0] is None), None)):
        shown.remove(idle)
    left = room - len(shown)
    found = []
    for task, line in shown:
        found.append(line)
        if task and task.status == "running" and left > 0:
            inside = _inside(task, width, left)
            found += inside
            left -= len(inside)
    return found


def _phase(task: TaskView) -> str:
    return task.status if task.status in ("running", "parked", "failed", "waiting") else "over"


def _folded(phase: str, tasks: list[TaskView], names: int) -> list[tuple[TaskView | None, Text]]:
    if phase in ("running", "parked") or len(tasks) == 1:
        return [(task, _line(task, names)) for task in tasks]
    sign, style = SIGNS["done" if phase == "over" else phase]
    what = {"over": "done", "waiting": "to come"}.get(phase, phase)
    numbers = f"{tasks[0].number}–{tasks[-1].number}"
    return [(None, Text.assemble((f"{sign} ", style), (f"{len(tasks)} tasks {what} ({numbers})", "dim")))]


def _line(task: TaskView, names: int) -> Text:
    sign, style = SIGNS[task.status]
    name = f"{task.number} {set_cell_size(task.name, names)}"
    parts = [_time(task), _items(task), f"{task.tokens:,} tokens" if task.tokens else ""]
    parts += [task.note] if task.note and task.status != "running" else []
    parts += [task.status] if task.status in ("skipped", "parked", "cancelled") else []
    rest = " · ".join(filter(None, parts))
    weight = "bold" if task.status == "running" else "dim" if task.status == "waiting" else ""
    line = Text.assemble((f"{sign} ", style), (f"{name}  ", weight), rest)
    line.rstrip()
    return line


def _time(task: TaskView) -> str:
    if task.seconds is None or task.status == "waiting":
        return ""
    return rough(task.seconds) if task.status in ("running", "parked") else spoken(timedelta(seconds=task.seconds))


def _items(task: TaskView) -> str:
    if task.total <= 1 or task.status == "running":
        return ""
    return f"{task.done}/{task.total}" + (f", {task.failed} failed" if task.failed else "")


def _inside(task: TaskView, width: int, room: int) -> list[Text]:
    """How far a fan-out is, and what is in flight."""
    if task.total <= 1:
        return [line for row in task.rows for line in _alone(row, width, room)][:room]
    fitting = room - 1
    shown = task.rows if len(task.rows) <= fitting else task.rows[: max(0, fitting - 1)]
    more = [_more(task.rows[len(shown) :])] if len(shown) < len(task.rows) else []
    return [_progress(task, width), *_columns(shown, width), *more][: max(0, room)]


def _progress(task: TaskView, width: int) -> Text:
    ended = task.done + task.failed
    parts = [f"{ended:,}/{task.total:,}", f"{task.done:,} ok" if task.failed else ""]
    failed = f"{task.failed:,} failed" if task.failed else ""
    parts += [told(task.rate) if task.rate else "", f"ETA {rough(task.left)}" if task.left else ""]
    figures = Text(" · ").join(
        Text(part, "red" if part == failed else "") for part in filter(None, [*parts[:2], failed, *parts[2:]])
    )
    size = min(_BAR, max(5, width - len(_INDENT) - cell_len(figures.plain) - 2))
    return Text.assemble(_INDENT, *_bar(task, size), "  ", figures)


def _bar(task: TaskView, size: int) -> list[tuple[str, str]]:
    """It tells without colour, too."""
    ended = size * (task.done + task.failed) // max(1, task.total)
    failed = min(ended, -(-size * task.failed // max(1, task.total)))
    return [("━" * (ended - failed), "green"), ("×" * failed, "red"), ("─" * (size - ended), "dim")]


def _columns(rows: Sequence[BranchRow], width: int) -> list[Text]:
    """Figures stand below each other; what is held up has none, and says why instead."""
    cells = [(row, [row.label, *_figures(row)]) for row in rows]
    sizes = [max(cell_len(texts[column]) for _, texts in cells) for column in range(4)] if cells else []
    found = []
    for row, (label, *figures) in cells:
        parts = [set_cell_size(label, sizes[0])] if sizes[0] else []
        if row.doing in ("works", "queued"):
            parts += [
                " " * (size - cell_len(text)) + text for text, size in zip(figures, sizes[1:], strict=True) if size
            ]
        begin = "  ".join(parts)
        room = width - len(_INDENT) - cell_len(begin) - 2
        found.append(Text.assemble(_INDENT, (begin, _STYLES[row.doing]), "  " if begin else "", _doing(row, room)))
    return found


def _figures(row: BranchRow) -> tuple[str, str, str]:
    turn = f"turn {row.turn}/{row.turns}" if row.turn and row.turns else ""
    tokens = f"{row.tokens:,} tok" if row.tokens else ""
    return turn, tokens, rough(row.seconds) if row.seconds is not None and row.doing in ("works", "queued") else ""


def _doing(row: BranchRow, room: int) -> Text:
    """What it does, or why it does not; of what it says, the end."""
    soon = f"in {rough(row.seconds)}" if row.seconds else "now"
    if row.doing == "rests":
        return Text(f"⏸ rate limited, goes on {soon}: {row.text}", "yellow")
    if row.doing == "retries":
        return Text(f"↻ {soon}: {row.text}", "yellow")
    if row.doing == "asks":
        return Text(f"? waits for your yes: {row.text}", "bold yellow")
    if row.doing == "queued":
        return Text(f"waits for a worker {row.text}".rstrip(), "dim")
    if row.text or not row.tail:
        return Text(row.text, "cyan" if row.text.startswith("→") else "dim")
    return Text(_end(" ".join(row.tail.split()), room))


def _end(text: str, room: int) -> str:
    """The end of a text, which fits."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[max(1, (cell_len(text) - room + 1) // 2) :]
    return f"…{text}"


def _more(rows: Sequence[BranchRow]) -> Text:
    """How many do not fit, and what they do."""
    kinds = [row.doing for row in rows]
    told = ", ".join(f"{kinds.count(kind)} {what}" for kind, what in _COUNTED.items() if kind in kinds)
    return Text(f"{_INDENT}… and {told}", "dim")


def _alone(row: BranchRow, width: int, room: int) -> list[Text]:
    """The one branch of a task, and under it the last lines of what it says."""
    (line,) = _columns([BranchRow(**{**vars(row), "tail": "", "text": row.text or "says"})], width)
    line.plain = line.plain.rstrip()
    if not row.tail.strip():
        return [line]
    wrapped = [
        part for text in row.tail.splitlines() for part in textwrap.wrap(text, max(10, width - len(_INDENT) - 2))
    ]
    return [line, *(Text(f"{_INDENT}│ {part}") for part in wrapped[-min(_SPOKEN, room - 1) :] if room > 1)]
