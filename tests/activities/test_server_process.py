"""MCP servers that the worker starts and reaches over HTTP (specification sections 1 and 7)."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.activities.boxes import calls, failure, free_port, http_server, listening, own_http_box, started
from tests.activities.conftest import SERVER, Bench
from tests.support.scripted_endpoint import Call, ScriptedEndpoint
from tests.support.waiting import gone, until


async def test_a_server_of_its_own_over_http(bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    log, port = tmp_path / "starts", free_port()
    toolboxes = own_http_box(port, "--starts", str(log), "--delay", "0.5", env={"COLOUR": "{{ env('HUE', 'blue') }}"})
    endpoint.rules = calls(
        Call(name="pid"),
        Call(name="environ", arguments={"name": "COLOUR"}),
        Call(name="environ", arguments={"name": "AI_API_TOKEN"}),
    )
    result = await bench.agent(toolboxes=toolboxes)
    (pid,) = started(log)
    assert [tool_result.text for tool_result in result.tool_results] == [str(pid), "blue", "(not set)"]
    assert gone(pid)
    assert not listening(port)


@pytest.mark.parametrize(
    ("start", "says", "limit"), [("exit", "ended with exit code 3", 30.0), ("hang", "accepts no connection", 4.0)]
)
async def test_a_server_of_its_own_that_does_not_start(
    bench: Bench,
    endpoint: ScriptedEndpoint,
    start: str,
    says: str,
    limit: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("activities.toolboxes.server_process.ServerProcess.start.__defaults__", (limit,))
    log = tmp_path / "starts"
    error = await failure(bench, toolboxes=own_http_box(free_port(), "--start", start, "--starts", str(log)))
    assert error.type == "ToolboxFailed"
    assert says in error.message
    assert f"told to {start}" in error.message
    assert all(map(gone, started(log)))


async def test_a_port_that_is_taken(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    with http_server("streamable") as (url, _):
        error = await failure(bench, toolboxes=own_http_box(int(url.split(":")[2].split("/")[0])))
    assert "is taken: another process answers there" in error.message


async def test_a_server_of_its_own_ends_with_a_killed_worker(tmp_path: Path) -> None:
    log, port = tmp_path / "starts", free_port()
    script = (
        "import asyncio\n"
        "from activities.toolboxes.server import ServerSpec, ToolboxServer\n"
        "from tests.activities.boxes import box, own_http_box\n"
        "async def main():\n"
        f"    for boxes in (own_http_box({port}, '--starts', {str(log)!r}), box('--starts', {str(log)!r})):\n"
        "        await ToolboxServer(ServerSpec('x', boxes['tests.box'].server_params, 10)).start()\n"
        "    print('up', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=SERVER.parents[2])
    assert worker.stdout
    assert await asyncio.to_thread(worker.stdout.readline) == b"up\n"
    worker.kill()
    worker.wait()
    worker.stdout.close()
    assert len(started(log)) == 2
    until(lambda: all(map(gone, started(log))))


async def test_a_server_of_its_own_that_dies_in_a_call(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="die"))
    error = await failure(bench, toolboxes=own_http_box(free_port()))
    assert error.message.startswith("toolbox tests.box was lost: ")
    assert "dying as told" in error.message
