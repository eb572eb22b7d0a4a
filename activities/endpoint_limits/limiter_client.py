"""The limiter of an endpoint as a process that asks it sees it: its workflow, and where there is none, itself."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import TaskflowError
from grammar.messages.limiter import Hold, LimiterState, Share, ShareRequest
from grammar.messages.names import HOLD, LIMITER, SHARE
from grammar.model_access import shares

ASK_TIMEOUT = timedelta(seconds=10)
SUMMARY = "the limits of a model endpoint"
Heard = Callable[[float], None]
"""Is told for how many seconds nobody may send a request."""
FAILURES = (TemporalError, TaskflowError)
"""What a limiter may raise that cannot be reached: the server's errors, and those of what is encrypted."""


class Limiter(Protocol):
    """Deals out shares of what an endpoint takes."""

    async def ask(self, request: ShareRequest) -> Share:
        """Return the share of this process. Raises one of FAILURES, as each of these does."""

    async def hold(self, seconds: float) -> None:
        """Have nobody send a request for so long."""

    async def is_there(self) -> bool:
        """Return whether others hold, or ask, already."""

    async def listen(self, heard: Heard) -> None:
        """Hear of it whenever anybody holds, until there is no limiter any more."""


class LocalLimiter:
    """Deal out shares to this process alone."""

    def __init__(self) -> None:
        self._state = LimiterState()

    async def ask(self, request: ShareRequest) -> Share:
        """Return the share of this process."""
        return shares.deal(self._state, request, time.time())

    async def hold(self, seconds: float) -> None:
        """Have no request sent for so long."""
        shares.hold(self._state, seconds, time.time())

    async def is_there(self) -> bool:
        """Return False: there are no others."""
        return False

    async def listen(self, heard: Heard) -> None:
        """Hear nothing: there are no others."""


class LimiterClient:
    """Ask the limiter's workflow, and start it where it does not run. `secret`: what it is of, which its id hides."""

    def __init__(self, client: Client, secret: str, task_queue: str) -> None:
        self._client, self._secret, self._queue = client, secret, task_queue
        self._known_id = ""

    async def ask(self, request: ShareRequest) -> Share:
        """Return the share of this process."""
        start = WithStartWorkflowOperation[object, None](
            LIMITER,
            LimiterState(),
            id=await self._id(),
            task_queue=self._queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=SUMMARY,
        )
        try:
            share: Share = await self._client.execute_update_with_start_workflow(
                SHARE, request, start_workflow_operation=start, result_type=Share, rpc_timeout=ASK_TIMEOUT
            )
        except TemporalError:
            with suppress(TemporalError, TimeoutError):  # asyncio complains of an error that nobody looks at
                await asyncio.wait_for(start.workflow_handle(), 0.1)
            raise
        return share

    async def hold(self, seconds: float) -> None:
        """Have nobody send a request for so long."""
        await self._client.start_workflow(
            LIMITER,
            LimiterState(),
            id=await self._id(),
            task_queue=self._queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=HOLD,
            start_signal_args=[Hold(seconds=seconds)],
            static_summary=SUMMARY,
        )

    async def is_there(self) -> bool:
        """Return whether the limiter runs."""
        try:
            described = await self._client.get_workflow_handle(await self._id()).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return described.status == WorkflowExecutionStatus.RUNNING

    async def listen(self, heard: Heard) -> None:
        """Hear of it whenever anybody holds, until there is no limiter any more.

        Signals stand in the history as soon as they are sent, and the server tells who waits for new events.
        """
        described = await self._client.get_workflow_handle(await self._id()).describe()
        history, known = described.run_id, described.history_length or 0
        while history:
            following = ""
            async for event in self._events(history):
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                    # Of what was before, the rest counts, as far as two clocks tell.
                    over = 0.0 if event.event_id > known else time.time() - event.event_time.ToNanoseconds() / 1e9
                    if (seconds := await self._seconds(event) - over) > 0:
                        heard(seconds)
                following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            history, known = following, 0

    async def _id(self) -> str:
        self._known_id = self._known_id or await asyncio.to_thread(limiter_id, self._secret)
        return self._known_id

    def _events(self, history: str) -> AsyncIterator[HistoryEvent]:
        handle = self._client.get_workflow_handle(self._known_id, run_id=history)
        return handle.fetch_history_events(wait_new_event=True)

    async def _seconds(self, event: HistoryEvent) -> float:
        given = event.workflow_execution_signaled_event_attributes.input.payloads
        (hold,) = await self._client.data_converter.decode(list(given), [Hold])
        return float(hold.seconds)


def limiter_id(secret: str) -> str:
    """Return the id of the limiter of an endpoint and key. It tells neither: to guess takes long, too."""
    hashed = hashlib.scrypt(secret.encode(), salt=b"taskflow-limits", n=2**13, r=8, p=1, dklen=12)
    return f"limits-{hashed.hex()}"
