"""The picture of a flow: every construct, and what each task gives to later ones."""

from pathlib import Path

import pytest

from grammar.loading.bundle import LoadOptions, lint_options, load
from grammar.loading.graph import Graph, graph
from tests.docs.pages import ROOT

TOOLS = "server_params: {kind: stdio, command: x}\n"
MODELS = "models: {fast: gpt-x, thorough: gpt-y}\n"
EXAMPLES = sorted(one for one in (ROOT / "taskflows/examples").glob("*.yaml") if not one.match("*.dry.yaml"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "who.yaml").write_text("personality: Somebody\n")
    (tmp_path / "handy.yaml").write_text("personality: Somebody\ntoolboxes: [box]\n")
    (tmp_path / "box.yaml").write_text(TOOLS)
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "words.yaml").write_text("prompt: \"{{ outputs.a }} {% include 'more' %}\"\n")
    (tmp_path / "more.yaml").write_text('prompt: "{{ outputs.b }}"\n')
    return tmp_path


def drawn(*tasks: str) -> Graph:
    text = "model_config: models\ntaskflow:\n" + "".join(f"  - task: {{{task}}}\n" for task in tasks)
    Path("flow.yaml").write_text(text)
    return graph(load(lint_options(LoadOptions(""), "flow.yaml")).bundle)


def links(*tasks: str) -> list[tuple[int, int, str, bool]]:
    return [(one.source, one.target, one.label, one.certain) for one in drawn(*tasks).links]


def test_what_is_said_of_a_task() -> None:
    found = drawn(
        "name: list, id: a, must_complete: true, description: all of them, run: ls",
        "over: outputs.a, async: true, async_limit: 7, agents: [handy, who], model: fast, user_prompt: x",
        "if: outputs.a, models: [fast, thorough], model_concurrency: 1, agents: [who], toolboxes: [box], "
        "user_prompt: x",
        "repeat_prompt: true, models: [fast, thorough], agents: [who], user_prompt: x",
    )
    assert [one.model_dump(exclude_defaults=True, exclude={"number"}) for one in found.tasks] == [
        {"name": "list", "kind": "shell", "id": "a", "required": True, "description": "all of them"},
        {"name": "task-2", "kind": "agent", "agents": ["handy", "who"], "models": ["fast"], "toolboxes": ["box"],
         "over": "outputs.a", "at_once": 7},
        {"name": "task-3", "kind": "agent", "agents": ["who"], "models": ["fast", "thorough"], "toolboxes": ["box"],
         "condition": "outputs.a"},
        {"name": "task-4", "kind": "agent", "agents": ["who"], "models": ["fast", "thorough"],
         "over": "the last result", "at_once": 2},
    ]  # fmt: skip
    assert [one.number for one in found.tasks] == [1, 2, 3, 4]
    assert [one.fans_out for one in found.tasks] == [False, True, True, True]


A, B = "id: a, run: ls", "id: b, run: ls"
READER = "agents: [who], user_prompt: "


@pytest.mark.parametrize(
    "reader",
    [
        READER + '"{{ outputs.a.x }}"',
        READER + "\"{{ outputs['a'] }}\"",
        READER + '"{% if false %}{{ outputs.a }}{% endif %}"',
        "over: outputs.a | list, run: ls",
        "if: outputs.a > 3, run: ls",
    ],
)
def test_outputs_are_read_by_prompts_conditions_and_over(reader: str) -> None:
    assert links(A, B, reader) == [(1, 3, "outputs.a", True)]


def test_outputs_are_read_by_included_prompts() -> None:
    assert links(A, B, READER + "\"{% include 'words' %}\"") == [(1, 3, "outputs.a", True), (2, 3, "outputs.b", True)]


@pytest.mark.parametrize("prompt", ["{{ outputs | tojson }}", "{{ outputs[globals.x] }}", "{{ outputs.items() }}"])
def test_where_any_output_may_be_read_all_are(prompt: str) -> None:
    found = drawn(A, B, READER + f'"{prompt}", id: c', READER + "nothing")
    assert [(one.source, one.target) for one in found.links] == [(1, 3), (2, 3)]


def test_what_a_skippable_task_gives_is_there_at_times() -> None:
    assert links("id: a, if: 1 > 2, run: ls", READER + "\"{{ outputs.a | default('') }}\"") == [
        (1, 2, "outputs.a", False)
    ]


REPEAT = READER + "x, repeat_prompt: true"
TOOLED = "agents: [handy], user_prompt: x"


@pytest.mark.parametrize(
    ("tasks", "carried"),
    [
        # The topmost result is taken, and then an older one is.
        (["run: ls", "run: ls", REPEAT, REPEAT], [(2, 3, "stdout", True), (1, 4, "stdout", True)]),
        # An agent without tools gives nothing to carry over, nor does a task with several models.
        (["run: ls", READER + "x", TOOLED + ", models: [fast, thorough]", REPEAT], [(1, 4, "stdout", True)]),
        # `over` takes nothing.
        (["run: ls, id: a", READER + "x, over: outputs.a, repeat_prompt: true", REPEAT], [(1, 3, "stdout", True)]),
        # What may have been skipped may have given nothing.
        (
            ["run: ls", "run: ls, if: 1 > 2", REPEAT],
            [(1, 3, "stdout", True), (2, 3, "stdout", False)],
        ),
        # Any number of results: once one is taken, nobody knows whether another is left.
        (
            ["run: ls", TOOLED, REPEAT, REPEAT],
            [(2, 3, "last tool result", True), (1, 4, "stdout", True), (2, 4, "last tool result", False)],
        ),
        # Where it may not run, it may not take it.
        (
            ["run: ls", "run: ls", REPEAT + ", if: 1 > 2", REPEAT],
            [(2, 3, "stdout", True), (1, 4, "stdout", True), (2, 4, "stdout", False)],
        ),
    ],
)
def test_what_is_carried_over(tasks: list[str], carried: list[tuple[int, int, str, bool]]) -> None:
    found = drawn(*tasks).links
    assert [(one.source, one.target, one.label, one.certain) for one in found if one.kind == "carry"] == carried


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    bundle = load(lint_options(LoadOptions(""), str(path))).bundle
    found = graph(bundle)
    assert [one.name for one in found.tasks] == [task.name for task in bundle.tasks]
    assert all(one.source < one.target for one in found.links)
