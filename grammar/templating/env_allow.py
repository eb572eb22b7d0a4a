"""Which variables flows may read on a worker, by `env()` and as a model's `token`: what TASKFLOW_ENV_ALLOW says."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from grammar.errors import TemplateFailed

VARIABLE = "TASKFLOW_ENV_ALLOW"


def is_allowed(name: str, process: Mapping[str, str]) -> bool:
    """Return whether a flow may read the variable. `process`: the worker's environment; without the setting, it may."""
    patterns = re.split(r"[\s,]+", process.get(VARIABLE, "").strip(" ,\t\r\n"))
    return patterns == [""] or any(fnmatchcase(name, pattern) for pattern in patterns)


def refusal(name: str) -> str:
    """Return what is told of a variable that a flow may not read."""
    return f"environment variable {name} may not be read by flows on this worker: {VARIABLE} there does not name it"


def check(name: str, process: Mapping[str, str]) -> None:
    """Raise TemplateFailed for a variable that a flow may not read."""
    if not is_allowed(name, process):
        raise TemplateFailed(refusal(name))


def readable(process: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables that flows may read."""
    if not process.get(VARIABLE):
        return process
    return {name: value for name, value in process.items() if is_allowed(name, process)}
