"""What happens in an activity, as it happens, for people."""

from collections.abc import Callable
from typing import Literal

from grammar.messages.activity_results import Progress, TranscriptEntry, Usage

SHOWN = 2_000
RECENT = 8
TAIL = 600
KEPT = 200
# Of a text that is being written, more is kept than is shown: a secret at the cut is still whole.
STREAMED = 64_000

Kind = Literal["message", "tool_call", "tool_output", "handoff", "shell", "prompt"]


class Transcript:
    """Gathers entries. `redact` goes over every text before it is kept.

    `last`: so much is shown of what a model says last, be it more than of anything else.
    """

    def __init__(self, redact: Callable[[str], str], last: int = SHOWN) -> None:
        self.redact = redact
        self._last = max(SHOWN, last)
        self._said: list[TranscriptEntry] = []
        self.first = 0
        self.turn = 0
        self.usage = Usage()
        self.doing = ""
        self._stream = ""
        self._dropped = 0

    def say(self, kind: Kind, who: str, text: str, shown: int = SHOWN) -> None:
        """Add an entry, cut to a readable length, `shown`; the oldest go where there are too many to keep."""
        if self._said and self._said[-1].kind == "message":
            self._said[-1] = self._said[-1].model_copy(update={"text": _cut(self._said[-1].text, SHOWN)})
        text = self.redact(text)
        self._said.append(
            TranscriptEntry(kind=kind, who=who, text=_cut(text, self._last if kind == "message" else shown))
        )
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
    def said(self) -> list[TranscriptEntry]:
        """The entries kept."""
        return list(self._said)

    def progress(self) -> Progress:
        """The newest entries, and the tail of the text being written."""
        recent = self._said[-RECENT:]
        stream = self.redact(self._stream)
        return Progress(
            turn=self.turn,
            doing=self.doing,
            tokens=self.usage.input_tokens + self.usage.output_tokens,
            usage=self.usage,
            first=self.first + len(self._said) - len(recent),
            said=recent,
            tail=stream[-TAIL:],
            written=self._dropped + len(stream),
        )


def _cut(text: str, shown: int) -> str:
    return text if len(text) <= shown else f"{text[:shown]}… ({len(text):,} characters)"
