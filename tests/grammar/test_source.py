"""YAML files: every fault has its file and line (specification section 1)."""

from pathlib import Path

import pytest

from grammar.errors import InvalidFlow
from grammar.loading.source import read
from grammar.loading.yaml_reader import MAX_BYTES

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def faults(path: Path, kind: str | None = None) -> list[tuple[int, str]]:
    with pytest.raises(InvalidFlow) as caught:
        read(path, kind=kind)
    return [(problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: [1\nb: 2", 2, "not YAML: did not find expected"),
        ("- 1", 1, "a document must be a map"),
        ("", 1, "a document must be a map"),
        ("a: 1\nb: 2\na: 3", 3, "is written twice"),
        ("a: &x [*x]", 1, "endless or far too large"),
        (BOMB, 6, "endless or far too large"),
        ("a: !!python/object:os.system 1", 1, "not YAML: could not determine a constructor"),
        ("? [1]\n: 2", 1, "a key must be text"),
        ("a: " + "[" * 5000 + "]" * 5000, 1, "nest"),
        ("a: \x00", 0, "not YAML"),
        ("seclab-taskflow-agent: {version: 2, filetype: prompt}", 1, "version 2 is not supported; use 1.0"),
        ("seclab-taskflow-agent: {version: 1, filetype: poem}", 1, "'poem' is not one of taskflow, personality"),
        ("seclab-taskflow-agent: 1", 1, "must be a map"),
        ("seclab-taskflow-agent: {version: 1, filetype: prompt}", 1, "is a prompt, but a taskflow is needed here"),
    ],
)
def test_faults(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    ((found, message),) = faults(path, "taskflow")
    assert says in message
    assert found in (line, 1)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff")
    assert faults(path) == [(0, "not UTF-8 text (byte 3)")]


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 16 MB" in faults(path)[0][1]


@pytest.mark.parametrize("version", ["1", "1.0", '"1"', '"1.0"'])
def test_versions_that_are_the_same(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"seclab-taskflow-agent: {{version: {version}, filetype: prompt}}\nprompt: x\n")
    assert read(path).data == {"prompt": "x"}


def test_dates_stay_text_and_keys_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("d: 2026-01-01\n1: x\nyes: y\n")
    assert read(path).data == {"d": "2026-01-01", "1": "x", "yes": "y"}
