"""What a person types to start this program, for messages that name a command."""

import sys
from pathlib import Path

_PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def program() -> str:
    """Return `taskflow` where that is what was started or installed, and `python starter.py` in a checkout."""
    is_installed = Path(sys.argv[0]).stem.startswith("taskflow") or not _PYPROJECT.exists()
    return "taskflow" if is_installed else "python starter.py"
