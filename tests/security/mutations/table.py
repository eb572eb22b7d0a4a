"""The tables of mutations: for each attack the defence that is taken out, and the tests that are red without it.

`NAME.yaml` beside this module is the table of `tests/security/test_NAME.py`: a list of Mutations.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

ROOT = Path(__file__).parents[3]


class Mutation(BaseModel):
    """A defence that is taken out of the code, and what is seen of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attack: str
    """What is tried, in a line."""
    file: str
    """Where the defence is, from the root of the repository."""
    old: str
    """The defence: a text that stands in the file once."""
    new: str
    """What stands in its place."""
    red: tuple[str, ...]
    """The tests that fail then: a function of the table's module, which stands for any of its cases, or one case."""

    @field_validator("red", mode="before")
    @classmethod
    def _as_several(cls, red: object) -> object:
        return [red] if isinstance(red, str) else red

    def applied_to(self, text: str) -> str:
        """Return the file's text without the defence. Raises ValueError where it does not stand there once."""
        if (number := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} has this {number} times: {self.old}")
        return text.replace(self.old, self.new)


def tables() -> dict[str, list[Mutation]]:
    """Return all tables, by the name of the module of tests: `test_NAME.py`."""
    paths = sorted(Path(__file__).parent.glob("*.yaml"))
    return {
        f"test_{path.stem}.py": [Mutation.model_validate(row) for row in yaml.safe_load(path.read_text("utf-8"))]
        for path in paths
    }
