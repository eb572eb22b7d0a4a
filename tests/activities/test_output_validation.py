"""`outputs`: the check, the repair, the constraint; for agents and for shell scripts (specification section 5)."""

import json
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tests.activities.boxes import calls, failure, shared_box
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
GOOD, BAD = '{"n": 1}', '{"n": "1"}'


async def test_a_response_that_fits(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text=GOOD)]
    result = await bench.agent(capture="response", outputs=SCHEMA)
    assert (result.value, len(endpoint.requests)) == ({"n": 1}, 1)


async def test_the_schema_constrains_generation(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text=GOOD)]
    await bench.agent(capture="response", outputs=SCHEMA)
    asked = endpoint.requests[0].body["response_format"]["json_schema"]
    assert (asked["schema"], asked["strict"]) == (SCHEMA, True)
    await bench.agent(capture="response", outputs={"type": "object", "properties": {"a": True}})
    assert endpoint.requests[1].body["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize(
    "fields", [{"outputs": {"type": "array"}}, {"outputs": SCHEMA, "capture": "tool_result"}, {"capture": "response"}]
)
async def test_what_cannot_be_constrained(bench: Bench, endpoint: ScriptedEndpoint, fields: dict[str, Any]) -> None:
    endpoint.rules = calls(Call(name="lookup", arguments={"key": "a"}), then="[]")
    schema = {"outputs": True} if fields.get("capture") == "tool_result" else {}
    await bench.agent(**{"capture": "response", "toolboxes": shared_box(), **fields, **schema})
    assert "response_format" not in endpoint.requests[0].body


async def test_an_endpoint_that_cannot_is_asked_without(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(times=1, status=400, message="response_format json_schema is not supported"),
        Reply(text=GOOD),
    ]
    result = await bench.agent(capture="response", outputs=SCHEMA)
    assert result.value == {"n": 1}
    assert ["response_format" in asked.body for asked in endpoint.requests] == [True, False]


@pytest.mark.parametrize("broken", [BAD, "no JSON", f"```json\n{GOOD}\n```", "null"])
async def test_the_agent_is_told_and_repairs(bench: Bench, endpoint: ScriptedEndpoint, broken: str) -> None:
    endpoint.rules = [Reply(when=Match(turn=0), text=broken), Reply(text=GOOD)]
    result = await bench.agent("go", capture="response", outputs=SCHEMA)
    assert result.value == {"n": 1}
    assert (result.usage.requests, result.usage.input_tokens) == (2, 20)
    messages = endpoint.requests[1].messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "does not fit" in endpoint.requests[1].prompt
    assert json.dumps(SCHEMA) in endpoint.requests[1].prompt


async def test_how_often_it_may_repair(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text=BAD)]
    for retries in (0, 1, 3):
        endpoint.requests.clear()
        error = await failure(bench, capture="response", outputs=SCHEMA, outputs_retries=retries)
        assert (error.type, error.non_retryable, len(endpoint.requests)) == ("OutputsInvalid", True, retries + 1)
        assert error.message == "the value does not fit `outputs`: n: '1' is not of type 'integer'"


async def test_a_tool_result_is_repaired_by_another_call(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    def lookup(key: str) -> list[Call]:
        return [Call(name="lookup", arguments={"key": key})]

    endpoint.rules = [
        Reply(when=Match(turn=0), tool_calls=lookup("bad")),
        Reply(when=Match(turn=2), tool_calls=lookup("good")),
        Reply(text="done"),
    ]
    schema = {"properties": {"key": {"const": "good"}}}
    result = await bench.agent(toolboxes=shared_box(), outputs=schema)
    assert result.value == {"key": "good", "items": [1, 2]}
    assert [tool_result.structured["key"] for tool_result in result.tool_results] == ["bad", "good"]  # type: ignore[index, call-overload]
    assert "Call the tool again" in endpoint.requests[2].prompt


async def test_nothing_produced_is_an_error(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    error = await failure(bench, outputs=True)
    assert (error.type, error.message) == (
        "OutputsInvalid",
        "the value does not fit `outputs`: nothing was produced: no tool gave a result",
    )
    assert len(endpoint.requests) == 2


async def test_exclude_from_context_stays_with_one_request(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="lookup", arguments={"key": "a"}))
    error = await failure(bench, toolboxes=shared_box(), exclude_from_context=True, outputs={"type": "string"})
    assert (error.type, len(endpoint.requests)) == ("OutputsInvalid", 1)


async def test_repairs_count_as_turns(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(turn=0), text=BAD),
        Reply(tool_calls=[Call(name="lookup", arguments={"key": "a"})]),
    ]
    error = await failure(
        bench, toolboxes=shared_box(), capture="response", outputs={"type": "integer"}, max_turns=3, outputs_retries=9
    )
    assert (error.type, len(endpoint.requests)) == ("TurnLimit", 3)


@pytest.mark.parametrize(("out", "fits"), [('{"n": 1}', True), ('{"n": true}', False), ("text", False), ("1.5", False)])
async def test_shell(bench: Bench, out: str, fits: bool) -> None:
    if fits:
        assert (await bench.shell(f"echo '{out}'", outputs=SCHEMA)).value == {"n": 1}
        return
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(f"echo '{out}'", outputs=SCHEMA)
    assert (caught.value.type, caught.value.non_retryable) == ("OutputsInvalid", True)


async def test_a_pattern_that_searches_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.renderer, "_timeout", 1.0)
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(f"echo '\"{'a' * 40}!\"'", outputs={"type": "string", "pattern": "^(a+)+$"})
    assert (caught.value.type, "takes too long" in caught.value.message) == ("OutputsInvalid", True)
