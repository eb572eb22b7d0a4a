"""What happened in one task so far. What people are told of it is in `task_report.py`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from grammar.documents.models import Task
from grammar.failure_policy import ends_run
from grammar.messages.activity_results import Branch, BranchResult, FailureDetails, Leg, StoredPage
from grammar.messages.asked_models import AskedModel
from grammar.messages.continue_as_new import CarriedTask, FinishedBranch
from grammar.messages.events import RateLimitWait
from grammar.messages.names import activity_id
from grammar.messages.reports import Failure, TaskStatus
from grammar.messages.run_bundle import Meaning
from workflows.records.branch_names import item_number, model_name, named_model
from workflows.records.branch_record import BranchRecord, finished_branch
from workflows.records.task_limits import TaskLimits
from workflows.records.usage_by_model import UsageByModel


class TaskRecord:
    """Hold what happened in one task: its branches, their results and failures.

    `index`: its number in the run, from 0. `branches`: those that have begun and have no result, by index; `finished`:
    those that have one. `items`: how many there are, 1 until `items_known`; `total`: how many branches. `used`: by each
    model, less what failed branches used. `task_failures`: of the task as a whole. `stopped`: a failure ends the run,
    and no further branch starts. `limits`: its budget, and what may stop it. `emit`: called with the record, the kind
    of an event and its fields. `meaning`: that of the run's bundle.
    """

    def __init__(
        self,
        index: int,
        task: Task,
        now: Callable[[], datetime],
        emit: Callable[..., None],
        meaning: Meaning,
    ) -> None:
        self.name = task.name or f"task-{index + 1}"
        self.task = task
        self.models = len(task.choices)
        self.status: TaskStatus = "waiting"
        self.note = ""
        self.items = 1
        self.items_known = False
        self.total = 0
        self.model = ""
        self.pages: list[StoredPage] = []
        self.took_source = False
        self.stopped = False
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.branches: dict[int, BranchRecord] = {}
        self.finished: dict[int, FinishedBranch] = {}
        self.task_failures: list[Failure] = []
        self.warnings: list[str] = []
        self.used = UsageByModel()
        self.limits = TaskLimits(task)
        self.index = index
        self._turns = 0
        self._now = now
        self._emit = emit
        self._any_of_item = meaning == 1

    def take_over(self, carried: CarriedTask) -> None:
        """Go on from what the history before knew: the other end of `task_report.carried`."""
        report = carried.report
        self.status, self.note, self.total = report.status, report.note, report.total
        self.used = UsageByModel.of_carried(carried, named_model(self.task, 0) if self.models == 1 else None)
        self.warnings = list(report.warnings)
        self.items, self.model, self.took_source = carried.items, carried.model, carried.took_source
        self.items_known, self.task_failures, self.pages = carried.expected, list(carried.whole), carried.pages
        self.started, self.ended = report.started, report.ended
        self.finished = {branch.number: branch for branch in carried.done}
        self.limits.take_over(carried)
        for known in carried.branches:
            if known.deployed:
                self.finished[known.branch.index] = finished_branch(known.branch, known.deployed, known.leg)
            else:
                self.branches[known.branch.index] = record = BranchRecord.from_carried(known)
                record.account.limit = self.limits.item_budget
        self.stopped = bool(self.task_failures) or any(ends_run(failure.type) for failure in self.branch_failures)

    def start(self) -> None:
        """Set the task running, and emit `task_started`."""
        self.status = "running"
        self.started = self._now()
        self._emit(self, "task_started", status="running")

    def skip(self, reason: str) -> None:
        """Mark the task skipped; `reason` is shown to people."""
        self.status, self.note = "skipped", reason

    def set_items(self, count: int | None) -> None:
        """Set how many items there are; None: the task does not fan out over items."""
        self.items = 1 if count is None else count
        self.total = self.items * self.models
        self.items_known = True

    def set_outcome(self, status: TaskStatus, note: str) -> None:
        """Set how the task ends by a person's decision; `note` is shown to people."""
        self.status, self.note = status, note

    def reopen(self, only: str = "") -> None:
        """Make run again what failed, or what failed by one type. Agents go on from journals that are not spent."""
        for branch in self.branches.values():
            if branch.failure and only in ("", branch.failure.type):
                used = branch.used(named_model(self.task, branch.index))
                self.used.add(used if branch.reopen() else [])
        self.task_failures.clear()
        self.limits.reopen()
        self.stopped = False
        self.status = "running"

    def close(self) -> None:
        """Set the final status and emit `task_ended`."""
        self.ended = self._now()
        failures = self.failures
        if forgiven := self.failed - len(failures) + len(self.task_failures):
            self.warnings.append(f"{forgiven} of {self.total} branches failed; `completion: any` asks for one")
        if self.status == "running":
            self.status = "failed" if failures else "done"
        first = failures[0] if failures else None
        # What a person decided is no failure to be mended.
        note, error = (first.message, first.type) if first and not self.note else (self.note, "")
        self._emit(self, "task_ended", status=self.status, note=note, error=error)

    def cancel(self) -> None:
        """Mark the task cancelled, if it runs or is parked."""
        if self.status in ("running", "parked"):
            self.status = "cancelled"

    def forget_results(self) -> None:
        """Drop the results, which are published and need not be kept twice."""
        self.pages = []
        slim: dict[str, Any] = {"item": None, "value": None, "stored": None, "tool_results": [], "results": 0}
        self.finished = {index: branch._replace(**slim) for index, branch in self.finished.items()}

    def start_branch(self, branch: Branch) -> BranchRecord:
        """Record that a branch runs, anew or again, and return its record.

        Its prompt need not be kept, and its item only where no stored page has it.
        """
        slim: dict[str, object] = {"prompt": "", "item": None} if self.pages else {"prompt": ""}
        kept = branch.model_copy(update=slim)
        if record := self.branches.get(branch.index):
            record.branch = kept
        else:
            record = self.branches[branch.index] = BranchRecord(kept, started=self._now())
            record.account.limit = self.limits.item_budget
        return record

    def drop_branch(self, branch: BranchRecord) -> None:
        """Forget that a branch was to run: it has not begun."""
        del self.branches[branch.index]

    def finish_branch(self, branch: BranchRecord, result: BranchResult) -> None:
        """Record the result of a branch, and emit `branch_ended`."""
        self.model = result.model or self.model
        self.warnings += [text for text in result.warnings if text not in self.warnings]
        self._emit_branch("branch_ended", branch, branch.leg, status="done", said=result.said, first=result.first)
        del self.branches[branch.index]
        finished = self.finished[branch.index] = branch.finish(result, self._now())
        alone = AskedModel(named=named_model(self.task, branch.index), model=result.model, usage=result.usage)
        self.used.add(finished.asked or [alone])
        self.limits.note_success()

    def fail_branch(self, branch: BranchRecord, failure: Failure, details: FailureDetails | None = None) -> None:
        """Record that a branch failed, for good or until a person has it retried, and emit `branch_ended`."""
        details = details or FailureDetails()
        which = {"item": item_number(self.task, branch.index), "model": model_name(self.task, branch.index)}
        failure = failure.model_copy(update=which)
        branch.fail(failure, details, self.activity_id(branch.index, branch.leg), self._now())
        self.stopped = self.stopped or ends_run(failure.type)
        self.limits.note_failure(failure)
        fields = {"note": failure.message, "error": failure.type, "said": details.said, "first": details.first}
        self._emit_branch("branch_ended", branch, branch.leg, status="failed", **fields)

    def end_leg(self, branch: BranchRecord, result: BranchResult, leg: Leg) -> None:
        """Record that a leg of a branch was left off, and emit `leg_ended`."""
        number = branch.leg
        self._turns += branch.end_leg(leg, self.activity_id(branch.index, number), result)
        fields = {"said": result.said, "first": result.first, "status": leg.reason, "note": leg.message}
        self._emit_branch("leg_ended", branch, number, **fields)

    def rate_limit(self, branch: BranchRecord, until: datetime, kind: str, message: str) -> None:
        """Emit `rate_limited`: the branch waits for the endpoint until then. `kind`, `message`: of its failure."""
        branch.rate_limit = RateLimitWait(
            activity=self.activity_id(branch.index, branch.leg - 1), until=until, note=message
        )
        self._emit_branch("rate_limited", branch, branch.leg, until=until, error=kind, note=message)

    def fall_back(self, branch: BranchRecord, failed: str, model: str, kind: str, message: str) -> None:
        """Emit `fallback`: of the two models, the second goes on. `kind`, `message`: of the first one's failure.

        The first time, that is a warning too: who pays for which model should know.
        """
        begin = f"{model} went on in place of {failed}: "
        if not any(warning.startswith(begin) for warning in self.warnings):
            self.warnings.append(f"{begin}{message}")
        self._emit_branch("fallback", branch, branch.leg, model=model, error=kind, note=message)

    def next_item(self, first: int = 0) -> int | None:
        """Return the first item, from `first` on, that has a branch to run; None where there is none."""
        end = self.total if self.items_known else first * self.models + 1
        indexes = range(first * self.models, end)
        return next((index // self.models for index in indexes if not self.has_ended(index)), None)

    def page_of(self, item: int) -> StoredPage | None:
        """Return the stored page that has the item; None where no storage has it."""
        return next((page for page in reversed(self.pages) if page.first <= item), None)

    def has_ended(self, index: int) -> bool:
        """Return whether the branch of that index has its result, or has failed."""
        branch = self.branches.get(index)
        return index in self.finished or (branch is not None and branch.failure is not None)

    @property
    def has_remaining(self) -> bool:
        """Return whether there are branches for a new history: some that have not begun, or that wait for a person."""
        unstarted = self.items_known and len(self.branches) + len(self.finished) < self.total
        return any(branch.waiting for branch in self.branches.values()) or (unstarted and not self.stopped)

    @property
    def has_reopened(self) -> bool:
        """Return whether there are branches that are to run again, and did not: they too are for a new history."""
        return not self.stopped and any(not branch.failure for branch in self.branches.values())

    @property
    def only_waiting(self) -> bool:
        """Return whether all branches that have begun and not ended wait for a person."""
        return all(branch.waiting or branch.failure for branch in self.branches.values())

    @property
    def only_rate_limited(self) -> bool:
        """Return whether the task runs, and all its branches that have begun and not ended wait for the endpoint."""
        running = [branch.status for branch in self.branches.values() if not branch.failure]
        return self.status == "running" and bool(running) and set(running) == {"rate_limited"}

    @property
    def rate_limits(self) -> list[RateLimitWait]:
        """Return the waits of the branches that wait for the endpoint."""
        return [branch.rate_limit for branch in self.branches.values() if branch.rate_limit]

    @property
    def progress(self) -> int:
        """Count finished branches and the turns that ended legs gained. To be compared: it never shrinks."""
        return len(self.finished) + self._turns

    @property
    def failures(self) -> list[Failure]:
        """Return what failed. With `completion: any` and one branch that succeeded, only what ends the run."""
        failures = self.branch_failures
        if self.task.completion == "any":
            failures = [f for f in failures if ends_run(f.type) or not self._has_succeeded(f.branch or 0)]
        return [*self.task_failures, *failures]

    @property
    def branch_failures(self) -> list[Failure]:
        """Return the failure of each branch that failed."""
        return [branch.failure for branch in self.branches.values() if branch.failure]

    @property
    def done(self) -> int:
        """Return how many branches gave their result."""
        return len(self.finished)

    @property
    def failed(self) -> int:
        """Return how many branches failed."""
        return len(self.branch_failures)

    @property
    def results(self) -> list[FinishedBranch]:
        """Return what branches gave, in item-then-model order."""
        return [branch for _, branch in sorted(self.finished.items())]

    def activity_id(self, index: int, leg: int = 1) -> str:
        """Return the id of the activity of the branch of that index."""
        item = index // self.models if self.task.repeats else None
        return activity_id(self.index, item, index % self.models if self.models > 1 else None, leg)

    def label(self, index: int) -> str:
        """Return what people call the branch: `item 3 of 50 on gpt-4.1`; empty where it is the only one."""
        item = f"item {index // self.models + 1} of {self.items}" if self.items > 1 else ""
        return " on ".join(filter(None, [item, model_name(self.task, index)]))

    def _has_succeeded(self, index: int) -> bool:
        """Return whether any branch gave a result; in runs of older versions, any of the item of that branch."""
        if not self._any_of_item:
            return bool(self.finished)
        first = index - index % self.models
        return any(other in self.finished for other in range(first, first + self.models))

    def _emit_branch(self, kind: str, branch: BranchRecord, leg: int, **fields: object) -> None:
        label, activity = self.label(branch.index), self.activity_id(branch.index, leg)
        self._emit(self, kind, branch=branch.index, label=label, activity=activity, **fields)
