"""Memcache: a memory of keys and JSON values that outlives the agent run.

Environment: `MEMCACHE_BACKEND` (`sqlite`, the default, or `dictionary_file`) and `MEMCACHE_STATE_DIR`.
"""

import json
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Protocol, TypeGuard

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import ConfigDict, JsonValue, PlainValidator, TypeAdapter, WithJsonSchema

from grammar.errors import UserError
from taskflows.toolboxes.state_folder import state_folder

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    Value = JsonValue
else:
    # MCPServer parses a string argument as JSON unless it is declared `str`: the string "true" would
    # be stored as the boolean. Declared so, and validated as any JSON value, it is kept as it came.
    _any_json = TypeAdapter(JsonValue, config=ConfigDict(allow_inf_nan=False))
    Value = Annotated[str, PlainValidator(_any_json.validate_python), WithJsonSchema({"description": "Any JSON value"})]


class MemcacheStore(Protocol):
    """Keep the entries. Each context manager is one transaction, and raises ToolError."""

    def reading(self) -> "AbstractContextManager[MutableMapping[str, JsonValue]]":
        """Yield the entries, as they are at one moment. Changes to them are not saved."""

    def writing(self) -> "AbstractContextManager[MutableMapping[str, JsonValue]]":
        """Yield the entries, locked against other writers, and save them at the end of the block."""


def open_store() -> MemcacheStore:
    """Return the store that the environment asks for. Raises UserError."""
    backend = os.environ.get("MEMCACHE_BACKEND") or "sqlite"
    if backend not in ("sqlite", "dictionary_file"):
        raise UserError(f"MEMCACHE_BACKEND is sqlite or dictionary_file (got {backend})")
    folder = state_folder("MEMCACHE_STATE_DIR", "memcache")
    if backend == "sqlite":
        from taskflows.toolboxes.memcache_sqlite import SqliteStore

        return SqliteStore(folder / "memcache.db")
    from taskflows.toolboxes.json_file import JsonFile

    return JsonFile(folder / "memory.json")


class Memcache:
    """Offer the tools. Their docstrings are what the model reads."""

    def __init__(self, store: MemcacheStore) -> None:
        self._store = store

    def memcache_set_state(self, key: str, value: Value) -> str:
        """Store a value under a key, in place of what is there."""
        with self._store.writing() as entries:
            entries[key] = value
        return f"Stored a value under the key `{key}`."

    def memcache_get_state(self, key: str) -> str:
        """Get the value stored under a key, as JSON. An unknown key gives an empty string."""
        with self._store.reading() as entries:
            return _to_json(entries.get(key, ""))

    def memcache_add_state(self, key: str, value: Value) -> str:
        """Add to the value stored under a key: a list grows by the item or items given, a text is
        continued, a number is summed. An unknown key starts with the value given.
        """
        with self._store.writing() as entries:
            entries[key] = _added(entries[key], value, key) if key in entries else value
        return f"Added to the value under the key `{key}`."

    def memcache_delete_state(self, key: str) -> str:
        """Delete a key and its value."""
        with self._store.writing() as entries:
            if key not in entries:
                return f"There is no key `{key}`."
            del entries[key]
        return f"Deleted the key `{key}`."

    def memcache_list_keys(self) -> str:
        """List all keys, as a JSON list, oldest first."""
        with self._store.reading() as entries:
            return _to_json(list(entries))

    def memcache_get_all_entries(self) -> str:
        """Get all entries, as a JSON list of {key, value}, oldest first."""
        with self._store.reading() as entries:
            return _to_json([{"key": key, "value": value} for key, value in entries.items()])

    def memcache_clear_cache(self) -> str:
        """Delete all keys and their values."""
        with self._store.writing() as entries:
            entries.clear()
        return "Deleted all keys."


def build_server() -> MCPServer:
    """Return the server with its tools, on the store that the environment asks for. Raises UserError."""
    memcache = Memcache(open_store())
    server = MCPServer("memcache", log_level="WARNING")
    for tool, read_only, idempotent, destructive in (
        (memcache.memcache_set_state, False, True, True),
        (memcache.memcache_get_state, True, True, False),
        (memcache.memcache_add_state, False, False, False),
        (memcache.memcache_delete_state, False, True, True),
        (memcache.memcache_list_keys, True, True, False),
        (memcache.memcache_get_all_entries, True, True, False),
        (memcache.memcache_clear_cache, False, True, True),
    ):
        hints = ToolAnnotations(
            read_only_hint=read_only,
            idempotent_hint=idempotent,
            destructive_hint=destructive,
            open_world_hint=False,
        )
        server.add_tool(tool, annotations=hints, structured_output=False)
    return server


def _added(old: JsonValue, new: JsonValue, key: str) -> JsonValue:
    if isinstance(old, list):
        return [*old, *(new if isinstance(new, list) else [new])]
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if _is_number(old) and _is_number(new):
        return old + new
    raise ToolError(f"cannot add {_kind(new)} to {_kind(old)}, which is under the key `{key}`")


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: JsonValue) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
