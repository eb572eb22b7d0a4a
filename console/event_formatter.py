"""A run told as it goes: tasks, items, what each agent says, tool calls, shell output, what goes wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.text import Text

from console.failure_lines import FailureLine, FailureLines, final
from console.printable import first_line, printable
from console.progress import activity_label
from grammar.documents.durations import rough
from grammar.messages.contracts import TranscriptEntry
from grammar.messages.events import PendingActivity, RunEvent, TaskProgress
from grammar.messages.reports import Approval

STYLES = {
    "tool_call": "cyan",
    "tool_output": "dim",
    "handoff": "magenta",
    "shell": "",
    "message": "",
    "prompt": "blue",
}
SIGNS = {"tool_call": "→ ", "tool_output": "← ", "handoff": "⇒ ", "shell": "", "message": "", "prompt": "▷ "}
_TASK_SIGNS = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "yellow"),
    "cancelled": ("■", "yellow"),
}
# Of tools and scripts. What a model says is told in full.
SHOWN_LINES = 40
# Of more branches than that, what their tools do is left out; of more than that, those that say nothing are.
WHOLE = 20
SILENT = 200


@dataclass
class _Heard:
    """What has been heard of one activity."""

    entries: int = 0
    attempt: int = 1


@dataclass
class EventFormatter:
    """Puts each thing into lines once. `tasks`: the names in order. `debug`: nothing is left out.

    `attended`: a person is asked about calls, so that they need not be told.
    """

    tasks: list[str]
    debug: bool = False
    attended: bool = False
    _lines: list[Text] = field(default_factory=list)
    _heard: dict[str, _Heard] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)
    _blocks: dict[str, list[Text]] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _troubles: FailureLines = field(init=False)

    def __post_init__(self) -> None:
        self._troubles = FailureLines(self.debug)

    def take(self) -> list[Text]:
        """The lines since the last time."""
        told, self._lines = self._lines, []
        return told

    def totals(self, tasks: Sequence[TaskProgress]) -> None:
        """How many branches each task has, as far as it is known."""
        for name, tally in zip(self.tasks, tasks, strict=False):
            self._totals[name] = tally.total or self._totals.get(name, 0)

    def entry(self, entry: RunEvent) -> None:
        """Something that the workflow recorded."""
        self._totals[entry.task] = entry.total or self._totals.get(entry.task, 0)
        if entry.kind == "task_started":
            self._line(Text.assemble(("▶ ", "bold blue"), (self._numbered(entry.task), "bold")))
        elif entry.kind == "branch_ended":
            self._branch(entry)
        elif entry.kind == "leg_ended":
            self._left_off(entry)
        elif entry.kind == "rate_limited":
            self._rests(entry)
        elif entry.kind in ("parked", "decided", "paused", "unpaused"):
            self._steered(entry)
        elif entry.approval:
            self._approval(entry, entry.approval)
        else:
            self._task_ended(entry)

    def live(self, activity: str, task: str, live: PendingActivity, now: datetime) -> None:
        """What an activity does now."""
        label = activity_label(activity)
        heard = self._hearing(activity)
        if live.attempt > heard.attempt:
            heard.attempt = live.attempt
            self._retried(task, label, live, now)
        if live.progress:
            self._say(activity, task, live.progress.said, live.progress.first)

    def note(self, text: str, style: str = "yellow") -> None:
        """A line about the run as a whole."""
        self._line(Text(printable(text), style=style))

    def _retried(self, task: str, label: str, live: PendingActivity, now: datetime) -> None:
        number = f"{live.attempt - 1} of {live.attempts}" if live.attempts else f"{live.attempt - 1}"
        seconds = (live.retry_at - now).total_seconds() if live.retry_at else 0
        when = f"in {rough(seconds)}" if seconds >= 0.5 else "now"
        then = f"attempt {number} failed; attempt {live.attempt} {when}"
        self._trouble(FailureLine(task, label, live.kind or "Failure", live.last_failure, then, "↻"))

    def _trouble(self, one: FailureLine) -> None:
        if one.sign == "✗":
            self._failed.add(one.task)
        for line in self._troubles.tell(one):
            self._line(Text("  ") + line)

    def _branch(self, entry: RunEvent) -> None:
        self._ended(entry)
        block = self._blocks.pop(_branch_of(entry.activity or ""), [])
        if entry.status == "failed":
            if block:
                self._line(Text(f"  ✗ {entry.label}", style="red"))
            for line in block:
                self._line(line)
            self._trouble(
                FailureLine(entry.task, entry.label, entry.error or "Failure", entry.note, final(entry.error))
            )
        elif self._is_block(entry.task) and (block or self.debug or self._total(entry.task) <= SILENT):
            self._line(Text(f"  ✓ {entry.label}", style="green"))
            for line in block:
                self._line(line)

    def _ended(self, entry: RunEvent) -> _Heard:
        """What an activity said that has not been told yet."""
        heard = self._hearing(entry.activity or "")
        self._say(entry.activity or "", entry.task, entry.said, entry.first)
        self._heard.pop(entry.activity or "")
        return heard

    def _left_off(self, entry: RunEvent) -> None:
        heard = self._ended(entry)
        if entry.status != "approval":
            self._left[_branch_of(entry.activity or "")] = heard.entries
        if entry.status == "stopped":
            who = f"{entry.label}: " if entry.label else ""
            self._line(Text(f"  ⏸ {who}its worker stopped; goes on with the next one", style="yellow"))

    def _rests(self, entry: RunEvent) -> None:
        until = f"until {entry.until.astimezone():%H:%M:%S}" if entry.until else "for now"
        then = f"waits for the endpoint {until}; no attempt is used up as long as any item advances"
        self._trouble(FailureLine(entry.task, entry.label, "RateLimited", entry.note, then, "⏸"))

    def _hearing(self, activity: str) -> _Heard:
        """A leg that goes on from a journal goes through what an earlier one said first."""
        if activity not in self._heard:
            self._heard[activity] = _Heard(self._left.pop(_branch_of(activity), 0))
        return self._heard[activity]

    def _total(self, task: str) -> int:
        return self._totals.get(task, 0)

    def _is_told(self, task: str, said: TranscriptEntry) -> bool:
        return self.debug or said.kind in ("message", "prompt") or self._total(task) <= WHOLE

    def _is_block(self, task: str) -> bool:
        return self._total(task) > 1

    def _steered(self, entry: RunEvent) -> None:
        if entry.kind == "parked":
            self._line(Text(f"⏸ {entry.task} parked: {first_line(entry.note)}", style="bold red"))
        elif entry.kind == "decided":
            self._line(Text(f"  {entry.task}: {entry.status}, by a person", style="yellow"))
        else:
            text = "paused: no new branch starts" if entry.kind == "paused" else "goes on"
            self._line(Text(text, style="yellow"))

    def _approval(self, entry: RunEvent, approval: Approval) -> None:
        who = f"{entry.label}: " if entry.label else ""
        if entry.kind == "approval_asked" and self.attended:
            return
        if entry.kind == "approval_asked":
            call = printable(f"{approval.tool}({approval.arguments})")
            what = f"of {approval.toolbox} waits for approval"
            if approval.kind == "unknown_outcome":
                what = "was interrupted, and may have had an effect: repeat it?"
            text = f"  ? {who}{call} {what}"
            self._line(Text(f"{text}: {approval.id}", style="bold yellow"))
        else:
            reason = f": {entry.note}" if entry.note else ""
            self._line(Text(printable(f"  {approval.id} {entry.status}{reason}"), style="yellow"))

    def _task_ended(self, entry: RunEvent) -> None:
        if entry.status == "failed" and entry.task not in self._failed:
            self._trouble(FailureLine(entry.task, "", entry.error or "Failure", entry.note, final(entry.error)))
        for line in self._troubles.untold(entry.task):
            self._line(line)
        sign, style = _TASK_SIGNS.get(entry.status, ("·", ""))
        note = f": {first_line(entry.note)}" if entry.note and entry.status != "failed" else ""
        self._line(Text(f"{sign} {entry.task} {entry.status}{note}", style=style))

    def _say(self, activity: str, task: str, said: list[TranscriptEntry], first: int) -> None:
        """The one branch of a task is told at once; of several, each one's block when it ends."""
        heard = self._hearing(activity)
        for number, one in enumerate(said, first):
            if number < heard.entries:
                continue
            heard.entries = number + 1
            if self._is_told(task, one):
                told = _told(one, "    " if self._is_block(task) else "  ")
                if self._is_block(task):
                    self._blocks.setdefault(_branch_of(activity), []).extend(told)
                else:
                    self._lines.extend(told)

    def _line(self, text: Text) -> None:
        self._lines.append(text)

    def _numbered(self, task: str) -> str:
        number = f"{self.tasks.index(task) + 1}/{len(self.tasks)} " if task in self.tasks else ""
        return f"{number}{task}"


def _told(said: TranscriptEntry, indent: str) -> list[Text]:
    """Who says it, and below each other what."""
    lines = printable(said.text).splitlines()
    if len(lines) > SHOWN_LINES and said.kind not in ("prompt", "message"):
        lines = [*lines[:SHOWN_LINES], f"… ({len(lines) - SHOWN_LINES} more lines)"]
    who = f"{said.who}: " if said.kind != "shell" else ""
    begins = [f"{who}{SIGNS[said.kind]}", *["  " * bool(who)] * len(lines)]
    return [Text(f"{indent}{begin}{line}", style=STYLES[said.kind]) for begin, line in zip(begins, lines, strict=False)]


def _branch_of(activity: str) -> str:
    """The id of the branch's first leg."""
    return re.sub(r"-leg-\d+$", "", activity)
