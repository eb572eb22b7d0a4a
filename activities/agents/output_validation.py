"""Whether a value fits its task's `outputs`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from activities.process.render import Renderer
from activities.storage.documents import file_size
from grammar.documents.field_types import Schema
from grammar.documents.values import stored_value
from grammar.errors import OutputsInvalid, TemplateFailed
from grammar.preparing import outputs


async def validate(renderer: Renderer, schema: Schema | None, value: JsonValue) -> list[str]:
    """Return how the value breaks the schema; empty where it fits, or there is no schema.

    Raises OutputsInvalid where that takes too long: a pattern may search for ever, so the renderer limits it.
    """
    if schema is None:
        return []
    with _time_limit():
        return await renderer(outputs.complaints, value, schema)


async def validate_stored(renderer: Renderer, schema: Schema | None, file: Path, form: str) -> list[str]:
    """Validate the value of a stored document, which is in `file`, as `validate` does."""
    if schema is None:
        return []
    with _time_limit():
        return await renderer.sized_for(file_size(file))(_complaints, file, form, schema)


def _complaints(file: Path, form: str, schema: Schema) -> list[str]:
    return outputs.complaints(stored_value(file, form), schema)


@contextmanager
def _time_limit() -> Iterator[None]:
    try:
        yield
    except TemplateFailed:
        raise OutputsInvalid(
            "it takes too long to tell whether the value fits `outputs`; simplify its patterns"
        ) from None


def raise_if_invalid(problems: list[str]) -> None:
    """Raise OutputsInvalid with the problems, if there are any."""
    if problems:
        raise OutputsInvalid(f"the value does not fit `outputs`: {'; '.join(problems)}")
