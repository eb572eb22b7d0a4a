"""What went wrong in a run: which task and item, what happened, whether it is tried again and when, what to try."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.text import Text

from console.printable import first_line, printable
from grammar.failure_policy import is_retried
from grammar.loading.hints import hint

MAX_LINES = 8
# Of the same failure again and again, so many lines; the rest is counted.
MAX_REPEATS = 10


@dataclass(frozen=True)
class FailureNotice:
    """A failure, as a person is to see it.

    `branch`: its label, empty for a task as a whole. `outcome`: what follows.
    `sign`: ✗ for good, ↻ tried again, ⏸ waits.
    """

    task: str
    branch: str
    error_type: str
    message: str
    outcome: str
    sign: str = "✗"

    @property
    def subject(self) -> str:
        """Return what failed: `ask, item 3 of 50`."""
        return ", ".join(filter(None, [self.task, self.branch]))


@dataclass
class FailureFormatter:
    """Put failures into lines: the first of a kind as a block, its like as a line each, and of many, how many.

    `debug`: each as a whole block.
    """

    debug: bool = False
    _counts: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def lines(self, failure: FailureNotice) -> Iterator[Text]:
        """Yield the lines to print; none for one that is only counted."""
        alike = (failure.task, failure.sign, failure.error_type, first_line(failure.message))
        self._counts[alike] += 1
        times = self._counts[alike]
        style = "red" if failure.sign == "✗" else "yellow"
        if self.debug or times == 1:
            yield from self._block(failure, style)
        elif times <= MAX_REPEATS:
            yield _line(failure, style)

    def repeats(self, task: str) -> Iterator[Text]:
        """Yield, for a task that has ended, how many failures were only counted; its counts are then forgotten."""
        for (name, sign, error_type, message), times in self._counts.items():
            if name == task and times > MAX_REPEATS and not self.debug:
                yield Text(f"  … and {times - MAX_REPEATS:,} more: {sign} {error_type}: {message}", "yellow")
        self._counts = Counter({alike: times for alike, times in self._counts.items() if alike[0] != task})

    def _block(self, failure: FailureNotice, style: str) -> Iterator[Text]:
        yield Text(f"{failure.sign} {failure.subject}: {failure.error_type}", style)
        for line in self._message(failure.message):
            yield Text(f"    {line}")
        if failure.outcome:
            yield Text(f"    {failure.outcome}", "dim")
        if advice := hint(failure.error_type):
            yield Text(f"    try: {advice}", "cyan")

    def _message(self, message: str) -> list[str]:
        """What happened, and of what was written to stderr, the end."""
        lines = [line for line in printable(message).splitlines() if line.strip()]
        if self.debug or len(lines) <= MAX_LINES:
            return lines
        cut = len(lines) - MAX_LINES + 1
        return [lines[0], f"… ({cut} lines; --debug shows them)", *lines[1 + cut :]]


def _line(failure: FailureNotice, style: str) -> Text:
    outcome = f"; {failure.outcome}" if failure.outcome and failure.sign != "✗" else ""
    message = first_line(failure.message)
    return Text(f"{failure.sign} {failure.subject}: {failure.error_type}: {message}{outcome}", style)


def why_not_retried(error_type: str) -> str:
    """Return why a failure was for good; empty where its type is not known."""
    if not error_type:
        return ""
    return "it was tried as often as its `retry` says" if is_retried(error_type) else "not retried: it would fail again"
