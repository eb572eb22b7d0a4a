"""What happens in an activity, as it happens, for people."""

from collections.abc import Callable
from typing import Literal

from grammar.messages.activity_results import Progress, TranscriptEntry, Usage

# All in characters, but the numbers of entries.
ENTRY_LENGTH = 2_000
MAX_ENTRIES = 200
PROGRESS_ENTRIES = 8
PROGRESS_TAIL = 600
# Of a text that is being written, more is kept than is shown: a secret at the cut is still whole.
STREAM_LENGTH = 64_000

EntryKind = Literal["message", "tool_call", "tool_output", "handoff", "shell", "prompt", "model"]


class Transcript:
    """Collect the entries of an agent run or a script. `redact` goes over every text before it is kept.

    `last_length`: characters that the last message keeps, where that is more than ENTRY_LENGTH.
    `answers`: how many answers of the model there are so far. `model`: the name of the one that gives them.
    `first`: the number of the first entry that is kept, from 0. `doing`: what the activity does now, for people.
    `asked`: the model that is asked now: its name in the file, empty where the branch has one alone, and the provider's
    id, empty until it is known.
    """

    def __init__(self, redact: Callable[[str], str], last_length: int = ENTRY_LENGTH) -> None:
        self.redact = redact
        self._last_length = max(ENTRY_LENGTH, last_length)
        self._entries: list[TranscriptEntry] = []
        self.first = 0
        self.turn = 0
        self.usage = Usage()
        self.answers = 0
        self.model = ""
        self.doing = ""
        self.asked = ("", "")
        self._stream = ""
        self._dropped = 0

    def add(self, kind: EntryKind, who: str, text: str, length: int = ENTRY_LENGTH) -> None:
        """Add an entry, cut to `length` characters; beyond MAX_ENTRIES the oldest goes."""
        if self._entries and self._entries[-1].kind == "message":
            last = self._entries[-1]
            self._entries[-1] = last.model_copy(update={"text": _cut(last.text, ENTRY_LENGTH)})
        text = _cut(self.redact(text), self._last_length if kind == "message" else length)
        self._entries.append(TranscriptEntry(kind=kind, who=who, text=text))
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[0]
            self.first += 1

    def tell_model(self, who: str, model: str) -> None:
        """Add an entry, of the agent `who`, that this model answers from here on, if another one did before."""
        if model != self.model:
            self.model = model
            self.add("model", who, f"{model} answers from here on")

    def stream(self, delta: str) -> None:
        """Add to the text that is being written now."""
        self._stream += delta
        if len(self._stream) > STREAM_LENGTH:
            self._dropped += len(self.redact(self._stream[: -STREAM_LENGTH // 2]))
            self._stream = self._stream[-STREAM_LENGTH // 2 :]

    def end_stream(self) -> None:
        """Drop the text that was being written: it is complete, and comes as an entry."""
        self._stream, self._dropped = "", 0

    @property
    def entries(self) -> list[TranscriptEntry]:
        """Return the entries that are kept, oldest first."""
        return list(self._entries)

    def progress(self) -> Progress:
        """Return what a heartbeat carries: the newest entries, and the tail of the text that is being written."""
        recent = self._entries[-PROGRESS_ENTRIES:]
        stream = self.redact(self._stream)
        return Progress(
            turn=self.turn,
            doing=self.doing,
            tokens=self.usage.tokens,
            usage=self.usage,
            named=self.asked[0],
            model=self.asked[1],
            first=self.first + len(self._entries) - len(recent),
            said=recent,
            tail=stream[-PROGRESS_TAIL:],
            written=self._dropped + len(stream),
        )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)"
