"""The events of an agent run, recorded in its transcript."""

from collections.abc import Callable
from typing import Any

from agents import RunResultStreaming
from agents.items import (
    HandoffOutputItem,
    ItemHelpers,
    MessageOutputItem,
    RunItem,
    ToolCallItem,
    ToolCallOutputItem,
)
from agents.stream_events import RawResponsesStreamEvent, RunItemStreamEvent

from activities.process.transcript import Transcript
from activities.storage.token_usage import usage_of
from activities.toolboxes.result_parts import text_of

ASKING = "asking the model"


async def record_events(
    result: RunResultStreaming,
    transcript: Transcript,
    told_name: Callable[[str], str],
    answerer: Callable[[int], str] = lambda answer: "",
) -> None:
    """Follow the run to its end, and record its events. Raises whatever ends it.

    `told_name`: returns the name by which people know a tool, of the name that the model sees. `answerer`: returns the
    name of the model that gives the answer of that number, from 0; empty where the agent has one alone.
    """
    transcript.doing = ASKING
    async for event in result.stream_events():
        if isinstance(event, RawResponsesStreamEvent):
            if event.data.type in ("response.created", "response.completed"):
                transcript.tell_model(result.current_agent.name, answerer(transcript.answers))
            _record_raw(event.data, result, transcript)
        elif isinstance(event, RunItemStreamEvent):
            _record_item(event.item, transcript, told_name)


def _record_raw(data: Any, result: RunResultStreaming, transcript: Transcript) -> None:
    if data.type == "response.created":
        transcript.turn = result.current_turn
        transcript.doing = ASKING
    elif data.type == "response.output_text.delta":
        transcript.doing = "answering"
        transcript.stream(data.delta)
    if data.type == "response.completed":
        transcript.answers += 1
        transcript.usage += usage_of(data.response.usage)


def _record_item(item: RunItem, transcript: Transcript, told_name: Callable[[str], str]) -> None:
    who = item.agent.name
    if isinstance(item, MessageOutputItem):
        transcript.end_stream()
        transcript.add("message", who, ItemHelpers.text_message_output(item))
    elif isinstance(item, ToolCallItem):
        name = told_name(getattr(item.raw_item, "name", "tool"))
        transcript.doing = f"tool {name}"
        transcript.add("tool_call", who, f"{name}({getattr(item.raw_item, 'arguments', '')})")
    elif isinstance(item, ToolCallOutputItem):
        transcript.doing = ASKING
        transcript.add("tool_output", who, text_of(item.output))
    elif isinstance(item, HandoffOutputItem):
        transcript.add("handoff", who, f"hands over to {item.target_agent.name}")
