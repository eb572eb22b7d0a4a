"""A toolbox for tests that never serves. Without an import that takes its time: what it does, it does at once.

Arguments:
`--start hang|exit`   what it does instead
`--starts FILE`       append this process's id to the file at the start

All others are those of `mcp_server.py`, and ignored.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=Path)
    parser.add_argument("--start", choices=["hang", "exit"])
    given, _ = parser.parse_known_args()
    if given.starts:
        with given.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
    print(f"told to {given.start}", file=sys.stderr, flush=True)
    if given.start == "exit":
        sys.exit(3)
    hang()


def hang() -> None:
    """Ignore SIGTERM, and do nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
