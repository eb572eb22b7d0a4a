"""The workflow sandbox: one runner, the same for workers and for replay."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

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
