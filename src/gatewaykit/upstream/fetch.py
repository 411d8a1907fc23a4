"""One whole, small exchange over the gateway's own transport: key sets, token introspection, look-ups.

Sent by the transport that integrations use, so that what limits or replaces that one holds here too. Redirects are not
followed: who is asked is what was configured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewaykit.core.http import HeaderList
from gatewaykit.core.payload.uri import InvalidUri, compile_uri
from gatewaykit.errors import UpstreamError
from gatewaykit.ports import UpstreamRequest
from gatewaykit.waiting import TimeUp, within

if TYPE_CHECKING:
    from gatewaykit.ports import Transport

__all__ = ["Call", "Fetched", "call_to", "fetch"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response with its whole body."""

    status: int
    headers: HeaderList
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Where to send, and within which bounds. `timeout_s` is for the whole exchange."""

    scheme: str
    host: str
    port: int
    target: str
    method: str = "GET"
    timeout_s: float = 5.0
    max_bytes: int = 150_000


def call_to(url: str, *, method: str = "GET", timeout_s: float = 5.0, max_bytes: int = 150_000) -> Call:
    """The call that an address stands for. Raises ValueError, saying what is wrong with the address."""
    uri = compile_uri(url, {}, any_port=True)
    if isinstance(uri, InvalidUri):
        raise ValueError(f"{url!r} cannot be called: {uri.reason}")
    return Call(
        scheme=uri.scheme, host=uri.host, port=uri.port, target=uri.target({}),
        method=method, timeout_s=timeout_s, max_bytes=max_bytes,
    )  # fmt: skip


async def fetch(transport: Transport, call: Call, headers: HeaderList | None = None, body: bytes = b"") -> Fetched:
    """Send it and read the whole answer. Raises UpstreamError; `timeout` and `too_large` are two of its kinds."""
    try:
        return await within(call.timeout_s, _fetch(transport, call, headers or [], body))
    except TimeUp as error:
        raise UpstreamError("timeout", f"{call.host}: {error}") from error


async def _fetch(transport: Transport, call: Call, headers: HeaderList, body: bytes) -> Fetched:
    request = UpstreamRequest(
        call.method, call.scheme, call.host, call.port, call.target.encode("ascii"), headers, body
    )  # fmt: skip
    response = await transport.send(request, timeout_s=call.timeout_s)
    try:
        return Fetched(response.status, response.headers, await response.read(call.max_bytes))
    finally:
        await response.aclose()
