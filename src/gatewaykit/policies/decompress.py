"""Request bodies without their content coding, for everything behind (developer guide, "Call an API method with a
compressed payload").

The body is decoded where it is read, whole or streamed, so that a request that is refused before costs nothing. Its
`Content-Encoding` stays, for templates and functions to read, as recorded (row 89).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from gatewaykit.core.body import BodyRefused, BodyTooLarge
from gatewaykit.core.http import header_values
from gatewaykit.core.payload.compression import Inflater, inflated, request_coding
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["Decompress"]


class Decompress(Policy):
    """Refuses codings that it cannot undo (415), and undoes the others. `max_body_bytes` is of the body undone."""

    name = phase = "decompress"

    def __init__(self, max_body_bytes: int) -> None:
        self._limit = max_body_bytes

    def on_request(self, request: Request) -> Request | Refusal:
        if b"content-encoding" not in request.headers:
            return request
        coding = request_coding(header_values(request.header_list, b"content-encoding"))
        if isinstance(coding, Refusal):
            return coding
        if not coding:
            return request
        if request.body is None:
            request.source = _Decompressed(request.source, coding)
            if b"content-length" in request.headers:
                # What is behind sees a body whose length nobody knows yet.
                rest = {name: value for name, value in request.headers.items() if name != b"content-length"}
                request.headers = {**rest, b"transfer-encoding": b"chunked"}
            return request
        body = inflated(request.body, coding, self._limit)
        if isinstance(body, Refusal):
            return body
        request.body = body
        return request


class _Decompressed:
    """A `ports.BodySource` over another one, whose bytes are coded."""

    __slots__ = ("_coded", "_coding")

    def __init__(self, coded: Any, coding: str) -> None:
        self._coded, self._coding = coded, coding

    async def read(self, limit: int) -> bytes | Refusal:
        body: bytes | Refusal = await self._coded.read(limit)
        return body if isinstance(body, Refusal) else inflated(body, self._coding, limit)

    async def stream(self, limit: int) -> AsyncIterator[bytes]:
        """The body's pieces. Raises as the source does, and BodyRefused where the coding is broken."""
        inflater = Inflater(self._coding, limit)
        async for chunk in self._coded.stream(limit):
            for piece in inflater.feed(chunk):
                if isinstance(piece, Refusal):
                    raise BodyTooLarge(limit) if piece.reason is Reason.BODY_TOO_LARGE else BodyRefused(piece)
                yield piece
        if (refusal := inflater.end()) is not None:
            raise BodyRefused(refusal)

    async def gone(self) -> None:
        await self._coded.gone()
