"""Whether a value fits its task's `outputs`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from activities.process.render import Renderer
from activities.storage.documents import size_of
from grammar.documents.field_types import Schema
from grammar.documents.values import stored_value
from grammar.errors import OutputsInvalid, TemplateFailed
from grammar.preparing import outputs


async def misfits(renderer: Renderer, schema: Schema | None, value: JsonValue) -> list[str]:
    """How the value breaks the schema. A pattern may search for ever: hence the renderer, with its time limit."""
    if schema is None:
        return []
    with _told():
        return await renderer(outputs.complaints, value, schema)


async def stored_misfits(renderer: Renderer, schema: Schema | None, file: Path, form: str) -> list[str]:
    """The same for the value of a document, which is in that file."""
    if schema is None:
        return []
    with _told():
        return await renderer.over(size_of(file))(_complaints, file, form, schema)


def _complaints(file: Path, form: str, schema: Schema) -> list[str]:
    return outputs.complaints(stored_value(file, form), schema)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except TemplateFailed:
        raise OutputsInvalid(
            "it takes too long to tell whether the value fits `outputs`; simplify its patterns"
        ) from None


def refuse(wrong: list[str]) -> None:
    """Raise OutputsInvalid if anything is wrong."""
    if wrong:
        raise OutputsInvalid(f"the value does not fit `outputs`: {'; '.join(wrong)}")
