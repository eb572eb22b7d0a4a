"""What happened in a run so far."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

from grammar.messages.activity_results import Usage
from grammar.messages.budgets import BudgetRaise
from grammar.messages.continue_as_new import CarriedRun, CarriedTask
from grammar.messages.events import RunEvent, RunEvents
from grammar.messages.reports import (
    Approval,
    ApprovalDecision,
    BranchReport,
    Decision,
    Failure,
    RunOverview,
    RunReport,
    RunStatus,
)
from grammar.messages.run_bundle import Bundle
from grammar.messages.run_status import ENDED
from grammar.model_access import prices
from workflows.records import task_report
from workflows.records.approvals import Approvals
from workflows.records.branch_names import named_model
from workflows.records.budgets import Budgets
from workflows.records.parking import Parking
from workflows.records.published import PublishedOutputs
from workflows.records.task_record import TaskRecord

EVENTS_KEPT = 500
EVENTS_CARRIED = 200
WAITS_SHOWN = 10
WAIT_LENGTH = 200

_DECIDED = {
    "approval": ("approved", "rejected"),
    "unknown_outcome": ("to be repeated", "not to be repeated"),
    "fan_out": ("approved", "rejected"),
}


class RunRecord:
    """Hold what happened in a run: its tasks, what they published, what waits for people, and events for followers.

    `pause_changed`: called when a person pauses the run, or has it go on.
    """

    def __init__(
        self,
        bundle: Bundle,
        now: Callable[[], datetime],
        carried: CarriedRun | None = None,
        pause_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._bundle = bundle
        self._pause_changed = pause_changed
        self._events: deque[RunEvent] = deque(maxlen=EVENTS_KEPT)
        self._count = 0
        self._status: RunStatus = "running"
        self._failure: Failure | None = None
        self.approvals = Approvals(now, self._approval_changed)
        self.parking = Parking(now)
        self.paused = False
        self.outputs = PublishedOutputs()
        self.tasks = [
            TaskRecord(index, task, now, self._emit_of_task, bundle.meaning) for index, task in enumerate(bundle.tasks)
        ]
        self.budgets = Budgets(bundle, self.tasks, self.parking, now)
        if carried:
            self._take_over(carried)

    def carried(self) -> tuple[list[CarriedTask], list[RunEvent], int]:
        """Return what a new history needs: the tasks, the newest events, and the number of all events."""
        tasks = [task_report.carried(task, self.approvals.decisions) for task in self.tasks]
        return tasks, list(self._events)[-EVENTS_CARRIED:], self._count

    def _take_over(self, carried: CarriedRun) -> None:
        self._events.extend(carried.entries)
        self._count, self.paused = carried.count, carried.paused
        self.approvals.granted = set(carried.granted)
        self.budgets.take_over(carried.budget)
        self.outputs = PublishedOutputs(carried.outputs, carried.stored)
        for task, known in zip(self.tasks, carried.tasks, strict=True):
            task.take_over(known)
            for branch in known.branches:
                if branch.waiting:  # at once: an answer may be on its way
                    self.approvals.ask_again(branch.waiting)

    def pause(self, paused: bool) -> None:
        """Set or clear the pause flag; emit an event if it changed."""
        if paused != self.paused:
            self.paused = paused
            self._emit(task="", kind="paused" if paused else "unpaused")
            self._pause_changed()

    def park(self, task: TaskRecord, failure: Failure) -> None:
        """Park the run at that task, until a person decides, and emit `parked`."""
        task.status = "parked"
        self.parking.park(failure, task.failed)
        self._emit(task=task.name, kind="parked", note=failure.message, total=task.failed)

    def decide(self, decision: Decision) -> None:
        """Take in what a person decides of the parked task, and emit `decided`. Ignored where it is not parked."""
        if decision.action == "raise_budget":
            self.raise_budget(decision.budget)
            return
        parked = self.parking.current
        if self.parking.decide(decision) and parked:
            self._emit(task=parked.task, kind="decided", status=decision.action)

    def raise_budget(self, more: BudgetRaise | None) -> None:
        """Add to a budget, and emit `budget_raised`; a run that is parked at it goes on. Ignored where it fits none."""
        try:
            told = self.budgets.add(more) if more else ""
        except ValueError:
            return
        self._emit(task="", kind="budget_raised", note=told)
        parked = self.parking.current
        if parked and parked.is_at_budget and self.budgets.can_go_on(self._parked_task()):
            self.parking.decide(Decision(action="raise_budget"))

    def overview(self) -> RunOverview:
        """Return where the run stands, and what it waits for."""
        number = max((n for n, task in enumerate(self.tasks, 1) if task.status != "waiting"), default=0)
        state = self._state()
        return RunOverview(
            state=state,
            task=self.tasks[number - 1].name if number else "",
            number=number,
            tasks=len(self.tasks),
            waits=[] if state in ENDED else self._waits()[:WAITS_SHOWN],
        )

    def _state(self) -> str:
        state = self._open_state()
        # Branches that waited learn of the end after the run does. Earlier versions told what they waited for.
        has_ended = self._status not in ("running", state)
        return self._status if has_ended and workflow.patched("ended-before-waiting") else state

    def _open_state(self) -> str:
        if self.parking.current:
            return "parked"
        if self.approvals.open:
            return "waiting_approval"
        if any(task.only_rate_limited for task in self.tasks) and workflow.patched("rate-limited-status"):
            return "rate_limited"
        return "paused" if self.paused and self._status == "running" else self._status

    def _waits(self) -> list[str]:
        if parked := self.parking.current:
            return [f"{parked.headline}: {parked.failure.message.splitlines()[0][:WAIT_LENGTH]}"]
        return [_wait(approval) for approval in self.approvals.open]

    def complete(self) -> RunReport:
        """Set the final status of a run that came to its end, and return the report: no success if anything failed."""
        failed = any(task.status == "failed" for task in self.tasks)
        self._status = "completed_with_failures" if failed else "completed"
        return self.report()

    def fail(self, failure: Failure) -> RunReport:
        """Set the final status of a run that failed, and return the report."""
        self._status, self._failure = "failed", failure
        return self.report()

    def cancel(self) -> None:
        """Set the final status of a run that was cancelled, and of its task that runs."""
        self._status = "cancelled"
        for task in self.tasks:
            task.cancel()

    def report(self) -> RunReport:
        """Return how the run went so far, as the `status` query and the run's result have it."""
        tasks = [task_report.report(task, self.budgets.report(task.limits.account)) for task in self.tasks]
        report = RunReport(
            name=self._bundle.name,
            bundle=self._bundle.hash,
            status="parked" if self.parking.current else self._status,
            tasks=tasks,
            usage=sum((task.usage for task in tasks), Usage()),
            outputs=self.outputs.values,
            stored=self.outputs.stored,
            failure=self._failure,
            approvals=self.approvals.open,
            parked=self.parking.current,
            paused=self.paused,
            budget=self.budgets.report(self.budgets.run),
        )
        return prices.priced_report(self._bundle.config, report)

    def branches(self) -> list[BranchReport]:
        """Return the manifest's lines: one per branch of all tasks."""
        return [
            prices.priced_branch(self._bundle.config, named_model(task.task, branch.index), branch)
            for task in self.tasks
            for branch in task_report.branch_reports(task)
        ]

    def events(self, after: int) -> RunEvents:
        """Return the events from a number on, as far as they are still kept, and how far each task is."""
        return RunEvents(
            entries=[event for event in self._events if event.number >= after],
            tasks=[task_report.progress(task, self.budgets.report(task.limits.account)) for task in self.tasks],
            approvals=self.approvals.open,
            parked=self.parking.current,
            rate_limits=[wait for task in self.tasks for wait in task.rate_limits],
            next=self._count,
            budget=self.budgets.report(self.budgets.run),
        )

    def _approval_changed(self, approval: Approval, decision: ApprovalDecision | None) -> None:
        fields: dict[str, object] = {"task": approval.task, "label": approval.branch, "approval": approval}
        if decision is None:
            self._emit(kind="approval_asked", **fields)
        else:
            status = _DECIDED[approval.kind][not decision.approved]
            self._emit(kind="approval_given", status=status, note=decision.reason, **fields)

    def _parked_task(self) -> TaskRecord:
        return next(task for task in self.tasks if task.status == "parked")

    def _emit_of_task(self, task: TaskRecord, kind: str, **fields: object) -> None:
        self._emit(task=task.name, kind=kind, total=task.total, **fields)

    def _emit(self, **fields: object) -> None:
        self._events.append(RunEvent.model_validate({"number": self._count, **fields}))
        self._count += 1


def _wait(approval: Approval) -> str:
    if approval.kind == "fan_out":
        return f"approval of {approval.task}, {approval.arguments}: {approval.id}"
    return f"{approval.kind} of {approval.tool}: {approval.id}"
