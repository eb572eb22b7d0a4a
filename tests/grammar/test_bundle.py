"""From files to a bundle: references, defaults, warnings, problems (specification sections 1 to 3)."""

from pathlib import Path

import pytest

from commands.run import load as load_for_run
from grammar.documents.budget import Budget
from grammar.errors import InvalidFlow
from grammar.loading.bundle import Loaded, LoadOptions, from_personality, load
from grammar.model_access.needed_prices import missing_prices, without_price

HEADER = 'seclab-taskflow-agent: {version: "1.0", filetype: %s}\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def flow(here: Path, text: str, **options: object) -> Loaded:
    write(here, "who.yaml", HEADER % "personality" + "personality: Somebody\n")
    return load(LoadOptions(str(write(here, "flow.yaml", text)), **options))  # type: ignore[arg-type]


def problems(here: Path, text: str) -> list[str]:
    with pytest.raises(InvalidFlow) as caught:
        flow(here, text)
    return [str(problem).replace(f"{here}/", "") for problem in caught.value.problems]


def test_a_whole_bundle(here: Path) -> None:
    write(here, "box.yaml", "server_params: {kind: stdio, command: x}\n")
    write(here, "lib/prompts/one.yaml", "prompt: One {% include 'lib.prompts.two' %}\n")
    write(here, "lib/prompts/two.yaml", "prompt: Two {{ globals.a }}\n")
    loaded = flow(
        here,
        """
globals: {a: 1, b: 2}
defaults: {max_steps: 7, headless: true}
taskflow:
  - task: {agents: [who], toolboxes: [./box.yaml], user_prompt: "{% include 'lib.prompts.one' %}"}
  - task: {run: ls, max_steps: 3}
""",
        overrides={"b": "x", "c": "y"},
    )
    bundle = loaded.bundle
    assert bundle.globals == {"a": 1, "b": "x", "c": "y"}
    assert [(task.name, task.max_steps, task.headless) for task in bundle.tasks] == [
        ("task-1", 7, True),
        ("task-2", 3, True),
    ]
    assert set(bundle.personalities) == {"who"}
    assert set(bundle.toolboxes) == {"box.yaml"}
    assert set(bundle.prompts) == {"lib.prompts.one", "lib.prompts.two"}
    assert [warning.message for warning in loaded.warnings] == ["nothing reads globals.b", "nothing reads globals.c"]


def test_all_problems_at_once_with_their_lines(here: Path) -> None:
    assert problems(
        here,
        """taskflow:
  - task:
      id: x
      agents: [nobody]
      user_prompt: |
        hi
        {{ globals.a }}
  - task:
      id: x
      run: ls
""",
    ) == [
        "flow.yaml:4: taskflow[0].task.agents[0]: no personality 'nobody' found (looked in TASKFLOW_PATH, --path, "
        "here, beside the flow, and in installed packages)",
        "flow.yaml:7: taskflow[0].task.user_prompt: globals.a is not defined: add it under `globals`, "
        "or give -g a=VALUE",
        "flow.yaml:9: taskflow[1].task.id: 'x' is used by an earlier task too",
    ]


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("{}", "a task needs a `user_prompt` or a `run`"),
        ("{run: a, user_prompt: b, agents: [who]}", "a task has `run` or `user_prompt`, not both"),
        ("{user_prompt: b}", "no agent: name a personality under `agents`"),
        ("{run: a, id: 1a}", "use a Python identifier"),
        ("{run: a, retry: {maximum_attempts: 0}}", "greater than or equal to 1"),
        ("{run: a, start_to_close_timeout: soon}", "write a duration as 30s, 5m, 2h, 1d"),
        ("{run: a, capture: all}", "'tool_result' or 'response'"),
        ("{run: a, over: '[1'}", "unexpected"),
        ("{user_prompt: '{{ a.b', agents: [who]}", "user_prompt: "),
        ("{user_prompt: \"{% include 'a' ~ 'b' %}\", agents: [who]}", "must name its prompt as plain text"),
        ("{user_prompt: \"{% include 'no.where' %}\", agents: [who]}", "no prompt 'no.where' found"),
        ("{user_prompt: '{{ outputs.later }}', agents: [who]}", "outputs.later is not defined: no earlier task"),
        ("{user_prompt: '{{ inputs.x }}', agents: [who]}", "inputs.x is not defined: add it under `inputs`"),
        ("{user_prompt: '{{ nothing }}', agents: [who]}", "nothing is not defined: a template reads"),
        ("{run: a, uses: b}", "no taskflow 'b' found"),
        ("{run: a, outputs: {type: objekt}}", "outputs: not a JSON Schema: type: 'objekt' is not valid"),
        ("{run: a, outputs: {$ref: 'http://x.test/y'}}", "$ref 'http://x.test/y' is not in the schema"),
        ("{run: a, outputs: 7}", "outputs: must be a JSON Schema: a map, or true or false"),
        ("{run: a, completion: some}", "'all' or 'any'"),
        ("{user_prompt: '-p {{ 1 }} hi'}", "begin the prompt with `-p NAME` in plain text"),
        ("{user_prompt: '-p nobody hi'}", "no personality 'nobody' found"),
        ("{run: a, model: x, models: [y]}", "a task has `model` or `models`, not both"),
    ],
)
def test_one_problem(here: Path, task: str, says: str) -> None:
    (problem,) = problems(here, f"taskflow:\n  - task: {task}\n")
    assert problem.startswith("flow.yaml:2: taskflow[0].task")
    assert says in problem


@pytest.mark.parametrize(
    "prompt",
    ["{{ globals.x | default('d') }}", "{% if globals.x is defined %}{{ globals.x }}{% endif %}", "{{ env('X') }}"],
)
def test_what_may_be_missing_is_no_problem(here: Path, prompt: str) -> None:
    assert flow(here, f'taskflow:\n  - task: {{agents: [who], user_prompt: "{prompt}"}}\n').warnings == []


def test_unknown_fields_are_warned_of_with_the_closest_known_one(here: Path) -> None:
    loaded = flow(here, "taskflow:\n  - task:\n      run: ls\n      must_compelte: true\nsurprise: 1\n")
    assert [(one.line, one.field, one.message) for one in loaded.warnings] == [
        (5, "surprise", "unknown field, ignored"),
        (4, "taskflow[0].task.must_compelte", "unknown field, ignored; did you mean `must_complete`?"),
    ]


def test_a_prompt_that_begins_with_a_personality(here: Path) -> None:
    (task,) = flow(
        here, 'taskflow:\n  - task: {user_prompt: "-p who {{ globals.a }}\\nb"}\nglobals: {a: 1}\n'
    ).bundle.tasks
    assert (task.agents, task.user_prompt) == (("who",), "{{ globals.a }}\nb")


def test_lines_of_a_prompt_that_begins_with_a_personality(here: Path) -> None:
    (problem,) = problems(here, "taskflow:\n  - task:\n      user_prompt: |\n        -p who\n        {{ globals.a }}\n")
    assert problem.startswith("flow.yaml:5: taskflow[0].task.user_prompt: globals.a is not defined")


def test_paths_are_relative_to_the_file_that_holds_them(here: Path) -> None:
    write(here, "lib/who.yaml", "personality: Who\ntoolboxes: [./box.yaml]\n")
    write(here, "lib/box.yaml", "server_params: {kind: stdio, command: theirs}\n")
    write(here, "box.yaml", "server_params: {kind: stdio, command: ours}\n")
    bundle = flow(
        here, "taskflow:\n  - task: {agents: [lib/who.yaml], user_prompt: a}\n"
        "  - task: {agents: [who], user_prompt: a, toolboxes: [./box.yaml]}\n"
    ).bundle  # fmt: skip
    commands = [box.server_params.command for task in bundle.tasks for box in bundle.toolboxes_of(task).values()]
    assert commands == ["theirs", "ours"]


def test_one_include_name_cannot_mean_two_files(here: Path) -> None:
    write(here, "a.yaml", "prompt: \"{% include 'lib/b.yaml' %}{% include './c.yaml' %}\"\n")
    write(here, "lib/b.yaml", "prompt: \"{% include './c.yaml' %}\"\n")
    write(here, "c.yaml", "prompt: c\n")
    write(here, "lib/c.yaml", "prompt: lib c\n")
    (problem,) = problems(here, "taskflow:\n  - task: {agents: [who], user_prompt: \"{% include 'a' %}\"}\n")
    assert "include of './c.yaml' means another file" in problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server_params: {kind: stdio}\n", "box.yaml:1: server_params: a stdio server needs a `command`"),
        ("server_params: {kind: sse}\n", "box.yaml:1: server_params: a sse server needs a `url`"),
        ("server_prompt: x\n", "box.yaml:1: server_params: is required"),
        (HEADER % "prompt" + "server_params: {}\n", "is a prompt, but a toolbox is needed here"),
    ],
)
def test_a_wrong_toolbox_is_told_in_its_own_file(here: Path, text: str, says: str) -> None:
    write(here, "box.yaml", text)
    (problem,) = problems(here, "taskflow:\n  - task: {agents: [who], user_prompt: a, toolboxes: [./box.yaml]}\n")
    assert says in problem


def test_cyclic_includes_end(here: Path) -> None:
    write(here, "a.yaml", "prompt: \"{% include 'b' %}\"\n")
    write(here, "b.yaml", "prompt: \"{% include 'a' %}\"\n")
    loaded = flow(here, "taskflow:\n  - task: {agents: [who], user_prompt: \"{% include 'a' %}\"}\n")
    assert set(loaded.bundle.prompts) == {"a", "b"}


def test_hash_is_of_the_content_not_of_the_place(here: Path) -> None:
    text = "taskflow:\n  - task: {run: ls}\n"
    first = flow(here, text).bundle.hash
    assert load(LoadOptions(str(write(here, "elsewhere/flow.yaml", text)))).bundle.hash == first
    assert flow(here, text.replace("ls", "pwd")).bundle.hash != first
    assert flow(here, text, overrides={"a": "b"}).bundle.hash != first


def test_priority(here: Path) -> None:
    text = "taskflow:\n  - task: {run: ls}\n"
    first = flow(here, f"priority: 1\n{text}").bundle
    assert (first.priority, flow(here, text).bundle.priority) == (1, None)
    assert flow(here, text).bundle.hash == first.hash
    assert load_for_run(None, LoadOptions(str(write(here, "flow.yaml", text))), 4).bundle.priority == 4
    with pytest.raises(InvalidFlow, match="priority"):
        flow(here, f"priority: 6\n{text}")


def test_no_environment_in_a_bundle(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2-long")
    loaded = flow(here, "taskflow:\n  - task: {run: ls, env: {A: \"{{ env('SECRET') }}\"}}\n")
    assert "hunter2-long" not in loaded.bundle.model_dump_json()


def test_personality_mode(here: Path) -> None:
    loaded = from_personality("seclab_taskflow_agent.personalities.assistant", "a {{ b }}", LoadOptions(""))
    assert (loaded.bundle.name, loaded.bundle.globals) == ("assistant", {"prompt": "a {{ b }}"})


def test_model_config(here: Path) -> None:
    write(here, "models.yaml", "models: {fast: gpt-x}\nmodel_settings: {fast: {temperature: 1}}\n")
    text = "model_config: ./models.yaml\ntaskflow:\n  - task: {run: ls}\n"
    assert flow(here, text).bundle.config.models == {"fast": "gpt-x"}
    write(here, "other.yaml", "models: {fast: other}\n")
    assert flow(here, text, model_config="other").bundle.config.models == {"fast": "other"}
    write(here, "models.yaml", "models: {}\nmodel_settings: {fast: {}}\n")
    assert "model_settings for fast, which `models` does not name" in problems(here, text)[0]


# Budgets

PRICED = """
model_config: ./config.yaml
budget: {usd: 5, tokens: 2M}
on_budget: finish
confirm_over: {items: 10}
taskflow:
  - task: {agents: [who], user_prompt: hi, model: fast}
"""
CONFIG = HEADER % "model_config" + "models: {fast: a, dear: b}\nprices: {fast: {input: 1, output: 2}}\n"


def test_a_budget_of_the_command_line(here: Path) -> None:
    """It takes the place of what the file says, unit by unit; who confirms beforehand starts the same flow."""
    write(here, "config.yaml", CONFIG)
    written = flow(here, PRICED).bundle
    assert written.budget and written.confirm_over
    assert (written.budget.units, written.on_budget) == ({"usd": 5, "tokens": 2_000_000}, "finish")
    given = flow(here, PRICED, budget=Budget(usd=1, time=60), confirmed=True).bundle
    assert given.budget and given.budget.units == {"usd": 1, "tokens": 2_000_000, "time": 60}
    assert given.confirm_over is None
    assert flow(here, PRICED, confirmed=True).bundle.hash == written.hash != given.hash
    alone = flow(here, "taskflow: [{task: {run: ls}}]", budget=Budget(requests=1)).bundle
    assert alone.budget == Budget(requests=1)


@pytest.mark.parametrize(
    ("fields", "task", "budget", "expected"),
    [
        ("budget: {usd: 5}", "model: fast", None, []),
        ("budget: {usd: 5}", "model: dear", None, [("flow.yaml:3: budget.usd", "dear")]),
        ("budget: {tokens: 5}", "model: dear", None, []),
        ("", "model: dear, budget: {usd: 1}", None, [("flow.yaml:5: taskflow[0].task.budget.usd", "dear")]),
        ("", "model: dear, item_budget: {usd: 1}", None, [("flow.yaml:5: taskflow[0].task.item_budget.usd", "dear")]),
        ("confirm_over: {usd: 5}", "model: dear", None, [("flow.yaml:3: confirm_over.usd", "dear")]),
        ("", "model: dear", Budget(usd=1), [("command line: --budget", "dear")]),
        ("budget: {usd: 5}", "models: [fast, dear]", None, [("flow.yaml:3: budget.usd", "dear")]),
        ("budget: {usd: 5}", "name: any", None, [("flow.yaml:3: budget.usd", "gpt-4.1")]),
    ],
)
def test_dollars_need_prices(
    here: Path, fields: str, task: str, budget: Budget | None, expected: list[tuple[str, str]]
) -> None:
    """Where no endpoint is configured, the embedded model answers, which costs nothing."""
    write(here, "config.yaml", CONFIG)
    text = f"""
model_config: ./config.yaml
{fields}
taskflow:
  - task: {{agents: [who], user_prompt: hi, {task}}}
"""
    loaded = flow(here, text, budget=budget)
    config = loaded.bundle.config
    unpriced = without_price(loaded.prices, config, {"AI_API_ENDPOINT": "http://models.example/v1"})
    found = [str(problem).replace(f"{here}/", "") for problem in missing_prices(loaded.prices, unpriced)]
    assert [(one.partition(": what ")[0], one.partition(": what ")[2].split()[0]) for one in found] == expected
    assert without_price(loaded.prices, config, {}) == set()
