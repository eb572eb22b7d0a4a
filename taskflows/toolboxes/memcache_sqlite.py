"""The memcache in an SQLite database that several processes share."""

import json
import sqlite3
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from filelock import FileLock
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import JsonValue

BUSY_SECONDS = 30.0


class SqliteStore:
    """Keep the entries in a table, over one connection. The server runs its tools in threads, hence the lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[MutableMapping[str, JsonValue]]:
        """Yield the entries, as they are at one moment. Raises ToolError."""
        with self._transaction("BEGIN") as entries:
            yield entries

    @contextmanager
    def writing(self) -> Iterator[MutableMapping[str, JsonValue]]:
        """Yield the entries, locked against other writers, and save them at the end unless an error ends the block.

        Raises ToolError.
        """
        # IMMEDIATE: a read that turns into a write in mid-transaction fails instead of waiting.
        with self._transaction("BEGIN IMMEDIATE") as entries:
            yield entries

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[MutableMapping[str, JsonValue]]:
        try:
            with self._lock:
                connection = self._connection = self._connection or _open(self._path)
                with connection:
                    connection.execute(begin)
                    yield _Entries(connection)
        except (sqlite3.Error, OSError) as error:
            raise ToolError(f"{self._path}: {error}") from error


class _Entries(MutableMapping[str, JsonValue]):
    """Show the table as a mapping, in the order in which the keys were first set."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getitem__(self, key: str) -> JsonValue:
        row = self._connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        value: JsonValue = json.loads(row[0])
        return value

    def __setitem__(self, key: str, value: JsonValue) -> None:
        self._connection.execute(
            "INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(value)),
        )

    def __delitem__(self, key: str) -> None:
        if not self._connection.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        rows = self._connection.execute("SELECT key FROM entries ORDER BY id").fetchall()
        return (key for (key,) in rows)

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM entries").fetchone()
        return int(count)

    def clear(self) -> None:
        self._connection.execute("DELETE FROM entries")


def _open(path: Path) -> sqlite3.Connection:
    """Open the database in autocommit mode: transactions begin where we say so."""
    # Two processes that turn on WAL at once fail with "locked" and do not wait for the busy timeout.
    with FileLock(path.with_name(path.name + ".lock"), timeout=BUSY_SECONDS):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS entries"
                " (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL)"
            )
        except sqlite3.Error:
            connection.close()
            raise
    return connection
