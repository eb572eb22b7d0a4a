"""Where journals are kept: what a worker wires together before it has loaded what runs agents."""

from typing import Protocol

from grammar.messages import names


class JournalStore(Protocol):
    """Keep journals by key, line by line. Keys have the form `run/activity`."""

    async def read(self, key: str) -> list[str]:
        """Return the lines so far; none where there is no such journal. Raises StorageFailed."""

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it outlives the process. Raises StorageFailed."""


def journal_key(run_id: str, key: str, activity: str) -> str:
    """Return `run/activity`: the run, which may have several histories, and the activity that began the journal.

    `key`: TemplateContext's.
    """
    return f"{names.journal_folder(run_id, key)}/{activity}"
