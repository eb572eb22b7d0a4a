"""Take the picture of the Web UI that the README shows: python docs/screenshot.py

Runs the hello example, holds its server open, and photographs the run's page. Needs Chromium on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "web-ui.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = "1400,1020"
PAGE_SECONDS = 30


@contextmanager
def finished_run(state: Path) -> Iterator[str]:
    """The address of the page of a run that has ended, on a server that is held open for the block."""
    command = [sys.executable, "-u", "starter.py", "taskflows/examples/hello.yaml", "--id", "hello", "--keep"]
    env = os.environ | {"TASKFLOW_STATE_DIR": str(state)}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as starter:
        assert starter.stdout
        try:
            yield page(starter.stdout)
        finally:
            starter.send_signal(signal.SIGINT)


def page(lines: Iterator[str]) -> str:
    """The run's page, once the starter says that it holds the server open."""
    address = ""
    for line in lines:
        print(line, end="")
        if found := re.search(r"http://\S+/workflows/\S+", line):
            address = found[0]
        if "Ctrl-C to end" in line:
            return address
    sys.exit("the run ended without a page to show")


def photograph(address: str, profile: Path) -> None:
    """Write PICTURE."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None) or sys.exit("Chromium is not on PATH")
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu",
            f"--user-data-dir={profile}", f"--window-size={SIZE}",
            f"--virtual-time-budget={PAGE_SECONDS * 1000}", f"--screenshot={PICTURE}", address,
        ],
        check=True, stderr=subprocess.DEVNULL, timeout=2 * PAGE_SECONDS,
    )  # fmt: skip


def main() -> None:
    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, finished_run(Path(scratch) / "state") as address:
        photograph(address, Path(scratch) / "profile")
    print(f"wrote {PICTURE.relative_to(ROOT)}: look at it before you commit it")


if __name__ == "__main__":
    main()
