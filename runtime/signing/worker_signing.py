"""What a worker is given, so that it looks at signatures, and signs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio.worker import Interceptor, WorkflowRunner

from runtime import sandbox
from runtime.signing.signature import Signer
from runtime.signing.signed_activities import SignedHeartbeats, signed
from runtime.signing.signed_workflows import SignedWorkflowRunner


class WorkerSigning:
    """Return the SDK's options of a worker. `signer` None: nothing is signed, and nothing looked at."""

    def __init__(self, signer: Signer | None) -> None:
        self._signer = signer

    def activities(self, *activities: Callable[[Any], Awaitable[Any]]) -> Sequence[Callable[[Any], Awaitable[Any]]]:
        """Return the activities as they are registered. Each takes one request, and returns a result."""
        return [signed(run, self._signer) for run in activities] if self._signer else activities

    def interceptors(self) -> Sequence[Interceptor]:
        """Return what stands between the worker and its activities."""
        return [SignedHeartbeats(self._signer)] if self._signer else []

    def workflow_runner(self) -> WorkflowRunner:
        """Return what runs its workflows."""
        runner = sandbox.workflow_runner()
        return SignedWorkflowRunner(runner, self._signer) if self._signer else runner
