"""What stands in the lines of a journal. Any of them may be damaged: what it says is taken as far as it makes sense."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.types import CallToolResult
from openai.types.responses import Response
from pydantic import TypeAdapter, ValidationError

from activities.storage.token_usage import usage_of
from grammar.messages.activity_results import SeenTool, Usage

_SEEN_TOOLS = TypeAdapter(dict[str, SeenTool])


@dataclass
class RecordedCall:
    """A tool call of an earlier attempt. Without `content` and `refused`, its outcome is not known."""

    tool: str
    arguments: dict[str, Any]
    content: dict[str, Any] | None = None
    refused: str | None = None


def response_of(found: dict[str, Any]) -> Response:
    """Return what was written down, as it was taken from the endpoint: what it left out is left out here."""
    return Response.construct(**found)


def usage_in(response: Response) -> Usage:
    """Return what a response cost: one request at least, whatever a damaged line says."""
    try:
        return usage_of(response.usage)
    except ValidationError:
        return Usage(requests=1)


def is_whole(found: dict[str, Any]) -> bool:
    """Return whether a recorded response is one: the SDK goes by the types of its items."""
    output = response_of(found).output if isinstance(found.get("output"), list) else None
    return output is not None and all(hasattr(item, "type") for item in output)


def calls_in(response: dict[str, Any]) -> int:
    """Return how many tools a recorded response calls."""
    return sum(item.type == "function_call" for item in response_of(response).output)


def is_result(content: dict[str, Any]) -> bool:
    """Return whether it is what a tool call gave."""
    try:
        CallToolResult.model_validate(content)
    except ValidationError:
        return False
    return True


def dumped(tools: Mapping[str, SeenTool]) -> dict[str, Any]:
    """Return the tools as a line has them."""
    return {name: tool.model_dump() for name, tool in tools.items()}


def tools_of(found: Any) -> dict[str, SeenTool]:
    """Return the tools that a line names; none where it is damaged."""
    try:
        return _SEEN_TOOLS.validate_python(found or {})
    except ValidationError:
        return {}


def noted_usage(found: Any) -> Usage:
    """Return the usage that a line notes; nothing where it is damaged."""
    try:
        return Usage.model_validate(found or {})
    except ValidationError:
        return Usage()


def parsed(line: str) -> dict[str, Any]:
    """Return the entry; an empty one for a line that was cut off when its process died."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
