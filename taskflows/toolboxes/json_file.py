"""A JSON object in a file that several processes read and write."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import JsonValue

LOCK_SECONDS = 30.0


class JsonFile:
    """Read and write one file. It is replaced whole: a reader sees the old content or the new, never a half of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")

    @contextmanager
    def reading(self) -> Iterator[dict[str, JsonValue]]:
        """Yield the content, empty where there is no file. Changes to it are not saved. Raises ToolError."""
        with _tool_errors(self.path):
            content = self._load()
        yield content

    @contextmanager
    def writing(self) -> Iterator[dict[str, JsonValue]]:
        """Yield the content, locked against other writers, and save it at the end unless an error ends the block.

        Raises ToolError.
        """
        with _tool_errors(self.path), FileLock(self._lock_path, timeout=LOCK_SECONDS):
            content = self._load()
            yield content
            self._save(content)

    def _load(self) -> dict[str, JsonValue]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ToolError(f"{self.path} is damaged ({error}); repair or remove it") from error
        if not isinstance(content, dict):
            raise ToolError(f"{self.path} does not hold a JSON object; repair or remove it")
        return content

    def _save(self, content: dict[str, JsonValue]) -> None:
        text = json.dumps(content, ensure_ascii=False, indent=2)
        with NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.path)
            except BaseException:
                Path(file.name).unlink()
                raise


@contextmanager
def _tool_errors(path: Path) -> Iterator[None]:
    """Raise ToolError, which the model reads, where the disk or the lock fails."""
    try:
        yield
    except TimeoutError as error:
        raise ToolError(f"another process holds {path} for more than {LOCK_SECONDS:.0f} s") from error
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror or error}") from error
