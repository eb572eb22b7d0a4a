"""What a task reads, against what is there by then (specification sections 3 to 5), as `--lint` and a run tell it."""

from pathlib import Path

import pytest

from grammar.errors import InvalidFlow
from grammar.loading.bundle import LoadOptions, lint_options, load
from grammar.loading.lint import lint
from tests.grammar.test_bundle import here
from tests.grammar.test_lint import LOOKED, errors, flow_of, found, warnings

__all__ = ["here"]

MAKES = "id: a, run: ls"
MAYBE = "id: a, if: globals.sure, run: ls"
SURE = "globals: {sure: true}\n"
NOTHING = (
    "nothing to repeat over: no earlier task can have produced a result that is still there; "
    "a `run` or a task with tools does, or write `over`"
)
TOOLS = "personality: x\ntoolboxes: [box]\n"


def asks(prompt: str, more: str = "") -> str:
    """A task with that prompt."""
    return f'agents: [who], user_prompt: "{prompt}"{more}'


# Outputs


@pytest.mark.parametrize(
    ("read", "says"),
    [
        ("outputs.b", "outputs.b is not defined: no earlier task has that `id`"),
        ("outputs['b']", "outputs.b is not defined: no earlier task has that `id`"),
        ("outputs.b.c[0].d | length", "outputs.b is not defined: no earlier task has that `id`"),
        ("outputs.later", "outputs.later is not defined: the task with that `id` comes later (task 3)"),
        ("outputs.mine", "outputs.mine is not defined: that is what this task itself gives"),
    ],
)
@pytest.mark.parametrize("field", ["user_prompt", "over"])
def test_a_value_that_is_not_there_yet(here: Path, read: str, says: str, field: str) -> None:
    task = asks(f"{{{{ {read} }}}}") if field == "user_prompt" else f'run: ls, over: "{read}"'
    flow = flow_of(MAKES, f"id: mine, {task}", "id: later, run: ls")
    assert errors(here, flow) == [f"flow.yaml:3: taskflow[1].task.{field}: {says}"]


def test_a_key_that_is_named_as_a_method_is_a_key_unless_it_is_called(here: Path) -> None:
    flow = flow_of(asks("{{ outputs.items }} {{ outputs.items() | list }}"), "id: items, run: ls")
    assert errors(here, flow) == [
        "flow.yaml:2: taskflow[0].task.user_prompt: outputs.items is not defined: "
        "the task with that `id` comes later (task 2)"
    ]


@pytest.mark.parametrize("task", [asks("{{ outputs.a }} {{ outputs['a'] }}"), "run: ls, over: outputs.a"])
def test_a_value_that_is_there(here: Path, task: str) -> None:
    assert warnings(here, flow_of(MAKES, task)) == []


@pytest.mark.parametrize("task", [asks("{{ outputs.a }}"), "run: ls, over: outputs.a"])
def test_a_value_of_a_task_that_may_be_skipped(here: Path, task: str) -> None:
    (told,) = warnings(here, flow_of(MAYBE, task, top=SURE))
    assert told.endswith(": outputs.a is not defined: the task with that `id` may be skipped, by its `if`")
    assert told.startswith("flow.yaml:4: taskflow[1].task.")


@pytest.mark.parametrize(
    "task",
    [
        asks("{{ outputs.a | default('none') }}"),
        asks("{% if outputs.a is defined %}{{ outputs.a.b }}{% endif %}"),
        asks("{{ outputs.a.b if outputs.a is defined }}"),
        asks("{{ outputs.get('a') }}"),
        asks("{{ outputs.a }}", ", if: outputs.a"),
        "run: ls, over: 'outputs.a | default([])'",
        "run: ls, over: outputs.a, if: outputs.a.b > 1",
    ],
)
def test_it_may_be_read_where_that_is_provided_for(here: Path, task: str) -> None:
    assert warnings(here, flow_of(MAYBE, task, top=SURE)) == []


@pytest.mark.parametrize("read", ["outputs.gone", "outputs.later"])
def test_a_condition_may_name_what_is_not_there_and_is_warned_of(here: Path, read: str) -> None:
    flow = flow_of(MAKES, f"run: ls, if: '{read} == 1'", "id: later, run: ls")
    (told,) = warnings(here, flow)
    assert told.startswith(f"flow.yaml:3: taskflow[1].task.if: {read} is not defined: ")
    assert told.endswith("; the task is skipped")


def test_what_a_task_reads_that_may_be_skipped_itself_is_a_warning(here: Path) -> None:
    flow = flow_of(MAKES, asks("{{ outputs.gone }}", ", if: outputs.a"))
    (told,) = warnings(here, flow)
    assert told.startswith("flow.yaml:3: taskflow[1].task.user_prompt: outputs.gone is not defined")


# Globals, inputs, other names


def test_a_global_that_nothing_defines_is_an_error_in_a_run_and_in_lint(here: Path) -> None:
    flow = flow_of(MAKES, asks("{{ globals.x }} {{ globals['y'] }}"), top="globals: {y: 1}\n")
    says = (
        "flow.yaml:4: taskflow[1].task.user_prompt: globals.x is not defined: "
        "add it under `globals`, or give -g x=VALUE"
    )
    assert errors(here, flow) == [says]
    with pytest.raises(InvalidFlow) as caught:
        load(LoadOptions("flow.yaml"))
    assert str(caught.value) == says
    assert load(LoadOptions("flow.yaml", {"x": "given"})).warnings == []
    assert [str(one) for one in load(lint_options(LoadOptions(""), "flow.yaml")).warnings] == [says]


def test_the_global_that_is_meant(here: Path) -> None:
    flow = flow_of(asks("{{ globals.tpoic }}"), top="globals: {topic: 1}\n")
    assert errors(here, flow) == [
        "flow.yaml:3: taskflow[0].task.user_prompt: globals.tpoic is not defined: did you mean globals.topic?"
    ]


def test_the_output_that_is_meant(here: Path) -> None:
    flow = flow_of("id: files, run: ls", asks("{{ outputs.file }}"))
    assert errors(here, flow) == [
        "flow.yaml:3: taskflow[1].task.user_prompt: outputs.file is not defined: did you mean outputs.files?"
    ]


def test_a_single_task_without_globals_may_get_them_from_the_one_that_uses_it(here: Path) -> None:
    says = "flow.yaml:2: taskflow[0].task.user_prompt: globals.x is not defined: "
    (told,) = warnings(here, flow_of(asks("{{ globals.x }}")))
    assert told.startswith(says)


@pytest.mark.parametrize(
    ("tasks", "given", "says"),
    [
        ((asks("{{ globals.a }}"),), "b", ["nothing reads globals.b"]),
        ((asks("{{ globals.topic }}"),), "tpoic", ["nothing reads globals.tpoic; did you mean topic?"]),
        ((asks("{{ globals.a }}"),), "a", []),
        ((asks("{{ globals.a }} {{ globals }}"),), "b", []),
        ((asks("{% if globals.b is defined %}x{% endif %}"),), "b", []),
        (("run: ls, if: globals.b", "run: ls, env: {X: '{{ globals.b }}'}"), "b", []),
        (("agents: [who], toolboxes: [box], user_prompt: x",), "b", []),
        (("user_prompt: '-p {{ globals.b }} hi'",), "b", []),
    ],
)
def test_a_global_of_the_command_line_that_nothing_reads(
    here: Path, tasks: tuple[str, ...], given: str, says: list[str]
) -> None:
    found(here, flow_of(*tasks), box="server_params: {kind: stdio, command: '{{ globals.b }}'}\n")
    loaded = load(lint_options(LoadOptions("", {given: "who"}), "flow.yaml"))
    assert [one.message for one in loaded.warnings if one.field == "-g"] == says


def test_inputs_are_those_of_the_task(here: Path) -> None:
    flow = flow_of(asks("{{ inputs.x }} {{ inputs.y }}", ", inputs: {x: 1}"), MAKES, asks("{{ inputs.x }}"))
    assert errors(here, flow) == [
        "flow.yaml:2: taskflow[0].task.user_prompt: inputs.y is not defined: add it under `inputs`",
        "flow.yaml:4: taskflow[2].task.user_prompt: inputs.x is not defined: add it under `inputs`",
    ]


def test_inputs_of_a_used_task_may_be_given_by_either(here: Path) -> None:
    files = {"lib/ask": flow_of(asks("{{ inputs.x }} {{ inputs.y }} {{ inputs.z }}", ", inputs: {x: 1, y: 2}"))}
    flow = flow_of(MAKES, "uses: lib.ask, inputs: {x: 1, z: 3}")
    assert errors(here, flow, **files) == [
        "lib/ask.yaml:2: taskflow[0].task.user_prompt: inputs.y is not defined: add it under `inputs`"
    ]


def test_names_that_no_template_has(here: Path) -> None:
    flow = flow_of(MAKES, asks("{{ global.x }} {{ item }} {% if nope %}{{ never }}{% endif %}"))
    findings = found(here, flow)
    told = "is not defined: a template reads globals, inputs, outputs, env() here"
    assert [one.message for one in findings.problems] == [f"{name} {told}" for name in ("global", "item", "nope")]
    assert [one.message for one in findings.warnings] == [f"never {told}"]


def test_env_reads_globals_and_the_environment_alone(here: Path) -> None:
    env = "env: {A: \"{{ globals.x }} {{ env('B') }}\", C: '{{ outputs.a }}', D: '{{ inputs.i }}', E: '{{ result }}'}"
    flow = flow_of(MAKES, f"run: ls, over: '[1]', inputs: {{i: 1}}, {env}", top="globals: {x: 1}\n")
    told = "is not defined: a template reads globals, env() here"
    assert errors(here, flow) == [
        f"flow.yaml:4: taskflow[1].task.env.C: outputs.a {told}",
        f"flow.yaml:4: taskflow[1].task.env.D: inputs.i {told}",
        f"flow.yaml:4: taskflow[1].task.env.E: result {told}",
    ]


def test_each_read_has_its_line(here: Path) -> None:
    flow = """taskflow:
  - task: {id: a, run: ls}
  - task:
      agents: [who]
      over: |
        outputs.a +
        outputs.b
      user_prompt: |
        {{ outputs.a }}

        {{ outputs.c }}
        {% for one in outputs.a %}
        {{ outputs.d }}
        {% endfor %}
"""
    findings = found(here, flow)
    assert [(one.line, one.message.split()[0]) for one in findings.problems] == [(7, "outputs.b"), (11, "outputs.c")]
    assert [(one.line, one.message.split()[0]) for one in findings.warnings] == [(13, "outputs.d")]


# Items


def test_an_item_outside_a_task_that_repeats(here: Path) -> None:
    assert errors(here, flow_of(MAKES, asks("{{ result }}"))) == [
        "flow.yaml:3: taskflow[1].task.user_prompt: result is not defined: "
        "only a task with `repeat_prompt` or `over` has an item"
    ]


@pytest.mark.parametrize("repeats", ["repeat_prompt: true", "over: outputs.a"])
def test_an_item_of_a_task_that_repeats(here: Path, repeats: str) -> None:
    assert warnings(here, flow_of(MAKES, asks("{{ result }} {{ result.x[1] }}", f", {repeats}"))) == []


REPEATS = asks("{{ result }}", ", repeat_prompt: true")


@pytest.mark.parametrize(
    "before",
    [
        [],
        ["agents: [who], user_prompt: x"],
        ["agents: [tools], toolboxes: [], user_prompt: x"],
        ["agents: [tools], models: [a, b], user_prompt: x"],
        ["run: ls", REPEATS],
    ],
)
def test_nothing_to_repeat_over(here: Path, before: list[str]) -> None:
    flow = flow_of(*before, REPEATS, "run: ls")
    number = len(before)
    assert errors(here, flow, tools=TOOLS) == [
        f"flow.yaml:{number + 2}: taskflow[{number}].task.repeat_prompt: {NOTHING}"
    ]


@pytest.mark.parametrize(
    "before",
    [
        ["run: ls"],
        ["run: ls", "agents: [who], user_prompt: x"],
        ["run: ls", "run: ls", REPEATS],
        ["agents: [tools], user_prompt: x", REPEATS],
        ["agents: [who], toolboxes: [box], user_prompt: x"],
        ["agents: [who, tools], user_prompt: x"],
        ["run: ls, over: '[1, 2]'", REPEATS, REPEATS],
        ["run: ls", asks("{{ result }}", ", repeat_prompt: true, if: globals.sure")],
    ],
)
def test_something_to_repeat_over(here: Path, before: list[str]) -> None:
    assert warnings(here, flow_of(*before, REPEATS, top=SURE), tools=TOOLS) == []


def test_over_needs_no_result(here: Path) -> None:
    assert warnings(here, flow_of(asks("{{ result }}", ", repeat_prompt: true, over: '[1]'"), MAKES)) == []


# Included prompts


def test_names_in_an_included_prompt_are_told_at_the_include(here: Path) -> None:
    flow = """globals: {g: 1}
taskflow:
  - task: {id: a, run: ls}
  - task:
      agents: [who]
      inputs: {i: 1}
      user_prompt: |
        Hi.
        {% include 'one' %}
        {% include 'one' %}
  - task: {agents: [who], over: outputs.a, inputs: {j: 1}, user_prompt: "{% include 'one' %}"}
"""
    files = {
        "one": "prompt: |\n  {{ globals.g }} {{ outputs.a }} {{ inputs.i }}\n  {% include 'two' %}\n",
        "two": "prompt: '{{ result }} {{ inputs.j }}'\n",
    }
    assert errors(here, flow, **files) == [
        "flow.yaml:9: taskflow[1].task.user_prompt: in the included two.yaml: inputs.j is not defined: "
        "add it under `inputs`",
        "flow.yaml:9: taskflow[1].task.user_prompt: in the included two.yaml: result is not defined: "
        "only a task with `repeat_prompt` or `over` has an item",
        "flow.yaml:11: taskflow[2].task.user_prompt: in the included one.yaml: inputs.i is not defined: "
        "add it under `inputs`",
    ]


def test_what_is_included_for_certain_counts_before_what_may_be(here: Path) -> None:
    prompt = "{% include 'one' %}{% if outputs.a %}{% include 'two' %}{% endif %}"
    files = {"one": "prompt: \"{% include 'two' %}\"\n", "two": "prompt: '{{ outputs.b }}'\n"}
    (told,) = errors(here, flow_of(MAKES, asks(prompt)), **files)
    assert "in the included two.yaml: outputs.b is not defined" in told
    (told,) = warnings(here, flow_of(MAKES, asks(prompt.replace("{% include 'one' %}", ""))), **files)
    assert "in the included two.yaml: outputs.b is not defined" in told


@pytest.mark.parametrize(
    "prompt",
    [
        "{% set x = 1 %}{% include 'reads_x' %}",
        "{% for x in outputs.a %}{% include 'reads_x' %}{% endfor %}",
        "{% with x = 1 %}{% include 'reads_x' %}{% endwith %}",
        "{% include 'sets_x' %}",
        "{% if x is defined %}{% include 'reads_x' %}{% endif %}",
    ],
)
def test_an_included_prompt_reads_what_is_set_around_it(here: Path, prompt: str) -> None:
    files = {"reads_x": "prompt: '{{ x }}'\n", "sets_x": "prompt: \"{% set x = 1 %}{% include 'reads_x' %}\"\n"}
    assert warnings(here, flow_of(MAKES, asks(prompt)), **files) == []


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("{% include 'gone' %}", f"no prompt 'gone' found {LOOKED}"),
        ("{% if result is defined %}{% include 'gone' %}{% endif %}", f"no prompt 'gone' found {LOOKED}"),
        ("{% include globals.name %}", "an include must name its prompt as plain text: "
         "a computed name cannot be found ahead"),
    ],
)  # fmt: skip
def test_an_include_that_cannot_be_resolved(here: Path, prompt: str, says: str) -> None:
    flow = f"globals: {{name: x}}\ntaskflow:\n  - task:\n      agents: [who]\n      user_prompt: |\n        {prompt}\n"
    assert errors(here, flow) == [f"flow.yaml:6: taskflow[0].task.user_prompt: {says}"]


@pytest.mark.parametrize("prompt", ["{% include 'gone' ignore missing %}", "{% include ['gone', 'words'] %}"])
def test_an_include_that_may_be_missing(here: Path, prompt: str) -> None:
    assert warnings(here, flow_of(MAKES, asks(prompt))) == []


# What is right, however tricky it looks


TRICKY = {
    "loops": """
        {% for one in globals.list %}{{ loop.index }} {{ one }} {% else %}none{% endfor %}
        {% for key, value in globals.map.items() %}{{ key }}{{ value.x }}{% endfor %}
        {% for one in globals.list recursive %}{{ loop(one) }}{% endfor %}
        {% for one in globals.list if one.ok %}{{ one }}{% endfor %}""",
    "own variables": """
        {% set x = 1 %}{{ x }}{% set y, z = globals.list %}{{ y }}{{ z }}
        {% set text %}block {{ result }}{% endset %}{{ text }}
        {% set ns = namespace(count=0) %}{% for one in range(3) %}{% set ns.count = ns.count + 1 %}{% endfor %}
        {{ ns.count }}{% with w = 2 %}{{ w }}{% endwith %}""",
    "macros": """
        {% macro cell(text, wide=false) %}{{ text }}{{ wide }}{{ caller() if caller }}{{ varargs }}{% endmacro %}
        {{ cell('x', wide=true) }}{% call cell('y') %}inner{% endcall %}""",
    "keys that are methods": """
        {{ outputs.a.items }} {{ outputs.a.keys }} {{ outputs.a.values[0] }} {{ result.get }} {{ globals.map.pop }}""",
    "methods of the maps themselves": """
        {{ globals.get('gone') }} {{ outputs.items() | list }} {{ inputs.keys() | list }} {{ globals['values']() }}""",
    "the maps as they are": """
        {{ globals | tojson }} {{ outputs | length }} {{ 'a' in outputs }} {{ globals['li' ~ 'st'] }}
        {% for id in outputs %}{{ outputs[id] }}{% endfor %}""",
    "filters with attributes": """
        {{ outputs.a | map(attribute='item') | join(', ') }} {{ outputs.a | selectattr('gone.x', 'eq', 1) | list }}
        {{ outputs.a | groupby('x') }} {{ outputs.a | sort(attribute='gone') | first }}
        {{ outputs.a | map('upper') | list }} {% filter upper %}{{ result }}{% endfilter %}""",
    "what is no template": """
        {% raw %}{{ gone.x }}{% endraw %} {# {{ gone }} #} {{ '{{ gone }}' }}""",
    "guards": """
        {{ globals.gone | default('d') }} {{ globals.none.x | d('d') }} {{ 1 if globals.off is defined else 2 }}
        {% if globals.maybe is undefined %}x{% else %}{{ globals.maybe }}{% endif %}
        {% if globals.some is defined and globals.some.x %}{{ globals.some.y }}{% endif %}
        {% if 'known' in globals %}{{ globals.known }}{% endif %}
        {% if 'unknown' not in outputs or 'x' in globals.list %}x{% else %}{{ outputs.unknown }}{% endif %}""",
    "functions of Jinja": """
        {{ range(3) | list }} {{ dict(a=1).a }} {{ cycler('a', 'b').next() }} {{ joiner(', ')() }}
        {{ env('GONE', 'd') }} {{ env('GONE', required=False) }}""",
}


@pytest.mark.parametrize("prompt", TRICKY.values(), ids=TRICKY)
def test_nothing_is_told_of_what_is_right(here: Path, prompt: str) -> None:
    flow = f"""globals: {{list: [[1, 2]], map: {{}}}}
taskflow:
  - task: {{id: a, run: ls}}
  - task:
      agents: [who]
      repeat_prompt: true
      inputs: {{x: 1}}
      user_prompt: |{prompt}
"""
    assert warnings(here, flow) == []
    assert load(LoadOptions("flow.yaml", strict=True)).warnings == []


def test_nothing_is_told_of_conditions_and_items_that_are_right(here: Path) -> None:
    flow = flow_of(
        "id: a, run: ls",
        "id: b, if: outputs.a and globals.sure, run: ls",
        "if: outputs.b is defined, run: ls, over: outputs.b.items",
        "if: inputs.x > 1, inputs: {x: 2}, run: ls, over: \"outputs.a | selectattr('result') | map(attribute='item')\"",
        "over: 'range(3) | list + globals.get(\"gone\", [])', run: ls",
        "over: '{\"a\": 1}', run: ls",
        top=SURE,
    )
    assert warnings(here, flow) == []


def test_a_name_that_a_branch_sets_may_be_there(tmp_path: Path) -> None:
    prompt = "{% if globals.a %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}x is {{ x }}"
    (tmp_path / "who.yaml").write_text("personality: x\n")
    flow = tmp_path / "flow.yaml"
    flow.write_text(f'globals: {{a: 1}}\ntaskflow:\n  - task: {{agents: [./who.yaml], user_prompt: "{prompt}"}}\n')
    told = lint(str(flow), LoadOptions(str(flow)))
    assert told.problems == ()
    assert {one.message.partition(":")[0] for one in told.warnings} == {"x is not defined"}
