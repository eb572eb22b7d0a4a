"""A model endpoint that costs next to nothing: prepared answers, from several processes on one port.

python -m benchmarks.prepared_endpoint --port PORT --seconds S --turns N --record FILE

An agent that has a tool is told to call it in each turn but the last of N; one that has none is answered at once. Each
answer is given S seconds after its request. With FILE, each is noted: the item, when it was asked, when answered.
"""

import argparse
import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
_TOOL = re.compile(rb'"name":\s*"(\w*echo\w*)"')
_ITEM = re.compile(rb"Item (\d+)")
_RESULT = re.compile(rb'"role":\s*"tool"')


class Answered(NamedTuple):
    """One request. `asked`, `answered`: seconds on the clock of this machine."""

    item: int
    asked: float
    answered: float


class Answering(asyncio.Protocol):
    """Answer the requests of one connection, one after the other."""

    def __init__(self, seconds: float, turns: int, noted: list[Answered] | None) -> None:
        self._seconds, self._turns, self._noted = seconds, turns, noted
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, separator, body = self._heard.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if separator and length and len(body) >= (size := int(length[1])):
            self._heard = body[size:]
            self._take(body[:size])

    def _take(self, body: bytes) -> None:
        asked = time.monotonic()
        answer = _answer(body, self._turns)
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._give, answer, body, asked)
        else:
            self._give(answer, body, asked)

    def _give(self, answer: bytes, body: bytes, asked: float) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(answer)
        if self._noted is not None and (item := _ITEM.search(body)):
            self._noted.append(Answered(int(item[1]), asked, time.monotonic()))


def _answer(body: bytes, turns: int) -> bytes:
    tool = _TOOL.search(body)
    if tool is None or len(_RESULT.findall(body)) >= turns - 1:
        return _stream({"role": "assistant", "content": "It is done."}, "stop")
    call = {"name": tool[1].decode(), "arguments": '{"message": "hi"}'}
    number = len(_RESULT.findall(body))
    asked = {"index": 0, "id": f"call-{number}", "type": "function", "function": call}
    return _stream({"role": "assistant", "tool_calls": [asked]}, "tool_calls")


def _stream(delta: dict[str, object], reason: str) -> bytes:
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "prepared"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    pieces = (
        common | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        common | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        common | {"choices": [], "usage": usage},
    )
    text = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(text)}\r\n\r\n"
    return (head + text).encode()


@contextmanager
def prepared_endpoint(seconds: float = 0.0, turns: int = 2, record: Path | None = None) -> Iterator[str]:
    """Run the endpoint in two processes, and yield its URL. `record`: a folder for what they note; see `answered`."""
    with socket.socket() as held:  # the port stays ours while its processes come and go
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.prepared_endpoint", "--port", str(port)]
        command += ["--seconds", str(seconds), "--turns", str(turns)]
        notes = [["--record", str(record / f"{number}.jsonl")] if record else [] for number in range(2)]
        running = [subprocess.Popen([*command, *note], cwd=ROOT, stdout=subprocess.PIPE) for note in notes]
        try:
            for process in running:
                assert process.stdout and process.stdout.readline(), "the endpoint ended"
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            for process in running:
                process.terminate()
                process.communicate()


def answered(record: Path) -> list[Answered]:
    """Return what the endpoint noted, in the order of the questions, once it has ended."""
    lines = [line for file in record.glob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted((Answered(*json.loads(line)) for line in lines), key=lambda noted: noted.asked)


async def serve(port: int, seconds: float, turns: int, record: Path | None) -> None:
    """Answer until SIGTERM, and write down what was noted."""
    noted: list[Answered] | None = [] if record else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Answering(seconds, turns, noted), "127.0.0.1", port, reuse_port=True, backlog=2048
    )
    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    print("answers", flush=True)
    await over.wait()
    server.close()
    if record and noted is not None:
        record.write_text("".join(f"{json.dumps(line)}\n" for line in noted))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.seconds, given.turns, given.record))
