"""What lies in a folder of payload storage: payloads, stored documents, journals; and how a file of it is removed."""

import mmap
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple

YOUNG = 24 * 3600.0
"""Seconds for which nothing is taken for left over: it may be just being written, and not be told of yet."""

_HASH = re.compile(r"[0-9a-f]{64}")
_HASHED = "[0-9a-f][0-9a-f]/*"
_ASIDE = ".removing"
# The keys of payloads and documents, and what marks a run (TemplateContext.key), wherever they stand.
_WORDS = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")


class StoredFile(NamedTuple):
    """One file of payload storage."""

    kind: Literal["payload", "document", "journal", "unfinished"]
    """What it holds; `unfinished`: what a process was writing when it died."""
    key: str
    """Its hash; of a journal, the folder of its run's journals."""
    path: Path
    """Where it is."""
    size: int
    """Its size, in bytes."""
    changed: float
    """When it was last written, or found there by who would have written it (seconds since the epoch)."""

    @property
    def is_young(self) -> bool:
        """Return whether it changed within the last day."""
        return time.time() - self.changed < YOUNG


def list_files(folder: Path) -> list[StoredFile]:
    """Return all files of payload storage in the folder; none where there is no such folder."""
    found = [*_hashed("payload", folder), *_hashed("document", folder / "documents")]
    for path in (folder / "journals").glob("*/*.jsonl"):
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append(StoredFile("journal", path.parent.name, path, status.st_size, status.st_mtime))
    return found


def words_in(data: bytes | mmap.mmap) -> set[str]:
    """Return everything in the data that could be the key of a file, or what marks a run."""
    return {match.decode() for match in _WORDS.findall(data)}


def words_in_file(path: Path) -> set[str]:
    """Return the same of a file, however large; nothing where it is gone. Raises OSError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return words_in_open(file)
    except FileNotFoundError:
        return set()


def words_in_open(file: IO[bytes]) -> set[str]:
    """Return the same of an open file, however large."""
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return words_in(content)
    except ValueError:  # it is empty
        return set()


def remove(file: StoredFile) -> int:
    """Remove the file. Returns how many bytes that freed: 0 where it is gone already, or is young.

    It is put aside first, and looked at then: who finds a file in place, and needs it, touches it before relying on
    it, and so does it either before, and the file is put back, or after, and finds none, and writes it.
    """
    aside = file.path.with_name(file.path.name + _ASIDE)
    try:
        file.path.rename(aside)
    except FileNotFoundError:
        return 0
    if time.time() - aside.stat().st_mtime < YOUNG:
        aside.replace(file.path)
        return 0
    aside.unlink()
    return file.size


def remove_journal(file: StoredFile) -> int:
    """Remove the journal of a run that is over. Returns how many bytes that freed."""
    file.path.unlink(missing_ok=True)
    with suppress(OSError):  # the run has others
        file.path.parent.rmdir()
    return file.size


def _hashed(kind: Literal["payload", "document"], folder: Path) -> Iterator[StoredFile]:
    for path in sorted(folder.glob(_HASHED)):
        with suppress(FileNotFoundError):
            kept = _put_back(path) if path.name.endswith(_ASIDE) else path
            status = kept.stat()
            is_whole = _HASH.fullmatch(kept.name)
            yield StoredFile(kind if is_whole else "unfinished", kept.name, kept, status.st_size, status.st_mtime)


def _put_back(aside: Path) -> Path:
    """Undo a removal whose process died in the middle of it."""
    return aside.replace(aside.with_name(aside.name.removesuffix(_ASIDE)))
