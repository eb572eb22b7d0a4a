"""The tasks and branches of a run, as its report shows them."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from grammar.documents.durations import spoken
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.history import BranchHistory
from grammar.messages.reports import TaskReport
from grammar.model_access.prices import tokens_told
from pictures.costs import CostSummary
from pictures.markdown import Typesetter
from pictures.text_format import as_text, cut, one_line, readable_references

GROUP_SIZE = 100
MAX_ITEM = 160
MAX_ERROR = 2_000
_SPEAKERS = {
    "prompt": "asked", "message": "{}", "tool_call": "{} calls", "tool_output": "the tool gives", "handoff": "{}",
    "shell": "stdout", "script": "script", "model": "{}",
}  # fmt: skip


@dataclass(frozen=True)
class TranscriptLine:
    """An entry of a transcript, as it is shown. `kind`: the entry's, or `script`. `who`: what stands above the text.

    `html`: the text laid out; None where it is shown as it is.
    """

    kind: str
    who: str
    text: str
    html: Markup | None


@dataclass(frozen=True)
class BranchSection:
    """A branch, as it is shown.

    `took`: None where it has not begun. `left_out`: how many entries are missing between `opening` and `ending`.
    """

    history: BranchHistory
    cost: CostSummary
    took: timedelta | None
    opening: list[TranscriptLine]
    left_out: int
    ending: list[TranscriptLine]

    @property
    def anchor(self) -> str:
        """Return its id in the page."""
        return f"b{self.history.position.task + 1}-{self.history.report.index + 1}"

    @property
    def status(self) -> str:
        """Return the branch's status."""
        return self.history.report.status

    @property
    def label(self) -> str:
        """Return which branch of its task it is."""
        return self.history.report.label or "the only branch"

    @property
    def item(self) -> str:
        """Return the item that it is for, in one line; empty where the task has no items."""
        item = self.history.item
        return "" if item is None else one_line(readable_references(as_text(item)), MAX_ITEM)

    @property
    def figures(self) -> str:
        """Return time, tokens and dollars, as far as they are known."""
        used = self.cost.usage
        tokens = f"{used.tokens:,} tokens" if used.requests else ""
        time = spoken(self.took) if self.took is not None else ""
        return " · ".join(filter(None, [time, tokens, self.cost.dollars.replace("–", "")]))

    @property
    def facts(self) -> str:
        """Return the rest that is known of it: status, model, requests, attempts, legs and activities."""
        used, deployments = self.cost.usage, self.history.deployments
        attempts = max((deployment.attempts for deployment in deployments), default=1)
        models = ", then ".join(asked.model for asked in self.history.asked if asked.model)
        model = f"model {models}" if models else ""
        asked = f"{used.requests:,} requests, {tokens_told(used)}"
        return " · ".join(
            filter(
                None,
                [
                    self.status.replace("_", " "),
                    model,
                    asked if used.requests else "",
                    f"attempt {attempts}" if attempts > 1 else "",
                    f"{len(deployments)} legs" if len(deployments) > 1 else "",
                    ", ".join(deployment.activity for deployment in deployments),
                ],
            )
        )

    @property
    def earlier_errors(self) -> list[str]:
        """Return why it failed before: a person had it run again."""
        failures = [deployment.failure for deployment in self.history.deployments[:-1] if deployment.failure]
        return [_error(failure) for failure in failures]

    @property
    def error(self) -> str:
        """Return why it failed, or, while it is not done, why its last attempt did; empty without a failure."""
        failures = [deployment.failure for deployment in self.history.deployments if deployment.failure]
        last = failures[-1] if failures and self.status != "done" else ""
        return _error(self.history.report.error or last)


@dataclass(frozen=True)
class BranchGroup:
    """Branches that are folded together. `counts`: how many have which status."""

    label: str
    counts: str
    branches: list[BranchSection]


@dataclass(frozen=True)
class TaskSection:
    """A task, as it is shown. `number`: from 1. `took`: empty where it has not begun."""

    number: int
    report: TaskReport
    took: str
    cost: CostSummary
    groups: list[BranchGroup]

    @property
    def anchor(self) -> str:
        """Return its id in the page."""
        return f"task-{self.number}"

    @property
    def branches(self) -> list[BranchSection]:
        """Return the branches of all groups."""
        return [branch for group in self.groups for branch in group.branches]


def full_transcript(branch: BranchHistory) -> list[TranscriptEntry]:
    """Return what the branch was asked, and then what was said."""
    transcript = branch.transcript()
    # A dry run says it by itself.
    begins_with_prompt = not branch.prompt or (transcript and transcript[0].kind == "prompt")
    return (
        transcript if begins_with_prompt else [TranscriptEntry(kind="prompt", who="", text=branch.prompt), *transcript]
    )


def transcript_line(entry: TranscriptEntry, branch: BranchHistory, typesetter: Typesetter) -> TranscriptLine:
    """Return an entry as it is shown: what a shell is asked is a script, and what a model says may be Markdown."""
    kind = "script" if entry.kind == "prompt" and branch.deployments[0].input.script else entry.kind
    html = typesetter.html(entry.text) if kind == "message" else None
    return TranscriptLine(kind, _SPEAKERS[kind].format(entry.who), entry.text, html)


def grouped(branches: list[BranchSection]) -> list[BranchGroup]:
    """Return the branches in groups of a hundred."""
    return [_group(branches, start) for start in range(0, len(branches), GROUP_SIZE)]


def _group(branches: list[BranchSection], start: int) -> BranchGroup:
    members = branches[start : start + GROUP_SIZE]
    counts = Counter(branch.status for branch in members)
    text = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in counts.most_common())
    return BranchGroup(f"branches {start + 1:,} to {start + len(members):,}", text, members)


def _error(text: str) -> str:
    return cut(readable_references(text), MAX_ERROR)
