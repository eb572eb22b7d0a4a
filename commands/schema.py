"""`schema`: the JSON Schema of a document kind."""

import json
from typing import Annotated

import typer

from commands.options import wrong
from grammar.documents.models import KINDS
from grammar.loading import schemas


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")] = "taskflow",
) -> int:
    """Print the JSON Schema of a kind of document."""
    if kind not in KINDS:
        raise wrong("KIND", f"{kind!r}: give one of {', '.join(KINDS)}")
    print(text(kind), end="")
    return 0


def text(kind: str) -> str:
    """Return the schema as it is printed, and kept under docs/schemas."""
    return json.dumps(schemas.schema(kind), indent=2, ensure_ascii=False) + "\n"
