"""Rules of the specification on agents and shells that no other test here shows."""

import inspect
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients, settings
from activities.model_endpoint.client import connect
from activities.toolboxes.result_parts import text_of
from activities.toolboxes.server_process import ServerProcess, inherited_environment
from grammar.documents.models import Personality
from grammar.errors import BadRequest, ModelAccess, UserError
from grammar.messages.activity_requests import AgentSpec, ModelSpec, TemplateContext
from grammar.model_access import rate_limit
from grammar.model_access.endpoint import choose
from tests.activities.boxes import box, calls, failure, one_by_one, shared_box
from tests.activities.conftest import KEY, Bench
from tests.support.scripted_endpoint import Call, Reply, ScriptedEndpoint

LOOKUP = Call(name="lookup", arguments={"key": "a"})


# Model settings and endpoints (section 6)


@pytest.mark.parametrize(
    ("spec", "variable", "temperature"),
    [
        ({}, None, 0),
        ({}, "0.7", 0.7),
        ({"settings": {"temperature": 0.2}}, "0.7", 0.2),
        ({"api_type": "responses"}, None, None),
        ({"api_type": "responses"}, "0.7", None),
        ({"api_type": "responses", "settings": {"temperature": 0.2}}, None, 0.2),
    ],
)
def test_temperature(
    spec: dict[str, Any], variable: str | None, temperature: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv("MODEL_TEMP", variable)
    assert settings(ModelSpec(**spec), with_tools=False).temperature == temperature


@pytest.mark.parametrize("variable", ["warm", "nan", "1e999", "0,7"])
def test_a_temperature_that_is_none(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_TEMP", variable)
    with pytest.raises(BadRequest, match=f"MODEL_TEMP is '{variable}'; set it to a number"):
        settings(ModelSpec(), with_tools=False)


@pytest.mark.parametrize("url", ["http://localhost:999999/v1", "http://[::1", "http://localhost:port/v1"])
async def test_an_endpoint_that_is_no_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_ENDPOINT", url)
    with pytest.raises(UserError, match="the model's endpoint is no URL"):
        choose(ModelSpec(), os.environ)
    with pytest.raises(ModelAccess, match="the model's endpoint is no URL"):
        await ModelClients(LocalModel()).model(ModelSpec())


def test_settings_with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    without, with_tools = (settings(ModelSpec(), with_tools=given) for given in (False, True))
    assert (without.tool_choice, without.parallel_tool_calls) == (None, None)
    assert (with_tools.tool_choice, with_tools.parallel_tool_calls) == ("auto", False)
    monkeypatch.setenv("MODEL_PARALLEL_TOOL_CALLS", "0")
    assert settings(ModelSpec(), with_tools=True).parallel_tool_calls is True
    chosen = ModelSpec(settings={"tool_choice": "required", "parallel_tool_calls": False})
    made = settings(chosen, with_tools=True)
    assert (made.tool_choice, made.parallel_tool_calls) == ("required", False)


def test_only_copilot_gets_its_header() -> None:
    for environ, header in (({"COPILOT_TOKEN": "c"}, "vscode-chat"), ({"OPENAI_API_KEY": "o"}, None)):
        chosen = choose(ModelSpec(), environ)
        client = connect(chosen.url or "", chosen, "chat_completions")
        assert client.default_headers.get("Copilot-Integration-Id") == header
        assert str(client.base_url).rstrip("/") == chosen.url


async def test_a_model_with_an_endpoint_and_a_token_of_its_own(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN", "a-key-of-its-own")
    with ScriptedEndpoint([Reply(text="other")]) as other:
        await bench.agent(model=ModelSpec(name="m", endpoint=other.url, token="OWN"))
        assert other.requests[0].headers["authorization"] == "Bearer a-key-of-its-own"
    assert not endpoint.requests


async def test_a_token_that_is_not_set(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    error = await failure(bench, model=ModelSpec(token="OWN"))
    assert (error.type, endpoint.requests) == ("ModelAccess", [])


# What an agent is told, and what it may do (section 6)


@pytest.mark.parametrize("number", [1, 2])
async def test_system_prompt(bench: Bench, endpoint: ScriptedEndpoint, number: int) -> None:
    agents = [
        AgentSpec(name=f"a{n}", personality=Personality(personality=f"I am {n} {{{{ x }}}}.", task=f"Task {n}."))
        for n in range(number)
    ]
    toolboxes = {**shared_box(name="a.one"), **shared_box(name="b.two")}
    hints = {"a.one": "Hint one.", "b.two": "Hint two."}
    toolboxes = {name: toolbox.model_copy(update={"server_prompt": hints[name]}) for name, toolbox in toolboxes.items()}
    await bench.agent(agents=agents, toolboxes=toolboxes)
    system = endpoint.requests[0].system
    parts = ["I am 0 {{ x }}.", "# Important Guidelines", "Hint one.", "Hint two.", "# Primary Task", "Task 0."]
    positions = [system.index(part) for part in parts]
    assert positions == sorted(positions)
    assert ("transfer_to_a1" in endpoint.requests[0].tools) is (number > 1)
    assert (positions[0] > 0 and "handoff" in system[: positions[0]].lower()) is (number > 1)


async def test_the_first_agent_is_the_primary_one(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    agents = [AgentSpec(name=n, personality=Personality(personality=f"I am {n}")) for n in ("first", "second", "third")]
    await bench.agent(agents=agents)
    assert "I am first" in endpoint.requests[0].system
    assert endpoint.requests[0].tools == ["transfer_to_second", "transfer_to_third"]


async def test_the_embedded_model_answers_where_nothing_is_configured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedEndpoint([Reply(text="from the embedded one")]) as embedded:

        async def url() -> str:
            return embedded.url

        monkeypatch.setattr(bench.models._local, "url", url)
        result = await bench.agent(capture="response")
    assert (result.value, result.model) == ("from the embedded one", f"{bench.models._local.name} (embedded)")


# Values (section 5)


async def test_the_last_tool_result_counts_and_all_are_kept(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = one_by_one(LOOKUP, Call(name="slow", arguments={"seconds": 0}))
    result = await bench.agent(toolboxes=shared_box())
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["lookup", "slow"]
    assert (result.value, result.tool_results[0].structured) == ("done", {"key": "a", "items": [1, 2]})


async def test_the_response_counts_even_where_tools_were_called(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(LOOKUP, then='{"from": "text"}')
    assert (await bench.agent(toolboxes=shared_box(), capture="response")).value == {"from": "text"}


def test_several_text_parts_are_joined_by_newlines() -> None:
    assert text_of([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]) == "a\nb"


async def test_a_fault_of_a_call_does_not_end_the_run(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = one_by_one(Call(name="fail", arguments={"message": "as told"}), LOOKUP)
    result = await bench.agent(toolboxes=shared_box())
    assert "as told" in result.tool_results[0].text
    assert result.value == {"key": "a", "items": [1, 2]}


async def test_exclude_from_context_captures_all_of_the_round(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(LOOKUP, Call(name="slow", arguments={"seconds": 0}))
    result = await bench.agent(toolboxes=shared_box(), exclude_from_context=True)
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["lookup", "slow"]
    assert len(endpoint.requests) == 1


async def test_a_script_is_no_template(bench: Bench) -> None:
    assert (await bench.shell("echo '{{ globals.x }}'")).value == "{{ globals.x }}\n"


async def test_a_script_is_bash(bench: Bench) -> None:
    assert (await bench.shell("[[ a == a ]] && x=(1 2) && echo ${#x[@]}")).value == 2


# Environments (sections 3 and 6)


def test_a_server_process_gets_these_variables_and_no_other() -> None:
    ours = ["HOME", "PATH", "LOGNAME", "SHELL", "TERM", "USER"]
    proxies = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "NO", "ALL")]
    names = [*ours, *proxies, *map(str.lower, proxies)]
    process = dict.fromkeys([*names, "AI_API_TOKEN", "OPENAI_API_KEY", "EDITOR", "LANG"], "x")
    assert set(inherited_environment(process)) == set(names)


async def test_a_stdio_server_does_not_see_the_workers_environment(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNNAMED", "a value")
    endpoint.rules = calls(*(Call(name="environ", arguments={"name": name}) for name in ("UNNAMED", "OF_TASK", "HOME")))
    result = await bench.agent(toolboxes=shared_box(), env={"OF_TASK": "x"})
    assert [tool_result.text for tool_result in result.tool_results] == ["(not set)", "(not set)", os.environ["HOME"]]


async def test_env_of_the_task_reaches_its_toolboxes_and_nobody_else(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="environ", arguments={"name": "COLOUR"}))
    toolboxes = box(env={"COLOUR": "{{ env('HUE', 'none') }}"})
    context = TemplateContext(globals={"hue": "blue"}, env={"HUE": "{{ globals.hue }}!"}, key=KEY)
    assert (await bench.agent(toolboxes=toolboxes, surroundings=context)).value == "blue!"
    assert (await bench.agent(toolboxes=toolboxes)).value == "none"
    assert "HUE" not in os.environ


async def test_no_model_key_reaches_a_script(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    for name in names:
        monkeypatch.setenv(name, "a-key")
    assert (await bench.shell("echo " + "/".join(f"${name}" for name in names))).value == "///\n"


# Toolboxes (section 1)


async def test_command_and_arguments_are_templates(
    bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.rules = calls(LOOKUP)
    monkeypatch.setenv("PYTHON", sys.executable)
    (toolbox,) = box("--starts", "{{ globals.log }}").values()
    params = toolbox.server_params.model_copy(update={"command": "{{ env('PYTHON') }}"})
    context = TemplateContext(globals={"log": str(tmp_path / "log")}, key=KEY)
    toolboxes = {"tests.box": toolbox.model_copy(update={"server_params": params})}
    result = await bench.agent(toolboxes=toolboxes, surroundings=context)
    assert result.tool_results
    assert (tmp_path / "log").exists()


def test_a_server_has_30_seconds_to_accept_connections() -> None:
    assert inspect.signature(ServerProcess.start).parameters["seconds"].default == 30


BYTES = """
import sys
for line in sys.stdin.buffer:
    import json
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answers = {
        "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "x", "version": "1"}},
        "tools/list": {"tools": [{"name": "bytes", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "a@b"}]},
    }
    answer = answers.get(asked["method"])
    known = {"result": answer} if answer else {"error": {"code": -32601, "message": "no such method"}}
    told = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **known})
    sys.stdout.buffer.write(told.encode().replace(b"a@b", b"a\\xffb") + b"\\n")
    sys.stdout.buffer.flush()
"""


async def test_bytes_of_a_tool_that_are_not_utf8_are_replaced(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="bytes"))
    result = await bench.agent(toolboxes=box(args=("-c", BYTES)))
    assert result.value == "a�b"


async def test_bytes_of_a_tool_that_are_not_utf8_are_warned_of(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="bytes"))
    result = await bench.agent(toolboxes=box(args=("-c", BYTES)))
    assert any("UTF-8" in warning for warning in result.warnings)


# Failure (section 7)


def test_the_delay_after_429_where_the_server_asks_for_none() -> None:
    assert [rate_limit.delay(None, times) for times in range(1, 8)] == [5, 10, 20, 40, 80, 120, 120]
    assert rate_limit.delay(None, 10_000) == 120
    assert [rate_limit.delay(asked, 3) for asked in (300, -1, 1e300, math.inf)] == [300, 0, 86_400, 86_400]


async def test_the_tail_of_stderr(bench: Bench) -> None:
    with pytest.raises(ApplicationError) as caught:
        await bench.shell("seq 1 2000 >&2; exit 1")
    assert caught.value.message.endswith("1999\n2000")
    assert "\n1\n" not in caught.value.message
