"""Temporal's protocol for codec servers over HTTP: POST to `.../decode`, `.../encode` and `.../download`.

Each takes and gives `{"payloads": [...]}`, as protobuf's JSON has it. `decode` brings what is in payload storage, too,
but with `?preserveStorageRefs=true`; `download` brings nothing else. `encode` puts nothing into payload storage.
"""

from collections.abc import Awaitable, Callable, Sequence

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import DataConverter

from grammar.errors import TaskflowError
from runtime.codec_server.access import Access

LARGEST = 2**26
"""Bytes of a request."""
_FAILURES = (TaskflowError, RuntimeError, ValueError, DecodeError)

Answer = Callable[[Sequence[Payload], bool], Awaitable[list[Payload]]]


class RemoteCodec:
    """Decode and encode as the data converter of clients does, for those who have no keys."""

    def __init__(self, converter: DataConverter) -> None:
        assert converter.payload_codec
        self._codec = converter.payload_codec
        self._storage = converter.external_storage

    async def decode(self, payloads: Sequence[Payload], keep_references: bool) -> list[Payload]:
        """Return the payloads decoded, and those that references lead to. `keep_references`: these as they are."""
        return [
            payload if keep_references and self._refers(payload) else await self._read(payload) for payload in payloads
        ]

    async def encode(self, payloads: Sequence[Payload], _: bool) -> list[Payload]:
        """Return the payloads encoded."""
        return await self._codec.encode(payloads)

    async def download(self, payloads: Sequence[Payload], _: bool) -> list[Payload]:
        """Return what the references lead to, decoded. Raises ValueError where one is none."""
        if not all(map(self._refers, payloads)):
            raise ValueError("all payloads must be storage references")
        return [await self._read(payload) for payload in payloads]

    def _refers(self, payload: Payload) -> bool:
        return self._storage is not None and self._storage._decode_reference(payload) is not None

    async def _read(self, payload: Payload) -> Payload:
        if self._storage:
            payload = await self._storage._retrieve_payload(payload)
        (decoded,) = await self._codec.decode([payload])
        return decoded


def app(converter: DataConverter, access: Access) -> Starlette:
    """Return the server's application."""
    codec = RemoteCodec(converter)
    answers: dict[str, Answer] = {"decode": codec.decode, "encode": codec.encode, "download": codec.download}

    async def handle(request: Request) -> Response:
        if status := access.refuses(request.url.path, request.headers, _client(request), _server(request)):
            return PlainTextResponse("this codec server does not know you", status)
        # Only the end counts, as Temporal's protocol has it: a namespace, or the token, may stand before it.
        answer = answers.get(request.url.path.rpartition("/")[2])
        return await _answered(request, answer) if answer else PlainTextResponse("there is no such path", 404)

    cors = Middleware(
        CORSMiddleware,
        allow_origins=[access.origin] if access.origin else [],
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", "X-Namespace"],
    )
    return Starlette(routes=[Route("/{path:path}", handle, methods=["POST"])], middleware=[cors])


async def _answered(request: Request, answer: Answer) -> Response:
    keep_references = request.query_params.get("preserveStorageRefs", "").lower() == "true"
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return PlainTextResponse("a request must say how long it is", 411)
    if int(length) > LARGEST:
        return PlainTextResponse(f"a request may have {LARGEST // 2**20} MB", 413)
    try:
        payloads = json_format.Parse(await request.body(), Payloads()).payloads
        found = Payloads(payloads=await answer(payloads, keep_references))
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        return PlainTextResponse("the request is no list of payloads", 400)
    except _FAILURES as error:
        return PlainTextResponse(str(error), 400)
    return JSONResponse(json_format.MessageToDict(found))


def _client(request: Request) -> tuple[str, int] | None:
    return (request.client.host, request.client.port) if request.client else None


def _server(request: Request) -> tuple[str, int] | None:
    server = request.scope.get("server")
    return (server[0], server[1]) if server else None
