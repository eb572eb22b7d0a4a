"""What a run, a task or a branch may use up, when a task is braked, and when a person is asked first (section 11)."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from grammar.documents.document import Document
from grammar.documents.field_types import Seconds

B = TypeVar("B", bound="Budget")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMG]?)")
_THOUSANDS = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_MOST = 10**15

OnBudget = Literal["park", "fail", "finish"]
"""What happens where a budget is used up."""

Unit = Literal["usd", "tokens", "requests", "time"]
"""In what a budget is counted."""


def parse_count(value: object) -> int:
    """Return the number that `500k`, `2M` or an integer means. Raises ValueError, with what to write."""
    if isinstance(value, str) and (match := _COUNT.fullmatch(value.strip())):
        count = round(float(match[1]) * _THOUSANDS[match[2]])
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        count = int(value)
    else:
        raise ValueError("write a number, as 500, 200k or 2M")
    if not 1 <= count <= _MOST:
        raise ValueError("a number of these is at least 1")
    return count


def parse_dollars(value: object) -> float:
    """Return the US dollars that `5`, `0.50` or `$5` means. Raises ValueError, with what to write."""
    text = value.strip().removeprefix("$") if isinstance(value, str) else value
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError("write US dollars, as 5 or 0.50")
    try:
        dollars = float(text)
    except (ValueError, OverflowError):
        raise ValueError("write US dollars, as 5 or 0.50") from None
    if not 0 < dollars <= _MOST:
        raise ValueError("an amount of dollars is more than 0")
    return dollars


Count = Annotated[int, BeforeValidator(parse_count), WithJsonSchema({"type": ["string", "integer"]})]
"""A number of tokens or requests, written as `500`, `200k` or `2M`: each step is 1000."""

Dollars = Annotated[float, BeforeValidator(parse_dollars), WithJsonSchema({"type": ["string", "number"]})]
"""US dollars."""


class _Limits(Document):
    """A map of limits. A field that it does not know is an error."""

    # A limit that is misspelt, or that only a newer version knows, must not be left out.
    model_config = ConfigDict(extra="forbid")


class Budget(_Limits):
    """What may be used up: US dollars, tokens, requests to models, and seconds of work (specification section 11)."""

    usd: Dollars | None = None
    tokens: Count | None = None
    requests: Count | None = None
    time: Seconds | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> "Budget":
        if not self.units:
            raise ValueError("it limits nothing: write one of usd, tokens, requests and time")
        return self

    @property
    def units(self) -> dict[Unit, float]:
        """Return what it limits, and how much of each there is."""
        found: dict[Unit, float | None] = {
            "usd": self.usd,
            "tokens": self.tokens,
            "requests": self.requests,
            "time": self.time,
        }
        return {unit: amount for unit, amount in found.items() if amount is not None}

    def plus(self, more: "Budget") -> "Budget":
        """Return the budget with more of what it limits. What it does not limit stays unlimited."""
        added = more.units
        return self.model_copy(update={unit: amount + added.get(unit, 0) for unit, amount in self.units.items()})

    def replaced_by(self, other: "Budget") -> "Budget":
        """Return the budget with what the other one limits in place of its own."""
        return self.model_copy(update={str(unit): amount for unit, amount in other.units.items()})


def parse_amounts(kind: type[B], words: Iterable[str]) -> B:
    """Return the budget, or what adds to one, of UNIT=AMOUNT, one or several. Raises ValueError, with what to write."""
    units = {}
    for word in words:
        unit, equals, amount = word.partition("=")
        if not equals or unit.strip() not in Budget.known_fields():
            raise ValueError(f"{word!r}: write usd=AMOUNT, tokens=AMOUNT, requests=AMOUNT or time=AMOUNT")
        units[unit.strip()] = amount.strip()
    try:
        return kind.model_validate(units)
    except ValidationError as error:
        fault = error.errors()[0]
        where = f"{fault['loc'][0]}: " if fault["loc"] else ""
        raise ValueError(f"{where}{fault['msg'].removeprefix('Value error, ')}") from None


class StopAfter(_Limits):
    """After which failures no further branch of a task starts. One that sets nothing never stops it."""

    failures: int | None = Field(default=None, ge=1)
    in_a_row: int | None = Field(default=None, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)


class ConfirmOver(_Limits):
    """Over how many items, or over what cost, a fan-out asks a person first."""

    items: Count | None = None
    usd: Dollars | None = None

    @model_validator(mode="before")
    @classmethod
    def _something(cls, data: Any) -> Any:
        if isinstance(data, dict) and not any(value is not None for value in data.values()):
            raise ValueError("it limits nothing: write items, usd or both")
        return data
