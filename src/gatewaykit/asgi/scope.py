"""An ASGI scope as a Request. Only what every chain looks at is taken at once; the rest on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from gatewaykit.asgi.body import AsgiBody
from gatewaykit.asgi.ids import IDS
from gatewaykit.core.http import Identity, LimitState, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewaykit.asgi.types import Receive, Scope

__all__ = ["RAW_HEADERS", "AsgiRequest", "View"]

RAW_HEADERS = "gatewaykit.raw_headers"
"""Scope extension of our own server: the header fields with the casing the client sent."""


class AsgiRequest(Request):
    """A Request over a scope and its receive channel."""

    __slots__ = ("receive", "scope")

    first_use: ClassVar[dict[str, Callable[[Any], Any]]]

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self.headers = dict(scope["headers"])  # a repeated field keeps its last value, as on AWS
        self.method = scope.get("method", "GET")  # a WebSocket handshake is a GET
        self.body = None
        # As `forget_facts`, without the call: this runs for every request.
        self.identity = self.api_key = self.refusal = self.events = None
        self.limits = []
        self.status = self.sent_bytes = 0


def _relative_path(request: AsgiRequest) -> str:
    scope = request.scope
    path: str = scope["path"]
    root = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :] or "/"
    return path


def _relative_raw_path(request: AsgiRequest) -> bytes:
    scope = request.scope
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return quote(request.path, safe="/:@!$&'()*+,;=~-._").encode()
    raw = raw.partition(b"?")[0]
    root = scope.get("root_path", "")
    if not root or request.path == scope["path"]:
        return raw
    for spelt in (root.encode(), quote(root).encode()):
        if raw.startswith(spelt):
            return raw[len(spelt) :] or b"/"
    # The prefix was sent in an encoding of its own: it has as many segments all the same.
    return b"/" + b"/".join(raw.split(b"/")[root.rstrip("/").count("/") + 1 :])


def _header_list(request: AsgiRequest) -> list[tuple[bytes, bytes]]:
    extensions = request.scope.get("extensions")
    if extensions and RAW_HEADERS in extensions:
        return list(extensions[RAW_HEADERS])
    return list(request.scope["headers"])


def _client(request: AsgiRequest) -> tuple[str, int] | None:
    client = request.scope.get("client")
    return (client[0], int(client[1])) if client else None


AsgiRequest.first_use = {
    **Request.first_use,
    "client": _client,
    "extended_id": lambda request: IDS.extended_id(),
    "header_list": _header_list,
    "http_version": lambda request: request.scope.get("http_version", "1.1"),
    "id": lambda request: IDS.request_id(),
    "kind": lambda request: request.scope["type"],
    "path": _relative_path,
    "query_string": lambda request: request.scope.get("query_string", b""),
    "raw_path": _relative_raw_path,
    "root_path": lambda request: request.scope.get("root_path", ""),
    "scheme": lambda request: request.scope.get("scheme", "http"),
    "source": lambda request: AsgiBody(request.receive),
}


class View:
    """What the policies learned, as a handler finds it at `scope["state"]["gatewaykit"]`. Valid during the request."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def identity(self) -> Identity | None:
        """Who is calling; None when no policy proved it."""
        return self._request.identity

    @property
    def limits(self) -> list[LimitState]:
        """Each limit that was taken from, and what it has left."""
        return self._request.limits

    @property
    def request_id(self) -> str:
        return self._request.id

    @property
    def address(self) -> str:
        """The client's address, by the trusted-proxy rule."""
        return self._request.address
