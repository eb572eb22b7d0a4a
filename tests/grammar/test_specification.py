"""Rules of the specification that no other test here shows: documents, references, tasks, templates, models."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.options import overrides
from grammar import errors
from grammar.documents.models import ModelChoice, ModelConfig, Personality, Retry, ServerParams, Task, Toolbox
from grammar.documents.references import SearchPath
from grammar.errors import InvalidFlow, TemplateFailed
from grammar.failure_policy import ends_run
from grammar.loading.bundle import LoadOptions, from_personality, load
from grammar.loading.lint import lint
from grammar.messages.activity_requests import ModelSpec, TemplateContext
from grammar.model_access import endpoint
from grammar.model_access.model_choice import choose as choose_model
from grammar.preparing import system_prompt
from grammar.preparing.preparation import environment
from grammar.templating.templates import MAX_CHARACTERS, Environ, Templates
from tests.grammar.test_bundle import HEADER, flow, here, problems, write
from tests.grammar.test_preparation import ENV, fault, prepare, prompts

__all__ = ["here"]

ROOT = Path(__file__).parents[2]


# Documents and references (sections 1 and 2)


@pytest.mark.parametrize("name", ["flow", "who", "box", "models", "prompt"])
def test_under_strict_an_unknown_field_of_any_document_is_an_error(here: Path, name: str) -> None:
    texts = {
        "flow": "model_config: models\ntaskflow:\n  - task: {agents: [who], user_prompt: \"{% include 'prompt' %}\"}\n",
        "who": "personality: x\ntoolboxes: [box]\n",
        "box": "server_params: {kind: stdio, command: x}\n",
        "models": "models: {}\n",
        "prompt": "prompt: x\n",
    }
    for one, text in texts.items():
        write(here, f"{one}.yaml", text + ("promt: x\n" if one == name else ""))
    assert [warning.field for warning in load(LoadOptions("flow.yaml")).warnings] == ["promt"]
    with pytest.raises(InvalidFlow) as caught:
        load(LoadOptions("flow.yaml", strict=True))
    (problem,) = caught.value.problems
    assert (problem.field, problem.message.startswith("unknown field")) == ("promt", True)


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ("{run: ls, retry: {initial_intervall: 3s}}", "task.retry.initial_intervall"),
        ("{agents: [who], user_prompt: x, models: [a, {model: b, model_setings: {}}]}", "task.models[1].model_setings"),
        ("{run: ls}\n    description: x", "description"),
    ],
)
def test_unknown_fields_are_found_at_any_depth(here: Path, task: str, field: str) -> None:
    (warning,) = flow(here, f"taskflow:\n  - task: {task}\n").warnings
    assert (warning.field, warning.message.partition(",")[0]) == (f"taskflow[0].{field}", "unknown field")


@pytest.mark.parametrize("field", ["api_type: soap", "backend: other"])
@pytest.mark.parametrize("settings", [False, True])
def test_an_api_or_backend_that_is_not_supported_is_told_with_those_that_are(
    here: Path, field: str, settings: bool
) -> None:
    text = f"models: {{a: b}}\nmodel_settings: {{a: {{{field}}}}}\n" if settings else f"{field}\n"
    write(here, "models.yaml", text)
    task = "{agents: [who], model: a, user_prompt: x}"
    (problem,) = problems(here, f"model_config: models\ntaskflow:\n  - task: {{run: ls}}\n  - task: {task}\n")
    assert problem.startswith("flow.yaml:4: taskflow[1].task.model: model 'a': ")
    known = {"api_type": ("chat_completions", "responses", "messages"), "backend": ("openai_agents", "anthropic_sdk")}
    assert all(name in problem for name in known[field.partition(":")[0]])


def test_a_model_that_no_task_uses_may_be_of_any_backend(here: Path) -> None:
    write(
        here,
        "models.yaml",
        "models: {a: x, b: y, c: z}\nmodel_settings: {b: {backend: other}, c: {api_type: soap}}\n",
    )
    one = "{agents: [who], model: a, user_prompt: x}"
    several = "{agents: [who], models: [a, {model: c}, b], user_prompt: x}"
    loaded = flow(here, f"model_config: models\ntaskflow:\n  - task: {one}\n  - task: {{run: ls, model: b}}\n")
    assert loaded.warnings == []
    assert problems(here, f"model_config: models\ntaskflow:\n  - task: {one}\n  - task: {several}\n") == [
        "flow.yaml:4: taskflow[1].task.models[1]: model 'c': api_type 'soap' is not supported; "
        "use chat_completions or responses or messages",
        "flow.yaml:4: taskflow[1].task.models[2]: model 'b': backend 'other' is not supported; "
        "use openai_agents or anthropic_sdk",
    ]


def test_a_model_of_a_single_agent_run_is_one_that_can_run(here: Path) -> None:
    write(here, "who.yaml", HEADER % "personality" + "personality: x\n")
    write(here, "models.yaml", "backend: copilot_sdk\n")
    with pytest.raises(InvalidFlow) as caught:
        from_personality("who", "hi", LoadOptions("", model_config="models"))
    (problem,) = caught.value.problems
    assert problem.message.startswith("backend 'copilot_sdk' is not supported: it needs GitHub's Copilot program")
    assert "set COPILOT_TOKEN" in problem.message


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("backend: anthropic_sdk", None),
        ("api_type: messages", None),
        ("backend: anthropic_sdk\napi_type: chat_completions", None),
        ("model_settings: {a: {api_type: messages, prompt_caching: off, reasoning: {effort: max}}}", None),
        ("model_settings: {a: {api_type: messages, prompt_caching: 2h}}", "prompt_caching '2h' is not supported"),
        ("model_settings: {a: {api_type: messages, store: true}}", "the Messages API has no store: leave it out"),
        ("model_settings: {a: {api_type: messages, reasoning: {effort: minimal}}}", "reasoning.effort 'minimal'"),
        ("model_settings: {a: {api_type: messages, reasoning: high}}", "reasoning is a map"),
        ("model_settings: {a: {api_type: responses, store: true, reasoning: {effort: minimal}}}", None),
    ],
)
def test_a_model_of_the_messages_api_has_its_settings(here: Path, config: str, told: str | None) -> None:
    write(here, "models.yaml", f"models: {{a: claude-x}}\n{config}\n")
    task = "{agents: [who], model: a, user_prompt: x}"
    text = f"model_config: models\ntaskflow:\n  - task: {task}\n"
    if told is None:
        bundle = flow(here, text).bundle
        assert choose_model(bundle.tasks[0], bundle.config).api_type == (
            "responses" if "resp" in config else "messages"
        )
    else:
        (problem,) = problems(here, text)
        assert problem.startswith("flow.yaml:3: taskflow[0].task.model: model 'a': ")
        assert told in problem


@pytest.mark.parametrize("kind", ["stdio", "sse", "streamable"])
def test_every_transport_that_the_grammar_has(here: Path, kind: str) -> None:
    reach = "command: x, args: [a]" if kind == "stdio" else "url: 'http://localhost/'"
    write(here, "box.yaml", f"server_params: {{kind: {kind}, {reach}}}\nserver_prompt: hint\nconfirm: [wipe]\n")
    task = "{agents: [who], toolboxes: [box], user_prompt: x}"
    box = flow(here, f"taskflow:\n  - task: {task}\n").bundle.toolboxes["box"]
    assert (box.server_params.kind, box.server_prompt, box.confirm) == (kind, "hint", ("wipe",))
    assert box.server_params.lifetime == "run"


def test_a_request_to_a_server_may_take_120_seconds_unless_the_toolbox_says_otherwise() -> None:
    params = ServerParams(kind="stdio", command="x")
    assert Toolbox(server_params=params).session_timeout == 120
    assert Toolbox(server_params=params, client_session_timeout=7).session_timeout == 7


@pytest.mark.parametrize("kind", ["resources", "prompts"])
def test_only_personalities_and_toolboxes_fall_back_to_ours(tmp_path: Path, kind: str) -> None:
    assert SearchPath().find(f"seclab_taskflow_agent.{kind}.one_sentence") is None


def test_a_reference_with_a_slash_or_an_ending_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name in ("lib/one.yaml", "two.yml"):
        (tmp_path / name).write_text("x: 1")
        assert SearchPath().find(name, tmp_path / "flow.yaml") == tmp_path / name


def test_a_malformed_document_is_told_beside_a_missing_one(here: Path) -> None:
    write(here, "bad.yaml", "personality: [1]\n")
    found = problems(here, "model_config: gone\ntaskflow:\n  - task: {agents: [bad, nobody], user_prompt: x}\n")
    assert [one.partition(": ")[0] for one in found] == ["flow.yaml:1", "flow.yaml:3", "bad.yaml:1"]


def test_a_dot_env_file_in_the_working_directory_is_read(here: Path) -> None:
    write(here, ".env", "AI_API_ENDPOINT=http://127.0.0.1:1/v1\n")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "starter.py"), "models"],
        check=False, cwd=here, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "http://127.0.0.1:1/v1" in ran.stdout, ran.stdout + ran.stderr
    assert ran.stderr.splitlines()[0] == ".env: took AI_API_ENDPOINT"


# Tasks (section 3)


def test_defaults_of_every_field() -> None:
    task = Task(user_prompt="x")
    assert (task.completion, task.model_concurrency, task.capture, task.outputs_retries) == ("all", 0, "tool_result", 1)
    assert (task.repeats, task.async_, task.async_limit, task.concurrency) == (False, False, 5, 1)
    assert (task.must_complete, task.turns, task.headless, task.exclude_from_context) == (False, 50, False, False)
    assert (task.start_to_close_timeout, task.schedule_to_close_timeout, task.heartbeat_timeout) == (7200, 86400, 60)
    assert (task.on_failure, Task(max_steps=0).turns, Task(max_steps=3).turns) == ("park", 50, 3)
    retry = Retry()
    assert (retry.initial_interval, retry.backoff_coefficient, retry.maximum_interval) == (5, 2, 120)


def test_toolboxes_are_the_union_over_the_agents_unless_the_task_has_its_own(here: Path) -> None:
    for name in "abc":
        write(here, f"{name}.yaml", "server_params: {kind: stdio, command: x}\n")
    write(here, "one.yaml", HEADER % "personality" + "toolboxes: [b, a]\n")
    write(here, "two.yaml", HEADER % "personality" + "toolboxes: [a, c]\n")
    agents = "agents: [one, two], user_prompt: x"
    bundle = flow(
        here, f"taskflow:\n  - task: {{{agents}}}\n  - task: {{{agents}, toolboxes: [c]}}\n"
        f"  - task: {{{agents}, toolboxes: []}}\n"
    ).bundle  # fmt: skip
    assert [list(bundle.toolboxes_of(task)) for task in bundle.tasks] == [["b", "a", "c"], ["c"], []]


def test_defaults_are_any_task_fields_and_those_of_the_task_win(here: Path) -> None:
    defaults = "{retry: {maximum_attempts: 9}, agents: [who], capture: response, env: {A: b}, heartbeat_timeout: 5m}"
    first, second = flow(
        here,
        f"defaults: {defaults}\ntaskflow:\n  - task: {{user_prompt: x}}\n"
        "  - task: {user_prompt: x, retry: {initial_interval: 1s}, capture: tool_result, env: {}}\n",
    ).bundle.tasks
    assert first.retry and second.retry
    assert (first.retry.maximum_attempts, first.agents, first.capture) == (9, ("who",), "response")
    assert (first.env, first.heartbeat_timeout) == ({"A": "b"}, 300)
    assert (second.retry.maximum_attempts, second.capture, second.env) == (None, "tool_result", {})


@pytest.mark.parametrize("condition", ["inputs.on", "globals.on", "outputs.before.on"])
def test_a_condition_reads_inputs_globals_and_outputs(condition: str) -> None:
    for on in (True, False):
        given: dict[str, Any] = {"on": on}
        found = prepare("x", if_=condition, inputs=given, globals=given, outputs={"before": given})
        assert found.skipped == (None if on else "its condition is not met")  # type: ignore[union-attr]


def test_a_condition_that_names_nothing_skips() -> None:
    found = prepare("x", if_="outputs.gone == 1")
    assert found.skipped == "its condition names something that does not exist"  # type: ignore[union-attr]


def test_a_condition_is_asked_before_items_and_prompts() -> None:
    found = prepare("{{ outputs.gone }}", if_="false", over="outputs.gone")
    assert found.skipped  # type: ignore[union-attr]


@pytest.mark.parametrize("limit", [1, 7])
def test_async_limit_counts_only_with_async(limit: int) -> None:
    assert Task(async_limit=limit).concurrency == 1
    assert Task(async_limit=limit, async_=True).concurrency == limit


def test_over_wins_over_the_carried_result() -> None:
    assert prompts(prompt="{{ result }}", over="[1]", repeat_prompt=True, result="[2]") == ["1"]


@pytest.mark.parametrize(
    ("expression", "item"),
    [("globals.x", "ab"), ("inputs.x", "ab"), ("outputs.x", "ab"), ("[env('SECRET')]", "⟦env:SECRET:k⟧")],
)
def test_over_reads_what_prompts_read(expression: str, item: str) -> None:
    given: Any = {"x": ["ab"]}
    branches = prepare("x", over=expression, inputs=given, globals=given, outputs=given).branches  # type: ignore[union-attr]
    assert [branch.item for branch in branches] == [item]


def test_a_field_without_a_value_counts_as_not_written(here: Path) -> None:
    (task,) = flow(here, "taskflow:\n  - task: {run: ls, async_limit: , name: , retry: }\n").bundle.tasks
    assert (task.name, task.async_limit, task.retry) == ("task-1", 5, None)


# Templates (section 4)


def test_what_is_no_template_stays_as_it_is_written(here: Path) -> None:
    write(here, "plain.yaml", HEADER % "personality" + "personality: '{{ p }}'\ntask: '{{ t }}'\n")
    task = "{agents: [plain], model: '{{ m }}', inputs: {x: '{{ i }}'}, user_prompt: '{{ inputs.x }}'}"
    bundle = flow(here, f"taskflow:\n  - task: {task}\n  - task: {{run: 'echo {{{{ r }}}}'}}\n").bundle
    ask, shell = bundle.tasks
    assert (ask.model, shell.run) == ("{{ m }}", "echo {{ r }}")
    assert bundle.personalities["plain"] == Personality(personality="{{ p }}", task="{{ t }}")
    assert prompts(prompt=ask.user_prompt, inputs=ask.inputs) == ["{{ i }}"]


@pytest.mark.parametrize("fields", ["agents: ['{{ globals.a }}']", "agents: [who], toolboxes: ['{{ globals.a }}']"])
def test_agents_and_toolboxes_are_no_templates(here: Path, fields: str) -> None:
    (problem,) = problems(here, f"globals: {{a: who}}\ntaskflow:\n  - task: {{user_prompt: x, {fields}}}\n")
    assert "'{{ globals.a }}' found" in problem


def test_a_name_that_only_a_template_could_compute_is_a_problem(here: Path) -> None:
    found = problems(here, "globals: {a: who}\ntaskflow:\n  - task: {user_prompt: '-p {{ outputs.a }} hi'}\n")
    assert "begin the prompt with `-p NAME` in plain text" in found[0]


@pytest.mark.parametrize(
    ("given", "pairs"),
    [(["a=1"], {"a": "1"}), (["a=b=c"], {"a": "b=c"}), ([" a = b c "], {"a": "b c"}), (["a="], {"a": ""})],
)
def test_a_global_of_the_command_line_is_always_text(given: list[str], pairs: dict[str, str]) -> None:
    assert overrides(given) == pairs


@pytest.mark.parametrize("given", ["a", "=b", ""])
def test_a_global_needs_a_name_and_a_value(given: str) -> None:
    with pytest.raises(InvalidFlow, match="write KEY=VALUE"):
        overrides([given])


@pytest.mark.parametrize("template", ["<b>{{ globals.x }}</b>", "{% raw %}{{ a }}{% endraw %}"])
def test_nothing_is_escaped(template: str) -> None:
    assert prompts(prompt=template, globals={"x": '<&"'}) == [{"<": '<b><&"</b>', "{": "{{ a }}"}[template[0]]]


def test_what_a_template_renders_has_a_limit() -> None:
    templates = Templates({"text": "x" * 1000}, Environ({}), {}, "k")
    for thousands in (10, MAX_CHARACTERS // 1000 + 1):
        template = f"{{% for _ in range({thousands}) %}}{{{{ text }}}}{{% endfor %}}"
        if thousands == 10:
            assert len(templates.render(template)) == 10_000
            continue
        with pytest.raises(TemplateFailed, match="renders more than"):
            templates.render(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ globals.x.append(1) }}",
        "{{ globals.__class__ }}",
        "{{ env.process }}",
        "{{ env.used }}",
        "{{ env.__self__ }}",
        "{{ env['process'] }}",
        "{{ env | attr('process') }}",
    ],
)
def test_templates_run_in_a_sandbox(template: str) -> None:
    assert fault(prompt=template, globals={"x": []})[0] == "TemplateFailed"


def test_an_include_reads_the_names_of_its_place() -> None:
    included = {"p": "{{ inputs.a }} {{ result }} {{ env('SHORT') }}"}
    given: dict[str, Any] = {"inputs": {"a": 1}, "over": "[2]"}
    assert prompts(prompt="{% include 'p' %}", prompts=included, **given) == ["1 2 ⟦env:SHORT:k⟧"]


def test_env_of_a_task_is_templates_over_globals_and_the_process() -> None:
    given = {"A": "{{ globals.x }}-{{ env('SHORT') }}", "B": "plain"}
    rendered, used = environment(TemplateContext(globals={"x": 1}, env=given, key="k"), ENV)
    assert (rendered, used) == ({"A": "1-ab", "B": "plain"}, {"SHORT": "ab"})
    for name in ("outputs", "inputs", "result"):
        with pytest.raises(TemplateFailed, match=f"'{name}' is undefined"):
            environment(TemplateContext(env={"A": f"{{{{ {name}.x }}}}"}, key="k"), ENV)


def test_env_with_an_empty_variable_and_a_default() -> None:
    assert prompts(prompt="[{{ env('EMPTY', 'd') }}][{{ env('NO', default=7) }}]") == ["[][7]"]


# Values (section 5)


def test_a_result_that_is_structured_is_not_read_as_text() -> None:
    assert prompts(prompt="{{ result }}", repeat_prompt=True, result="[1, null, false]") == ["1", "None", "False"]


# Agents and models (section 6)


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"AI_API_TOKEN": "a", "COPILOT_TOKEN": "c", "OPENAI_API_KEY": "o"}, "a"),
        ({"COPILOT_TOKEN": "c", "OPENAI_API_KEY": "o"}, "c"),
        ({"OPENAI_API_KEY": "o"}, "o"),
        ({}, None),
    ],
)
def test_the_first_key_that_is_set_is_sent(environ: dict[str, str], key: str | None) -> None:
    assert endpoint.choose(ModelSpec(), {"AI_API_ENDPOINT": "http://a", **environ}).key == key


def test_no_key_of_another_host_stands_in_for_a_models_own() -> None:
    spec = ModelSpec(endpoint="http://a", token="OWN")
    assert endpoint.choose(spec, {"AI_API_ENDPOINT": "http://a", "AI_API_TOKEN": "k"}).key is None


@pytest.mark.parametrize(
    ("spec", "environ", "name"),
    [
        ({}, {}, "gpt-4.1"),
        ({}, {"COPILOT_DEFAULT_MODEL": "other"}, "other"),
        ({"name": "mine"}, {"COPILOT_DEFAULT_MODEL": "other"}, "mine"),
    ],
)
def test_default_model(spec: dict[str, str], environ: dict[str, str], name: str) -> None:
    assert endpoint.model_name(ModelSpec(**spec), environ) == name


def test_settings_of_a_model_over_those_of_the_task_over_those_of_the_config() -> None:
    config = ModelConfig(
        api_type="responses", models={"a": "id-a"}, model_settings={"a": {"x": 1, "y": 1, "z": 1, "token": "T"}}
    )
    choice = ModelChoice(model="a", model_settings={"z": 3, "endpoint": "http://e", "backend": "openai_agents"})
    task = Task(model_settings={"y": 2, "z": 2}, models=(ModelChoice(model="other"), choice))
    spec = choose_model(task, config, 1)
    assert (spec.name, spec.api_type, spec.endpoint, spec.token) == ("id-a", "responses", "http://e", "T")
    assert spec.settings == {"x": 1, "y": 2, "z": 3}
    assert choose_model(task, config, 0).settings == {"y": 2, "z": 2}


def test_the_guidelines_say_what_the_grammar_says() -> None:
    said = system_prompt.system_prompt(Personality(), [])
    marks = ("not ask the user", "final result", "latest information", "one after the other")
    places = [said.index(mark) for mark in marks]
    assert places == sorted(places)


# Failure (section 7)


@pytest.mark.parametrize(
    ("kind", "retried", "ends"),
    [
        ("ModelUnavailable", True, False),
        ("RateLimited", True, False),
        ("ToolboxFailed", True, False),
        ("StorageFailed", True, False),
        ("BadRequest", False, False),
        ("ContextTooLong", False, False),
        ("ContentFiltered", False, False),
        ("AnswerCut", False, False),
        ("EmptyAnswer", False, False),
        ("ModelRefused", False, False),
        ("QuotaExhausted", False, True),
        ("RegionRefused", False, True),
        ("TurnLimit", False, False),
        ("UnknownTool", False, False),
        ("OutputsInvalid", False, False),
        ("ModelAccess", False, True),
        ("TemplateFailed", False, True),
        ("MissingVariable", False, True),
        ("NotIterable", False, True),
        ("NoValue", False, True),
    ],
)
def test_what_is_retried_and_what_ends_the_run(kind: str, retried: bool, ends: bool) -> None:
    assert (getattr(errors, kind).retryable, ends_run(kind)) == (retried, ends)


def test_no_agent_is_a_problem_in_lint_too(here: Path) -> None:
    path = write(here, "flow.yaml", "taskflow:\n  - task: {user_prompt: a}\n  - task: {run: ls}\n")
    assert "no agent" in lint(str(path), LoadOptions("")).problems[0].message
