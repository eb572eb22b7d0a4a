"""When everything ran, in percent of the width."""

from datetime import datetime, timedelta

import pytest

from grammar.messages.activity_results import LegReason
from grammar.messages.history import Deployment, DeploymentOutput, LegEnd
from pictures.run_page import RunPage
from pictures.timeline import PlacedSpan, TimeScale, place_spans
from tests.support.run_histories import PRICES, at, many

NIGHT = 8 * 3600.0
WAITS = ("waiting", "rate_limited", "parked", "interrupted")


def scale(until: float, *busy: tuple[float, float]) -> TimeScale:
    return TimeScale(at(0), at(until), [(at(begin), at(end)) for begin, end in busy])


def span(begin: float, end: float) -> tuple[datetime, datetime]:
    return at(begin), at(end)


def test_times_are_in_proportion() -> None:
    found = scale(100, (0, 60), (50, 100))
    assert [found.position(at(seconds)) for seconds in (0, 25, 100, 200)] == [0, 25, 100, 100]
    assert [tick.label for tick in found.ticks()] == ["0 s", "20 s", "40 s", "1 min", "1:20 min"]


def test_a_night_in_which_nothing_ran_is_cut_short() -> None:
    found = scale(NIGHT + 200, (0, 100), (NIGHT + 100, NIGHT + 200))
    (idle,) = [segment for segment in found.segments if segment.idle]
    assert idle.idle_label == "8 h 0 min in which nothing ran"
    assert 4 < idle.right - idle.left < 6
    places = [found.position(at(seconds)) for seconds in (0, 100, NIGHT + 100, NIGHT + 200)]
    assert places == sorted(places)
    assert abs((places[3] - places[2]) - (places[1] - places[0])) < 0.01
    assert found.position(at(0) + timedelta(hours=4)) > places[1]


def test_short_waits_are_shown_as_they_were() -> None:
    assert [segment.idle for segment in scale(50, (0, 5), (45, 50)).segments] == [False]


def test_a_run_in_which_nothing_ran_yet() -> None:
    assert scale(0).position(at(0)) == 0
    assert list(scale(0).ticks())


def test_bars_side_by_side_have_lanes_of_their_own() -> None:
    spans = [span(0, 10), span(5, 20), span(10, 30), span(0, 0)]
    found, lanes = place_spans(scale(100, (0, 100)), spans)
    assert lanes == 2
    assert found == [PlacedSpan(0, 10, 0), PlacedSpan(5, 15, 1), PlacedSpan(10, 20, 0), PlacedSpan(0, 0.4, 0)]


def test_no_bars() -> None:
    assert place_spans(scale(1), []) == ([], 0)


def bars_of(*legs: Deployment, branch: str, **task: object) -> list[tuple[str, float, float]]:
    """(status, from, to) of the bars of a branch with these legs, in seconds of a minute. `task`: fields of its task.

    In the order of time; they are drawn with the waits first.
    """
    history = many(1, seen=at(60))
    history.history.deployments[1:] = legs
    history.manifest.branches[1].status = branch  # type: ignore[assignment]
    tasks = history.manifest.report.tasks
    tasks[1] = tasks[1].model_copy(update=task)
    page = RunPage(history, PRICES)
    drawn = page.rows[1].bars
    assert [bar.status in WAITS for bar in drawn] == sorted((bar.status in WAITS for bar in drawn), reverse=True)
    bars = sorted(drawn, key=lambda bar: bar.left)
    return [(bar.status, round(bar.left * 0.6, 1), round((bar.left + bar.width) * 0.6, 1)) for bar in bars]


def leg(number: int, start: float, end: float | None, reason: LegReason | None = None, **changes: object) -> Deployment:
    output = DeploymentOutput(leg=LegEnd(reason=reason) if reason else None)
    ended = None if end is None else at(end)
    name = "task-2-item-1" + (f"-leg-{number}" if number > 1 else "")
    return Deployment(activity=name, scheduled=at(start), started=at(start), ended=ended, output=output).model_copy(
        update=changes
    )


@pytest.mark.parametrize(
    ("reason", "wait"),
    [
        ("approval", "waiting"),
        ("unknown_outcome", "waiting"),
        ("rate_limited", "rate_limited"),
        ("stopped", "interrupted"),
    ],
)
def test_what_a_branch_waits_for_has_a_colour_of_its_own(reason: LegReason, wait: str) -> None:
    legs = leg(1, 12, 24, reason), leg(2, 48, 54)
    assert bars_of(*legs, branch="done") == [("done", 12, 24), (wait, 24, 48), ("done", 48, 54)]
    assert bars_of(legs[0], branch="waiting") == [("done", 12, 24), (wait, 24, 60)]


def test_a_failure_that_waits_for_a_person() -> None:
    failed = leg(1, 12, 24, failure="BadRequest: 400 no")
    retried = bars_of(failed, leg(2, 48, 54), branch="done")
    assert retried == [("failed", 12, 24), ("parked", 24, 48), ("done", 48, 54)]
    assert bars_of(failed, branch="failed", status="parked") == [
        ("failed", 12, 24),
        ("parked", 24, 60),
    ]
    skipped = {"note": "skipped by a person", "ended": at(48)}
    assert bars_of(failed, branch="failed", **skipped) == [("failed", 12, 24), ("parked", 24, 48)]
    assert bars_of(failed, branch="failed", ended=at(24)) == [("failed", 12, 24)]


def test_attempts_that_were_lost() -> None:
    killed = leg(1, 12, 54, started=at(36), attempts=2)
    assert bars_of(killed, branch="done") == [("interrupted", 12, 36), ("done", 36, 54)]


def test_the_legend_says_what_the_colours_mean() -> None:
    history = many(1)
    history.history.deployments[1:] = [leg(1, 4, 5, "approval")]
    meanings = dict(RunPage(history, PRICES).legend)
    assert meanings == {"done": "done", "waiting": "waits for a person's yes"}
    assert RunPage(many(1), PRICES).legend == []
