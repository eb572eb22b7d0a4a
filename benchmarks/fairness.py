"""What a large run costs a small one: ten items alone, and beside a thousand, on one worker that has too much to do.

python -m benchmarks.fairness [--items N] [--delay SECONDS] [--busy N]
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import yaml
from temporalio.client import Client

from benchmarks.fan_outs import PERSONALITY
from benchmarks.processes import process, scripted_endpoint
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.names import TASK_QUEUE
from grammar.messages.run_bundle import Bundle
from runtime.backend import open_backend
from runtime.runs import runs
from tests.support.waiting import until_async

FLOW = """
taskflow:
  - task: {id: items, run: "python3 -c 'print(list(range(COUNT)))'"}
  - task:
      over: outputs.items
      async: true
      async_limit: LIMIT
      agents: [./brief.yaml]
      capture: response
      user_prompt: "Item {{ result }}"
"""
SMALL, AT_MOST = 10, 2.0


def flow(work: Path, name: str, items: int, limit: int) -> Bundle:
    path = work / f"{name}.yaml"
    path.write_text(FLOW.replace("COUNT", str(items)).replace("LIMIT", str(limit)))
    return load(LoadOptions(str(path))).bundle


def answers(delay: float) -> list[dict[str, object]]:
    """Rules for answers that take half the time to half as much again, by the last digit of the item."""
    shares = [(digit, 0.5 + digit / 9) for digit in range(10)]
    return [{"when": {"prompt": f"{digit}$"}, "delay": delay * share, "text": "An answer."} for digit, share in shares]


async def seconds(client: Client, bundle: Bundle, run_id: str) -> float:
    """Return the time of a run, from its start to its end as Temporal has them."""
    run = await runs.start(client, bundle, run_id, TASK_QUEUE)
    report = await run.result()
    assert report.status == "completed", report
    found = await run.describe()
    assert found.close_time
    return (found.close_time - found.start_time).total_seconds()


async def measure(work: Path, items: int, busy: int) -> tuple[float, float, int]:
    """Return how long the small run takes alone, and beside the large one, and how many items that has done by then."""
    small, large = flow(work, "small", SMALL, 5), flow(work, "large", items, 10 * busy)
    async with open_backend() as backend:
        client = backend.client
        await seconds(client, small, "warming-up")
        alone = await seconds(client, small, "alone")
        big = await runs.start(client, large, "large", TASK_QUEUE)

        async def has_begun() -> bool:
            return (await runs.report(client, "large")).tasks[1].done > 2 * busy

        await until_async(has_begun, 300)
        beside = await seconds(client, small, "beside")
        by_then = (await runs.report(client, "large")).tasks[1].done
        await big.terminate()
        return alone, beside, by_then


async def main(items: int, delay: float, busy: int) -> bool:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
        (work / "brief.yaml").write_text(PERSONALITY)
        with scripted_endpoint(work, yaml.safe_dump(answers(delay))) as url:
            os.environ |= {"AI_API_ENDPOINT": url, "AI_API_TOKEN": "benchmark"}
            worker = ("worker.py", "--max-concurrent-activities", str(busy))
            with process(*worker, wait="serving task queue"):
                alone, beside, by_then = await measure(work, items, busy)
    took = f"{delay / 2:g} to {delay * 1.5:g} s an answer"
    print(f"{SMALL} items on a worker that does {busy} at once, {took}, load {os.getloadavg()[0]:.1f}")
    print(f"alone {alone:.1f} s; beside a run of {items} items {beside:.1f} s ({beside / alone:.2f} times as long)")
    print(f"that one has done {by_then} by then")
    return beside < AT_MOST * alone and by_then < items


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=2.0, help="seconds that a model takes to answer, about")
    parser.add_argument("--busy", type=int, default=10, help="how many activities the worker does at once")
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(main(given.items, given.delay, given.busy)) else 1)
