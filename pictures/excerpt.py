"""What of the transcripts fits into one page: the longest texts are cut first, and then whole entries are left out."""

from collections.abc import Iterable, Sequence
from html import escape

from grammar.messages.activity_results import TranscriptEntry
from pictures import words

ROOM = 5_000_000
MOST_ENTRIES = 20_000
FEWEST_ENTRIES = 6
OPENING = 2
LONGEST = 4_000
SHORTEST = 120


def most_entries(branches: int) -> int:
    """How many entries of each transcript there is room for."""
    return max(FEWEST_ENTRIES, MOST_ENTRIES // max(1, branches))


def entries(said: Sequence[TranscriptEntry], most: int) -> tuple[list[TranscriptEntry], list[TranscriptEntry], int]:
    """The beginning and the end of a transcript, and how many entries between them are left out."""
    if len(said) <= most:
        return list(said), [], 0
    end = most - OPENING
    return list(said[:OPENING]), list(said[-end:]), len(said) - most


def longest(texts: Iterable[str]) -> int:
    """To how many characters texts must be cut so that together they fit. Measured as they are sent: escaped, UTF-8."""
    sizes = [(len(text), len(escape(text).encode(errors="replace"))) for text in texts]
    most = LONGEST
    while most > SHORTEST and sum(_size(*one, most) for one in sizes) > ROOM:
        most = most * 3 // 4
    return most


def _size(characters: int, size: int, most: int) -> float:
    return size * min(1.0, most / characters) if characters else 0


def cut(said: TranscriptEntry, most: int) -> TranscriptEntry:
    """The entry as it is shown."""
    return said.model_copy(update={"text": words.cut(words.without_keys(said.text), most)})
