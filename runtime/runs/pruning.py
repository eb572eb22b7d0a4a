"""Remove runs that ended long ago, with all that belongs to them, and what belongs to no run any more."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.client import Client

from runtime.runs import executions
from runtime.runs.executions import RunExecutions
from runtime.runs.references import References
from runtime.storage.stored_files import StoredFile, list_files, remove, remove_journal

_AT_ONCE = 4


@dataclass(frozen=True)
class Prunable:
    """What can be removed. A file that another run, or a schedule, refers to as well is in none of it."""

    runs: list[RunExecutions]
    """Runs that ended long enough ago, the oldest first."""
    files: list[StoredFile] = field(default_factory=list)
    """What belongs to these runs alone."""
    left_over: list[StoredFile] = field(default_factory=list)
    """What belongs to no run that the server knows."""
    young: int = 0
    """How many files belong to no other run either, but are younger than a day: they stay until the next time."""
    settled: frozenset[str] = frozenset()
    """The ids of the other runs that have ended: what they refer to is known for good."""

    def files_to_remove(self, all_files: bool) -> list[StoredFile]:
        """Return the files to remove: all, or the removed runs' journals alone, which no other run can share."""
        return [*self.files, *self.left_over] if all_files else [file for file in self.files if file.kind == "journal"]


async def find(client: Client, folder: Path | None, older: timedelta) -> Prunable:
    """Return the runs that ended longer ago than `older`, and what can be removed from the folder. Raises RPCError.

    `folder`: payload storage; None: there is none on this machine, and only runs are looked for.
    """
    runs = await executions.list_all(client)
    before = datetime.now(UTC) - older
    old = sorted((run for run in runs if run.ended and run.ended < before), key=lambda run: run.ended or before)
    files = await asyncio.to_thread(list_files, folder) if folder else []
    if not files:
        return Prunable(old)
    return await _sorted_out(client, files, old, runs)


async def prune(client: Client, found: Prunable, folder: Path | None, all_files: bool) -> int:
    """Remove what was found: first the runs, then the files. Returns how many bytes of files are gone.

    `all_files`: False where a run that is elsewhere may share payloads and documents. Raises RPCError, OSError.
    """
    for run in found.runs:
        await executions.delete(client, run)
    files = found.files_to_remove(all_files)
    in_use = await _in_use_since(client, found, files) if all_files and files else set[StoredFile]()
    return sum([await asyncio.to_thread(_remove, file) for file in files if file not in in_use])


async def _sorted_out(
    client: Client, files: list[StoredFile], old: list[RunExecutions], runs: list[RunExecutions]
) -> Prunable:
    references = References(client, files)
    theirs = await _files_of(references, old)
    remaining = [run for run in runs if run not in old]
    in_use = await _files_of(references, remaining) | await references.of_schedules()
    alone = theirs - in_use
    nobodys = set(files) - theirs - in_use
    ready = [file for file in files if file in alone and (file.kind == "journal" or not file.is_young)]
    left_over = [file for file in files if file in nobodys and not file.is_young]
    young = len(alone) + len(nobodys) - len(ready) - len(left_over)
    return Prunable(old, ready, left_over, young, frozenset(run.id for run in remaining if run.ended))


async def _files_of(references: References, runs: list[RunExecutions]) -> set[StoredFile]:
    """Return the files that any of the runs refers to."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def of_run(run: RunExecutions) -> set[StoredFile]:
        async with slots:
            return await references.of_run(run)

    return set[StoredFile]().union(*await asyncio.gather(*map(of_run, runs)))


async def _in_use_since(client: Client, found: Prunable, files: list[StoredFile]) -> set[StoredFile]:
    """Return those of the files that something refers to by now: a run may have been started in the meantime."""
    known = found.settled | {run.id for run in found.runs}
    new = [run for run in await executions.list_all(client) if run.id not in known or run.ended is None]
    references = References(client, files)
    return await _files_of(references, new) | await references.of_schedules()


def _remove(file: StoredFile) -> int:
    return remove_journal(file) if file.kind == "journal" else remove(file)


@dataclass(frozen=True)
class RunSize:
    """What a run takes up, in bytes."""

    history: int
    """Its histories, in the server's database."""
    journals: int = 0
    """The journals of its agent runs."""
    stored: int = 0
    """Payloads and documents that it refers to; other runs may share them."""


async def size_of(client: Client, folder: Path | None, run_id: str) -> RunSize:
    """Return what the run takes up; nothing of it where there is no such run. Raises RPCError."""
    runs = await executions.list_all(client, run_id)
    files = await asyncio.to_thread(list_files, folder) if folder else []
    found = await _files_of(References(client, files), runs)
    journals = sum(file.size for file in found if file.kind == "journal")
    stored = sum(file.size for file in found if file.kind != "journal")
    return RunSize(sum(run.size for run in runs), journals, stored)
