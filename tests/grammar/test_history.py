"""A run as its histories tell it."""

import pytest
from pydantic import JsonValue

from grammar.documents.models import Task
from grammar.messages.activity_results import TranscriptEntry, Usage
from grammar.messages.history import (
    BranchPosition,
    Deployment,
    DeploymentHistory,
    DeploymentOutput,
    LegEnd,
    position_of,
)
from grammar.messages.names import activity_id
from grammar.messages.reports import BranchReport
from tests.support.run_histories import at, many


@pytest.mark.parametrize("item", [None, 0, 11])
@pytest.mark.parametrize("choice", [None, 0, 3])
@pytest.mark.parametrize("leg", [1, 4])
def test_an_activity_says_which_branch_it_is_of(item: int | None, choice: int | None, leg: int) -> None:
    assert position_of(activity_id(6, item, choice, leg)) == BranchPosition(6, item or 0, choice or 0)


def test_other_activities_are_of_no_branch() -> None:
    assert position_of("7") is None


def said(*texts: str) -> list[TranscriptEntry]:
    return [TranscriptEntry(kind="message", who="a", text=text) for text in texts]


def leg(number: int, output: DeploymentOutput | None, failure: str = "") -> Deployment:
    return Deployment(activity=activity_id(2, None, None, number), scheduled=at(number), output=output, failure=failure)


def texts(*legs: Deployment) -> list[str]:
    run = many(0)
    report = BranchReport(task="sum up", index=0, status="done", legs=len(legs))
    run.manifest.branches.append(report)
    run.history.deployments.extend(legs)
    (branch,) = run.branches()[2]
    assert branch.deployments == list(legs)
    return [entry.text for entry in branch.transcript()]


def test_a_leg_that_goes_on_tells_again_what_came_before() -> None:
    first = leg(1, DeploymentOutput(said=said("one", "two"), leg=LegEnd(reason="rate_limited")))
    assert texts(first, leg(2, DeploymentOutput(said=said("one", "two", "three")))) == ["one", "two", "three"]


def test_after_an_approval_only_what_is_new_is_told() -> None:
    first = leg(1, DeploymentOutput(said=said("one", "call"), leg=LegEnd(reason="approval")))
    second = leg(2, DeploymentOutput(said=said("gave"), leg=LegEnd(reason="stopped")))
    assert texts(first, second, leg(3, DeploymentOutput(said=said("gave", "end")))) == ["one", "call", "gave", "end"]


def test_of_a_long_conversation_the_newest_entries_are_kept() -> None:
    first = leg(1, DeploymentOutput(said=said("one", "two"), leg=LegEnd(reason="stopped")))
    assert texts(first, leg(2, None, "no"), leg(3, DeploymentOutput(said=said("five"), first=4))) == [
        "one",
        "two",
        "five",
    ]


def test_branches_have_their_items_and_models() -> None:
    run = many(3)
    listing, reading, summing = run.branches()
    assert [branch.position for branch in reading] == [BranchPosition(1, number) for number in range(3)]
    items: list[JsonValue] = [branch.item for branch in reading]
    assert items[2] == {"name": "file_2.c", "<i>": "'\""}
    assert [(branch.prompt, branch.model, branch.named) for branch in (reading[0], listing[0])] == [
        ("Read file_0.c", "gpt-x", "fast"),
        ("echo '[...]'", "", None),
    ]
    assert summing == []


def test_tasks_of_the_same_name_are_told_apart() -> None:
    run = many(2)
    run.bundle.tasks[:] = [Task(name="same", run="ls", over="x"), Task(name="same", run="ls"), Task(run="ls")]
    for report, name in zip(run.manifest.report.tasks, ("same", "same", "other"), strict=True):
        report.name = name
    names = [("same", 0), ("same", 1), ("same", 0), ("other", 0)]
    run.manifest.branches[:] = [BranchReport(task=name, index=index, status="done") for name, index in names]
    assert [len(branches) for branches in run.branches()] == [2, 1, 1]


def test_what_an_earlier_run_gave_cost_this_one_nothing() -> None:
    run = many(1)
    assert run.branches()[1][0].usage.requests == 2
    assert run.model_copy(update={"history": DeploymentHistory()}).branches()[1][0].usage == Usage()


def test_what_waits_has_cost_what_its_last_leg_says() -> None:
    run = many(0)
    run.manifest.branches.append(BranchReport(task="sum up", index=0, status="waiting"))
    used = Usage(requests=1, input_tokens=5)
    run.history.deployments.append(leg(1, DeploymentOutput(usage=used, leg=LegEnd())))
    assert run.branches()[2][0].usage == used
