"""Every response of a model endpoint, checked as it comes: between the socket and the SDK, and nowhere else.

A hook of the HTTP client. What is no answer is raised here as the TaskError that it is; what is one goes on as the
SDK's types have it, so that nothing behind it meets foreign data.
"""

import json
from collections.abc import AsyncIterator
from typing import Protocol

import httpx2

from activities.model_endpoint.answer import Answer, awaited
from activities.model_endpoint.chat_chunks import ChatChunks
from activities.model_endpoint.event_stream import EventStream, ServerSentEvent
from activities.model_endpoint.foreign_json import excerpt, parsed
from activities.model_endpoint.message_events import MessageEvents
from activities.model_endpoint.patience import Patience
from activities.model_endpoint.provider_errors import ProviderError
from activities.model_endpoint.response_events import ResponseEvents
from activities.process.http_bodies import replace_body
from grammar.errors import ModelUnavailable, TaskError

MOST_OF_ERROR = 256 * 1024
_BEGINS = (b"data:", b"event:", b"id:", b"retry:", b":")
_DONE = b"data: [DONE]\n\n"


class Cleaner(Protocol):
    """Makes events of an API what they should be."""

    def clean(self, name: str, data: dict[str, object]) -> dict[str, object] | None:
        """Return the event to hand on; None: it is left out. Raises TaskError."""

    def end(self) -> None:
        """Raise ModelUnavailable where the answer has not come to its end."""


async def check(response: httpx2.Response) -> None:
    """Check a response: for `event_hooks={"response": [check]}` of a client."""
    answer = awaited()
    if answer:
        answer.headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code != 200 or answer is None:
        replace_body(response, _beginning)
        return
    cleaner = _cleaner(response, answer)
    replace_body(response, lambda received: _events(received, cleaner))
    response.headers["content-type"] = "text/event-stream"


def _cleaner(response: httpx2.Response, answer: Answer) -> Cleaner:
    path = response.request.url.path
    if path.endswith("/messages"):
        return MessageEvents(answer)
    return ResponseEvents(answer) if path.endswith("/responses") else ChatChunks(answer)


async def _beginning(received: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield as much of an error as a person reads."""
    left = MOST_OF_ERROR
    async for part in _parts(received, Patience()):
        yield part[:left]
        left -= len(part)
        if left <= 0:
            return


async def _events(received: httpx2.Response, cleaner: Cleaner) -> AsyncIterator[bytes]:
    """Yield the cleaned events of an answer. Raises TaskError for what is none."""
    stream, patience = EventStream(), Patience()
    parts = _parts(received, patience)
    try:
        begin = await _begin(parts)
        if not _is_stream(received, begin):
            raise await _no_stream(received, begin, parts)
        for event in stream.feed(begin):
            yield _cleaned(event, cleaner)
        async for part in parts:
            for event in stream.feed(part):
                patience.renew()
                yield _cleaned(event, cleaner)
        for event in stream.end():
            yield _cleaned(event, cleaner)
    except httpx2.DecodingError as error:
        raise ModelUnavailable(f"the model endpoint sent what cannot be decompressed: {excerpt(str(error))}") from None
    cleaner.end()
    yield _DONE


async def _parts(received: httpx2.Response, patience: Patience) -> AsyncIterator[bytes]:
    async for part in received.aiter_bytes():
        patience.check()
        yield part


def _cleaned(event: ServerSentEvent, cleaner: Cleaner) -> bytes:
    if event.data.startswith("[DONE]"):
        cleaner.end()
        return _DONE
    found = cleaner.clean(event.name, parsed(event.data))
    return b"" if found is None else b"data: " + json.dumps(found).encode() + b"\n\n"


async def _begin(parts: AsyncIterator[bytes]) -> bytes:
    """Return as much as it takes to tell whether it is a stream of events."""
    begin = b""
    async for part in parts:
        begin += part
        if len(begin.lstrip()) >= len(max(_BEGINS, key=len)):
            break
    return begin


def _is_stream(received: httpx2.Response, begin: bytes) -> bool:
    """Whether events follow: some servers send them under another type, or something else under theirs."""
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    told = received.headers.get("content-type", "").startswith("text/event-stream")
    return text.startswith(_BEGINS) or (told and not text.startswith((b"{", b"<")))


async def _no_stream(received: httpx2.Response, begin: bytes, parts: AsyncIterator[bytes]) -> TaskError:
    """Return what a response means that is none: a login page, an error, or a whole answer that nobody asked for."""
    text = begin
    async for part in parts:
        text += part
        if len(text) > MOST_OF_ERROR:
            break
    said = text.decode(errors="replace")
    try:
        body = json.loads(said)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and body.get("error"):
        return ProviderError.of(body).raised()
    kind = received.headers.get("content-type") or "no type"
    return ModelUnavailable(f"the model endpoint sent no stream of events, but {excerpt(kind)}: {excerpt(said)}")
