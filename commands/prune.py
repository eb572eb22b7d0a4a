"""`prune`: remove runs that ended long ago, with all that belongs to them."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from commands import options
from console import ask, run_tables
from console.problems import print_json
from console.screen import Screen, open_screen
from grammar.documents.durations import parse_duration
from grammar.errors import UserError

if TYPE_CHECKING:  # these load Temporal's client
    from runtime.backend import Backend
    from runtime.runs.pruning import Prunable


def prune(
    older: Annotated[
        str, typer.Option("--older", metavar="TIME", help="Runs that ended longer ago than this: 12h, 30d.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be removed; remove nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="No other server uses TASKFLOW_PAYLOAD_DIR: remove from there, too.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Remove runs that ended long ago, their journals and stored values, and what belongs to no run any more."""
    return asyncio.run(_prune(_age(older), dry_run, yes, open_screen(json, quiet), json))


def _age(text: str) -> timedelta:
    try:
        return timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise options.wrong("--older", f"{text!r}: {error}") from None


async def _prune(older: timedelta, dry_run: bool, yes: bool, screen: Screen, json: bool) -> int:
    from runtime.backend import open_backend  # these load Temporal's client
    from runtime.runs import pruning

    async with open_backend() as backend:
        found = await pruning.find(backend.client, backend.folder, older)
        all_files = _may_remove_files(backend, found, dry_run, yes, screen, attended=not json)
        files = found.files_to_remove(all_files)
        for run in found.runs:
            run_tables.print_removed(screen.out, run.id, run.ended, dry_run)
        freed = sum(file.size for file in files)
        if not dry_run:
            try:
                freed = await pruning.prune(backend.client, found, backend.folder, all_files)
            except OSError as error:
                raise UserError(f"cannot remove {error.filename}: {error.strerror}") from error
    run_tables.print_removed_in_all(screen.out, len(found.runs), len(files), freed, dry_run)
    if found.young:
        told = f"{found.young} files of no other run are younger than a day, and stay until the next time"
        screen.notes.print(Text(told, "yellow"))
    if json:
        removed = {"runs": [run.id for run in found.runs], "files": len(files), "bytes": freed, "young": found.young}
        print_json({**removed, "dry_run": dry_run, "exit_code": 0})
    return 0


def _may_remove_files(
    backend: "Backend", found: "Prunable", dry_run: bool, yes: bool, screen: Screen, attended: bool
) -> bool:
    """Return whether payload storage is this server's alone, so that what none of its runs needs is needed by none."""
    if backend.bucket:
        told = f"nothing is removed from {backend.bucket}: have a lifecycle rule of the bucket do that"
        screen.notes.print(Text(told, "yellow"))
    if backend.embedded or backend.folder is None or yes or not (found.files or found.left_over):
        return True
    if attended and screen.is_attended and not dry_run:
        return ask.about_shared_folder(screen.err, str(backend.folder))
    screen.notes.print(Text(_kept(backend.folder), "yellow"))
    return False


def _kept(folder: Path) -> str:
    return (
        f"payloads and documents in {folder} stay, as runs of another server or namespace may need them; "
        "if none uses this folder, give --yes"
    )
