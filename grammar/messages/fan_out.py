"""What a task that fans out publishes: a list, one entry per branch (specification section 5). Pure."""

from pydantic import JsonValue

from grammar.messages.activity_requests import GatheredBranch


def entry(branch: GatheredBranch, item: JsonValue, result: JsonValue) -> dict[str, JsonValue]:
    """Return the branch's entry: `model`, `item`, `result`, and where it failed, `error`."""
    published: dict[str, JsonValue] = {"model": branch.model, "item": item, "result": result}
    return published | ({"error": branch.error} if branch.error else {})
