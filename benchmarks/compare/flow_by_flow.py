"""Each flow on both engines, aspect by aspect."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.compare.cases import Differences, FlowCase, cases, differences
from benchmarks.compare.engines import Engine, ExistingEngine, OurEngine
from benchmarks.compare.program import ProgramResult
from benchmarks.compare.sameness import EVERYWHERE, Aspects, compared, observed

SHOWN = 400
TAIL = 200


@dataclass(frozen=True)
class EngineResult:
    """One flow on one engine."""

    result: ProgramResult
    aspects: Aspects


@dataclass
class FlowComparison:
    """The comparison of one flow: aspect -> (ours, theirs) where they differ."""

    case: FlowCase
    ours: EngineResult
    theirs: EngineResult
    differing: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)


def compare(chosen: list[FlowCase], scratch: Path) -> list[FlowComparison]:
    """Run the flows on both engines, side by side, and compare what they did."""
    with ThreadPoolExecutor(2) as both:
        ours = both.submit(_run_all, OurEngine(scratch / "ours"), chosen)
        theirs = both.submit(_run_all, ExistingEngine(scratch / "existing"), chosen)
        results = [FlowComparison(*run) for run in zip(chosen, ours.result(), theirs.result(), strict=True)]
    for result in results:
        result.differing, result.needed = compared(result.ours.aspects, result.theirs.aspects)
    return results


def _run_all(engine: Engine, chosen: list[FlowCase]) -> list[EngineResult]:
    with engine:
        return [_run_case(engine, case) for case in chosen]


def _run_case(engine: Engine, case: FlowCase) -> EngineResult:
    result = engine.run(case)
    peak = engine.endpoint.max_in_flight if case.peak else None
    aspects = observed(list(engine.endpoint.requests), result, in_order=not case.concurrent, peak=peak)
    return EngineResult(result, aspects)


def report(results: list[FlowComparison], verbose: bool = False) -> list[str]:
    """Print the table, and return what is wrong: unlisted differences, and listed ones that are not there."""
    listed = differences()
    known = {(difference.flow, aspect): difference for difference in listed.flows for aspect in difference.aspects}
    wrong = []
    for result in results:
        flow = result.case.flow
        listed_here = {aspect: known[flow, aspect] for aspect in result.differing if (flow, aspect) in known}
        unlisted = [aspect for aspect in result.differing if aspect not in listed_here]
        words = "same" if not result.differing else f"differs: {', '.join(result.differing)}"
        mark = "!" if unlisted else " "
        print(f"{mark} {flow:24}{words:34} {'; '.join(result.case.covers)}")
        for what in dict.fromkeys(difference.what for difference in listed_here.values()):
            print(f"{'':26}as listed: {what}")
        wrong += [f"{flow}: {aspect} differs and is not listed" for aspect in unlisted]
        for aspect in result.differing if verbose else unlisted[:2]:
            _show(aspect, *result.differing[aspect])
        if verbose or unlisted:
            for name, run in (("ours", result.ours), ("theirs", result.theirs)):
                print(f"      {name} exited with {run.result.code}: ...{run.result.output.strip()[-TAIL:]!r}")
    return wrong + _stale(results, listed)


def _show(aspect: str, ours: Any, theirs: Any) -> None:
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(our, their) for our, their in zip(ours, theirs, strict=True) if our != their]
        ours, theirs = pairs[0]
    for name, value in (("ours", ours), ("theirs", theirs)):
        print(f"      {aspect} {name + ':':8}{json.dumps(value, ensure_ascii=False)[:SHOWN]}")


def _stale(results: list[FlowComparison], listed: Differences) -> list[str]:
    ran = {result.case.flow: result for result in results}
    stale = [
        f"{difference.flow}: {aspect} is listed as different, but is the same"
        for difference in listed.flows
        for aspect in difference.aspects
        if difference.flow in ran and aspect not in ran[difference.flow].differing
    ]
    if len(ran) < len(cases()):
        return stale
    needed = set().union(*(result.needed for result in results))
    ids = {difference.id for difference in listed.everywhere}
    stale += [
        f"everywhere: {name} is in one of differences.yaml and sameness.py only" for name in ids ^ set(EVERYWHERE)
    ]
    return stale + [f"everywhere: {name} does not differ any more" for name in set(EVERYWHERE) - needed]
