"""`--schema`: the JSON Schema of a document kind."""

import json
from collections.abc import Sequence

from grammar.documents.models import KINDS
from grammar.errors import InvalidFlow, Problem
from grammar.loading import schemas


def run(kinds: Sequence[str]) -> int:
    """Print the schema of the kind, taskflow unless one is named. Returns the exit code. Raises InvalidFlow."""
    kind = kinds[0] if kinds else "taskflow"
    if len(kinds) > 1 or kind not in KINDS:
        raise InvalidFlow([Problem("command line", 0, "--schema", f"give one of {', '.join(KINDS)}")])
    print(text(kind), end="")
    return 0


def text(kind: str) -> str:
    """The schema as it is printed, and kept under docs/schemas."""
    return json.dumps(schemas.schema(kind), indent=2, ensure_ascii=False) + "\n"
