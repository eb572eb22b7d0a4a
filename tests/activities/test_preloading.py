"""What takes a worker long to load."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLOW = {"agents", "openai", "mcp", "jiter"}
BESIDE = """
import asyncio, gc
from activities.process import preloading as loading
loading.begin()
asyncio.run(loading.load())
assert gc.isenabled()
"""
# What is there by the time that a worker is made, which runs workflows from then on.
SERVING = """
import asyncio, sys
import worker

class Made(Exception):
    pass

def made(*_, **__):
    raise Made

worker.Worker = made

async def main():
    try:
        async with worker.running_worker(worker.Backend(None, embedded=False), "queue"):
            pass
    except Made:
        return

asyncio.run(main())
"""


def loaded_after(code: str) -> set[str]:
    code += "\nfrom tests.support.loaded import loaded\nprint(*loaded())"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(ended.stdout.split())


def test_a_worker_that_answers_questions_alone_loads_nothing_that_runs_agents() -> None:
    packages = loaded_after("import worker")
    assert "temporalio" in packages
    assert not packages & SLOW


def test_whoever_needs_it_waits_until_it_is_loaded() -> None:
    assert loaded_after(BESIDE) >= SLOW


def test_all_is_loaded_before_a_worker_is_made() -> None:
    """The sandbox of a workflow swaps `sys.modules`: nothing may be loaded beside it."""
    assert loaded_after(SERVING) >= SLOW
