"""The existing engine beside ours: python -m benchmarks.compare [--only flows|real] [--flow NAME] [-v]"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.compare import existing, flow_by_flow, real
from benchmarks.compare.cases import cases

PARTS = ("flows", "real")


def main(parts: tuple[str, ...], flows: list[str], verbose: bool) -> int:
    existing.install()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        scratch = Path(folder)
        if "flows" in parts:
            chosen = [case for case in cases() if not flows or case.flow in flows]
            wrong += flow_by_flow.report(flow_by_flow.compare(chosen, scratch), verbose)
        if "real" in parts:
            wrong += real.compare(scratch)
    for line in wrong:
        print(f"! {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--flow", action="append", default=[])
    parser.add_argument("-v", "--verbose", action="store_true")
    given = parser.parse_args()
    sys.exit(main((given.only,) if given.only else PARTS, given.flow, given.verbose))
