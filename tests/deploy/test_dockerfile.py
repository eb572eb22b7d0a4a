"""The image's install steps, run outside Docker: the same files and pip commands, in an environment of their own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINES = re.sub(r"\\\n", " ", Path("Dockerfile").read_text()).splitlines()


def _arguments(word: str) -> list[list[str]]:
    return [line.split()[1:] for line in LINES if line.split(maxsplit=1)[:1] == [word]]


def test_runs_the_worker_as_an_ordinary_user() -> None:
    assert _arguments("USER") == [["taskflow"]]
    assert json.loads(" ".join(_arguments("CMD")[0])) == ["taskflow-worker"]
    assert any(line.startswith("HEALTHCHECK") for line in LINES)


def test_only_what_is_copied_reaches_the_build() -> None:
    ignored = Path(".dockerignore").read_text().splitlines()
    copied = {source for copy in _arguments("COPY") for source in copy[:-1]}
    assert {f"!{source}" for source in copied} == {line for line in ignored if line.startswith("!")}


@pytest.mark.timeout(300)
def test_install_steps(tmp_path: Path) -> None:
    for *sources, _ in _arguments("COPY"):
        for source in sources:
            _copy(Path(source), tmp_path / source)
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=tmp_path, check=True)
    steps = [" ".join(run) for run in _arguments("RUN") if run[0] == "pip"]
    assert len(steps) == 2
    for step in steps:
        subprocess.run(f".venv/bin/{step} -q", shell=True, cwd=tmp_path, check=True, timeout=240)
    shutil.rmtree(tmp_path / "grammar")  # the installed one must do
    worker = [".venv/bin/taskflow-worker", "--help"]
    told = subprocess.run(worker, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Serve taskflow runs" in told.stdout


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
