"""Templates where nothing is rendered (specification section 4): what is written there stays as it stands."""

import re
from collections.abc import Iterator

from pydantic import JsonValue

from grammar.documents.models import Task

_READS = re.compile(r"\{\{-?\s*(globals|inputs|outputs|result|env)\b(.*?)\}\}", re.DOTALL)


def warnings(task: Task) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where in the task a template stands that is not rendered, and what to do instead."""
    if task.run is not None and (read := _READS.search(task.run)):
        yield ("run",), f"`run` is not a template: bash gets {_shown(read)} as it stands; {_instead(read)}"
    for name, value in task.inputs.items():
        if read := next(_reads(value), None):
            yield ("inputs", name), f"not a template: {_shown(read)} stays as it stands; write it in the prompt instead"
    if task.model and (read := _READS.search(task.model)):
        yield (
            ("model",),
            f"not a template: {_shown(read)} stays as it stands; write a name of the model config",
        )


def _instead(read: re.Match[str]) -> str:
    if read[1] not in ("globals", "env"):
        return "a script reads no values of tasks: have an agent do it, or keep them in a file"
    return f'write `env: {{X: "{_shown(read)}"}}`, and "$X" in the script'


def _shown(read: re.Match[str]) -> str:
    return " ".join(read[0].split())[:60]


def _reads(value: JsonValue) -> Iterator[re.Match[str]]:
    """Every template in the texts of a value."""
    if isinstance(value, str):
        yield from _READS.finditer(value)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _reads(part)
