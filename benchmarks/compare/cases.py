"""The flows to compare, and the list of deliberate differences."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.support.script import Rule

HERE = Path(__file__).parent
FLOWS = HERE / "flows"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Case(_Entry):
    """One flow. `concurrent`: the order of its requests is open. `peak`: compare the requests in flight, too.

    `typed`: what a person at the terminal answers. `env`: $SCRATCH in a value is the engine's scratch directory.
    """

    flow: str
    covers: list[str]
    args: list[str] = []
    env: dict[str, str] = {}
    rules: list[Rule] = []
    concurrent: bool = False
    peak: bool = False
    typed: str | None = None
    personality: str | None = None
    prompt: str | None = None


class Everywhere(_Entry):
    """A difference in every flow, which `sameness.py` takes out before it compares."""

    id: str
    what: str
    why: str


class Difference(_Entry):
    """A deliberate difference of one flow. `aspects`: where it shows."""

    flow: str
    aspects: list[str]
    what: str
    why: str


class Differences(_Entry):
    """The file differences.yaml."""

    everywhere: list[Everywhere]
    flows: list[Difference]


def cases() -> list[Case]:
    return TypeAdapter(list[Case]).validate_python(yaml.safe_load((HERE / "cases.yaml").read_text()))


def differences() -> Differences:
    return Differences.model_validate(yaml.safe_load((HERE / "differences.yaml").read_text()))
