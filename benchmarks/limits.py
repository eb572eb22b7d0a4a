"""Several workers under one limit: how many requests reach the endpoint in any minute, and who waits after a 429.

python -m benchmarks.limits [--items N] [--rate N] [--workers N] [--retry-after SECONDS]
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from bisect import bisect_left
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fan_outs import PERSONALITY
from benchmarks.processes import process
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.names import LIMITER, TASK_QUEUE
from runtime.backend import Backend, open_backend
from runtime.runs import runs
from tests.support.endpoint_replies import RecordedRequest
from tests.support.scripted_endpoint import Reply, ScriptedEndpoint

CONFIG = """
models: {limited: some-model}
limits: {requests_per_minute: RATE}
"""
FLOW = """
model_config: ./models.yaml
taskflow:
  - task: {id: items, run: "python3 -c 'print(list(range(COUNT)))'"}
  - task:
      over: outputs.items
      async: true
      async_limit: 60
      agents: [./brief.yaml]
      model: limited
      capture: response
      user_prompt: "Item {{ result }}"
"""
WINDOW, MARGIN, LEAST = 60.0, 2, 55 / 60


def most_in_any_minute(starts: list[float]) -> int:
    """Return the largest number of requests that began within any 60 s."""
    return max(bisect_left(starts, start + WINDOW) - index for index, start in enumerate(starts))


def silence_after(requests: list[RecordedRequest]) -> float:
    """Return the seconds between the end of the request that was refused and the next one's beginning."""
    refused = next(request.end for request in requests if request.status == 429)
    return min(request.start for request in requests if request.start > refused) - refused


async def refuse_one(endpoint: ScriptedEndpoint, after: int, retry_after: int) -> None:
    while len(endpoint.requests) < after:
        await asyncio.sleep(0.05)
    endpoint.interrupt(Reply(status=429, headers={"retry-after": str(retry_after)}, message="slow down"))


async def asked(backend: Backend) -> int:
    """Return the events of all histories of the limiter."""
    total = 0
    async for history in backend.client.list_workflows(f'WorkflowType="{LIMITER}"'):
        handle = backend.client.get_workflow_handle(history.id, run_id=history.run_id)
        total += (await handle.describe()).raw_description.workflow_execution_info.history_length
    return total


async def play(work: Path, items: int, rate: int, workers: int, retry_after: int) -> bool:
    (work / "brief.yaml").write_text(PERSONALITY)
    (work / "models.yaml").write_text(CONFIG.replace("RATE", str(rate)))
    (work / "flow.yaml").write_text(FLOW.replace("COUNT", str(items)))
    with ScriptedEndpoint([Reply(text="An answer.", delay=1.5)]) as endpoint, ExitStack() as stack:
        os.environ |= {"AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": "benchmark"}
        for _ in range(workers):
            stack.enter_context(process("worker.py", wait="serving task queue"))
        async with open_backend() as backend:
            run = await runs.start(backend.client, load(LoadOptions(str(work / "flow.yaml"))).bundle, "run", TASK_QUEUE)
            refusing = asyncio.create_task(refuse_one(endpoint, items // 3, retry_after))
            begin = time.monotonic()
            report = await run.result()
            await refusing
            events, took = await asked(backend), time.monotonic() - begin
        return report.status == "completed" and told(endpoint.requests, rate, retry_after, events, took)


def told(requests: list[RecordedRequest], rate: int, retry_after: int, events: int, took: float) -> bool:
    starts = sorted(request.start for request in requests)
    most, silence = most_in_any_minute(starts), silence_after(requests)
    average = (len(starts) - 1) / (starts[-1] - starts[0] - silence) * WINDOW
    print(f"{len(starts)} requests in {took:.0f} s, limit {rate} a minute, load {os.getloadavg()[0]:.1f}")
    print(f"most in any {WINDOW:.0f} s: {most}; average without the hold: {average:.1f}")
    print(f"after a 429 with Retry-After: {retry_after} nobody asked for {silence:.2f} s")
    print(f"events of the limiter: {events}, {events / took * 60:.0f} a minute")
    return most <= rate + MARGIN and average >= rate * LEAST and silence >= retry_after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--rate", type=int, default=60, help="requests a minute")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--retry-after", type=int, default=7, help="seconds")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["TASKFLOW_STATE_DIR"] = str(Path(folder) / "state")
        played = play(Path(folder), given.items, given.rate, given.workers, given.retry_after)
        sys.exit(0 if asyncio.run(played) else 1)
