"""docs/grammar.md: there is an example of every kind, and its tables have every field, with its default."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo

from grammar.documents.budget import Budget, ConfirmOver, StopAfter
from grammar.documents.document import Document
from grammar.documents.durations import parse_duration
from grammar.documents.model_reach import EndpointLimits
from grammar.documents.models import (
    KINDS,
    ModelChoice,
    ModelConfig,
    Personality,
    Price,
    Prompt,
    Retry,
    SandboxChoice,
    ServerParams,
    Task,
    Taskflow,
    Toolbox,
)
from grammar.errors import InvalidFlow
from tests.docs.examples import checked, examples
from tests.docs.pages import README, ROOT, table

PAGE = ROOT / "docs/grammar.md"
ASSISTANT = "taskflows.personalities.assistant"

TABLES: dict[str, type[Document]] = {
    "field of a taskflow": Taskflow,
    "field of a task": Task,
    "field of an entry of `models`": ModelChoice,
    "field of `retry`": Retry,
    "field of a personality": Personality,
    "field of a toolbox": Toolbox,
    "field of `server_params`": ServerParams,
    "field of a model config": ModelConfig,
    "field of an entry of `prices`": Price,
    "field of `limits`": EndpointLimits,
    "field of a prompt": Prompt,
    "field of `sandbox`": SandboxChoice,
    "field of a budget": Budget,
    "field of `stop_after`": StopAfter,
    "field of `confirm_over`": ConfirmOver,
}
# Defaults that hold only as long as something else does not say more: told in words.
WORDS = {
    "name", "toolboxes", "timeout", "maximum_attempts", "sandbox",
    "read", "write", "network", "memory", "processes", "disk", "cached", "cache_write", "reasoning",
}  # fmt: skip


def test_there_is_an_example_of_each_kind_and_each_transport() -> None:
    found = list(examples(PAGE))
    assert {kind for kind, _ in found} == {*KINDS, "task"}
    servers = [yaml.safe_load(text)["server_params"] for kind, text in found if kind == "toolbox"]
    assert {server["kind"] for server in servers} == {"stdio", "sse", "streamable"}
    assert any(server["kind"] == "streamable" and "command" in server for server in servers)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("taskflow", "taskflow:\n  - task: {rum: ls}\n"),
        ("task", "run: ls\nasnyc: true\n"),
        ("task", "run: ls\nover: outputs.nowhere\n"),
        ("toolbox", "server_params: {kind: stdio}\n"),
        ("personality", "toolboxes: [taskflows.toolboxes.gone]\n"),
    ],
)
def test_a_wrong_example_would_be_found(kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with contextlib.suppress(InvalidFlow):
        assert checked(kind, text, tmp_path).problems


@pytest.mark.parametrize(("heading", "model"), TABLES.items())
def test_tables_have_every_field_once(heading: str, model: type[Document]) -> None:
    listed = [row[0].strip("`") for row in table(heading, PAGE)]
    assert sorted(listed) == sorted(model.known_fields())


def test_no_kind_of_document_is_left_out() -> None:
    parts = {
        Budget,
        ConfirmOver,
        EndpointLimits,
        ModelChoice,
        Price,
        Retry,
        SandboxChoice,
        ServerParams,
        StopAfter,
        Task,
    }
    assert set(TABLES.values()) == {*KINDS.values(), *parts}
    assert {row[0].strip("`") for row in table("kind", PAGE)} == set(KINDS)


def fields() -> Iterator[Any]:
    for heading, model in TABLES.items():
        infos = {info.alias or name: info for name, info in model.model_fields.items()}
        for name, _, default in table(heading, PAGE):
            yield pytest.param(infos[name.strip("`")], default, id=f"{model.__name__}.{name.strip('`')}")


@pytest.mark.parametrize(("info", "told"), list(fields()))
def test_defaults_are_those_of_the_grammar(info: FieldInfo, told: str, request: pytest.FixtureRequest) -> None:
    default = info.get_default(call_default_factory=True)
    name = request.node.callspec.id.partition(".")[2]
    if info.is_required():
        assert told == "required"
    elif default in (None, "", (), {}):
        assert told == "–" or name in WORDS
    else:
        value = yaml.safe_load(told.strip("`"))
        assert default in (value, parse_duration(value) if isinstance(default, float) and value else value)


def test_the_readme_leads_here() -> None:
    assert "](docs/grammar.md)" in README.read_text(encoding="utf-8")
