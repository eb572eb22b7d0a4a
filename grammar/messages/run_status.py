"""How a run stands, in one word. Every view asks here: lists, `status`, the live view, JSON, reports."""

from typing import get_args

from grammar.messages.reports import Manifest, RunOverview, RunReport, RunStatus

OPEN: tuple[RunStatus, ...] = ("running", "rate_limited", "waiting_approval", "paused", "parked", "interrupted")
ENDED: tuple[RunStatus, ...] = tuple(status for status in get_args(RunStatus) if status not in OPEN)
# Temporal's word for what we call otherwise.
TEMPORAL_WORDS: dict[str, RunStatus] = {"canceled": "cancelled"}


def run_status(execution: str, told: str, is_served: bool = True) -> RunStatus:
    """Return how a run stands.

    `execution`: Temporal's status of it, in small letters. `told`: the state in its RunOverview, which is out of date
    where the run was ended from outside. `is_served`: whether a worker does its work, as far as is known.
    """
    execution = TEMPORAL_WORDS.get(execution, execution)
    if execution == "completed":  # to Temporal also where some of it failed
        return "completed_with_failures" if told == "completed_with_failures" else "completed"
    if ended := [status for status in ENDED if status == execution]:
        return ended[0]
    if execution == "paused":  # by Temporal: not even a decision is taken in
        return "paused"
    if told == "parked":  # nothing is left for a worker to do
        return "parked"
    if not is_served:
        return "interrupted"
    return next((status for status in OPEN if status == told), "running")


def spelled(status: str) -> str:
    """Return a status of a run, a task or a branch as text has it."""
    return status.replace("_", " ")


def overview_with_status(overview: RunOverview, status: RunStatus) -> RunOverview:
    """Return the overview of a run that stands so: one that has ended waits for nothing."""
    waits = [] if status in ENDED else overview.waits
    return overview.model_copy(update={"state": status, "waits": waits})


def report_with_status(report: RunReport, status: RunStatus) -> RunReport:
    """Return the report of a run that stands so: of one that has ended, nothing runs or waits."""
    if status in OPEN:
        return report.model_copy(update={"status": status})
    tasks = [
        task.model_copy(update={"status": "cancelled"}) if task.status in ("running", "parked") else task
        for task in report.tasks
    ]
    return report.model_copy(
        update={"status": status, "tasks": tasks, "approvals": [], "parked": None, "paused": False}
    )


def manifest_with_status(manifest: Manifest, status: RunStatus) -> Manifest:
    """Return the manifest of a run that stands so: of one that has ended, no branch runs or waits."""
    report = report_with_status(manifest.report, status)
    if status in OPEN:
        return manifest.model_copy(update={"report": report})
    branches = [
        branch if branch.status in ("done", "failed") else branch.model_copy(update={"status": "cancelled"})
        for branch in manifest.branches
    ]
    return manifest.model_copy(update={"report": report, "branches": branches})
