"""What a run of an edited file may take over from an earlier run."""

from typing import Any

import pytest

from grammar.documents.models import ModelConfig, Personality, ServerParams, Task, Toolbox
from grammar.errors import NotTakenOver
from grammar.loading.reuse import beginning, outputs_taken_over, taken_over
from grammar.messages.activity_results import Branch, FailureDetails, TranscriptEntry, Usage
from grammar.messages.continue_as_new import CarriedBranch, CarriedTask
from grammar.messages.reports import TaskReport, TaskStatus
from grammar.messages.run_bundle import Bundle

BOX = Toolbox(server_params=ServerParams(kind="stdio", command="x", args=("{{ globals.dir }}",)))


def bundle(*tasks: Task, **fields: Any) -> Bundle:
    given = {
        "personalities": {"who": Personality(personality="You are.", toolboxes=("box",))},
        "toolboxes": {"box": BOX},
        "prompts": {"p": "{{ globals.included }}"},
        "globals": {"dir": "d", "included": 1, "unused": 2},
        **fields,
    }
    return Bundle(name="f", source="f.yaml", tasks=list(tasks), **given)


def ask(name: str, prompt: str = "hi", **fields: Any) -> Task:
    return Task(name=name, agents=("who",), user_prompt=prompt, **fields)


TASKS = (Task(name="a", id="a", run="ls"), ask("b", "{% include 'p' %}"), ask("c", "{{ outputs.a }}"))


def reports(*statuses: TaskStatus) -> list[TaskReport]:
    return [TaskReport(name=name, status=status) for name, status in zip("abc", statuses, strict=True)]


DONE = reports("done", "skipped", "done")


def begin(new: Bundle, asked: str | None = None, known: list[TaskReport] = DONE) -> int:
    return beginning(bundle(*TASKS), known, new, asked, "old")


def test_the_first_task_that_differs() -> None:
    assert begin(bundle(*TASKS[:2], ask("c", "other"))) == 2
    assert begin(bundle(TASKS[0], ask("b", "other"), TASKS[2])) == 1
    assert begin(bundle(*TASKS, ask("new"))) == 3


def test_a_file_that_was_not_edited_begins_with_its_last_task() -> None:
    assert begin(bundle(*TASKS)) == 2


def test_what_the_earlier_run_did_not_complete_runs_again() -> None:
    assert begin(bundle(*TASKS), known=reports("done", "failed", "done")) == 1


def test_the_task_that_is_asked_for() -> None:
    assert begin(bundle(*TASKS), "b") == 1
    assert begin(bundle(*TASKS), "a") == 0


def test_what_changes_no_result_may_differ() -> None:
    tasks = (Task(name="z", id="a", run="ls", must_complete=True, on_failure="fail"), *TASKS[1:])
    assert begin(bundle(*tasks, globals={"dir": "d", "included": 1, "unused": 3})) == 2


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"personalities": {"who": Personality(personality="Other.", toolboxes=("box",))}}, "personality who"),
        ({"toolboxes": {"box": BOX.model_copy(update={"server_prompt": "use it"})}}, "toolbox box"),
        ({"prompts": {"p": "other"}}, "global included, prompt p"),
        ({"globals": {"dir": "d", "included": 2}}, "global included"),
        ({"globals": {"dir": "e", "included": 1}}, "global dir"),
        ({"config": ModelConfig(api_type="responses")}, "model"),
    ],
)
def test_a_task_depends_on_its_documents_and_globals(fields: dict[str, Any], says: str) -> None:
    assert begin(bundle(*TASKS, **fields)) == 1
    with pytest.raises(NotTakenOver) as refused:
        begin(bundle(*TASKS, **fields), "c")
    assert str(refused.value) == f"run old cannot be taken over up to 'c': task 'b' differs: {says}"


def test_a_global_that_is_not_read_by_name_counts_with_all_others() -> None:
    tasks = (ask("a", "{{ globals }}"), TASKS[1])
    old = bundle(*tasks)
    new = bundle(*tasks, globals={"dir": "d", "included": 1, "unused": 3})
    with pytest.raises(NotTakenOver, match="task 'a' differs: globals"):
        beginning(old, DONE[:2], new, None, "old")


@pytest.mark.parametrize(
    ("asked", "tasks", "says"),
    [
        (None, (Task(name="a", run="other"),), "nothing can be taken over from run old: task 'a' differs: id, run"),
        ("x", TASKS, "no task has the name or id 'x'"),
        ("e", (*TASKS, ask("d"), ask("e")), "run old cannot be taken over up to 'e': it has no task 'd'"),
    ],
)
def test_what_cannot_be_taken_over(asked: str | None, tasks: tuple[Task, ...], says: str) -> None:
    with pytest.raises(NotTakenOver) as refused:
        begin(bundle(*tasks), asked)
    assert str(refused.value) == says


FAN_OUT = (Task(name="a", id="a", run="ls", over="[1]"), ask("b", "{{ outputs.a }}"))


def test_lists_of_an_older_version_are_read_as_todays() -> None:
    old, new = bundle(*FAN_OUT), bundle(*FAN_OUT, meaning=2)
    outputs: dict[str, Any] = {"a": [{"model": "", "item": "x", "result": 1}], "b": [{"item": 1}]}
    todays = {"model": "", "item": 0, "value": "x", "result": 1}
    assert outputs_taken_over(old, new, outputs) == {"a": [todays], "b": [{"item": 1}]}
    assert outputs_taken_over(old, old, outputs) == outputs
    assert outputs_taken_over(new, new, outputs) == outputs
    assert beginning(old, DONE[:2], new, None, "old") == 1


def test_a_stored_list_of_an_older_version_is_made_anew() -> None:
    old, new = bundle(*FAN_OUT), bundle(*FAN_OUT, meaning=2)
    with pytest.raises(NotTakenOver, match="task 'a' gave a large list there, in the form of an older version"):
        beginning(old, DONE[:2], new, None, "old", stored={"a": None})
    assert beginning(new, DONE[:2], new, None, "old", stored={"a": None}) == 1


def test_what_is_taken_over_costs_nothing_and_is_told_as_it_was() -> None:
    spent = Usage(requests=2, input_tokens=30, output_tokens=4)
    said = [TranscriptEntry(kind="message", who="who", text="I tried.")]
    lost = FailureDetails(usage=spent, attempts=3, said=said)
    branch = CarriedBranch(branch=Branch(index=1), lost=lost)
    report = TaskReport(name="a", status="done", usage=spent)
    taken = taken_over(CarriedTask(report=report, usage=spent, branches=[branch]), "old")
    assert (taken.report.note, taken.report.usage, taken.used) == ("taken over from old", Usage(), [])
    assert taken.branches[0].lost == FailureDetails(attempts=3, said=said)
    assert CarriedTask.model_validate_json(taken.model_dump_json()) == taken
