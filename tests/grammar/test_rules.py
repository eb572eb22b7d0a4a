"""The small pure rules: redaction, endpoints, model choice, references, errors, instructions."""

import inspect
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grammar import errors
from grammar.documents.durations import parse_duration
from grammar.documents.models import ModelConfig, Personality, Task
from grammar.documents.references import SearchPath
from grammar.documents.values import ToolResult, read, read_or_text
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.endpoint import COPILOT, OPENAI, choose, is_embedded
from grammar.messages.model_choice import choose as choose_model
from grammar.preparing.system_prompt import system_prompt
from grammar.templating.redaction import hide, reveal

TEXT = st.text(alphabet='ab⟦⟧:|kenv"\n\\é', max_size=20)


@given(st.recursive(TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)), TEXT)
def test_what_is_hidden_comes_back(value: JsonValue, secret: str) -> None:
    secrets = {"A": "abab" + secret, "B": "ab" + secret + "cdef"}
    hidden = hide(value, secrets, "1x2y")
    assert reveal(hidden, secrets, "1x2y") == value


def test_hidden_in_json_too() -> None:
    secrets = {"A": 'line "one"\nline two'}
    text = '{"x": "line \\"one\\"\\nline two"}'
    hidden = hide(text, secrets, "k")
    assert hidden == '{"x": "⟦env:A|json:k⟧"}'
    assert reveal(hidden, secrets, "k") == text


@pytest.mark.parametrize(
    ("spec", "environ", "url", "key"),
    [
        ({}, {}, None, None),
        ({}, {"OPENAI_API_KEY": "o"}, OPENAI, "o"),
        ({}, {"AI_API_TOKEN": "a"}, COPILOT, "a"),
        ({}, {"COPILOT_TOKEN": "c", "OPENAI_API_KEY": "o"}, OPENAI, "c"),
        ({}, {"OPENAI_BASE_URL": "http://b", "OPENAI_API_KEY": "o"}, "http://b", "o"),
        ({}, {"AI_API_ENDPOINT": "http://a", "OPENAI_BASE_URL": "http://b", "AI_API_TOKEN": "k"}, "http://a", "k"),
        ({"endpoint": "http://x"}, {"AI_API_ENDPOINT": "http://a", "AI_API_TOKEN": "k"}, "http://x", None),
        ({"endpoint": "http://a/v2"}, {"AI_API_ENDPOINT": "http://a", "AI_API_TOKEN": "k"}, "http://a/v2", "k"),
        ({"endpoint": "http://x", "token": "T"}, {"T": "own", "AI_API_TOKEN": "k"}, "http://x", "own"),
    ],
)
def test_endpoint_and_key(spec: dict[str, str], environ: dict[str, str], url: str | None, key: str | None) -> None:
    chosen = choose(ModelSpec(**spec), environ)
    assert (chosen.url, chosen.key) == (url, key)
    assert is_embedded(environ) is (not environ)


def test_model_choice() -> None:
    config = ModelConfig(
        models={"fast": "gpt-x"}, model_settings={"fast": {"temperature": 1, "top_p": 0.5, "api_type": "responses"}}
    )
    spec = choose_model(Task(model="fast", model_settings={"temperature": 0}), config)
    assert (spec.name, spec.api_type, spec.settings) == ("gpt-x", "responses", {"temperature": 0, "top_p": 0.5})
    assert choose_model(Task(models=("fast",)), config).name == "gpt-x"
    assert choose_model(Task(model="an-id"), config).name == "an-id"
    assert choose_model(Task(), config).name is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), (7, 7), ("1.5", 1.5), ("250ms", 0.25)]
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", 0, True, None, "1e9d"])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_references_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("first", "second", "third", "here", "repo/flows", "repo")
    folders = [tmp_path / name for name in names]
    for folder in folders:
        (folder / "a").mkdir(parents=True)
        (folder / "a/b.yaml").write_text("x: 1")
    (tmp_path / "repo/.git").mkdir()
    monkeypatch.chdir(tmp_path / "here")
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


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^([│├└─ ]*)([A-Z]\w+)", (errors.__doc__ or "").split("\n\n")[1], re.MULTILINE)
    path: list[str] = []
    pairs = set()
    for branch, name in drawn:
        depth = len(branch) // 4
        path[depth:] = [name]
        pairs.add((name, path[depth - 1] if depth else "Exception"))
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.TaskflowError)]
    assert pairs == {(c.__name__, c.__bases__[0].__name__) for c in classes}


def test_system_prompt_says_only_what_there_is() -> None:
    full = system_prompt(Personality(personality="P", task="T"), ["hint", ""])
    order = [
        full.index(part)
        for part in ("P", "# Important Guidelines", "# Additional Guidelines\nhint", "# Primary Task\nT")
    ]
    assert order == sorted(order)
    assert system_prompt(Personality(), []).startswith("# Important Guidelines")
    assert "Additional" not in system_prompt(Personality(), [""])
