"""`lint`: what is printed, and the exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import lint
from tests.commands.conftest import ROOT, Starter

FILES = {
    "good.yaml": "taskflow:\n  - task: {run: ls}\n",
    "bad.yaml": "taskflow:\n  - task:\n      run: [ls]\n  - task: {run: ls, over: outputs.gone}\n",
    "odd.yaml": "taskflow:\n  - task: {run: ls, must_compelte: true}\n",
    "needs.yaml": "taskflow:\n  - task: {run: ls, env: {A: \"{{ env('NOT_SET_HERE') }}\"}}\n",
    "uses_box.yaml": "taskflow:\n  - task: {agents: [who], user_prompt: x}\n",
    "uses_box_too.yaml": "taskflow:\n  - task: {agents: [who], user_prompt: y}\n",
    "who.yaml": "toolboxes: [box]\n",
    "box.yaml": "server_params: {kind: stdio}\nconfirms: []\n",
}
Told = tuple[int, list[str], dict[str, Any]]


@pytest.fixture
def told(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The exit code, the lines for people, and the JSON document, if that is asked for."""

    def call(*flows: str, json_: bool = False, strict: bool = False) -> Told:
        code = lint.lint(list(flows), strict=strict, json=json_)
        captured = capsys.readouterr()
        if not json_:
            assert captured.err == ""
        return code, (captured.err or captured.out).splitlines(), json.loads(captured.out) if json_ else {}

    for name, text in FILES.items():
        (here / name).write_text(text)
    return call


def test_a_file_that_is_right(told: Callable[..., Told]) -> None:
    assert told("good.yaml") == (0, ["1 file, 0 errors, 0 warnings"], {})


def test_every_problem_of_every_file_in_their_order(told: Callable[..., Told]) -> None:
    code, lines, _ = told("odd.yaml", "good.yaml", "bad.yaml", "gone.yaml")
    assert code == 2
    assert [line.split(": ")[:2] for line in lines[:-1]] == [
        ["error", "bad.yaml:3"],
        ["error", "gone.yaml"],
        ["warning", "odd.yaml:2"],
    ]
    assert lines[-1] == "4 files, 2 errors, 1 warning"


def test_what_several_files_refer_to_is_told_of_once(told: Callable[..., Told]) -> None:
    code, lines, _ = told("uses_box.yaml", "uses_box_too.yaml", "who.yaml")
    assert (code, lines[-1]) == (2, "3 files, 2 errors, 2 warnings")
    assert [line for line in lines if "box.yaml" in line.split()[1]] == [
        "error: box.yaml:1: server_params: a stdio server needs a `command` (referred to by who.yaml:1: toolboxes[0])",
        "warning: box.yaml:2: confirms: unknown field, ignored; did you mean `confirm`?",
    ]


def test_strict_makes_a_warning_an_error(told: Callable[..., Told]) -> None:
    assert told("odd.yaml")[0] == 0
    code, lines, _ = told("odd.yaml", strict=True)
    assert code == 2
    assert lines == [
        "error: odd.yaml:2: taskflow[0].task.must_compelte: unknown field; did you mean `must_complete`?",
        "1 file, 1 error, 0 warnings",
    ]


def test_a_variable_that_is_not_set_is_a_hint(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    code, lines, _ = told("needs.yaml", strict=True)
    assert code == 0
    assert lines == [
        "hint: needs.yaml:2: taskflow[0].task.env.A: needs the environment variable NOT_SET_HERE, "
        "which is not set here",
        "1 file, 0 errors, 0 warnings, 1 hint",
    ]
    monkeypatch.setenv("NOT_SET_HERE", "a secret")
    assert told("needs.yaml") == (0, ["1 file, 0 errors, 0 warnings"], {})


def test_json(told: Callable[..., Told]) -> None:
    code, lines, document = told("odd.yaml", "uses_box.yaml", json_=True)
    assert (code, lines[-1]) == (2, "2 files, 1 error, 2 warnings")
    problems = document.pop("problems")
    assert document == {"status": "bad_input", "exit_code": 2, "files": 2}
    assert [(one["severity"], one["file"], one["line"]) for one in problems] == [
        ("error", "box.yaml", 1),
        ("warning", "box.yaml", 2),
        ("warning", "odd.yaml", 2),
    ]
    assert problems[0] == {
        "severity": "error",
        "file": "box.yaml",
        "line": 1,
        "field": "server_params",
        "message": "a stdio server needs a `command`",
        "referrer": "who.yaml:1: toolboxes[0]",
    }
    assert told("good.yaml", json_=True)[2] == {"status": "ok", "exit_code": 0, "files": 1, "problems": []}


def test_no_file_is_no_success(starter: Starter) -> None:
    ended = starter("lint")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: command line: give one or more files: python starter.py lint FLOW...\n"


def test_from_the_command_line(here: Path, starter: Starter) -> None:
    (here / "flow.yaml").write_text("taskflow:\n  - task: {agents: [x.who], user_prompt: '{{ globals.a }}'}\n")
    (here / "lib/x").mkdir(parents=True)
    (here / "lib/x/who.yaml").write_text("personality: x\n")
    ended = starter("lint", "flow.yaml", "-g", "a=1", "--path", "lib", "--strict", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["problems"]) == (0, []), ended.stderr
    ended = starter("--lint", "flow.yaml", "gone.yaml")
    assert ended.returncode == 2
    assert "error: flow.yaml:2: taskflow[0].task.agents[0]: no personality 'x.who' found" in ended.stdout
    assert "error: gone.yaml: no such file" in ended.stdout
    assert not (here / "state").exists()


def test_our_own_documents_are_right(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ours = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "taskflows").rglob("*.yaml"))]
    code, lines, _ = told(*(path for path in ours if not path.endswith(".dry.yaml")), strict=True)
    assert (code, [line for line in lines[:-1] if not line.startswith("hint: ")]) == (0, [])
