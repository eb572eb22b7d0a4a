"""Many agents at once, each of which waits for its model most of the time: what a turn takes beyond that."""

import asyncio
import os
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import quantiles

import psutil
from temporalio.client import Client

from benchmarks.prepared_endpoint import Answered, answered, prepared_endpoint
from benchmarks.processes import family, process, pss_mb
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.names import TASK_QUEUE
from grammar.messages.reports import RunReport
from runtime.backend import open_backend
from runtime.runs import runs

TURNS, SECONDS = 10, 1.0
AT_ONCE_IN_A_TASK = 500  # the most that a task may have
FLOW = """
taskflow:
  - task: {id: items, run: "python3 -c 'import json; print(json.dumps(list(range(FIRST, FIRST + COUNT))))'"}
  - task:
      over: outputs.items
      async: true
      async_limit: COUNT
      agents: [./echoer.yaml]
      user_prompt: "Item {{ result }}"
      capture: response
"""
PERSONALITY = "personality: You are brief.\ntoolboxes: [taskflows.toolboxes.echo]\n"


@dataclass(frozen=True)
class InFlight:
    """So many agents in flight. `added`: seconds that each turn took beyond the model's answer; `mb`: per agent."""

    agents: int
    added: list[float]
    mb: float

    @property
    def p50(self) -> float:
        """Return the median, in seconds."""
        return quantiles(self.added, n=100)[49]

    @property
    def p99(self) -> float:
        """Return what 99 of 100 turns stay below, in seconds."""
        return quantiles(self.added, n=100)[98]


async def measure(counts: tuple[int, ...] = (1, 100, 1000)) -> list[InFlight]:
    """Measure each number of agents at once, of TURNS turns, each with a call of the echo toolbox but the last."""
    return [await _measure(count) for count in counts]


async def _measure(agents: int) -> InFlight:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work, record = Path(folder), Path(folder) / "record"
        record.mkdir()
        os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
        (work / "echoer.yaml").write_text(PERSONALITY)
        with prepared_endpoint(SECONDS, TURNS, record) as url:
            os.environ |= {"AI_API_ENDPOINT": url, "AI_API_TOKEN": "benchmark"}
            async with open_backend() as backend:
                most = ("--max-concurrent-activities", str(agents + 10))
                with process("worker.py", *most, wait="serving task queue") as worker:
                    await _play(backend.client, work, "first", 1, 0)
                    mb = await _run(backend.client, work, agents, worker)
        added = _added([line for line in answered(record) if line.item >= 1])
    return InFlight(agents, added, mb)


async def _run(client: Client, work: Path, agents: int, worker: psutil.Process) -> float:
    """Run all agents, in tasks of AT_ONCE_IN_A_TASK, and return how much the worker's memory grew, per agent."""
    before = peak = pss_mb(family(worker))
    starts = range(1, agents + 1, AT_ONCE_IN_A_TASK)
    parts = [(first, min(AT_ONCE_IN_A_TASK, agents + 1 - first)) for first in starts]
    playing = asyncio.gather(*(_play(client, work, f"from-{first}", count, first) for first, count in parts))
    while not playing.done():
        await asyncio.wait([playing], timeout=2)
        peak = max(peak, pss_mb(family(worker)))
    await playing
    return (peak - before) / agents


async def _play(client: Client, work: Path, name: str, count: int, first: int) -> None:
    flow = work / f"{name}.yaml"
    flow.write_text(FLOW.replace("COUNT", str(count)).replace("FIRST", str(first)))
    handle = await runs.start(client, load(LoadOptions(str(flow))).bundle, name, TASK_QUEUE)
    report: RunReport = await handle.result()
    assert report.status == "completed" and report.tasks[1].done == count, report


def _added(lines: list[Answered]) -> list[float]:
    """Return, for each turn but an agent's first, the time from the answer before it to its request."""
    agents: dict[int, list[Answered]] = {}
    for line in lines:
        agents.setdefault(line.item, []).append(line)
    return [after.asked - before.answered for turns in agents.values() for before, after in pairwise(turns)]
