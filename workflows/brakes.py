"""What stops the further branches of a task from starting (specification section 11).

A budget that is used up, failures that say that the next branch would fail too, and a person who does not want so many.
"""

from temporalio import workflow

from grammar.budgets import brakes, confirmation, told
from grammar.budgets.account import Account
from grammar.documents.budget import OnBudget
from grammar.messages.activity_results import FailureDetails
from grammar.messages.budgets import BudgetOf, ConfirmedBy
from grammar.messages.names import activity_id
from grammar.messages.reports import BUDGET_REACHED, ApprovalDecision, Failure
from workflows.records.branch_record import BranchRecord
from workflows.records.task_record import TaskRecord
from workflows.run_context import RunContext


class Brakes:
    """Say whether one more branch of a task starts, and why not. `index`: of the task."""

    def __init__(self, context: RunContext, record: TaskRecord, index: int) -> None:
        self._context = context
        self._record = record
        self._index = index
        self._budgets = context.record.budgets

    @property
    def on_budget(self) -> OnBudget:
        """Return what happens where the budget that is used up is."""
        return self._context.on_budget(self._record.limits.reached or "item", self._record.task)

    async def release(self) -> bool:
        """Return whether one more branch starts. A person is asked first, where `confirm_over` says so."""
        if self._record.limits.reached is None:
            self._record.limits.reached = self._used_up()
        if self._record.limits.reached is None:
            await self._ask()
        self._record.stopped = self._record.stopped or self._record.limits.reached is not None
        return not self._record.stopped

    def after_failure(self, branch: BranchRecord) -> None:
        """Start no further branch, where the task's failures say so."""
        record = self._record
        total = len(record.branches) + len(record.finished)
        if record.stopped or total >= record.total or branch.failure is None:
            return
        rule, streak = record.task.stop_after, record.limits.streak
        failed = [failure for failure in record.branch_failures if failure.type != BUDGET_REACHED]
        why = brakes.why_stopped(rule, streak, failed, record.done, record.total)
        # Earlier versions tried all branches, whatever they failed by.
        if why and workflow.patched("stop-after"):
            self._stop("TooManyFailures", why)

    def leave_off(self, branch: BranchRecord, of: BudgetOf) -> None:
        """Record that a branch has no budget left to go on with. One that has not begun is as if it had not started."""
        record = self._record
        if of != "item":
            record.limits.reached = of
        if of != "item" or self.on_budget == "fail":
            record.stopped = True
        if branch.leg == 1 and not branch.journal:
            record.drop_branch(branch)
            return
        account = branch.account if of == "item" else self._account(of)
        what = told.used_up(of, record.name, account.report(workflow.now()))
        failure = Failure(task=record.name, branch=branch.index, type=BUDGET_REACHED, message=what)
        record.fail_branch(branch, failure, FailureDetails(usage=branch.counted, attempts=0))

    def settle(self) -> bool:
        """Record that the task has not been done because a budget is used up, once nothing of it runs any more.

        Returns whether it goes on instead: a person has added to the budget meanwhile.
        """
        record = self._record
        if (of := record.limits.reached) is None:
            return False
        if self._budgets.can_go_on(record):
            record.reopen(BUDGET_REACHED)
            return True
        what = told.used_up(of, record.name, self._account(of).report(workflow.now()))
        self._stop(BUDGET_REACHED, told.summary(what, self._context.record.report().tasks))
        return False

    async def _ask(self) -> None:
        """Wait for a person's yes, where the task's size or cost asks for one. A no stops the task."""
        while asked := self._question():
            by, size = asked
            if self._context.bundle.script:
                self._record.warnings.append(f"a run that is no dry run asks a person first: {size}")
            elif not (decision := await self._answer(size)).approved:
                reason = f": {decision.reason}" if decision.reason else ""
                self._stop("NotConfirmed", f"a person refused {size}{reason}")
                return
            self._record.limits.confirmed.add(by)

    async def _answer(self, size: str) -> ApprovalDecision:
        approvals = self._context.record.approvals
        approval = approvals.ask_size(activity_id(self._index, None), self._record.name, size)
        self._context.publish_overview()
        decision = await approvals.answer(approval)
        self._context.publish_overview()
        return decision

    def _question(self) -> tuple[ConfirmedBy, str] | None:
        record, rule = self._record, self._context.bundle.confirm_over
        if rule is None or not record.task.fans_out:
            return None
        spent, ended = record.limits.account.spent, record.done + record.failed
        estimate = confirmation.estimated_cost(spent, ended, record.total)
        return confirmation.question(rule, record.items, estimate, record.limits.confirmed)

    def _used_up(self) -> BudgetOf | None:
        """Return whose budget holds the next branch up; None: it may start."""
        record = self._record
        of_both: tuple[BudgetOf, ...] = ("run", "task")
        for of in of_both:
            # With `finish`, what comes after a fan-out that was cut short is done all the same, but for fan-outs.
            is_rest = of == "run" and self._context.on_budget(of, record.task) == "finish" and not record.task.fans_out
            if self._budgets.is_used_up(self._account(of), record) and not is_rest:
                return of
        return None

    def _account(self, of: BudgetOf) -> Account:
        return self._budgets.run if of == "run" else self._record.limits.account

    def _stop(self, kind: str, message: str) -> None:
        others = [failure for failure in self._record.task_failures if failure.type != kind]
        self._record.task_failures = [*others, Failure(task=self._record.name, type=kind, message=message)]
        self._record.stopped = True
