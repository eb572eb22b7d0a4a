"""What happened in one task so far."""

from collections.abc import Callable
from datetime import datetime

from grammar.contracts import (
    Branch,
    BranchReport,
    BranchStatus,
    CarriedBranch,
    CarriedTask,
    Deployed,
    Failure,
    Leg,
    TaskReport,
    TaskStatus,
    Usage,
    activity_id,
)
from grammar.errors import ends_run, is_spent
from grammar.models import Task

FAILURES_TOLD = 20
_WAITING: dict[str, BranchStatus] = {
    "approval": "waiting",
    "unknown_outcome": "waiting",
    "rate_limited": "rate_limited",
}


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
        self.usage = Usage()
        self.stopped = False
        self.took_source = False
        self._expected = False
        self._now = now
        self._entry = note_entry
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._branches: dict[int, Branch] = {}
        self._deployed: dict[int, Deployed] = {}
        self._errors: dict[int, Failure] = {}
        self._legs: dict[int, int] = {}
        self._journals: dict[int, str] = {}
        self._turns: dict[int, int] = {}
        self._waiting: dict[int, BranchStatus] = {}

    def carried(self) -> CarriedTask:
        """What a new history needs of it; of a task that has ended, what people are told."""
        return CarriedTask(
            report=self.report(),
            items=self.items,
            expected=self._expected,
            model=self.model,
            whole=self._whole,
            took_source=self.took_source,
            branches=[
                CarriedBranch(
                    branch=branch,
                    deployed=self._deployed.get(index),
                    failure=self._errors.get(index),
                    leg=self._legs.get(index, 1),
                    journal=self._journals.get(index, ""),
                )
                for index, branch in self._branches.items()
            ],
        )

    def take_over(self, carried: CarriedTask) -> None:
        """Go on from what the history before knew."""
        report = carried.report
        self.status, self.note, self.total, self.usage = report.status, report.note, report.total, report.usage
        self.warnings = list(report.warnings)
        self.items, self.model, self.took_source = carried.items, carried.model, carried.took_source
        self._expected, self._whole = carried.expected, list(carried.whole)
        self._started, self._ended = report.started, report.ended
        for one in carried.branches:
            self._take_over_branch(one)

    def _take_over_branch(self, one: CarriedBranch) -> None:
        index = one.branch.index
        self._branches[index] = one.branch
        if one.deployed:
            self._deployed[index] = one.deployed
        if one.failure:
            self._errors[index] = one.failure
            self.stopped = self.stopped or ends_run(one.failure.type)
        if one.leg > 1:
            self._legs[index] = one.leg
        if one.journal:
            self._journals[index] = one.journal

    def forget_results(self) -> None:
        """Its results are published: they need not be kept twice."""
        slim: dict[str, object] = {"value": None, "tool_results": []}
        self._deployed = {index: one.model_copy(update=slim) for index, one in self._deployed.items()}

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
        for index, failure in self._errors.items():
            if is_spent(failure.type):
                self._journals.pop(index, None)
            self._legs[index] = self._legs.get(index, 1) + 1
        self._errors.clear()
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

    @property
    def unbegun(self) -> bool:
        """Whether there are branches that have not begun."""
        return self._expected and len(self._branches) < self.total

    def settled(self, index: int) -> bool:
        """Whether the branch of that index has its result, or has failed."""
        return index in self._deployed or index in self._errors

    def leg(self, branch: Branch) -> int:
        """The number of the branch's leg, from 1."""
        return self._legs.get(branch.index, 1)

    def journal(self, branch: Branch) -> str:
        """The journal that the branch goes on from; empty where it begins one."""
        return self._journals.get(branch.index, "")

    @property
    def advanced(self) -> int:
        """Grows with every branch that ends and with every turn that a leg gains."""
        return len(self._deployed) + sum(self._turns.values())

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
        """A branch is deployed. Its prompt need not be kept."""
        self._branches[branch.index] = branch.model_copy(update={"prompt": ""})

    def succeed(self, branch: Branch, deployed: Deployed) -> None:
        """A branch gave its result."""
        self._deployed[branch.index] = deployed.model_copy(update={"said": []})
        self.usage = self.usage + deployed.usage
        self.model = deployed.model or self.model
        self.warnings += [text for text in deployed.warnings if text not in self.warnings]
        self._ended_branch(branch, status="done", said=deployed.said, first=deployed.first)

    def fail(self, branch: Branch, failure: Failure) -> None:
        """A branch failed for good, or until a person has it retried."""
        self._errors[branch.index] = failure
        self._journals.setdefault(branch.index, self.activity_id(branch, self.leg(branch)))
        self._waiting.pop(branch.index, None)
        self.stopped = self.stopped or ends_run(failure.type)
        self._ended_branch(branch, status="failed", note=failure.message)

    def _ended_branch(self, branch: Branch, **fields: object) -> None:
        self._entry(
            self,
            "branch_ended",
            branch=branch.index,
            label=self.label(branch),
            activity=self.activity_id(branch, self.leg(branch)),
            **fields,
        )

    def leave_off(self, branch: Branch, deployed: Deployed, leg: Leg) -> None:
        """A leg of a branch ended, and the branch has not."""
        number = self.leg(branch)
        activity = self.activity_id(branch, number)
        self._legs[branch.index] = number + 1
        self._turns[branch.index] = max(leg.turns, self._turns.get(branch.index, 0))
        if leg.reason == "approval":
            self._journals.pop(branch.index, None)
        else:
            self._journals.setdefault(branch.index, activity)
        if status := _WAITING.get(leg.reason):
            self._waiting[branch.index] = status
        self._entry(
            self,
            "leg_ended",
            branch=branch.index,
            label=self.label(branch),
            activity=activity,
            said=deployed.said,
            first=deployed.first,
            status=leg.reason,
            note=leg.message,
        )

    def go_on(self, branch: Branch) -> None:
        """The next leg may start."""
        self._waiting.pop(branch.index, None)

    def fail_whole(self, failure: Failure) -> None:
        """The task failed before any branch ran."""
        self._whole.append(failure)

    @property
    def failures(self) -> list[Failure]:
        """What failed. With `completion: any`, an item failed only if all its models did, or the run ends by it."""
        errors = list(self._errors.values())
        if self.task.completion == "any":
            errors = [one for one in errors if ends_run(one.type) or not self._any_model(one.branch or 0)]
        return [*self._whole, *errors]

    def _any_model(self, branch: int) -> bool:
        models = len(self.task.choices)
        first = branch - branch % models
        return any(index in self._deployed for index in range(first, first + models))

    def close(self) -> None:
        """It is over."""
        self._ended = self._now()
        if forgiven := self.failed - len(self.failures) + len(self._whole):
            self.warnings.append(f"{forgiven} of {self.total} branches failed; `completion: any` asks for one model")
        if self.status == "running":
            self.status = "failed" if self.failures else "done"
        note = self.note or (self.failures[0].message if self.failures else "")
        self._entry(self, "task_ended", status=self.status, note=note)

    def cancel(self) -> None:
        """The run was cancelled while it ran."""
        if self.status in ("running", "parked"):
            self.status = "cancelled"

    @property
    def done(self) -> int:
        """How many branches gave their result."""
        return len(self._deployed)

    @property
    def failed(self) -> int:
        """How many branches failed."""
        return len(self._errors)

    def results(self) -> list[tuple[Branch, Deployed | None, str | None]]:
        """Each branch with its result or its error, in item order."""
        return [
            (
                branch,
                self._deployed.get(index),
                self._errors[index].message if index in self._errors else None,
            )
            for index, branch in sorted(self._branches.items())
        ]

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

    def branch_reports(self) -> list[BranchReport]:
        """One line per branch."""
        return [self._branch_report(index) for index in sorted(self._branches)]

    def _branch_report(self, index: int) -> BranchReport:
        deployed, error = self._deployed.get(index), self._errors.get(index)
        return BranchReport(
            task=self.name,
            index=index,
            label=self.label(self._branches[index]),
            status="failed" if error else "done" if deployed else self._waiting.get(index, "running"),
            legs=self._legs.get(index, 1),
            model=deployed.model if deployed else "",
            usage=deployed.usage if deployed else Usage(),
            error=error.message if error else None,
        )
