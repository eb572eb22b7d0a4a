"""Which flows a worker executes runs of, where it is told: others fail their workflow tasks, and stay as they are."""

import logging
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from grammar.loading.bundle import content_hash
from grammar.messages.run_bundle import Bundle

_EXTERN = "taskflow_refusal"
_HASH = re.compile("[0-9a-f]{64}")
_log = logging.getLogger("worker")


class FlowNotAllowed(Exception):
    """Say that this worker does not execute runs of the flow. The workflow task fails; another worker may take it."""


class AllowedFlows(Interceptor):
    """Execute only runs of some flows. `allowed`: patterns of names, and hashes in full."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = tuple(allowed)
        self._told: set[str] = set()

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 (so the SDK names it)
    ) -> type[WorkflowInboundInterceptor]:
        """Return what asks `refusal` before a run is executed, or replayed: outside the workflow's sandbox."""
        input.unsafe_extern_functions[_EXTERN] = self.refusal
        return _AskFirst

    def refusal(self, bundle: Bundle, run_id: str) -> str | None:
        """Return why the run is not executed; None: it is. Log it, once for each run."""
        content = content_hash(Bundle(**{name: getattr(bundle, name) for name in Bundle.model_fields}))
        if any(_fits(allowed, bundle, content) for allowed in self._allowed):
            return None
        told = f"this worker does not execute runs of {bundle.source} (hash {content}): see its --allow-flows"
        if run_id not in self._told:
            self._told.add(run_id)
            _log.warning("run %s: %s", run_id, told)
        return told


def _fits(allowed: str, bundle: Bundle, content: str) -> bool:
    """A flow may claim any name and any hash: the hash is computed here."""
    if _HASH.fullmatch(allowed):
        return allowed == content
    return fnmatchcase(bundle.name, allowed) or fnmatchcase(bundle.source, allowed)


class _AskFirst(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> object:  # noqa: A002 (so the SDK names it)
        refusal = workflow.extern_functions()[_EXTERN](input.args[0], workflow.info().workflow_id)
        if refusal:
            raise FlowNotAllowed(refusal)
        return await super().execute_workflow(input)
