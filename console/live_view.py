"""The live view of a run, and below it an open question: as many lines as fit, none wider than the terminal."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from console.progress import BranchRow, BranchState, RunView, TaskView
from console.throughput import format_rate
from grammar.documents.durations import rough, spoken
from grammar.model_access.prices import tokens_told

_TASK_SIGNS = {
    "waiting": ("·", "dim"), "running": ("▶", "bold blue"), "parked": ("⏸", "bold red"), "done": ("✓", "green"),
    "failed": ("✗", "red"), "skipped": ("–", "yellow"), "cancelled": ("■", "yellow"),
}  # fmt: skip
_STYLES: dict[BranchState, str] = {
    "waiting_approval": "bold yellow", "retrying": "yellow", "rate_limited": "yellow", "running": "", "queued": "dim",
}  # fmt: skip
_HIDDEN: dict[BranchState, str] = {
    "waiting_approval": "waiting for you", "retrying": "to be tried again", "rate_limited": "waiting for the endpoint",
    "running": "running", "queued": "waiting for a worker",
}  # fmt: skip
_MAX_BAR = 30
_MAX_NAME = 40
_MAX_TAIL_LINES = 4
_MAX_TYPED_LINES = 4
_INDENT = "    "


@dataclass
class OpenQuestion:
    """A question to the person at the terminal. `about`: what it is about, in a line. `typed`: the answer so far."""

    about: str
    prompt: str = ""
    typed: str = ""


def render(view: RunView, width: int, height: int, question: OpenQuestion | None = None) -> list[Text]:
    """Return at most `height` lines, each at most `width` cells wide.

    Where not all fits, the question comes first, then what runs.
    """
    asked = _question_lines(question, width)[-max(1, height) :] if question else []
    room = height - len(asked) if asked else max(1, height)
    shown = [*_run_lines(view, width, room, "" if asked else "Ctrl-C: detach or cancel"), *asked]
    for line in shown:
        line.truncate(width, overflow="ellipsis")
    return shown


def _run_lines(view: RunView, width: int, height: int, advice: str) -> list[Text]:
    if height <= 0:
        return []
    footer = _footer(view, width, height, advice)
    header = [_header(view, width)] if height >= 6 else []
    tasks = _task_lines(view.tasks, width, max(0, height - len(header) - len(footer)))
    return [*header, *tasks, *footer][-height:]


def _question_lines(question: OpenQuestion, width: int) -> list[Text]:
    """Return what it is about, and below it the prompt, the end of what is typed, and a cursor."""
    lines = chop_cells(question.prompt + question.typed, max(1, width - 1))[-_MAX_TYPED_LINES:] or [""]
    shown = [Text(line, "bold") for line in lines]
    shown[-1].append(" ", "reverse")
    return [Text(f"? {question.about}", "bold yellow"), *shown]


def _header(view: RunView, width: int) -> Text:
    title = f"── {view.run_id} "
    return Text(title + "─" * max(0, width - cell_len(title)), "dim")


def _footer(view: RunView, width: int, height: int, advice: str) -> list[Text]:
    """Time, tokens, cost; and, where there is room, what can be done, and the address in the Web UI."""
    approvals = f"{view.approvals} waiting for you" if view.approvals else ""
    budget = f"budget {view.budget}" if view.budget else ""
    texts = [
        " · ".join(filter(None, [view.state, rough(view.seconds), tokens, view.cost, budget, approvals]))
        for tokens in (tokens_told(view.usage), f"{view.usage.tokens:,} tokens")
    ]
    text = texts[0] if cell_len(texts[0]) <= width else texts[1]
    gap = width - cell_len(text) - len(advice)
    figures = Text(text, "bold") + (Text(" " * gap + advice, "dim") if gap > 2 else Text())
    # An address that is cut leads nowhere.
    fits = view.url and cell_len(view.url) <= width and height >= 8
    return [figures, *([Text(view.url, "dim")] if view.url and fits else [])]


def _task_lines(tasks: Sequence[TaskView], width: int, room: int) -> list[Text]:
    """The tasks, with the branches of those that run; of many, what is over and what is to come is a line each."""
    shown = _tasks_that_fit(tasks, width, room)
    left = room - len(shown)
    lines = []
    for task, line in shown:
        lines.append(line)
        if task and task.status == "running" and left > 0:
            branches = _branch_lines(task, width, left)
            lines += branches
            left -= len(branches)
    return lines


def _tasks_that_fit(tasks: Sequence[TaskView], width: int, room: int) -> list[tuple[TaskView | None, Text]]:
    """A line for each task, or for several that are folded (None)."""
    name_width = min(_MAX_NAME, width // 2, max((cell_len(task.name) for task in tasks), default=0))
    running = [task for task in tasks if task.status in ("running", "parked")]
    wanted = sum(len(_branch_lines(task, width, room)) for task in running)
    if len(tasks) + min(wanted, 4) > room:
        phases = groupby(tasks, _phase)
        shown = [line for phase, some in phases for line in _folded(phase, list(some), name_width)]
    else:
        shown = [(task, _task_line(task, name_width)) for task in tasks]
    # What runs is not pushed out by what does not.
    while len(shown) > max(1, room) and (folded := next((line for line in shown if line[0] is None), None)):
        shown.remove(folded)
    return shown


def _phase(task: TaskView) -> str:
    return task.status if task.status in ("running", "parked", "failed", "waiting") else "over"


def _folded(phase: str, tasks: list[TaskView], name_width: int) -> list[tuple[TaskView | None, Text]]:
    if phase in ("running", "parked") or len(tasks) == 1:
        return [(task, _task_line(task, name_width)) for task in tasks]
    sign, style = _TASK_SIGNS["done" if phase == "over" else phase]
    what = {"over": "done", "waiting": "to come"}.get(phase, phase)
    numbers = f"{tasks[0].number}–{tasks[-1].number}"
    return [(None, Text.assemble((f"{sign} ", style), (f"{len(tasks)} tasks {what} ({numbers})", "dim")))]


def _task_line(task: TaskView, name_width: int) -> Text:
    sign, style = _TASK_SIGNS[task.status]
    name = f"{task.number} {set_cell_size(task.name, name_width)}"
    parts = [_duration(task), _branch_counts(task), f"{task.tokens:,} tokens" if task.tokens else ""]
    parts += [f"budget {task.budget}" if task.budget else ""]
    parts += [task.note] if task.note and task.status != "running" else []
    parts += [task.status] if task.status in ("skipped", "parked", "cancelled") else []
    rest = " · ".join(filter(None, parts))
    weight = "bold" if task.status == "running" else "dim" if task.status == "waiting" else ""
    line = Text.assemble((f"{sign} ", style), (f"{name}  ", weight), rest)
    line.rstrip()
    return line


def _duration(task: TaskView) -> str:
    if task.seconds is None or task.status == "waiting":
        return ""
    return rough(task.seconds) if task.status in ("running", "parked") else spoken(timedelta(seconds=task.seconds))


def _branch_counts(task: TaskView) -> str:
    if task.total <= 1 or task.status == "running":
        return ""
    return f"{task.done}/{task.total}" + (f", {task.failed} failed" if task.failed else "")


def _branch_lines(task: TaskView, width: int, room: int) -> list[Text]:
    """How far a fan-out is, and the branches in flight."""
    if task.total <= 1:
        return [line for row in task.rows for line in _only_branch(row, width, room)][:room]
    fitting = room - 1
    shown = task.rows if len(task.rows) <= fitting else task.rows[: max(0, fitting - 1)]
    hidden = [_hidden(task.rows[len(shown) :])] if len(shown) < len(task.rows) else []
    return [_progress_line(task, width), *_row_lines(shown, width), *hidden][: max(0, room)]


def _progress_line(task: TaskView, width: int) -> Text:
    ended = task.done + task.failed
    failed = f"{task.failed:,} failed" if task.failed else ""
    parts = [f"{ended:,}/{task.total:,}", f"{task.done:,} ok" if task.failed else "", failed]
    parts += [
        format_rate(task.rate) if task.rate else "",
        f"ETA {rough(task.seconds_left)}" if task.seconds_left else "",
    ]
    figures = Text(" · ").join(Text(part, "red" if part == failed else "") for part in filter(None, parts))
    size = min(_MAX_BAR, max(5, width - len(_INDENT) - cell_len(figures.plain) - 2))
    return Text.assemble(_INDENT, *_bar(task, size), "  ", figures)


def _bar(task: TaskView, size: int) -> list[tuple[str, str]]:
    """It can be read without colours, too."""
    ended = size * (task.done + task.failed) // max(1, task.total)
    failed = min(ended, -(-size * task.failed // max(1, task.total)))
    return [("━" * (ended - failed), "green"), ("×" * failed, "red"), ("─" * (size - ended), "dim")]


def _row_lines(rows: Sequence[BranchRow], width: int) -> list[Text]:
    """Figures stand below each other; what is held up has none, and says why instead."""
    cells = [(row, [row.label, *_figures(row)]) for row in rows]
    sizes = [max(cell_len(texts[column]) for _, texts in cells) for column in range(4)] if cells else []
    lines = []
    for row, (label, *figures) in cells:
        parts = [set_cell_size(label, sizes[0])] if sizes[0] else []
        if row.state in ("running", "queued"):
            parts += [
                " " * (size - cell_len(text)) + text for text, size in zip(figures, sizes[1:], strict=True) if size
            ]
        start = "  ".join(parts)
        room = width - len(_INDENT) - cell_len(start) - 2
        lines.append(Text.assemble(_INDENT, (start, _STYLES[row.state]), "  " if start else "", _action(row, room)))
    return lines


def _figures(row: BranchRow) -> tuple[str, str, str]:
    turn = f"turn {row.turn}/{row.turns}" if row.turn and row.turns else ""
    tokens = f"{row.tokens:,} tok" if row.tokens else ""
    return turn, tokens, rough(row.seconds) if row.seconds is not None and row.state in ("running", "queued") else ""


def _action(row: BranchRow, room: int) -> Text:
    """What it does, or why it does not; of what it says, the end."""
    soon = f"in {rough(row.seconds)}" if row.seconds else "now"
    if row.state == "rate_limited":
        limited = f"rate limited, goes on {soon}: {row.text}"
        return Text(f"⏸ {'waits for its turn at the endpoint' if row.seconds is None else limited}", "yellow")
    if row.state == "retrying":
        return Text(f"↻ {soon}: {row.text}", "yellow")
    if row.state == "waiting_approval":
        return Text(f"? waits for your yes: {row.text}", "bold yellow")
    if row.state == "queued":
        return Text(f"waits for a worker {row.text}".rstrip(), "dim")
    if row.text or not row.tail:
        return Text(row.text, "cyan" if row.text.startswith("→") else "dim")
    return Text(_end_of(" ".join(row.tail.split()), room))


def _end_of(text: str, room: int) -> str:
    """As much of the end of a text as fits."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[max(1, (cell_len(text) - room + 1) // 2) :]
    return f"…{text}"


def _hidden(rows: Sequence[BranchRow]) -> Text:
    """How many branches do not fit, and what they do."""
    states = [row.state for row in rows]
    counts = ", ".join(f"{states.count(state)} {what}" for state, what in _HIDDEN.items() if state in states)
    return Text(f"{_INDENT}… and {counts}", "dim")


def _only_branch(row: BranchRow, width: int, room: int) -> list[Text]:
    """The one branch of a task, and under it the last lines of what it says."""
    (line,) = _row_lines([replace(row, tail="", text=row.text or "says")], width)
    line.plain = line.plain.rstrip()
    if not row.tail.strip():
        return [line]
    wrapped = [
        part for text in row.tail.splitlines() for part in textwrap.wrap(text, max(10, width - len(_INDENT) - 2))
    ]
    return [line, *(Text(f"{_INDENT}│ {part}") for part in wrapped[-min(_MAX_TAIL_LINES, room - 1) :] if room > 1)]
