"""What there is to see of a run, without a screen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from console.progress import RunProgress, RunView
from grammar.documents.models import ModelChoice, Price, Task
from grammar.messages.activity_results import WAITING
from grammar.messages.events import PendingActivity, RateLimitWait, RunChanges, RunEvent
from grammar.messages.reports import Approval, RunStatus
from tests.console.runs import (
    EACH,
    FLOW,
    LIST,
    NOW,
    SUM,
    ago,
    branch_ended,
    changes,
    flow,
    retrying,
    running,
    says,
    task_progress,
    used_by,
)


def seen(new: RunChanges, bundle: object = FLOW) -> RunView:
    progress = RunProgress(bundle, "run-1", "http://ui/run-1")  # type: ignore[arg-type]
    progress.update(NOW, new)
    return progress.view(NOW)


def test_before_anything_is_heard() -> None:
    view = RunProgress(FLOW, "run-1").view(NOW)
    assert view.state == "starting"
    assert [(task.status, task.seconds) for task in view.tasks] == [("waiting", None)] * 3


def test_tasks_with_their_times() -> None:
    first, second, third = seen(changes()).tasks
    assert (first.status, first.seconds) == ("done", 0.5)
    assert (second.status, second.seconds, second.total, second.done, second.failed) == ("running", 60, 200, 58, 2)
    assert (second.rate, second.seconds_left) == (1, 140)
    assert (third.status, third.seconds) == ("waiting", None)


def test_a_branch_with_its_turn_and_its_call() -> None:
    call = says('lookup({"q": "x"})', "tool_call")
    (row,) = seen(changes({"task-2-item-7-leg-2": running(doing="tool lookup", said=[call])})).tasks[1].rows
    assert (row.label, row.turn, row.turns, row.tokens, row.seconds) == ("item 7", 2, 9, 1200, 4)
    assert row.text == '→ lookup({"q": "x"})'


def test_a_branch_that_says_something() -> None:
    (row,) = seen(changes({"task-2-item-7": running(tail="It is\na \x1b[31mlamp")})).tasks[1].rows
    assert (row.text, row.tail) == ("", "It is\na lamp")


def test_what_is_held_up_comes_first() -> None:
    limited = RunEvent(
        number=3,
        task="explain each",
        kind="rate_limited",
        activity="task-2-item-3-leg-2",
        until=ago(-12),
        note="429 no",
    )
    call = Approval(
        id="task-2-item-8-call-1", task="explain each", branch="item 8 of 200", tool="rm", toolbox="box",
        arguments='{"path": "/"}', since=ago(30),
    )  # fmt: skip
    new = changes({"task-2-item-1": running(), "task-2-item-2": retrying()}, [limited])
    new.approvals = [call]
    rows = seen(new).tasks[1].rows
    assert [(row.label, row.state, row.seconds) for row in rows] == [
        ("item 8", "waiting_approval", 30),
        ("item 2", "retrying", 8),
        ("item 3", "rate_limited", 12),
        ("item 1", "running", 4),
    ]
    assert rows[0].text == 'rm({"path": "/"})'
    assert rows[1].text == "attempt 2 of 5 after 500 overloaded"
    assert rows[2].text == "429 no"


def test_who_has_waited_for_the_endpoint_works_again() -> None:
    progress = RunProgress(FLOW, "run-1")
    limited = RunEvent(number=3, task="x", kind="rate_limited", activity="task-2-item-3-leg-2", until=ago(-12))
    progress.update(NOW, changes(events=[limited]))
    progress.update(NOW, changes({"task-2-item-3-leg-2": running()}))
    progress.update(NOW, changes({}))
    assert progress.view(NOW).tasks[1].rows == []
    progress.update(NOW, changes(events=[limited]))
    progress.update(NOW, changes(events=[branch_ended(3, activity="task-2-item-3-leg-2")]))
    assert progress.view(NOW).tasks[1].rows == []


def test_who_has_not_told_yet_and_who_waits_for_a_worker() -> None:
    starting, queued = (
        PendingActivity(1, None, "", since=ago(1)),
        PendingActivity(1, None, "", since=ago(9), queued=True),
    )
    rows = seen(changes({"task-2-item-1": queued, "task-2-item-2": starting})).tasks[1].rows
    assert [(row.label, row.state, row.seconds, row.text) for row in rows] == [
        ("item 2", "running", 1, "starting"),
        ("item 1", "queued", 9, ""),
    ]


def test_what_prepares_and_gathers_is_no_branch() -> None:
    assert seen(changes({"17": running(), "task-2-item-1": running()})).tasks[1].rows[0].label == "item 1"
    assert seen(changes({"17": running()})).tasks[1].rows == []


def test_tokens_and_cost_of_what_is_over_and_of_what_runs() -> None:
    used = [used_by("fast", "gpt-x", input_tokens=1_000_000, output_tokens=200_000)]
    view = seen(changes({"task-2-item-1": running(tokens=500_000)}, usage_by_model=used))
    assert view.usage.tokens == view.tasks[1].tokens == 1_700_000
    assert view.cost == "$3.50"


def test_each_model_has_its_price() -> None:
    models = (ModelChoice(model="a"), ModelChoice(model="b"))
    both = Task(name="both", agents=("who",), user_prompt="x", models=models)
    used = [used_by("a", "a", input_tokens=1_000_000), used_by("b", "b", output_tokens=1_000_000)]
    prices = {"a": Price(input=1, output=2), "b": Price(input=10, output=20)}
    in_flight = {"task-2-model-2": running(tokens=100_000, model="b")}
    new = changes(in_flight, total=2, done=0, failed=0, usage_by_model=used)
    view = seen(new, flow(LIST, both, **prices))
    assert view.cost == "$22.00"
    assert view.tasks[1].rows[0].label == "b"
    del prices["b"]
    assert seen(new, flow(LIST, both, **prices)).cost == "over $1.00"
    assert seen(new, flow(LIST, both)).cost == ""
    prices["b"] = Price(input=10, output=20, estimated=True)
    assert seen(new, flow(LIST, both, **prices)).cost == "$22.00 estimated"


def test_the_price_of_the_model_that_the_worker_chose() -> None:
    in_flight = {"task-2": running(tokens=1_000_000, model="gpt-x")}
    bundle = flow(LIST, SUM, **{"gpt-x": Price(input=3, output=1)})
    assert seen(changes(in_flight, total=1), bundle).cost == "$3.00"


def test_the_embedded_model_has_no_price() -> None:
    used = [used_by("", "SmolLM2-135M (embedded)", input_tokens=1_000_000)]
    bundle = flow(LIST, SUM, **{"gpt-4.1": Price(input=3, output=1)})
    assert seen(changes(total=1, usage_by_model=used), bundle).cost == ""


def test_what_was_known_stays_where_no_worker_answers() -> None:
    progress = RunProgress(FLOW, "run-1")
    progress.update(NOW, changes())
    progress.update(NOW, RunChanges())
    assert progress.view(NOW).tasks[1].done == 58


def test_who_joins_late_sees_why_branches_wait() -> None:
    new = changes()
    new.rate_limits = [RateLimitWait(activity="task-2-item-3", until=ago(-12), note="429 no")]
    (row,) = seen(new).tasks[1].rows
    assert (row.label, row.state, row.seconds, row.text) == ("item 3", "rate_limited", 12, "429 no")


def test_an_agent_whose_request_is_not_in_turn_waits_for_the_endpoint() -> None:
    (row,) = seen(changes({"task-2-item-3": running(doing=WAITING)})).tasks[1].rows
    assert (row.label, row.state, row.seconds) == ("item 3", "rate_limited", None)


def test_while_a_run_rests_nothing_is_foretold() -> None:
    progress = RunProgress(FLOW, "run-1")
    states: list[tuple[int, RunStatus, bool]] = [(0, "running", True), (1, "paused", False), (900, "running", False)]
    for second, status, foretold in states:
        now = NOW + timedelta(seconds=second)
        progress.update(now, replace(changes(), status=status))
        task = progress.view(now).tasks[1]
        assert (task.seconds_left is not None, task.rate is not None) == (foretold, foretold), status
    progress.update(NOW + timedelta(seconds=910), changes(done=68))
    assert progress.view(NOW + timedelta(seconds=910)).tasks[1].rate == 1


def test_no_end_is_foretold_before_a_wait_is_over() -> None:
    new = changes({"task-2-item-2": retrying(3600)})
    assert seen(new).tasks[1].seconds_left == 3600 + 140
    new = changes({"task-2-item-1": running(), "task-2-item-2": retrying(3600)})
    assert seen(new).tasks[1].seconds_left == 3600
    new.approvals = [
        Approval(id="task-2-item-8-call-1", task="explain each", tool="rm", toolbox="", arguments="{}", since=ago(30))
    ]
    assert seen(new).tasks[1].seconds_left is None


@pytest.mark.parametrize("started", [ago(-5), ago(0)])
def test_clocks_that_differ(started: object) -> None:
    assert seen(changes(started=started, done=0, failed=0)).tasks[1].seconds == 0


def test_the_throughput_is_of_this_task_alone() -> None:
    progress = RunProgress(flow(EACH, EACH), "run-1")
    for seconds in range(10):
        now = NOW + timedelta(seconds=seconds)
        _, first, _ = task_progress(started=NOW, done=10 * seconds, failed=0)
        _, second, _ = task_progress(started=NOW, done=seconds, failed=0)
        progress.update(now, RunChanges(tasks=[first, second]))
    assert [task.rate for task in progress.view(now).tasks] == [10, 1]
