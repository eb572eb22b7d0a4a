"""Side by side in one run: raw Temporal and our agent fan-out; one prompt cold (embedded) and warm (running worker).

python -m benchmarks [--items N] [--limit N]
"""

import argparse
import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.raw import QUEUE, RawFanOut
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.names import TASK_QUEUE
from grammar.messages.reports import RunReport
from runtime.encryption.configured import configured
from runtime.local_server.embedded import embedded_server
from runtime.runs import runs
from runtime.storage.converter import data_converter

ROOT = Path(__file__).resolve().parent.parent
PERSONALITY = "personality: You are brief.\n"
ONE = """
taskflow:
  - task: {agents: [./brief.yaml], user_prompt: "Say something", capture: response, id: said}
"""
MANY = """
taskflow:
  - task: {id: items, run: "python3 -c 'import json; print(json.dumps(list(range(COUNT))))'"}
  - task:
      over: outputs.items
      async: true
      async_limit: LIMIT
      agents: [./brief.yaml]
      user_prompt: "Item {{ result }}"
      capture: response
      id: said
"""


@dataclass(frozen=True)
class Measurement:
    """What one fan-out took. `rss`: the worker's resident memory afterwards, in MB; `cpu`: its seconds of CPU time."""

    name: str
    seconds: float
    items: int
    events: int
    rss: float
    cpu: float

    @property
    def rate(self) -> float:
        """Return the items per second."""
        return self.items / self.seconds


async def main(items: int, limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
        (work / "brief.yaml").write_text(PERSONALITY)
        (work / "one.yaml").write_text(ONE)
        (work / "many.yaml").write_text(MANY.replace("COUNT", str(items)).replace("LIMIT", str(limit)))
        with endpoint(work) as url:
            os.environ |= {"AI_API_ENDPOINT": url, "AI_API_TOKEN": "benchmark"}
            cold = prompt(work)
            async with embedded_server() as server:
                client = await Client.connect(server.address, data_converter=pydantic_data_converter)
                raw = await raw_fan_out(client, server.address, items, limit)
                ours = await our_fan_out(client, work, items, "our agent fan-out")
                os.environ["TASKFLOW_ENCRYPTION_KEYS"] = f"bench:{base64.b64encode(os.urandom(32)).decode()}"
                converter = data_converter(work / "state/payloads", configured())
                client = await Client.connect(server.address, data_converter=converter)
                encrypted = await our_fan_out(client, work, items, "the same, encrypted")
                del os.environ["TASKFLOW_ENCRYPTION_KEYS"]
                warm = await warm_prompt(work)
    report(raw, (ours, encrypted), cold, warm, limit)


async def raw_fan_out(client: Client, address: str, items: int, limit: int) -> Measurement:
    with process("-m", "benchmarks.raw", address) as worker:
        await client.execute_workflow(RawFanOut.run, args=[1, 1], id="raw-warm", task_queue=QUEUE)
        start = time.monotonic()
        handle = await client.start_workflow(RawFanOut.run, args=[items, limit], id="raw", task_queue=QUEUE)
        await handle.result()
        return await measurement("raw Temporal, no-op activity", time.monotonic() - start, items, handle, worker)


async def our_fan_out(client: Client, work: Path, items: int, name: str) -> Measurement:
    with process("worker.py") as worker:
        single = await runs.start(client, load(LoadOptions(str(work / "one.yaml"))).bundle, f"warm {name}", TASK_QUEUE)
        await single.result()
        bundle = load(LoadOptions(str(work / "many.yaml"))).bundle
        start = time.monotonic()
        handle = await runs.start(client, bundle, f"many {name}", TASK_QUEUE)
        done: RunReport = await handle.result()
        seconds = time.monotonic() - start
        assert done.status == "completed" and done.tasks[1].done == items, done
        return await measurement(name, seconds, items, handle, worker)


async def warm_prompt(work: Path) -> float:
    with process("worker.py", wait="serving task queue"):
        prompt(work)
        return prompt(work)


def prompt(work: Path) -> float:
    """Return the seconds that `starter.py one.yaml` takes."""
    start = time.monotonic()
    subprocess.run([sys.executable, str(ROOT / "starter.py"), str(work / "one.yaml")], check=True, capture_output=True)
    return time.monotonic() - start


async def measurement(
    name: str, seconds: float, items: int, handle: WorkflowHandle[Any, Any], worker: subprocess.Popen[str]
) -> Measurement:
    events = sum([1 async for _ in handle.fetch_history_events()])
    status = Path(f"/proc/{worker.pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
    times = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return Measurement(name, seconds, items, events, rss, sum(map(int, times)) / os.sysconf("SC_CLK_TCK"))


@contextmanager
def process(*command: str, wait: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a Python process of this project for the block. `wait`: a text on its stderr to wait for."""
    running = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert running.stderr
    try:
        while wait and wait not in running.stderr.readline():
            assert running.poll() is None, f"{command} ended"
        yield running
    finally:
        running.terminate()
        running.communicate()


@contextmanager
def endpoint(work: Path, rules: str = "[]") -> Iterator[str]:
    """Run a scripted endpoint in a process of its own, and yield its URL. Without rules it answers at once."""
    port_file = work / "port"
    (work / "rules.yaml").write_text(rules)
    command = [sys.executable, "-m", "tests.support.scripted_endpoint", "--rules", str(work / "rules.yaml")]
    running = subprocess.Popen([*command, "--port", "0", "--port-file", str(port_file)], cwd=ROOT)
    try:
        while not (port_file.exists() and port_file.read_text().strip()):
            assert running.poll() is None, "the endpoint ended"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}/v1"
    finally:
        running.terminate()
        running.wait()


def report(raw: Measurement, ours: Sequence[Measurement], cold: float, warm: float, limit: int) -> None:
    print(f"{raw.items} items, {limit} at once, {os.cpu_count()} cores\n")
    print(f"{'':32}{'items/s':>9}{'ratio':>8}{'events/item':>13}{'worker RSS':>12}{'worker CPU':>12}")
    for fan_out in (raw, *ours):
        ratio, events = fan_out.rate / raw.rate, fan_out.events / fan_out.items
        print(
            f"{fan_out.name:32}{fan_out.rate:9.1f}{ratio:8.2f}{events:13.2f}{fan_out.rss:9.0f} MB{fan_out.cpu:10.1f} s"
        )
    print(f"\n{'one prompt, cold (embedded)':32}{cold:8.2f} s")
    print(f"{'one prompt, warm (worker runs)':32}{warm:8.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=50)
    given = parser.parse_args()
    asyncio.run(main(given.items, given.limit))
