"""A transport that answers from a script: no socket, no server, no event loop unless something is held.

It refuses what the network transport refuses (bad targets, header injection), drops bodies where HTTP has none, and
keeps every request it was sent with its body collected. Public through `gatewaykit.testing`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from gatewaykit.errors import UpstreamError
from gatewaykit.upstream.request_head import CHUNKED, encode_head, host_field

if TYPE_CHECKING:
    from gatewaykit.core.http import HeaderList
    from gatewaykit.ports import UpstreamRequest, UpstreamResponse

__all__ = ["Hold", "Reply", "ScriptedTransport"]


class Hold:
    """Something that waits until it is released: the next request of a transport, or a body between two chunks."""

    def __init__(self) -> None:
        import asyncio

        self._reached, self._released = asyncio.Event(), asyncio.Event()

    async def reached(self) -> None:
        """Return once somebody waits here, or has."""
        await self._reached.wait()

    def release(self) -> None:
        self._released.set()

    async def wait(self) -> None:
        self._reached.set()
        await self._released.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted response. In `chunks`, an UpstreamError breaks the body off and a Hold stalls it."""

    status: int = 200
    headers: HeaderList = field(default_factory=list)
    body: bytes = b""
    chunks: Iterable[bytes | UpstreamError | Hold] | None = None


Answer: TypeAlias = Reply | UpstreamError


class ScriptedTransport:
    """Answers requests in turn from `answers`, or by calling it with each request.

    `requests` holds what was sent, in order, bodies as bytes; `given_up` those of them that were cancelled while they
    waited or whose response was closed before its end.

    >>> transport = ScriptedTransport([Reply(body=b"hello"), UpstreamError("refused", "nobody listens")])
    """

    def __init__(self, answers: Iterable[Answer] | Callable[[UpstreamRequest], Answer] = ()) -> None:
        self.requests: list[UpstreamRequest] = []
        self.given_up: list[UpstreamRequest] = []
        self._answers = answers if callable(answers) else None
        self._in_turn = iter(()) if callable(answers) else iter(answers)
        self._holds: list[Hold] = []

    def hold(self) -> Hold:
        """Make the next request wait, after it was recorded, until the hold is released."""
        hold = Hold()
        self._holds.append(hold)
        return hold

    async def send(self, request: UpstreamRequest, *, timeout_s: float) -> UpstreamResponse:
        _, length, _ = encode_head(request, host_field(request.scheme, request.host, request.port))
        sent = replace(request, headers=list(request.headers), body=await _collected(request.body, length))
        self.requests.append(sent)
        if self._holds:
            try:
                await self._holds.pop(0).wait()
            except BaseException:  # cancelled
                self.given_up.append(sent)
                raise
        answer = self._answer(sent)
        if isinstance(answer, UpstreamError):
            raise answer
        return _ScriptedResponse(answer, sent, self.given_up)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _answer(self, request: UpstreamRequest) -> Answer:
        if self._answers is not None:
            return self._answers(request)
        for answer in self._in_turn:
            return answer
        raise AssertionError(f"no answer is left for {request.method} {request.target.decode('latin-1')}")


class _ScriptedResponse:
    def __init__(self, reply: Reply, request: UpstreamRequest, given_up: list[UpstreamRequest]) -> None:
        self.status, self.headers = reply.status, list(reply.headers)
        bare = request.method == "HEAD" or reply.status in (204, 304)
        self._whole = bare or reply.chunks is None
        self._parts = iter(() if bare else [reply.body] if reply.chunks is None else reply.chunks)
        self._request, self._given_up = request, given_up
        self._error: UpstreamError | None = None
        self._ended = self._whole

    @property
    def complete(self) -> bool:
        return self._whole

    def stream(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._error is not None:
            raise self._error
        for part in self._parts:
            if isinstance(part, Hold):
                try:
                    await part.wait()
                except BaseException:  # cancelled
                    await self.aclose()
                    raise
            elif isinstance(part, UpstreamError):
                self._ended, self._error = True, part
                raise part
            elif part:
                return part
        self._ended = True
        raise StopAsyncIteration

    async def read(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        async for chunk in self:
            chunks.append(chunk)
            if sum(map(len, chunks)) > limit:
                await self.aclose()
                raise UpstreamError("too_large", f"the response body is over {limit} bytes")
        return b"".join(chunks)

    async def aclose(self) -> None:
        if not self._ended:
            self._ended, self._error = True, UpstreamError("reset", "the response was closed before its end")
            self._given_up.append(self._request)


async def _collected(body: bytes | AsyncIterator[bytes], length: int) -> bytes:
    if isinstance(body, bytes):
        return body
    whole = b"".join([chunk async for chunk in body])
    if length not in (CHUNKED, len(whole)):
        raise UpstreamError("invalid", f"the body is not as long as its Content-Length of {length}")
    return whole
