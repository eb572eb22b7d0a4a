"""Agent runs whose model changes on the way: what the leg says, and what the next model gets (docs/decisions/0027)."""

import json
from pathlib import Path
from typing import Any

import pytest
from agents import Model
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from openai.types.responses import ResponseReasoningItem
from openai.types.responses.response_reasoning_item import Summary

from activities.storage.journal_files import JournalFiles
from grammar.errors import ModelUnavailable
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import Leg
from grammar.messages.reports import ApprovalDecision
from tests.activities.boxes import failure, shared_box
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Reply, ScriptedEndpoint

MODELS: dict[str, Any] = {"models": ["strong", "weak"], "model": ModelSpec(name="strong")}
NEXT: dict[str, Any] = {"models": ["strong", "weak"], "model": ModelSpec(name="weak"), "model_number": 1}
QUOTA = Reply(status=429, code="insufficient_quota", message="no money left")
DOWN = Reply(status=503, message="down")


@pytest.mark.parametrize(("reply", "error"), [(QUOTA, "QuotaExhausted"), (DOWN, "ModelUnavailable")])
async def test_an_endpoint_that_fails_ends_the_leg_where_another_model_is_left(
    bench: Bench, endpoint: ScriptedEndpoint, reply: Reply, error: str
) -> None:
    endpoint.rules = [reply]
    leg = (await bench.agent(**MODELS)).leg
    assert leg
    assert (leg.reason, leg.error, leg.message) == ("unavailable", error, f"{reply.status} {reply.message}")
    for fields in (NEXT, {"model": ModelSpec(name="strong")}):
        assert (await failure(bench, **fields)).type == error


@pytest.mark.parametrize("reply", [Reply(status=401, message="no"), Reply(status=400, message="no")])
async def test_what_is_no_fault_of_the_endpoint_stays_a_failure(
    bench: Bench, endpoint: ScriptedEndpoint, reply: Reply
) -> None:
    endpoint.rules = [reply]
    assert (await failure(bench, **MODELS)).type in ("ModelAccess", "BadRequest")


class ScriptedModels:
    """Models that answer as they are told, in place of clients."""

    def __init__(self, **steps: list[Any]) -> None:
        self.models = {
            name: ScriptedModel(
                [ModelStep(output=given) if isinstance(given, list) else ModelStep.raise_error(given) for given in told]
            )
            for name, told in steps.items()
        }

    async def model(self, spec: ModelSpec) -> tuple[Model, str]:
        return self.models[spec.name or ""], f"{spec.name}-id"

    def queue(self, spec: ModelSpec, waits: object) -> None:
        """There is none."""

    def got(self, name: str) -> list[list[dict[str, Any]]]:
        """What the model was sent, request by request; an item by its type, role or both."""
        return [list(call.input) for call in self.models[name].calls]


def thought(text: str) -> ResponseReasoningItem:
    return ResponseReasoningItem(
        id=f"rs_{text}",
        type="reasoning",
        encrypted_content=f"sealed {text}",
        summary=[Summary(text=text, type="summary_text")],
    )


def lookup(key: str, number: int) -> Any:
    call = function_call("lookup", {"key": key}, call_id=f"call_{number}")
    return call.model_copy(update={"id": f"fc_{number}"})


def sealed(items: list[dict[str, Any]]) -> list[str]:
    """What of another provider's own is among the items."""
    text = json.dumps(items)
    return [word for word in ("sealed one", "sealed two", "fc_1", "fc_2") if word in text]


async def test_the_next_model_gets_what_was_said_and_nothing_sealed(bench: Bench, tmp_path: Path) -> None:
    bench.journals = JournalFiles(tmp_path)
    down = ModelUnavailable("down")
    bench.models = scripted = ScriptedModels(  # type: ignore[assignment]
        strong=[[thought("one"), lookup("a", 1)], down],
        weak=[[thought("two"), lookup("b", 2)], [assistant_message("done")]],
    )
    fields: dict[str, Any] = {"toolboxes": shared_box(), "capture": "response"}
    left = await bench.agent(**fields, **MODELS)
    assert left.leg
    assert left.leg.error == "ModelUnavailable"
    result = await bench.agent(**fields, **NEXT)
    assert (result.value, result.usage.requests, result.model) == ("done", 3, "weak-id")
    first, second = scripted.got("weak")
    assert [item.get("type") or item.get("role") for item in first] == ["user", "function_call", "function_call_output"]
    assert sealed(first) == []
    assert sealed(second) == ["sealed two", "fc_2"]
    told = [entry.text if entry.kind == "model" else entry.kind for entry in result.said]
    assert told == ["tool_call", "tool_output", "weak answers from here on", "tool_call", "tool_output", "message"]
    assert (await bench.agent(**fields, **NEXT)).said == result.said  # all of it from the journal
    assert [len(model.calls) for model in scripted.models.values()] == [2, 2]


async def test_the_same_after_an_approval(bench: Bench, tmp_path: Path) -> None:
    bench.journals = JournalFiles(tmp_path)
    bench.models = scripted = ScriptedModels(  # type: ignore[assignment]
        strong=[[thought("one"), lookup("a", 1)], ModelUnavailable("down")], weak=[[assistant_message("done")]]
    )
    fields: dict[str, Any] = {"toolboxes": shared_box(confirm=("lookup",))}
    leg = (await bench.agent(**fields, **MODELS)).leg
    assert leg
    leg = Leg.model_validate_json(leg.model_dump_json())
    fields |= {"leg": leg, "verdicts": [ApprovalDecision(id="call_1", approved=True)], "journal": "task-1-leg-2"}
    assert (await bench.agent(**fields, **MODELS)).leg
    result = await bench.agent(**fields, **NEXT)
    assert [tool_result.text for tool_result in result.tool_results]
    assert sealed(scripted.got("strong")[1]) == ["sealed one", "fc_1"]
    assert sealed(scripted.got("weak")[0]) == []
    assert [entry.text for entry in result.said if entry.kind == "model"] == ["weak answers from here on"]
