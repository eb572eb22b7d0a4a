"""What went wrong in a run: which task and item, what happened, whether it is tried again and when, what to try."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.text import Text

from console.printable import first_line, printable
from grammar.errors import is_retried
from grammar.loading.hints import hint

SHOWN_LINES = 8
# Of the same trouble again and again, so many lines; the rest is counted.
SHOWN_TIMES = 10


@dataclass(frozen=True)
class FailureLine:
    """`kind`: the type of the failure. `then`: what follows. `sign`: ✗ for good, ↻ tried again, ⏸ waits."""

    task: str
    label: str
    kind: str
    message: str
    then: str
    sign: str = "✗"

    @property
    def where(self) -> str:
        """`ask, item 3 of 50`."""
        return ", ".join(filter(None, [self.task, self.label]))


@dataclass
class FailureLines:
    """The first of a kind is told as a block, its like in a line each, and of many, how many. `debug`: all of it."""

    debug: bool = False
    _seen: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def tell(self, one: FailureLine) -> Iterator[Text]:
        """The lines to print."""
        alike = (one.task, one.sign, one.kind, first_line(one.message))
        self._seen[alike] += 1
        times = self._seen[alike]
        style = "red" if one.sign == "✗" else "yellow"
        if self.debug or times == 1:
            yield from self._block(one, style)
        elif times <= SHOWN_TIMES:
            then = f"; {one.then}" if one.then and one.sign != "✗" else ""
            yield Text(f"{one.sign} {one.where}: {one.kind}: {first_line(one.message)}{then}", style)

    def untold(self, task: str) -> Iterator[Text]:
        """What has not been told of a task that is over."""
        for (name, sign, kind, message), times in self._seen.items():
            if name == task and times > SHOWN_TIMES and not self.debug:
                yield Text(f"  … and {times - SHOWN_TIMES:,} more: {sign} {kind}: {message}", "yellow")
        self._seen = Counter({alike: times for alike, times in self._seen.items() if alike[0] != task})

    def _block(self, one: FailureLine, style: str) -> Iterator[Text]:
        yield Text(f"{one.sign} {one.where}: {one.kind}", style)
        for line in self._lines(one.message):
            yield Text(f"    {line}")
        if one.then:
            yield Text(f"    {one.then}", "dim")
        if advice := hint(one.kind):
            yield Text(f"    try: {advice}", "cyan")

    def _lines(self, message: str) -> list[str]:
        """What happened, and of what was written to stderr, the end."""
        lines = [line for line in printable(message).splitlines() if line.strip()]
        if self.debug or len(lines) <= SHOWN_LINES:
            return lines
        cut = len(lines) - SHOWN_LINES + 1
        return [lines[0], f"… ({cut} lines; --debug shows them)", *lines[1 + cut :]]


def final(kind: str) -> str:
    """What follows where nothing is tried again by itself; nothing where the type is not known."""
    if not kind:
        return ""
    return "it was tried as often as its `retry` says" if is_retried(kind) else "not retried: it would fail again"
