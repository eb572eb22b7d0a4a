"""What is told of one task: to people, to followers, to the task's list, and to a new history."""

from collections.abc import Callable

from pydantic import JsonValue

from grammar.documents.values import Value
from grammar.messages.activity_requests import GatheredBranch
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.budgets import BudgetReport
from grammar.messages.continue_as_new import CarriedTask, FinishedBranch
from grammar.messages.events import TaskProgress
from grammar.messages.reports import Approval, ApprovalDecision, BranchReport, TaskReport
from workflows.records.branch_names import item_number, named_model
from workflows.records.branch_record import BranchRecord
from workflows.records.task_record import TaskRecord
from workflows.records.usage_by_model import UsageByModel

# So many failures are listed in a report. `failed` counts them all.
FAILURES_LISTED = 20


def report(task: TaskRecord, budget: BudgetReport | None = None) -> TaskReport:
    """Return how the task went so far, as the `status` query and the run's result have it. `budget`: as it has it."""
    used = usage_by_model(task)
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
        usage=sum((asked.usage for asked in used), Usage()),
        usage_by_model=used,
        failures=task.failures[:FAILURES_LISTED],
        warnings=task.warnings,
        budget=budget,
    )


def progress(task: TaskRecord, budget: BudgetReport | None) -> TaskProgress:
    """Return how far the task is, in figures, as the `journal` query has it. `budget`: as it has it."""
    return TaskProgress(
        status=task.status,
        note=task.note,
        total=task.total,
        done=task.done,
        failed=task.failed,
        started=task.started,
        ended=task.ended,
        usage_by_model=usage_by_model(task),
        budget=budget,
    )


def usage_by_model(task: TaskRecord) -> list[AskedModel]:
    """Return what each model was used for by all branches, the failed ones too, before it is put on prices."""
    used = UsageByModel(task.used.listed())
    for index, branch in task.branches.items():
        used.add(branch.used(named_model(task.task, index)))
    return used.listed()


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
        GatheredBranch(
            item=index // task.models, model=named_model(task.task, index) or model, result=result, error=error
        )
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
        used=task.used.listed(),
        pages=task.pages,
        done=list(task.finished.values()),
        branches=[branch.carried(decisions) for branch in task.branches.values()],
        budget=BudgetReport(limit=task.limits.account.limit, spent=task.limits.account.spent),
        item_budget=task.limits.item_budget,
        reached=task.limits.reached,
        streak=task.limits.streak,
        confirmed=sorted(task.limits.confirmed),
    )


def _finished_report(task: TaskRecord, branch: FinishedBranch) -> BranchReport:
    return BranchReport(
        task=task.name,
        index=branch.number,
        item=item_number(task.task, branch.number),
        label=task.label(branch.number),
        status="done",
        legs=branch.legs,
        model=branch.model,
        asked=branch.asked,
        usage=branch.usage,
        attempts=branch.attempts,
        started=branch.started,
        ended=branch.ended,
    )


def _branch_report(task: TaskRecord, branch: BranchRecord) -> BranchReport:
    return BranchReport(
        task=task.name,
        index=branch.index,
        item=item_number(task.task, branch.index),
        label=task.label(branch.index),
        status=branch.status,
        model=branch.failure_details.model,
        asked=branch.shares,
        attempts=branch.attempts if branch.failure else None,
        legs=branch.leg,
        started=branch.started,
        ended=branch.ended,
        usage=branch.failure_details.usage,
        error=branch.failure.message if branch.failure else None,
    )
