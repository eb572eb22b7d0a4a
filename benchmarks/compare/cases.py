"""The flows to compare, and the list of deliberate differences."""

from pathlib import Path

import yaml
from pydantic import BaseModel, TypeAdapter

from tests.support.endpoint_replies import Reply

HERE = Path(__file__).parent
FLOWS = HERE / "flows"


class FlowCase(BaseModel, extra="forbid"):
    """One flow, and how it is run. `concurrent`: the order of its requests is open. `peak`: compare requests in flight.

    `typed`: what a person at the terminal answers. `long_names`: options have their long names. `env`: in a value,
    $SCRATCH is the engine's scratch directory, and $ENDPOINT the scripted endpoint without the version in its path.
    """

    flow: str
    covers: list[str]
    args: list[str] = []
    env: dict[str, str] = {}
    rules: list[Reply] = []
    concurrent: bool = False
    peak: bool = False
    typed: str | None = None
    long_names: bool = False
    personality: str | None = None
    prompt: str | None = None


class EverywhereDifference(BaseModel, extra="forbid"):
    """A difference in every flow, which `sameness.py` takes out before it compares."""

    id: str
    what: str
    why: str


class FlowDifference(BaseModel, extra="forbid"):
    """A deliberate difference of one flow. `aspects`: where it shows."""

    flow: str
    aspects: list[str]
    what: str
    why: str


class Differences(BaseModel, extra="forbid"):
    """The file differences.yaml."""

    everywhere: list[EverywhereDifference]
    flows: list[FlowDifference]


def cases() -> list[FlowCase]:
    """Read cases.yaml."""
    return TypeAdapter(list[FlowCase]).validate_python(yaml.safe_load((HERE / "cases.yaml").read_text()))


def differences() -> Differences:
    """Read differences.yaml."""
    return Differences.model_validate(yaml.safe_load((HERE / "differences.yaml").read_text()))
