"""What later templates read, as a value that they can read."""

import json
from typing import Any

import pytest
from pydantic import JsonValue

from grammar.documents.models import Personality, Task, Toolbox
from grammar.documents.rules import WantedValue
from grammar.dry_run.dry_run_bundle import wanted
from grammar.dry_run.inferred_types import InferredType, read_expression, read_template
from grammar.messages.run_bundle import Bundle

BOX = Toolbox.model_validate({"server_params": {"kind": "stdio", "command": "x"}})


def bundle(*tasks: dict[str, Any], **prompts: str) -> Bundle:
    made = [Task.model_validate({"agents": ["a"], "name": f"task-{n}"} | task) for n, task in enumerate(tasks)]
    people = {"a": Personality(toolboxes=("b",)), "alone": Personality()}
    return Bundle(name="n", source="s", tasks=made, personalities=people, toolboxes={"b": BOX}, prompts=prompts)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ result.name }} {{ result['file'] }}", {"name": "name", "file": "file"}),
        ("{{ result.functions[0].x }}", {"functions": [{"x": "x 1"}, {"x": "x 2"}]}),
        ("{% for f in result.rows %}{{ f.a }}{{ f.b.c }}{% endfor %}",
         {"rows": [{"a": "a 1", "b": {"c": "c 1"}}, {"a": "a 2", "b": {"c": "c 2"}}]}),
        ("{% set r = result.inner %}{{ r.x }}", {"inner": {"x": "x"}}),
        ("{% with r = result.inner %}{{ r.x }}{% endwith %}", {"inner": {"x": "x"}}),
        ("{% if result.ok %}{{ result.a }}{% else %}{{ result.b }}{% endif %}", {"ok": "ok", "a": "a", "b": "b"}),
        ("{{ result.tags | join(', ') }}", {"tags": ["tag 1", "tag 2"]}),
        ("{{ result.rows | map(attribute='id') | join }}", {"rows": [{"id": "id 1"}, {"id": "id 2"}]}),
        ("{{ result.rows | selectattr('bad') | list | length }}", {"rows": [{"bad": "bad 1"}, {"bad": "bad 2"}]}),
        ("{{ (result.rows | first).id }}", {"rows": [{"id": "id 1"}, {"id": "id 2"}]}),
        ("{{ result.get('x') }}", {"x": "x"}),
        ("{% for k, v in result.map.items() %}{{ k }}{{ v.x }}{% endfor %}", {"map": {"key": {"x": "x"}}}),
        ("{{ result.line + 1 }} {{ result.total / 2 }}", {"line": 1, "total": 1}),
        ("{{ result.kind == 'bug' and result.score > 5 }}", {"kind": "bug", "score": 6}),
        ("{{ result.text.upper() }}", {"text": "text"}),
        ("{{ other.x }} {{ result }}", "item"),
    ],
)  # fmt: skip
def test_a_template_reads(template: str, value: JsonValue) -> None:
    shape = InferredType()
    read_template(template, {"result": shape}, {})
    assert shape.read
    assert shape.value() == value


def test_what_a_loop_calls_result_is_not_the_item() -> None:
    shape = InferredType()
    read_template("{% for result in globals.all %}{{ result.x }}{% endfor %}", {"result": shape}, {})
    assert not shape.read


def test_an_included_prompt_reads_too() -> None:
    shape = InferredType()
    read_template("{% include 'p' %}", {"result": shape}, {"p": "{{ result.x }}{% include 'p' %}"})
    assert shape.value() == {"x": "x"}


def test_an_expression_hands_on_what_it_stands_for() -> None:
    shape = InferredType()
    read_expression("outputs.rows | sort(attribute='x')", {"outputs": InferredType(keys={"rows": shape})}).item().key(
        "name"
    )
    assert shape.value() == [{"name": "name 1"}, {"name": "name 2"}]


def test_the_next_task_repeats_over_the_last_result() -> None:
    found = wanted(bundle({"user_prompt": "x"}, {"repeat_prompt": True, "user_prompt": "{{ result.name }}"}))
    assert found == {0: WantedValue(value=[{"name": "name 1"}, {"name": "name 2"}])}


def test_two_tasks_repeat_over_two_results_of_one() -> None:
    each = {"repeat_prompt": True, "agents": ["alone"]}
    found = wanted(
        bundle({"user_prompt": "x"}, each | {"user_prompt": "{{ result.a }}"}, each | {"user_prompt": "{{ result.b }}"})
    )
    assert found[0] == WantedValue(value=[{"a": "a 1", "b": "b 1"}, {"a": "a 2", "b": "b 2"}], results=2)


def test_outputs_of_a_fan_out_are_entries() -> None:
    tasks = bundle(
        {"run": "seq 3"},
        {"id": "each", "repeat_prompt": True, "user_prompt": "x"},
        {"over": "outputs.each", "user_prompt": "{{ result.result.verdict }}"},
        {"user_prompt": "{% for one in outputs.each %}{{ one.result.why }}{% endfor %}"},
    )
    found = wanted(tasks)
    assert found[1] == WantedValue(value={"verdict": "verdict", "why": "why"})


def test_a_final_text_is_a_text_whatever_is_read_of_it() -> None:
    one = {"id": "x", "capture": "response", "user_prompt": "x"}
    assert wanted(bundle(one, {"user_prompt": "{{ outputs.x.y }}"})) == {}


def test_an_agent_without_tools_gives_nothing_as_in_a_run() -> None:
    assert (
        wanted(bundle({"id": "x", "agents": ["alone"], "user_prompt": "x"}, {"user_prompt": "{{ outputs.x }}"})) == {}
    )


def test_a_value_that_is_only_shown_is_a_text() -> None:
    assert wanted(bundle({"id": "x", "user_prompt": "x"}, {"user_prompt": "{{ outputs.x }}"})) == {
        0: WantedValue(value="dry run")
    }


def test_deep_reads_stay_small() -> None:
    shape = InferredType()
    read_template("{{ result" + "[0]" * 300 + " }}{{ result" + ".a" * 300 + " }}", {"result": shape}, {})
    assert len(json.dumps(shape.value())) < 100_000
    read_template("{{ result" + "[0]" * 2_000 + " }}", {"result": InferredType()}, {})
    assert read_expression("(" * 500 + "outputs" + ")" * 500, {"outputs": shape}).read in (True, False)
