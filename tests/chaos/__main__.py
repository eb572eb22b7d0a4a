"""Print the table of all seeds; exit 1 if any is wrong."""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

from tests.chaos.seed_run import UNDISTURBED, play

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seeds", type=int, default=100)
parser.add_argument("--first", type=int, default=1)
parser.add_argument("--faults", type=int, default=5, help="of one run")
parser.add_argument("--at-once", type=int, default=2)
given = parser.parse_args()

print(f"an undisturbed run asks the model {UNDISTURBED} times. Beyond that: made, of at most")
print(" seed     time   requests     tool calls")
bad = 0
with ThreadPoolExecutor(given.at_once) as pool:
    playing = [pool.submit(play, seed, given.faults) for seed in range(given.first, given.first + given.seeds)]
    for future in as_completed(playing):
        result = future.result()
        bad += bool(result.wrong)
        print(result.line(), flush=True)
print(f"{given.seeds} seeds, {bad} wrong")
sys.exit(bool(bad))
