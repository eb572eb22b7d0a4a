"""`--lint`: what is found in documents without a run, and what is not (specification sections 1 to 4)."""

from pathlib import Path
from typing import Any

import pytest

from grammar.loading.bundle import LoadOptions
from grammar.loading.lint import Findings, lint
from grammar.problems import Problem
from tests.grammar.test_bundle import here, write

__all__ = ["here"]

HEADER = "seclab-taskflow-agent: {version: 1, filetype: %s}\n"
LOOKED = "(looked in TASKFLOW_PATH, --path, here, beside the flow, and in installed packages)"
DOCUMENTS = {
    "who.yaml": "personality: Somebody\n",
    "box.yaml": "server_params: {kind: stdio, command: x}\n",
    "models.yaml": "models: {small: gpt-x, large: gpt-y}\n",
    "words.yaml": "prompt: Some words.\n",
    "lib/used.yaml": "taskflow:\n  - task: {run: ls}\n",
}
EVERY_REFERENCE = """model_config: {model_config}
taskflow:
  - task:
      agents:
        - who
        - {personality}
      toolboxes:
        - box
        - {toolbox}
      user_prompt: |
        one
        {{% include '{prompt}' %}}
  - task:
      uses: {taskflow}
"""
# Where each kind of reference stands in it.
PLACES = {
    "model_config": (1, "model_config"),
    "personality": (6, "taskflow[0].task.agents[1]"),
    "toolbox": (9, "taskflow[0].task.toolboxes[1]"),
    "prompt": (12, "taskflow[0].task.user_prompt"),
    "taskflow": (14, "taskflow[1].task.uses"),
}
RIGHT = {"model_config": "models", "personality": "who", "toolbox": "box", "prompt": "words", "taskflow": "lib.used"}


def found(here: Path, flow: str, /, document: str = "flow.yaml", strict: bool = False, **files: str) -> Findings:
    """What lint says of the flow, with these documents beside it."""
    for name, text in {**DOCUMENTS, **{f"{stem}.yaml": text for stem, text in files.items()}}.items():
        write(here, name, text)
    write(here, "flow.yaml", flow)
    return lint(document, LoadOptions("", strict=strict))


def errors(here: Path, flow: str, /, **more: Any) -> list[str]:
    """The problems, told; there is no warning."""
    findings = found(here, flow, **more)
    assert findings.warnings == ()
    return [str(one) for one in findings.problems]


def warnings(here: Path, flow: str, /, **more: Any) -> list[str]:
    """The warnings, told, in the order of the files; there is no problem."""
    findings = found(here, flow, **more)
    assert findings.problems == ()
    return [str(one) for one in sorted(findings.warnings)]


def flow_of(*tasks: str, top: str = "") -> str:
    """A flow with a line for each task, the first of them line 2 where there is no `top`."""
    return f"{top}taskflow:\n" + "".join(f"  - task: {{{task}}}\n" for task in tasks)


# References


def test_what_is_right_is_right(here: Path) -> None:
    assert found(here, EVERY_REFERENCE.format(**RIGHT), strict=True) == Findings()


@pytest.mark.parametrize("kind", PLACES)
def test_a_missing_document(here: Path, kind: str) -> None:
    line, field = PLACES[kind]
    flow = EVERY_REFERENCE.format(**RIGHT | {kind: "lib.gone"})
    assert errors(here, flow) == [f"flow.yaml:{line}: {field}: no {kind} 'lib.gone' found {LOOKED}"]


@pytest.mark.parametrize("kind", PLACES)
def test_a_document_of_another_kind_with_the_field_that_refers_to_it(here: Path, kind: str) -> None:
    line, field = PLACES[kind]
    other = "prompt" if kind != "prompt" else "toolbox"
    flow = EVERY_REFERENCE.format(**RIGHT | {kind: "wrong"})
    assert errors(here, flow, wrong=HEADER % other) == [
        f"wrong.yaml:1: seclab-taskflow-agent.filetype: is a {other}, but a {kind} is needed here "
        f"(referred to by flow.yaml:{line}: {field})"
    ]


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# a\na: [\n", "3: not YAML: did not find expected node content"),
        ("- a\n", "1: a document must be a map of fields"),
        ("a: 1\nb: 2\na: 3\n", "3: a: is written twice; keep one"),
        (
            "taskflow:\n  - task: {run: a}\n    task: {run: b}\n",
            "3: task: is written twice; write `- ` before each `task:`",
        ),
        ("\n\n" + HEADER.replace("1,", "3,"), "3: seclab-taskflow-agent.version: version 3 is not supported; use 1.0"),
    ],
)
def test_a_malformed_document_with_the_field_that_refers_to_it(here: Path, kind: str, text: str, says: str) -> None:
    line, field = PLACES[kind]
    flow = EVERY_REFERENCE.format(**RIGHT | {kind: "wrong"})
    text = text.replace("%s", kind)
    assert errors(here, flow, wrong=text) == [f"wrong.yaml:{says} (referred to by flow.yaml:{line}: {field})"]


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("model_config", "\nmodels: [a]\n", "2: models: must be a map, not a list"),
        ("personality", "personality: x\ntask: 5\n", "2: task: must be text, not a whole number"),
        ("toolbox", "server_params:\n  kind: pipe\n", "2: server_params.kind: must be 'stdio', 'sse' or 'streamable'"),
        ("prompt", "prompt:\n  a: b\n", "2: prompt: must be text, not a map"),
        ("prompt", "{}\n", "1: prompt: is required"),
    ],
)
def test_a_field_of_a_document_that_is_malformed(here: Path, kind: str, text: str, says: str) -> None:
    line, field = PLACES[kind]
    flow = EVERY_REFERENCE.format(**RIGHT | {kind: "wrong"})
    assert errors(here, flow, wrong=text) == [f"wrong.yaml:{says} (referred to by flow.yaml:{line}: {field})"]


def test_references_of_what_is_referred_to(here: Path) -> None:
    files = {
        "who": "personality: x\ntoolboxes:\n  - box\n  - gone\n",
        "words": "prompt: |\n  Words.\n\n  {% include 'lost' %}\n",
    }
    assert errors(here, EVERY_REFERENCE.format(**RIGHT), **files) == [
        f"who.yaml:4: toolboxes[1]: no toolbox 'gone' found {LOOKED}",
        f"words.yaml:4: prompt: no prompt 'lost' found {LOOKED}",
    ]


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("agents: who, user_prompt: x", "agents: must be a list, not text"),
        ("agents: [5], user_prompt: x", "agents[0]: must be text, not a whole number"),
        ("run: ls, toolboxes: {a: b}", "toolboxes: must be a list, not a map"),
        ("uses: [a]", "uses: must be text, not a list"),
        ("agents: ['{{ globals.who }}'], user_prompt: x", "agents[0]: no personality '{{ globals.who }}' found"),
        ("uses: lib.two", "uses: 'lib.two' has 2 tasks; only a taskflow with exactly one task can be used"),
        ("uses: flow", "uses: uses itself: flow.yaml uses flow.yaml"),
    ],
)
def test_a_reference_that_can_mean_no_document(here: Path, task: str, says: str) -> None:
    write(here, "lib/two.yaml", flow_of("run: a", "run: b"))
    (told,) = errors(here, flow_of(task))
    assert told.startswith(f"flow.yaml:2: taskflow[0].task.{says}")


def test_a_document_that_many_refer_to_is_told_of_once(here: Path) -> None:
    tasks = ("agents: [wrong], user_prompt: a", "agents: [who, wrong], user_prompt: b")
    assert errors(here, flow_of(*tasks), wrong="persona: [\n") == [
        "wrong.yaml:2: not YAML: did not find expected node content "
        "(referred to by flow.yaml:2: taskflow[0].task.agents[0])"
    ]


# All at once


def test_malformed_fields_hide_nothing_and_lead_to_nothing(here: Path) -> None:
    flow = """model_config: gone
taskflow:
  - task:
      id: first
      run: [x]
      asynk: true
  - run: ls
  - task: {agents: [lost], inputs: 7, user_prompt: "{{ inputs.x }} {{ result }} {{ outputs.first }} {{ nothing }}"}
  - task: {repeat_prompt: true, agents: [who], user_prompt: "{{ result }} {{ inputs.y }}"}
  - task: {run: ls, over: "[1"}
"""
    findings = found(here, flow)
    assert [str(one) for one in findings.problems] == [
        f"flow.yaml:1: model_config: no model_config 'gone' found {LOOKED}",
        "flow.yaml:5: taskflow[0].task.run: must be text, not a list",
        "flow.yaml:7: taskflow[1]: must be `- task:` with the task's fields below it",
        f"flow.yaml:8: taskflow[2].task.agents[0]: no personality 'lost' found {LOOKED}",
        "flow.yaml:8: taskflow[2].task.inputs: must be a map, not a whole number",
        "flow.yaml:8: taskflow[2].task.user_prompt: nothing is not defined: "
        "a template reads globals, inputs, outputs, result, env() here",
        "flow.yaml:9: taskflow[3].task.user_prompt: inputs.y is not defined: add it under `inputs`",
        "flow.yaml:10: taskflow[4].task.over: unexpected ')', expected ']'",
    ]
    assert [str(one) for one in findings.warnings] == [
        "flow.yaml:6: taskflow[0].task.asynk: unknown field, ignored; did you mean `async`?"
    ]


def test_what_is_wrong_with_the_flows_own_fields_hides_no_reference(here: Path) -> None:
    flow = "globals: 5\n" + flow_of("agents: [gone], user_prompt: '{{ globals.x }}'")
    assert errors(here, flow) == [
        "flow.yaml:1: globals: must be a map, not a whole number",
        f"flow.yaml:3: taskflow[0].task.agents[0]: no personality 'gone' found {LOOKED}",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1: a document must be a map of fields"),
        ("taskflow:\n", "1: taskflow: is required"),
        ("globals: {}\ntaskflow: []\n", "2: taskflow: must not be empty"),
        ("taskflow: 5\n", "1: taskflow: must be a list, not a whole number"),
        ("taskflow:\n  - task:\n", "2: taskflow[0]: must be `- task:` with the task's fields below it"),
        (HEADER % "poem", "1: seclab-taskflow-agent.filetype: 'poem' is not one of taskflow, personality, "
         "toolbox, model_config, prompt"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_flow(here: Path, text: str, says: str) -> None:
    assert errors(here, text) == [f"flow.yaml:{says}"]


def test_a_file_that_is_not_there(here: Path) -> None:
    (told,) = errors(here, "", document="gone.yaml")
    assert told == "gone.yaml: no such file; give a path to a .yaml file or a dotted name"
    (told,) = errors(here, "", document="lib.gone")
    assert told.startswith("lib.gone: no taskflow of that name (looked in TASKFLOW_PATH, --path, here)")


def test_a_file_of_nearly_that_name_is_meant(here: Path) -> None:
    for name in ("night.yaml", "h.yaml"):
        (here / name).write_text("")
    assert errors(here, "", document="nigth.yaml") == ["nigth.yaml: no such file; did you mean 'night.yaml'?"]
    (told,) = errors(here, "", document="other.yaml")
    assert "did you mean" not in told


# Unknown fields


UNKNOWN = """globls: {}
model_config: models
defaults: {asinc: true}
taskflow:
  - task:
      agents: [who]
      user_promt: x
      user_prompt: "{% include 'words' %}"
      retry: {maximum_attempt: 2}
      models: [{model: small, setings: {}}]
      zzz: 1
      toolboxes: [box]
    nme: x
"""


@pytest.mark.parametrize("strict", [False, True])
def test_unknown_fields_of_every_document(here: Path, strict: bool) -> None:
    files = {
        "who": "personality: x\ntoolbox: []\n",
        "box": "server_params:\n  kind: stdio\n  comand: y\n  command: x\nconfirms: []\n",
        "models": "model: {}\nmodels: {small: x}\n",
        "words": "prompt: x\nPrompt: y\n",
    }
    findings = found(here, UNKNOWN, strict=strict, **files)
    told, untold = (findings.problems, findings.warnings) if strict else (findings.warnings, findings.problems)
    unknown = "unknown field" if strict else "unknown field, ignored"
    assert untold == ()
    assert [str(one).replace(f": {unknown}", "") for one in sorted(told)] == [
        "box.yaml:3: server_params.comand; did you mean `command`?",
        "box.yaml:5: confirms; did you mean `confirm`?",
        "flow.yaml:1: globls; did you mean `globals`?",
        "flow.yaml:3: defaults.asinc; did you mean `async`?",
        "flow.yaml:7: taskflow[0].task.user_promt; did you mean `user_prompt`?",
        "flow.yaml:9: taskflow[0].task.retry.maximum_attempt; did you mean `maximum_attempts`?",
        "flow.yaml:10: taskflow[0].task.models[0].setings; did you mean `model_settings`?",
        "flow.yaml:11: taskflow[0].task.zzz",
        "flow.yaml:13: taskflow[0].nme",
        "models.yaml:1: model; did you mean `models`?",
        "who.yaml:2: toolbox; did you mean `toolboxes`?",
        "words.yaml:2: Prompt; did you mean `prompt`?",
    ]


# Model names


@pytest.mark.parametrize(
    ("task", "field", "said", "meant"),
    [
        ("model: smal", "model", "smal", "small"),
        ("models: [small, larg]", "models", "larg", "large"),
        ("models: [{model: Small}]", "models", "Small", "small"),
    ],
)
def test_a_misspelt_model_is_warned_of(here: Path, task: str, field: str, said: str, meant: str) -> None:
    assert warnings(here, flow_of(f"agents: [who], user_prompt: x, {task}", top="model_config: models\n")) == [
        f"flow.yaml:3: taskflow[0].task.{field}: {said!r} is not in the model config, so it is a provider's id; "
        f"did you mean {meant!r}?"
    ]


@pytest.mark.parametrize("task", ["model: large", "models: [small, gpt-x]", "model: vendor/other"])
def test_logical_names_and_providers_ids_are_right(here: Path, task: str) -> None:
    assert warnings(here, flow_of(f"agents: [who], user_prompt: x, {task}", top="model_config: models\n")) == []


# Templates and schemas


def test_the_syntax_of_every_template_of_a_task(here: Path) -> None:
    flow = """taskflow:
  - task:
      if: globals.x ==
      over: |
        [1,
         2
      agents: [who]
      user_prompt: |
        one
        two {{ result
      env:
        A: "{{ globals.a }"
        B: |
          {% if globals.a %}
          {% endif %}
          {{ 1 | reversed }}
"""
    findings = found(here, flow)
    assert [(one.line, one.field) for one in findings.problems] == [
        (3, "taskflow[0].task.if"),
        (6, "taskflow[0].task.over"),
        (10, "taskflow[0].task.user_prompt"),
        (12, "taskflow[0].task.env.A"),
        (16, "taskflow[0].task.env.B"),
    ]
    assert findings.problems[-1].message == "No filter named 'reversed'."
    assert findings.warnings == ()


def test_the_syntax_of_every_template_of_a_toolbox(here: Path) -> None:
    box = """server_params:
  kind: streamable
  command: "{{ env('A' }}"
  args:
    - fine
    - "{% for %}"
  url: "http://{{"
  env:
    A: "{{ 1 is even_odd }}"
  headers:
    H: "{% endif %}"
  optional_headers:
    O: "{{ globals. }}"
"""
    findings = found(here, flow_of("agents: [who], toolboxes: [box], user_prompt: x"), box=box)
    assert [(one.file, one.line, one.field) for one in findings.problems] == [
        ("box.yaml", 3, "server_params.command"),
        ("box.yaml", 6, "server_params.args[1]"),
        ("box.yaml", 7, "server_params.url"),
        ("box.yaml", 9, "server_params.env.A"),
        ("box.yaml", 11, "server_params.headers.H"),
        ("box.yaml", 13, "server_params.optional_headers.O"),
    ]
    assert findings.warnings == ()


def test_a_toolbox_reads_globals_and_the_environment_alone(here: Path) -> None:
    box = (
        "server_params: {kind: stdio, command: x, args: ['{{ globals.a }}', '{{ inputs.b }}', \"{{ env('HOME') }}\"]}\n"
    )
    assert errors(here, flow_of("agents: [who], toolboxes: [box], user_prompt: x"), box=box) == [
        "box.yaml:1: server_params.args[1]: inputs.b is not defined: a template reads globals, env() here"
    ]


def test_an_included_prompt_that_cannot_be_compiled_is_told_of_in_its_own_file(here: Path) -> None:
    tasks = ["agents: [who], user_prompt: \"{% include 'words' %}\""] * 2
    assert errors(here, flow_of(*tasks), words="prompt: |\n  a\n  {{ b c }}\n") == [
        "words.yaml:3: prompt: expected token 'end of print statement', got 'c'"
    ]


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ("|\n        a\n\n        {{ x.y", 6),
        ("|-\n        {{ x.y", 4),
        ("x {{ x.y", 3),
        ('"a\\n\\n{{ x.y"', 3),
        ("'a\n\n        {{ x.y'", 3),
        (">\n        a\n\n        {{ x.y", 4),
    ],
)
def test_lines_of_a_text_are_those_of_the_file(here: Path, prompt: str, line: int) -> None:
    """Where YAML breaks lines anew, it is the line on which the text starts."""
    (told,) = errors(here, f"taskflow:\n  - task:\n      user_prompt: {prompt}\n      agents: [who]\n")
    assert told.startswith(f"flow.yaml:{line}: taskflow[0].task.user_prompt: ")


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("{type: objekt}", "type: 'objekt' is not valid under any of the given schemas"),
        ("{properties: {a: {minimum: x}}}", "properties.a.minimum: 'x' is not of type 'number'"),
        ("{$ref: '#/$defs/gone'}", "$ref '#/$defs/gone' is not in the schema; it must be complete in itself"),
    ],
)
def test_a_schema_that_is_none(here: Path, schema: str, says: str) -> None:
    (told,) = errors(here, f"taskflow:\n  - task:\n      run: ls\n      outputs:\n        {schema}\n")
    assert told == f"flow.yaml:5: taskflow[0].task.outputs: not a JSON Schema: {says}"


# Other documents than flows


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("personality", "toolboxes: [gone]\n", f"2: toolboxes[0]: no toolbox 'gone' found {LOOKED}"),
        ("toolbox", "server_params: {kind: sse}\n", "2: server_params: a sse server needs a `url`"),
        ("model_config", "models: {}\nmodel_settings: {a: {}}\n",
         "1: model_settings for a, which `models` does not name"),
        ("prompt", "prompt: |\n  a\n  {% include 'gone' %}\n", f"4: prompt: no prompt 'gone' found {LOOKED}"),
    ],
)  # fmt: skip
def test_a_document_of_any_kind_with_a_header(here: Path, kind: str, text: str, told: str) -> None:
    write(here, "part.yaml", HEADER % kind + text)
    assert [str(one) for one in lint("part.yaml", LoadOptions("")).problems] == [f"part.yaml:{told}"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("personality", DOCUMENTS["who.yaml"]),
        ("toolbox", DOCUMENTS["box.yaml"]),
        ("model_config", DOCUMENTS["models.yaml"]),
        ("prompt", "prompt: '{{ globals.whatever }} {{ result }}'\n"),
        ("taskflow", flow_of("run: ls")),
    ],
)
def test_documents_that_are_right(here: Path, kind: str, text: str) -> None:
    write(here, "part.yaml", HEADER % kind + text)
    assert lint("part.yaml", LoadOptions("", strict=True)) == Findings()


def test_a_task_that_others_use_may_leave_open_what_they_give(here: Path) -> None:
    flow = flow_of("user_prompt: '{{ inputs.x }} {{ result }} {{ globals.y }}'")
    findings = found(here, flow)
    assert findings.problems == ()
    assert [one.message.partition(":")[0] for one in findings.warnings] == [
        "no agent", "inputs.x is not defined", "result is not defined", "globals.y is not defined",
    ]  # fmt: skip


# Variables


def test_variables_that_are_needed(here: Path) -> None:
    box = """server_params:
  kind: stdio
  command: x
  args: ["{{ env('ARG') }}"]
  env: {A: "{{ env('LEFT_OUT') }}"}
"""
    flow = """taskflow:
  - task:
      agents: [who]
      toolboxes: [box]
      env:
        GIVEN: "{{ env('FROM') }}"
      user_prompt: |
        {{ env('GIVEN') }}
        {{ env('NEEDED') }} {{ env('D', 'default') }} {{ env('O', required=False) }}
"""
    findings = found(here, flow, box=box)
    assert findings.problems == findings.warnings == ()
    assert [(need.variable, need.where.file, need.where.line) for need in findings.needs] == [
        ("ARG", "box.yaml", 4),
        ("NEEDED", "flow.yaml", 9),
        ("FROM", "flow.yaml", 6),
    ]


def test_findings_of_several_documents_are_told_once() -> None:
    one, other = (Problem("a", 1, "f", "m", referrer) for referrer in ("x", "y"))
    both = Findings((one,), (one,)).plus(Findings((other,), (other,)))
    assert both == Findings((one,), (one,))
    assert str(both.problems[0]) == "a:1: f: m (referred to by x)"


# What people write out of habit


BRACES = "an expression is needed, not a template: write what stands between {{ and }}, such as `globals.x`"


@pytest.mark.parametrize("field", ["if", "over"])
def test_an_expression_in_braces_is_its_inside(here: Path, field: str) -> None:
    top = "globals: {x: [1], y: [2]}\n"
    assert warnings(here, flow_of(f"run: ls, {field}: ' {{{{ globals.x }}}}'", top=top)) == []
    told = f"flow.yaml:3: taskflow[0].task.{field}: "
    for written in ("{{ globals.x }} {{ globals.y }}", "{% if globals.x %}a{% endif %}", "{{ globals.x", "a {{ b }}"):
        assert errors(here, flow_of(f"run: ls, {field}: '{written}'", top=top)) == [told + BRACES]
    (found,) = found_in(here, flow_of(f"run: ls, {field}: '{{{{ globals.gone }}}}'", top=top))
    assert found.startswith(told + "globals.gone is not defined")


def found_in(here: Path, flow: str) -> list[str]:
    """Problems and warnings, told."""
    findings = found(here, flow)
    return [str(one) for one in (*findings.problems, *findings.warnings)]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("timeout: 5m", "here it is `start_to_close_timeout`"),
        ("for_each: outputs.x", "here it is `over`, an expression that gives the items"),
        ("forEach: outputs.x", "here it is `over`, an expression that gives the items"),
        ("prompt: hi", "here it is `user_prompt`"),
        ("system: You are", "the system prompt is a personality, a document of its own that `agents` names"),
        ("tools: [box]", "here it is `toolboxes`"),
        ("depends_on: [a]", "tasks run one after the other, as they stand in the file, and read what earlier ones gave "
         "by `outputs.<id>`"),
        ("when: globals.x", "here it is `if`"),
        ("retries: 3", "here it is `retry`, with `maximum_attempts`"),
        ("parallel: true", "here it is `async: true`, with `async_limit`"),
        ("max-turns: 3", "here it is `max_steps`"),
        ("temperature: 0", "here it is `model_settings`"),
        ("continue_on_error: true", "a task may fail, and the run goes on, unless it has `must_complete: true`"),
        ("retry: {max_attempts: 3}", "here it is `maximum_attempts`"),
    ],
)  # fmt: skip
def test_what_a_field_is_called_here(here: Path, written: str, says: str) -> None:
    (told,) = warnings(here, flow_of(f"run: ls, {written}"))
    assert told.endswith(f": unknown field, ignored; {says}")


@pytest.mark.parametrize(
    ("document", "text", "says"),
    [
        ("who", "system: You are\n", "who.yaml:1: system: unknown field, ignored; here it is `personality`"),
        ("who", "tools: [box]\n", "who.yaml:1: tools: unknown field, ignored; here it is `toolboxes`"),
        ("box", "server_params: {kind: stdio, command: x, type: y}\n",
         "box.yaml:1: server_params.type: unknown field, ignored; here it is `kind`"),
        ("models", "models: {}\nbase_url: x\n",
         "models.yaml:2: base_url: unknown field, ignored; here it is `endpoint`, in `model_settings`"),
    ],
)  # fmt: skip
def test_what_fields_of_other_documents_are_called(here: Path, document: str, text: str, says: str) -> None:
    flow = flow_of("agents: [who], toolboxes: [box], user_prompt: x", top="model_config: models\n")
    assert warnings(here, flow, **{document: text}) == [says]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tasks:\n  - task: {run: ls}\n", "here it is `taskflow`, a list of `- task:`"),
        ("taskflow:\n  - task: {run: ls}\nvars: {x: 1}\n", "here it is `globals`"),
        (
            "taskflow:\n  - task: {run: ls}\nasync_limit: 3\n",
            "a field of tasks: write it in a task, or for all of them in `defaults`",
        ),
        ("taskflow:\n  - task: {run: ls}\nname: mine\n", "a flow is called by the name of its file"),
        ("taskflow:\n  - task: {run: ls}\n    description: x\n", "a field of the task: indent it below `task:`"),
        ("taskflow:\n  - task:\n    run: ls\n", "the task's fields must be indented: further in than `task:`"),
        ("taskflow:\n  task:\n    run: ls\n", "must be a list: write `- ` before each `task:`"),
    ],
)
def test_what_stands_in_the_wrong_place(here: Path, text: str, says: str) -> None:
    assert any(told.endswith(says) for told in found_in(here, text))


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("run: 'echo {{ globals.x }}'", "run: `run` is not a template: bash gets {{ globals.x }} as it stands; "
         'write `env: {X: "{{ globals.x }}"}`, and "$X" in the script'),
        ("run: 'echo {{ env(\"HOME\") }}'", 'run: `run` is not a template: bash gets {{ env("HOME") }} as it stands; '
         'write `env: {X: "{{ env("HOME") }}"}`, and "$X" in the script'),
        ("run: 'echo {{result}}', over: '[1]'", "run: `run` is not a template: bash gets {{result}} as it stands; "
         "a script reads no values of tasks: have an agent do it, or keep them in a file"),
        ("run: ls, inputs: {a: [1, '{{ globals.x }}']}",
         "inputs.a: not a template: {{ globals.x }} stays as it stands; write it in the prompt instead"),
        ("agents: [who], user_prompt: hi, model: '{{ globals.x }}'",
         "model: not a template: {{ globals.x }} stays as it stands; write a name of the model config"),
    ],
)  # fmt: skip
def test_a_template_where_nothing_is_rendered(here: Path, task: str, says: str) -> None:
    assert warnings(here, flow_of(task, top="globals: {x: 1}\n")) == [f"flow.yaml:3: taskflow[0].task.{says}"]


@pytest.mark.parametrize("task", ["run: docker ps --format '{{ .Names }}'", "run: echo '{{ other.x }}' ${globals}"])
def test_braces_of_other_programs(here: Path, task: str) -> None:
    assert warnings(here, f"taskflow:\n  - task:\n      {task}\n") == []


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("whoo", "who"), ("lib.usde", "lib.used"), ("libb.used", "lib.used"), ("./wh.yaml", "./who.yaml"),
        ("assistant", "taskflows.personalities.assistant"),
        ("taskflows.personalities.assitant", "taskflows.personalities.assistant"),
        ("taskflows.personality.assistant", "taskflows.personalities.assistant"),
        ("seclab_taskflow_agent.personalities.assistent", "taskflows.personalities.assistant"),
    ],
)  # fmt: skip
def test_a_near_miss_of_a_reference(here: Path, reference: str, meant: str) -> None:
    (told,) = errors(here, flow_of(f"agents: [{reference}], user_prompt: x"))
    assert told.startswith(f"flow.yaml:2: taskflow[0].task.agents[0]: no personality {reference!r} found (looked ")
    assert told.endswith(f"); did you mean {meant!r}?")


@pytest.mark.parametrize(
    ("reference", "package"),
    [
        ("seclab_taskflow_agent.personalities.c_auditer", "seclab-taskflow-agent"),
        ("seclab_taskflow_agent.toolboxes.codeql", "seclab-taskflow-agent"),
        ("seclab_taskflow_agent.toolboxes.github_official", "seclab-taskflow-agent"),
        ("seclab_taskflows.personalities.auditor", "seclab-taskflows"),
    ],
)
def test_a_document_that_is_published_elsewhere(here: Path, reference: str, package: str) -> None:
    agents, toolboxes = ("who", reference) if "toolboxes" in reference else (reference, "")
    (told,) = errors(here, flow_of(f"agents: [{agents}], toolboxes: [{toolboxes}], user_prompt: x"))
    assert told.endswith(f"it is in the package {package}: install that elsewhere, and add its folder to TASKFLOW_PATH")


def test_where_a_path_was_looked_for(here: Path) -> None:
    (told,) = errors(here, flow_of("agents: [../people/nobody.yaml], user_prompt: x"))
    assert told.endswith("found (looked for ../people/nobody.yaml)")
    (told,) = errors(here, flow_of("agents: [people/nobody.yaml], user_prompt: x"))
    assert told.endswith("found (looked for people/nobody.yaml)")


@pytest.mark.parametrize(("flow", "meant"), [("flwo.yaml", "flow.yaml"), ("lib.uesd", "lib.used")])
def test_a_near_miss_of_a_flow(here: Path, flow: str, meant: str) -> None:
    (told,) = errors(here, flow_of("run: ls"), document=flow)
    assert told.startswith(f"{flow}: no ")
    assert told.endswith(f"; did you mean {meant!r}?")


ITSELF = "would go on in its own place: name each model once"


@pytest.mark.parametrize(
    ("task", "models", "says"),
    [
        ("model: small, fallback: large", {}, "fallback: must be a list, not text"),
        ("model: small, fallback: [large, small]", {}, f"fallback: 'small' {ITSELF}"),
        ("model: small, fallback: [large, large]", {}, f"fallback: 'large' {ITSELF}"),
        ("model: small", {"fallback": "[small]"}, f"model: 'small' {ITSELF}"),
        ("model: small, fallback_after: soon", {}, "fallback_after: write a duration"),
        ("model: small, model_settings: {fallback: 1}", {}, "model_settings: fallback: must be a list"),
        ("model: small", {"fallback": "large"}, "model_settings.small: fallback: must be a list"),
        ("model: small", {"fallback": "[large]", "fallback_after": "-1"}, "model_settings.small: fallback_after: "),
        (
            "model: small, fallback: [other]",
            {"other": "{backend: copilot_sdk}"},
            "model 'other': backend 'copilot_sdk'",
        ),
        ("models: [small], fallback: [other]", {"other": "{backend: copilot_sdk}"}, "fallback: model 'other': backend"),
    ],
)
def test_wrong_fallbacks(here: Path, task: str, models: dict[str, str], says: str) -> None:
    other = models.pop("other", "{}")
    settings = ", ".join(f"{name}: {value}" for name, value in models.items())
    config = (
        f"models: {{small: gpt-x, large: gpt-y, other: z}}\nmodel_settings: {{small: {{{settings}}}, other: {other}}}\n"
    )
    flow = f"model_config: models\ntaskflow:\n  - task: {{agents: [who], user_prompt: x, {task}}}\n"
    told = errors(here, flow, models=config)
    assert len(told) == 1
    assert says in told[0]


def test_a_misspelt_fallback_is_warned_of(here: Path) -> None:
    flow = (
        "model_config: models\ntaskflow:\n  - task: {agents: [who], user_prompt: x, model: small, fallback: [larg]}\n"
    )
    (warning,) = found(here, flow).warnings
    assert "did you mean 'large'?" in warning.message


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("limits: {requests_per_minute: 0}", "limits.requests_per_minute: "),
        ("limits: {request_per_minute: 60}", "limits.request_per_minute: unknown field, and none is ignored here"),
        ("limits: 60", "limits: must be a map"),
        ("model_settings: {small: {limits: {concurrency: few}}}", "small: limits.concurrency: must be a whole number"),
        ("model_settings: {small: {limits: {rpm: 1}}}", "small: limits.rpm: unknown field, and none is ignored here"),
    ],
)
def test_wrong_limits(here: Path, config: str, says: str) -> None:
    flow = "model_config: models\ntaskflow:\n  - task: {agents: [who], user_prompt: x, model: small}\n"
    (told,) = errors(here, flow, models=f"models: {{small: gpt-x}}\n{config}\n")
    assert says in told
