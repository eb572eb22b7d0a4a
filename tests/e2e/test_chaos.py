"""A short form of `make chaos`."""

import pytest

from tests.chaos.seed_run import play


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [2])
def test_a_run_under_faults(seed: int) -> None:
    outcome = play(seed, many=4)
    assert outcome.wrong == [], outcome.line()
