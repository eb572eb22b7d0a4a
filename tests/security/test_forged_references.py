"""A reference to a variable that a tool, a script or a model made up stands for nothing.

The key that marks a run's references stands in its history. Who reads it can write one that looks right.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.process.secrets import Secrets
from activities.storage.journal import Journal
from activities.storage.journal_heartbeat import HeartbeatJournal
from grammar.documents.models import Task
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import PrepareRequest, TemplateContext
from grammar.messages.activity_results import Page
from grammar.preparing import preparation
from grammar.preparing.preparation import RenderFailure
from grammar.templating.redaction import hide, mask, reveal
from runtime.storage.document_files import FileDocuments
from runtime.storage.stored_documents import StoredDocuments
from tests.activities.boxes import box, calls
from tests.activities.conftest import KEY, Bench
from tests.support.scripted_endpoint import Call, ScriptedEndpoint

ENVIRON = {"ASKED": "hunter2-long", "NEVER_ASKED": "sk-of-the-worker"}
FORGED = f"⟦env:NEVER_ASKED:{KEY}⟧"
ASKED = f"⟦env:ASKED:{KEY}⟧"


def prepared(task: Task, **fields: Any) -> Page | RenderFailure:
    """What `prepare` makes of a task where `ASKED` has been asked for."""
    request = PrepareRequest(task=task, surroundings=TemplateContext(key=KEY), secrets=["ASKED"], **fields)
    return preparation.page(request, ENVIRON)


def test_only_what_was_asked_for_is_put_back() -> None:
    value: JsonValue = [FORGED, {ASKED: f"x {ASKED}"}]
    told = reveal(value, {"ASKED"}, ENVIRON, KEY)
    assert told == ["⟦env:NEVER_ASKED⟧", {"hunter2-long": "x hunter2-long"}]


def test_a_form_that_is_none_stands_for_nothing() -> None:
    assert reveal(f"⟦env:ASKED|rot13:{KEY}⟧", {"ASKED"}, ENVIRON, KEY) == "⟦env:ASKED⟧"


def test_what_comes_from_outside_is_no_reference() -> None:
    value: JsonValue = {FORGED: [ASKED, f"⟦env:ASKED|url:{KEY}⟧", "hunter2-long"]}
    hidden = hide(value, {"ASKED": "hunter2-long"}, KEY)
    assert hidden == {"⟦env:NEVER_ASKED⟧": ["⟦env:ASKED⟧", "⟦env:ASKED|url⟧", ASKED]}


def test_an_output_names_a_variable() -> None:
    page = prepared(Task(user_prompt="say {{ outputs.a }}, {{ outputs.b }}"), outputs={"a": FORGED, "b": ASKED})
    assert isinstance(page, Page)
    assert page.branches[0].prompt == f"say ⟦env:NEVER_ASKED⟧, {ASKED}"
    assert page.secrets == ["ASKED"]


def test_an_item_names_a_variable() -> None:
    task = Task(user_prompt="say {{ result }}", repeat_prompt=True)
    page = prepared(task, result=ToolResult(tool_name="t", text=json.dumps([FORGED])))
    assert isinstance(page, Page)
    assert (page.branches[0].item, page.branches[0].prompt) == ("⟦env:NEVER_ASKED⟧", "say ⟦env:NEVER_ASKED⟧")


def test_a_reference_of_two_outputs() -> None:
    page = prepared(Task(user_prompt="{{ outputs.a }}{{ outputs.b }}"), outputs={"a": "⟦env:ASK", "b": f"ED:{KEY}⟧"})
    assert isinstance(page, Page)
    assert page.branches[0].prompt == "⟦env:ASKED⟧"


ESCAPED = "\\u27e6env:ASKED:\\u006b1\\u27E7"


def test_a_reference_that_json_makes_one() -> None:
    hidden = hide(f'["{ESCAPED}"]', {"ASKED": "hunter2-long"}, KEY)
    assert reveal(json.loads(hidden), {"ASKED"}, ENVIRON, KEY) == ["⟦env:ASKED⟧"]
    task = Task(user_prompt="say {{ result }}", repeat_prompt=True)
    page = prepared(task, result=ToolResult(tool_name="t", text=f'["{ESCAPED}"]'))
    assert isinstance(page, Page)
    assert page.branches[0].prompt == "say ⟦env:ASKED⟧"


async def test_a_prompt_names_a_variable(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEVER_ASKED", "sk-of-the-worker")
    monkeypatch.setenv("ASKED", "hunter2-long")
    await bench.agent(f"say {FORGED} {ASKED}", secrets=["ASKED"])
    assert endpoint.requests[0].prompt == "say ⟦env:NEVER_ASKED⟧ hunter2-long"


async def test_the_key_of_the_model_is_not_for_prompts(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    await bench.agent(f"say ⟦env:AI_API_TOKEN:{KEY}⟧")
    assert endpoint.requests[0].prompt == "say ⟦env:AI_API_TOKEN⟧"


async def test_a_script_names_a_variable(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASKED", "hunter2-long")
    token: dict[str, Any] = {"TOKEN": "{{ env('ASKED') }}"}
    result = await bench.shell(f"echo '{ASKED}' $TOKEN", **token)
    assert result.value == f"⟦env:ASKED⟧ {ASKED}\n"
    documents = FileDocuments(tmp_path)
    bench.documents = StoredDocuments(documents)
    stored = (await bench.shell(f"for i in $(seq 100); do echo '{ASKED}'; done; echo $TOKEN", kept=10, **token)).stored
    assert stored
    assert (await documents.path(stored.key)).read_text() == "⟦env:ASKED⟧\n" * 100 + f"{ASKED}\n"


async def test_a_tool_names_a_variable(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKED", "hunter2-long")
    endpoint.rules = calls(Call(name="environ", arguments={"name": "BOX"}))
    result = await bench.agent(toolboxes=box(env={"BOX": f"{ASKED}"}), secrets=["ASKED"])
    assert (result.value, result.tool_results[0].text) == ("⟦env:ASKED⟧", "⟦env:ASKED⟧")


async def test_a_journal_names_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVER_ASKED", "sk-of-the-worker")
    lines = [{"by": "x"}, {"by": "x", "call": 0, "tool": "t", "arguments": {"to": FORGED}}]
    journal = Journal(HeartbeatJournal([*map(json.dumps, lines)]), "k", Secrets([], KEY))
    await journal.open()
    assert journal._calls[0].arguments == {"to": "⟦env:NEVER_ASKED⟧"}


QUOTING = {
    "over, not iterable": Task(user_prompt="x", over="outputs.a ~ 'x' * 300"),
    "the last result is no list": Task(user_prompt="x", repeat_prompt=True),
    "an attribute": Task(user_prompt="{{ outputs[outputs.a].x }}"),
    "a filter": Task(user_prompt="{{ outputs.a | int | nope(outputs.a) }}"),
    "a call": Task(user_prompt="{{ ''.join(1, outputs.a) }}"),
    "a division": Task(user_prompt="{{ outputs.a / 1 }}"),
    "a format": Task(user_prompt="{{ '%d' | format(outputs.a) }}"),
}


@pytest.mark.parametrize("task", QUOTING.values(), ids=QUOTING)
def test_an_error_quotes_neither_key_nor_secret(task: Task) -> None:
    failure = prepared(task, outputs={"a": f"see {ASKED}"}, result=ToolResult(tool_name="t", text=f"it is {ASKED}"))
    assert isinstance(failure, RenderFailure)
    assert "hunter2" not in failure.message
    assert KEY not in failure.message


async def test_an_error_of_a_script_shows_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKED", "hunter2-long")
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(f"echo '{ASKED}' $TOKEN; exit 1", TOKEN="{{ env('ASKED') }}")
    assert caught.value.message == "exit code 1: ⟦env:ASKED⟧ ⟦env:ASKED⟧"


async def test_an_error_of_a_scripts_variable_shows_no_secret(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is known that this run has asked for it."""
    monkeypatch.setenv("ASKED", "hunter2-long")
    with pytest.raises(ApplicationError) as caught:
        await bench.shell("true", TOKEN="{{ globals[env('ASKED')].x }}")
    assert "⟦env:ASKED⟧" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_what_people_read_has_no_key() -> None:
    assert mask("⟦env:A:0123456789ab⟧ ⟦env:B|base64url-2:0123456789ab⟧", {}) == "⟦env:A⟧ ⟦env:B⟧"
