"""Measure everything side by side, in one run, and write docs/performance.md.

python -m benchmarks [--only fan-outs|engines|in-flight] [--rounds N] [--items N]
"""

import argparse
import asyncio
import os

from benchmarks import engines_beside, fan_outs, in_flight
from benchmarks.performance_page import PAGE, Measured, text

PARTS = ("fan-outs", "engines", "in-flight")
LIMIT, PROCESSES = 50, (1, 2, 4)


def main(parts: tuple[str, ...], items: int, rounds: int) -> None:
    """Measure the parts and print them. The page is written where all of them were measured."""
    load = os.getloadavg()[0]
    measured = Measured(
        load,
        asyncio.run(fan_outs.measure(items, LIMIT, PROCESSES, rounds)) if "fan-outs" in parts else (),
        engines_beside.measure() if "engines" in parts else (),
        asyncio.run(in_flight.measure()) if "in-flight" in parts else (),
    )
    print(text(measured))
    if parts == PARTS:
        PAGE.write_text(text(measured), encoding="utf-8")
        print(f"written to {PAGE}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main((given.only,) if given.only else PARTS, given.items, given.rounds)
