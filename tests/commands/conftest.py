"""A folder to work in, and the program as a person calls it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Starter = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def starter(here: Path) -> Starter:
    """`starter.py` with these arguments and variables; its state would be in `state`."""

    def call(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return subprocess.run(
            [sys.executable, str(ROOT / "starter.py"), *arguments],
            cwd=here,
            env={**base, "TASKFLOW_STATE_DIR": str(here / "state"), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return call
