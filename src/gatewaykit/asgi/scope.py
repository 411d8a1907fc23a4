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

__all__ = ["RAW_HEADERS", "STATE_KEY", "AsgiRequest", "View", "hide", "show"]

RAW_HEADERS = "gatewaykit.raw_headers"
"""Scope extension of our own server: the header fields with the casing the client sent."""

STATE_KEY = "gatewaykit"
"""Where handlers find the `View`: `scope["state"]["gatewaykit"]`."""


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
    root = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :] or "/"
    return path


def _relative_raw_path(request: AsgiRequest) -> bytes:
    scope = request.scope
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return quote(request.path, safe="/:@!$&'()*+,;=~-._").encode()
    raw = raw.partition(b"?")[0]
    root = scope.get("root_path", "").rstrip("/")
    if not root or request.path == scope["path"]:
        return raw
    for spelt in (root.encode(), quote(root).encode()):
        if raw.startswith(spelt):
            rest = raw[len(spelt) :]
            return rest if rest[:1] == b"/" else b"/" + rest[3:]  # nothing, or a slash that was sent as %2F
    # The prefix was sent in an encoding of its own: it has as many segments all the same.
    return b"/" + b"/".join(raw.split(b"/")[root.count("/") + 1 :])


def _header_list(request: AsgiRequest) -> list[tuple[bytes, bytes]]:
    extensions = request.scope.get("extensions")
    if extensions and RAW_HEADERS in extensions:
        return list(extensions[RAW_HEADERS])
    return list(request.scope["headers"])


def _client(request: AsgiRequest) -> tuple[str, int] | None:
    client = request.scope.get("client")
    return (client[0], int(client[1])) if client else None


class View:
    """What the policies learned, as a handler finds it at `scope["state"]["gatewaykit"]`. Valid during the request."""

    __slots__ = ("_outer", "_request")

    def __init__(self, request: Request, outer: View | None = None) -> None:
        self._request, self._outer = request, outer

    @property
    def identity(self) -> Identity | None:
        """Who is calling; None when no policy proved it."""
        own = self._request.identity
        return self._outer.identity if own is None and self._outer is not None else own

    @property
    def limits(self) -> list[LimitState]:
        """Each limit that was taken from, and what it has left."""
        own = self._request.limits
        return own if self._outer is None else [*self._outer.limits, *own]

    @property
    def request_id(self) -> str:
        return self._request.id

    @property
    def address(self) -> str:
        """The client's address, by the trusted-proxy rule."""
        return self._request.address


def show(state: dict[str, Any], request: Request) -> View | None:
    """Put the view of a request into `state`; gives the one that was there, of a shell further out."""
    outer: View | None = state.get(STATE_KEY)
    state[STATE_KEY] = View(request, outer)
    return outer


def hide(state: dict[str, Any], outer: View | None) -> None:
    """Undo `show`."""
    if outer is None:
        state.pop(STATE_KEY, None)
    else:
        state[STATE_KEY] = outer


def _outer_view(request: AsgiRequest) -> View | None:
    """The view of a shell further out, if there is one."""
    state = request.scope.get("state")
    view: View | None = state.get(STATE_KEY) if state else None
    return view._outer if view is not None and view._request is request else view


def _id(request: AsgiRequest) -> str:
    outer = _outer_view(request)
    return IDS.request_id() if outer is None else outer.request_id


def _address(request: AsgiRequest) -> str:
    outer = _outer_view(request)
    if outer is not None:
        return outer.address
    return request.client[0] if request.client else ""


AsgiRequest.first_use = {
    **Request.first_use,
    "address": _address,
    "client": _client,
    "extended_id": lambda request: IDS.extended_id(),
    "header_list": _header_list,
    "http_version": lambda request: request.scope.get("http_version", "1.1"),
    "id": _id,
    "kind": lambda request: request.scope["type"],
    "path": _relative_path,
    "query_string": lambda request: request.scope.get("query_string", b""),
    "raw_path": _relative_raw_path,
    "root_path": lambda request: request.scope.get("root_path", ""),
    "scheme": lambda request: request.scope.get("scheme", "http"),
    "source": lambda request: AsgiBody(request.receive),
}
