"""What takes a worker long to load."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLOW = {"agents", "openai", "mcp"}
BESIDE = """
import asyncio, gc, threading
from activities import loading
loading.begin()
(thread,) = [one for one in threading.enumerate() if one.name == "loading"]
asyncio.run(loading.load(loading.AGENT_RUN))
thread.join()
assert gc.isenabled()
"""


def loaded_after(code: str) -> set[str]:
    code += "\nfrom tests.support.loaded import loaded\nprint(*loaded())"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(ended.stdout.split())


def test_a_worker_can_poll_before_it_has_loaded_what_runs_agents() -> None:
    packages = loaded_after("import worker")
    assert "temporalio" in packages
    assert not packages & SLOW


def test_whoever_needs_it_waits_until_it_is_loaded() -> None:
    assert loaded_after(BESIDE) >= SLOW
