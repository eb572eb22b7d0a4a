"""The workflow sandbox: one runner, the same for workers and for replay."""

from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

# The SDK takes a workflow that is busy for 2 s for one that hangs, and fails its task, again and again. With large
# values, or on a machine that has much else to do, ours is only busy.
DEADLOCK_TIMEOUT = 30

PASSTHROUGH = (
    "grammar",
    "yaml",
    "jinja2",
    "markupsafe",
    "jsonschema",
    "jsonschema_specifications",
    "referencing",
    "rpds",
    "attrs",
    "attr",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "typing_inspection",
    "typing_extensions",
)
"""Modules that workflows may use and that hold no state of a run. Loaded once, not once per workflow: some
import lazily, which the sandbox refuses, and all are slow to load again."""


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return what `Worker(workflow_runner=...)` and `Replayer(workflow_runner=...)` are given."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH))


def set_deadlock_timeout(worker: Worker) -> None:
    """Give workflow tasks DEADLOCK_TIMEOUT seconds. The SDK has no option for it."""
    assert worker._workflow_worker
    worker._workflow_worker._deadlock_timeout_seconds = DEADLOCK_TIMEOUT
