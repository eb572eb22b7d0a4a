"""Server-sent events, decoded from bytes within limits.

As the standard says (html.spec.whatwg.org, "Server-sent events"), but for this: an event that the stream's end cuts
off is told, too, since some servers leave out the last empty line.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from grammar.errors import ModelUnavailable

MOST_OF_EVENT = 32 * 1024**2
MOST_OF_ANSWER = 128 * 1024**2

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerSentEvent:
    """One event. `name`: its type; empty where the server names none."""

    name: str
    data: str


class EventStream:
    """Decode the events of one response. Bytes that are not UTF-8 are replaced."""

    def __init__(self, most_of_event: int = MOST_OF_EVENT, most_of_answer: int = MOST_OF_ANSWER) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._most_of_event, self._most_of_answer = most_of_event, most_of_answer
        self._size = 0
        self._open_line: list[str] = []
        self._open_size = 0
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that end in the chunk. Raises ModelUnavailable for more than a model says."""
        self._size += len(chunk)
        if self._size > self._most_of_answer:
            raise ModelUnavailable(f"the model endpoint sent more than {self._most_of_answer // 1024**2} MB")
        yield from self._take(self._decoder.decode(chunk), final=False)

    def end(self) -> Iterator[ServerSentEvent]:
        """Yield the event that the end of the stream cuts off, if there is one."""
        yield from self._take(self._decoder.decode(b"", final=True), final=True)
        yield from self._line("")

    def _take(self, text: str, final: bool) -> Iterator[ServerSentEvent]:
        if not final and not _LINE_END.search(text):
            self._keep(text)
            return
        whole = "".join([*self._open_line, text])
        self._open_line, self._open_size = [], 0
        held = "\r" if whole.endswith("\r") and not final else ""  # a \n may follow
        *lines, rest = _LINE_END.split(whole.removesuffix(held) if held else whole)
        self._keep(rest + held)
        for line in lines:
            yield from self._line(line)
        if final and self._open_line:
            yield from self._line("".join(self._open_line))

    def _keep(self, text: str) -> None:
        if text:
            self._open_line.append(text)
            self._count(len(text))

    def _count(self, size: int) -> None:
        self._open_size += size
        if self._open_size > self._most_of_event:
            raise ModelUnavailable(
                f"the model endpoint sent one event of more than {self._most_of_event // 1024**2} MB"
            )

    def _line(self, line: str) -> Iterator[ServerSentEvent]:
        if not line:
            event = ServerSentEvent(self._name, "\n".join(self._data))
            empty = not self._data
            self._name, self._data = "", []
            if not empty:
                yield event
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
            self._count(len(value))
