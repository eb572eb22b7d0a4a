"""Pages, written to files."""

from pathlib import Path

from rich.text import Text

from console.screen import Screen
from grammar.errors import InvalidFlow, Problem


def write(page: Path, text: str, view: Screen) -> None:
    """Write the page, and tell so. Raises InvalidFlow where that cannot be done."""
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _wrong(f"{page} cannot be written: {error.strerror}") from None
    view.out.print(Text(f"wrote {page}"))


def check(page: Path | None, asked: str | None) -> None:
    """Raise InvalidFlow for a page that would not be written."""
    if page and asked not in ("--graph", "--report"):
        raise _wrong("goes with --graph FLOW or --report ID")


def _wrong(message: str) -> InvalidFlow:
    return InvalidFlow([Problem("command line", 0, "--html", message)])
