"""Whether a value fits its task's `outputs`."""

from pydantic import JsonValue

from activities.render import Renderer
from grammar import outputs
from grammar.errors import OutputsInvalid, TemplateFailed
from grammar.models import Schema


async def misfits(renderer: Renderer, schema: Schema | None, value: JsonValue) -> list[str]:
    """How the value breaks the schema. A pattern may search for ever: hence the renderer, with its time limit."""
    if schema is None:
        return []
    try:
        return await renderer(outputs.complaints, value, schema)
    except TemplateFailed:
        raise OutputsInvalid(
            "it takes too long to tell whether the value fits `outputs`; simplify its patterns"
        ) from None


def refuse(wrong: list[str]) -> None:
    """Raise OutputsInvalid if anything is wrong."""
    if wrong:
        raise OutputsInvalid(f"the value does not fit `outputs`: {'; '.join(wrong)}")
