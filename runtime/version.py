"""Which version this is."""

import tomllib
from importlib import metadata
from pathlib import Path

_PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def version() -> str:
    """Return the version: of the checkout that this is, else of the package that is installed."""
    if _PYPROJECT.exists():
        return str(tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("temporal-taskflow")
