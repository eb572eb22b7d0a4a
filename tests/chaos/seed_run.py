"""One run under a schedule of faults, and what is held against it afterwards."""

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.descendants import Descendants
from tests.chaos.faults import Fault, inject, schedule
from tests.chaos.processes import ROOT, RunProcesses, let_time_pass
from tests.support.endpoint_replies import Call, Match, Reply
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.waiting import until

TURNS, ITEMS = 40, 60
UNDISTURBED = TURNS + 1 + 2 * ITEMS + 2
DEADLINE = 240.0

TOOLBOX = f"""
server_params:
  kind: stdio
  command: {sys.executable}
  args: [{ROOT / "tests/support/mcp_server.py"}]
"""
SHARED = TOOLBOX + "  lifetime: worker\n"
FLOW = f"""
defaults:
  heartbeat_timeout: 3s
  retry: {{maximum_attempts: 50, initial_interval: 100ms, maximum_interval: 1s}}
taskflow:
  - task: {{name: long, must_complete: true, agents: [./brief.yaml], toolboxes: [./box.yaml], max_steps: 100,
           capture: response, id: long, user_prompt: long work}}
  - task: {{name: list, id: numbers, must_complete: true, run: "sleep 0.5; python3 -c 'print(list(range({ITEMS})))'"}}
  - task: {{name: each, id: each, must_complete: true, over: outputs.numbers, async: true, async_limit: 5,
           agents: [./brief.yaml], toolboxes: [./own.yaml], capture: response, user_prompt: "item {{{{ result }}}}."}}
  - task: {{name: ask, id: ask, must_complete: true, agents: [./brief.yaml], toolboxes: [./guarded.yaml],
           capture: response, user_prompt: ask first}}
"""


@dataclass(frozen=True)
class SeedResult:
    """How one seed ended. `extra`, `repeated`: model requests and tool calls beyond those of an undisturbed run."""

    seed: int
    faults: list[Fault]
    seconds: float
    extra: int
    repeated: int
    wrong: list[str]

    def line(self) -> str:
        """Return the line of the table."""
        names = ", ".join(fault.name for fault in self.faults)
        allowed = (sum(fault.requests for fault in self.faults), sum(fault.calls for fault in self.faults))
        ending = "; ".join(self.wrong) or "ok"
        costs = f"{self.extra:4} of {allowed[0]:<4} {self.repeated:4} of {allowed[1]:<4}"
        return f"{self.seed:5} {self.seconds:6.1f} s {costs} {ending:4} {names}"


def rules(log: Path) -> list[Reply]:
    """Return the rules: the long agent counts, each item counts, and one agent asks first."""

    def count(text: str) -> Call:
        return Call(name="count", arguments={"path": str(log), "text": text})

    long = [
        Reply(when=Match(prompt="^long", turn=n), tool_calls=[count(f"long-{n}")], delay=0.02) for n in range(TURNS)
    ]
    items = [
        Reply(when=Match(prompt=rf"^item {n}\.", turn=0), tool_calls=[count(f"item-{n}")], delay=0.05)
        for n in range(ITEMS)
    ]
    ask = [Reply(when=Match(prompt="^ask", turn=0), tool_calls=[count("ask")])]
    return [*long, *items, *ask, Reply(text="done $PROMPT", delay=0.05)]


def expected() -> set[str]:
    """Return the texts of all tool calls of an undisturbed run."""
    return {*(f"long-{n}" for n in range(TURNS)), *(f"item-{n}" for n in range(ITEMS)), "ask"}


def play(seed: int, many: int) -> SeedResult:
    """Play one run under the faults of the seed, `many` of them, and check it."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        folder = Path(directory)
        log = folder / "calls"
        for name, text in (
            ("flow", FLOW),
            ("own", TOOLBOX),
            ("box", SHARED),
            ("guarded", SHARED + "confirm: [count]\n"),
        ):
            (folder / f"{name}.yaml").write_text(text)
        (folder / "brief.yaml").write_text("personality: You are brief.\n")
        planned = schedule(seed, many)
        started = Descendants()
        with ScriptedEndpoint(rules(log)) as endpoint, RunProcesses(folder, endpoint.url) as processes:
            begin = time.monotonic()
            wrong = _play(planned, processes, endpoint)
            seconds = time.monotonic() - begin
            asked = len(endpoint.requests)
        called = Counter(log.read_text().split()) if log.exists() else Counter[str]()
        wrong += _left(started, directory)
    faults = [fault for _, fault in planned]
    return _checked(seed, faults, seconds, asked, called, wrong)


def _play(planned: list[tuple[float, Fault]], processes: RunProcesses, endpoint: ScriptedEndpoint) -> list[str]:
    starter = processes.starter("flow.yaml", "--id", "run")
    until(lambda: processes.has_run("run"), 60)  # a starter that finds no server starts nothing, as it should
    with _approving(processes):
        inject(planned, processes, endpoint)
        code = starter.wait(DEADLINE) if not _is_late(starter, processes, DEADLINE) else None
    if code != 0:
        starter.kill()
        tail = (processes.folder / "starter.log").read_text()[-300:]
        return [f"the starter ended with {code}: {tail!r}"]
    outputs = processes.result()["outputs"]
    results = [branch["result"] for branch in outputs["each"]]
    right = (outputs["long"], outputs["ask"], results) == (
        "done long work",
        "done ask first",
        [f"done item {n}." for n in range(ITEMS)],
    )
    return [] if right else [f"wrong outputs: {outputs}"]


def _left(started: Descendants, folder: str) -> list[str]:
    """Return what still runs of this run, some seconds after all have been killed or told to end."""
    deadline = time.monotonic() + 15
    while (left := _of(started, folder)) and time.monotonic() < deadline:
        let_time_pass(0.1)
    return [f"left running: {words}" for words in left]


def _of(started: Descendants, folder: str) -> list[str]:
    """Return the command lines of those that run in the folder, or name it: other seeds run beside this one."""
    found = []
    for process in started.living():
        with suppress(psutil.Error):  # it has ended
            words = " ".join(process.cmdline())
            if folder in words or process.cwd().startswith(folder):
                found.append(words)
    return found


def _is_late(starter: "subprocess.Popen[bytes]", processes: RunProcesses, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while starter.poll() is None and time.monotonic() < deadline:
        processes.restart_ended_workers()
        let_time_pass(0.1)
    return starter.poll() is None


@contextmanager
def _approving(processes: RunProcesses) -> Iterator[None]:
    """Approve the call by Temporal's own CLI, again and again for the length of the block."""
    over = threading.Event()

    def approve() -> None:
        command = processes.temporal(
            "workflow", "signal", "-w", "run", "--name", "approve", "--input", '"task-4-call-1"'
        )
        while not over.wait(2):
            subprocess.run(command, env=processes.env, capture_output=True, timeout=30, check=False)

    person = threading.Thread(target=approve)
    person.start()
    try:
        yield
    finally:
        over.set()
        person.join()


def _checked(
    seed: int, faults: list[Fault], seconds: float, asked: int, called: Counter[str], wrong: list[str]
) -> SeedResult:
    extra, repeated = asked - UNDISTURBED, called.total() - len(called)
    allowed = (sum(fault.requests for fault in faults), sum(fault.calls for fault in faults))
    problems = list(wrong)
    if set(called) != expected():
        problems.append(f"tool calls missing or unknown: {set(called) ^ expected()}")
    if extra > allowed[0]:
        problems.append(f"{extra} model requests too many")
    if repeated > allowed[1]:
        problems.append(f"{repeated} tool calls repeated")
    return SeedResult(seed, faults, seconds, extra, repeated, problems)
