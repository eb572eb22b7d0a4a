"""The body of a request to the Messages API. Pure."""

from collections.abc import Sequence
from typing import Any, cast

from agents import AgentOutputSchemaBase, FunctionTool, Handoff, ModelSettings, Tool

from activities.messages_api.blocks import Block, messages
from grammar.model_access.messages_settings import CACHE

_CHOICES = {"auto": {"type": "auto"}, "required": {"type": "any"}, "none": {"type": "none"}}


def body(
    name: str,
    instructions: str | None,
    given: str | list[Any],
    settings: ModelSettings,
    tools: Sequence[Tool],
    schema: AgentOutputSchemaBase | None,
    handoffs: Sequence[Handoff[Any, Any]],
) -> dict[str, Any]:
    """Return the body. `name`: the provider's id of the model. `settings`: as `messages_settings.parameters` has them.

    What is the same in the next request ends with a mark up to which the endpoint is to cache it: the tools, the system
    prompt, and where there are tools, which make a next request likely, the conversation.
    """
    more: dict[str, Any] = {**cast("dict[str, Any]", settings.extra_body or {}), **(settings.extra_args or {})}
    mark = _mark(more.pop(CACHE, None))
    offered = _marked([*map(_tool, tools), *map(_handoff, handoffs)], mark)
    system = _marked([{"type": "text", "text": instructions}] if instructions else [], mark)
    told = messages(given)
    if told and offered:
        _marked(told[-1]["content"], mark)
    whole = {
        "model": name,
        "max_tokens": settings.max_tokens,
        "messages": told,
        "system": system,
        "tools": offered,
        "tool_choice": _choice(settings),
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "metadata": settings.metadata,
        "stream": True,
        **more,
    }
    return {key: value for key, value in _constrained(whole, schema).items() if value not in (None, [])}


def _tool(tool: Tool) -> Block:
    assert isinstance(tool, FunctionTool)  # those of MCP servers are, and others there are none
    return {"name": tool.name, "description": tool.description, "input_schema": tool.params_json_schema}


def _handoff(handoff: Handoff[Any, Any]) -> Block:
    described = {"description": handoff.tool_description, "input_schema": handoff.input_json_schema}
    return {"name": handoff.tool_name, **described}


def _mark(lifetime: str | None) -> Block | None:
    """Return the mark that ends what is to be cached for so long; None for None."""
    if lifetime is None:
        return None
    return {"type": "ephemeral"} if lifetime == "5m" else {"type": "ephemeral", "ttl": lifetime}


def _marked(blocks: list[Block], mark: Block | None) -> list[Block]:
    """Put the mark on the last block, and return the blocks."""
    if blocks and mark:
        blocks[-1]["cache_control"] = mark
    return blocks


def _choice(settings: ModelSettings) -> Block | None:
    """Return which tool is to be called, and whether one at a time; None where that is left to the API."""
    said, parallel = settings.tool_choice, settings.parallel_tool_calls
    if said is None and parallel is not False:
        return None
    choice: Block = _CHOICES.get(str(said or "auto")) or {"type": "tool", "name": said}
    return {**choice, "disable_parallel_tool_use": True} if parallel is False and said != "none" else choice


def _constrained(whole: dict[str, Any], schema: AgentOutputSchemaBase | None) -> dict[str, Any]:
    """Hold the answer to the schema; the API takes one where each object says that it has no other properties."""
    if schema is None or schema.is_plain_text() or not schema.is_strict_json_schema():
        return whole
    form = {"type": "json_schema", "schema": schema.json_schema()}
    return {**whole, "output_config": {**(whole.get("output_config") or {}), "format": form}}
