"""Dry runs of single branches: rules, placeholders, scripts that are not run. No endpoint is there to be asked."""

from dataclasses import replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.agents.scripted_model import ConversationState, conversation_state
from activities.shell import ShellActivity
from grammar.documents.models import Personality
from grammar.documents.rules import BranchScript, NumberedRule, Rule, WantedValue
from grammar.messages.activity_requests import AgentSpec, ShellRequest, TemplateContext
from grammar.messages.activity_results import BranchResult
from tests.activities.boxes import box
from tests.activities.conftest import KEY, Bench


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_ENDPOINT", "http://127.0.0.1:9/nobody")
    monkeypatch.delenv("AI_API_TOKEN", raising=False)


def branch_script(*rules: dict[str, Any], wanted: WantedValue | None = None, first: bool = True) -> BranchScript:
    numbered = [NumberedRule(number=number, rule=Rule.model_validate(rule)) for number, rule in enumerate(rules)]
    return BranchScript(rules=numbered, wanted=wanted, first=first)


def entries(result: BranchResult) -> list[tuple[str, str]]:
    return [(entry.kind, entry.text) for entry in result.said]


async def test_nothing_is_read_so_the_text_says_dry_run(bench: Bench) -> None:
    result = await bench.agent("hello", rehearsal=branch_script())
    assert entries(result) == [("prompt", "hello"), ("message", "dry run")]
    assert (result.produced, result.value, result.tool_results) == (False, None, [])
    assert (result.usage.requests, result.usage.input_tokens, result.model) == (0, 0, "dry run")


async def test_what_is_read_later_comes_as_tool_results(bench: Bench) -> None:
    wanted = WantedValue(value=[{"name": "name 1"}], results=2)
    result = await bench.agent(rehearsal=branch_script(wanted=wanted))
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["dry_run", "dry_run"]
    assert (result.produced, result.value) == (True, [{"name": "name 1"}])


async def test_outputs_are_satisfied(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 7}}, "required": ["n"]}
    result = await bench.agent(outputs=schema, rehearsal=branch_script())
    assert (result.value, result.tool_results[0].tool_name) == ({"n": 7}, "dry_run")
    result = await bench.agent(outputs=schema, capture="response", rehearsal=branch_script())
    assert (result.value, result.tool_results) == ({"n": 7}, [])


async def test_outputs_that_nothing_satisfies(bench: Bench) -> None:
    with pytest.raises(ApplicationError, match="found no placeholder that satisfies `outputs`; write a rule") as caught:
        await bench.agent(outputs=False, rehearsal=branch_script())
    assert (caught.value.type, caught.value.non_retryable) == ("OutputsInvalid", True)


async def test_exclude_from_context_ends_after_the_placeholder(bench: Bench) -> None:
    wanted = WantedValue(value=[1])
    result = await bench.agent(exclude_from_context=True, rehearsal=branch_script(wanted=wanted))
    assert (result.value, [entry.kind for entry in result.said]) == ([1], ["prompt", "tool_call", "tool_output"])


async def test_rules_answer_turn_by_turn_with_a_real_tool(bench: Bench) -> None:
    call = {"when": {"turn": 1}, "tool_calls": [{"name": "lookup", "arguments": {"key": "b"}}]}
    result = await bench.agent(toolboxes=box(), rehearsal=branch_script(call, {"text": "found"}), capture="response")
    assert result.tool_results[0].tool_name == "lookup"
    assert result.tool_results[0].structured == {"key": "b", "items": [1, 2]}
    assert result.value == "found"


@pytest.mark.parametrize("name", ["notes.weigh", "notes_weigh", "box_notes_weigh"])
async def test_a_rule_calls_a_tool_by_any_of_its_names(bench: Bench, name: str) -> None:
    call = {"when": {"turn": 1}, "tool_calls": [{"name": name}]}
    result = await bench.agent(toolboxes=box("--more"), rehearsal=branch_script(call, {"text": "done"}))
    assert [given.tool_name for given in result.tool_results] == ["notes.weigh"]


async def test_a_name_that_several_toolboxes_have(bench: Bench) -> None:
    toolboxes = {**box(name="a.one"), **box(name="b.two")}
    with pytest.raises(ApplicationError, match="several toolboxes have lookup; write one of one_lookup, two_lookup"):
        await bench.agent(toolboxes=toolboxes, rehearsal=branch_script({"tool_calls": [{"name": "lookup"}]}))


async def test_a_rule_gives_a_tools_result_without_the_tool(bench: Bench) -> None:
    result = await bench.agent(rehearsal=branch_script({"result": [False, {"a": 1}]}))
    assert (result.value, [entry.kind for entry in result.said][-1]) == ([False, {"a": 1}], "message")
    result = await bench.agent(rehearsal=branch_script({"result": 0}), outputs={"type": "integer"})
    assert result.value == 0


async def test_a_value_that_does_not_fit_is_repaired(bench: Bench) -> None:
    result = await bench.agent(rehearsal=branch_script({"times": 1, "result": "x"}), outputs={"const": 7})
    assert result.value == 7


async def test_a_rule_by_prompt_and_a_limit(bench: Bench) -> None:
    rules = branch_script({"when": {"prompt": "^b"}, "text": "of b"}, {"times": 1, "text": "once"}, {"text": "rest"})
    answers = [(await bench.agent(prompt, rehearsal=rules, capture="response")).value for prompt in ("a", "b")]
    assert answers == ["once", "of b"]


@pytest.mark.parametrize(
    ("status", "kind", "final"),
    [
        (429, "RateLimited", False),
        (500, "ModelUnavailable", False),
        (400, "BadRequest", True),
        (401, "ModelAccess", True),
    ],
)
async def test_errors_fail_as_an_endpoints_do(bench: Bench, status: int, kind: str, final: bool) -> None:
    rule = {"when": {"attempt": 1}, "error": {"status": status, "message": "as told", "retry_after": 7}}
    with pytest.raises(ApplicationError, match="as told") as caught:
        await bench.agent(rehearsal=branch_script(rule))
    assert (caught.value.type, caught.value.non_retryable) == (kind, final)
    delay = caught.value.next_retry_delay
    assert (delay.total_seconds() if delay else None) == (7 if status == 429 else None)


async def test_a_tool_that_does_not_exist(bench: Bench) -> None:
    with pytest.raises(ApplicationError) as caught:
        await bench.agent(rehearsal=branch_script({"tool_calls": [{"name": "nothing"}]}))
    assert caught.value.type == "UnknownTool"


async def test_a_handoff_then_the_placeholder(bench: Bench) -> None:
    agents = [AgentSpec(name=name, personality=Personality(personality=name)) for name in ("one", "two")]
    call = {"when": {"turn": 1}, "tool_calls": [{"name": "transfer_to_two"}]}
    result = await bench.agent(agents=agents, rehearsal=branch_script(call, wanted=WantedValue(value=[1])))
    assert result.value == [1]
    assert ("handoff", "hands over to two") in entries(result)


async def test_only_the_first_branch_shows_its_whole_prompt(bench: Bench) -> None:
    long = "x" * 5_000
    assert entries(await bench.agent(long, rehearsal=branch_script()))[0] == ("prompt", long)
    assert entries(await bench.agent(long, rehearsal=branch_script(first=False)))[0] == ("prompt", "x" * 120 + "…")


async def shell(bench: Bench, rehearsal: BranchScript, script: str = "echo real", **fields: Any) -> BranchResult:
    request = ShellRequest(script=script, rehearsal=rehearsal, surroundings=TemplateContext(key=KEY), **fields)
    return await bench.env.run(ShellActivity(bench.renderer).run_shell, request)


async def test_a_script_is_not_run(bench: Bench) -> None:
    result = await shell(bench, branch_script())
    assert entries(result) == [("prompt", "echo real"), ("shell", "dry run")]
    assert (await shell(bench, branch_script(wanted=WantedValue(value=["item 1"])))).value == ["item 1"]
    assert (await shell(bench, branch_script(), outputs={"type": "integer"})).value == 1


async def test_a_rule_answers_for_a_script_or_runs_it(bench: Bench) -> None:
    assert (await shell(bench, branch_script({"stdout": "[1]"}))).value == [1]
    assert (await shell(bench, branch_script({"when": {"prompt": "real"}, "run": True}))).value == "real\n"
    with pytest.raises(ApplicationError, match="exit code 3: no network") as caught:
        await shell(bench, branch_script({"exit_code": 3, "stderr": "no network"}))
    assert caught.value.type == "ShellFailed"


async def test_times_are_counted_per_run(bench: Bench) -> None:
    rules = branch_script({"times": 1, "stdout": "once"}, {"stdout": "then"})
    script = ShellActivity(bench.renderer)
    request = ShellRequest(script="x", rehearsal=rules, surroundings=TemplateContext(key=KEY))
    assert [(await bench.env.run(script.run_shell, request)).value for _ in range(3)] == ["once", "then", "then"]
    other = ActivityEnvironment()
    other.info = replace(other.info, workflow_run_id="another")
    assert (await other.run(script.run_shell, request)).value == "once"


def test_where_a_conversation_stands() -> None:
    user = {"role": "user", "content": "hi"}
    call = {"type": "function_call", "name": "t", "call_id": "1"}
    result = {"type": "function_call_output", "call_id": "1"}
    assert conversation_state("hi") == ConversationState(prompt="hi", turn=1, has_result=False)
    assert conversation_state([user, call, call, result]) == ConversationState(prompt="hi", turn=2, has_result=True)
    assert conversation_state([user, call, result]).has_result
    repair = {"role": "user", "content": [{"type": "input_text", "text": "again"}]}
    assert conversation_state([user, call, result, repair]).prompt == "again"
    assert not conversation_state([user, call, result, repair]).has_result
    assert not conversation_state([user, call | {"name": "transfer_to_b"}, result]).has_result
