"""The processes of this project that a benchmark needs, and what they take."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def process(*command: str, wait: str = "", cwd: Path = ROOT) -> Iterator[psutil.Process]:
    """Run a Python program of this project for the block. `wait`: a text on its stderr to wait for."""
    running = subprocess.Popen([sys.executable, *command], cwd=cwd, stderr=subprocess.PIPE, text=True)
    assert running.stderr
    try:
        while wait and wait not in running.stderr.readline():
            assert running.poll() is None, f"{command} ended"
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.communicate()


def family(parent: psutil.Process) -> list[psutil.Process]:
    """Return the process, and all below it."""
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU time that those of them took so far that still are there."""
    taken = 0.0
    for running in processes:
        with suppress(psutil.Error):
            times = running.cpu_times()
            taken += times.user + times.system
    return taken


def pss_mb(processes: list[psutil.Process]) -> float:
    """Return their memory in MB; what several share counts once."""
    total = 0
    for running in processes:
        with suppress(OSError):
            lines = Path(f"/proc/{running.pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@contextmanager
def scripted_endpoint(work: Path, rules: str) -> Iterator[str]:
    """Run a scripted endpoint in a process of its own, and yield its URL. `rules`: as YAML."""
    port_file = work / "port"
    (work / "rules.yaml").write_text(rules)
    command = [sys.executable, "-m", "tests.support.scripted_endpoint", "--rules", str(work / "rules.yaml")]
    running = subprocess.Popen([*command, "--port", "0", "--port-file", str(port_file)], cwd=ROOT)
    try:
        while not (port_file.exists() and port_file.read_text().strip()):
            assert running.poll() is None, "the endpoint ended"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}/v1"
    finally:
        running.terminate()
        running.wait()
