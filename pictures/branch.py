"""A branch as the report shows it."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from grammar.documents.durations import spoken
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.history import BranchHistory
from pictures import words
from pictures.costs import Bill

GROUP = 100
MOST_OF_AN_ERROR = 2_000
LINES = {
    "prompt": "asked", "message": "{}", "tool_call": "{} calls", "tool_output": "the tool gives", "handoff": "{}",
    "shell": "stdout", "script": "script",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One entry of a transcript."""

    kind: str
    who: str
    text: str


@dataclass(frozen=True)
class BranchEntry:
    """A branch as it is shown. `left_out`: how many entries are missing between `opening` and `ending`."""

    story: BranchHistory
    bill: Bill
    took: timedelta | None
    opening: list[Line]
    left_out: int
    ending: list[Line]

    @property
    def target(self) -> str:
        """Its place in the page."""
        return f"b{self.story.position.task + 1}-{self.story.report.index + 1}"

    @property
    def label(self) -> str:
        """Which one it is."""
        return self.story.report.label or "the only branch"

    @property
    def item(self) -> str:
        """The item that it is for."""
        return "" if self.story.item is None else words.line(words.without_keys(words.json(self.story.item)), 160)

    @property
    def short(self) -> str:
        """Time, tokens and dollars."""
        used = self.bill.usage
        tokens = f"{used.input_tokens + used.output_tokens:,} tokens" if used.requests else ""
        time = spoken(self.took) if self.took is not None else ""
        return " · ".join(filter(None, [time, tokens, self.bill.dollars.replace("–", "")]))

    @property
    def facts(self) -> str:
        """The rest that is known of it."""
        used, deployments = self.bill.usage, self.story.deployments
        attempts = max((one.attempts for one in deployments), default=1)
        model = f"model {self.story.model}" if self.story.model else ""
        asked = f"{used.requests:,} requests, {used.input_tokens:,} tokens in, {used.output_tokens:,} out"
        return " · ".join(
            filter(
                None,
                [
                    self.story.report.status.replace("_", " "),
                    model,
                    asked if used.requests else "",
                    f"attempt {attempts}" if attempts > 1 else "",
                    f"{len(deployments)} legs" if len(deployments) > 1 else "",
                    ", ".join(one.activity for one in deployments),
                ],
            )
        )

    @property
    def overcome(self) -> list[str]:
        """Why it failed before: a person had it run again."""
        earlier = [one.failure for one in self.story.deployments[:-1] if one.failure]
        return [words.cut(words.without_keys(text), MOST_OF_AN_ERROR) for text in earlier]

    @property
    def error(self) -> str:
        """Why it failed, or why its last attempt did."""
        failure = next((one.failure for one in reversed(self.story.deployments) if one.failure), "")
        text = self.story.report.error or (failure if self.story.report.status != "done" else "")
        return words.cut(words.without_keys(text), MOST_OF_AN_ERROR)


@dataclass(frozen=True)
class Group:
    """Branches that are folded together."""

    label: str
    counts: str
    branches: list[BranchEntry]


def transcript(branch: BranchHistory) -> list[TranscriptEntry]:
    """What was asked, and then what was said."""
    said = branch.transcript()
    # A dry run says it by itself.
    is_told = not branch.prompt or (said and said[0].kind == "prompt")
    return said if is_told else [TranscriptEntry(kind="prompt", who="", text=branch.prompt), *said]


def line(said: TranscriptEntry, branch: BranchHistory) -> Line:
    """An entry as it is shown: what a shell is asked is a script."""
    kind = "script" if said.kind == "prompt" and branch.deployments[0].input.script else said.kind
    return Line(kind, LINES[kind].format(said.who), said.text)


def groups(branches: list[BranchEntry]) -> list[Group]:
    """A hundred of them each."""
    return [_group(branches, begin) for begin in range(0, len(branches), GROUP)]


def _group(branches: list[BranchEntry], begin: int) -> Group:
    part = branches[begin : begin + GROUP]
    counts = Counter(one.story.report.status for one in part)
    told = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in counts.most_common())
    return Group(f"branches {begin + 1:,} to {begin + len(part):,}", told, part)
