"""What is compared of a run, and what is taken out first because it differs everywhere (differences.yaml)."""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from benchmarks.compare.program import TIMED_OUT, ProgramResult
from benchmarks.compare.scripted import HANDOFF
from tests.support.endpoint_replies import RecordedRequest

Aspects = dict[str, Any]
OUTPUTS = "OUTPUTS "
NOT_PARAMETERS = {"messages", "input", "tools", "instructions", "system"}
COMPLETED, WITH_FAILURES = 0, 4


def observed(requests: list[RecordedRequest], result: ProgramResult, *, in_order: bool, peak: int | None) -> Aspects:
    """Return the aspects of one run, each with one list entry per request; of the last ones, where there is any."""
    if not in_order:
        requests = sorted(requests, key=lambda request: (request.prompt, str(request.body.get("model")), request.turn))
    prompts = [request.prompt for request in requests]
    return {
        "prompts": [prompt for prompt in prompts if not prompt.startswith(OUTPUTS)],
        "outputs": [json.loads(prompt.removeprefix(OUTPUTS)) for prompt in prompts if prompt.startswith(OUTPUTS)],
        "system": [request.system for request in requests],
        "tools": [[_tool(tool) for tool in request.body.get("tools") or []] for request in requests],
        "results": [request.tool_result for request in requests],
        "parameters": [_parameters(request) for request in requests],
        "thoughts": list(filter(None, map(_thoughts, requests))),
        "cached": list(filter(None, map(_cached, requests))),
        "ending": result.code,
        "peak": peak,
    }


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function", tool)
    schema = {"parameters": function.get("parameters", function.get("input_schema"))}
    return {key: function.get(key) for key in ("name", "description", "strict")} | schema


def _parameters(asked: RecordedRequest) -> dict[str, Any]:
    given = {key: value for key, value in asked.body.items() if key not in NOT_PARAMETERS}
    keys = {name: asked.headers.get(name) for name in ("authorization", "x-api-key", "anthropic-version")}
    return given | {"path": asked.path, **keys}


def _thoughts(asked: RecordedRequest) -> list[Any]:
    """What goes back of what the model thought, in the Messages API."""
    contents = [message.get("content") for message in asked.messages]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return [block for block in blocks if "thinking" in str(block.get("type"))]


def _cached(asked: RecordedRequest) -> dict[str, Any]:
    """What is to be cached, and how, in the Messages API."""
    parts = {name: asked.body.get(name) for name in ("system", "tools")}
    parts["messages"] = asked.messages[-1].get("content") if asked.messages else None
    marks = {name: part[-1].get("cache_control") for name, part in parts.items() if isinstance(part, list) and part}
    return {name: mark for name, mark in marks.items() if mark}


def tool_names(aspects: Aspects) -> Aspects:
    """Take the prefixes off tool names, and write what model APIs refuse in a name as ours does, as `_`.

    Theirs: ns and a hash before every name. Ours: the toolbox's short name, where two toolboxes have the name.
    """

    def plain(name: str) -> str:
        return re.sub(r"[^A-Za-z0-9_-]", "_", re.sub(r"^(ns[0-9a-f]{12}|tests_|twin_)", "", name))

    return aspects | {"tools": [[tool | {"name": plain(tool["name"])} for tool in some] for some in aspects["tools"]]}


def handoff_names(aspects: Aspects) -> Aspects:
    """Number the handoff targets. Theirs: a hash of the agent's name. Ours: the name."""
    names = list(dict.fromkeys(tool["name"] for some in aspects["tools"] for tool in some if _is_handoff(tool)))
    agents = {name.removeprefix(HANDOFF): f"agent-{number}" for number, name in enumerate(names, 1)}

    def named(tool: dict[str, Any]) -> dict[str, Any]:
        agent = tool["name"].removeprefix(HANDOFF)
        known = agents[agent]
        description = tool["description"].replace(f"the {agent} agent", f"the {known} agent")
        return tool | {"name": HANDOFF + known, "description": description}

    tools = [[named(tool) if _is_handoff(tool) else tool for tool in some] for some in aspects["tools"]]
    results = [_renamed(result, agents) for result in aspects["results"]]
    return aspects | {"tools": tools, "results": results}


def _is_handoff(tool: dict[str, Any]) -> bool:
    return str(tool["name"]).startswith(HANDOFF)


def _renamed(result: str, agents: dict[str, str]) -> str:
    found = re.fullmatch(r'\{"assistant": "(.*)"\}', result)
    return json.dumps({"assistant": agents.get(found[1], found[1])}) if found else result


def guidelines(aspects: Aspects) -> Aspects:
    """Keep the order of the parts; the words of the guidelines, the last head and the blank lines differ.

    Theirs has the head of the additional guidelines even where no toolbox has any.
    """

    def canonical(text: str) -> str:
        text = text.replace("# Primary Task to Complete", "# Primary Task")
        text = re.sub(r"(# Important Guidelines\n)(\s*- .*\n?)+", r"\1<guidelines>\n", text)
        lines = "\n".join(line.strip() for line in text.splitlines() if line.strip())
        return lines.replace("# Additional Guidelines\n# ", "# ")

    return aspects | {"system": [canonical(text) for text in aspects["system"]]}


def usage(aspects: Aspects) -> Aspects:
    """Drop the parameter by which ours asks for the token usage of a streamed answer."""
    kept = [
        {key: value for key, value in parameters.items() if key != "stream_options"}
        for parameters in aspects["parameters"]
    ]
    return aspects | {"parameters": kept}


def exit_code(aspects: Aspects) -> Aspects:
    """Keep whether the flow was run to its end: ours exits with 4 where an optional task failed, theirs with 0."""
    if aspects["ending"] == TIMED_OUT:
        return aspects
    return aspects | {"ending": "end" if aspects["ending"] in {COMPLETED, WITH_FAILURES} else "stopped"}


def text_results(aspects: Aspects) -> Aspects:
    """Take a list of one text for that text. Theirs: each tool result is a list of parts. Ours: one text is a text."""

    def text(result: str) -> str:
        if not result.startswith(("[{'type': 'text'", "[{'type': 'input_text'")):
            return result
        parts = ast.literal_eval(result)
        return str(parts[0]["text"]) if len(parts) == 1 else result

    return aspects | {"results": [text(result) for result in aspects["results"]]}


def entries(aspects: Aspects) -> Aspects:
    """Leave out what only ours has in an entry that a fan-out publishes: `value`, and an `error` where it failed."""

    def common(value: Any) -> Any:
        if isinstance(value, dict):
            of_entry = {"model", "item", "result"} <= set(value)
            return {key: common(value[key]) for key in value if not (of_entry and key in ("value", "error"))}
        return [common(one) for one in value] if isinstance(value, list) else value

    return aspects | {"outputs": common(aspects["outputs"])}


EVERYWHERE: dict[str, Callable[[Aspects], Aspects]] = {
    "tool names": tool_names,
    "handoff names": handoff_names,
    "guidelines": guidelines,
    "usage": usage,
    "exit code": exit_code,
    "entries": entries,
    "text results": text_results,
}


def compared(ours: Aspects, theirs: Aspects) -> tuple[dict[str, tuple[Any, Any]], set[str]]:
    """Return the aspects that still differ (ours, theirs), and which of EVERYWHERE made something equal."""
    needed = set()
    for name, take_out in EVERYWHERE.items():
        before, changed = (ours, theirs), (take_out(ours), take_out(theirs))
        if any(_closer(aspect, before, changed) for aspect in ours):
            needed.add(name)
        ours, theirs = changed
    return {aspect: (ours[aspect], theirs[aspect]) for aspect in _differing(ours, theirs)}, needed


def _closer(aspect: str, before: tuple[Aspects, Aspects], after: tuple[Aspects, Aspects]) -> bool:
    differed = before[0][aspect] != before[1][aspect]
    return differed and (before[0][aspect], before[1][aspect]) != (after[0][aspect], after[1][aspect])


def _differing(ours: Aspects, theirs: Aspects) -> list[str]:
    return [aspect for aspect in ours if ours[aspect] != theirs[aspect]]
