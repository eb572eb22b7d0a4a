"""What happened in one task so far."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from grammar.documents.models import Task
from grammar.documents.values import Value
from grammar.errors import ends_run
from grammar.messages.activity_requests import GatheredBranch
from grammar.messages.activity_results import Branch, BranchResult, FailureDetails, Leg, StoredPage, Usage
from grammar.messages.continue_as_new import CarriedTask, FinishedBranch, WaitingBranch
from grammar.messages.events import TaskProgress
from grammar.messages.names import activity_id
from grammar.messages.reports import Approval, ApprovalDecision, BranchReport, Failure, TaskReport, TaskStatus
from workflows.branch_record import BranchRecord, done

FAILURES_TOLD = 20


class TaskRecord:
    """One task: its branches and their results."""

    def __init__(self, index: int, task: Task, now: Callable[[], datetime], note_entry: Callable[..., None]) -> None:
        self._index = index
        self.name = task.name or f"task-{index + 1}"
        self.task = task
        self.status: TaskStatus = "waiting"
        self.note = ""
        self.items = 1
        self.total = 0
        self.model = ""
        self._whole: list[Failure] = []
        self.warnings: list[str] = []
        self._usage = Usage()
        self.stopped = False
        self.took_source = False
        self.pages: list[StoredPage] = []
        self._expected = False
        self._now = now
        self._entry = note_entry
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._begun: dict[int, BranchRecord] = {}
        self._done: dict[int, FinishedBranch] = {}
        self._turns = 0

    def carried(self, said: Callable[[list[Approval]], list[ApprovalDecision]] = lambda asked: []) -> CarriedTask:
        """What a new history needs of it; of a task that has ended, what people are told.

        `said`: what people said so far of calls that wait.
        """
        return CarriedTask(
            report=self.report(),
            items=self.items,
            expected=self._expected,
            model=self.model,
            whole=self._whole,
            took_source=self.took_source,
            usage=self._usage,
            pages=self.pages,
            done=list(self._done.values()),
            branches=[one.carried(said) for one in self._begun.values()],
        )

    def take_over(self, carried: CarriedTask) -> None:
        """Go on from what the history before knew."""
        report = carried.report
        self.status, self.note, self.total = report.status, report.note, report.total
        self._usage = report.usage if carried.usage is None else carried.usage
        self.warnings = list(report.warnings)
        self.items, self.model, self.took_source = carried.items, carried.model, carried.took_source
        self._expected, self._whole, self.pages = carried.expected, list(carried.whole), carried.pages
        self._started, self._ended = report.started, report.ended
        self._done = {one.number: one for one in carried.done}
        for one in carried.branches:
            if one.deployed:
                self._done[one.branch.index] = done(one.branch, one.deployed, one.leg)
            else:
                self._begun[one.branch.index] = BranchRecord.taken_over(one)
        self.stopped = any(ends_run(one.type) for one in self._errors)

    def forget_results(self) -> None:
        """Its results are published: they need not be kept twice."""
        self.pages = []
        slim: dict[str, Any] = {"item": None, "value": None, "stored": None, "tool_results": [], "results": 0}
        self._done = {index: one._replace(**slim) for index, one in self._done.items()}

    @property
    def begun(self) -> bool:
        """Whether it has started."""
        return self._started is not None

    def start(self) -> None:
        """It runs now."""
        self.status = "running"
        self._started = self._now()
        self._entry(self, "task_started", status="running")

    def skip(self, reason: str) -> None:
        """Its condition is not met."""
        self.status, self.note = "skipped", reason

    def expect(self, total: int | None) -> None:
        """How many branches there will be; None: it does not fan out."""
        self.items = 1 if total is None else total
        self.total = self.items * len(self.task.choices)
        self._expected = True

    def reopen(self) -> None:
        """What failed is to run again. An agent goes on from its journal, unless its conversation was spent."""
        for one in self._begun.values():
            if one.failure:
                self._usage = self._usage + one.reopen()
        self._whole.clear()
        self.stopped = False
        self.status = "running"

    def settle(self, note: str, status: TaskStatus) -> None:
        """A person decided what becomes of it."""
        self.note, self.status = note, status

    def following(self, item: int = 0) -> int | None:
        """The first item from `item` on that has a branch to run; None where there is none."""
        models = len(self.task.choices)
        end = self.total if self._expected else item * models + 1
        return next((one // models for one in range(item * models, end) if not self.settled(one)), None)

    def page_of(self, item: int) -> StoredPage | None:
        """The stored page that has the item."""
        return next((page for page in reversed(self.pages) if page.first <= item), None)

    @property
    def left_over(self) -> bool:
        """Whether there are branches for a new history: some that have not begun, or that wait for a person."""
        unbegun = self._expected and len(self._begun) + len(self._done) < self.total
        return any(one.waiting for one in self._begun.values()) or (unbegun and not self.stopped)

    @property
    def reopened(self) -> bool:
        """Whether there are branches that are to run again, and were not deployed: they too are for a new history."""
        return not self.stopped and any(not one.failure for one in self._begun.values())

    def settled(self, index: int) -> bool:
        """Whether the branch of that index has its result, or has failed."""
        begun = self._begun.get(index)
        return index in self._done or (begun is not None and begun.failure is not None)

    def leg(self, branch: Branch) -> int:
        """The number of the branch's leg, from 1."""
        return self._begun[branch.index].leg

    def journal(self, branch: Branch) -> str:
        """The journal that the branch goes on from; empty where it begins one."""
        return self._begun[branch.index].journal

    @property
    def advanced(self) -> int:
        """Grows with every branch that ends and with every turn that a leg gains."""
        return len(self._done) + self._turns

    def activity_id(self, branch: Branch, leg: int = 1) -> str:
        """The id of the branch's activity."""
        models = len(self.task.choices)
        item = branch.index // models if self.task.repeats else None
        return activity_id(self._index, item, branch.choice if models > 1 else None, leg)

    def label(self, branch: Branch) -> str:
        """`item 3 of 50, gpt-4.1`; nothing where there is only one."""
        item = f"item {branch.index // len(self.task.choices) + 1} of {self.items}" if self.items > 1 else ""
        choice = self.task.choices[branch.choice]
        model = choice.model if choice and len(self.task.choices) > 1 else ""
        return ", ".join(filter(None, [item, model]))

    def begin(self, branch: Branch) -> None:
        """A branch is deployed. Its prompt need not be kept, and its item only where no stored page has it."""
        slim: dict[str, object] = {"prompt": "", "item": None} if self.pages else {"prompt": ""}
        kept = branch.model_copy(update=slim)
        if known := self._begun.get(branch.index):
            known.branch = kept
        else:
            self._begun[branch.index] = BranchRecord(kept, started=self._now())

    def succeed(self, branch: Branch, deployed: BranchResult) -> None:
        """A branch gave its result."""
        self._usage = self._usage + deployed.usage
        self.model = deployed.model or self.model
        self.warnings += [text for text in deployed.warnings if text not in self.warnings]
        self._ended_branch(branch, status="done", said=deployed.said, first=deployed.first)
        self._done[branch.index] = self._begun.pop(branch.index).done(deployed, self._now())

    def fail(self, branch: Branch, failure: Failure, lost: FailureDetails | None = None) -> None:
        """A branch failed for good, or until a person has it retried."""
        lost = lost or FailureDetails()
        activity = self.activity_id(branch, self.leg(branch))
        self._begun[branch.index].fail(failure, lost, activity, self._now())
        self.stopped = self.stopped or ends_run(failure.type)
        told = {"note": failure.message, "error": failure.type, "said": lost.said, "first": lost.first}
        self._ended_branch(branch, status="failed", **told)

    def _ended_branch(self, branch: Branch, **fields: object) -> None:
        self._branch_entry("branch_ended", branch, self.leg(branch), **fields)

    def _branch_entry(self, kind: str, branch: Branch, leg: int, **fields: object) -> None:
        label, activity = self.label(branch), self.activity_id(branch, leg)
        self._entry(self, kind, branch=branch.index, label=label, activity=activity, **fields)

    def leave_off(self, branch: Branch, deployed: BranchResult, leg: Leg) -> None:
        """A leg of a branch ended, and the branch has not."""
        begun = self._begun[branch.index]
        number = begun.leg
        self._turns += begun.leave_off(leg, self.activity_id(branch, number), deployed.attempts)
        told = {"said": deployed.said, "first": deployed.first, "status": leg.reason, "note": leg.message}
        self._branch_entry("leg_ended", branch, number, **told)

    def rest(self, branch: Branch, until: datetime, message: str) -> None:
        """The branch waits for the endpoint."""
        self._branch_entry("rate_limited", branch, self.leg(branch), until=until, note=message)

    def wait(self, branch: Branch, leg: Leg, asked: list[Approval]) -> None:
        """The branch waits for a person."""
        self._begun[branch.index].wait(leg, asked)

    def waiting(self, branch: Branch) -> WaitingBranch | None:
        """What the branch waits for, if it does: since an earlier history, where it has just begun in this one."""
        return self._begun[branch.index].waiting

    @property
    def only_waiting(self) -> bool:
        """Whether all branches that have begun and not ended wait for a person."""
        return all(one.waiting or one.failure for one in self._begun.values())

    @property
    def only_resting(self) -> bool:
        """Whether all branches that have begun and not ended wait for the endpoint."""
        running = [one.status for one in self._begun.values() if not one.failure]
        return self.status == "running" and bool(running) and set(running) == {"rate_limited"}

    def go_on(self, branch: Branch) -> None:
        """The next leg may start."""
        self._begun[branch.index].go_on()

    def fail_whole(self, failure: Failure) -> None:
        """The task failed before any branch ran."""
        self._whole.append(failure)

    @property
    def failures(self) -> list[Failure]:
        """What failed. With `completion: any`, an item failed only if all its models did, or the run ends by it."""
        errors = self._errors
        if self.task.completion == "any":
            errors = [one for one in errors if ends_run(one.type) or not self._any_model(one.branch or 0)]
        return [*self._whole, *errors]

    @property
    def _errors(self) -> list[Failure]:
        return [one.failure for one in self._begun.values() if one.failure]

    def _any_model(self, branch: int) -> bool:
        models = len(self.task.choices)
        first = branch - branch % models
        return any(index in self._done for index in range(first, first + models))

    def close(self) -> None:
        """It is over."""
        self._ended = self._now()
        if forgiven := self.failed - len(self.failures) + len(self._whole):
            self.warnings.append(f"{forgiven} of {self.total} branches failed; `completion: any` asks for one model")
        if self.status == "running":
            self.status = "failed" if self.failures else "done"
        first = self.failures[0] if self.failures else None
        note, error = self.note or (first.message if first else ""), first.type if first else ""
        self._entry(self, "task_ended", status=self.status, note=note, error=error)

    def cancel(self) -> None:
        """The run was cancelled while it ran."""
        if self.status in ("running", "parked"):
            self.status = "cancelled"

    @property
    def usage(self) -> Usage:
        """What all branches cost, the failed ones too."""
        return sum((one.lost.usage for one in self._begun.values()), self._usage)

    @property
    def done(self) -> int:
        """How many branches gave their result."""
        return len(self._done)

    @property
    def failed(self) -> int:
        """How many branches failed."""
        return len(self._errors)

    def results(self) -> list[FinishedBranch]:
        """What branches gave, in item order."""
        return [one for _, one in sorted(self._done.items())]

    def published(self) -> list[GatheredBranch]:
        """An entry for each branch that has begun, in item order."""
        models = len(self.task.choices)
        entries: list[tuple[int, Value, str, str | None]] = [
            (one.number, Value(value=one.value, stored=one.stored), one.model, None) for one in self._done.values()
        ]
        for index, begun in self._begun.items():
            entries.append((index, Value(), self.model, begun.failure.message if begun.failure else None))
        return [
            GatheredBranch(item=index // models, model=self._model(index % models) or model, result=result, error=error)
            for index, result, model, error in sorted(entries, key=lambda entry: entry[0])
        ]

    def items_of_branches(self) -> dict[int, JsonValue]:
        """The items by number, where no stored page has them."""
        models = len(self.task.choices)
        done = {one.number // models: one.item for one in self._done.values()}
        return done | {index // models: begun.branch.item for index, begun in self._begun.items()}

    def _model(self, choice: int) -> str:
        """The model as the file names it."""
        chosen = self.task.choices[choice]
        return (chosen.model if chosen else self.task.model) or ""

    def report(self) -> TaskReport:
        """As people are told."""
        return TaskReport(
            name=self.name,
            id=self.task.id,
            status=self.status,
            required=self.task.must_complete,
            note=self.note,
            total=self.total,
            done=self.done,
            failed=self.failed,
            started=self._started,
            ended=self._ended,
            usage=self.usage,
            failures=self.failures[:FAILURES_TOLD],
            warnings=self.warnings,
        )

    def tally(self) -> TaskProgress:
        """As a follower is told, every now and then."""
        return TaskProgress(
            status=self.status,
            note=self.note,
            total=self.total,
            done=self.done,
            failed=self.failed,
            started=self._started,
            ended=self._ended,
            used=self._used(),
            model=self.model,
        )

    def _used(self) -> list[Usage]:
        """What each of the models cost so far."""
        models = len(self.task.choices)
        if models == 1:
            return [self.usage]
        used = [Usage() for _ in range(models)]
        for index, begun in self._begun.items():
            used[index % models] += begun.lost.usage
        for one in self._done.values():
            used[one.number % models] += _usage(one)
        return used

    def branch_reports(self) -> list[BranchReport]:
        """One line per branch."""
        return [self._branch_report(index) for index in sorted([*self._done, *self._begun])]

    def _branch_report(self, index: int) -> BranchReport:
        branch = Branch(index=index, choice=index % len(self.task.choices))
        if done := self._done.get(index):
            return BranchReport(
                task=self.name, index=index, label=self.label(branch), status="done", legs=done.legs,
                model=done.model, usage=_usage(done), attempts=done.attempts, started=done.started, ended=done.ended,
            )  # fmt: skip
        begun = self._begun[index]
        return BranchReport(
            task=self.name,
            index=index,
            label=self.label(branch),
            status=begun.status,
            attempts=begun.attempts if begun.failure else None,
            legs=begun.leg,
            started=begun.started,
            ended=begun.ended,
            usage=begun.lost.usage,
            error=begun.failure.message if begun.failure else None,
        )


def _usage(done: FinishedBranch) -> Usage:
    return Usage(requests=done.requests, input_tokens=done.input_tokens, output_tokens=done.output_tokens)
