"""What a failed activity means for its branch, its task and the run (specification section 7)."""

import temporalio.exceptions
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    TimeoutType,
    is_cancelled_exception,
)

from grammar.documents.budget import OnBudget
from grammar.documents.models import Task
from grammar.failure_policy import ends_run, is_mendable
from grammar.messages.activity_results import FailureDetails
from grammar.messages.reports import BUDGET_REACHED, Failure
from workflows.records.task_record import TaskRecord

_TIMEOUTS = {
    TimeoutType.START_TO_CLOSE: "an attempt took longer than start_to_close_timeout",
    TimeoutType.SCHEDULE_TO_CLOSE: "not done within schedule_to_close_timeout",
    TimeoutType.SCHEDULE_TO_START: "no worker took it in time",
    TimeoutType.HEARTBEAT: "the worker was lost (no heartbeat within heartbeat_timeout)",
}


class RunFailed(Exception):
    """Fail the run with the failure of a task."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BranchFailed(Exception):
    """Fail a branch by a decision of the workflow's, where its activity did not fail."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def of_activity(task: str, branch: int | None, error: ActivityError) -> Failure:
    """Return type and message of what failed an activity. Raises the error again where it was cancelled."""
    if is_cancelled_exception(error):
        raise error
    cause = error.cause
    if isinstance(cause, ApplicationError) and isinstance(cause.cause, ApplicationError) and not cause.type:
        cause = cause.cause  # of a request that could not be read, the SDK says why one deeper
    if isinstance(cause, ApplicationError):
        return Failure(task=task, branch=branch, type=cause.type or "Error", message=cause.message)
    if isinstance(cause, temporalio.exceptions.TimeoutError):
        message = _TIMEOUTS.get(cause.type, "timed out") if cause.type is not None else "timed out"
        return Failure(task=task, branch=branch, type="Timeout", message=message)
    return Failure(task=task, branch=branch, type=type(cause).__name__, message=str(cause or error))


def details(error: ActivityError) -> FailureDetails:
    """Return what a failed branch cost and said last, as far as its activity could tell; else empty ones."""
    given = error.cause.details if isinstance(error.cause, ApplicationError) else ()
    return FailureDetails.model_validate(given[0]) if given and isinstance(given[0], dict) else FailureDetails()


def blocking(record: TaskRecord, on_budget: OnBudget) -> Failure | None:
    """Return the failure that the run cannot go on after, if any: one that ends the run, or one of a required task.

    `on_budget`: what a budget that is used up does.
    """
    failures = record.failures
    found = next((failure for failure in failures if ends_run(failure.type)), None)
    if found is None and on_budget != "finish":
        found = next((failure for failure in failures if failure.type == BUDGET_REACHED), None)
    if found is None and record.task.must_complete and failures:
        return failures[0]
    return found


def parks(task: Task, failure: Failure, on_budget: OnBudget) -> bool:
    """Return whether a person is to decide what happens now. A fault of the file itself ends the run: it is pinned."""
    if failure.type == BUDGET_REACHED and on_budget != "finish":
        return on_budget == "park"
    return task.on_failure == "park" and is_mendable(failure.type)
