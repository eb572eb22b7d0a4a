"""Take out one defence after the other, and see the tests red that hold it.

    python -m tests.security.mutations [MODULE ...] [--attack TEXT]

MODULE: `test_sandbox.py`, say; without any, all tables. It works on a copy of the checkout, in `.mutations`. First all
tests of a table are to be green there; then a line is printed for each attack. Exit code 1: something was not so.
"""

import argparse
import sys

from tests.security.mutations.copied_checkout import CopiedCheckout, Outcome
from tests.security.mutations.table import Mutation, tables


def tried(checkout: CopiedCheckout, module: str, mutation: Mutation, before: dict[str, Outcome]) -> tuple[str, bool]:
    """Return what is to be told of one mutation, and whether that is as it should be."""
    if any(before[name].verdict == "skipped" for name in mutation.red):
        return "skipped: it cannot be tried here", True
    if wrong := _others("green", {name: before[name] for name in mutation.red}):
        return f"NOT SEEN, with its defence: {wrong}", False
    with checkout.without(mutation):
        seen = checkout.outcomes(module, mutation.red)
    if wrong := _others("red", seen):
        return f"NOT SEEN: {wrong}", False
    return f"red: {', '.join(f'{name} ({outcome.why})' for name, outcome in seen.items())}", True


def _others(verdict: str, outcomes: dict[str, Outcome]) -> str:
    return ", ".join(
        f"{name} is {outcome.verdict} ({outcome.why})"
        for name, outcome in outcomes.items()
        if outcome.verdict != verdict
    )


def main() -> int:
    """Print a line for each attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--attack", default="", help="those alone whose text has this in it")
    given = parser.parse_args()
    known = tables()
    if unknown := set(given.modules) - set(known):
        parser.error(f"there is no table of {', '.join(sorted(unknown))}")
    results = []
    with CopiedCheckout() as checkout:
        for module in given.modules or known:
            mutations = [mutation for mutation in known[module] if given.attack in mutation.attack]
            before = checkout.outcomes(module, {name for mutation in mutations for name in mutation.red})
            for mutation in mutations:
                told, is_right = tried(checkout, module, mutation, before)
                print(f"{module}: {mutation.attack}: {mutation.file}: defence removed -> {told}", flush=True)
                results.append(is_right)
    print(f"{len(results)} attacks, {results.count(False)} not seen to succeed without their defence")
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
