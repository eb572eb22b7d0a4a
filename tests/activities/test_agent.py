"""Agent runs against a scripted endpoint, with a real MCP server (specification sections 5 to 7)."""

from contextlib import suppress
from typing import Any

import psutil
import pytest

from grammar.documents.models import Personality
from grammar.messages.activity_requests import AgentSpec, ModelSpec
from grammar.messages.activity_results import Usage
from tests.activities.boxes import box, calls, failure, shared_box
from tests.activities.conftest import SERVER, Bench
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint


async def test_response(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    result = await bench.agent("hello", capture="response")
    assert (result.value, result.produced, result.model) == ("an answer", True, "gpt-4.1")
    assert (result.usage.requests, result.usage.input_tokens, result.usage.output_tokens) == (1, 10, 5)
    asked = endpoint.requests[0]
    assert (asked.prompt, asked.headers["authorization"]) == ("hello", "Bearer the-key-of-the-tests")
    assert asked.system.startswith("Be brief.\n\n# Important Guidelines")
    assert (asked.body["temperature"], asked.tools) == (0, [])


async def test_no_tool_result_no_value(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    result = await bench.agent()
    assert (result.value, result.produced) == (None, False)


async def test_tool_results_in_the_order_of_the_calls(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="slow", arguments={"seconds": 0.2}), Call(name="lookup", arguments={"key": "b"}))
    result = await bench.agent(toolboxes=shared_box())
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["slow", "lookup"]
    assert result.value == {"key": "b", "items": [1, 2]}
    assert [entry.kind for entry in result.said] == ["tool_call", "tool_call", "tool_output", "tool_output", "message"]
    first = endpoint.requests[0]
    assert (first.body["tool_choice"], first.body["parallel_tool_calls"]) == ("auto", False)


async def test_tool_error_is_an_ordinary_result(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="fail", arguments={"message": "as told"}))
    result = await bench.agent(toolboxes=shared_box())
    assert "as told" in str(result.value)
    assert "as told" in endpoint.requests[1].tool_result


async def test_blocked_tools_are_not_offered(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    await bench.agent(toolboxes=shared_box(), blocked_tools=["die", "fail"])
    assert sorted(endpoint.requests[0].tools) == ["count", "environ", "lookup", "slow"]


async def test_exclude_from_context_asks_the_model_once(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="lookup", arguments={"key": "a"}))
    result = await bench.agent(toolboxes=shared_box(), exclude_from_context=True)
    assert (result.value, len(endpoint.requests)) == ({"key": "a", "items": [1, 2]}, 1)


async def test_handoff(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(system="I am first"), tool_calls=[Call(name="transfer_to_second")]),
        Reply(when=Match(system="I am second"), text="from the second"),
    ]
    agents = [AgentSpec(name=n, personality=Personality(personality=f"I am {n}")) for n in ("first", "second")]
    result = await bench.agent(agents=agents, capture="response")
    assert result.value == "from the second"
    assert ("handoff", "first") in [(entry.kind, entry.who) for entry in result.said]


async def test_turn_limit(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(tool_calls=[Call(name="lookup", arguments={"key": "a"})])]
    error = await failure(bench, toolboxes=shared_box(), max_turns=2)
    assert (error.type, error.non_retryable, len(endpoint.requests)) == ("TurnLimit", True, 2)


async def test_unknown_tool(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="nothing_of_that_name"))
    error = await failure(bench, toolboxes=shared_box())
    assert (error.type, error.non_retryable) == ("UnknownTool", True)
    assert (len(endpoint.requests), error.details[0].usage) == (
        1,
        Usage(requests=1, input_tokens=10, output_tokens=5),
    )


@pytest.mark.parametrize(
    ("rule", "kind", "final"),
    [
        (Reply(status=400, message="no"), "BadRequest", True),
        (Reply(status=422, message="no"), "BadRequest", True),
        (Reply(status=400, message="long", code="context_length_exceeded"), "ContextTooLong", True),
        (Reply(status=401, message="no"), "ModelAccess", True),
        (Reply(status=403, message="no"), "ModelAccess", True),
        (Reply(status=404, message="no"), "ModelAccess", True),
        (Reply(status=500, message="no"), "ModelUnavailable", False),
        (Reply(status=503, message="no"), "ModelUnavailable", False),
        (Reply(drop="before"), "ModelUnavailable", False),
        (Reply(drop="middle", text="half of it"), "ModelUnavailable", False),
    ],
)
async def test_what_the_endpoint_does(
    bench: Bench, endpoint: ScriptedEndpoint, rule: Reply, kind: str, final: bool
) -> None:
    endpoint.rules = [rule]
    error = await failure(bench)
    assert (error.type, error.non_retryable) == (kind, final)
    assert "\n" not in error.message
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "7"}, 7), ({"retry-after-ms": "250"}, 0.25), ({}, None)]
)
async def test_a_rate_limit_ends_the_leg(
    bench: Bench, endpoint: ScriptedEndpoint, headers: dict[str, str], seconds: float | None
) -> None:
    endpoint.rules = [Reply(status=429, headers=headers, message="slow down, the-key-of-the-tests")]
    leg = (await bench.agent()).leg
    assert leg
    assert (leg.reason, leg.delay, leg.turns) == ("rate_limited", seconds, 0)
    assert leg.message == "429 slow down, ⟦env:AI_API_TOKEN⟧"


async def test_secrets(bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2-long")
    endpoint.rules = calls(Call(name="environ", arguments={"name": "BOX"}), then="I saw $PROMPT")
    toolboxes = box(env={"BOX": "{{ env('SECRET') }}"})
    result = await bench.agent("use ⟦env:SECRET:k1⟧", toolboxes=toolboxes, secrets=["SECRET"])
    assert endpoint.requests[0].prompt == "use hunter2-long"
    assert "hunter2-long" in endpoint.requests[1].tool_result
    assert result.value == "⟦env:SECRET:k1⟧"
    assert "hunter2-long" not in result.model_dump_json()
    endpoint.rules = [Reply(status=401, message="wrong key the-key-of-the-tests for hunter2-long")]
    error = await failure(bench, secrets=["SECRET"])
    assert error.message == "401 wrong key ⟦env:AI_API_TOKEN⟧ for ⟦env:SECRET⟧"


async def test_server_sees_no_key_and_is_ended(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="environ", arguments={"name": "AI_API_TOKEN"}))
    before = servers()
    assert (await bench.agent(toolboxes=box())).value == "(not set)"
    assert servers() <= before


def servers() -> set[int]:
    """The process ids of those that run; some are shared by several tests."""
    found = set()
    for child in psutil.Process().children(True):
        with suppress(psutil.Error):  # it has ended since
            if str(SERVER) in (words := child.cmdline()) and "template.py" not in " ".join(words):
                found.add(child.pid)
    return found


async def test_missing_variable_of_a_toolbox_is_dropped_with_a_warning(
    bench: Bench, endpoint: ScriptedEndpoint
) -> None:
    result = await bench.agent(toolboxes=box(env={"X": "{{ env('NOWHERE') }}"}))
    assert result.warnings == ["tests.box: env X left out: NOWHERE is not set on the worker"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"command": "no-such-program"}, "no-such-program"),
        ({"args": ("-c", "import sys; sys.exit('broken inside')")}, "broken inside"),
    ],
)
async def test_server_that_does_not_start(
    bench: Bench, endpoint: ScriptedEndpoint, fields: dict[str, Any], says: str
) -> None:
    error = await failure(bench, toolboxes=box(**fields))
    assert (error.type, error.non_retryable) == ("ToolboxFailed", False)
    assert error.message.startswith("toolbox tests.box did not start: ")
    assert says in error.message


async def test_no_key_goes_to_another_host(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    with ScriptedEndpoint([Reply(text="other")]) as other:
        await bench.agent(model=ModelSpec(name="m", endpoint=other.url))
        assert "authorization" not in other.requests[0].headers


async def test_one_client_per_endpoint_and_key(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    for _ in range(3):
        await bench.agent()
    assert len(bench.models._clients) == 1


async def test_responses_api(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    result = await bench.agent(model=ModelSpec(name="m", api_type="responses"), capture="response")
    assert (result.value, endpoint.requests[0].path) == ("an answer", "/v1/responses")
    assert "temperature" not in endpoint.requests[0].body


async def test_settings_that_the_sdk_does_not_know_go_through(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    await bench.agent(model=ModelSpec(name="m", settings={"temperature": 0.5, "seed": 7}))
    body = endpoint.requests[0].body
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 0.5, 7)


async def test_server_that_dies_in_a_call(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="die"))
    error = await failure(bench, toolboxes=box())
    assert (error.type, error.non_retryable) == ("ToolboxFailed", False)
    assert error.message.startswith("toolbox tests.box was lost: ")
    assert "dying as told" in error.message


async def test_arguments_that_do_not_fit_go_back_to_the_model(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="lookup", arguments={"wrong": 1}))
    await bench.agent(toolboxes=shared_box())
    assert "key" in endpoint.requests[1].tool_result
