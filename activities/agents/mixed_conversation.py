"""A conversation in which several models have answered, as it is sent to one of them (docs/decisions/0027)."""

import json
from collections.abc import Mapping
from typing import Any

from openai.types.responses import Response

PRIVATE = ("id", "provider_data")
"""What of an item means nothing elsewhere: where it lies at its provider, and what that wrote for itself."""


class MixedConversation:
    """Leave out, where another model has answered before, what its provider wrote for itself.

    That is what the model thought, be it encrypted or signed, and PRIVATE. Messages, calls and results go along.
    `is_mixed`: whether another one has answered before what is noted here.
    """

    def __init__(self, is_mixed: bool = False) -> None:
        self._is_mixed = is_mixed
        self._own: set[str] = set()

    def note(self, response: Response, is_own: bool) -> None:
        """Note an answer. `is_own`: it is of the model that is asked now."""
        if is_own:
            self._own |= {_mark(item.model_dump(mode="json", exclude_unset=True)) for item in response.output}
        else:
            self._is_mixed = True

    def as_sent(self, given: Any) -> Any:
        """Return the conversation, a prompt or a list of items, as this model gets it."""
        if not self._is_mixed or not isinstance(given, list):
            return given
        return [sent for item in given if (sent := self._item(item)) is not None]

    def _item(self, item: Any) -> Any:
        if not isinstance(item, dict) or _mark(item) in self._own:
            return item
        if item.get("type") == "reasoning":
            return None
        return {name: value for name, value in item.items() if name not in PRIVATE}


def _mark(item: Mapping[str, Any]) -> str:
    """Return what tells an item from others, however much of it is written down."""
    names = ("type", "id", "call_id", "encrypted_content", "summary", "content")
    return json.dumps([item.get(name) for name in names], sort_keys=True, default=str)
