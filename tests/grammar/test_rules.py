"""Rules files: what is read of them, and what is said of one that is wrong."""

import textwrap
from pathlib import Path

import pytest

from grammar.documents.models import Task
from grammar.documents.rules import DryRunScript, Rule, branch_script
from grammar.dry_run.dry_run_bundle import as_dry_run, rules_beside
from grammar.errors import InvalidFlow
from grammar.loading import bundle
from grammar.loading.bundle import Loaded, LoadOptions

FLOW = """
taskflow:
  - task: {id: fetch, name: fetch it, run: echo hi}
  - task: {name: ask, agents: [brief.yaml], user_prompt: hi}
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    monkeypatch.chdir(tmp_path)
    Path("brief.yaml").write_text("personality: Be brief.\n")
    Path("flow.yaml").write_text(FLOW)
    return bundle.load(LoadOptions("flow.yaml"))


def script(loaded: Loaded, text: str) -> DryRunScript:
    path = Path("flow.dry.yaml")
    path.write_text(textwrap.dedent(text))
    made = as_dry_run(loaded, path.absolute()).bundle.script
    assert made
    return made


def test_every_kind_of_answer(loaded: Loaded) -> None:
    made = script(
        loaded,
        """\
        rules:
          - when: {task: fetch, attempt: 1}
            exit_code: 3
            stderr: no network
          - when: {task: fetch it}
            stdout: '[1, 2]'
          - when: {task: ask, turn: 1, item: 2, model: m, prompt: h.}
            tool_calls: [{name: t, arguments: {a: 1}}, {name: transfer_to_b}]
            times: 2
          - when: {task: ask}
            error: {status: 429, retry_after: 1}
          - result: false
          - text: hello
          - exit_code: 0
        """,
    )
    assert [rule.kind for rule in made.rules] == ["shell", "shell", "agent", "agent", "agent", "agent", "shell"]
    assert [rule.calls_tools for rule in made.rules] == [False, False, True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rules:\n  - when: {task: fetch}\n    stdot: x\n",
         "flow.dry.yaml:3: rules[0].stdot: unknown field; did you mean `stdout`?"),
        ("rules:\n  - when: {tusk: x}\n    text: x\n",
         "flow.dry.yaml:2: rules[0].when.tusk: unknown field; did you mean `task`?"),
        ("rules:\n\n  - when: {task: asc}\n    text: x\n",
         "flow.dry.yaml:3: rules[0].when.task: no task has the name or id 'asc'; did you mean 'ask'?"),
        ("rules:\n  - when: {task: ask}\n    stdout: x\n",
         "flow.dry.yaml:2: rules[0].when.task: 'ask' runs an agent: answer with text, tool_calls, result, error"),
        ("rules:\n  - when: {task: fetch}\n    text: x\n",
         "flow.dry.yaml:2: rules[0].when.task: 'fetch' runs a script: answer with stdout, stderr, exit_code, run"),
        ("rules:\n  - when: {task: ask}\n", "flow.dry.yaml:2: rules[0]: a rule needs an answer: one of text, "
         "tool_calls, result, error, stdout, stderr, exit_code, run"),
        ("rules:\n  - text: x\n    stdout: x\n",
         "flow.dry.yaml:2: rules[0]: `text` is an agent's answer and `stdout` a script's; a rule has one of them"),
        ("rules:\n  - text: x\n    error: {status: 500}\n",
         "flow.dry.yaml:2: rules[0]: `text` and `error` do not go together"),
        ("rules:\n  - run: true\n    stdout: x\n", "flow.dry.yaml:2: rules[0]: `stdout` and `run` do not go together"),
        ("rules:\n  - when: {prompt: '('}\n    text: x\n",
         "flow.dry.yaml:2: rules[0].when.prompt: not a regular expression: missing ), "
         "unterminated subpattern at position 0"),
        ("rules:\n  - error: {status: 200}\n",
         "flow.dry.yaml:2: rules[0].error.status: must be greater than or equal to 400"),
        ("rules: x\n", "flow.dry.yaml:1: rules: must be a list, not text"),
        ("rule: []\n", "flow.dry.yaml:1: rule: unknown field; did you mean `rules`?"),
        ("- x\n", "flow.dry.yaml:1: a document must be a map of fields"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(loaded: Loaded, text: str, complaint: str) -> None:
    with pytest.raises(InvalidFlow) as caught:
        script(loaded, text)
    assert complaint in str(caught.value).splitlines()


def test_a_file_that_is_not_there(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(InvalidFlow, match=r"none\.yaml: cannot be read: No such file or directory"):
        as_dry_run(loaded, tmp_path / "none.yaml")


def test_rules_beside_the_flow(tmp_path: Path) -> None:
    assert rules_beside(tmp_path / "flow.yaml") is None
    (tmp_path / "flow.dry.yaml").write_text("rules: []\n")
    assert rules_beside(tmp_path / "flow.yaml") == tmp_path / "flow.dry.yaml"


def test_a_dry_run_is_another_run(loaded: Loaded) -> None:
    dry = as_dry_run(loaded, None).bundle
    assert dry.script == DryRunScript()
    assert dry.hash != loaded.bundle.hash


def rule(**fields: object) -> Rule:
    return Rule.model_validate({"text": "x"} | fields)


def test_a_branch_gets_the_rules_that_concern_it() -> None:
    task = Task.model_validate({"name": "n", "id": "i", "user_prompt": "p", "agents": ["a"]})
    rules = [
        rule(), rule(when={"task": "n"}), rule(when={"task": "i"}), rule(when={"task": "other"}),
        rule(when={"item": 2}), rule(when={"item": 1}), rule(when={"model": "big"}), rule(when={"model": "small"}),
        rule(text=None, stdout="x"),
    ]  # fmt: skip
    found = branch_script(DryRunScript(rules=rules), task, 0, item=1, models=("big", "gpt-5"))
    assert [one.number for one in found.rules] == [0, 1, 2, 4, 6]
    assert not found.first


def test_of_those_the_moment_decides() -> None:
    task = Task.model_validate({"name": "n", "user_prompt": "p", "agents": ["a"]})
    rules = [rule(when={"turn": 2}), rule(when={"attempt": 1}), rule(when={"prompt": "^b"}), rule()]
    found = branch_script(DryRunScript(rules=rules), task, 0, item=0, models=())
    assert [one.number for one in found.fitting("abc", turn=1, attempt=1)] == [1, 3]
    assert [one.number for one in found.fitting("bc", turn=2, attempt=2)] == [0, 2, 3]
