"""Print the table of all seeds; exit 1 if any is wrong."""

import argparse
import sys

from tests.budgets.seed_run import CASES, play

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seeds", type=int, default=2 * len(CASES))
parser.add_argument("--first", type=int, default=1)
parser.add_argument("--kills", type=int, default=2, help="before the run parks, and again after it was raised")
given = parser.parse_args()

print(
    "requests that the endpoint saw when the run parked, of at most; and when it was raised and ended, or parked again"
)
print(" seed     time     first      then")
bad = 0
for seed in range(given.first, given.first + given.seeds):
    result = play(seed, given.kills)
    bad += bool(result.wrong)
    print(result.line(), flush=True)
print(f"{given.seeds} seeds, {bad} wrong")
sys.exit(bool(bad))
