"""What happened in a run so far."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from pydantic import JsonValue

from grammar.contracts import (
    Approval,
    Branch,
    BranchReport,
    Bundle,
    Deployed,
    Entry,
    Failure,
    Journal,
    RunReport,
    RunStatus,
    TaskReport,
    TaskStatus,
    Usage,
    Verdict,
    activity_id,
)
from grammar.errors import ends_run
from grammar.models import Task
from workflows.approvals import Approvals

ENTRIES = 500
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
        self.usage = Usage()
        self.stopped = False
        self._now = now
        self._entry = note_entry
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._branches: dict[int, Branch] = {}
        self._deployed: dict[int, Deployed] = {}
        self._errors: dict[int, Failure] = {}
        self._legs: dict[int, int] = {}
        self._waiting: set[int] = set()

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
        """A branch failed for good."""
        self._errors[branch.index] = failure
        self.stopped = self.stopped or ends_run(failure.type)
        self._ended_branch(branch, status="failed", note=failure.message)

    def _ended_branch(self, branch: Branch, **fields: object) -> None:
        self._entry(
            self,
            "branch_ended",
            branch=branch.index,
            label=self.label(branch),
            activity=self.activity_id(branch, self._legs.get(branch.index, 1)),
            **fields,
        )

    def wait(self, branch: Branch, deployed: Deployed) -> int:
        """A leg of a branch ended, and the branch waits for a person. Returns the number of the next leg."""
        leg = self._legs.get(branch.index, 1)
        self._legs[branch.index] = leg + 1
        self._waiting.add(branch.index)
        self._entry(
            self,
            "leg_ended",
            branch=branch.index,
            label=self.label(branch),
            activity=self.activity_id(branch, leg),
            said=deployed.said,
            first=deployed.first,
        )
        return leg + 1

    def go_on(self, branch: Branch) -> None:
        """The person has spoken."""
        self._waiting.discard(branch.index)

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
        if self.status == "running":
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
            status="failed" if error else "done" if deployed else "waiting" if index in self._waiting else "running",
            model=deployed.model if deployed else "",
            usage=deployed.usage if deployed else Usage(),
            error=error.message if error else None,
        )


class Record:
    """The run: its tasks, and a journal for followers."""

    def __init__(self, bundle: Bundle, now: Callable[[], datetime]) -> None:
        self._bundle = bundle
        self._entries: deque[Entry] = deque(maxlen=ENTRIES)
        self._count = 0
        self._status: RunStatus = "running"
        self._failure: Failure | None = None
        self.approvals = Approvals(now, self._told)
        self.tasks = [TaskRecord(index, task, now, self._note) for index, task in enumerate(bundle.tasks)]

    def start(self, index: int) -> TaskRecord:
        """The task runs now."""
        self.tasks[index].start()
        return self.tasks[index]

    def verdict(self) -> RunStatus:
        """What a run that came to its end is called: never a success where anything failed."""
        return "completed_with_failures" if any(task.failures for task in self.tasks) else "completed"

    def end(self, status: RunStatus, outputs: dict[str, JsonValue], failure: Failure | None = None) -> RunReport:
        """The run is over."""
        self._status, self._failure = status, failure
        return self.report(outputs)

    def cancel(self) -> None:
        """The run was cancelled."""
        self._status = "cancelled"
        for task in self.tasks:
            task.cancel()

    def report(self, outputs: dict[str, JsonValue]) -> RunReport:
        """As people are told."""
        return RunReport(
            name=self._bundle.name,
            bundle=self._bundle.hash,
            status=self._status,
            tasks=[task.report() for task in self.tasks],
            usage=sum((task.usage for task in self.tasks), Usage()),
            outputs=outputs,
            failure=self._failure,
            approvals=self.approvals.open,
        )

    def branches(self) -> list[BranchReport]:
        """One line per branch of all tasks."""
        return [branch for task in self.tasks for branch in task.branch_reports()]

    def journal(self, after: int) -> Journal:
        """Entries from a number on, as far as they are still kept."""
        entries = [entry for entry in self._entries if entry.number >= after]
        return Journal(entries=entries, approvals=self.approvals.open, next=self._count)

    def _told(self, approval: Approval, verdict: Verdict | None) -> None:
        if verdict is None:
            self._write(task=approval.task, kind="approval_asked", label=approval.branch, approval=approval)
        else:
            status, note = ("approved", "") if verdict.approved else ("rejected", verdict.reason)
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
        entry = Entry.model_validate({"number": self._count, **fields})
        self._entries.append(entry)
        self._count += 1
