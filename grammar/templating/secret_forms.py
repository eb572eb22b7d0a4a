"""The forms in which a secret may stand in a text: as it is, and as JSON, URLs and base64 have it. Pure."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from urllib.parse import quote, unquote, unquote_plus

# Characters. A shorter text stands in others by chance.
SHORTEST = 6


def _json(secret: str, ascii_only: bool = True) -> str:
    return json.dumps(secret, ensure_ascii=ascii_only)[1:-1]


def _base64(secret: str, before: int, signs: bytes = b"+/") -> str:
    """Return what of the base64 of a text depends on the secret in it alone, where `before` bytes precede it.

    Of 3 bytes, base64 makes 4 letters: where the secret begins between two letters, these have bits of others too.
    """
    octets = bytes(before) + _octets(secret)
    return b64encode(octets, signs).decode()[-(before * 8 // -6) : len(octets) * 8 // 6]


def _url(secret: str, safe: str = "") -> str:
    return quote(_octets(secret), safe=safe)


def _octets(secret: str) -> bytes:
    """Return its bytes: those of a variable need not be UTF-8."""
    return secret.encode(errors="surrogateescape")


FORMS: Mapping[str, Callable[[str], str]] = {
    "": str,
    "json": _json,
    "json-utf8": partial(_json, ascii_only=False),
    "json-slash": lambda secret: _json(secret).replace("/", r"\/"),
    "url": _url,
    "url-path": partial(_url, safe="/"),
    "url-query": lambda secret: _url(secret, safe=" ").replace(" ", "+"),
    "url-component": partial(_url, safe="!'()*"),
    **{f"base64-{before}": partial(_base64, before=before) for before in range(3)},
    **{f"base64url-{before}": partial(_base64, before=before, signs=b"-_") for before in range(3)},
}
"""How a form is made, by its name in references: histories hold the names, and they are never changed."""


@lru_cache(maxsize=256)
def forms(secret: str) -> Mapping[str, str]:
    """Return the names of the secret's forms, by their texts; none for what is shorter than SHORTEST."""
    found: dict[str, str] = {}
    if len(secret) >= SHORTEST:
        for name, made in FORMS.items():
            found.setdefault(made(secret), name)
    return found


def longest(secret: str) -> int:
    """Return how long the longest form may be, in characters: JSON escapes one byte in six."""
    return 6 * len(_octets(secret))


def without_percent_encoding(text: str, instead: Mapping[str, str]) -> str:
    """Return the text with what stands in `instead` for secrets, whichever of their characters are percent-encoded."""
    if "%" not in text:
        return text
    decoded = (unquote(text), unquote_plus(text))  # much faster than the patterns, and most texts have none
    for secret, placeholder in instead.items():
        if len(secret) >= SHORTEST and any(secret in plain for plain in decoded):
            text = placeholder.join(_percent_encoded(secret).split(text))
    return text


@lru_cache(maxsize=256)
def _percent_encoded(secret: str) -> re.Pattern[str]:
    return re.compile("".join(f"(?:{re.escape(sign)}|{_encoded(sign)})" for sign in secret))


def _encoded(sign: str) -> str:
    octets = "".join(f"%{octet:02X}" for octet in _octets(sign))
    return f"(?i:{octets})" + (r"|\+" if sign == " " else "")
