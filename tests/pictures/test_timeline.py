"""When everything ran, in percent of the width."""

from datetime import datetime, timedelta

from pictures.timeline import PlacedSpan, TimeScale, place_spans
from tests.support.run_histories import at

NIGHT = 8 * 3600.0


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
    assert found == [PlacedSpan(0, 10, 0), PlacedSpan(5, 15, 1), PlacedSpan(10, 20, 0), PlacedSpan(0, 0.15, 0)]


def test_no_bars() -> None:
    assert place_spans(scale(1), []) == ([], 0)
