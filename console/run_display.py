"""A run on the screen: its events, line by line; in a terminal below them the live view, and below that a question."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from console import keyboard, live_view
from console.event_formatter import EventFormatter
from console.keyboard import TypedLine
from console.live_view import OpenQuestion
from console.progress import RunProgress, RunView, TaskView
from console.screen import Screen
from console.throughput import format_rate
from grammar.documents.durations import rough
from grammar.messages.events import RunChanges
from grammar.messages.history import branch_label, position_of
from grammar.messages.run_bundle import Bundle
from grammar.model_access.prices import tokens_told

# Without a terminal, how far the run is, after so long without a line.
PROGRESS_INTERVAL = timedelta(seconds=30)
# What the live view takes of the terminal's height, and what it needs, in lines.
LIVE_VIEW_SHARE = 2 / 3
MIN_LIVE_VIEW = 8
# How often it is drawn anew, in seconds.
TICK = 0.25


def _now() -> datetime:
    return datetime.now(UTC)


class RunDisplay:
    """Show one run while it is followed. `debug`: nothing is left out. `now`: a clock, in UTC."""

    def __init__(
        self, flow: Bundle, run_id: str, screen: Screen, debug: bool = False, now: Callable[[], datetime] = _now
    ) -> None:
        self._console = screen.notes
        self._err = screen.err
        self._is_live = screen.is_live
        self._now = now
        self._task_names = [task.name or f"task-{number}" for number, task in enumerate(flow.tasks, 1)]
        self._formatter = EventFormatter(self._task_names, debug, screen.is_attended)
        self._progress = RunProgress(flow, run_id)
        self._live: Live | None = None
        self._drawn: list[Text] = []
        self._is_following = False
        self._question: OpenQuestion | None = None
        self._typed = TypedLine()
        self._is_silent = False
        self._held_back: RunChanges | None = None
        self._last_printed = now()
        self._last_figures: object = None

    @contextmanager
    def following(self, url: str | None) -> Iterator[None]:
        """Show the live view for the length of the block, in a terminal. `url`: the run in the Web UI."""
        self._progress.url = url
        self._is_following = True
        self._start_live_view()
        try:
            yield
        finally:
            self._is_following = False
            self.close()

    @contextmanager
    def asking(self, about: str) -> Iterator[None]:
        """Have a question open for the length of the block. `about`: what it is about, in a line.

        It stands below the live view, which goes on. Where nothing is drawn, what is new meanwhile is told after it.
        """
        keyboard.discard_input()  # what was typed before is no answer
        self._typed = TypedLine()
        self._question = OpenQuestion(about) if self._live else None
        self._is_silent = self._question is None
        try:
            yield
        finally:
            self._question, self._is_silent = None, False
            self._take_keyboard()
            if self._held_back:
                changes, self._held_back = self._held_back, None
                self.hear(changes)

    async def read(self, prompt: str) -> str:
        """Return the line that is typed after the prompt, while a question is open. Raises EOFError."""
        if self._question is None:
            self._err.print(prompt, end="")
            return await keyboard.read_line(self._typed, lambda: None)
        self._question.prompt = prompt
        self._take_keyboard()
        line = await keyboard.read_line(self._typed, self.tick)
        self.tell(Text(f"{prompt}{line}", "dim"))
        return line

    def tell(self, text: Text) -> None:
        """Print what belongs to a question."""
        if self._live:
            lines = text.split(allow_blank=True)
            self._console.print(Group(*(part for line in lines for part in _wrapped(line, self._console))))
        else:
            self._err.print(text)

    def note(self, text: str, style: str = "yellow") -> None:
        """Print a line about the run as a whole."""
        self._formatter.add_note(text, style)
        self._print()

    def hear(self, changes: RunChanges) -> None:
        """Print what is new of the run, or hold it back while silent."""
        if self._is_silent:
            self._hold_back(changes)
            return
        now = self._now()
        self._progress.update(now, changes)
        self._formatter.set_totals(changes.tasks)
        for event in changes.entries:
            self._formatter.add_event(event)
        for activity_id, activity in changes.live.items():
            task, label = self._branch_of(activity_id)
            self._formatter.add_activity(activity_id, task, activity, now, label)
        self._print()

    def tick(self) -> None:
        """Bring up to date what depends on the time; to be called several times a second."""
        if self._is_following and not self._live:  # we may be in the foreground again
            self._start_live_view()
        if self._live:
            self._refresh(self._live)
        elif not self._is_live and not self._is_silent and self._now() - self._last_printed >= PROGRESS_INTERVAL:
            self._print_progress()

    async def keep_ticking(self) -> None:
        """Do so until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self.tick()

    def close(self) -> None:
        """Remove the live view, and leave the terminal as it was."""
        if self._live:
            self._live.stop()
            self._live = None
            keyboard.restore()

    def suspend(self) -> None:
        """Stop this process as Ctrl-Z does, with the terminal as it was; draw again once it goes on."""
        self.close()
        keyboard.suspend()
        self.tick()

    def redraw(self) -> None:
        """Draw the live view anew: the process was stopped, and somebody else had the terminal."""
        self.close()
        self.tick()

    def _hold_back(self, changes: RunChanges) -> None:
        """Of what is held back, the events add up; of the rest, the newest counts."""
        if self._held_back:
            changes.entries = [*self._held_back.entries, *changes.entries]
        self._held_back = changes

    def _branch_of(self, activity_id: str) -> tuple[str, str]:
        """Return the name of the activity's task, and the label of its branch."""
        position = position_of(activity_id)
        if position is None or position.task >= len(self._task_names):
            return "preparing", ""
        return self._task_names[position.task], branch_label(position, self._progress.bundle.tasks[position.task])

    def _start_live_view(self) -> None:
        if self._is_live and not keyboard.is_away():
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop",
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._drawn = []
            self._take_keyboard()
            self._live.start()
            self._refresh(self._live)

    def _take_keyboard(self) -> None:
        """Have the terminal give what is typed as it is wanted now."""
        if self._live and self._question:
            keyboard.read_keys()
        elif self._live:
            keyboard.hide()

    def _refresh(self, live: Live) -> None:
        lines = self._live_view()
        if lines != self._drawn:
            live.update(Group(*lines), refresh=True)
            self._drawn = lines

    def _live_view(self) -> list[Text]:
        width, height = self._console.size
        max_height = min(height - 1, max(MIN_LIVE_VIEW, int(height * LIVE_VIEW_SHARE)))
        if self._question:
            self._question.typed = self._typed.text
        return live_view.render(self._progress.view(self._now()), width, max_height, self._question)

    def _print(self) -> None:
        """Print the new lines. The live view is drawn below them in the same go as it was; the next tick updates it."""
        lines = self._formatter.take_lines()
        if not lines:
            return
        self._last_printed = self._now()
        if self._is_live:
            lines = [part for line in lines for part in _wrapped(line, self._console)]
        else:
            time = Text(f"{datetime.now():%H:%M:%S} ")
            lines = [time + line for line in lines]
        self._console.print(Group(*lines))

    def _print_progress(self) -> None:
        """Print how far the run is, unless nothing has moved since the last time."""
        self._last_printed = self._now()
        view = self._progress.view(self._now())
        figures = [(task.done, task.failed, task.tokens, [row.turn for row in task.rows]) for task in view.tasks]
        running = [_task_progress(task) for task in view.tasks if task.status == "running"]
        if running and figures != self._last_figures:
            self._last_figures = figures
            self.note(f"… {'; '.join(running)}; {_run_figures(view)}", "dim")


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


def _task_progress(task: TaskView) -> str:
    parts = [f"{task.name} {task.done + task.failed}/{task.total}" if task.total > 1 else task.name]
    parts += [f"{task.failed} failed"] if task.failed else []
    parts += [format_rate(task.rate)] if task.rate else []
    parts += [f"ETA {rough(task.seconds_left)}"] if task.seconds_left else []
    parts += [f"turn {row.turn}/{row.turns}" for row in task.rows if task.total <= 1 and row.turn]
    return ", ".join(parts)


def _run_figures(view: RunView) -> str:
    return ", ".join(filter(None, [rough(view.seconds), tokens_told(view.usage), view.cost]))
