"""Tool results as the SDK records them, and the value of a task (specification section 5). Pure."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from agents.items import RunItem, ToolCallItem, ToolCallOutputItem
from pydantic import JsonValue

from activities.toolboxes.result_parts import text_of
from grammar.documents.values import ToolResult, read_or_text
from grammar.messages.activity_requests import AgentRequest


def tool_results(items: Sequence[RunItem], told_name: Callable[[str], str]) -> list[ToolResult]:
    """Return the results of all tool calls, in the order in which the model made the calls.

    `told_name`: returns the name by which results know a tool, of the name that the model sees.
    """
    outputs = {item.call_id: item for item in items if isinstance(item, ToolCallOutputItem)}
    calls = [item for item in items if isinstance(item, ToolCallItem) and item.call_id in outputs]
    return [_tool_result(call, outputs[call.call_id], told_name) for call in calls]


def value(capture: str, results: list[ToolResult], final_output: object) -> tuple[bool, JsonValue]:
    """Return whether the task produced a value, and the value: read as JSON where it is JSON.

    `capture`: the task's field. `final_output`: of the SDK; None where there is none.
    """
    if capture == "response":
        final = ToolResult(tool_name="response", text=str(final_output))
        return (True, read_or_text(final)) if final_output is not None else (False, None)
    return (True, read_or_text(results[-1])) if results else (False, None)


def repair_prompt(problems: Sequence[str], request: AgentRequest) -> str:
    """Return the prompt for an agent whose value breaks the task's `outputs`."""
    instruction = (
        "Answer again with the whole corrected JSON value and nothing else: no explanation, no code fence."
        if request.capture == "response"
        else "Call the tool again so that its result fits."
    )
    listed = "\n".join(f"- {problem}" for problem in problems)
    schema = json.dumps(request.outputs, ensure_ascii=False)
    return (
        f"The result does not fit what is asked for:\n{listed}\n\n"
        f"{instruction} It must satisfy this JSON Schema:\n{schema}"
    )


def unwrapped(structured: Any, text: str) -> JsonValue:
    """Return the structured content without the `{"result": value}` that MCP frameworks wrap a bare value in.

    None for a value that is text: `text` says all then.
    """
    if not isinstance(structured, dict) or set(structured) != {"result"}:
        return structured  # type: ignore[no-any-return]
    try:
        if json.loads(text) == structured:
            return structured
    except ValueError:
        pass
    inner = structured["result"]
    return None if isinstance(inner, str) else inner


def _tool_result(call: ToolCallItem, output: ToolCallOutputItem, told_name: Callable[[str], str]) -> ToolResult:
    data = output.custom_data or {}
    text = text_of(output.output)
    name = data.get("tool_name") or told_name(getattr(call.raw_item, "name", None) or "tool")
    return ToolResult(tool_name=name, text=text, structured=unwrapped(data.get("structured"), text))
