"""Shell tasks (specification sections 5 to 7)."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from activities.process import script as scripts
from activities.process.background import Background
from activities.process.script import OutputTail
from tests.activities.conftest import Bench
from tests.support.waiting import gone, until, until_async


async def test_stdout_is_the_result(bench: Bench) -> None:
    result = await bench.shell("echo '[1, 2]'; echo noise >&2")
    assert (result.value, result.produced) == ([1, 2], True)
    assert [(tool_result.tool_name, tool_result.text) for tool_result in result.tool_results] == [("shell", "[1, 2]\n")]


async def test_text_that_is_not_json_stays_text(bench: Bench) -> None:
    assert (await bench.shell("echo hello")).value == "hello\n"


READ = f"""read_so_far() {{ {sys.executable} -S -c '
import fcntl, termios, time
while any(fcntl.ioctl(stream, termios.FIONREAD, bytes(4)) != bytes(4) for stream in (1, 2)):
    time.sleep(0.01)
'; }}
"""
"""Defines what waits until all that a script has written has been read: two pipes have no order by themselves."""


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo why >&2; exit 3", "exit code 3: why"),
        (f"{READ}echo out; read_so_far; echo err >&2; read_so_far; echo again; exit 3", "exit code 3: out\nerr\nagain"),
        ("exit 1", "exit code 1"),
        ("kill -9 $$", "ended by signal 9"),
    ],
)
async def test_failure_tells_the_end_of_what_was_written(bench: Bench, script: str, says: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(script)
    assert (caught.value.type, caught.value.message, caught.value.non_retryable) == ("ShellFailed", says, False)


async def test_what_no_process_can_be_given_is_told(bench: Bench) -> None:
    with pytest.raises(ApplicationError) as caught:
        await bench.shell("true", LONG="{{ 'x' * 200000 }}")
    told = "bash could not be started: the script, or a value of `env`, is too long; have the script read a file"
    assert (caught.value.type, caught.value.message) == ("ShellFailed", told)


async def test_bytes_that_are_not_utf8_are_replaced_with_a_warning(bench: Bench) -> None:
    result = await bench.shell(r"printf 'a\xffb'")
    assert (result.value, result.warnings) == ("a�b", ["stdout was not UTF-8; such bytes were replaced"])


async def test_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", "seen")
    monkeypatch.setenv("DENIED", "denied")
    monkeypatch.setenv("OPENAI_API_KEY", "a model key")
    monkeypatch.setenv("TASKFLOW_ENV_DENYLIST", "DENIED, OTHER")
    result = await bench.shell("echo $SEEN/$DENIED/$OPENAI_API_KEY/$MINE", MINE="mine of {{ env('SEEN') }}")
    assert result.value == "seen///mine of seen\n"
    assert "MINE" not in os.environ


async def test_secrets_are_hidden_in_results_and_errors(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2-long")
    result = await bench.shell("echo got $TOKEN", TOKEN="{{ env('SECRET') }}")
    assert result.value == "got ⟦env:SECRET:k1⟧\n"
    assert result.secrets == ["SECRET"]
    assert "hunter2-long" not in result.model_dump_json()
    with pytest.raises(ApplicationError) as caught:
        await bench.shell("echo $TOKEN >&2; exit 1", TOKEN="{{ env('SECRET') }}")
    assert caught.value.message == "exit code 1: ⟦env:SECRET⟧"
    assert caught.value.__cause__ is None


async def test_cancellation_kills_the_whole_group(bench: Bench, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    run = asyncio.create_task(bench.shell(f"sleep 600 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"))

    async def started() -> bool:
        return pids.exists()

    await until_async(started)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    for pid in pids.read_text().split():
        until(lambda pid=pid: gone(int(pid)), 5)  # type: ignore[misc]


def test_each_stream_has_a_tail() -> None:
    tail = OutputTail(4)
    for stream, data in (("err", b"why "), ("out", b"12"), ("out", b"34"), ("err", b"so"), ("out", b"5")):
        tail.write(stream, data)
    assert tail.text() == "y 234so5"


async def test_what_holds_the_output_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "HELD", 0.3)
    started = time.monotonic()
    result = await bench.shell("sleep 60 & echo '\"started\"'")
    assert time.monotonic() - started < 30
    assert (result.value, result.warnings) == ("started", [scripts.STILL_HELD])


class OpenRuns:
    """Runs that are open until they are closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def until_closed(self, _: str) -> None:
        """Return once `closed` is set."""
        await self.closed.wait()


@pytest.mark.parametrize("how", ["run", "worker"])
async def test_what_is_detached_lives_until_the_run_or_the_worker_ends(bench: Bench, how: str) -> None:
    open_runs = OpenRuns()
    bench.background = background = Background(open_runs.until_closed)
    result = await bench.shell("nohup sleep 600 >/dev/null 2>&1 & echo $!")
    pid = int(str(result.value))
    assert (await bench.shell(f"kill -0 {pid} && echo '\"lives\"'")).value == "lives", "a later task can use it"
    assert result.warnings == []
    open_runs.closed.set() if how == "run" else await background.close()

    async def ended() -> bool:
        return gone(pid)

    await until_async(ended)
    await background.close()


async def test_what_a_failed_script_leaves_behind_is_ended(bench: Bench, tmp_path: Path) -> None:
    bench.background = Background(OpenRuns().until_closed)
    with pytest.raises(ApplicationError):
        await bench.shell(f"sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/pid; exit 1")
    until(lambda: gone(int((tmp_path / "pid").read_text())), 5)


def test_nothing_outlives_a_worker_that_is_killed() -> None:
    program = """
import asyncio, os
from activities.process.background import Background
async def main():
    child = await asyncio.create_subprocess_exec("bash", "-c", "sleep 600 >/dev/null & echo $!", stdout=-1,
                                                 start_new_session=True)
    pid = (await child.stdout.readline()).decode().strip()
    await child.wait()
    await Background(lambda _: asyncio.sleep(60)).keep(child.pid, "run")
    print(pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        pid = int(worker.stdout.readline())
        assert not gone(pid)
        worker.kill()
    until(lambda: gone(pid), 10)


async def test_what_a_script_leaves_behind_is_ended(bench: Bench) -> None:
    result = await bench.shell("sleep 600 > /dev/null 2>&1 & echo $!")
    assert isinstance(result.value, int)
    until(lambda: gone(int(str(result.value))), 5)
