"""The engine that these files were written for and ours, on the same files, with its own unmodified echo toolbox."""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare import existing
from benchmarks.compare.memory import MemoryWatch
from benchmarks.compare.program import background, run
from benchmarks.descendants import Descendants
from benchmarks.prepared_endpoint import prepared_endpoint
from benchmarks.processes import ROOT

HEADER = 'seclab-taskflow-agent:\n  version: "1.0"\n  filetype: {}\n'
PERSONALITY = HEADER.format("personality") + "personality: You are brief.\ntask: Do it.\n"
ONE = HEADER.format("taskflow") + "taskflow:\n  - task: {must_complete: true, agents: [AGENT], user_prompt: Item 1}\n"
MANY = (
    HEADER.format("taskflow")
    + """taskflow:
  - task:
      must_complete: true
      run: python3 -c 'import json; print(json.dumps(list(range(COUNT))))'
  - task:
      must_complete: true
      repeat_prompt: true
      async: true
      async_limit: LIMIT
      agents: [AGENT]
      user_prompt: Item {{ result }}
"""
)
LONGEST = 900.0


@dataclass(frozen=True)
class Work:
    """What both do. `rounds`: how often; the median counts. `seconds`: that the model's endpoint takes to answer."""

    name: str
    flow: str
    toolbox: bool
    rounds: int = 1
    seconds: float = 0.0
    watch_memory: bool = False


ALL = (
    Work("one prompt", "one", False, 5, watch_memory=True),
    Work("one prompt, echo toolbox", "one_echo", True, 3, watch_memory=True),
    Work("20 items, async 5, echo toolbox", "twenty_echo", True, 3, watch_memory=True),
    Work("200 items, async 20", "two_hundred", False),
    Work("1,000 items, async 50, endpoint 0.2 s", "thousand", False, seconds=0.2),
)


@dataclass(frozen=True)
class Beside:
    """What a piece of work took, in seconds and in MB (PSS of all processes at the peak; 0: not measured)."""

    work: Work
    theirs: float
    cold: float
    warm: float
    their_mb: float = 0
    cold_mb: float = 0
    warm_mb: float = 0


def measure(chosen: tuple[Work, ...] = ALL) -> list[Beside]:
    """Measure each piece of work: the existing engine, ours cold, and ours with a worker running, in turns."""
    existing.install()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        write_flows(scratch)
        return [_measure(work, scratch) for work in chosen]


def write_flows(scratch: Path) -> None:
    """Write what both engines run: flows, two personalities, and a copy of the existing engine's echo toolbox."""
    bench = scratch / "bench"
    bench.mkdir()
    (bench / "brief.yaml").write_text(PERSONALITY)
    (bench / "echoer.yaml").write_text(f"{PERSONALITY}toolboxes: [bench.echo]\n")
    shutil.copy(existing.ENGINE.packages() / "seclab_taskflow_agent/toolboxes/echo.yaml", bench / "echo.yaml")
    sizes = {"one": ONE, "twenty": _many(20, 5), "two_hundred": _many(200, 20), "thousand": _many(1000, 50)}
    for name, text in sizes.items():
        (bench / f"{name}.yaml").write_text(text.replace("AGENT", "bench.brief"))
        (bench / f"{name}_echo.yaml").write_text(text.replace("AGENT", "bench.echoer"))


def _many(count: int, limit: int) -> str:
    return MANY.replace("COUNT", str(count)).replace("LIMIT", str(limit))


def _measure(work: Work, scratch: Path) -> Beside:
    with prepared_endpoint(work.seconds) as url, _warm(scratch, url) as warm:
        ways: dict[str, Callable[[], float]] = {
            "theirs": lambda: _timed(_theirs(work), _variables(scratch, url, None), scratch),
            "cold": lambda: _timed(_ours(work), _variables(scratch, url, Path(tempfile.mkdtemp(dir=scratch))), scratch),
            "warm": lambda: _timed(_ours(work), _variables(scratch, url, scratch / "warm"), scratch),
        }
        ways["warm"]()  # the worker has done such work before
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(work.rounds):
            for name, way in ways.items():
                took[name].append(way())
        medians = [statistics.median(seconds) for seconds in took.values()]
        return Beside(work, *medians, *_memory(ways, warm) if work.watch_memory else ())


def _memory(ways: dict[str, Callable[[], float]], warm: Descendants) -> list[float]:
    """Return the memory of each at its peak; measured by itself, since it takes time to look."""
    peaks = []
    for name, way in ways.items():
        with MemoryWatch(warm if name == "warm" else Descendants()) as watch:
            way()
        peaks.append(watch.peak.pss)
    return peaks


@contextmanager
def _warm(scratch: Path, url: str) -> Iterator[Descendants]:
    """Run a worker beside the block, with its server."""
    descendants = Descendants()
    variables = _variables(scratch, url, scratch / "warm")
    with background([sys.executable, str(ROOT / "worker.py")], variables, scratch, until="serving task queue"):
        yield descendants


def _timed(command: list[str], variables: dict[str, str], folder: Path) -> float:
    begun = time.monotonic()
    result = run(command, variables, folder, LONGEST)
    if result.code:
        raise RuntimeError(f"{command} ended with {result.code}: {result.output[-2000:]}")
    return time.monotonic() - begun


def _theirs(work: Work) -> list[str]:
    return [str(existing.ENGINE.python), "-m", "seclab_taskflow_agent", "-t", f"bench.{work.flow}"]


def _ours(work: Work) -> list[str]:
    return [sys.executable, str(ROOT / "starter.py"), "-t", f"bench.{work.flow}"]


def _variables(scratch: Path, url: str, state: Path | None) -> dict[str, str]:
    """Return the environment. Their python is first on PATH: the echo toolbox is started as `python -m ...`."""
    common = {
        "PATH": f"{existing.ENGINE.bin}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(scratch),
        "TERM": "dumb",
        "AI_API_ENDPOINT": url,
        "AI_API_TOKEN": "benchmark",
        "LOG_DIR": str(scratch),
        "PYTHONWARNINGS": "ignore",
    }
    ours = {"TASKFLOW_STATE_DIR": str(state), "TASKFLOW_PATH": str(scratch)} if state else {}
    return common | ours
