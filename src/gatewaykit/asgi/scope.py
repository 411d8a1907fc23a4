"""An ASGI scope as a Request. Only what every chain looks at is taken at once; the rest on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import quote

from gatewaykit.asgi.body import AsgiBody
from gatewaykit.asgi.ids import IDS
from gatewaykit.core.http import NOTHING, Head, Identity, LimitState, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatewaykit.asgi.types import Message, Receive, Scope, Send
    from gatewaykit.core.identity.mtls import ClientCertificate

__all__ = ["RAW_HEADERS", "STATE_KEY", "AsgiRequest", "View", "hide", "rewritten", "view_of"]

RAW_HEADERS = "gatewaykit.raw_headers"
"""Scope extension of our own server: the header fields with the casing the client sent."""

STATE_KEY = "gatewaykit"
"""Where handlers find the `View`: `scope["state"]["gatewaykit"]`."""


_SAFE = "/:@!$&'()*+,;=~-._"
_QUESTION_MARK = ord("?")  # to look for a number in bytes takes a tenth of the time that looking for bytes takes


class AsgiRequest(Request):
    """A Request over a scope and its receive channel. `outer` is the view of a shell further out, if there is one."""

    __slots__ = ("amend", "outer", "receive", "scope", "send", "state")

    amend: Callable[[Request, Head], None] | None  # what the head of the app's response is given to; writer: the shell
    send: Send  # the server's; writer: the shell
    state: dict[str, Any] | None  # of the scope

    first_use: ClassVar[dict[str, Callable[[Any], Any]]]

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self.headers = dict(scope["headers"])  # a repeated field keeps its last value, as on AWS
        try:  # what most servers give; asking for each with a default costs four times as much
            self.method, self.http_version, self.client = scope["method"], scope["http_version"], scope["client"]
            state, root, raw = scope["state"], scope["root_path"], scope["raw_path"]
        except KeyError:
            self.method = scope.get("method", "GET")  # a WebSocket handshake is a GET
            self.http_version, self.client = scope.get("http_version", "1.1"), scope.get("client")
            state, root, raw = scope.get("state"), scope.get("root_path"), scope.get("raw_path")
        if root or not raw or _QUESTION_MARK in raw:
            self.path = _relative_path(scope)
            self.raw_path = _relative_raw_path(scope, self.path)
        else:
            self.path, self.raw_path = scope["path"], raw
        self.state = state
        if state and STATE_KEY in state:
            self.outer = outer = state[STATE_KEY]
            self.address = outer.address
        else:
            self.outer, client = None, self.client
            self.address = client[0] if client else ""
        self.body = None
        self._id = self._extended_id = self._header_list = self._kind = self._query = None
        self._query_string = self._root_path = self._scheme = self._source = self._tls = self._wire_path = None
        # As `forget_facts`, without the call: this runs for every request.
        self.identity = self.api_key = self.client_cert = self.vpc_endpoint = self.refusal = self.events = None
        self.context = self.reached = self.integration = self.kept = None
        self._limits = self.untold = None
        self.trace_id = self.resource = self.stage = ""
        self.path_parameters = self.stage_variables = NOTHING
        self.received_s = self.received_monotonic_s = 0.0
        self.status = self.sent_bytes = 0

    @property
    def request_id(self) -> str:
        """The id by its name in the `View`."""
        return self.id

    def send_amended(self, message: Message) -> Awaitable[None]:
        """What the app gets for `send`. A plain function that hands on the server's own awaitable: no frame per chunk.

        What the app sent is never changed in place: its messages and header lists may be constants.
        """
        kind = message["type"]
        if kind == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        elif kind == "http.response.start":
            if (amend := self.amend) is not None:
                head = Head(message["status"], [*message.get("headers", ())])
                amend(self, head)
                message = {**message}  # then two stores: cheaper than one display with all three
                message["status"] = head.status
                message["headers"] = head.headers
            self.status = message["status"]
        send = self.send
        return send(message)


def _relative_path(scope: Scope) -> str:
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :] or "/"
    return path


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    if not raw:
        return quote(scope["path"], safe=_SAFE).encode()
    return raw.partition(b"?")[0]


def _relative_raw_path(scope: Scope, path: str) -> bytes:
    if not scope.get("raw_path"):
        return quote(path, safe=_SAFE).encode()
    raw = _raw_path(scope)
    root = scope.get("root_path", "").rstrip("/")
    if not root or path == scope["path"]:
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


def rewritten(scope: Scope, request: Any) -> Scope:  # a Request; its slots say what was never asked for
    """The scope with the headers and the query that policies gave the request; itself, where nobody looked at them."""
    if request._header_list is None and request._query_string is None:
        return scope
    headers = [(name.lower(), value) for name, value in request.header_list]
    scope = {**scope, "headers": headers, "query_string": request.query_string}
    extensions = scope.get("extensions")
    if extensions and RAW_HEADERS in extensions:
        scope["extensions"] = {**extensions, RAW_HEADERS: request.header_list}
    return scope


class View(Protocol):
    """What the policies learned, as a handler finds it at `scope["state"]["gatewaykit"]`. Valid during the request.

    Most often it is the request itself: one object less to make. Only what stands here is for handlers.
    """

    @property
    def identity(self) -> Identity | None:
        """Who is calling; None when no policy proved it."""

    @property
    def client_cert(self) -> ClientCertificate | None:
        """The client's certificate, once `mtls` has let it in."""

    @property
    def limits(self) -> list[LimitState]:
        """Each limit that was taken from, and what it has left."""

    @property
    def request_id(self) -> str: ...

    @property
    def address(self) -> str:
        """The client's address, by the trusted-proxy rule."""


class _Nested:
    """The view of a shell inside another one, with something else between them: what both learned."""

    __slots__ = ("_outer", "_request")

    def __init__(self, request: Request, outer: View) -> None:
        self._request, self._outer = request, outer

    @property
    def identity(self) -> Identity | None:
        own = self._request.identity
        return self._outer.identity if own is None else own

    @property
    def client_cert(self) -> ClientCertificate | None:
        own = self._request.client_cert
        return self._outer.client_cert if own is None else own

    @property
    def limits(self) -> list[LimitState]:
        return [*self._outer.limits, *self._request.limits]

    @property
    def request_id(self) -> str:
        return self._request.id

    @property
    def address(self) -> str:
        return self._request.address


def view_of(request: AsgiRequest) -> View:
    """What handlers see of a request."""
    return request if request.outer is None else _Nested(request, request.outer)


def hide(state: dict[str, Any], outer: View | None) -> None:
    """Take a request's view out of `state`; that of a shell further out comes back."""
    if outer is None:
        state.pop(STATE_KEY, None)
    else:
        state[STATE_KEY] = outer


def _id(request: AsgiRequest) -> str:
    return IDS.request_id() if request.outer is None else request.outer.request_id


AsgiRequest.first_use = {
    **Request.first_use,
    "extended_id": lambda request: IDS.extended_id(),
    "header_list": _header_list,
    "id": _id,
    "kind": lambda request: request.scope["type"],
    "query_string": lambda request: request.scope.get("query_string", b""),
    "root_path": lambda request: request.scope.get("root_path", ""),
    "scheme": lambda request: request.scope.get("scheme", "http"),
    "source": lambda request: AsgiBody(request.receive),
    "tls": lambda request: (request.scope.get("extensions") or {}).get("tls"),
    "wire_path": lambda request: _raw_path(request.scope),
}
