"""Changes of texts that are too long to be held in memory. Pure."""

from collections.abc import Callable, Iterable, Iterator


def changed(pieces: Iterable[str], change: Callable[[str], str], reach: int) -> Iterator[str]:
    """Yield what `change` makes of the pieces together, a part at a time.

    `reach`: characters; whatever `change` replaces is no longer than that. It is found across pieces, too.
    """
    held = ""
    for piece in pieces:
        held += piece
        cut = _cut(held, change, reach)
        yield change(held[:cut])
        held = held[cut:]
    yield change(held)


def _cut(text: str, change: Callable[[str], str], reach: int) -> int:
    """Return where the text can be cut without cutting what is replaced, at least `reach` from its ends; 0: nowhere."""
    for cut in range(len(text) - reach, reach - 1, -1):
        before, after = text[cut - reach : cut], text[cut : cut + reach]
        if change(before) + change(after) == change(before + after):
            return cut
    return 0
