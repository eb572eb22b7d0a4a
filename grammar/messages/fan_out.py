"""What a task that fans out publishes: a list, one entry per branch (specification section 5). Pure."""

from pydantic import JsonValue

from grammar.messages.contracts import GatheredBranch


def entry(branch: GatheredBranch, item: JsonValue, result: JsonValue) -> dict[str, JsonValue]:
    """The branch's entry. One that failed has its error besides."""
    told: dict[str, JsonValue] = {"model": branch.model, "item": item, "result": result}
    return told | ({"error": branch.error} if branch.error else {})
