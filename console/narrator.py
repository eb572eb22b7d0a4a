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
    _open_line: str | None = None

    def entry(self, entry: Entry) -> None:
        """Something that the workflow recorded."""
        if entry.kind == "task_started":
            self._line(Text.assemble(("▶ ", "bold blue"), (self._numbered(entry.task), "bold")))
        elif entry.kind == "branch_ended":
            self._branch(entry)
        elif entry.kind == "leg_ended":
            self._ended(entry)
        elif entry.approval:
            self._approval(entry, entry.approval)
        else:
            self._task_ended(entry)

    def live(self, activity: str, label: str, progress: Progress, alone: bool) -> None:
        """What an activity does now. `alone`: nothing else runs, so its text can be shown as it is written."""
        heard = self._heard.setdefault(activity, _Heard())
        self._say(heard, label, progress.said, progress.first)
        if alone and progress.written > heard.streamed:
            new = progress.tail[-(progress.written - heard.streamed) :]
            self._stream(activity, label, new)
            heard.streamed = progress.written

    def retried(self, activity: str, label: str, attempt: int, reason: str) -> None:
        """An attempt failed, and another one follows."""
        heard = self._heard.setdefault(activity, _Heard())
        if attempt > heard.attempt:
            self._heard[activity] = _Heard(attempt=attempt)
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

    def _ended(self, entry: Entry) -> None:
        """What an activity said that has not been printed yet."""
        heard = self._heard.pop(entry.activity or "", _Heard())
        self._say(heard, entry.label, entry.said, entry.first)

    def _approval(self, entry: Entry, approval: Approval) -> None:
        who = f"{entry.label}: " if entry.label else ""
        if entry.kind == "approval_asked":
            text = f"  ? {who}{approval.tool}({approval.arguments}) of {approval.toolbox} waits for approval"
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


def activity_label(activity_id: str) -> str:
    """`item 3, model 2` from an activity's id; nothing for a task that does not fan out."""
    found = re.findall(r"-(item|model)-(\d+)", activity_id)
    return ", ".join(f"{kind} {number}" for kind, number in found)


def _prefix(said: Said, label: str) -> str:
    parts = [label, said.who if said.kind != "shell" else ""]
    text = " ".join(filter(None, parts))
    return f"{text}: " if text else ""
