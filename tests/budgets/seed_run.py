"""One run with a budget, kills while it runs, and what is held against it afterwards.

The endpoint is the witness: what it was asked is what a provider bills, whoever died before hearing the answer.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.processes import ROOT, RunProcesses, let_time_pass
from tests.support.endpoint_replies import Call, Match, Reply
from tests.support.scripted_endpoint import ScriptedEndpoint

AT_ONCE = 5
DEADLINE = 300.0
"""Seconds, for each wait: on a busy machine, a worker may take a minute to start."""
SLACK = 1.5
"""Seconds: between a request's start at the worker and at the endpoint, on a busy machine."""
CONFIG = """
seclab-taskflow-agent: {version: 1, filetype: model_config}
models: {priced: priced-1}
prices: {priced: {input: 1, output: 1}}
"""
"""With 90,000 tokens read and 10,000 written, a request costs $0.10."""
FLOW = """
model_config: ./config.yaml
%s
defaults:
  heartbeat_timeout: 3s
  retry: {maximum_attempts: 50, initial_interval: 100ms, maximum_interval: 1s}
taskflow:
  - task: {id: numbers, must_complete: true, run: "python3 -c 'print(list(range(%d)))'"}
  - task: {name: each, id: each, over: outputs.numbers, async: true, async_limit: 5, agents: [./brief.yaml],
           model: priced, toolboxes: [%s], capture: response, user_prompt: "item {{ result }}.", %s}
"""
SERVER = ROOT / "tests/support/mcp_server.py"
TOOLBOX = f"server_params: {{kind: stdio, command: {sys.executable}, args: [{SERVER}], lifetime: worker}}\n"


@dataclass(frozen=True)
class BudgetCase:
    """A limit, of the run or of the task, and what is added to it.

    `most`, `then`: how many requests the endpoint may see at most until the run parks, and after that was added.
    `turns`: requests of each item. `seconds`: of a limit of time.
    """

    name: str
    more: str
    most: int
    then: int
    of_run: str = ""
    of_task: str = ""
    items: int = 100
    turns: int = 1
    workers: int = 1
    seconds: float = 0


CASES = (
    BudgetCase("usd", "usd=3", 25, 55, of_run="budget: {usd: 2}"),
    BudgetCase("usd, 3 workers", "usd=3", 25, 55, of_run="budget: {usd: 2}", workers=3),
    BudgetCase("usd, 3 turns", "usd=3", 25, 55, of_run="budget: {usd: 2}", turns=3),
    BudgetCase("usd, 3 turns, 3 workers", "usd=3", 25, 55, of_run="budget: {usd: 2}", turns=3, workers=3),
    BudgetCase("usd of a task", "usd=3", 25, 55, of_task="budget: {usd: 2}"),
    BudgetCase("tokens", "tokens=3M", 25, 55, of_run="budget: {tokens: 2M}"),
    BudgetCase("requests", "requests=30", 20, 50, of_run="budget: {requests: 20}"),
    BudgetCase("requests of a task", "requests=30", 20, 50, of_task="budget: {requests: 20}", turns=3, workers=3),
    BudgetCase("usd of each item", "usd=0.2", 40, 60, of_task="item_budget: {usd: 0.2}", items=20, turns=3),
    BudgetCase("time", "time=10m", 100, 100, of_run="budget: {time: 4s}", items=30, seconds=4),
)  # fmt: skip


@dataclass(frozen=True)
class BudgetResult:
    """How one seed ended. `first`, `then`: what the endpoint was asked until the run parked, and after that."""

    seed: int
    case: BudgetCase
    kills: list[str]
    seconds: float
    first: int
    then: int
    wrong: list[str]

    def line(self) -> str:
        """Return the line of the table."""
        counts = f"{self.first:4} of {self.case.most:<4} {self.then:4} of {self.case.then:<4}"
        ending = "; ".join(self.wrong) or "ok"
        return f"{self.seed:5} {self.seconds:6.1f} s {counts} {ending:4} {self.case.name}; {', '.join(self.kills)}"


def play(seed: int, kills: int) -> BudgetResult:
    """Play the case of the seed, with so many kills before the run parks and as many after that, and check it."""
    case, chance = CASES[(seed - 1) % len(CASES)], random.Random(seed)
    planned = [[(chance.uniform(0.2, 2.0), chance.choice(KILLS)) for _ in range(kills)] for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="budgets-") as directory:
        folder = Path(directory)
        _write(folder, case)
        begin = time.monotonic()
        with ScriptedEndpoint(_rules(folder / "calls", case)) as endpoint, _processes(folder, endpoint, case) as played:
            first, wrong = _until_parked(played, endpoint, case, planned[0])
            then = first
            if not wrong:
                then, wrong = _after_raise(played, endpoint, case, planned[1])
        seconds = time.monotonic() - begin
    names = [name for planned_kills in planned for _, name in planned_kills]
    return BudgetResult(seed, case, names, seconds, first, then, wrong)


def _write(folder: Path, case: BudgetCase) -> None:
    box = "./box.yaml" if case.turns > 1 else ""
    (folder / "flow.yaml").write_text(FLOW % (case.of_run, case.items, box, case.of_task))
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "box.yaml").write_text(TOOLBOX)
    (folder / "brief.yaml").write_text("personality: You are brief.\n")


def _rules(log: Path, case: BudgetCase) -> list[Reply]:
    count = [Call(name="count", arguments={"path": str(log), "text": "x"})]
    fields: dict[str, Any] = {"usage": (90_000, 10_000), "delay": 0.25}
    turns = [Reply(when=Match(turn=turn), tool_calls=count, **fields) for turn in range(case.turns - 1)]
    return [*turns, Reply(text="$PROMPT", **fields)]


def _processes(folder: Path, endpoint: ScriptedEndpoint, case: BudgetCase) -> RunProcesses:
    return RunProcesses(folder, endpoint.url, case.workers)


def _until_parked(
    processes: RunProcesses, endpoint: ScriptedEndpoint, case: BudgetCase, kills: list[tuple[float, str]]
) -> tuple[int, list[str]]:
    starter = processes.starter("flow.yaml", "--id", "run")
    _wait(processes, lambda: bool(endpoint.requests) or starter.poll() is not None)
    report = _outcome(processes, starter, kills)
    asked = len(endpoint.requests)
    wrong = [] if report.get("status") == "parked" else [f"not parked, but {str(report)[:300]}"]
    wrong += [f"{asked} requests"] if asked > case.most else []
    wrong += _late(endpoint, case)
    return asked, wrong


def _after_raise(
    processes: RunProcesses, endpoint: ScriptedEndpoint, case: BudgetCase, kills: list[tuple[float, str]]
) -> tuple[int, list[str]]:
    before = len(endpoint.requests)
    done = _done(processes)
    starter = processes.starter("raise", "run", case.more)
    # One that finds no server tells the run nothing, as it should.
    _wait(processes, lambda: len(endpoint.requests) > before or starter.poll() is not None)
    report = _outcome(processes, starter, kills)
    asked = len(endpoint.requests)
    again = {request.prompt for request in endpoint.requests[before:]} & done
    wrong = [] if report.get("status") in ("parked", "completed") else [f"then {str(report)[:300]}"]
    wrong += [f"asked again: {sorted(again)}"] if again else []
    wrong += [f"{asked} requests in all"] if asked > case.then + _lost(case, kills) else []
    if case.items * case.turns <= case.then and report.get("status") != "completed":
        wrong.append("not completed")
    results = [branch["result"] for branch in report.get("outputs", {}).get("each", [])]
    if report.get("status") == "completed" and results != [f"item {number}." for number in range(case.items)]:
        wrong.append(f"wrong results: {results}")
    return asked, wrong


def _lost(case: BudgetCase, kills: list[tuple[float, str]]) -> int:
    """How many requests may be asked for anew, where the budget suffices: those in flight at each kill."""
    return AT_ONCE * len(kills) * 2 if case.items * case.turns <= case.then else 0


def _outcome(
    processes: RunProcesses, starter: "subprocess.Popen[bytes]", kills: list[tuple[float, str]]
) -> dict[str, Any]:
    """What the starter tells in the end, with the kills meanwhile."""
    for seconds, name in kills:
        let_time_pass(seconds)
        _kill(processes, name)
    _wait(processes, lambda: starter.poll() is not None)
    if starter.poll() is None:
        starter.kill()
        starter.wait()
        return {"log": (processes.folder / "starter.log").read_text()[-600:]}
    return processes.result()


def _wait(processes: RunProcesses, condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, or the deadline has passed, with workers that are there."""
    deadline = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < deadline:
        let_time_pass(0.2)
        processes.restart_ended_workers()


KILLS = ("worker", "server", "both")


def _kill(processes: RunProcesses, what: str) -> None:
    """Kill by SIGKILL, and start anew."""
    if what in ("worker", "both"):
        processes.kill_worker()
    if what in ("server", "both"):
        processes.kill_server()
        processes.start_server()
    if what in ("worker", "both"):
        processes.start_worker()


def _late(endpoint: ScriptedEndpoint, case: BudgetCase) -> list[str]:
    if not case.seconds or not endpoint.requests:
        return []
    took = endpoint.requests[-1].start - endpoint.requests[0].start
    return [f"a request after {took:.1f} s"] if took > case.seconds + SLACK else []


def _done(processes: RunProcesses) -> set[str]:
    """The prompts of the items that are done."""
    starter = processes.starter("manifest", "run")
    starter.wait(DEADLINE)
    branches = [branch for branch in processes.result()["branches"] if branch["task"] == "each"]
    counts = Counter(branch["status"] for branch in branches)
    assert set(counts) <= {"done", "failed"}, counts
    return {f"item {branch['index']}." for branch in branches if branch["status"] == "done"}
