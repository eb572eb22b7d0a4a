"""Fan-outs of agents that wait for nothing: raw Temporal's and ours, with 1, 2 and 4 processes for activities."""

import base64
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.prepared_endpoint import prepared_endpoint
from benchmarks.processes import cpu_seconds, family, process
from benchmarks.raw import QUEUE, RawFanOut
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.names import TASK_QUEUE
from grammar.messages.reports import RunReport
from runtime.backend import open_backend
from runtime.runs import runs

PERSONALITY = "personality: You are brief.\n"
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
KEYS = "TASKFLOW_ENCRYPTION_KEYS"
_GONE_WRONG = (EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)


@dataclass(frozen=True)
class FanOut:
    """What one fan-out took. `cpu`: seconds of the worker's processes. `failed`: workflow tasks not done."""

    name: str
    processes: int
    items: int
    seconds: float
    cpu: float
    events: int
    failed: int

    @property
    def rate(self) -> float:
        """Return the items per second."""
        return self.items / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Return the CPU time per item, in milliseconds."""
        return self.cpu / self.items * 1000


async def measure(items: int, limit: int, processes: tuple[int, ...], rounds: int) -> list[list[FanOut]]:
    """Return for each round what each fan-out took: raw and ours by processes, and ours encrypted, in one run."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _endpoint(Path(folder)):
        work = Path(folder)
        (work / "brief.yaml").write_text(PERSONALITY)
        (work / "many.yaml").write_text(MANY.replace("COUNT", str(items)).replace("LIMIT", str(limit)))
        (work / "few.yaml").write_text(MANY.replace("COUNT", "5").replace("LIMIT", "5"))
        return [
            [
                *[await _raw(work, items, limit, count) for count in processes],
                *[await _ours(work, items, count) for count in processes],
                await _ours(work, items, processes[0], encrypted=True),
            ]
            for _ in range(rounds)
        ]


@contextmanager
def _endpoint(work: Path) -> Iterator[None]:
    with prepared_endpoint() as url:
        os.environ |= {"AI_API_ENDPOINT": url, "AI_API_TOKEN": "benchmark", "TASKFLOW_STATE_DIR": str(work / "state")}
        yield


async def _raw(work: Path, items: int, limit: int, count: int) -> FanOut:
    async with _server(work, "raw") as client:
        plain = await Client.connect(client.service_client.config.target_host, data_converter=pydantic_data_converter)
        with ExitStack() as stack:
            address = client.service_client.config.target_host
            workers = [stack.enter_context(process("-m", "benchmarks.raw", address)) for _ in range(count)]
            await plain.execute_workflow(RawFanOut.run, args=[count, count], id="warm", task_queue=QUEUE)
            before, begun = cpu_seconds(workers), time.monotonic()
            await plain.execute_workflow(RawFanOut.run, args=[items, limit], id="many", task_queue=QUEUE)
            took, cpu = time.monotonic() - begun, cpu_seconds(workers) - before
        return FanOut("raw Temporal, an activity that does nothing", count, items, took, cpu, *await _events(plain))


async def _ours(work: Path, items: int, count: int, encrypted: bool = False) -> FanOut:
    if encrypted:
        os.environ[KEYS] = f"bench:{base64.b64encode(os.urandom(32)).decode()}"
    try:
        async with _server(work, f"ours-{encrypted}") as client:
            with process("worker.py", "--processes", str(count), wait="serving task queue") as worker:
                return await _our_run(client, work, items, count, worker, encrypted)
    finally:
        os.environ.pop(KEYS, None)


async def _our_run(
    client: Client, work: Path, items: int, count: int, worker: psutil.Process, encrypted: bool
) -> FanOut:
    few, many = (load(LoadOptions(str(work / f"{name}.yaml"))).bundle for name in ("few", "many"))
    for number in range(count):
        await (await runs.start(client, few, f"few-{number}", TASK_QUEUE)).result()
    members = family(worker)
    before, begun = cpu_seconds(members), time.monotonic()
    report: RunReport = await (await runs.start(client, many, "many", TASK_QUEUE)).result()
    took, cpu = time.monotonic() - begun, cpu_seconds(members) - before
    assert report.status == "completed" and report.tasks[1].done == items, report
    name = "ours, an agent of one turn" + (", encrypted" if encrypted else "")
    return FanOut(name, count, items, took, cpu, *await _events(client))


@asynccontextmanager
async def _server(work: Path, name: str) -> AsyncIterator[Client]:
    """Run an embedded server of its own for the block: what one fan-out leaves is no burden to the next."""
    os.environ["TASKFLOW_STATE_DIR"] = tempfile.mkdtemp(dir=work, prefix=name)
    async with open_backend() as backend:
        yield backend.client


async def _events(client: Client) -> tuple[int, int]:
    """Return how many events the histories of `many` have, and how many workflow tasks failed or timed out."""
    events = failed = 0
    async for found in client.list_workflows('WorkflowId = "many"'):
        handle: Any = client.get_workflow_handle(found.id, run_id=found.run_id)
        async for event in handle.fetch_history_events():
            events += 1
            failed += event.event_type in _GONE_WRONG
    return events, failed
