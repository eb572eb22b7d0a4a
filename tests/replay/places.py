"""Where a history was recorded: folders of somebody's machine, which are no part of what is replayed."""

import base64
import re
from collections.abc import Callable
from functools import partial

# Folders of people, and of tests: `/work/project/flows`.
MACHINE = re.compile(r"/(?:work|root|home|Users|tmp|var/folders)/[\w./-]+")
ELSEWHERE = "/flows"
_BASE64 = re.compile(r'(?<=")[A-Za-z0-9+/]{16,}={0,2}(?=")')


def found(history: str) -> set[str]:
    """Return the folders that a history names, as JSON or in its payloads."""
    places: list[str] = []

    def note(text: str) -> str:
        places.extend(MACHINE.findall(text))
        return text

    _in_all(history, note)
    return set(places)


def without(history: str) -> str:
    """Return the history with another folder in place of all of them."""
    return _in_all(history, partial(MACHINE.sub, ELSEWHERE))


def _in_all(history: str, change: Callable[[str], str]) -> str:
    return _BASE64.sub(lambda payload: _in_payload(payload[0], change), change(history))


def _in_payload(encoded: str, change: Callable[[str], str]) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except ValueError:  # it is no payload, or no text
        return encoded
    changed = change(text)
    return encoded if changed == text else base64.b64encode(changed.encode()).decode()
