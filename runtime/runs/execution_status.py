"""Temporal's own status of a run, also where the SDK's enum does not know it."""

from temporalio.api.enums.v1 import WorkflowExecutionStatus as ApiStatus
from temporalio.client import WorkflowExecutionStatus

_PREFIX = "WORKFLOW_EXECUTION_STATUS_"


def _unknown(enum: type[WorkflowExecutionStatus], value: object) -> WorkflowExecutionStatus | None:
    """Return a member for a status that the enum lacks: without it, describing or listing such a run fails.

    Of SDK 1.35, that is `PAUSED`, which `temporal workflow pause` gives.
    """
    if not isinstance(value, int):
        return None
    member = int.__new__(enum, value)
    names = {int(number): name for name, number in ApiStatus.items()}
    member._name_ = names.get(value, str(value)).removeprefix(_PREFIX)
    member._value_ = value
    return enum._value2member_map_.setdefault(value, member)  # type: ignore[return-value]


WorkflowExecutionStatus._missing_ = classmethod(_unknown)  # type: ignore[assignment, method-assign]

_CLOSED = {
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
}


def is_open(status: WorkflowExecutionStatus | None) -> bool:
    """Return whether a run of that status may go on: it is paused by Temporal, too."""
    return status not in _CLOSED


def name_of(status: WorkflowExecutionStatus | None) -> str:
    """Return the status in small letters, as `running`; where the server does not tell, that too."""
    return status.name.lower() if status else "running"
