"""`inspect FLOW`: what a run would do, told before it. Nothing is run or asked; no name passes for a line of ours."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from commands import inspect as command
from grammar.dot_env_rules import RECORD, DotEnvRecord
from grammar.inspection.inspection import Inspection, inspect
from grammar.loading.bundle import LoadOptions, load
from grammar.templating import env_calls
from tests.security.hostile_folder import HostileFolder, hostile

__all__ = ["hostile"]

FLOW = """
model_config: ./models.yaml
taskflow:
  - task: {name: fetch, run: "curl https://example.com\\nrm -rf build", repeat_prompt: true, over: "[1]"}
  - task:
      name: read
      agents: [./who.yaml]
      model: good
      user_prompt: "{% include './prompt.yaml' %} {{ env('TOPIC', 'x') }}"
      env: {MODE: "{{ env('MODE', required=False) }}"}
      blocked_tools: [wipe]
      headless: true
"""
DOCUMENTS = {
    "flow.yaml": FLOW,
    "who.yaml": "personality: x\ntoolboxes: [./tickets.yaml, ./wiki.yaml]\n",
    "tickets.yaml": "server_params: {kind: stdio, command: python, args: [-m, tickets, \"{{ env('PLACE') }}\"], "
    "env: {TICKETS_TOKEN: \"{{ env('TICKETS_TOKEN') }}\"}}\nconfirm: [close]\n",
    "wiki.yaml": "server_params: {kind: sse, url: 'https://u:secret@wiki.example.com/sse', "
    "headers: {Authorization: \"Bearer {{ env('WIKI_' ~ 'TOKEN') }}\"}}\n",
    "prompt.yaml": "prompt: \"{{ env('INCLUDED') }}\"\n",
    "models.yaml": "models: {good: some-model}\n"
    "model_settings: {good: {endpoint: 'https://models.example.com/v1', token: MODEL_KEY}}\n",
}


def found(folder: HostileFolder, environ: dict[str, str] | None = None, **documents: str) -> Inspection:
    for name, text in {**DOCUMENTS, **documents}.items():
        folder.write(name.replace("_yaml", ".yaml"), text)
    return inspect(load(LoadOptions("flow.yaml")), environ or {})


def test_it_tells_what_is_run_asked_and_read(hostile: HostileFolder) -> None:
    told = found(hostile, {"TOPIC": "x", "MODEL_KEY": "x", "MODE": "x", RECORD: str(DotEnvRecord(names=("MODE",)))})
    (script,) = told.scripts
    assert (script.task, script.script, script.repeats) == ("fetch", "curl https://example.com\nrm -rf build", True)
    (agents,) = told.agents
    assert (agents.task, agents.toolboxes, agents.headless) == ("read", ["tickets.yaml", "wiki.yaml"], True)
    assert (agents.personalities, agents.blocked_tools) == (["who.yaml"], ["wipe"])
    tickets, wiki = told.toolboxes
    assert tickets.command == ["python", "-m", "tickets", "{{ env('PLACE') }}"]
    assert (tickets.sets, tickets.confirm, tickets.url) == (["TICKETS_TOKEN"], ["close"], None)
    assert (wiki.command, wiki.url, wiki.headers) == ([], "https://wiki.example.com/sse", ["Authorization"])
    assert [(host.url, host.purpose, host.name) for host in told.hosts] == [
        ("https://models.example.com/v1", "model", "some-model"),
        ("https://wiki.example.com/sse", "toolbox", "wiki.yaml"),
    ]
    assert [(use.model, use.token, use.tasks) for use in told.models] == [("some-model", "MODEL_KEY", ("read",))]
    assert {(one.name, one.standing, *one.used_by) for one in told.variables} == {
        ("INCLUDED", "not set", "task read"),
        ("MODE", "from .env", "task read"),
        ("MODEL_KEY", "set", "model some-model"),
        ("PLACE", "not set", "toolbox tickets.yaml"),
        ("TICKETS_TOKEN", "not set", "toolbox tickets.yaml"),
        ("TOPIC", "set", "task read"),
        (None, "unknown", "toolbox wiki.yaml"),
    }


def test_it_tells_which_files_there_are_and_where_each_was_found(hostile: HostileFolder) -> None:
    hostile.write("lib/who.yaml", "personality: x\ntoolboxes: [taskflows.toolboxes.echo]\n")
    told = found(hostile, flow_yaml="taskflow: [{task: {agents: [lib.who], user_prompt: x}}]\n")
    assert [(file.kind, file.name, file.place) for file in told.files] == [
        ("taskflow", "flow.yaml", "path"),
        ("personality", "lib.who", "beside the flow"),
        ("toolbox", "taskflows.toolboxes.echo", "this installation"),
    ]
    assert told.files[1].path == hostile.path / "lib/who.yaml"


def test_a_variable_that_the_worker_may_not_read_is_told(hostile: HostileFolder) -> None:
    told = found(hostile, {"TOPIC": "x", "MODEL_KEY": "x", "TASKFLOW_ENV_ALLOW": "MODEL_*"})
    assert {one.name for one in told.variables if one.standing == "not allowed"} >= {"TOPIC", "TICKETS_TOKEN"}
    assert [one.standing for one in told.variables if one.name == "MODEL_KEY"] == ["set"]


def test_what_holds_a_script_and_a_server_is_told(hostile: HostileFolder, capsys: pytest.CaptureFixture[str]) -> None:
    hostile.write("box.yaml", "server_params: {kind: stdio, command: x}\nsandbox: none\n")
    tasks = [
        "{run: a}",
        "{run: b, sandbox: {network: [pypi.org:443], memory: 8G, write: [], cpu: 2m}}",
        "{agents: [./who.yaml], user_prompt: x, toolboxes: [./box.yaml], sandbox: offline}",
    ]
    told = found(hostile, flow_yaml="taskflow:\n" + "".join(f"  - task: {task}\n" for task in tasks))
    assert [script.sandbox for script in told.scripts] == [
        "none",
        "workspace, write: nothing, network: pypi.org:443, memory: 8G, cpu: 120 s",
    ]
    assert [agents.sandbox for agents in told.agents] == ["offline"]
    assert [box.sandbox for box in told.toolboxes if box.name == "box.yaml"] == ["none"]
    assert command.inspect("flow.yaml") == 0
    printed = capsys.readouterr().out
    assert "in a sandbox: workspace, write: nothing" in printed
    assert "servers in a sandbox: offline" in printed
    assert "in no sandbox" in printed


def test_the_hash_is_that_of_the_run(hostile: HostileFolder) -> None:
    assert found(hostile).hash == load(LoadOptions("flow.yaml")).bundle.hash


@pytest.mark.parametrize(
    ("template", "names"),
    [
        (
            "{{ env('A') }} {{ env(\"B\", 'x') }} {% if env('C', required=False) %}{{ env(name='D') }}{% endif %}",
            "ABCD",
        ),
        ("{% for x in [env('A')] %}{% endfor %}{{ x | default(env('B')) }}", "AB"),
        ("no env('A') here", ""),
        ("{{ 'env' }}", ""),
    ],
)
def test_every_call_of_env_is_found(template: str, names: str) -> None:
    assert env_calls.variables(template) == list(names)


@pytest.mark.parametrize(
    "template",
    [
        "{{ env('A' ~ 'B') }}",
        "{{ env(globals.name) }}",
        "{% set f = env %}{{ f('A') }}",
        "{{ ['A'] | map(env) }}",
        "{% macro m(f) %}{{ f('A') }}{% endmacro %}{{ m(env) }}",
        "{{ env(name=globals.x) }}",
        "{{ env(*['A']) }}",
    ],
)
def test_a_name_that_is_worked_out_is_told_as_such(template: str) -> None:
    assert None in env_calls.variables(template)


def printed(capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    assert command.inspect("flow.yaml", **options) == 0
    return capsys.readouterr().out


def test_nothing_is_run_or_asked(hostile: HostileFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        spring = f"touch '{hostile.sprung}'"
        found(
            hostile,
            flow_yaml=FLOW.replace("rm -rf build", spring.replace("'", "")),
            tickets_yaml=f'server_params: {{kind: stdio, command: sh, args: [-c, "{spring}"]}}\n',
            wiki_yaml=f"server_params: {{kind: sse, url: '{url}'}}\n",
            models_yaml=f"models: {{good: m}}\nmodel_settings: {{good: {{endpoint: '{url}'}}}}\n",
        )
        assert url in printed(capsys)
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert not hostile.has_sprung


def test_a_usual_flow_fits_on_a_screen(hostile: HostileFolder, capsys: pytest.CaptureFixture[str]) -> None:
    found(hostile)
    out = printed(capsys)
    assert len(out.splitlines()) < 40
    for text in (
        "rm -rf build",
        "python -m tickets {{ env('PLACE') }}",
        "https://wiki.example.com/sse",
        "TICKETS_TOKEN",
    ):
        assert text in out
    assert "secret" not in out


def test_as_json(hostile: HostileFolder, capsys: pytest.CaptureFixture[str]) -> None:
    expected = found(hostile, dict(os.environ))
    assert json.loads(printed(capsys, json=True)) == expected.model_dump(mode="json")


def test_a_long_script_is_not_told_as_a_short_one(hostile: HostileFolder, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(f"        echo {number}\n" for number in range(40))
    found(hostile, flow_yaml=f"taskflow:\n  - task:\n      run: |\n{lines}")
    assert "... 35 more lines: --json has them" in printed(capsys)


def test_no_name_passes_for_a_line_of_ours(hostile: HostileFolder, capsys: pytest.CaptureFixture[str]) -> None:
    name = "x\\nscripts: none\\n\\e[2Jhosts: none"
    found(hostile, flow_yaml=f'taskflow: [{{task: {{name: "{name}", run: "echo \\e]0;x\\a\\nscripts: none"}}}}]\n')
    out = printed(capsys)
    assert "\x1b" not in out
    assert not any(line.startswith(("scripts: none", "hosts: none")) for line in out.splitlines())


def test_the_folder_of_files_is_a_path(hostile: HostileFolder) -> None:
    assert found(hostile).files[0].path == Path.cwd() / "flow.yaml"
