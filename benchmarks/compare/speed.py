"""Twenty items, five at once, with the echo toolbox; and a single prompt that uses a tool. Both engines in one run."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.cases import Case
from benchmarks.compare.engines import Engine, Existing, Ours
from benchmarks.compare.memory import Sample, Watch
from tests.support.script import Call, Rule, When

FASTER, SMALLER, PROMPTS = 8.0, 0.25, 3
ANSWERS = [Rule(when=When(turn=0), tool_calls=[Call(name="echo_tool", arguments={"message": "hi"})]), Rule()]
ITEMS, TURNS = 20, 2
STATE = "TASKFLOW_STATE_DIR"


@dataclass(frozen=True)
class Measured:
    """One run: wall time, and the memory of all its processes at its peak."""

    name: str
    seconds: float
    peak: Sample


def compare(scratch: Path) -> list[str]:
    """Print the ratios. Returns the targets that are missed."""
    with Existing(scratch / "speed-existing") as existing, Ours(scratch / "speed-ours") as ours:
        theirs = twenty(existing, "existing engine", "HOME", {})
        cold = twenty(ours, "ours, cold", STATE, {STATE: "$SCRATCH/fresh"})
        warm = twenty(ours, "ours, a worker runs", STATE, {})
        single = {
            "existing engine": one(existing, {}),
            "ours, cold": one(ours, {STATE: "$SCRATCH/one"}),
            "ours, a worker runs": one(ours, {}),
        }
    return report([theirs, cold, warm], single)


def twenty(engine: Engine, name: str, marked_by: str, env: dict[str, str]) -> Measured:
    """`marked_by`: the variable by whose value the run's processes, daemons too, are known."""
    case = Case(flow="speed.twenty", covers=[], rules=ANSWERS, env=env)
    with Watch(marked_by, engine.variables(case)[marked_by]) as watch:
        seconds = timed(engine, case, ITEMS * TURNS)
    return Measured(name, seconds, watch.peak)


def one(engine: Engine, env: dict[str, str]) -> float:
    """Seconds, the median of some runs."""
    case = Case(flow="speed.one", covers=[], rules=ANSWERS, env=env)
    return statistics.median(timed(engine, case, TURNS) for _ in range(PROMPTS))


def timed(engine: Engine, case: Case, requests: int) -> float:
    ended = engine.run(case, seconds=300)
    if ended.code or len(engine.endpoint.requests) != requests:
        raise RuntimeError(f"{engine.name} made {len(engine.endpoint.requests)} requests: {ended.said[-2000:]}")
    return ended.seconds


def report(measured: list[Measured], single: dict[str, float]) -> list[str]:
    theirs = measured[0]
    print(f"\n{ITEMS} items, 5 at once, echo toolbox")
    print(f"{'':24}{'seconds':>9}{'faster':>8}{'PSS MB':>9}{'part':>7}{'RSS MB':>9}")
    for each in measured:
        faster, part = theirs.seconds / each.seconds, each.peak.pss / theirs.peak.pss
        print(f"{each.name:24}{each.seconds:9.2f}{faster:8.1f}{each.peak.pss:9.0f}{part:7.2f}{each.peak.rss:9.0f}")
    for each in measured:
        print(f"\n{each.name}, at its peak: PSS, RSS in MB")
        for process, (pss, rss) in sorted(each.peak.processes.items(), key=lambda item: -item[1][0]):
            print(f"  {pss:7.1f}{rss:7.1f}  {process}")
    print(f"\none prompt that uses a tool, median of {PROMPTS}")
    for name, seconds in single.items():
        print(f"{name:24}{seconds:9.2f} s")
    return missed(measured, single)


def missed(measured: list[Measured], single: dict[str, float]) -> list[str]:
    theirs, cold, _ = measured
    first, second, _ = single.values()
    faster, part = theirs.seconds / cold.seconds, cold.peak.pss / theirs.peak.pss
    return [
        *([f"speed: {faster:.1f} times faster, not {FASTER:g}"] if faster < FASTER else []),
        *([f"speed: {part:.2f} of its memory, not {SMALLER:g}"] if part > SMALLER else []),
        *([f"speed: one prompt takes {second:.2f} s, theirs {first:.2f} s"] if second > first else []),
    ]
