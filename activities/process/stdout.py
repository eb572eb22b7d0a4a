"""What a script writes: as text in a file, however much it is."""

import codecs
import tempfile
from pathlib import Path
from types import TracebackType

from grammar.errors import ValueTooLarge

IN_MEMORY = 64 * 1024**2
ON_DISK = 2 * 1024**3


class Stdout:
    """A file in `folder` that takes in bytes and holds UTF-8. Gone at the end of the block, unless it was moved.

    `most`: bytes; more raises ValueTooLarge.
    """

    def __init__(self, folder: Path | None, most: int) -> None:
        self._most = most
        self._replacing = codecs.getincrementaldecoder("utf-8")("replace")
        self._strict = codecs.getincrementaldecoder("utf-8")()
        self.clean = True
        self.size = 0
        if folder:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115 (closed by the block)
        self.path = Path(self._file.name)

    def __enter__(self) -> "Stdout":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> str:
        """Take in more. Returns it as text."""
        return self._take(data, final=False)

    def end(self) -> None:
        """There is no more."""
        self._take(b"", final=True)
        self._file.close()

    def text(self, most: int = -1) -> str:
        """The text, or its beginning: so many characters."""
        with self.path.open(encoding="utf-8", newline="") as file:
            return file.read(most)

    def rewrite(self, text: str) -> None:
        """Another text in its place."""
        self.path.write_text(text, encoding="utf-8", newline="")

    def _take(self, data: bytes, final: bool) -> str:
        text = self._replacing.decode(data, final)
        self.clean = self.clean and self._is_clean(data, final)
        encoded = text.encode()
        self.size += len(encoded)
        if self.size > self._most:
            raise ValueTooLarge(f"the script wrote more than {self._most // 1024**2} MB; let it write to a file")
        self._file.write(encoded)
        return text

    def _is_clean(self, data: bytes, final: bool) -> bool:
        try:
            self._strict.decode(data, final)
        except UnicodeDecodeError:
            return False
        return True
