"""What `make bench` measured, as docs/performance.md."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from benchmarks.engines_beside import Beside
from benchmarks.fan_outs import FanOut
from benchmarks.in_flight import InFlight
from benchmarks.processes import ROOT

PAGE = ROOT / "docs" / "performance.md"
HEAD = """# Performance

`make bench` writes this page. All rows of a table come of one run on one machine, side by side: read the ratios, since
seconds depend on the machine. A machine that does something else meanwhile makes all of it worthless: the load at the
beginning is told.

"""

FAN_OUTS = """\
What the machinery costs by itself: nothing is waited for. `processes`: those of the worker that run activities.
Ratios are those to raw Temporal with as many processes, for the encrypted run to the same without encryption; the
median of {rounds} rounds. `failed`: workflow tasks that failed or timed out.
"""
BESIDE = """\
The same files in both, with its own echo toolbox, unmodified. Cold: nothing runs before, not even a Temporal server.
With a worker: `worker.py` runs, and has done such work before. Seconds from the command to its end; the ratio is that
of its time to ours. Memory is that of all processes at the peak, the server's among it, in MB; with a worker, the
worker and what it keeps for the next run.
"""
IN_FLIGHT = """\
What a turn takes beyond the model's second: from its answer to the next request, with the tool's call between
them and all that is written down. Memory is what the worker grew by at the peak, for each agent.
"""


@dataclass(frozen=True)
class Measured:
    """Everything that was measured in one run; what is empty was left out. `load`: the machine's at the beginning."""

    load: float
    fan_outs: Sequence[Sequence[FanOut]] = ()
    beside: Sequence[Beside] = ()
    in_flight: Sequence[InFlight] = ()


def text(measured: Measured) -> str:
    """Return the page."""
    parts = (_machine(measured), _fan_outs(measured), _beside(measured), _in_flight(measured))
    return HEAD + "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _machine(measured: Measured) -> Iterator[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"Measured on {date.today():%Y-%m-%d}: {os.cpu_count()} cores, {memory:.0f} GB, {platform.machine()}, "
    yield f"Python {platform.python_version()}, load {measured.load:.1f}."


def _fan_outs(measured: Measured) -> Iterator[str]:
    if not measured.fan_outs:
        return
    first = measured.fan_outs[0][0]
    yield f"## {first.items:,} items, 50 at once, a model that answers at once"
    yield ""
    yield FAN_OUTS.format(rounds=len(measured.fan_outs))
    yield "| fan-out | processes | items/s | ratio | CPU of the worker per item | ratio | events per item | failed |"
    yield "|---|---|---|---|---|---|---|---|"
    for place in range(len(measured.fan_outs[0])):
        yield _fan_out_row(measured.fan_outs, place)


def _fan_out_row(rounds: Sequence[Sequence[FanOut]], place: int) -> str:
    rates = sorted(fan_outs[place].rate / _base(fan_outs, place).rate for fan_outs in rounds)
    times = sorted(fan_outs[place].cpu_ms / _base(fan_outs, place).cpu_ms for fan_outs in rounds)
    same = sorted((fan_outs[place] for fan_outs in rounds), key=lambda fan_out: fan_out.rate)
    shown, middle = same[len(same) // 2], len(rounds) // 2
    failed = sum(fan_out.failed for fan_out in same)
    return (
        f"| {shown.name} | {shown.processes} | {shown.rate:.0f} | {rates[middle]:.2f} | {shown.cpu_ms:.1f} ms "
        f"| {times[middle]:.1f} | {shown.events / shown.items:.2f} | {failed} |"
    )


def _base(fan_outs: Sequence[FanOut], place: int) -> FanOut:
    """Return what a fan-out is compared with: the first of as many processes; of the last, ours in plain."""
    asked = fan_outs[place]
    name = asked.name.removesuffix(", encrypted")
    wanted = name if asked.name != name else fan_outs[0].name
    return next(one for one in fan_outs if one.name == wanted and one.processes == asked.processes)


def _beside(measured: Measured) -> Iterator[str]:
    if not measured.beside:
        return
    yield "## Beside the engine that these files were written for"
    yield ""
    yield BESIDE
    yield "| work | it | ours, cold | faster | with a worker | faster | its memory | cold | with a worker |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in measured.beside:
        memory = [f"{mb:.0f}" if mb else "–" for mb in (row.their_mb, row.cold_mb, row.warm_mb)]
        yield (
            f"| {row.work.name} | {row.theirs:.2f} s | {row.cold:.2f} s | {row.theirs / row.cold:.1f}x "
            f"| {row.warm:.2f} s | {row.theirs / row.warm:.1f}x | {' | '.join(memory)} |"
        )


def _in_flight(measured: Measured) -> Iterator[str]:
    if not measured.in_flight:
        return
    yield "## Agents in flight, ten turns each, with a tool in each turn; a model that takes 1 s"
    yield ""
    yield IN_FLIGHT
    yield "| agents at once | half of the turns below | 99 of 100 below | memory per agent |"
    yield "|---|---|---|---|"
    for row in measured.in_flight:
        yield f"| {row.agents:,} | {row.p50 * 1000:.0f} ms | {row.p99 * 1000:.0f} ms | {row.mb:.2f} MB |"
