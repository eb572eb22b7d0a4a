"""What it costs to look: the same run of agents with nobody following, with plain lines, and with the live view.

python -m benchmarks.live [--items N] [--limit N] [--delay SECONDS] [--rounds N]

The rounds alternate, on one worker and one server. Measured is the run itself, from its start to its end as Temporal
has them: not how long the starter takes to load. `CPU` is that of all processes for one run, in seconds, less what a
starter takes that starts and leaves: on a machine that has much else to do, it says more than the rates.
"""

import argparse
import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import yaml
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.__main__ import PERSONALITY, ROOT, endpoint, process
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.names import TASK_QUEUE
from grammar.messages.run_bundle import Bundle
from runtime.local_server.embedded import embedded_server
from runtime.runs import runs

FLOW = """
taskflow:
  - task: {id: items, run: "python3 -c 'import json; print(json.dumps(list(range(COUNT))))'"}
  - task:
      name: ask each
      over: outputs.items
      async: true
      async_limit: LIMIT
      agents: [./brief.yaml]
      user_prompt: "Item {{ result }}"
      capture: response
"""
ANSWER = "The quick brown fox jumps over the lazy dog. " * 10
SIZE = (50, 200)
AT_MOST = 0.05
Way = Callable[[str], Awaitable[None]]


class Measured(NamedTuple):
    """One run: agents a second, and CPU seconds of all processes."""

    rate: float
    cpu: float


class Bench:
    """One server, one worker, one flow; run again and again."""

    def __init__(self, client: Client, flow: Path, items: int) -> None:
        self._client = client
        self._flow = flow
        self._items = items
        self._bundle: Bundle = load(LoadOptions(str(flow))).bundle
        self._starters = 0.0

    @property
    def ways(self) -> list[Way]:
        return [self.nobody, self.lines, self.live_view]

    async def measured(self, way: Way, number: int) -> "Measured":
        """One run."""
        run_id = f"{way.__name__}-{number}"
        before, self._starters = _cpu(), 0.0
        await way(run_id)
        found = await runs.handle(self._client, run_id).describe()
        assert found.close_time, f"{run_id} has not ended"
        rate = self._items / (found.close_time - found.start_time).total_seconds()
        return Measured(rate, _cpu() - before + self._starters)

    async def loading(self, run_id: str) -> float:
        """CPU of a starter that starts a run, and leaves."""
        starter = subprocess.Popen([*self._command(run_id), "--detach"], stdout=subprocess.PIPE, cwd=self._flow.parent)
        self._starters = 0.0
        await asyncio.to_thread(self._ended, starter, starter.stdout.read if starter.stdout else None)
        await runs.handle(self._client, run_id).result()
        return self._starters

    async def nobody(self, run_id: str) -> None:
        """It is started, and its end is awaited."""
        handle = await runs.start(self._client, self._bundle, run_id, TASK_QUEUE)
        report = await handle.result()
        assert report.tasks[1].done == self._items, report

    async def lines(self, run_id: str) -> None:
        """A starter without a terminal."""
        starter = subprocess.Popen(self._command(run_id), stdout=subprocess.PIPE, cwd=self._flow.parent)
        await asyncio.to_thread(self._ended, starter, starter.stdout.read if starter.stdout else None)

    async def live_view(self, run_id: str) -> None:
        """A starter in a terminal."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        starter = subprocess.Popen(
            self._command(run_id), stdin=slave, stdout=slave, stderr=slave, cwd=self._flow.parent,
            env=env | {"TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        shown = await asyncio.to_thread(self._ended, starter, lambda: _read(master))
        os.close(master)
        assert b"ETA" in shown, "there was no live view"

    def _command(self, run_id: str) -> list[str]:
        return [sys.executable, str(ROOT / "starter.py"), self._flow.name, "--id", run_id]

    def _ended(self, starter: "subprocess.Popen[bytes]", read: Callable[[], bytes] | None) -> bytes:
        """What it wrote; and what CPU it took, which is asked for while it is still there, as a zombie."""
        assert read
        shown = read()
        os.waitid(os.P_PID, starter.pid, os.WEXITED | os.WNOWAIT)
        times = psutil.Process(starter.pid).cpu_times()
        self._starters = times.user + times.system
        assert starter.wait() == 0, shown.decode(errors="replace")[-2000:]
        return shown


def _cpu() -> float:
    """Seconds that the server, the worker and the endpoint have taken so far."""
    taken = 0.0
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.pid != os.getpid() and one.environ().get("TASKFLOW_STATE_DIR") == os.environ["TASKFLOW_STATE_DIR"]:
                times = one.cpu_times()
                taken += times.user + times.system
    return taken


def _read(master: int) -> bytes:
    shown = b""
    with suppress(OSError):  # the terminal is gone with its last program
        while heard := os.read(master, 65536):
            shown += heard
    return shown


async def main(items: int, limit: int, delay: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
        (work / "brief.yaml").write_text(PERSONALITY)
        flow = work / "flow.yaml"
        flow.write_text(FLOW.replace("COUNT", str(items)).replace("LIMIT", str(limit)))
        with endpoint(work, yaml.safe_dump([{"delay": delay, "text": ANSWER}])) as url:
            os.environ |= {"AI_API_ENDPOINT": url, "AI_API_TOKEN": "benchmark"}
            async with embedded_server() as server:
                client = await Client.connect(server.address, data_converter=pydantic_data_converter)
                with process("worker.py", wait="serving task queue"):
                    bench = Bench(client, flow, items)
                    found = await measured(bench, rounds)
                    loading = median([await bench.loading(f"loading-{number}") for number in range(3)])
                    print(f"\n{items} agents, {limit} at once, {delay:g} s a request, {rounds} rounds", end="")
                    report(found, loading)


async def measured(bench: Bench, rounds: int) -> dict[str, list[Measured]]:
    """Each way, a round after the other. The first round warms up, and does not count."""
    found = {way.__name__: list[Measured]() for way in bench.ways}
    for number in range(rounds + 1):
        # Whoever is first in a round is another one each time.
        for way in bench.ways[number % 3 :] + bench.ways[: number % 3]:
            one = await bench.measured(way, number)
            if number:
                found[way.__name__].append(one)
    return found


def report(found: dict[str, list[Measured]], loading: float) -> None:
    print(f", {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':12}{'agents/s':>10}{'ratio':>8}{'lowest':>8}{'highest':>9}{'CPU':>10}{'ratio':>8}")
    base = median(one.cpu for one in found["nobody"])
    for name, rounds in found.items():
        ratios = [one.rate / other.rate for one, other in zip(rounds, found["nobody"], strict=True)]
        cpu = median(one.cpu for one in rounds) - (loading if name != "nobody" else 0)
        rates = f"{median(one.rate for one in rounds):10.1f}{median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):9.3f}"
        print(f"{name.replace('_', ' '):12}{rates}{cpu:8.2f} s{cpu / base:8.3f}")
    print(f"\nthe live view may cost {AT_MOST:.0%} of the rate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds that a model takes to answer")
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    asyncio.run(main(given.items, given.limit, given.delay, given.rounds))
