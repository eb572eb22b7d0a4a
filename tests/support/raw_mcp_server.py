"""An MCP server for tests that writes its messages itself: results that no framework would let through. Over stdio.

Arguments:
`--strict`   a tool that it does not have is an error, and not an echo
"""

import json
import sys
from typing import Any

SCHEMA = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
TEXT = {"content": [{"type": "text", "text": "there are 3"}]}
RESULTS: dict[str, Any] = {
    "no_structure": TEXT,
    "other_structure": {**TEXT, "structuredContent": {"count": "three"}},
    "null_structure": {**TEXT, "structuredContent": None},
    "half_a_character": {"content": [{"type": "text", "text": "half \ud83d, whole \U0001f600"}]},
    "no_object": [1],
    "learn": {"content": [{"type": "text", "text": "learnt"}]},
    "media": {
        "content": [
            {"type": "text", "text": "see"},
            {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
            {"type": "audio", "data": "aGVsbG8=", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGVsbG8="}},
            {"type": "resource_link", "uri": "file:///c", "name": "c"},
        ]
    },
}


def put(message: dict[str, Any]) -> None:
    """Write a message."""
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, less its id."""
    if request["method"] == "initialize":
        info = {"name": "raw", "version": "1"}
        return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}}
    if request["method"] == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in [*RESULTS, "broken", "echo"]]
        return {"result": {"tools": [{**tool, "outputSchema": SCHEMA} if "struct" in tool["name"] else tool
                                     for tool in tools]}}  # fmt: skip
    if request["method"] == "tools/call":
        name = request["params"]["name"]
        if "--strict" in sys.argv and name not in RESULTS:
            return {"error": {"code": -32602, "message": f"there is no {name}"}}
        given = json.dumps(request["params"].get("arguments"), ensure_ascii=False)
        return {"result": RESULTS.get(name, {"content": [{"type": "text", "text": given}]})}
    return {"error": {"code": -32601, "message": "Method not found"}}


for line in sys.stdin:
    received = json.loads(line)
    if received.get("params", {}).get("name") == "learn":
        RESULTS["learnt"] = TEXT
        put({"method": "notifications/tools/list_changed"})
    if received.get("params", {}).get("name") == "broken":
        print(f'{{"jsonrpc": "2.0", "id": {received["id"]}, "result": {{"content": [', flush=True)
    elif "id" in received:
        put({"id": received["id"], **answer(received)})
