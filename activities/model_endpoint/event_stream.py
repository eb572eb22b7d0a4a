"""Server-sent events, decoded from bytes within limits.

As the standard says (html.spec.whatwg.org, "Server-sent events"), but for this: an event that the stream's end cuts
off is told, too, since some servers leave out the last empty line.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from grammar.errors import ModelUnavailable
from grammar.limits import ANSWER

# Of the limit for what a model says. Around each few letters of it there are some hundred of JSON.
EVENT_FACTOR = 4
STREAM_FACTOR = 16

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerSentEvent:
    """One event. `name`: its type; empty where the server names none."""

    name: str
    data: str


class EventStream:
    """Decode the events of one response. Bytes that are not UTF-8 are replaced."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._most_of_event = EVENT_FACTOR * ANSWER.value
        self._most_of_stream = STREAM_FACTOR * ANSWER.value
        self._size = 0
        self._open_line: list[str] = []
        self._open_size = 0
        self._name = ""
        self._data: list[str] = []
        self._data_size = 0

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that end in the chunk. Raises ModelUnavailable for more than a model says."""
        self._size += len(chunk)
        if self._size > self._most_of_stream:
            raise ModelUnavailable(f"the model endpoint sent more than {STREAM_FACTOR} times {ANSWER.told}")
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
            self._open_size += len(text)
            self._check_size()

    def _check_size(self) -> None:
        if self._open_size + self._data_size > self._most_of_event:
            raise ModelUnavailable(f"the model endpoint sent one event of more than {EVENT_FACTOR} times {ANSWER.told}")

    def _line(self, line: str) -> Iterator[ServerSentEvent]:
        if not line:
            event = ServerSentEvent(self._name, "\n".join(self._data))
            empty = not self._data
            self._name, self._data, self._data_size = "", [], 0
            if not empty:
                yield event
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
            self._data_size += len(value) + 1
            self._check_size()
