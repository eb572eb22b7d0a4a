"""Large runs: many items with a worker killed in the middle, a long list, a large result.

python -m benchmarks.scale [--only items|list|result] [--items N]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from temporalio.client import Client

from benchmarks.descendants import Descendants
from runtime.local_server.embedded import embedded_server
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "tests/support/mcp_server.py"
EVENTS, WORKER_MB = 15_000, 400
# A tool result is in memory as often as it is read and written, for a moment.
LARGE_RESULT_MB = 600
EACH = """
  - task:
      name: each
      id: each
      SOURCE
      async: true
      async_limit: 50
      agents: [./brief.yaml]
      capture: response
      user_prompt: "number {{ NUMBER }}."
"""
ITEMS = """
taskflow:
  - task: {id: numbers, run: "python3 -c 'print(list(range(COUNT)))'"}
"""
# 10 KB an item.
LIST = """
taskflow:
  - task:
      id: numbers
      run: |
        python3 -c '
        import json
        for n in range(COUNT):
            print("," if n else "[", json.dumps({"n": n, "code": f"{n:5}" * 2000}))
        print("]")'
"""
# 2 KB an item.
RESULT = f"""
taskflow:
  - task:
      agents: [./boxed.yaml]
      user_prompt: many
      exclude_from_context: true
---
personality: You have tools.
toolboxes: [./box.yaml]
---
server_params: {{kind: stdio, command: {sys.executable}, args: [{SERVER}, --more]}}
"""


@dataclass(frozen=True)
class Workload:
    """A large run. `numbers`: of its items; `killed`: after so many model requests its worker is killed.

    `memory`: MB that the worker may take.
    """

    name: str
    first: str
    each: str
    numbers: int
    killed: int | None = None
    memory: float = WORKER_MB


@dataclass
class WorkloadResult:
    """What a workload took. `memory`, `peak`: of the worker, in MB; `memory` by thousands of model requests.

    `events`: of each history, largest first.
    """

    seconds: float = 0
    code: int = -1
    requests: int = 0
    in_order: bool = False
    memory: dict[int, float] = field(default_factory=dict)
    peak: float = 0
    events: list[int] = field(default_factory=list)
    status: str = ""

    def is_within_limits(self, workload: Workload) -> bool:
        """Return whether the run completed, in order, within the limits of memory and of events."""
        small = self.peak < workload.memory and max(self.events, default=0) < EVENTS
        return self.code == 0 and self.in_order and small


def workloads(items: int) -> list[Workload]:
    """Return what is measured, with so many items each."""
    over, carried = "over: outputs.numbers", "repeat_prompt: true"
    return [
        Workload("items", ITEMS.replace("COUNT", str(items)), each(over, "result"), items, killed=items // 2),
        Workload("list", LIST.replace("COUNT", str(items)), each(over, "result.n"), items),
        Workload("result", RESULT, each(carried, "result.n"), items, memory=LARGE_RESULT_MB),
    ]


def each(source: str, number: str) -> str:
    return EACH.replace("SOURCE", source).replace("NUMBER", number)


async def play(workload: Workload, work: Path) -> WorkloadResult:
    """Run the workload on an embedded server of its own, and return what it took."""
    os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
    write(workload, work)
    result = WorkloadResult()
    rules = [
        Reply(
            when=Match(prompt="^many$"),
            tool_calls=[Call(name="many", arguments={"count": workload.numbers, "size": 2000})],
        ),
        Reply(text="$PROMPT"),
    ]
    with ScriptedEndpoint(rules) as endpoint:
        os.environ |= {"AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": "benchmark"}
        descendants = Descendants()
        async with embedded_server() as server:
            started = time.monotonic()
            with starter(work) as process:
                await asyncio.to_thread(watch, process, endpoint, workload, result, descendants)
            result.seconds = time.monotonic() - started
            client = await Client.connect(server.address)
            executions = [execution async for execution in client.list_workflows('WorkflowId = "scale"')]
            result.events = sorted((execution.history_length or 0 for execution in executions), reverse=True)
        result.requests = len(endpoint.requests)
    result.code = process.returncode
    check(workload, result, work)
    return result


def write(workload: Workload, work: Path) -> None:
    first, *documents = workload.first.split("---\n")
    (work / "flow.yaml").write_text(first + workload.each)
    (work / "brief.yaml").write_text("personality: You are brief.\n")
    for name, text in zip(("boxed.yaml", "box.yaml"), documents, strict=False):
        (work / name).write_text(text)


@contextmanager
def starter(work: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(ROOT / "starter.py"), "flow.yaml", "--id", "scale", "--json"]
    with (
        (work / "out.json").open("wb") as out,
        (work / "err.txt").open("wb") as err,
        subprocess.Popen(command, cwd=work, stdout=out, stderr=err) as process,
    ):
        yield process


def watch(
    process: subprocess.Popen[bytes],
    endpoint: ScriptedEndpoint,
    workload: Workload,
    result: WorkloadResult,
    descendants: Descendants,
) -> None:
    """Sample the worker's memory until the starter ends, and kill the worker where that is due."""
    due = workload.killed
    while process.poll() is None:
        for worker in workers(descendants):
            with suppress(psutil.Error):
                megabytes = worker.memory_info().rss / 1e6
                result.peak = max(result.peak, megabytes)
                thousand = len(endpoint.requests) // 1000 * 1000
                result.memory[thousand] = max(megabytes, result.memory.get(thousand, 0))
                if due and len(endpoint.requests) > due:
                    worker.kill()
                    due = None
        time.sleep(0.2)


def workers(descendants: Descendants) -> Iterator[psutil.Process]:
    for process in descendants.living():
        with suppress(psutil.Error):
            if "--run" in process.cmdline():
                yield process


def check(workload: Workload, result: WorkloadResult, work: Path) -> None:
    document: dict[str, Any] = json.loads((work / "out.json").read_text() or "{}")
    result.status = document.get("status", "")
    each = document.get("outputs", {}).get("each", [])
    result.in_order = [branch["result"] for branch in each] == [f"number {n}." for n in range(workload.numbers)]


def print_result(workload: Workload, result: WorkloadResult) -> None:
    memory = " ".join(f"{megabytes:.0f}" for _, megabytes in sorted(result.memory.items()))
    print(
        f"{workload.name}: {result.seconds:.0f} s, exit code {result.code} ({result.status}), "
        f"{result.requests:,} model requests{', worker killed' if workload.killed else ''}, "
        f"results in order: {result.in_order}\n"
        f"  worker MB per 1,000 requests: {memory}; peak {result.peak:.0f}\n"
        f"  events per history: {result.events}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["items", "list", "result"])
    parser.add_argument("--items", type=int, default=10_000)
    given = parser.parse_args()
    good = True
    for workload in workloads(given.items):
        if given.only in (None, workload.name):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                result = asyncio.run(play(workload, Path(folder)))
                print_result(workload, result)
                if not result.is_within_limits(workload):
                    print((Path(folder) / "err.txt").read_text()[-3000:])
            good = good and result.is_within_limits(workload)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
