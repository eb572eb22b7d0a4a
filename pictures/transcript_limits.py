"""What of the transcripts fits into one page: the longest texts are cut first, and then whole entries are left out."""

from collections.abc import Iterable, Sequence
from html import escape

from grammar.messages.activity_results import TranscriptEntry
from pictures import text_format

# In one page: bytes of all texts, and entries of all transcripts.
MAX_BYTES = 5_000_000
MAX_ENTRIES = 20_000
# Of one transcript: entries, and those that are kept of its beginning.
MIN_ENTRIES = 6
OPENING_ENTRIES = 2
# Of one text, in characters.
MAX_TEXT = 4_000
MIN_TEXT = 120


def entry_limit(branches: int) -> int:
    """Return how many entries of each transcript there is room for."""
    return max(MIN_ENTRIES, MAX_ENTRIES // max(1, branches))


def opening_and_ending(
    transcript: Sequence[TranscriptEntry], limit: int
) -> tuple[list[TranscriptEntry], list[TranscriptEntry], int]:
    """Return the beginning and the end of a transcript, at most `limit` entries, and how many between are left out."""
    if len(transcript) <= limit:
        return list(transcript), [], 0
    ending = limit - OPENING_ENTRIES
    return list(transcript[:OPENING_ENTRIES]), list(transcript[-ending:]), len(transcript) - limit


def text_limit(texts: Iterable[str]) -> int:
    """Return to how many characters each text must be cut so that together they fit.

    They are measured as they are sent: escaped, in UTF-8.
    """
    sizes = [(len(text), len(escape(text).encode(errors="replace"))) for text in texts]
    limit = MAX_TEXT
    while limit > MIN_TEXT and sum(_cut_size(*size, limit) for size in sizes) > MAX_BYTES:
        limit = limit * 3 // 4
    return limit


def _cut_size(characters: int, size: int, limit: int) -> float:
    return size * min(1.0, limit / characters) if characters else 0


def cut_entry(entry: TranscriptEntry, limit: int) -> TranscriptEntry:
    """Return a copy of the entry, its text cut to `limit` characters."""
    return entry.model_copy(update={"text": text_format.cut(text_format.readable_references(entry.text), limit)})
