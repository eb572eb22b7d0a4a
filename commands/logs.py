"""`logs`: what the agents and scripts of a run were asked, said and did."""

import asyncio
from typing import Annotated

import typer

from commands import options
from console.problems import print_json
from console.screen import open_screen
from console.transcript import print_transcript
from grammar.errors import NotWaiting
from grammar.messages.history import BranchHistory, RunHistory


def logs(
    run_id: options.RunId,
    task: Annotated[str | None, typer.Option("--task", metavar="NAME", help="Only of this task.")] = None,
    item: Annotated[
        int | None, typer.Option("--item", metavar="N", min=1, help="Only of this item, counted from 1.")
    ] = None,
    json: options.Json = False,
) -> int:
    """Print what each agent of a run was asked, called, got and said."""
    history = asyncio.run(_read(run_id))
    branches = chosen(history, task, item)
    screen = open_screen(json)
    for branch in branches:
        print_transcript(screen.out, _heading(branch), branch.prompt, branch.transcript())
    if json:
        print_json({"run_id": run_id, "status": history.status, "branches": [_document(one) for one in branches]})
    return 0


async def _read(run_id: str) -> RunHistory:
    from commands.query_worker import answering  # these load Temporal's client
    from runtime.backend import open_backend
    from runtime.runs import history_reader

    async with open_backend() as backend, answering(backend, run_id) as is_served:
        return await history_reader.read_history(backend.client, run_id, is_served)


def chosen(history: RunHistory, task: str | None, item: int | None) -> list[BranchHistory]:
    """Return the branches of that task and item; None: of any. Raises NotWaiting where there is none."""
    names = [report.name for report in history.manifest.report.tasks]
    if task is not None and task not in names:
        raise NotWaiting(f"run {history.run_id} has no task {task!r}; its tasks: {', '.join(map(repr, names))}")
    found = [
        branch
        for name, definition, branches in zip(names, history.bundle.tasks, history.branches(), strict=True)
        for branch in branches
        if task in (None, name) and (item is None or (definition.repeats and branch.position.item == item - 1))
    ]
    if item is not None and not found:
        of_task = f" of task {task!r}" if task is not None else ""
        raise NotWaiting(f"run {history.run_id} has no item {item}{of_task}, or has not begun it")
    return found


def _heading(branch: BranchHistory) -> str:
    report = branch.report
    name = ", ".join(filter(None, [report.task, report.label]))
    model = f" ({branch.model})" if branch.model else ""
    error = f": {report.error}" if report.error else ""
    return f"{name}{model}: {report.status.replace('_', ' ')}{error}"


def _document(branch: BranchHistory) -> dict[str, object]:
    report = branch.report
    return {
        "task": report.task, "index": report.index, "label": report.label, "status": report.status,
        "model": branch.model, "item": branch.item, "prompt": branch.prompt, "error": report.error,
        "transcript": [entry.model_dump() for entry in branch.transcript()],
    }  # fmt: skip
