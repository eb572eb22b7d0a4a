"""How much a worker does at once, by the memory that there is."""

from pathlib import Path

import pytest

from runtime.worker_family.at_once import activities_at_once, memory

GB = 2**30


@pytest.mark.parametrize(
    ("available", "at_once"),
    [(24 * GB, 307), (8 * GB, 102), (2 * GB, 25), (GB // 4, 20), (1024 * GB, 1000)],
)
def test_activities_fit_into_half_of_the_memory(available: int, at_once: int) -> None:
    assert activities_at_once(available) == at_once


@pytest.mark.parametrize(
    ("file", "text", "limit"),
    [
        ("memory.max", "1073741824\n", GB),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "2147483648\n", 2 * GB),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("other", "1\n", None),
    ],
)
def test_a_container_has_what_it_is_given(tmp_path: Path, file: str, text: str, limit: int | None) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert memory(tmp_path) == (limit or memory(tmp_path / "nothing"))
