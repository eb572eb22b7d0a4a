"""What each leg of a branch may spend: handed out before it starts, and taken back when it has ended (section 11).

Agents do not ask the workflow for every request: a leg has a share of what is left, and ends where it has used it up.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from grammar.budgets import allowance
from grammar.budgets.account import Account, Amounts, least
from grammar.messages.activity_requests import AgentRequest, CountUsageRequest
from grammar.messages.activity_results import Usage
from grammar.messages.budgets import BudgetOf, Spent
from grammar.model_access import model_choice
from workflows import deployment, failures
from workflows.records.branch_record import BranchRecord
from workflows.records.task_record import TaskRecord
from workflows.run_context import RunContext


class BudgetUsedUp(Exception):
    """Leave a branch off: whose budget has nothing left for its next leg is in `of`."""

    def __init__(self, of: BudgetOf) -> None:
        super().__init__(of)
        self.of = of


class Allowances:
    """Hand out to the legs of one branch what they may spend, of its own budget, its task's and the run's."""

    def __init__(self, context: RunContext, record: TaskRecord, branch: BranchRecord) -> None:
        self._context = context
        self._record = record
        self._branch = branch
        self._reserved: Amounts = {}
        self._accounts: dict[BudgetOf, Account] = {
            "run": context.record.budgets.run,
            "task": record.limits.account,
            "item": branch.account,
        }

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time of the block."""
        self._begin_work()
        try:
            yield
        # No `finally`: a run that leaves the worker's memory has no clock any more.
        except Exception:
            self._end_work()
            raise
        self._end_work()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Do not count the time of the block, in the midst of what is counted."""
        self._end_work()
        try:
            yield
        except Exception:
            self._begin_work()
            raise
        self._begin_work()

    async def reserve(self, activity: str) -> None:
        """Reserve what the next leg may spend, as soon as there is a share for it. `activity`: the id of its activity.

        Raises BudgetUsedUp where nothing is left.
        """
        while (used_up := self._used_up()) is None and not all(self._shares().values()):
            await workflow.wait_condition(self._is_decided)
        if used_up:
            raise BudgetUsedUp(used_up)
        self._reserved = shares = self._shares()
        for account in self._accounts.values():
            account.hand_out(activity, shares)

    def limited(self, request: AgentRequest) -> AgentRequest:
        """Return the request of the next leg with what is reserved for it."""
        seconds = self._seconds()
        if not self._reserved and seconds is None:
            return request.model_copy(update={"allowance": None})
        config, used = self._context.bundle.config, self._branch.counted
        done = sum((entry.usage for entry in self._record.used.listed()), Usage())
        given = allowance.allowance(self._reserved, seconds, used, done, config, self._named)
        return request.model_copy(update={"allowance": given})

    def count(self, activity: str, used: Usage, model: str) -> None:
        """Take back what a leg was handed, and count what it spent. `used`: by the whole agent run. `model`: its id."""
        more = self._spent(used, model) - self._spent(self._branch.counted, model)
        self._branch.counted = used
        self._settle(activity, more, Spent())

    async def count_failure(self, activity: str, request: AgentRequest, error: ActivityError) -> None:
        """Do the same for a leg that failed.

        Where its worker was lost for good, the journal is asked; where that is lost too, all it was handed counts.
        """
        details = failures.details(error)
        used = details.usage if details.attempts is not None else await self._journaled(activity, request)
        if used is None:
            self._settle(activity, Spent(), self._all_reserved())
        else:
            self.count(activity, used, details.model)

    def _begin_work(self) -> None:
        for account in self._accounts.values():
            account.begin_work(workflow.now())

    def _end_work(self) -> None:
        for account in self._accounts.values():
            account.end_work(workflow.now())

    def _is_decided(self) -> bool:
        """Return whether a leg need not wait: there is a share for it, or will be none."""
        return self._used_up() is not None or all(self._shares().values())

    def _used_up(self) -> BudgetOf | None:
        """Return whose budget ends the branch; None: it may go on. With `finish`, what has begun is completed."""
        for of, account in self._accounts.items():
            completes = of != "item" and self._is_to_complete(of)
            if not completes and self._is_used_up(account):
                return of
        return None

    def _is_to_complete(self, of: BudgetOf) -> bool:
        """Return whether the branch goes on without a budget: it has begun, or belongs to the rest of the flow."""
        has_begun = self._branch.leg > 1 or bool(self._branch.journal)
        is_meant = has_begun or not self._record.task.fans_out
        return is_meant and self._context.on_budget(of, self._record.task) == "finish"

    def _shares(self) -> Amounts:
        """Return what the next leg may spend; of what others hold all that is left of, nothing for now."""
        record = self._record
        at_once = min(record.task.concurrency, record.total - record.done - record.failed)
        return least(
            account.share(1 if of == "item" else at_once, workflow.now())
            for of, account in self._accounts.items()
            if not self._is_used_up(account)
        )

    def _is_used_up(self, account: Account) -> bool:
        return self._context.record.budgets.is_used_up(account, self._record)

    def _seconds(self) -> float | None:
        left = [account.left(workflow.now()) for account in self._accounts.values()]
        return min((amounts["time"] for amounts in left if amounts.get("time")), default=None)

    async def _journaled(self, activity: str, request: AgentRequest) -> Usage | None:
        """Return what the agent run has used by its journal; None: that is not known, or there is no budget."""
        if request.allowance is None:
            return None
        journal, key = request.journal or activity, request.surroundings.key
        asked = CountUsageRequest(key=key, journal=journal, secrets=request.secrets)
        try:
            found = await deployment.count_usage(self._record.task, asked)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return None
        return found + request.allowance.since if request.leg else found

    def _settle(self, activity: str, more: Spent, assumed: Spent) -> None:
        """Count what was spent, and what is assumed, in place of what was assumed before."""
        more = more + assumed - self._branch.assumed
        self._branch.assumed, self._reserved = assumed, {}
        for account in self._accounts.values():
            account.settle(activity, more)

    def _all_reserved(self) -> Spent:
        held = self._reserved
        counts = {"tokens": int(held.get("tokens", 0)), "requests": int(held.get("requests", 0))}
        return Spent(usd=held.get("usd", 0.0), **counts)

    def _spent(self, usage: Usage, model: str) -> Spent:
        """Return what usage of the leg's model comes to. `model`: the provider's id; empty: not known."""
        config, choice = self._context.bundle.config, self._branch.branch.choice
        asked = model_choice.choose(self._record.task, config, choice, self._branch.model).name
        return allowance.spent(config, self._named, model or asked or self._record.model, usage)

    @property
    def _named(self) -> str | None:
        config, choice = self._context.bundle.config, self._branch.branch.choice
        return model_choice.names(self._record.task, config, choice)[self._branch.model]
