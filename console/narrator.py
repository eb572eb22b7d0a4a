"""A run told as it goes: tasks, items, what each agent says, tool calls, shell output."""

import re
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from grammar.contracts import Approval, Entry, Progress, Said

_STYLES = {
    "tool_call": "cyan",
    "tool_output": "dim",
    "handoff": "magenta",
    "shell": "",
    "message": "",
    "prompt": "blue",
}
_SIGNS = {"tool_call": "→ ", "tool_output": "← ", "handoff": "⇒ ", "shell": "", "message": "", "prompt": "▷ "}
_TASK_SIGNS = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "yellow"),
    "cancelled": ("■", "yellow"),
}
_LEFT_OFF = {"rate_limited": "waits for the endpoint", "stopped": "its worker stopped; goes on with the next one"}
SHOWN_LINES = 40


@dataclass
class _Heard:
    """What has been printed of one activity. `streamed`: characters of the text being written."""

    entries: int = 0
    streamed: int = 0
    attempt: int = 1


@dataclass
class Narrator:
    """Prints each thing once. `tasks`: the names in order."""

    console: Console
    tasks: list[str]
    _heard: dict[str, _Heard] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)
    _open_line: str | None = None

    def entry(self, entry: Entry) -> None:
        """Something that the workflow recorded."""
        if entry.kind == "task_started":
            self._line(Text.assemble(("▶ ", "bold blue"), (self._numbered(entry.task), "bold")))
        elif entry.kind == "branch_ended":
            self._branch(entry)
        elif entry.kind == "leg_ended":
            self._left_off(entry)
        elif entry.kind in ("parked", "decided", "paused", "unpaused"):
            self._steered(entry)
        elif entry.approval:
            self._approval(entry, entry.approval)
        else:
            self._task_ended(entry)

    def live(self, activity: str, label: str, progress: Progress, alone: bool) -> None:
        """What an activity does now. `alone`: nothing else runs, so its text can be shown as it is written."""
        heard = self._hearing(activity)
        self._say(heard, label, progress.said, progress.first)
        if alone and progress.written > heard.streamed:
            new = progress.tail[-(progress.written - heard.streamed) :]
            self._stream(activity, label, new)
            heard.streamed = progress.written

    def retried(self, activity: str, label: str, attempt: int, reason: str) -> None:
        """An attempt failed, and another one follows."""
        heard = self._hearing(activity)
        if attempt > heard.attempt:
            # It goes through its conversation again, from its journal: what was told is not told again.
            self._heard[activity] = _Heard(heard.entries, attempt=attempt)
            who = f"{label}: " if label else ""
            self._line(Text(f"  ↻ {who}attempt {attempt} after: {reason}", style="yellow"))

    def note(self, text: str, style: str = "yellow") -> None:
        """A line about the run as a whole."""
        self._line(Text(text, style=style))

    def _branch(self, entry: Entry) -> None:
        label = entry.label
        self._ended(entry)
        if entry.status == "failed":
            self._line(Text(f"  ✗ {label + ': ' if label else ''}{entry.note}", style="red"))
        elif label:
            self._line(Text(f"  ✓ {label}", style="green"))

    def _ended(self, entry: Entry) -> _Heard:
        """What an activity said that has not been printed yet."""
        heard = self._hearing(entry.activity or "")
        self._heard.pop(entry.activity or "")
        self._say(heard, entry.label, entry.said, entry.first)
        return heard

    def _left_off(self, entry: Entry) -> None:
        heard = self._ended(entry)
        if entry.status != "approval":
            self._left[_branch_of(entry.activity or "")] = heard.entries
        if reason := _LEFT_OFF.get(entry.status):
            who = f"{entry.label}: " if entry.label else ""
            self._line(Text(f"  ⏸ {who}{reason}" + (f": {entry.note}" if entry.note else ""), style="yellow"))

    def _hearing(self, activity: str) -> _Heard:
        """A leg that goes on from a journal goes through what an earlier one said first."""
        if activity not in self._heard:
            self._heard[activity] = _Heard(self._left.pop(_branch_of(activity), 0))
        return self._heard[activity]

    def _steered(self, entry: Entry) -> None:
        if entry.kind == "parked":
            self._line(Text(f"⏸ {entry.task} parked: {entry.note}", style="bold red"))
        elif entry.kind == "decided":
            self._line(Text(f"  {entry.task}: {entry.status}, by a person", style="yellow"))
        else:
            text = "paused: no new branch starts" if entry.kind == "paused" else "goes on"
            self._line(Text(text, style="yellow"))

    def _approval(self, entry: Entry, approval: Approval) -> None:
        who = f"{entry.label}: " if entry.label else ""
        if entry.kind == "approval_asked":
            call = f"{approval.tool}({approval.arguments})"
            what = f"of {approval.toolbox} waits for approval"
            if approval.kind == "unknown_outcome":
                what = "was interrupted, and may have had an effect: repeat it?"
            text = f"  ? {who}{call} {what}"
            self._line(Text(f"{text}: {approval.id}", style="bold yellow"))
        else:
            reason = f": {entry.note}" if entry.note else ""
            self._line(Text(f"  {approval.id} {entry.status}{reason}", style="yellow"))

    def _task_ended(self, entry: Entry) -> None:
        sign, style = _TASK_SIGNS.get(entry.status, ("·", ""))
        note = f": {entry.note}" if entry.note and entry.status != "failed" else ""
        self._line(Text(f"{sign} {entry.task} {entry.status}{note}", style=style))

    def _say(self, heard: _Heard, label: str, said: list[Said], first: int) -> None:
        for number, one in enumerate(said, first):
            if number >= heard.entries:
                self._told(one, label, heard.streamed if one.kind in ("message", "shell") else 0)
                heard.entries = number + 1
                heard.streamed = 0

    def _told(self, said: Said, label: str, already: int) -> None:
        if already:
            self._finish_stream(said.text[already:])
            return
        lines = said.text.splitlines()
        if len(lines) > SHOWN_LINES and said.kind != "prompt":
            lines = [*lines[:SHOWN_LINES], f"… ({len(lines) - SHOWN_LINES} more lines)"]
        for line in lines:
            self._line(Text(f"  {_prefix(said, label)}{_SIGNS[said.kind]}{line}", style=_STYLES[said.kind]))

    def _stream(self, activity: str, label: str, new: str) -> None:
        if self._open_line != activity:
            self._close_line()
            self.console.print(f"  {label}: " if label else "  ", end="", markup=False)
            self._open_line = activity
        self.console.print(new.replace("\n", "\n  "), end="", markup=False)

    def _finish_stream(self, rest: str) -> None:
        if self._open_line is None:
            self.console.print("  ", end="")
        self.console.print(rest.replace("\n", "\n  "), markup=False)
        self._open_line = None

    def _line(self, text: Text) -> None:
        self._close_line()
        self.console.print(text)

    def _close_line(self) -> None:
        if self._open_line is not None:
            self.console.print()
            self._open_line = None

    def _numbered(self, task: str) -> str:
        number = f"{self.tasks.index(task) + 1}/{len(self.tasks)} " if task in self.tasks else ""
        return f"{number}{task}"


def _branch_of(activity: str) -> str:
    """The id of the branch's first leg."""
    return re.sub(r"-leg-\d+$", "", activity)


def activity_label(activity_id: str) -> str:
    """`item 3, model 2` from an activity's id; nothing for a task that does not fan out."""
    found = re.findall(r"-(item|model)-(\d+)", activity_id)
    return ", ".join(f"{kind} {number}" for kind, number in found)


def _prefix(said: Said, label: str) -> str:
    parts = [label, said.who if said.kind != "shell" else ""]
    text = " ".join(filter(None, parts))
    return f"{text}: " if text else ""
