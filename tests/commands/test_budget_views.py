"""What is spent of a budget, what a run is parked at, and what a fan-out asks, is told in every view."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

from rich.console import Console

from commands import next_steps
from console import run_tables
from console.event_formatter import EventFormatter
from console.live_view import render
from console.progress import RunProgress
from console.run_summary import print_summary
from grammar.documents.budget import Budget
from grammar.documents.models import ModelConfig
from grammar.messages.activity_results import Branch, BranchResult
from grammar.messages.budgets import BudgetReport, Spent
from grammar.messages.events import RunChanges, RunEvent
from grammar.messages.reports import Approval, Failure, Manifest, Parked, RunReport, TaskReport
from pictures import run_page
from runtime.backend import Backend
from tests.console.runs import EACH, FLOW, LIST, NOW, SUM, flow, task_progress
from tests.support.run_histories import many
from workflows import summary
from workflows.records.run_record import RunRecord

OF_RUN = BudgetReport(limit=Budget(usd=2), spent=Spent(usd=2.4, tokens=10, requests=24))
OF_TASK = BudgetReport(limit=Budget(requests=50), spent=OF_RUN.spent)
WHY = "the budget of the run is used up: $2.40 of $2.00. left to do: sum up"
PARKED = Parked(task="explain each", failure=Failure(task="explain each", type="BudgetReached", message=WHY), since=NOW)
SIZE = "350 items, and confirm_over is 200"
ASKED = Approval(
    id="task-2-call-1", kind="fan_out", task="explain each", tool="", toolbox="", arguments=SIZE, since=NOW
)


def console() -> Console:
    return Console(file=io.StringIO(), width=300, soft_wrap=True)


def printed(screen: Console) -> str:
    return screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def report(**fields: object) -> RunReport:
    tasks = [TaskReport(name="explain each", status="running", budget=OF_TASK, total=100, done=24)]
    return RunReport.model_validate({"name": "flow", "bundle": "b", "tasks": tasks, "budget": OF_RUN, **fields})


def views(told: RunReport) -> Iterator[tuple[str, str]]:
    """Every view of a report, and all that it shows."""
    status, manifest, summed = console(), console(), console()
    run_tables.print_report(status, "run-1", told)
    yield "status", printed(status)
    yield "status --json", json.dumps(told.model_dump(mode="json"))
    run_tables.print_manifest(manifest, Manifest(report=told))
    yield "manifest", printed(manifest)
    print_summary(summed, told, timedelta(seconds=5), "run-1", None)
    yield "summary", printed(summed)
    history = many(1)
    fields = {"budget": told.budget, "parked": told.parked, "approvals": told.approvals}
    whole = history.manifest.report.model_copy(update=fields)
    history = history.model_copy(update={"manifest": history.manifest.model_copy(update={"report": whole})})
    yield "report", run_page.html(history, ModelConfig())
    progress = RunProgress(FLOW, "run-1")
    changes = RunChanges(tasks=task_progress(budget=OF_TASK), started=NOW, budget=told.budget, approvals=told.approvals)
    progress.update(NOW, changes)
    yield "live view", "\n".join(line.plain for line in render(progress.view(NOW), 300, 30))


def record() -> RunRecord:
    """A run of which a request has been paid for."""
    tasks = LIST, EACH.model_copy(update={"budget": Budget(requests=50)}), SUM
    found = RunRecord(flow(*tasks).model_copy(update={"budget": Budget(usd=2)}), lambda: NOW)
    task = found.tasks[1]
    task.start()
    task.set_items(100)
    for account in (found.budgets.run, task.limits.account):
        account.settle("leg", OF_RUN.spent)
    task.finish_branch(task.start_branch(Branch(index=0)), BranchResult())
    return found


def test_what_is_spent_is_told_in_every_view() -> None:
    for name, text in views(report()):
        expected = '"usd": 2.4' if "json" in name else "$2.40 of $2.00"
        assert expected in text, name
    for name, text in views(report()):
        if name in ("status", "manifest", "live view"):
            assert "24 of 50 requests" in text, name


def test_a_run_without_budgets_tells_nothing_of_them() -> None:
    bare = RunReport(name="flow", bundle="b", tasks=[TaskReport(name="explain each")])
    assert [name for name, text in views(bare) if "budget" in text.lower() and "json" not in name] == ["live view"]


def test_what_a_fan_out_asks_is_told_in_every_view() -> None:
    for name, text in views(report(approvals=[ASKED])):
        if name not in ("manifest", "summary"):
            assert SIZE in text, name
    formatter = EventFormatter(["explain each"])
    formatter.add_event(RunEvent(number=0, task="explain each", kind="approval_asked", approval=ASKED))
    (line,) = formatter.take_lines()
    assert line.plain == f"  ? explain each asks before it starts: {SIZE}: task-2-call-1"
    assert next_steps.answer("run-1", ASKED).startswith(f"explain each asks before it starts: {SIZE} (`reject` leaves")


def test_the_web_ui_tells_it() -> None:
    run = record()
    text = summary.of_run(run, "running")
    assert text.splitlines()[:3] == ["**running**", "", "Budget: $2.40 of $2.00"]
    assert "1/100, 24 of 50 requests" in text
    run.park(run.tasks[1], PARKED.failure)
    assert run.overview().waits == [f"the budget is used up, in explain each: {WHY}"]
    text = summary.of_run(run, "parked")
    assert f"**Parked: the budget is used up, in explain each**, {WHY}" in text
    assert 'Add to the budget with `raise_budget`, its input such as `{"usd": 3}`.' in text
    run.approvals.ask_size("task-2", "explain each", SIZE)
    text = summary.of_run(run, "waiting_approval")
    assert "**1 fan-out asks whether it may start.** Answer with the signal or update `approve` or `reject`" in text
    assert f"`task-2-call-1`: explain each, {SIZE}" in text


def test_what_goes_on_with_a_run_at_its_budget() -> None:
    backend = cast(Backend, SimpleNamespace(address="a", client=SimpleNamespace(namespace="default")))
    screen = console()
    next_steps.print_parked(screen, backend, "run-1", PARKED)
    lines = printed(screen).splitlines()
    assert lines[0] == "parked: the budget is used up, in explain each; nothing that succeeded is run again"
    assert " raise run-1 UNIT=AMOUNT" in lines[2]
    page = dict(views(report(parked=PARKED)))["report"]
    assert "<b>Parked: the budget is used up, in explain each.</b>" in page
    assert "<code>raise</code>" in page


def test_that_somebody_raised_it_is_told() -> None:
    formatter = EventFormatter(["explain each"])
    formatter.add_event(RunEvent(number=0, task="", kind="budget_raised", note="the budget of the run: $5.00"))
    assert [line.plain for line in formatter.take_lines()] == ["  raised by a person: the budget of the run: $5.00"]
