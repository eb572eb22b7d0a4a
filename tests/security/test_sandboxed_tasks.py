"""Tasks and toolboxes in a sandbox, and where none can be had (specification section 10)."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from psutil import process_iter
from temporalio.exceptions import ApplicationError

from activities.process.background import Background
from activities.sandbox import bubblewrap
from activities.sandbox.sandboxes import Sandboxes
from grammar.documents.models import SandboxChoice
from grammar.documents.sandbox import PRESETS
from grammar.errors import SandboxRefused
from grammar.failure_policy import ends_run, is_mendable, is_retried
from tests.activities.boxes import box, calls, failure, free_port, own_http_box
from tests.activities.conftest import SERVER, Bench
from tests.security.sandboxed import needs_sandbox
from tests.support.scripted_endpoint import Call, ScriptedEndpoint
from tests.support.waiting import until_async

WORKSPACE = SandboxChoice()
# What a server of the tests needs: its own file, and what it imports.
OF_TESTS = SandboxChoice.model_validate({"read": [str(SERVER.parents[2])]})


async def refusal(bench: Bench, script: str = "touch ran", **fields: Any) -> str:
    """Run a script that is refused, and return why."""
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(script, **{"sandbox": WORKSPACE, **fields})
    assert (caught.value.type, caught.value.non_retryable) == ("SandboxRefused", True)
    return caught.value.message


def program(folder: Path, text: str) -> None:
    """Put a program in place of bubblewrap."""
    path = folder / bubblewrap.PROGRAM
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# Where none can be had, nothing is run


async def test_without_bubblewrap(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    says = "this worker has no `bwrap`: install it (on Debian, `apt install bubblewrap`), then retry"
    assert says in await refusal(bench, folder=str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("when", ["always", "not when tried"])
async def test_where_bubblewrap_fails(
    when: str,
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = "echo 'bwrap: No permissions to create a new namespace' >&2; exit 1"
    program(tmp_path, told if when == "always" else f'for last; do :; done; [ "$last" = true ] || {{ {told}; }}')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    told = await refusal(bench, folder=str(tmp_path))
    assert told.startswith("this worker can make no sandbox: bwrap: No permissions to create a new namespace; ")
    assert "\n" not in told
    assert not (tmp_path / "ran").exists()


def test_a_refusal_parks_the_run_and_is_not_tried_again() -> None:
    kind = SandboxRefused.__name__
    assert (is_retried(kind), ends_run(kind), is_mendable(kind)) == (False, True, True)


@pytest.mark.parametrize("kind", ["stdio", "streamable"])
async def test_a_server_without_bubblewrap(
    kind: str,
    bench: Bench,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    boxes = box() if kind == "stdio" else own_http_box(free_port())
    error = await failure(bench, toolboxes=boxes, sandbox=SandboxChoice(network="all"))
    assert (error.type, "this worker has no `bwrap`" in error.message) == ("SandboxRefused", True)


async def test_a_server_that_could_not_be_reached_is_refused(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    error = await failure(bench, toolboxes=own_http_box(free_port()), sandbox=WORKSPACE)
    assert error.type == "SandboxRefused"
    assert "its server is reached over the network, so a sandbox of it needs `network: all`" in error.message


# The worker's word is the last


@pytest.mark.parametrize(
    ("asked", "required", "preset"),
    [
        (None, None, None),
        ("none", None, None),
        ("offline", None, "offline"),
        (None, "workspace", "workspace"),
        ("none", "workspace", "workspace"),
        ("none", "offline", "offline"),
        ("workspace", "offline", "workspace"),
        ("offline", "offline", "offline"),
    ],
)
def test_what_asks_for_nothing_is_raised(asked: str | None, required: Any, preset: str | None) -> None:
    choice = SandboxChoice.model_validate(asked) if asked else None
    assert Sandboxes(required).policy(choice) == (PRESETS[preset] if preset else None)


@pytest.mark.parametrize(
    ("asked", "excess"),
    [
        ("offline", "read: /"),
        ({"read": ["~/.cargo"]}, "read: ~/.cargo"),
        ({"write": ["/mnt"]}, "write: /mnt"),
        ({"network": ["pypi.org:443"]}, "network: pypi.org:443"),
        ({"network": "all"}, "network: all"),
        ({"memory": "16G"}, "memory: 16G"),
        ({"disk": "1T"}, "disk: 1T"),
        ({"processes": 5000}, "processes: 5000"),
    ],
)
def test_what_asks_for_more_is_refused(asked: Any, excess: str) -> None:
    with pytest.raises(SandboxRefused) as caught:
        Sandboxes("workspace").policy(SandboxChoice.model_validate(asked))
    assert f"requires the sandbox `workspace`, and more is asked for ({excess})" in str(caught.value)


def test_what_asks_for_less_gets_no_more() -> None:
    asked = SandboxChoice.model_validate({"write": ["out"], "memory": "64M", "cpu": "1m"})
    assert Sandboxes("workspace").policy(asked) == asked.policy


# Scripts and servers in one


@needs_sandbox
async def test_a_script_gets_what_its_env_names(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEN", "outside")
    monkeypatch.setenv("SECRET", "hunter2-long")
    script = "echo ${SEEN:-unset}/$MINE; touch made"
    result = await bench.shell(script, folder=str(tmp_path), sandbox=WORKSPACE, MINE="{{ env('SECRET') }}")
    assert result.value == "unset/⟦env:SECRET:k1⟧\n"
    assert (tmp_path / "made").exists()


@needs_sandbox
async def test_a_limit_is_told(bench: Bench, tmp_path: Path) -> None:
    limits = SandboxChoice.model_validate({"disk": "4M"})
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(
            "for i in 1 2 3; do head -c 3M /dev/zero > $i; done; sleep 60", folder=str(tmp_path), sandbox=limits
        )
    told = "ended: it took more than the `disk` of its sandbox allows"
    assert (caught.value.type, caught.value.message) == ("ShellFailed", told)


@needs_sandbox
async def test_a_required_sandbox_holds_what_asks_for_none(bench: Bench, tmp_path: Path) -> None:
    bench.sandboxes = Sandboxes("workspace")
    result = await bench.shell("ls -d /sys 2>/dev/null; id -u", folder=str(tmp_path))
    assert result.value == os.geteuid()


@needs_sandbox
async def test_what_a_sandboxed_script_leaves_behind_lives_until_the_run_ends(bench: Bench, tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def until_closed(_: str) -> None:
        await closed.wait()

    bench.background = Background(until_closed)
    script = f"setsid sh -c 'while :; do sleep 0.1; done # {tmp_path}' >/dev/null 2>&1 &"
    await bench.shell(script, folder=str(tmp_path), sandbox=WORKSPACE)

    async def goes_on() -> bool:
        return any(f"# {tmp_path}" in " ".join(process.info["cmdline"] or ()) for process in process_iter(["cmdline"]))

    async def has_ended() -> bool:
        return not await goes_on()

    assert await goes_on()
    closed.set()
    assert await until_async(has_ended)
    await bench.background.close()


@needs_sandbox
@pytest.mark.parametrize("says", ["the toolbox", "the task"])
async def test_a_stdio_server_in_a_sandbox(
    says: str,
    bench: Bench,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUE", "blue")
    boxes = box("--more", env={"COLOUR": "{{ env('HUE') }}"})
    if says == "the toolbox":
        boxes = {name: toolbox.model_copy(update={"sandbox": OF_TESTS}) for name, toolbox in boxes.items()}
    endpoint.rules = calls(
        Call(name="pid"),
        Call(name="environ", arguments={"name": "COLOUR"}),
        Call(name="environ", arguments={"name": "LOGNAME"}),
        Call(name="environ", arguments={"name": "HOME"}),
    )
    task = None if says == "the toolbox" else OF_TESTS
    result = await bench.agent(toolboxes=boxes, folder=str(tmp_path), sandbox=task)
    pid, *rest = [tool_result.text for tool_result in result.tool_results]
    assert (int(pid) < 10, rest) == (True, ["blue", "(not set)", "/tmp"])


@needs_sandbox
async def test_a_toolbox_that_wants_none_has_none(bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    boxes = {
        name: toolbox.model_copy(update={"sandbox": SandboxChoice(preset="none")})
        for name, toolbox in box("--more").items()
    }
    endpoint.rules = calls(Call(name="pid"))
    result = await bench.agent(toolboxes=boxes, folder=str(tmp_path), sandbox=WORKSPACE)
    assert int(result.tool_results[0].text) > 10


@needs_sandbox
async def test_a_command_that_is_not_there_is_no_fault_of_the_sandbox(
    bench: Bench,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
) -> None:
    error = await failure(bench, toolboxes=box(command="nonesuch"), folder=str(tmp_path), sandbox=WORKSPACE)
    assert error.type == "ToolboxFailed"
    assert "execvp nonesuch: No such file or directory" in error.message


@needs_sandbox
async def test_servers_of_two_policies_do_not_stand_in_for_each_other(
    bench: Bench,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
) -> None:
    endpoint.rules = calls(Call(name="pid"))
    found = []
    for choice in (None, OF_TESTS, OF_TESTS):
        boxes = box("--more", lifetime="worker")
        result = await bench.agent(toolboxes=boxes, folder=str(tmp_path), sandbox=choice)
        found.append(result.tool_results[0].text)
    assert int(found[0]) > 10
    assert found[1] == found[2] != found[0]


@needs_sandbox
async def test_a_server_over_http_in_a_sandbox(bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    policy = OF_TESTS.model_copy(update={"network": "all"})
    port = free_port()
    endpoint.rules = calls(Call(name="pid"))
    result = await bench.agent(toolboxes=own_http_box(port), folder=str(tmp_path), sandbox=policy)
    assert int(result.tool_results[0].text) < 10
