"""`uses` and its merge rule (specification section 3)."""

from pathlib import Path

import pytest

from grammar.documents.models import Task
from tests.grammar.test_bundle import flow, here, problems, write

__all__ = ["here"]

USED = """
globals: {a: 1}
model_config: nowhere
defaults: {max_steps: 9}
taskflow:
  - task:
      name: used
      agents: [who]
      user_prompt: "{{ inputs.x }}"
      inputs: {x: 1, y: 2}
      must_complete: true
      async: true
      async_limit: 3
"""


def task_of(here: Path, fields: str, used: str = USED, top: str = "") -> Task:
    write(here, "lib/used.yaml", used)
    (task,) = flow(here, f"{top}taskflow:\n  - task: {{uses: lib.used, {fields}}}\n").bundle.tasks
    return task


def test_its_fields_are_the_defaults(here: Path) -> None:
    task = task_of(here, "")
    assert (task.name, task.agents, task.user_prompt) == ("used", ("who",), "{{ inputs.x }}")
    assert (task.must_complete, task.async_, task.async_limit, task.max_steps) == (True, True, 3, 9)


def test_what_is_set_here_wins_whole_maps_included(here: Path) -> None:
    task = task_of(here, "inputs: {x: 5}, async_limit: 7, name: mine")
    assert (task.name, task.inputs, task.async_limit) == ("mine", {"x": 5}, 7)


def test_a_field_set_to_its_default_does_not_override(here: Path) -> None:
    task = task_of(here, "must_complete: false, async: false, async_limit: 5, agents: [], inputs: {}")
    assert (task.must_complete, task.async_, task.async_limit) == (True, True, 3)
    assert (task.agents, task.inputs) == (("who",), {"x": 1, "y": 2})


def test_defaults_of_the_file_are_below_both(here: Path) -> None:
    task = task_of(here, "", top="defaults: {max_steps: 4, headless: true}\n")
    assert (task.max_steps, task.headless) == (9, True)


def test_globals_and_model_config_are_not_taken_over(here: Path) -> None:
    write(here, "lib/used.yaml", USED)
    bundle = flow(here, "taskflow:\n  - task: {uses: lib.used}\n").bundle
    assert (bundle.globals, bundle.config.models) == ({}, {})


def test_a_used_task_may_use_another(here: Path) -> None:
    write(here, "lib/deep.yaml", "taskflow:\n  - task: {run: echo deep, must_complete: true}\n")
    task = task_of(here, "", used="taskflow:\n  - task: {uses: lib.deep, name: middle}\n")
    assert (task.name, task.run, task.must_complete) == ("middle", "echo deep", True)


def test_references_are_relative_to_the_file_that_holds_them(here: Path) -> None:
    write(here, "lib/local.yaml", "personality: Local\n")
    used = "taskflow:\n  - task: {agents: [./local.yaml], user_prompt: a}\n"
    assert task_of(here, "", used=used).agents == ("lib/local.yaml",)


@pytest.mark.parametrize(
    ("used", "says"),
    [
        ("taskflow:\n  - task: {uses: lib.used}\n", "lib/used.yaml:2: taskflow[0].task.uses: uses itself: "),
        ("taskflow:\n  - task: {run: a}\n  - task: {run: b}\n", "flow.yaml:2: taskflow[0].task.uses: 'lib.used' has 2"),
        ("taskflow:\n  - task: {run: a, async: maybe}\n", "lib/used.yaml:2: taskflow[0].task.async: must be true or"),
        ("taskflow:\n  - task: {run: a, id: '1'}\n", "lib/used.yaml:2: taskflow[0].task.id: use a Python identifier"),
        ("personality: x\n", "flow.yaml:2: taskflow[0].task.uses: 'lib.used' has 0 tasks"),
        (
            "taskflow:\n  - task: {user_prompt: a, agents: [gone]}\n",
            "lib/used.yaml:2: taskflow[0].task.agents[0]: no personality 'gone'",
        ),
        (
            "taskflow:\n  - task:\n      agents: [who]\n      user_prompt: |\n        {{ globals.b }}\n",
            "lib/used.yaml:5: taskflow[0].task.user_prompt: globals.b is not defined",
        ),
    ],
)
def test_problems_point_at_the_file_that_holds_them(here: Path, used: str, says: str) -> None:
    write(here, "lib/used.yaml", used)
    (problem,) = problems(here, "taskflow:\n  - task: {uses: lib.used}\n")
    assert problem.startswith(says)


def test_a_cycle_through_two_files(here: Path) -> None:
    write(here, "lib/used.yaml", "taskflow:\n  - task: {uses: lib.other}\n")
    write(here, "lib/other.yaml", "taskflow:\n  - task: {uses: lib.used}\n")
    (problem,) = problems(here, "taskflow:\n  - task: {uses: lib.used}\n")
    assert "lib/used.yaml uses lib/other.yaml uses lib/used.yaml" in problem


def test_used_prompts_read_the_globals_and_outputs_of_here(here: Path) -> None:
    used = "taskflow:\n  - task: {agents: [who], user_prompt: '{{ globals.mine }} {{ outputs.first }}'}\n"
    write(here, "lib/used.yaml", used)
    top = "globals: {mine: 1}\ntaskflow:\n  - task: {id: first, run: ls}\n"
    assert len(flow(here, f"{top}  - task: {{uses: lib.used}}\n").bundle.tasks) == 2
