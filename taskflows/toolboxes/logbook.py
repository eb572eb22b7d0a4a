"""Logbook: texts appended under a key, and read back in order.

Environment: `LOGBOOK_STATE_DIR`.
"""

import json

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import JsonValue

from taskflows.toolboxes.json_file import JsonFile
from taskflows.toolboxes.state_folder import state_folder

_WRITE = ToolAnnotations(read_only_hint=False, idempotent_hint=False, destructive_hint=False, open_world_hint=False)
_READ = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False)
_ERASE = ToolAnnotations(read_only_hint=False, idempotent_hint=True, destructive_hint=True, open_world_hint=False)


class Logbook:
    """Offer the tools. Their docstrings are what the model reads."""

    def __init__(self, file: JsonFile) -> None:
        self._file = file

    def logbook_write(self, entry: str, key: str) -> str:
        """Append an entry to the logbook under a key."""
        with self._file.writing() as book:
            book[key] = [*_entries(book, key), entry]
        return f"Wrote an entry under the key `{key}`."

    def logbook_read(self, key: str) -> str:
        """Read all entries under a key, as a JSON list, oldest first."""
        with self._file.reading() as book:
            return json.dumps(_entries(book, key), ensure_ascii=False)

    def logbook_erase(self, key: str) -> str:
        """Erase all entries under a key."""
        with self._file.writing() as book:
            book.pop(key, None)
        return f"Erased the entries under the key `{key}`."


def build_server() -> MCPServer:
    """Return the server with its tools, on the logbook that the environment names. Raises UserError."""
    logbook = Logbook(JsonFile(state_folder("LOGBOOK_STATE_DIR", "logbook") / "logbook.json"))
    server = MCPServer("logbook", log_level="WARNING")
    server.add_tool(logbook.logbook_write, annotations=_WRITE, structured_output=False)
    server.add_tool(logbook.logbook_read, annotations=_READ, structured_output=False)
    server.add_tool(logbook.logbook_erase, annotations=_ERASE, structured_output=False)
    return server


def _entries(book: dict[str, JsonValue], key: str) -> list[JsonValue]:
    entries = book.get(key, [])
    return entries if isinstance(entries, list) else [entries]
