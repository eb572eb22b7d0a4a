"""A run that cannot go on by itself waits for a person's decision (specification section 9)."""

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

from grammar.messages.reports import Decision, Failure, Parked


class Parking:
    """Hold whether the run is parked (`current`: at which task, and why; else None), and what was decided."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._decision: Decision | None = None
        self.current: Parked | None = None

    def park(self, failure: Failure, failed: int) -> None:
        """Record the failure, with the number of branches that failed, and discard an earlier decision."""
        self.current = Parked(task=failure.task, failure=failure, failed=failed, since=self._now())
        self._decision = None

    async def wait_for_decision(self) -> Decision:
        """Return what a person decides, as soon as that is known. The run is not parked any more then."""
        try:
            await workflow.wait_condition(lambda: self._decision is not None)
        finally:
            self.current = None
        assert self._decision
        return self._decision

    def decide(self, decision: Decision) -> bool:
        """Take in a decision. Return False where that task is not parked, or is decided: the run may have gone on."""
        fits = self.current is not None and decision.task in (None, self.current.task) and self._decision is None
        if fits:
            self._decision = decision
        return fits

    def check(self, decision: Decision) -> None:
        """Raise ValueError where there is nothing to decide."""
        if self.current is None or self._decision is not None:
            raise ValueError("the run is not parked")
        if decision.task not in (None, self.current.task):
            raise ValueError(f"{decision.task!r} is not parked; {self.current.task!r} is")
