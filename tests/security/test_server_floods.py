"""What a hostile or broken MCP server sends takes bounded memory, disk and time, and the error names the setting."""

import gzip
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.toolboxes.server_process import ServerLog
from tests.activities.boxes import box, calls, http_box
from tests.activities.conftest import Bench
from tests.security import hostile_mcp
from tests.security.hostile_mcp import PIECE, TOO_LATE, Answer, Json, answer, notified, serving
from tests.support.scripted_endpoint import Call, ScriptedEndpoint

JSON = "content-type: application/json"
EVENTS = "content-type: text/event-stream"
TOLD = "more for one request than 1M; to allow more, set TASKFLOW_LIMIT_TOOL_OUTPUT where the worker runs"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, endpoint: ScriptedEndpoint) -> None:
    monkeypatch.setenv("TASKFLOW_LIMIT_TOOL_OUTPUT", "1M")
    monkeypatch.setenv("TASKFLOW_LIMIT_TOOLS", "100")
    monkeypatch.setenv("TASKFLOW_LIMIT_TOOL_LIST", "1M")
    endpoint.rules = calls(Call(name="t"))


async def failure(bench: Bench, toolboxes: Any) -> str:
    with pytest.raises(ApplicationError) as caught:
        await bench.agent(toolboxes=toolboxes)
    assert caught.value.type == "ToolboxFailed"
    return caught.value.message


def at(method: str, kind: str, *pieces: bytes, then: Iterable[bytes] = ()) -> Answer:
    """What answers a request for that with the pieces; no other one."""
    return lambda request: (kind, itertools.chain(pieces, then)) if request["method"] == method else None


def repeated(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece, TOO_LATE)


RESULT = b'{"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "'
CALLED: dict[str, Answer] = {
    "JSON": at("tools/call", JSON, RESULT, then=repeated(PIECE)),
    "an event": at("tools/call", EVENTS, b"data: " + RESULT, then=repeated(PIECE)),
    "a bomb": at("tools/call", f"{JSON}\r\ncontent-encoding: gzip", gzip.compress(RESULT + PIECE * TOO_LATE)),
    "a bomb of events": at("tools/call", f"{EVENTS}\r\ncontent-encoding: gzip", gzip.compress(b"data: " + PIECE * 999)),
    "notifications": at("tools/call", EVENTS, then=repeated(b"data: " + notified("A" * 1000) + b"\n")),
    "comments": at("tools/call", EVENTS, then=repeated(b": hello\n" * 1000)),
}


@pytest.mark.parametrize("hostile", CALLED.values(), ids=CALLED)
async def test_a_call_that_is_answered_without_end(bench: Bench, hostile: Answer) -> None:
    async with serving(hostile) as url:
        told = await failure(bench, http_box("streamable", url))
    assert f"toolbox tests.box was lost: it sent {TOLD}" in told


async def test_a_start_that_is_answered_without_end(bench: Bench) -> None:
    async with serving(at("initialize", JSON, RESULT, then=repeated(PIECE))) as url:
        told = await failure(bench, http_box("streamable", url))
    assert f"did not start: it sent {TOLD}" in told


async def test_each_request_has_as_much_again(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(*[Call(name="t")] * 5)

    def large(request: Json) -> tuple[str, Iterable[bytes]] | None:
        told = answer(request)
        if request["method"] == "tools/call":
            told["result"]["content"][0]["text"] = "A" * 900_000
        return JSON, [json.dumps(told).encode()]

    async with serving(large) as url:
        result = await bench.agent(toolboxes=http_box("streamable", url))
    assert [len(given.text) for given in result.tool_results] == [900_000] * 5


def tool(name: str, description: str = "") -> Json:
    return {"name": name, "description": description, "inputSchema": {"type": "object"}}


def listing(*tools: Json, endless: bool = False) -> Answer:
    """What lists these tools; `endless`: on each of its pages."""
    pages = itertools.count()

    def told(request: Json) -> tuple[str, Iterable[bytes]] | None:
        if request["method"] != "tools/list":
            return None
        said = answer(request, tools)
        if endless:
            said["result"]["nextCursor"] = str(next(pages))
        return JSON, [json.dumps(said).encode()]

    return told


LONG = [tool(f"t{number}", "A" * 90_000) for number in range(10)]
LISTED = {
    "many": (listing(*[tool(f"t{number}") for number in range(101)]), "more tools than 100", "TOOLS"),
    "long": (
        listing(*[tool(f"t{number}", "A" * 90_000) for number in range(10)], endless=True),
        "than 1M",
        "TOOL_LIST",
    ),
    "pages": (listing(tool("t"), endless=True), "more tools than 100", "TOOLS"),
    "empty pages": (listing(endless=True), "more tools than 100", "TOOLS"),
}


@pytest.mark.parametrize(("hostile", "words", "setting"), LISTED.values(), ids=LISTED)
async def test_a_list_of_tools(
    bench: Bench, hostile: Answer, words: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKFLOW_LIMIT_TOOL_OUTPUT", "16M")
    async with serving(hostile) as url:
        told = await failure(bench, http_box("streamable", url))
    assert words in told
    assert f"to allow more, set TASKFLOW_LIMIT_{setting} where the worker runs" in told


def stdio(kind: str) -> Any:
    return box(command=sys.executable, args=(str(Path(hostile_mcp.__file__)), kind))


@pytest.mark.parametrize("kind", ["line", "notifications"])
async def test_stdout_without_end(bench: Bench, kind: str) -> None:
    assert f"toolbox tests.box was lost: it sent {TOLD}" in await failure(bench, stdio(kind))


async def test_stderr_is_kept_to_its_end(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = await bench.agent(toolboxes=stdio("stderr"))
    assert result.value == "ok"


async def test_a_log_holds_no_more_than_its_end() -> None:
    log = ServerLog()
    for _ in range(100):
        log.file.write(PIECE[:60_000])
        assert len(log.tail()) <= 1_000
        assert len(log._kept) <= 4_000
    log.file.write(b"the end\n")
    assert log.tail().endswith("the end")
    log.close()
