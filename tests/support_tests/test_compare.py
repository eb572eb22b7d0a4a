"""The documents of `make compare`: they parse, belong together, and use every field of the existing grammar."""

from collections.abc import Iterator
from typing import Any

import yaml

from benchmarks.compare import engines
from benchmarks.compare.cases import FLOWS, cases, differences
from benchmarks.compare.sameness import EVERYWHERE
from grammar.documents.models import ModelConfig, Personality, Prompt, ServerParams, Task, Taskflow, Toolbox

NEW = {
    *("defaults", "lifetime", "preload", "outputs_retries", "retry", "on_failure", "prices", "sandbox"),
    *("fallback", "fallback_after"),
    *("start_to_close_timeout", "schedule_to_close_timeout", "heartbeat_timeout"),
    "budget",
    "item_budget",
    "on_budget",
    "confirm_over",
    "stop_after",
    "fallback",
    "fallback_after",
    "priority",
    "limits",
}


def documents() -> Iterator[Any]:
    yield from (yaml.safe_load(path.read_text()) for path in sorted(FLOWS.rglob("*.yaml")))
    yield yaml.safe_load(engines.over_http("sse", 1, engines.HEADERS))


def keys(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
        data = list(data.values())
    if isinstance(data, list):
        for each in data:
            yield from keys(each)


def test_each_flow_has_a_case_and_each_case_a_flow() -> None:
    assert sorted(case.flow for case in cases()) == sorted(path.stem for path in FLOWS.glob("*.yaml"))
    assert len(cases()) >= 40


def test_each_difference_names_a_flow_and_aspects_once() -> None:
    listed = [(difference.flow, aspect) for difference in differences().flows for aspect in difference.aspects]
    assert len(listed) == len(set(listed))
    assert {flow for flow, _ in listed} <= {case.flow for case in cases()}
    assert {difference.id for difference in differences().everywhere} == set(EVERYWHERE)


def test_the_flows_use_every_field_of_the_existing_grammar() -> None:
    used = {key for document in documents() for key in keys(document)}
    models = (Taskflow, Task, Personality, Toolbox, ServerParams, ModelConfig, Prompt)
    fields = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert fields - NEW - used == set()
