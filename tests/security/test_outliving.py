"""Nothing outlives its run (specification section 6): whatever is killed, and whatever a script or a server does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from activities.guardian import guarded_process, process_table
from activities.guardian.client import GuardianClient
from activities.guardian.messages import StartRequest
from activities.guardian.pipes import NOTHING, Streams
from activities.guardian.process_table import Kinship, ProcessTable
from tests.docs.pages import ROOT
from tests.support.waiting import gone, until

# Each of its processes writes its id to stdout: one is in the background, one has left the session, one has left it, is
# nobody's child and hears no SIGTERM, one hears none and has stayed. The script itself waits.
SCRIPT = """
(echo $BASHPID; exec sleep 600) &
setsid bash -c 'echo $$; exec sleep 600' &
setsid bash -c '(trap "" TERM HUP; setsid bash -c "echo \\$\\$; sleep 600; sleep 600" &) ; exit' &
(trap "" TERM HUP; echo $BASHPID; while :; do sleep 600; done) &
echo $$
wait
"""
PROCESSES = 5
WORKER = f"""
import asyncio, json, os, sys
from activities.guardian import guarded_process
from activities.guardian.messages import StartRequest
from activities.guardian.pipes import NOTHING, Streams

async def start(script):
    process = await guarded_process.start(StartRequest(["bash", "-c", script], dict(os.environ)), Streams(NOTHING))
    return process, [int(await process.stdout.readline()) for _ in range({PROCESSES})]

async def main():
    held = []
    while script := await asyncio.to_thread(sys.stdin.readline):
        process, pids = await start(json.loads(script))
        held.append(process)
        print(json.dumps(pids), flush=True)

asyncio.run(main())
"""


class HeldProcesses:
    """A process like a worker's, what it has had started, and the processes between the two."""

    def __init__(self, worker: "subprocess.Popen[str]") -> None:
        self.worker = worker
        self.pids = self.start()
        (self.guardian,) = psutil.Process(worker.pid).children()
        (self.warden,) = self.guardian.children()

    def start(self) -> list[int]:
        """Have it start the script, and return the ids of its processes."""
        assert self.worker.stdin
        assert self.worker.stdout
        self.worker.stdin.write(json.dumps(SCRIPT) + "\n")
        self.worker.stdin.flush()
        pids: list[int] = json.loads(self.worker.stdout.readline())
        return pids

    def kill(self, name: str) -> None:
        """Kill one of the processes, as nobody can defend himself against."""
        os.kill(self.worker.pid if name == "worker" else getattr(self, name).pid, signal.SIGKILL)


@contextmanager
def held_processes() -> Iterator[HeldProcesses]:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        held = HeldProcesses(worker)
        try:
            assert not any(map(gone, held.pids))
            yield held
        finally:
            worker.kill()
    until(lambda: all(map(gone, held.pids)), 10)
    until(lambda: not held.guardian.is_running() or held.guardian.status() == psutil.STATUS_ZOMBIE, 10)


@pytest.mark.parametrize(
    "killed",
    [["worker"], ["warden"], ["guardian", "worker"], ["worker", "guardian"], ["warden", "worker"]],
    ids=" then ".join,
)
def test_nothing_outlives_whoever_is_killed(killed: list[str]) -> None:
    with held_processes() as held:
        for name in killed:
            held.kill(name)
        until(lambda: all(map(gone, held.pids)), 10)


def test_a_lost_guardian_is_replaced_and_nothing_is_lost_with_it() -> None:
    with held_processes() as held:
        held.kill("guardian")
        until(lambda: gone(held.guardian.pid))
        more = held.start()
        assert not any(map(gone, [*held.pids, *more]))
        held.kill("worker")
        until(lambda: all(map(gone, [*held.pids, *more])), 10)


def test_a_lost_warden_takes_no_other_with_it() -> None:
    with held_processes() as held:
        others = held.start()
        held.kill("warden")
        until(lambda: all(map(gone, held.pids)), 10)
        assert not any(map(gone, others))


async def _start(script: str) -> guarded_process.GuardedProcess:
    return await guarded_process.start(StartRequest(["bash", "-c", script], dict(os.environ)), Streams(NOTHING))


async def test_end_leaves_nothing() -> None:
    process = await _start(SCRIPT)
    assert process.stdout
    pids = [int(await process.stdout.readline()) for _ in range(PROCESSES)]
    await process.end()
    assert all(map(gone, pids))
    assert (await process.wait(), process.is_left) == (-signal.SIGTERM, False)


async def test_end_also_ends_what_is_stopped() -> None:
    process = await _start("kill -STOP $$")
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    await process.end()
    assert await process.wait() == -signal.SIGTERM


async def test_what_a_script_has_left_is_known() -> None:
    left = await _start("setsid sleep 600 >/dev/null 2>&1 & exit 0")
    alone = await _start("exit 0")
    assert [await left.wait(), await alone.wait()] == [0, 0]
    assert [left.is_left, alone.is_left] == [True, False]
    await asyncio.gather(left.end(), alone.end())
    assert not left.is_left


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    for delay in range(5):
        starting = asyncio.create_task(_start(f"echo $$ >> {tmp_path}/pids; sleep 600"))
        for _ in range(delay):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        if not starting.cancelled():
            await starting.result().end()
    pids = tmp_path / "pids"
    until(lambda: all(gone(int(pid)) for pid in (pids.read_text().split() if pids.exists() else [])), 10)


async def test_a_process_starts_as_a_program_expects_it() -> None:
    script = "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd; ps -o sid= -p $$ | tr -d ' '; echo $$; pwd"
    process = await guarded_process.start(
        StartRequest(["bash", "-c", script], dict(os.environ), "/usr"), Streams(NOTHING)
    )
    assert process.stdout
    blocked, ignored, *lines = (await process.stdout.read()).decode().splitlines()
    await process.end()
    own = Path("/proc/self/status").read_text()
    assert (blocked in own, int(ignored.split()[1], 16) & 0x7FFFFFFF) == (True, 0)
    assert lines == ["0", "1", "2", "3", str(process.pid), str(process.pid), "/usr"]  # 3: of the listing


@pytest.mark.parametrize(
    ("argv", "folder", "kind"),
    [
        (["nonesuch"], None, FileNotFoundError),
        (["/etc/passwd"], None, PermissionError),
        (["bash", "-c", "x" * 200_000], None, OSError),
        (["true"], "/nonesuch", FileNotFoundError),
        (["tr\0ue"], None, ValueError),
    ],
)
async def test_what_cannot_be_started_is_told(argv: list[str], folder: str | None, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await guarded_process.start(StartRequest(argv, dict(os.environ), folder), Streams())


def test_a_guardian_has_none_of_the_workers_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "canary")
    before = {child.pid for child in psutil.Process().children()}
    client = GuardianClient()
    client.warm_up()
    (guardian,) = [child for child in psutil.Process().children() if child.pid not in before]
    assert "SOME_KEY" not in guardian.environ()
    assert client._asking
    client._asking.close()
    until(lambda: gone(guardian.pid))


def test_descendants_that_have_just_lost_their_parent_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    strangers = {1: Kinship(0, 1), 5: Kinship(1, 5), 6: Kinship(5, 6)}
    looks = [
        {**strangers, 10: Kinship(1, 10), 12: Kinship(11, 12)},  # 11 has just ended
        {**strangers, 10: Kinship(1, 10), 12: Kinship(10, 12), 7: Kinship(6, 7)},
    ]
    asked = []

    def look(known: set[int]) -> list[tuple[int, Kinship]]:
        found = [(pid, kinship) for pid, kinship in looks.pop(0).items() if pid not in known]
        asked.append([pid for pid, _ in found])
        return found

    monkeypatch.setattr(process_table, "IS_LINUX", True)
    monkeypatch.setattr(process_table, "_on_linux", look)
    table = ProcessTable(10)
    assert [list(table.descendants()), list(table.descendants())] == [[], [12]]
    assert asked == [[1, 5, 6, 10, 12], [10, 12, 7]]  # what is known not to descend is not asked again
