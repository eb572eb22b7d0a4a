"""The events of a run as lines: tasks, items, what each agent says, tool calls, shell output, what goes wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.text import Text

from console.failure_lines import FailureFormatter, FailureNotice, why_not_retried
from console.printable import first_line, printable, printable_name
from grammar.documents.durations import rough
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.events import PendingActivity, RunEvent, TaskProgress
from grammar.messages.reports import Approval

STYLES = {
    "tool_call": "cyan",
    "tool_output": "dim",
    "handoff": "magenta",
    "shell": "",
    "message": "",
    "prompt": "blue",
    "model": "yellow",
}
SIGNS = {
    "tool_call": "→ ",
    "tool_output": "← ",
    "handoff": "⇒ ",
    "shell": "",
    "message": "",
    "prompt": "▷ ",
    "model": "⇄ ",
}
_TASK_SIGNS = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "yellow"),
    "cancelled": ("■", "yellow"),
}
# Of tools and scripts. What a model says is printed in full.
MAX_LINES = 40
# In a task of more branches than that, what tools do is left out; of more than that, branches that say nothing are.
MAX_BRANCHES_WITH_TOOLS = 20
MAX_SILENT_BRANCHES = 200


@dataclass
class _ActivityState:
    """Of one activity: how many entries of its transcript are in lines, and the newest attempt."""

    entries: int = 0
    attempt: int = 1


@dataclass
class EventFormatter:
    """Put the events of a run into lines, each thing once.

    `tasks`: their names, in order. `debug`: nothing is left out. `attended`: a person is asked about calls, so that no
    line needs to say that they wait.
    """

    tasks: list[str]
    debug: bool = False
    attended: bool = False
    _lines: list[Text] = field(default_factory=list)
    _activities: dict[str, _ActivityState] = field(default_factory=dict)
    _entries_of_earlier_legs: dict[str, int] = field(default_factory=dict)
    _blocks: dict[str, list[Text]] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _failed_tasks: set[str] = field(default_factory=set)
    _failures: FailureFormatter = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = [printable_name(name) for name in self.tasks]
        self._failures = FailureFormatter(self.debug)

    def take_lines(self) -> list[Text]:
        """Return the lines since the last call, and forget them."""
        lines, self._lines = self._lines, []
        return lines

    def set_totals(self, tasks: Sequence[TaskProgress]) -> None:
        """Set how many branches each task has; a total of 0 is not known yet, and changes nothing."""
        for name, progress in zip(self.tasks, tasks, strict=False):
            self._totals[name] = progress.total or self._totals.get(name, 0)

    def add_event(self, event: RunEvent) -> None:
        """Add the lines of something that the workflow recorded."""
        event = event.model_copy(update={name: printable_name(getattr(event, name)) for name in ("task", "label")})
        self._totals[event.task] = event.total or self._totals.get(event.task, 0)
        if event.kind == "task_started":
            self._add_line(Text.assemble(("▶ ", "bold blue"), (self._numbered(event.task), "bold")))
        elif event.kind == "branch_ended":
            self._add_branch_end(event)
        elif event.kind == "leg_ended":
            self._add_leg_end(event)
        elif event.kind == "rate_limited":
            self._add_rate_limit(event)
        elif event.kind == "fallback":
            self._add_fallback(event)
        elif event.kind in ("parked", "decided", "paused", "unpaused", "budget_raised"):
            self._add_run_state(event)
        elif event.approval:
            self._add_approval(event, event.approval)
        else:
            self._add_task_end(event)

    def add_activity(
        self, activity_id: str, task: str, activity: PendingActivity, now: datetime, label: str = ""
    ) -> None:
        """Add the lines of what an activity of `task` does now: its new transcript entries, and a new attempt.

        `label`: of its branch, empty where the task has only one.
        """
        task, label = printable_name(task), printable_name(label)
        state = self._state_of(activity_id)
        if activity.attempt > state.attempt:
            state.attempt = activity.attempt
            self._add_retry(task, label, activity, now)
        if activity.progress:
            self._add_transcript(activity_id, task, activity.progress.said, activity.progress.first)

    def add_note(self, text: str, style: str = "yellow") -> None:
        """Add a line about the run as a whole."""
        self._add_line(Text(printable(text), style=style))

    def _add_retry(self, task: str, label: str, activity: PendingActivity, now: datetime) -> None:
        failed = activity.attempt - 1
        number = f"{failed} of {activity.attempts}" if activity.attempts else f"{failed}"
        seconds = (activity.retry_at - now).total_seconds() if activity.retry_at else 0
        when = f"in {rough(seconds)}" if seconds >= 0.5 else "now"
        outcome = f"attempt {number} failed; attempt {activity.attempt} {when}"
        error_type = activity.kind or "Failure"
        self._add_failure(FailureNotice(task, label, error_type, activity.last_failure, outcome, "↻"))

    def _add_failure(self, failure: FailureNotice) -> None:
        if failure.sign == "✗":
            self._failed_tasks.add(failure.task)
        for line in self._failures.lines(failure):
            self._add_line(Text("  ") + line)

    def _add_branch_end(self, event: RunEvent) -> None:
        self._end_activity(event)
        block = self._blocks.pop(_first_leg(event.activity or ""), [])
        if event.status == "failed":
            if block:
                self._add_line(Text(f"  ✗ {event.label}", style="red"))
            self._lines.extend(block)
            self._add_failure(_final_failure(event, event.label))
        elif self._has_blocks(event.task) and (block or self.debug or self._total(event.task) <= MAX_SILENT_BRANCHES):
            self._add_line(Text(f"  ✓ {event.label}", style="green"))
            self._lines.extend(block)

    def _add_leg_end(self, event: RunEvent) -> None:
        state = self._end_activity(event)
        if event.status != "approval":
            self._entries_of_earlier_legs[_first_leg(event.activity or "")] = state.entries
        if event.status == "stopped":
            label = f"{event.label}: " if event.label else ""
            self._add_line(Text(f"  ⏸ {label}its worker stopped; goes on with the next one", style="yellow"))

    def _end_activity(self, event: RunEvent) -> _ActivityState:
        """Add the rest of an activity's transcript. Returns its state, which is forgotten."""
        activity_id = event.activity or ""
        state = self._state_of(activity_id)
        self._add_transcript(activity_id, event.task, event.said, event.first)
        self._activities.pop(activity_id)
        return state

    def _add_rate_limit(self, event: RunEvent) -> None:
        until = f"until {event.until.astimezone():%H:%M:%S}" if event.until else "for now"
        outcome = f"waits for the endpoint {until}; no attempt is used up as long as any item advances"
        self._add_failure(
            FailureNotice(event.task, event.label, event.error or "RateLimited", event.note, outcome, "⏸")
        )

    def _add_fallback(self, event: RunEvent) -> None:
        outcome = f"{printable_name(event.model)} goes on"
        self._add_failure(FailureNotice(event.task, event.label, event.error, event.note, outcome, "⇄"))

    def _state_of(self, activity_id: str) -> _ActivityState:
        """A leg that goes on from a journal goes through the entries of the earlier ones first."""
        if activity_id not in self._activities:
            entries = self._entries_of_earlier_legs.pop(_first_leg(activity_id), 0)
            self._activities[activity_id] = _ActivityState(entries)
        return self._activities[activity_id]

    def _total(self, task: str) -> int:
        return self._totals.get(task, 0)

    def _is_shown(self, task: str, entry: TranscriptEntry) -> bool:
        return self.debug or entry.kind in ("message", "prompt") or self._total(task) <= MAX_BRANCHES_WITH_TOOLS

    def _has_blocks(self, task: str) -> bool:
        return self._total(task) > 1

    def _add_run_state(self, event: RunEvent) -> None:
        if event.kind == "parked":
            self._add_line(Text(f"⏸ {event.task} parked: {first_line(event.note)}", style="bold red"))
        elif event.kind == "decided":
            self._add_line(Text(f"  {event.task}: {event.status}, by a person", style="yellow"))
        elif event.kind == "budget_raised":
            self._add_line(Text(printable(f"  raised by a person: {event.note}"), style="yellow"))
        else:
            text = "paused: no new branch starts" if event.kind == "paused" else "goes on"
            self._add_line(Text(text, style="yellow"))

    def _add_approval(self, event: RunEvent, approval: Approval) -> None:
        if event.kind == "approval_asked" and self.attended:
            return
        if event.kind == "approval_asked":
            label = f"{event.label}: " if event.label else ""
            call = printable(f"{approval.tool}({approval.arguments})")
            what = f"of {printable_name(approval.toolbox)} waits for approval"
            if approval.kind == "unknown_outcome":
                what = "was interrupted, and may have had an effect: repeat it?"
            text = f"  ? {label}{call} {what}"
            if approval.kind == "fan_out":
                text = printable(f"  ? {event.task} asks before it starts: {approval.arguments}")
            self._add_line(Text(f"{text}: {approval.id}", style="bold yellow"))
        else:
            reason = f": {event.note}" if event.note else ""
            self._add_line(Text(printable(f"  {approval.id} {event.status}{reason}"), style="yellow"))

    def _add_task_end(self, event: RunEvent) -> None:
        if event.status == "failed" and event.error and event.task not in self._failed_tasks:
            self._add_failure(_final_failure(event, ""))
        self._lines.extend(self._failures.repeats(event.task))
        sign, style = _TASK_SIGNS.get(event.status, ("·", ""))
        note = f": {first_line(event.note)}" if event.note and not event.error else ""
        self._add_line(Text(f"{sign} {event.task} {event.status}{note}", style=style))

    def _add_transcript(self, activity_id: str, task: str, entries: list[TranscriptEntry], first: int) -> None:
        """Of a task's only branch, at once; of several, into a block for each, which is added when the branch ends."""
        state = self._state_of(activity_id)
        for number, entry in enumerate(entries, first):
            if number < state.entries:
                continue
            state.entries = number + 1
            if not self._is_shown(task, entry):
                continue
            if self._has_blocks(task):
                self._blocks.setdefault(_first_leg(activity_id), []).extend(_entry_lines(entry, "    "))
            else:
                self._lines.extend(_entry_lines(entry, "  "))

    def _add_line(self, text: Text) -> None:
        self._lines.append(text)

    def _numbered(self, task: str) -> str:
        number = f"{self.tasks.index(task) + 1}/{len(self.tasks)} " if task in self.tasks else ""
        return f"{number}{task}"


def _final_failure(event: RunEvent, label: str) -> FailureNotice:
    return FailureNotice(event.task, label, event.error or "Failure", event.note, why_not_retried(event.error))


def _entry_lines(entry: TranscriptEntry, indent: str) -> list[Text]:
    """Who says it, and below each other what."""
    lines = printable(entry.text).splitlines()
    if len(lines) > MAX_LINES and entry.kind not in ("prompt", "message"):
        lines = [*lines[:MAX_LINES], f"… ({len(lines) - MAX_LINES} more lines)"]
    who = f"{printable_name(entry.who)}: " if entry.kind != "shell" else ""
    starts = [f"{who}{SIGNS[entry.kind]}", *["  " * bool(who)] * len(lines)]
    return [
        Text(f"{indent}{start}{line}", style=STYLES[entry.kind]) for start, line in zip(starts, lines, strict=False)
    ]


def _first_leg(activity_id: str) -> str:
    """The id of the first leg of the activity's branch, which stands for the branch."""
    return re.sub(r"-leg-\d+$", "", activity_id)
