"""The schemas that editors use: as published, and against the documents that there are."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from commands import schema
from grammar.documents.descriptions import FIELDS
from grammar.documents.models import KINDS
from grammar.loading import schemas
from grammar.loading.source import read
from grammar.preparing import outputs

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(path for path in (ROOT / "taskflows").rglob("*.yaml") if not path.name.endswith(".dry.yaml"))
HEADER = {"version": "1.0", "filetype": "taskflow"}


def complaints(kind: str, document: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schemas.schema(kind)).iter_errors(document)]


@pytest.mark.parametrize("kind", KINDS)
def test_published_as_printed(kind: str) -> None:
    """To write them anew: python starter.py schema KIND > docs/schemas/KIND.json."""
    assert (ROOT / "docs/schemas" / f"{kind}.json").read_text(encoding="utf-8") == schema.text(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_schema_complete_in_itself(kind: str) -> None:
    assert outputs.malformed(schemas.schema(kind)) is None


def test_every_field_is_described() -> None:
    for model, texts in FIELDS.items():
        assert set(texts) == model.known_fields(), model.__name__


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_name_their_schema_and_satisfy_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    kind = read(path).filetype or "taskflow"
    relative = os.path.relpath(ROOT / "docs/schemas" / f"{kind}.json", path.parent)
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={relative}"
    assert complaints(kind, yaml.safe_load(text)) == []


TASK: dict[str, Any] = {"run": "ls"}


@pytest.mark.parametrize(
    "task",
    [
        {"run": "ls", "name": 7, "if": True, "async": True, "async_limit": 3},
        {"uses": "a.b", "inputs": {"a": [1, None]}, "env": {"PORT": 8080}},
        {"user_prompt": "x", "agents": ["a"], "models": ["a", {"model": "b", "model_settings": {"temperature": 1}}]},
        {"run": "ls", "outputs": True, "start_to_close_timeout": "5m", "heartbeat_timeout": 30, "retry": None},
        {"run": "ls", "retry": {"maximum_attempts": 3, "initial_interval": 5}},
    ],
)
def test_what_a_person_may_write(task: dict[str, Any]) -> None:
    assert complaints("taskflow", {"seclab-taskflow-agent": HEADER, "taskflow": [{"task": task}]}) == []
    assert complaints("taskflow", {"defaults": task, "globals": None, "taskflow": [{"task": TASK}]}) == []


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("taskflow", {}),
        ("taskflow", {"taskflow": []}),
        ("taskflow", {"taskflow": [{"run": "ls"}]}),
        ("taskflow", {"taskflow": [{"task": {"asnyc": True}}]}),
        ("taskflow", {"taskflow": [{"task": {"async_limit": 0}}]}),
        ("taskflow", {"taskflow": [{"task": {"capture": "all"}}]}),
        ("taskflow", {"taskflow": [{"task": {"models": [{"model_settings": {}}]}}]}),
        ("taskflow", {"taskflow": [{"task": {"model_settings": {"api_type": "soap"}}}]}),
        ("taskflow", {"seclab-taskflow-agent": {**HEADER, "version": "2.0"}, "taskflow": [{"task": TASK}]}),
        ("taskflow", {"seclab-taskflow-agent": {**HEADER, "filetype": "prompt"}, "taskflow": [{"task": TASK}]}),
        ("personality", {"personality": 7}),
        ("toolbox", {}),
        ("toolbox", {"server_params": {"kind": "http"}}),
        ("model_config", {"models": {"a": 1}}),
        ("model_config", {"backend": "other"}),
        ("prompt", {}),
    ],
)
def test_what_is_wrong(kind: str, document: dict[str, Any]) -> None:
    assert complaints(kind, document)
