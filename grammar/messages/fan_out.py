"""What a task that fans out publishes: a list, one entry per branch (specification section 5). Pure."""

from pydantic import JsonValue

from grammar.messages.activity_requests import GatheredBranch
from grammar.messages.run_bundle import Meaning


def entry(branch: GatheredBranch, item: JsonValue, result: JsonValue, meaning: Meaning) -> dict[str, JsonValue]:
    """Return the branch's entry: `model`, `item` (its index), `value` (itself), `result`, and if it failed, `error`."""
    which: dict[str, JsonValue] = {"item": item} if meaning == 1 else {"item": branch.item, "value": item}
    failed: dict[str, JsonValue] = {"error": branch.error} if branch.error else {}
    return {"model": branch.model, **which, "result": result, **failed}


def in_todays_meaning(entries: JsonValue, models: int) -> JsonValue:
    """Return a list that was published under meaning 1 as it is under the current one; anything else as it is.

    `models`: how many models the task has. It published an entry for every branch.
    """
    if not isinstance(entries, list) or not all(_is_of_meaning_1(known) for known in entries):
        return entries
    return [
        known | {"item": index // models, "value": known["item"]} if isinstance(known, dict) else known
        for index, known in enumerate(entries)
    ]


def _is_of_meaning_1(known: JsonValue) -> bool:
    return isinstance(known, dict) and {"model", "item", "result"} <= set(known) <= {"model", "item", "result", "error"}
