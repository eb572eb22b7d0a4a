"""Runs of a size that a night brings: many items with a worker killed in the middle, a long list, a large result.

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

from runtime.local_server.embedded import embedded_server
from tests.support.endpoint import Call, Rule, ScriptedEndpoint, When

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
class Case:
    """A flow. `numbers`: how many; `killed`: at so many model requests, its worker is. `memory`: in MB, at most."""

    name: str
    first: str
    each: str
    numbers: int
    killed: int | None = None
    memory: float = WORKER_MB


@dataclass
class Outcome:
    """What a case took. `memory`: of the worker in MB, per 1,000 items; `events`: of each history."""

    seconds: float = 0
    code: int = -1
    requests: int = 0
    in_order: bool = False
    memory: dict[int, float] = field(default_factory=dict)
    peak: float = 0
    events: list[int] = field(default_factory=list)
    status: str = ""

    def is_good(self, case: Case) -> bool:
        small = self.peak < case.memory and max(self.events, default=0) < EVENTS
        return self.code == 0 and self.in_order and small


def cases(items: int) -> list[Case]:
    over, carried = "over: outputs.numbers", "repeat_prompt: true"
    return [
        Case("items", ITEMS.replace("COUNT", str(items)), each(over, "result"), items, killed=items // 2),
        Case("list", LIST.replace("COUNT", str(items)), each(over, "result.n"), items),
        Case("result", RESULT, each(carried, "result.n"), items, memory=LARGE_RESULT_MB),
    ]


def each(source: str, number: str) -> str:
    return EACH.replace("SOURCE", source).replace("NUMBER", number)


async def play(case: Case, work: Path) -> Outcome:
    """Run it on an embedded server of its own."""
    os.environ["TASKFLOW_STATE_DIR"] = str(work / "state")
    write(case, work)
    outcome = Outcome()
    rules = [
        Rule(
            when=When(prompt="^many$"), tool_calls=[Call(name="many", arguments={"count": case.numbers, "size": 2000})]
        ),
        Rule(text="$PROMPT"),
    ]
    with ScriptedEndpoint(rules) as endpoint:
        os.environ |= {"AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": "benchmark"}
        async with embedded_server() as server:
            started = time.monotonic()
            with starter(work) as process:
                await asyncio.to_thread(watch, process, endpoint, case, outcome, work)
            outcome.seconds = time.monotonic() - started
            client = await Client.connect(server.address)
            found = [one async for one in client.list_workflows('WorkflowId = "scale"')]
            outcome.events = sorted((one.history_length or 0 for one in found), reverse=True)
        outcome.requests = len(endpoint.requests)
    outcome.code = process.returncode
    check(case, outcome, work)
    return outcome


def write(case: Case, work: Path) -> None:
    first, *documents = case.first.split("---\n")
    (work / "flow.yaml").write_text(first + case.each)
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
    process: subprocess.Popen[bytes], endpoint: ScriptedEndpoint, case: Case, outcome: Outcome, work: Path
) -> None:
    """Sample the worker's memory, and kill the worker where that is due."""
    due = case.killed
    while process.poll() is None:
        for worker in workers(work):
            with suppress(psutil.Error):
                megabytes = worker.memory_info().rss / 1e6
                outcome.peak = max(outcome.peak, megabytes)
                thousand = len(endpoint.requests) // 1000 * 1000
                outcome.memory[thousand] = max(megabytes, outcome.memory.get(thousand, 0))
                if due and len(endpoint.requests) > due:
                    worker.kill()
                    due = None
        time.sleep(0.2)


def workers(work: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            state = process.environ().get("TASKFLOW_STATE_DIR")
            if "--run" in process.cmdline() and state == str(work / "state"):
                yield process


def check(case: Case, outcome: Outcome, work: Path) -> None:
    document: dict[str, Any] = json.loads((work / "out.json").read_text() or "{}")
    outcome.status = document.get("status", "")
    each = document.get("outputs", {}).get("each", [])
    outcome.in_order = [one["result"] for one in each] == [f"number {n}." for n in range(case.numbers)]


def tell(case: Case, outcome: Outcome) -> None:
    memory = " ".join(f"{megabytes:.0f}" for _, megabytes in sorted(outcome.memory.items()))
    print(
        f"{case.name}: {outcome.seconds:.0f} s, exit code {outcome.code} ({outcome.status}), "
        f"{outcome.requests:,} model requests{', worker killed' if case.killed else ''}, "
        f"results in order: {outcome.in_order}\n"
        f"  worker MB per 1,000 requests: {memory}; peak {outcome.peak:.0f}\n"
        f"  events per history: {outcome.events}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["items", "list", "result"])
    parser.add_argument("--items", type=int, default=10_000)
    given = parser.parse_args()
    good = True
    for case in cases(given.items):
        if given.only in (None, case.name):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                outcome = asyncio.run(play(case, Path(folder)))
                tell(case, outcome)
                if not outcome.is_good(case):
                    print((Path(folder) / "err.txt").read_text()[-3000:])
            good = good and outcome.is_good(case)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
