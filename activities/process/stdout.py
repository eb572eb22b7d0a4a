"""What a script writes to stdout: as text in a file, however much it is."""

import codecs
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TextIO

from grammar.errors import ValueTooLarge
from grammar.limits import Limit

# Characters that are in memory at a time.
PIECE = 1024**2


class Stdout:
    """Take in bytes, and hold them as UTF-8 in a file in `folder` (None: in the system's temporary folder).

    `limit`: the bytes that may be written. The file is gone at the end of the block, unless it was moved.
    `is_utf8`: False as soon as bytes had to be replaced. `size`: of the text so far, in bytes.
    """

    def __init__(self, folder: Path | None, limit: Limit[int]) -> None:
        self._limit = limit
        self._most = limit.value
        self._replacing = codecs.getincrementaldecoder("utf-8")("replace")
        self._strict = codecs.getincrementaldecoder("utf-8")()
        self.is_utf8 = True
        self.size = 0
        if folder:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115 (closed by the block)
        self.path = Path(self._file.name)

    def __enter__(self) -> "Stdout":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):  # a full disk: what is still in the buffer has no place
            self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> str:
        """Add the bytes, and return them as text. Raises ValueTooLarge beyond the limit."""
        return self._add(data, final=False)

    def finish(self) -> None:
        """Close the file: there is no more to write."""
        self._add(b"", final=True)
        self._file.close()

    def text(self, characters: int = -1) -> str:
        """Return the text, or its first `characters`."""
        with self._reading() as file:
            return file.read(characters)

    def rewrite(self, change: Callable[[Iterator[str]], Iterator[str]]) -> None:
        """Replace the text, a piece at a time: it may be longer than memory."""
        changed = self.path.with_suffix(".changed")
        try:
            with self._reading() as text, changed.open("x", encoding="utf-8", newline="") as file:
                file.writelines(change(iter(partial(text.read, PIECE), "")))
            changed.replace(self.path)
        finally:
            changed.unlink(missing_ok=True)

    def _reading(self) -> TextIO:
        return self.path.open(encoding="utf-8", newline="")

    def _add(self, data: bytes, final: bool) -> str:
        text = self._replacing.decode(data, final)
        self.is_utf8 = self.is_utf8 and self._decodes(data, final)
        encoded = text.encode()
        self.size += len(encoded)
        if self.size > self._most:
            raise ValueTooLarge(f"the script wrote more to stdout than {self._limit.told}; or let it write to a file")
        self._file.write(encoded)
        return text

    def _decodes(self, data: bytes, final: bool) -> bool:
        try:
            self._strict.decode(data, final)
        except UnicodeDecodeError:
            return False
        return True
