"""Rates, and when a fan-out will be over."""

from datetime import timedelta

import pytest

from console.throughput import Throughput, format_rate
from tests.console.runs import NOW


def recorded(*points: tuple[float, int]) -> Throughput:
    throughput = Throughput()
    for seconds, ended in points:
        throughput.record(NOW + timedelta(seconds=seconds), ended)
    return throughput


def test_steady() -> None:
    throughput = recorded((0, 0), (5, 10), (10, 20))
    now = NOW + timedelta(seconds=10)
    assert throughput.rate(now) == 2
    assert throughput.seconds_left(now, 100) == 40


@pytest.mark.parametrize("points", [[], [(0, 0)], [(0, 0), (10, 2)], [(0, 0), (0.5, 50)]])
def test_too_early_to_say(points: list[tuple[float, int]]) -> None:
    throughput = recorded(*points)
    now = NOW + timedelta(seconds=points[-1][0] if points else 0)
    assert throughput.rate(now) is None
    assert throughput.seconds_left(now, 100) is None


def test_where_nothing_ends_any_more_the_rate_falls() -> None:
    throughput = recorded((0, 0), (10, 20))
    assert throughput.rate(NOW + timedelta(seconds=40)) == 0.5


def test_what_is_long_past_does_not_count() -> None:
    """An hour at one a minute, then ten a second."""
    slow = [(60.0 * minute, minute) for minute in range(60)]
    fast = [(3600.0 + second, 60 + 10 * second) for second in range(120)]
    throughput = recorded(*slow, *fast)
    assert throughput.rate(NOW + timedelta(seconds=3719)) == pytest.approx(10, rel=0.1)


def test_slow_items_are_not_forgotten_between_two_of_them() -> None:
    """Five at once, each five minutes."""
    throughput = recorded((0, 0), *[(300.0 * number, 5 * number) for number in range(1, 4)])
    now = NOW + timedelta(seconds=1000)
    assert throughput.rate(now) == pytest.approx(15 / 1000)


def test_a_retry_of_what_failed_begins_anew() -> None:
    throughput = recorded((0, 0), (10, 100), (500, 97), (502, 100))
    assert throughput.rate(NOW + timedelta(seconds=502)) == 1.5


@pytest.mark.parametrize(
    ("rate", "words"),
    [(12.4, "12/s"), (5.12, "5.1/s"), (0.5, "30/min"), (0.02, "1.2/min"), (0.001, "3.6/h"), (0.0001, "0.4/h")],
)
def test_in_words(rate: float, words: str) -> None:
    assert format_rate(rate) == words
