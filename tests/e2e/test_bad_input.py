"""Bad input: one line each, and that of the file where it is no YAML; exit 2, quickly, and no server started."""

import subprocess
import sys
import time

import pytest

from tests.e2e.conftest import ROOT, Desk, ServedDesk

FILES = {
    "yaml.yaml": "taskflow:\n  - task: [1\n",
    "reference.yaml": "taskflow:\n  - task:\n      agents: [nobody.here]\n      user_prompt: hi\n",
    "undefined.yaml": "taskflow:\n  - task:\n      agents: [./brief.yaml]\n      user_prompt: |\n        hi\n"
    "        {{ globals.who }}\n",
    "type.yaml": "taskflow:\n  - task:\n      run: ls\n      async_limit: five\n",
}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.yaml", "error: missing.yaml: no such file; give a path to a .yaml file or a dotted name"),
        ("yaml.yaml", "error: yaml.yaml:3: not YAML: did not find expected ',' or ']'"),
        ("reference.yaml", "error: reference.yaml:3: taskflow[0].task.agents[0]: no personality 'nobody.here' found"),
        ("undefined.yaml", "error: undefined.yaml:6: taskflow[0].task.user_prompt: globals.who is not defined: add it"),
        ("type.yaml", "error: type.yaml:4: taskflow[0].task.async_limit: must be a whole number, not 'five'"),
    ],
)
def test_one_line_and_exit_2(desk: Desk, name: str, says: str) -> None:
    for file, text in FILES.items():
        desk.write(file, text)
    start = time.monotonic()
    ended = desk.run(name)
    assert time.monotonic() - start < 10  # 0.4 s on an idle machine; this only guards against a server start
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(says)
    shown = ["  2 |   - task: [1", "    |           ^"] if name == "yaml.yaml" else []
    assert ended.err.splitlines()[1:] == shown
    assert not desk.state.exists()


def test_json_tells_the_problems(desk: Desk) -> None:
    desk.write("type.yaml", FILES["type.yaml"])
    ended = desk.run("type.yaml", "--json")
    assert ended.code == 2
    assert ended.json["problems"] == [
        {
            "file": "type.yaml",
            "line": 4,
            "field": "taskflow[0].task.async_limit",
            "message": "must be a whole number, not 'five'",
        }
    ]


def test_unknown_fields_are_warned_of(served: ServedDesk) -> None:
    served.write("flow.yaml", "taskflow:\n  - task:\n      run: echo hi\n      asnyc: true\n")
    ended = served.run("flow.yaml")
    assert ended.code == 0
    assert "warning: flow.yaml:4: taskflow[0].task.asnyc: unknown field, ignored; did you mean `async`?" in ended.err


def test_the_starter_loads_no_agents() -> None:
    """Loading the agents SDK takes longer than all else that the starter does; `--help` needs no Temporal either."""
    heavy = ("agents", "openai", "mcp", "activities", "workflows", "temporalio", "genai_prices")
    code = f"import starter, sys; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_server_that_does_not_answer(desk: Desk) -> None:
    desk.write("flow.yaml", "taskflow:\n  - task: {run: ls}\n")
    ended = desk.run("flow.yaml", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert "127.0.0.1:1" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("megabytes", [3, 6])
@pytest.mark.parametrize("how", [["run", "flow.yaml"], ["schedule", "add", "flow.yaml", "--cron", "@daily"]])
def test_a_flow_that_is_too_large_for_the_server(remote: Desk, megabytes: int, how: list[str]) -> None:
    """The server's limit for a payload, and gRPC's for a message."""
    remote.write("flow.yaml", f"globals: {{large: {'x' * megabytes * 1_000_000}}}\ntaskflow:\n  - task: {{run: ls}}\n")
    ended = remote.run(*how, "--json")
    assert (ended.code, ended.json["exit_code"]) == (2, 2)
    told = "error: the flow, with all it refers to, is too large for the server; say where to keep what is large"
    assert told in ended.err
