"""A run on the screen: its story, line by line, and in a terminal below it the live view."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from console import keyboard
from console.event_formatter import EventFormatter
from console.live_view import lines
from console.progress import RunProgress, RunView, TaskView
from console.screen import Screen
from console.throughput import told
from grammar.documents.durations import rough
from grammar.messages.contracts import Bundle
from grammar.messages.events import RunChanges
from grammar.messages.history import position_of

# Without a terminal, how far it is, every now and then.
QUIET = timedelta(seconds=30)
# What the live view takes of the terminal's height, and what it needs.
SHARE = 2 / 3
LEAST = 8


def _now() -> datetime:
    return datetime.now(UTC)


class RunDisplay:
    """Tells of one run. `debug`: nothing is left out."""

    def __init__(
        self, flow: Bundle, run_id: str, view: Screen, debug: bool = False, now: Callable[[], datetime] = _now
    ) -> None:
        self._console = view.notes
        self._is_live = view.is_live
        self._now = now
        self._names = [task.name or f"task-{number}" for number, task in enumerate(flow.tasks, 1)]
        self._narrator = EventFormatter(self._names, debug, view.is_attended)
        self._board = RunProgress(flow, run_id)
        self._live: Live | None = None
        self._shown: list[Text] = []
        self._silent = False
        self._untold: RunChanges | None = None
        self._last_told = now()
        self._last_figures: object = None

    @contextmanager
    def following(self, url: str | None) -> Iterator[None]:
        """The run is followed for the length of the block. `url`: it in the Web UI."""
        self._board.url = url
        self._show()
        try:
            yield
        finally:
            self.close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """The terminal is somebody else's for the length of the block; what is new meanwhile is told afterwards."""
        was_shown = self._live is not None
        self.close()
        self._silent = True
        try:
            yield
        finally:
            self._silent = False
            if was_shown:
                self._show()
            if self._untold:
                update, self._untold = self._untold, None
                self.hear(update)

    @property
    def cost(self) -> str:
        """An estimate, as far as it is known; nothing where no model has a price."""
        return self._board.view(self._now()).cost

    def note(self, text: str, style: str = "yellow") -> None:
        """A line about the run as a whole."""
        self._narrator.note(text, style)
        self._print()

    def hear(self, update: RunChanges) -> None:
        """What is new of the run."""
        if self._silent:
            entries = [*self._untold.entries, *update.entries] if self._untold else update.entries
            self._untold = update
            update.entries = entries
            return
        now = self._now()
        self._board.hear(now, update)
        self._narrator.totals(update.tasks)
        for entry in update.entries:
            self._narrator.entry(entry)
        for activity, live in update.live.items():
            where = position_of(activity)
            name = self._names[where.task] if where and where.task < len(self._names) else "preparing"
            self._narrator.live(activity, name, live, now)
        self._print()

    def tick(self) -> None:
        """Some time has passed."""
        if self._live:
            self._refresh(self._live)
        elif not self._is_live and not self._silent and self._now() - self._last_told >= QUIET:
            self._tell_progress()

    def _show(self) -> None:
        if self._is_live:
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop",
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._shown = []
            keyboard.hush()
            self._live.start()
            self._refresh(self._live)

    def close(self) -> None:
        """Leave the terminal as it was, wherever the run is."""
        if self._live:
            self._live.stop()
            self._live = None
            keyboard.speak()

    def _refresh(self, live: Live) -> None:
        drawn = self._draw()
        if drawn != self._shown:
            live.update(Group(*drawn), refresh=True)
            self._shown = drawn

    def _draw(self) -> list[Text]:
        width, height = self._console.size
        most = min(height - 1, max(LEAST, int(height * SHARE)))
        return lines(self._board.view(self._now()), width, most)

    def _print(self) -> None:
        """The story so far. The live view is drawn below it in the same go, as it was; the next tick brings it up."""
        told = self._narrator.take()
        if not told:
            return
        self._last_told = self._now()
        if self._is_live:
            told = [part for line in told for part in _wrapped(line, self._console)]
        else:
            stamp = Text(f"{datetime.now():%H:%M:%S} ")
            told = [stamp + line for line in told]
        self._console.print(Group(*told))

    def _tell_progress(self) -> None:
        """Where nothing has moved, nothing is told."""
        self._last_told = self._now()
        view = self._board.view(self._now())
        figures = [(task.done, task.failed, task.tokens, [row.turn for row in task.rows]) for task in view.tasks]
        running = [_how_far(task) for task in view.tasks if task.status == "running"]
        if running and figures != self._last_figures:
            self._last_figures = figures
            self.note(f"… {'; '.join(running)}; {_figures(view)}", "dim")


def _wrapped(line: Text, console: Console) -> list[Text]:
    """As long as the terminal is wide, at words; what belongs together stays indented."""
    if line.cell_len <= console.width:
        return [line]
    indent = len(line.plain) - len(line.plain.lstrip())
    width = max(20, console.width - indent - 2)
    parts = line[indent:].wrap(console, width, overflow="fold")
    for part in parts:
        part.rstrip()
    return [Text(" " * (indent if number == 0 else indent + 2)) + part for number, part in enumerate(parts)]


def _how_far(task: TaskView) -> str:
    parts = [f"{task.name} {task.done + task.failed}/{task.total}" if task.total > 1 else task.name]
    parts += [f"{task.failed} failed"] if task.failed else []
    parts += [told(task.rate)] if task.rate else []
    parts += [f"ETA {rough(task.left)}"] if task.left else []
    parts += [f"turn {row.turn}/{row.turns}" for row in task.rows if task.total <= 1 and row.turn]
    return ", ".join(parts)


def _figures(view: RunView) -> str:
    cost = f", about {view.cost}" if view.cost else ""
    return f"{rough(view.seconds)}, {view.tokens:,} tokens{cost}"
