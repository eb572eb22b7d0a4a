"""What happens in an activity, as it happens, for people."""

from collections.abc import Callable
from typing import Literal

from grammar.contracts import Progress, Said

SHOWN = 2_000
RECENT = 8
TAIL = 600
KEPT = 200
# Of a text that is being written, more is kept than is shown: a secret at the cut is still whole.
STREAMED = 64_000

Kind = Literal["message", "tool_call", "tool_output", "handoff", "shell", "prompt"]


class Transcript:
    """Gathers entries. `redact` goes over every text before it is kept."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self.redact = redact
        self._said: list[Said] = []
        self.first = 0
        self.turn = 0
        self.tokens = 0
        self.doing = ""
        self._stream = ""
        self._dropped = 0

    def say(self, kind: Kind, who: str, text: str, shown: int = SHOWN) -> None:
        """Add an entry, cut to a readable length, `shown`; the oldest go where there are too many to keep."""
        text = self.redact(text)
        if len(text) > shown:
            text = f"{text[:shown]}… ({len(text):,} characters)"
        self._said.append(Said(kind=kind, who=who, text=text))
        if len(self._said) > KEPT:
            del self._said[0]
            self.first += 1

    def stream(self, delta: str) -> None:
        """More of the text that is being written now."""
        self._stream += delta
        if len(self._stream) > STREAMED:
            self._dropped += len(self.redact(self._stream[: -STREAMED // 2]))
            self._stream = self._stream[-STREAMED // 2 :]

    def end_stream(self) -> None:
        """That text is complete, and comes as an entry."""
        self._stream, self._dropped = "", 0

    @property
    def said(self) -> list[Said]:
        """The entries kept."""
        return list(self._said)

    def progress(self) -> Progress:
        """The newest entries, and the tail of the text being written."""
        recent = self._said[-RECENT:]
        stream = self.redact(self._stream)
        return Progress(
            turn=self.turn,
            doing=self.doing,
            tokens=self.tokens,
            first=self.first + len(self._said) - len(recent),
            said=recent,
            tail=stream[-TAIL:],
            written=self._dropped + len(stream),
        )
