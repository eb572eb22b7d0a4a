"""How a run stands is one word, and the same in every view."""

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest
from rich.console import Console
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from console import run_tables
from console.live_view import render
from console.progress import RunProgress
from console.run_summary import EXIT_CODES, print_summary
from grammar.documents.models import ModelConfig
from grammar.messages.continue_as_new import RunInput
from grammar.messages.events import RunChanges, TaskProgress
from grammar.messages.names import OVERVIEW_MEMO, STATUS_ATTRIBUTE
from grammar.messages.reports import Approval, Manifest, RunLine, RunOverview, RunReport, RunStatus, TaskReport
from grammar.messages.run_status import ENDED, OPEN, manifest_with_status, spelled
from pictures import run_page
from runtime.runs import execution_status, run_list, standing
from tests.console.runs import FLOW, NOW
from tests.support.run_histories import many
from workflows import run_context
from workflows.run_context import RunContext

STATUS = SearchAttributePair(SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE), "another one")

# Temporal's status, what the run said of itself last, whether it is served, and how it stands.
STATES: list[tuple[int, str, bool, RunStatus]] = [
    (1, "running", True, "running"),
    (1, "running", False, "interrupted"),
    (1, "rate_limited", True, "rate_limited"),
    (1, "rate_limited", False, "interrupted"),
    (1, "waiting_approval", True, "waiting_approval"),
    (1, "waiting_approval", False, "interrupted"),
    (1, "paused", True, "paused"),
    (1, "paused", False, "interrupted"),
    (1, "parked", True, "parked"),
    (1, "parked", False, "parked"),
    (8, "running", True, "paused"),
    (8, "parked", False, "paused"),
    (2, "completed", False, "completed"),
    (2, "completed_with_failures", True, "completed_with_failures"),
    (3, "failed", False, "failed"),
    (3, "running", False, "failed"),
    (4, "cancelled", False, "cancelled"),
    (4, "waiting_approval", True, "cancelled"),
    (5, "running", False, "terminated"),
    (5, "parked", False, "terminated"),
    (7, "running", True, "timed_out"),
]


@dataclass
class ToldExecution:
    """A run as the server tells of it."""

    code: int
    told: str
    id: str = "run-1"
    run_id: str = "history-1"
    task_queue: str = "queue"
    start_time: Any = NOW - timedelta(hours=7)
    close_time: Any = None
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> WorkflowExecutionStatus:
        return WorkflowExecutionStatus(self.code)

    async def memo_value(self, name: str, default: Any) -> Any:
        waits = ["approval of rm: call-1"] if self.told in ("waiting_approval", "parked") else []
        return {"state": self.told, "waits": waits} if name == OVERVIEW_MEMO else default


async def nothing(*_: object) -> None:
    """No history is read."""


def console() -> Console:
    return Console(file=io.StringIO(), width=200, soft_wrap=True)


def printed(screen: Console) -> str:
    return screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def manifest(status: RunStatus) -> Manifest:
    """What the workflow says, as it was when it last could."""
    call = Approval(id="call-1", task="sum up", tool="rm", toolbox="", arguments="{}", since=NOW)
    task = TaskReport(name="sum up", status="running", started=NOW)
    report = RunReport(name="flow", bundle="b", tasks=[task], approvals=[call])
    return manifest_with_status(Manifest(report=report), status)


def views(line: RunLine) -> Iterator[tuple[str, str]]:
    """Every view, and what it shows of the run's status."""
    listed, told, summary = console(), console(), console()
    run_tables.print_runs(listed, [line])
    yield "list", printed(listed).splitlines()[1].split("  ")[1].strip()
    yield "list --json", spelled(line.model_dump(mode="json")["status"])
    yield "list --json, standing", spelled(line.model_dump(mode="json")["standing"]["state"])
    status = cast(RunStatus, line.status)
    report = manifest(status).report
    run_tables.print_report(told, "run-1", report)
    yield "status", printed(told).split("run run-1: ")[1].splitlines()[0].partition(";")[0]
    yield "status --json", spelled(report.model_dump(mode="json")["status"])
    print_summary(summary, report, timedelta(seconds=5), "run-1", None)
    yield "summary", printed(summary).split(" in 5")[0].splitlines()[-1].strip()
    progress = RunProgress(FLOW, "run-1")
    progress.update(NOW, RunChanges(tasks=[TaskProgress(status="running")] * 3, started=NOW, status=status))
    footer = render(progress.view(NOW), 200, 20)[-1].plain
    yield "live view", footer.partition(" · ")[0] if status != "running" else "running"
    history = many(1)
    history = history.model_copy(
        update={
            "manifest": manifest_with_status(history.manifest, status),
            "ended": history.seen if status in ENDED else None,
        }
    )
    page = run_page.html(history, ModelConfig())
    yield "report", page.split("<title>")[1].split("</title>")[0].rpartition(": ")[2]


def server_views(told: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the workflow writes down where the server shows it, while it stands as it says; with `_` for a space."""
    written: dict[str, Any] = {}
    fakes = {
        "now": lambda: NOW,
        "memo_value": lambda name, default: {},
        "info": lambda: SimpleNamespace(typed_search_attributes=TypedSearchAttributes([STATUS])),
        "uuid4": uuid.uuid4,
        "set_current_details": lambda text: written.update(details=text),
        "upsert_memo": lambda fields: written.update(memo=fields[OVERVIEW_MEMO]),
        "upsert_search_attributes": lambda updates: written.update(attribute=updates[0].value),
    }
    monkeypatch.setattr(run_context, "workflow", SimpleNamespace(**fakes))
    context = RunContext(RunInput(**dict(FLOW)))
    context._overview = RunOverview(state="another one")
    monkeypatch.setattr(context.record, "_state", lambda: told)
    context.publish_overview()
    details = written["details"].splitlines()[0].strip("*").replace(" ", "_")
    return {"search attribute": written["attribute"], "memo": written["memo"].state, "Web UI": details}


@pytest.mark.parametrize(("code", "told", "is_served", "expected"), STATES)
async def test_every_view_says_the_same(
    code: int, told: str, is_served: bool, expected: RunStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "_last_event", nothing)

    async def served(task_queue: str) -> bool:
        return is_served

    run = cast(WorkflowExecution, ToldExecution(code, told))
    line = await standing.line(cast(Client, None), run, served)
    assert dict(views(line)) == dict.fromkeys(dict(views(line)), spelled(expected))
    on_server = server_views(told, monkeypatch)
    assert on_server == dict.fromkeys(on_server, told), "the run's own word, which Temporal's own status may overrule"
    # `list --status` asks the server for what the attribute says, where that says all.
    assert expected not in run_list._TOLD or told == expected
    told_of = manifest(expected)
    if expected in ENDED:
        assert line.standing.waits == []
        assert ([task.status for task in told_of.report.tasks], told_of.report.approvals) == (["cancelled"], [])
    else:
        assert [task.status for task in told_of.report.tasks] == ["running"]


def test_each_status_is_in_the_table_and_has_an_exit_code() -> None:
    assert {state for *_, state in STATES} == set(get_args(RunStatus)) == {*OPEN, *ENDED} == set(EXIT_CODES)


@pytest.mark.parametrize(("code", "name"), [(1, "running"), (8, "paused"), (5, "terminated")])
def test_a_status_that_the_sdk_does_not_know(code: int, name: str) -> None:
    status = WorkflowExecutionStatus(code)
    assert (execution_status.name_of(status), execution_status.is_open(status)) == (name, code in (1, 8))
    assert WorkflowExecutionStatus(code) is status
    assert execution_status.is_open(WorkflowExecutionStatus(99))
