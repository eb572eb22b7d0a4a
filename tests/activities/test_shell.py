"""Shell tasks (specification sections 5 to 7)."""

import asyncio
import os
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from tests.activities.conftest import Bench
from tests.support.waiting import gone, until, until_async


async def test_stdout_is_the_result(bench: Bench) -> None:
    result = await bench.shell("echo '[1, 2]'; echo noise >&2")
    assert (result.value, result.produced) == ([1, 2], True)
    assert [(tool_result.tool_name, tool_result.text) for tool_result in result.tool_results] == [("shell", "[1, 2]\n")]


async def test_text_that_is_not_json_stays_text(bench: Bench) -> None:
    assert (await bench.shell("echo hello")).value == "hello\n"


@pytest.mark.parametrize(
    ("script", "says"),
    [("echo why >&2; exit 3", "exit code 3: why"), ("exit 1", "exit code 1"), ("kill -9 $$", "ended by signal 9")],
)
async def test_failure_tells_the_end_of_stderr(bench: Bench, script: str, says: str) -> None:
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
    assert caught.value.message == "exit code 1: ⟦env:SECRET:k1⟧"
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


async def test_what_a_script_leaves_behind_is_ended(bench: Bench) -> None:
    result = await bench.shell("sleep 600 > /dev/null 2>&1 & echo $!")
    assert isinstance(result.value, int)
    until(lambda: gone(int(str(result.value))), 5)
