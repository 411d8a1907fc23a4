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

__all__ = ["RAW_HEADERS", "STATE_KEY", "AsgiRequest", "View", "asgi_request", "hide", "rewritten", "view_of"]

RAW_HEADERS = "gatewaykit.raw_headers"
"""Scope extension of our own server: the header fields with the casing the client sent."""

STATE_KEY = "gatewaykit"
"""Where handlers find the `View`: `scope["state"]["gatewaykit"]`."""


_SAFE = "/:@!$&'()*+,;=~-._"
_QUESTION_MARK = ord("?")  # to look for a number in bytes takes a tenth of the time that looking for bytes takes


class AsgiRequest(Request):
    """A Request over a scope and its receive channel. `outer` is the view of a shell further out, if there is one."""

    __slots__ = ("amend", "outer", "receive", "scope", "send", "state")

    scope: Scope
    receive: Receive
    outer: View | None
    amend: Callable[[Request, Head], None] | None  # what the head of the app's response is given to; writer: the shell
    send: Send  # the server's; writer: the shell
    state: dict[str, Any] | None  # of the scope

    _header_list: Any  # as the other slots of `Request` behind its derived facts
    _kind: Any
    _query_string: Any
    _root_path: Any
    _scheme: Any

    first_use: ClassVar[dict[str, Callable[[Any], Any]]]

    __init__ = object.__init__  # made by `asgi_request`: a call of a class costs two

    @property  # as `_derived` makes it, without the calls
    def source(self) -> Any:
        if self._source is None:
            self._source = AsgiBody(self.receive)  # type: ignore[assignment]  # `Request` knows of none
        return self._source

    @source.setter
    def source(self, source: Any) -> None:
        self._source = source

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
                head = _BlankHead()
                head.status, head.headers = message["status"], [*message.get("headers", ())]
                amend(self, head)
                message = {**message}  # then two stores: cheaper than one display with all three
                message["status"] = head.status
                message["headers"] = head.headers
            self.status = message["status"]
        send = self.send
        return send(message)


class _BlankHead(Head):
    __slots__ = ()
    __init__ = object.__init__  # as above


def asgi_request(scope: Scope, receive: Receive) -> AsgiRequest:
    """A request over a scope."""
    request: AsgiRequest = AsgiRequest()
    request.scope, request.receive = scope, receive
    request.headers = dict(scope["headers"])  # a repeated field keeps its last value, as on AWS
    try:  # what most servers give; asking for each with a default costs four times as much
        request.method, request.http_version, request.client = scope["method"], scope["http_version"], scope["client"]
        state, root, raw = scope["state"], scope["root_path"], scope["raw_path"]
    except KeyError:
        request.method = scope.get("method", "GET")  # a WebSocket handshake is a GET
        request.http_version, request.client = scope.get("http_version", "1.1"), scope.get("client")
        state, root, raw = scope.get("state"), scope.get("root_path"), scope.get("raw_path")
    if root or not raw or _QUESTION_MARK in raw:
        request.path = _relative_path(scope)
        request.raw_path = _relative_raw_path(scope, request.path)
    else:
        request.path, request.raw_path = scope["path"], raw
    request.state = state
    if state and STATE_KEY in state:
        request.outer = outer = state[STATE_KEY]
        request.address = outer.address
    else:
        request.outer, client = None, request.client
        request.address = client[0] if client else ""
    request.body = None
    request._id = request._extended_id = request._header_list = request._kind = request._query = None
    request._query_string = request._root_path = request._scheme = request._source = request._tls = None
    request._limits = request._wire_path = None
    # As `forget_facts`, without the call: this runs for every request.
    request.identity = request.api_key = request.client_cert = request.vpc_endpoint = request.refusal = None
    request.context = request.events = request.ids = request.integration = request.kept = request.reached = None
    request.untold = None
    request.trace_id = request.resource = request.stage = ""
    request.path_parameters = request.stage_variables = NOTHING
    request.received_s = request.received_monotonic_s = 0.0
    request.status = request.sent_bytes = 0
    return request


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
    if request.ids is not None:
        return request.ids[0].decode()
    return IDS.request_id() if request.outer is None else request.outer.request_id


AsgiRequest.first_use = {
    **Request.first_use,
    "extended_id": lambda request: IDS.extended_id() if request.ids is None else request.ids[1].decode(),
    "header_list": _header_list,
    "id": _id,
    "kind": lambda request: request.scope["type"],
    "query_string": lambda request: request.scope.get("query_string", b""),
    "root_path": lambda request: request.scope.get("root_path", ""),
    "scheme": lambda request: request.scope.get("scheme", "http"),
    "tls": lambda request: (request.scope.get("extensions") or {}).get("tls"),
    "wire_path": lambda request: _raw_path(request.scope),
}
