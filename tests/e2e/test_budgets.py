"""Budgets from the terminal, and a short form of `make budgets`."""

import pytest

from tests.budgets.seed_run import play
from tests.e2e.conftest import ServedDesk
from tests.support.scripted_endpoint import Reply


@pytest.mark.timeout(300)
def test_a_budget_while_processes_die() -> None:
    outcome = play(1, kills=1)
    assert outcome.wrong == [], outcome.line()


FLOW = """
model_config: ./config.yaml
confirm_over: {items: 5}
taskflow:
  - task: {id: numbers, run: "python3 -c 'print(list(range(20)))'"}
  - task: {name: each, id: each, over: outputs.numbers, async: true, agents: [./brief.yaml], model: priced,
           capture: response, user_prompt: "number {{ result }}."}
  - task: {name: after, run: echo after}
"""
CONFIG = "models: {priced: p}\nprices: {priced: {input: 1000, output: 1000}}\n"
"""A request of 10 tokens in and 5 out costs 1.5 cents."""


def test_asked_parked_raised(served: ServedDesk) -> None:
    """What is told where, by the commands that a person would type."""
    night = served.run_id
    served.write("flow.yaml", FLOW)
    served.write("config.yaml", CONFIG)
    endpoint = served.answer([Reply(text="$PROMPT")])
    asked = served.run("flow.yaml", "--id", night, "--budget", "usd=0.15", "--detach")
    assert asked.code == 0, asked.err
    resumed = served.start("resume", night, "--json")
    assert resumed.stderr
    while "each asks before it starts" not in (line := resumed.stderr.readline()):
        assert line, "the starter ended"
    assert served.listed(night)["standing"]["waits"] == [
        "approval of each, 20 items, and confirm_over is 5: task-2-call-1"
    ]
    yes = served.run("approve", night)
    assert yes.out == f"run {night}: task-2-call-1, 20 items, and confirm_over is 5, is approved\n"
    out, _ = resumed.communicate(timeout=60)
    assert ('"status": "parked"' in out, resumed.returncode) == (True, 1)
    spent = len(endpoint.requests)
    assert 10 <= spent <= 14
    status = served.run("status", night)
    assert f"budget of the run: ${spent * 0.015:.2f} of $0.15" in status.out
    again = served.run("resume", night)
    assert "parked: the budget is used up, in each" in again.err
    assert f"python starter.py raise {night} UNIT=AMOUNT" in again.err
    raised = served.run("raise", night, "usd=1", "--json")
    assert (raised.code, raised.json["status"]) == (0, "completed"), raised.err
    assert [one["result"] for one in raised.json["outputs"]["each"]] == [f"number {number}." for number in range(20)]
    assert len(endpoint.requests) == 20
    assert raised.json["budget"]["spent"]["usd"] == pytest.approx(0.3)
    served.run("report", night, "--html", "night.html")
    assert "$0.30 of $1.15" in (served.folder / "night.html").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["flow.yaml", "--budget", "5"], "--budget: '5': write usd=AMOUNT"),
        (["flow.yaml", "--budget", "usd=five"], "--budget: usd: write US dollars, as 5 or 0.50"),
        (["flow.yaml", "--budget", "usd=5", "-m", "./free.yaml"], "--budget: what priced costs is not known"),
        (["raise", "night"], "say how much"),
        (["raise", "night", "usd=3", "--of", "me"], "--of: 'me': write run, task or item"),
        (["raise", "night", "usd=3"], "there is no run night"),
    ],
)
def test_words_that_do_not_fit(served: ServedDesk, words: list[str], says: str) -> None:
    served.write("flow.yaml", FLOW)
    served.write("config.yaml", CONFIG)
    served.write("free.yaml", "models: {priced: p}\n")
    ended = served.run(*words)
    assert ended.code == 2
    assert says in ended.err
