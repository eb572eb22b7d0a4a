"""What lies in a folder of payload storage: payloads, stored documents, journals; and how a file of it is removed."""

import mmap
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple

YOUNG = 24 * 3600.0
"""Seconds for which nothing is taken for left over: it may be just being written, and not be told of yet."""

_ASIDE = ".removing"
# Whatever has another name is not ours, and none of our business: the folder may be shared.
_HASHED = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}(?:\.removing)?")
_UNFINISHED = re.compile(r"[0-9a-f]{2}/tmp[a-z0-9_]+")  # as `tempfile` names them
_JOURNAL = re.compile(r"[0-9a-f]{32}/[^/]+\.jsonl")
# The keys of payloads and documents, and what marks a run (TemplateContext.key), wherever they stand.
_WORDS = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")

Kind = Literal["payload", "document", "journal", "unfinished"]


class StoredFile(NamedTuple):
    """One file of payload storage."""

    kind: Kind
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
        if _JOURNAL.fullmatch(_name(path)):
            found += _file("journal", path.parent.name, path)
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
    for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
        if _HASHED.fullmatch(_name(path)):
            kept = _put_back(path) if path.name.endswith(_ASIDE) else path
            yield from _file(kind, kept.name, kept)
        elif _UNFINISHED.fullmatch(_name(path)):
            yield from _file("unfinished", path.name, path)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _file(kind: Kind, key: str, path: Path) -> Iterator[StoredFile]:
    """Yield the file; nothing where it is gone, or is none."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            yield StoredFile(kind, key, path, status.st_size, status.st_mtime)


def _put_back(aside: Path) -> Path:
    """Undo a removal whose process died in the middle of it."""
    kept = aside.with_name(aside.name.removesuffix(_ASIDE))
    with suppress(FileNotFoundError):
        aside.replace(kept)
    return kept
