"""What happened in a run so far."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

from grammar.messages.activity_results import Usage
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
from workflows.approvals import Approvals
from workflows.parking import Parking
from workflows.published import PublishedOutputs
from workflows.task_record import TaskRecord

ENTRIES = 500
CARRIED = 200
WAITS_TOLD = 10
WAIT_SHOWN = 200


class RunRecord:
    """The run: its tasks, and a journal for followers."""

    def __init__(self, bundle: Bundle, now: Callable[[], datetime], carried: CarriedRun | None = None) -> None:
        self._bundle = bundle
        self._entries: deque[RunEvent] = deque(maxlen=ENTRIES)
        self._count = 0
        self._status: RunStatus = "running"
        self._failure: Failure | None = None
        self.approvals = Approvals(now, self._told)
        self.parking = Parking(now)
        self.paused = False
        self.tasks = [TaskRecord(index, task, now, self._note) for index, task in enumerate(bundle.tasks)]
        if carried:
            self._take_over(carried)

    def start(self, index: int) -> TaskRecord:
        """The task runs now; one that runs already goes on."""
        if not self.tasks[index].begun:
            self.tasks[index].start()
        return self.tasks[index]

    def carried(self) -> tuple[list[CarriedTask], list[RunEvent], int]:
        """The tasks, the newest entries, and the number of all entries: what a new history needs."""
        return [task.carried(self.approvals.said) for task in self.tasks], list(self._entries)[-CARRIED:], self._count

    def _take_over(self, carried: CarriedRun) -> None:
        self._entries.extend(carried.entries)
        self._count, self.paused = carried.count, carried.paused
        self.approvals.granted = set(carried.granted)
        for task, known in zip(self.tasks, carried.tasks, strict=True):
            task.take_over(known)
            for branch in known.branches:
                if branch.waiting:  # at once: an answer may be on its way
                    self.approvals.ask_again(branch.waiting)

    def pause(self, paused: bool) -> None:
        """Whether new branches may start."""
        if paused != self.paused:
            self.paused = paused
            self._write(task="", kind="paused" if paused else "unpaused")

    def park(self, task: TaskRecord, failure: Failure) -> None:
        """The run waits for what a person decides of the task."""
        task.status = "parked"
        self.parking.park(failure, task.failed)
        self._write(task=task.name, kind="parked", note=failure.message, total=task.failed)

    def decide(self, decision: Decision) -> None:
        """A person decided."""
        parked = self.parking.current
        if self.parking.decide(decision) and parked:
            self._write(task=parked.task, kind="decided", status=decision.action)

    def standing(self) -> RunOverview:
        """Where the run stands, and what it waits for."""
        number = max((n for n, task in enumerate(self.tasks, 1) if task.status != "waiting"), default=0)
        return RunOverview(
            state=self._state(),
            task=self.tasks[number - 1].name if number else "",
            number=number,
            tasks=len(self.tasks),
            waits=self._waits()[:WAITS_TOLD],
        )

    def _state(self) -> str:
        if self.parking.current:
            return "parked"
        if self.approvals.open:
            return "waiting_approval"
        if any(task.only_resting for task in self.tasks) and workflow.patched("rate-limited-status"):
            return "rate_limited"
        return "paused" if self.paused and self._status == "running" else self._status

    def _waits(self) -> list[str]:
        if parked := self.parking.current:
            return [f"{parked.task} failed: {parked.failure.message.splitlines()[0][:WAIT_SHOWN]}"]
        return [f"{one.kind} of {one.tool}: {one.id}" for one in self.approvals.open]

    def verdict(self) -> RunStatus:
        """What a run that came to its end is called: never a success where anything failed."""
        return "completed_with_failures" if any(task.status == "failed" for task in self.tasks) else "completed"

    def end(self, status: RunStatus, outputs: PublishedOutputs, failure: Failure | None = None) -> RunReport:
        """The run is over."""
        self._status, self._failure = status, failure
        return self.report(outputs)

    def cancel(self) -> None:
        """The run was cancelled."""
        self._status = "cancelled"
        for task in self.tasks:
            task.cancel()

    def report(self, outputs: PublishedOutputs) -> RunReport:
        """As people are told."""
        return RunReport(
            name=self._bundle.name,
            bundle=self._bundle.hash,
            status="parked" if self.parking.current else self._status,
            tasks=[task.report() for task in self.tasks],
            usage=sum((task.usage for task in self.tasks), Usage()),
            outputs=outputs.values,
            stored=outputs.stored,
            failure=self._failure,
            approvals=self.approvals.open,
            parked=self.parking.current,
            paused=self.paused,
        )

    def branches(self) -> list[BranchReport]:
        """One line per branch of all tasks."""
        return [branch for task in self.tasks for branch in task.branch_reports()]

    def journal(self, after: int) -> RunEvents:
        """Entries from a number on, as far as they are still kept."""
        entries = [entry for entry in self._entries if entry.number >= after]
        return RunEvents(
            entries=entries,
            tasks=[task.tally() for task in self.tasks],
            approvals=self.approvals.open,
            parked=self.parking.current,
            next=self._count,
        )

    def _told(self, approval: Approval, verdict: ApprovalDecision | None) -> None:
        if verdict is None:
            self._write(task=approval.task, kind="approval_asked", label=approval.branch, approval=approval)
        else:
            words = (
                ("approved", "rejected") if approval.kind == "approval" else ("to be repeated", "not to be repeated")
            )
            status, note = words[not verdict.approved], verdict.reason
            self._write(
                task=approval.task,
                kind="approval_given",
                label=approval.branch,
                approval=approval,
                status=status,
                note=note,
            )

    def _note(self, task: TaskRecord, kind: str, **fields: object) -> None:
        self._write(task=task.name, kind=kind, total=task.total, **fields)

    def _write(self, **fields: object) -> None:
        entry = RunEvent.model_validate({"number": self._count, **fields})
        self._entries.append(entry)
        self._count += 1
