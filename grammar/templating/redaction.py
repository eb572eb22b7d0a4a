"""What `env()` returned is used, never recorded: a reference stands for it in all that is written down.

A reference reads `⟦env:NAME:KEY⟧`, or `⟦env:NAME|json:KEY⟧` where the text holds the value as JSON
escapes it. KEY is drawn for each run, so that no tool or model output can make a reference up and
have the worker fill in a variable.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from pydantic import JsonValue

T = TypeVar("T", bound=JsonValue)

# A shorter value stands in ordinary text by chance. Where `env()` itself puts one in, it is replaced all the same.
SHORTEST = 6


def reference(name: str, key: str) -> str:
    """Return what stands for the variable in a record."""
    return f"⟦env:{name}:{key}⟧"


def hide(value: T, secrets: Mapping[str, str], key: str) -> T:
    """Return `value` with each secret (name -> value) in its texts replaced by a reference; short ones stay."""
    known = sorted(_forms(secrets), key=lambda form: -len(form[1]))

    def replace(text: str) -> str:
        for name, secret in known:
            text = text.replace(secret, reference(name, key))
        return text

    return _texts(value, replace)


def reveal(value: T, environ: Mapping[str, str], key: str) -> T:
    """Return `value` with each reference replaced by the variable. Raises KeyError for one that is not set here."""
    pattern = re.compile(rf"⟦env:([^:|⟧]+)(\|json)?:{re.escape(key)}⟧")

    def put_back(match: re.Match[str]) -> str:
        secret = environ[match[1]]
        return _escaped(secret) if match[2] else secret

    return _texts(value, lambda text: pattern.sub(put_back, text))


def _forms(secrets: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, secret in secrets.items():
        if len(secret) >= SHORTEST:
            yield name, secret
            if _escaped(secret) != secret:
                yield f"{name}|json", _escaped(secret)


def _escaped(secret: str) -> str:
    return json.dumps(secret)[1:-1]


def _texts(value: T, change: Callable[[str], str]) -> T:
    if isinstance(value, str):
        return change(value)  # type: ignore[return-value]
    if isinstance(value, list):
        return [_texts(item, change) for item in value]  # type: ignore[return-value]
    if isinstance(value, dict):
        return {change(name): _texts(item, change) for name, item in value.items()}  # type: ignore[return-value]
    return value
