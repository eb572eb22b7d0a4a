"""Sizes, as people read them."""

import pytest

from console.run_tables import in_bytes


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9950, "10 kB"), (999_499, "999 kB"),
     (999_500, "1.0 MB"), (3_400_000_000, "3.4 GB"), (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_bytes(size: int, told: str) -> None:
    assert in_bytes(size) == told
