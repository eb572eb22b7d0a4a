"""Which of a model's settings say how it is reached, and who goes on where it is not: none is for the model."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, ValidationError

from grammar.documents.document import Document
from grammar.documents.field_types import Seconds, unsupported


class EndpointLimits(Document):
    """What an endpoint takes of all who ask it with one key (specification section 6). None: there is no such limit."""

    # A limit that is misspelt must not be left out.
    model_config = ConfigDict(extra="forbid")

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1)


class ModelReach(Document):
    """What a model's settings say of its limits, and of who goes on in its place (specification section 6)."""

    fallback: tuple[str, ...] = ()
    fallback_after: Seconds | None = None
    limits: EndpointLimits | None = None

    SETTINGS: ClassVar[tuple[str, ...]] = (
        "api_type", "backend", "endpoint", "token", "fallback", "fallback_after", "limits",
    )  # fmt: skip
    """The names of all settings that are not for the model."""


def _supported(settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if message := unsupported(settings):
        raise ValueError(message)
    return settings


def _understood(settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raise ValueError for a setting that is ours, and is not as it has to be."""
    try:
        ModelReach.model_validate(settings)
    except ValidationError as error:
        raise ValueError(_message(error.errors()[0])) from None
    return settings


_WANTED = {
    "tuple_type": "must be a list",
    "model_type": "must be a map",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "extra_forbidden": "unknown field, and none is ignored here",
}


def _message(fault: Any) -> str:
    wanted = _WANTED.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, fault['loc']))}: {wanted}"


def reach(settings: Mapping[str, JsonValue]) -> ModelReach:
    """Return what the settings say of reaching the model."""
    return ModelReach.model_validate(settings)


ConfigSettings = Annotated[dict[str, JsonValue], AfterValidator(_understood)]
"""Settings of a model, by name, in a model config: that may be for another engine, too."""

Settings = Annotated[dict[str, JsonValue], AfterValidator(_supported), AfterValidator(_understood)]
"""Settings of a model, by name, in a task; `api_type` and `backend` are ones that we support."""
