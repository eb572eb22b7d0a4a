"""What documents are made of: durations, references, values read from results (specification sections 2, 5 and 8)."""

import sys
from pathlib import Path

import pytest

from grammar.documents.durations import parse_duration
from grammar.documents.references import SearchPath
from grammar.documents.values import ToolResult, read, read_or_text


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), (7, 7), ("1.5", 1.5), ("250ms", 0.25)]
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-1s", 0, True, None, "1e9d", "9" * 400, 10**400, float("inf"), float("-inf"), float("nan"), "nan"],
)
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_what_temporal_would_take_for_no_duration() -> None:
    assert [parse_duration(text) for text in ("0.1ms", 1e-9, 5e-324)] == [0.001] * 3


def test_references_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("first", "second", "third", "repo/flows", "repo", "installed", "here/below", "here")
    folders = [tmp_path / name for name in names]
    for folder in folders:
        (folder / "a").mkdir(parents=True)
        (folder / "a/b.yaml").write_text("x: 1")
    (tmp_path / "repo/.git").mkdir()
    (tmp_path / "here/.git").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.chdir(tmp_path / "here/below")
    monkeypatch.setenv("TASKFLOW_PATH", f"{folders[0]}:{folders[1]}")
    search = SearchPath((folders[2],), tmp_path / "repo/flows")
    for folder in folders:
        assert search.find("a.b") == folder / "a/b.yaml"
        (folder / "a/b.yaml").unlink()
    assert search.find("a.b") is None


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text("x: 1")
    assert SearchPath().find("./box.yaml", tmp_path / "flow.yaml") == tmp_path / "box.yaml"


def test_installed_documents_are_found_without_running_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package_of_flows"
    (package / "boxes").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('was run')")
    (package / "boxes/one.yaml").write_text("x: 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert SearchPath().find("some_package_of_flows.boxes.one") == package / "boxes/one.yaml"
    assert "some_package_of_flows" not in sys.modules


@pytest.mark.parametrize(
    "name", ["personalities.assistant", "toolboxes.echo", "toolboxes.memcache", "toolboxes.logbook"]
)
def test_names_of_the_existing_engine_fall_back_to_ours(name: str) -> None:
    found = SearchPath().find(f"seclab_taskflow_agent.{name}")
    assert found and str(found).endswith(f"taskflows/{name.replace('.', '/')}.yaml")


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (ToolResult(tool_name="t", text="[1]"), [1]),
        (ToolResult(tool_name="t", text="x", structured={"a": 1}), {"a": 1}),
        (ToolResult(tool_name="t", text="not json"), "not json"),
        (ToolResult(tool_name="t", text="NaN"), "NaN"),
    ],
)
def test_values(result: ToolResult, value: object) -> None:
    assert read_or_text(result) == value


def test_text_that_is_not_json_has_no_value() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        read(ToolResult(tool_name="t", text="not json"))
