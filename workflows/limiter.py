"""The limiter of one model endpoint and key, for all workers of the cluster (docs/decisions/0028).

It has a task queue of its own, which every worker serves, and is no run: what it does is deal out shares, in updates.
"""

from datetime import timedelta

from temporalio import workflow

from grammar.messages.limiter import Hold, LimiterState, Share, ShareRequest
from grammar.messages.names import HOLD, LIMITER, SHARE
from grammar.model_access import shares

IDLE = timedelta(minutes=10)
LONG = 2_000
"""Events. A client that listens reads the history from its start."""


@workflow.defn(name=LIMITER)
class EndpointLimiter:
    """Deal out what the endpoint takes, as long as anybody asks. Begins anew before its history grows long."""

    @workflow.init
    def __init__(self, state: LimiterState) -> None:
        self._state = state
        self._asked = 0

    @workflow.run
    async def run(self, state: LimiterState) -> None:
        """Wait until nobody has asked for a while, and nobody has to wait any more."""
        while True:
            asked = self._asked
            try:
                await workflow.wait_condition(self._is_long, timeout=IDLE)
            except TimeoutError:
                if asked == self._asked and self._state.held_until <= self._now():
                    return
            if self._is_long():
                workflow.continue_as_new(self._state)

    @workflow.update(name=SHARE, description="Deal out a share of what the endpoint takes. Asked by workers")
    def share(self, request: ShareRequest) -> Share:
        """Return the share of the process that asks."""
        self._asked += 1
        return shares.deal(self._state, request, self._now())

    @workflow.signal(name=HOLD, description="Have nobody send a request for so many seconds. Input: {seconds: 30}")
    def hold(self, hold: Hold) -> None:
        """Hold everybody: the endpoint has refused a request. Who listens hears of it from the history."""
        self._asked += 1
        shares.hold(self._state, hold.seconds, self._now())

    def _now(self) -> float:
        return workflow.now().timestamp()

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > LONG
