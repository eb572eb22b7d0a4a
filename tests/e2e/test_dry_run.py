"""`--dry-run` as a person uses it: real Temporal, and no model, no script, no server that was not asked for."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, SECRET, Desk, ServedDesk
from tests.support.scripted_endpoint import ScriptedEndpoint

FLOW = """
taskflow:
  - task:
      id: found
      agents: [brief.yaml]
      toolboxes: [absent.yaml]
      user_prompt: Find functions in {{ globals.repo }}.
  - task:
      id: judged
      repeat_prompt: true
      async: true
      agents: [brief.yaml]
      outputs:
        type: object
        properties: {verdict: {enum: [good, bad]}, line: {type: integer, minimum: 10}}
        required: [verdict, line]
      capture: response
      user_prompt: |
        Judge {{ result.name }} of {{ result.files[0].path }} with {{ env('SECRET') }}.
  - task:
      name: count
      run: touch ran; echo 12
  - task:
      name: report
      over: outputs.judged
      agents: [brief.yaml]
      user_prompt: "{{ result.value.name }} is {{ result.result.verdict }} at {{ result.result.line }}"
globals:
  repo: example
"""
ABSENT = "server_params: {kind: stdio, command: no-such-program}\n"


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    (tmp_path / "absent.yaml").write_text(ABSENT)
    path = tmp_path / "flow.yaml"
    path.write_text(FLOW)
    return path


def test_the_wiring_is_seen_at_no_cost(desk: Desk, flow: Path) -> None:
    with ScriptedEndpoint([]) as endpoint:
        ended = desk.run(str(flow), "--dry-run", AI_API_ENDPOINT=endpoint.url, SECRET=SECRET)
        assert endpoint.requests == []
    assert ended.code == 0, ended.out + ended.err
    assert "dry run: no model is asked" in ended.err
    assert "toy model" not in ended.err
    told = " ".join(line[9:].strip() if line[2:3] == ":" else line for line in (ended.err + ended.out).splitlines())
    for line in (
        "brief: ▷ Find functions in example.",
        "✓ item 1 of 2 brief: ▷ Judge name 1 of path 1 with ⟦",
        "✓ item 2 of 2 brief: ▷ Judge name 2 of path 1 with ⟦",
        "bash: ▷ touch ran; echo 12",
        "✓ item 2 of 2 brief: ▷ name 2 is good at 10",
        "0 model requests, 0 tokens in, 0 out",
    ):
        assert line in told
    assert SECRET not in ended.out + ended.err
    assert not (desk.folder / "ran").exists()


def test_json_says_that_it_was_one(served: ServedDesk, flow: Path) -> None:
    ended = served.run(str(flow), "--dry-run", "--json")
    assert ended.json["dry_run"] is True
    assert ended.json["outputs"]["judged"][1]["result"] == {"verdict": "good", "line": 10}


def test_rules_beside_the_flow_answer_and_rehearse_a_retry(served: ServedDesk) -> None:
    served.write(
        "flow.yaml",
        """
taskflow:
  - task: {id: list, must_complete: true, run: 'echo "[1]" > ran; cat ran'}
  - task:
      id: ask
      repeat_prompt: true
      agents: [brief.yaml]
      capture: response
      retry: {initial_interval: 0.1s, maximum_interval: 0.2s}
      user_prompt: What is {{ result }}?
""",
    )
    served.write(
        "flow.dry.yaml",
        """
rules:
  - {when: {task: list}, run: true}
  - {when: {task: ask, attempt: 1}, error: {status: 503, message: overloaded}}
  - {when: {prompt: "What is 1"}, text: one}
""",
    )
    ended = served.run("flow.yaml", "--dry-run", "--json")
    assert ended.code == 0, ended.err
    assert (served.folder / "ran").read_text() == "[1]\n"
    assert [entry["result"] for entry in ended.json["outputs"]["ask"]] == ["one"]


def test_the_example_calls_its_tool(served: ServedDesk) -> None:
    ended = served.run(str(ROOT / "taskflows/examples/echo.yaml"), "--dry-run")
    assert ended.code == 0, ended.out + ended.err
    assert '→ echo_tool({"message":"Hello World"})' in ended.err
    assert "← Echo: Hello World" in ended.err
    assert "assistant: It answered: Echo: Hello World" in ended.err


def test_a_personality(served: ServedDesk) -> None:
    served.write("rules.yaml", "rules:\n  - text: Good morning.\n")
    ended = served.run("-p", "./brief.yaml", "Say hello.", "--dry-run", "--rules", "rules.yaml")
    assert ended.code == 0, ended.out + ended.err
    assert "brief: ▷ Say hello." in ended.err
    assert "brief: Good morning." in ended.err


def test_a_wrong_rules_file_starts_nothing(desk: Desk, flow: Path) -> None:
    desk.write("flow.dry.yaml", "rules:\n  - when: {task: fond}\n    text: x\n")
    ended = desk.run(str(flow), "--dry-run")
    assert ended.code == 2
    assert "flow.dry.yaml:2: rules[0].when.task: no task has the name or id 'fond'; did you mean 'found'?" in ended.err
    assert not desk.state.exists()


def test_rules_without_dry_run_are_refused(desk: Desk, flow: Path) -> None:
    ended = desk.run(str(flow), "--rules", "rules.yaml")
    assert ended.code == 2
    assert "--rules: goes with --dry-run" in ended.err


def test_it_is_marked_in_temporal(remote: Desk, flow: Path) -> None:
    address = remote.env["TEMPORAL_ADDRESS"]
    worker = remote.worker(SECRET=SECRET)
    ended = remote.run(str(flow), "--dry-run", "--id", f"dry-{flow.parent.name}")
    assert ended.code == 0, ended.out + ended.err
    described = json.loads(
        remote.temporal("workflow", "describe", "-w", f"dry-{flow.parent.name}", "-o", "json", address=address)
    )
    assert "dry_run" in json.dumps(described)
    assert worker.poll() is None
