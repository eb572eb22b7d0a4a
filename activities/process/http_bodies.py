"""Bodies of HTTP responses, looked at as they come: between the socket and the library that asked."""

from collections.abc import AsyncIterator, Callable

import httpx2

Content = Callable[[httpx2.Response], AsyncIterator[bytes]]


def replace_body(response: httpx2.Response, content: Content) -> None:
    """Have the response's body be what `content` makes of the response as it was received; decompressed there."""
    received = httpx2.Response(
        response.status_code, headers=response.headers, stream=response.stream, request=response.request
    )
    for header in ("content-encoding", "content-length"):
        response.headers.pop(header, None)
    response.stream = _Body(received, content(received))


class _Body(httpx2.AsyncByteStream):
    """What is handed on of a response that has been received."""

    def __init__(self, received: httpx2.Response, content: AsyncIterator[bytes]) -> None:
        self._received = received
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._content:
            yield part

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._received.aclose()
