"""Pages, written to files: never through a link that lies in the working directory, where anybody may have put it."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.text import Text

from commands.options import wrong
from console.printable import printable
from console.screen import Screen

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write(page: Path, text: str, screen: Screen) -> None:
    """Write the page, and say so. Raises InvalidFlow where that cannot be done."""
    try:
        if parts := _parts_here(page):
            _write_here(parts, text)
        else:
            page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise wrong("--html", f"{page} cannot be written: {error.strerror}") from None
    screen.out.print(Text(printable(f"wrote {page}")))


def _parts_here(page: Path) -> tuple[str, ...]:
    """The names from the working directory to the page; none where it lies elsewhere, as the person has said."""
    here = Path.cwd()
    for path in (Path(os.path.normpath(here / page)), page.parent.resolve() / page.name):
        if path.is_relative_to(here):
            return path.relative_to(here).parts
    return ()


def _write_here(parts: tuple[str, ...], text: str) -> None:
    """Write a new file, and put it in the place of whatever has the page's name, be it a link."""
    *folders, name = parts
    unfinished = f".{name[:200]}.{secrets.token_hex(4)}"
    with _opened(folders) as folder:
        try:
            with os.fdopen(os.open(unfinished, _NEW, 0o666, dir_fd=folder), "wb") as file:
                file.write(text.encode())
            os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            raise


@contextmanager
def _opened(folders: list[str]) -> Iterator[int]:
    """Yield the descriptor of a folder below the working directory. Raises OSError where a link leads there."""
    folder = os.open(".", _FOLDER)
    try:
        for name in folders:
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, f"{name} is a link, and nothing is written through one")
            below = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)
