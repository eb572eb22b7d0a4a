"""What is told of one task: to people, to followers, to the task's list, and to a new history."""

from collections.abc import Callable, Iterator

from pydantic import JsonValue

from grammar.documents.values import Value
from grammar.messages.activity_requests import GatheredBranch
from grammar.messages.activity_results import Usage
from grammar.messages.continue_as_new import CarriedTask, FinishedBranch
from grammar.messages.events import TaskProgress
from grammar.messages.reports import Approval, ApprovalDecision, AskedModel, BranchReport, TaskReport
from workflows.records.branch_record import BranchRecord
from workflows.records.task_record import TaskRecord

# So many failures are listed in a report. `failed` counts them all.
FAILURES_LISTED = 20


def report(task: TaskRecord) -> TaskReport:
    """Return how the task went so far, as the `status` query and the run's result have it."""
    return TaskReport(
        name=task.name,
        id=task.task.id,
        status=task.status,
        required=task.task.must_complete,
        note=task.note,
        total=task.total,
        done=task.done,
        failed=task.failed,
        started=task.started,
        ended=task.ended,
        usage=task.usage,
        failures=task.failures[:FAILURES_LISTED],
        warnings=task.warnings,
    )


def progress(task: TaskRecord) -> TaskProgress:
    """Return how far the task is, in figures, as the `journal` query has it."""
    return TaskProgress(
        status=task.status,
        note=task.note,
        total=task.total,
        done=task.done,
        failed=task.failed,
        started=task.started,
        ended=task.ended,
        used=_usage_by_model(task),
        fallbacks=_fallbacks(task),
        model=task.model,
    )


def branch_reports(task: TaskRecord) -> list[BranchReport]:
    """Return the manifest's lines: one for each branch that has begun, in item-then-model order."""
    finished = {index: _finished_report(task, branch) for index, branch in task.finished.items()}
    others = {index: _branch_report(task, branch) for index, branch in task.branches.items()}
    return [line for _, line in sorted((finished | others).items())]


def gathered_branches(task: TaskRecord) -> list[GatheredBranch]:
    """Return what each branch that has begun gives to the task's list, in item-then-model order."""
    entries: dict[int, tuple[Value, str, str | None]] = {
        index: (Value(value=branch.value, stored=branch.stored), branch.model, None)
        for index, branch in task.finished.items()
    }
    for index, branch in task.branches.items():
        entries[index] = (Value(), task.model, branch.failure.message if branch.failure else None)
    return [
        GatheredBranch(item=index // task.models, model=_named_model(task, index) or model, result=result, error=error)
        for index, (result, model, error) in sorted(entries.items())
    ]


def items(task: TaskRecord) -> dict[int, JsonValue]:
    """Return the items by number, of the branches that have begun; null where a stored page has the item."""
    finished = {index // task.models: branch.item for index, branch in task.finished.items()}
    return finished | {index // task.models: record.branch.item for index, record in task.branches.items()}


def carried(
    task: TaskRecord, decisions: Callable[[list[Approval]], list[ApprovalDecision]] = lambda approvals: []
) -> CarriedTask:
    """Return what a new history needs of the task: what `TaskRecord.take_over` takes over there.

    `decisions`: tells what was decided so far of calls that wait.
    """
    return CarriedTask(
        report=report(task),
        items=task.items,
        expected=task.items_known,
        model=task.model,
        whole=task.task_failures,
        took_source=task.took_source,
        usage=task.usage_so_far,
        pages=task.pages,
        done=list(task.finished.values()),
        branches=[branch.carried(decisions) for branch in task.branches.values()],
    )


def _named_model(task: TaskRecord, index: int) -> str:
    """Return the model of the branch as the file names it; empty where it names none."""
    choice = task.task.choices[index % task.models]
    return (choice.model if choice else task.task.model) or ""


def _usage_by_model(task: TaskRecord) -> list[Usage]:
    """Return what each of the models cost so far, in the order of the file; less what their fallbacks did."""
    if task.models == 1:
        return [task.usage - sum((asked.usage for asked in _fallbacks(task)), Usage())]
    used = [Usage() for _ in range(task.models)]
    for index, branch in task.branches.items():
        used[index % task.models] += branch.failure_details.usage - _of_fallbacks(task, index, branch.shares)
    for index, finished in task.finished.items():
        used[index % task.models] += _usage(finished) - _of_fallbacks(task, index, finished.asked)
    return used


def _fallbacks(task: TaskRecord) -> list[AskedModel]:
    """Return what each of the fallbacks cost so far."""
    found: dict[tuple[str, str], Usage] = {}
    for index, shares in _shares(task):
        for share in _of_others(task, index, shares):
            found[share.named, share.model] = found.get((share.named, share.model), Usage()) + share.usage
    return [AskedModel(named=named, model=model, usage=usage) for (named, model), usage in found.items()]


def _shares(task: TaskRecord) -> Iterator[tuple[int, list[AskedModel]]]:
    """Yield the index of each branch that asked a fallback and has ended, and what each of its models cost."""
    yield from ((index, branch.asked) for index, branch in task.finished.items() if branch.asked)
    yield from ((index, branch.shares) for index, branch in task.branches.items() if branch.failure)


def _of_others(task: TaskRecord, index: int, shares: list[AskedModel]) -> list[AskedModel]:
    return [share for share in shares if share.named != _named_model(task, index)]


def _of_fallbacks(task: TaskRecord, index: int, shares: list[AskedModel]) -> Usage:
    return sum((share.usage for share in _of_others(task, index, shares)), Usage())


def _finished_report(task: TaskRecord, branch: FinishedBranch) -> BranchReport:
    return BranchReport(
        task=task.name,
        index=branch.number,
        item=task.item_number(branch.number),
        label=task.label(branch.number),
        status="done",
        legs=branch.legs,
        model=branch.model,
        asked=branch.asked,
        usage=_usage(branch),
        attempts=branch.attempts,
        started=branch.started,
        ended=branch.ended,
    )


def _branch_report(task: TaskRecord, branch: BranchRecord) -> BranchReport:
    return BranchReport(
        task=task.name,
        index=branch.index,
        item=task.item_number(branch.index),
        label=task.label(branch.index),
        status=branch.status,
        asked=branch.shares,
        attempts=branch.attempts if branch.failure else None,
        legs=branch.leg,
        started=branch.started,
        ended=branch.ended,
        usage=branch.failure_details.usage,
        error=branch.failure.message if branch.failure else None,
    )


def _usage(branch: FinishedBranch) -> Usage:
    return Usage(requests=branch.requests, input_tokens=branch.input_tokens, output_tokens=branch.output_tokens)
