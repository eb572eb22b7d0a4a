"""What the build backend cannot be told in `pyproject.toml`: where single files go, and in a wheel alone.

An editable install would be given copies of them, which go stale with the first edit.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROGRAMS = ("starter.py", "worker.py")


class ProgramsHook(BuildHookInterface[Any]):
    """Put the two programs of the top level beside the rooms."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the programs where a wheel is built; `version` is `standard` then, and else `editable`."""
        if version == "standard":
            build_data["force_include"] |= {name: f"temporal_taskflow/app/{name}" for name in PROGRAMS}
