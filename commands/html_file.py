"""Pages, written to files."""

from pathlib import Path

from rich.text import Text

from commands.options import wrong
from console.printable import printable
from console.screen import Screen


def write(page: Path, text: str, screen: Screen) -> None:
    """Write the page, and say so. Raises InvalidFlow where that cannot be done."""
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise wrong("--html", f"{page} cannot be written: {error.strerror}") from None
    screen.out.print(Text(printable(f"wrote {page}")))
