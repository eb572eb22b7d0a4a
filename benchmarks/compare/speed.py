"""Twenty items, five at once, with the echo toolbox; and a single prompt that uses a tool. Both engines in one run."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.cases import FlowCase
from benchmarks.compare.engines import Engine, ExistingEngine, OurEngine
from benchmarks.compare.memory import MemoryWatch, Sample
from benchmarks.descendants import Descendants
from tests.support.endpoint_replies import Call, Match, Reply

FASTER, SMALLER, PROMPTS = 8.0, 0.25, 3
ANSWERS = [Reply(when=Match(turn=0), tool_calls=[Call(name="echo_tool", arguments={"message": "hi"})]), Reply()]
ITEMS, TURNS = 20, 2
STATE = "TASKFLOW_STATE_DIR"


@dataclass(frozen=True)
class EngineRun:
    """What one run took: seconds, and the memory of all its processes at its peak."""

    name: str
    seconds: float
    peak: Sample


def compare(scratch: Path) -> list[str]:
    """Print the ratios, and return the targets that are missed."""
    with ExistingEngine(scratch / "speed-existing") as existing, OurEngine(scratch / "speed-ours") as ours:
        theirs = twenty(existing, "existing engine", {}, Descendants())
        cold = twenty(ours, "ours, cold", {STATE: "$SCRATCH/fresh"}, Descendants())
        warm = twenty(ours, "ours, a worker runs", {}, ours.processes)
        single = {
            "existing engine": one_prompt(existing, {}),
            "ours, cold": one_prompt(ours, {STATE: "$SCRATCH/one"}),
            "ours, a worker runs": one_prompt(ours, {}),
        }
    return report([theirs, cold, warm], single)


def twenty(engine: Engine, name: str, env: dict[str, str], descendants: Descendants) -> EngineRun:
    """Run twenty items. `descendants`: what takes part in it, daemons too."""
    case = FlowCase(flow="speed.twenty", covers=[], rules=ANSWERS, env=env)
    with MemoryWatch(descendants) as watch:
        seconds = timed(engine, case, ITEMS * TURNS)
    return EngineRun(name, seconds, watch.peak)


def one_prompt(engine: Engine, env: dict[str, str]) -> float:
    """Return the seconds that one prompt takes, the median of some runs."""
    case = FlowCase(flow="speed.one", covers=[], rules=ANSWERS, env=env)
    return statistics.median(timed(engine, case, TURNS) for _ in range(PROMPTS))


def timed(engine: Engine, case: FlowCase, requests: int) -> float:
    result = engine.run(case, seconds=300)
    if result.code or len(engine.endpoint.requests) != requests:
        raise RuntimeError(f"{engine.name} made {len(engine.endpoint.requests)} requests: {result.output[-2000:]}")
    return result.seconds


def report(measured: list[EngineRun], single: dict[str, float]) -> list[str]:
    theirs = measured[0]
    print(f"\n{ITEMS} items, 5 at once, echo toolbox")
    print(f"{'':24}{'seconds':>9}{'faster':>8}{'PSS MB':>9}{'part':>7}{'RSS MB':>9}")
    for run in measured:
        faster, part = theirs.seconds / run.seconds, run.peak.pss / theirs.peak.pss
        print(f"{run.name:24}{run.seconds:9.2f}{faster:8.1f}{run.peak.pss:9.0f}{part:7.2f}{run.peak.rss:9.0f}")
    for run in measured:
        print(f"\n{run.name}, at its peak: PSS, RSS in MB")
        for process, (pss, rss) in sorted(run.peak.processes.items(), key=lambda item: -item[1][0]):
            print(f"  {pss:7.1f}{rss:7.1f}  {process}")
    print(f"\none prompt that uses a tool, median of {PROMPTS}")
    for name, seconds in single.items():
        print(f"{name:24}{seconds:9.2f} s")
    return missed(measured, single)


def missed(measured: list[EngineRun], single: dict[str, float]) -> list[str]:
    theirs, cold, _ = measured
    first, second, _ = single.values()
    faster, part = theirs.seconds / cold.seconds, cold.peak.pss / theirs.peak.pss
    return [
        *([f"speed: {faster:.1f} times faster, not {FASTER:g}"] if faster < FASTER else []),
        *([f"speed: {part:.2f} of its memory, not {SMALLER:g}"] if part > SMALLER else []),
        *([f"speed: one prompt takes {second:.2f} s, theirs {first:.2f} s"] if second > first else []),
    ]
