"""The cost of following a run: the same run of agents with nobody following, with plain lines, and with the live view.

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

from benchmarks.descendants import Descendants
from benchmarks.fan_outs import PERSONALITY
from benchmarks.processes import ROOT, process, scripted_endpoint
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
Follower = Callable[[str], Awaitable[None]]


class RunCost(NamedTuple):
    """What one run took: agents a second, and CPU seconds of all processes."""

    rate: float
    cpu: float


class FollowingBenchmark:
    """Run one flow again and again on one server and one worker, each time with another follower."""

    def __init__(self, client: Client, flow: Path, items: int, descendants: Descendants) -> None:
        self._client = client
        self._descendants = descendants
        self._flow = flow
        self._items = items
        self._bundle: Bundle = load(LoadOptions(str(flow))).bundle
        self._starters = 0.0

    @property
    def followers(self) -> list[Follower]:
        """Return what may follow a run: the methods, of which each takes the run's id."""
        return [self.nobody, self.lines, self.live_view]

    async def measure(self, follower: Follower, number: int) -> RunCost:
        """Play one run, and return what it took. `number`: of the round."""
        run_id = f"{follower.__name__}-{number}"
        before, self._starters = _cpu(self._descendants), 0.0
        await follower(run_id)
        found = await runs.handle(self._client, run_id).describe()
        assert found.close_time, f"{run_id} has not ended"
        rate = self._items / (found.close_time - found.start_time).total_seconds()
        return RunCost(rate, _cpu(self._descendants) - before + self._starters)

    async def loading(self, run_id: str) -> float:
        """Return the CPU seconds of a starter that starts a run, and leaves."""
        starter = subprocess.Popen([*self._command(run_id), "--detach"], stdout=subprocess.PIPE, cwd=self._flow.parent)
        self._starters = 0.0
        await asyncio.to_thread(self._wait, starter, starter.stdout.read if starter.stdout else None)
        await runs.handle(self._client, run_id).result()
        return self._starters

    async def nobody(self, run_id: str) -> None:
        """Start the run, and wait for its end."""
        handle = await runs.start(self._client, self._bundle, run_id, TASK_QUEUE)
        report = await handle.result()
        assert report.tasks[1].done == self._items, report

    async def lines(self, run_id: str) -> None:
        """Follow the run with a starter without a terminal."""
        starter = subprocess.Popen(self._command(run_id), stdout=subprocess.PIPE, cwd=self._flow.parent)
        await asyncio.to_thread(self._wait, starter, starter.stdout.read if starter.stdout else None)

    async def live_view(self, run_id: str) -> None:
        """Follow the run with a starter in a terminal."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        starter = subprocess.Popen(
            self._command(run_id), stdin=slave, stdout=slave, stderr=slave, cwd=self._flow.parent,
            env=env | {"TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        shown = await asyncio.to_thread(self._wait, starter, lambda: _read(master))
        os.close(master)
        assert b"ETA" in shown, "there was no live view"

    def _command(self, run_id: str) -> list[str]:
        return [sys.executable, str(ROOT / "starter.py"), self._flow.name, "--id", run_id]

    def _wait(self, starter: "subprocess.Popen[bytes]", read: Callable[[], bytes] | None) -> bytes:
        """Wait for its end, and return what it wrote. The CPU it took is read while it is still there, as a zombie."""
        assert read
        shown = read()
        os.waitid(os.P_PID, starter.pid, os.WEXITED | os.WNOWAIT)
        times = psutil.Process(starter.pid).cpu_times()
        self._starters = times.user + times.system
        assert starter.wait() == 0, shown.decode(errors="replace")[-2000:]
        return shown


def _cpu(descendants: Descendants) -> float:
    """Return the CPU seconds that these have taken so far: the server, the worker and the endpoint."""
    taken = 0.0
    for running in descendants.living():
        with suppress(psutil.Error):
            times = running.cpu_times()
            taken += times.user + times.system
    return taken


def _read(master: int) -> bytes:
    shown = b""
    with suppress(OSError):  # the terminal is gone with its last program
        while chunk := os.read(master, 65536):
            shown += chunk
    return shown


async def main(items: int, limit: int, delay: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
        (work / "brief.yaml").write_text(PERSONALITY)
        flow = work / "flow.yaml"
        descendants = Descendants()
        flow.write_text(FLOW.replace("COUNT", str(items)).replace("LIMIT", str(limit)))
        with scripted_endpoint(work, yaml.safe_dump([{"delay": delay, "text": ANSWER}])) as url:
            os.environ |= {"AI_API_ENDPOINT": url, "AI_API_TOKEN": "benchmark"}
            async with embedded_server() as server:
                client = await Client.connect(server.address, data_converter=pydantic_data_converter)
                with process("worker.py", wait="serving task queue"):
                    benchmark = FollowingBenchmark(client, flow, items, descendants)
                    costs = await measure_all(benchmark, rounds)
                    loading = median([await benchmark.loading(f"loading-{number}") for number in range(3)])
                    print(f"\n{items} agents, {limit} at once, {delay:g} s a request, {rounds} rounds", end="")
                    report(costs, loading)


async def measure_all(benchmark: FollowingBenchmark, rounds: int) -> dict[str, list[RunCost]]:
    """Measure each follower once a round. The first round warms up, and does not count."""
    costs = {follower.__name__: list[RunCost]() for follower in benchmark.followers}
    for number in range(rounds + 1):
        # Whoever is first in a round is another one each time.
        for follower in benchmark.followers[number % 3 :] + benchmark.followers[: number % 3]:
            cost = await benchmark.measure(follower, number)
            if number:
                costs[follower.__name__].append(cost)
    return costs


def report(costs: dict[str, list[RunCost]], loading: float) -> None:
    """Print the table. `loading`: CPU seconds that a starter takes to load, and that are taken off."""
    print(f", {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':12}{'agents/s':>10}{'ratio':>8}{'lowest':>8}{'highest':>9}{'CPU':>10}{'ratio':>8}")
    base = median(cost.cpu for cost in costs["nobody"])
    for name, rounds in costs.items():
        ratios = [cost.rate / alone.rate for cost, alone in zip(rounds, costs["nobody"], strict=True)]
        cpu = median(cost.cpu for cost in rounds) - (loading if name != "nobody" else 0)
        rates = f"{median(cost.rate for cost in rounds):10.1f}{median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):9.3f}"
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
