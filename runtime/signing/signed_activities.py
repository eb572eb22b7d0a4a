"""Activities that do what a workflow of their owner's asks, and nothing else. What they give is signed."""

import dataclasses
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, get_type_hints

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, Interceptor

from grammar.errors import NotSigned
from runtime.signing import subjects
from runtime.signing.signature import Signer

UNSIGNED = "what was asked of it is not signed by the owner of this worker: nothing was done"

_log = logging.getLogger("taskflow.signing")


SignedActivity = Callable[[RawValue], Awaitable[RawValue]]


def signed(run: Callable[[Any], Awaitable[Any]], signer: Signer) -> SignedActivity:
    """Return the activity as a worker registers it. `run`: takes one request, and returns a result.

    A request that is not signed fails the activity, for good.
    """
    definition = activity._Definition.must_from_callable(run)  # the SDK tells the name nowhere else
    request_type = next(hint for parameter, hint in get_type_hints(run).items() if parameter != "return")

    @activity.defn(name=definition.name)
    async def checked(request: RawValue) -> RawValue:
        this, history = _identity(activity.info()), activity.info().workflow_run_id or ""
        if signer.requires and not signer.accepts(request.payload, subjects.activity(*this), history):
            _log.warning("activity %s is refused: %s", this, UNSIGNED)
            raise ApplicationError(UNSIGNED, type=NotSigned.__name__, non_retryable=True)
        converter = activity.payload_converter()
        result = await run(converter.from_payload(request.payload, request_type))
        return RawValue(signer.sign(converter.to_payload(result), subjects.result(*this)))

    return checked


def _identity(info: activity.Info) -> tuple[str, str, str, str]:
    return info.namespace, info.workflow_id or "", info.activity_type, info.activity_id


class SignedHeartbeats(Interceptor):
    """Have attempts believe of the heartbeats of the attempt before what is signed."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 (SDK's)
        """Return what stands between the worker and an attempt."""
        return _Attempt(next, self._signer)


class _Attempt(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, signer: Signer) -> None:
        super().__init__(following)
        self._signer = signer

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Stand between the attempt and what it asks of the SDK."""
        super().init(_Heartbeats(outbound, self._signer))


class _Heartbeats(ActivityOutboundInterceptor):
    """The first detail of a heartbeat is for people. What is behind it is for the next attempt, and is signed."""

    def __init__(self, following: ActivityOutboundInterceptor, signer: Signer) -> None:
        super().__init__(following)
        self._signer = signer

    def heartbeat(self, *details: Any) -> None:
        """Send a heartbeat."""
        super().heartbeat(*details, *([self._signature(details[1:])] if details[1:] else []))

    def info(self) -> activity.Info:
        """Return what is known of the attempt."""
        return self._checked

    @cached_property
    def _checked(self) -> activity.Info:
        info = super().info()
        told = info.heartbeat_details
        if not told[1:] or not self._signer.requires:
            return info
        is_signed = told[-1] == self._signature(told[1:-1])
        return dataclasses.replace(info, heartbeat_details=told[:-1] if is_signed else told[:1])

    def _signature(self, details: Sequence[Any]) -> str:
        payload = Payload(data=json.dumps(details).encode())
        return self._signer.signature(payload, subjects.heartbeat(*_identity(super().info())))
