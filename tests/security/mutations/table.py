"""The tables of mutations: for each attack the defence that is taken out, and the tests that are red without it.

`NAME.yaml` beside this module is the table of `tests/security/test_NAME.py`: a list of Mutations.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

ROOT = Path(__file__).parents[3]


class Edit(BaseModel):
    """A text of a file that another one takes the place of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    """From the root of the repository."""
    old: str
    """Stands in the file once."""
    new: str
    """Stands in its place."""

    def applied_to(self, text: str) -> str:
        """Return the file's text after the edit. Raises ValueError where `old` does not stand there once."""
        if (number := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} has this {number} times: {self.old}")
        return text.replace(self.old, self.new)


class Mutation(Edit):
    """A defence that is taken out of the code, and what is seen of it."""

    attack: str
    """What is tried, in a line."""
    also: tuple[Edit, ...] = ()
    """What has to go with it: the same is held in several places."""
    red: tuple[str, ...]
    """The tests that fail then: a function of the table's module, which stands for any of its cases, or one case."""

    @field_validator("red", mode="before")
    @classmethod
    def _as_several(cls, red: object) -> object:
        return [red] if isinstance(red, str) else red

    @property
    def edits(self) -> list[Edit]:
        """Return all that is done."""
        return [self, *self.also]


def tables() -> dict[str, list[Mutation]]:
    """Return all tables, by the name of the module of tests: `test_NAME.py`."""
    paths = sorted(Path(__file__).parent.glob("*.yaml"))
    return {
        f"test_{path.stem}.py": [Mutation.model_validate(row) for row in yaml.safe_load(path.read_text("utf-8"))]
        for path in paths
    }
