"""The one way out: what was printed arrives, and so does the exit code."""

import os
import subprocess
import sys

SAY = """
import logging.handlers, sys
from runtime.exit import leave
target = logging.StreamHandler(sys.stderr)
logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, logging.CRITICAL, target))
logging.getLogger().warning("logged")
sys.stdout.write("said")
sys.stderr.write("complained ")
leave(4)
"""


def test_leave_flushes_everything() -> None:
    ended = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (4, "said")
    assert "complained" in ended.stderr
    assert "logged" in ended.stderr


def test_broken_pipe_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(
        [sys.executable, "-c", SAY],
        env=buffered,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert ended.returncode == 4
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


def test_closed_streams_are_no_traceback() -> None:
    script = "import sys; sys.stdout.close(); sys.stderr = None; from runtime.exit import leave; leave(0)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
