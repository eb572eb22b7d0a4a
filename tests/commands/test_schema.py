"""`schema KIND` and `sample`: what they print is what it says it is."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from commands import sample, schema
from grammar.documents.models import KINDS
from grammar.errors import InvalidFlow
from grammar.loading.bundle import LoadOptions
from grammar.loading.lint import Findings, lint
from tests.commands.conftest import Starter


@pytest.mark.parametrize("kinds", [[], *([kind] for kind in KINDS)])
def test_a_schema_of_each_kind(kinds: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.schema(*kinds) == 0
    found = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(found)
    kind = kinds[0] if kinds else "taskflow"
    assert found["title"] == kind
    assert set(found["properties"]) - {"seclab-taskflow-agent"} == KINDS[kind].known_fields()


@pytest.mark.parametrize("kinds", [["poem"], ["flow.yaml"]])
def test_a_kind_that_there_is_not(kinds: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidFlow) as caught:
        schema.schema(*kinds)
    assert str(caught.value) == f"command line: KIND: {kinds[0]!r}: give one of {', '.join(KINDS)}"
    assert caught.value.exit_code == 2
    assert capsys.readouterr().out == ""


def test_the_sample_is_a_flow_that_fits_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert sample.sample() == 0
    text = capsys.readouterr().out
    Path("sample.yaml").write_text(text)
    assert lint("sample.yaml", LoadOptions("", strict=True)) == Findings()
    Draft202012Validator(json.loads(schema.text("taskflow"))).validate(yaml.safe_load(text))


def test_from_the_command_line(starter: Starter) -> None:
    assert json.loads(starter("schema", "toolbox").stdout)["title"] == "toolbox"
    ended = starter("schema", "poem")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: command line: KIND: 'poem': give one of taskflow, ")
    assert yaml.safe_load(starter("sample").stdout)["taskflow"]
