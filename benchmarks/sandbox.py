"""What a start in a sandbox takes, beside the same program started plainly, and by bubblewrap alone.

python -m benchmarks.sandbox [--starts N]
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable

from activities.guardian.pipes import NOTHING, Streams
from activities.sandbox.sandboxes import Program, Sandboxes
from grammar.documents.models import SandboxChoice
from grammar.documents.sandbox import Policy

PROGRAM = ["true"]
BUBBLEWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", *PROGRAM]
POLICIES = {
    "by us, in no sandbox": None,
    "by us, `workspace`": SandboxChoice(),
    "by us, `offline`": SandboxChoice(preset="offline"),
    "by us, one host": SandboxChoice(network=("example.com:443",)),
}

Start = Callable[[], Awaitable[None]]


async def main(starts: int) -> None:
    sandboxes = Sandboxes()
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Start] = {
            "plainly": lambda: plainly(PROGRAM),
            "by bubblewrap alone": lambda: plainly(BUBBLEWRAP),
            **{name: way(sandboxes, sandboxes.policy(choice), folder) for name, choice in POLICIES.items()},
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(starts + 1):  # the first of each has more to do
            for name, start in ways.items():
                began = time.perf_counter()
                await start()
                if number:
                    taken[name].append((time.perf_counter() - began) * 1000)
    print(f"`true`, from its start to its end, {starts} times; load {os.getloadavg()[0]:.1f}")
    for name, times in taken.items():
        print(f"  {name:24}{statistics.median(times):7.1f} ms, at the least {min(times):5.1f} ms")


async def plainly(command: list[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def way(sandboxes: Sandboxes, policy: Policy | None, folder: str) -> Start:
    """Return what starts the program in a sandbox with that policy, and waits for its end."""

    async def start() -> None:
        program = Program(PROGRAM, {}, dict(os.environ), folder)
        process = await sandboxes.start(program, policy, Streams(NOTHING))
        assert await process.wait() == 0
        await process.end()

    return start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=50)
    asyncio.run(main(parser.parse_args().starts))
