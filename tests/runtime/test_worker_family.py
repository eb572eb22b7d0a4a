"""A worker's processes: replaced where one dies, ended in order, and none without the others."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from runtime.worker_family.family import LONGEST_PAUSE, pause_before
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look into /proc")


class Running:
    """A family, with what it has written so far."""

    def __init__(self, folder: Path, *behaviours: str, **options: bool) -> None:
        self._out, self._err = folder / "out", folder / "err"
        command = [sys.executable, "-m", "tests.runtime.family_program", *behaviours]
        with self._out.open("w") as out, self._err.open("w") as err:
            self.parent = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=out, stderr=err,
                preexec_fn=_ignore_hangup if options.get("nohup") else None,
            )  # fmt: skip

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def has_told(self, text: str) -> None:
        until(lambda: text in self.out + self.err)

    def members(self, name: str) -> list[int]:
        """The process ids of all that have had this role, oldest first."""
        return [int(pid) for pid in re.findall(rf"^{name} has (\d+)", self.out, re.MULTILINE)]

    def end(self) -> int:
        return self.parent.wait(20)

    def all_are_gone(self) -> None:
        pids = [int(pid) for pid in re.findall(r" has (\d+)", self.out)]
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def _ignore_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def start(*behaviours: str, **options: bool) -> Running:
        running.append(Running(tmp_path, *behaviours, **options))
        return running[-1]

    yield start
    for each in running:
        each.parent.kill()
        each.parent.communicate()


def test_all_are_told_what_to_serve_and_only_the_first_has_stdin(run: Callable[..., Running]) -> None:
    family = run("waits", "waits", "waits")
    for name in ("other 0", "other 1"):
        family.has_told(f"{name} is to serve queue")
    family.has_told("all are ready")
    assert family.out.index("loaded") < family.out.index("other 0 has")
    assert [line.split()[-1] for line in sorted(family.out.splitlines()) if " has " in line][1:] == ["/dev/null"] * 2
    assert "pipe" in next(line for line in family.out.splitlines() if line.startswith("first has"))


@pytest.mark.parametrize("name", ["first", "other 0"])
def test_one_that_is_killed_is_replaced_and_told(run: Callable[..., Running], name: str) -> None:
    family = run("waits", "waits")
    family.has_told("all are ready")
    os.kill(family.members(name)[0], signal.SIGKILL)
    until(lambda: len(family.members(name)) == 2)
    until(lambda: family.out.count("other 0 is to serve queue") == 2)
    role = "first" if name == "first" else "other 0"
    assert f"the process for {role} was lost (signal 9); another one begins\n" in family.err
    assert family.err.count("all are ready") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all(run: Callable[..., Running], number: signal.Signals) -> None:
    family = run("waits", "waits", "waits")
    family.has_told("all are ready")
    family.parent.send_signal(number)
    assert family.end() == 0
    family.all_are_gone()
    assert "stopping: running activities get their time\n" in family.err


def test_a_second_signal_waits_for_nobody(run: Callable[..., Running]) -> None:
    family = run("waits", "stays")
    family.has_told("all are ready")
    family.parent.send_signal(signal.SIGTERM)
    family.has_told("stopping")
    family.parent.send_signal(signal.SIGTERM)
    assert family.end() == 130
    family.all_are_gone()


def test_members_are_killed_with_their_parent(run: Callable[..., Running]) -> None:
    family = run("stays", "stays")
    family.has_told("other 0 has")
    family.parent.kill()
    family.all_are_gone()


def test_what_ignores_hangups_goes_on_ignoring_them(run: Callable[..., Running]) -> None:
    family = run("waits", "waits", nohup=True)
    family.has_told("all are ready")
    family.parent.send_signal(signal.SIGHUP)
    os.kill(family.members("other 0")[0], signal.SIGKILL)
    until(lambda: len(family.members("other 0")) == 2)
    assert family.parent.poll() is None


@pytest.mark.parametrize(
    ("behaviours", "code"),
    [
        pytest.param(("ends", "waits"), 0, id="the work of the first is done"),
        pytest.param(("fails", "waits"), 2, id="the first cannot begin"),
        pytest.param(("waits", "fails"), 2, id="another one cannot begin"),
    ],
)
def test_what_ends_all(run: Callable[..., Running], behaviours: tuple[str, ...], code: int) -> None:
    family = run(*behaviours)
    assert family.end() == code
    family.all_are_gone()


def test_one_that_breaks_again_and_again_is_waited_for(run: Callable[..., Running]) -> None:
    family = run("waits", "breaks")
    family.has_told("(exit code 3); another one begins\n")
    family.has_told("(exit code 3); another one begins in 1 s\n")
    family.parent.terminate()  # within the pause
    assert family.end() == 0
    assert len(family.members("other 0")) == 2


def test_the_pause_grows_to_a_minute() -> None:
    assert [pause_before(deaths) for deaths in (1, 2, 3, 4, 5)] == [0, 1, 2, 4, 8]
    assert pause_before(10_000) == LONGEST_PAUSE == 60
