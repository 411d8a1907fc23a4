"""Request bodies without their content coding, for everything behind.

Developer guide, "Call an API method with a compressed payload". The body is decoded where it is read, so that a request
that is refused before costs nothing. Its `Content-Encoding` stays, for templates and functions to read, as recorded
(row 89).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatewaykit.core.http import header_values
from gatewaykit.core.payload.compression import inflated, request_coding
from gatewaykit.core.reasons import Refusal
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
        # Policies behind meet a body without a coding; `header_list` still has the field as it was sent.
        request.headers = {**request.headers, b"content-encoding": b"identity"}
        if request.body is None:
            request.source = _Decoded(request.source, coding)
        elif request.body:
            body = inflated(request.body, coding, self._limit)
            if isinstance(body, Refusal):
                return body
            request.body = body
        return request


class _Decoded:
    """A source over one whose bytes are coded. It has no `stream`: its length is known once it was read whole."""

    __slots__ = ("_coded", "_coding")

    def __init__(self, coded: Any, coding: str) -> None:
        self._coded, self._coding = coded, coding

    async def read(self, limit: int) -> bytes | Refusal:
        body: bytes | Refusal = await self._coded.read(limit)
        return body if isinstance(body, Refusal) else inflated(body, self._coding, limit)

    async def gone(self) -> None:
        await self._coded.gone()
