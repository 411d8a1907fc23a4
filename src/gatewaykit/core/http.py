"""The values that flow through a gateway: Request, Head, Response, Identity. No ASGI, no I/O."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote, unquote_plus

if TYPE_CHECKING:
    from gatewaykit.core.reasons import Refusal

__all__ = [
    "NOTHING",
    "Head",
    "HeaderList",
    "Identity",
    "LimitState",
    "Request",
    "Response",
    "header_values",
    "parse_query",
    "quick_identity",
]

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

HeaderList = list[tuple[bytes, bytes]]
"""Header fields in order, values as sent. Names keep the client's casing only where the server keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is calling, as far as a policy has proved it.

    `principal` is the caller's stable name; `kind` says what proved it (`api_key`, `custom`, …). `claims` are the facts
    the proof carried. `key_id` and `key_name` are set when an API key was part of it.
    """

    principal: str
    kind: str = "custom"
    claims: Mapping[str, Any] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    key_id: str | None = None
    key_name: str | None = None


def quick_identity(principal: str, kind: str, claims: Mapping[str, Any], scopes: tuple[str, ...]) -> Identity:
    """`Identity(...)` in less than half the time, for what is made on the way of a request.

    A frozen dataclass sets each field by name, past its own refusal to; here the slots are written.
    """
    identity = object.__new__(Identity)
    _set_principal(identity, principal)
    _set_kind(identity, kind)
    _set_claims(identity, claims)
    _set_scopes(identity, scopes)
    _set_key_id(identity, None)
    _set_key_name(identity, None)
    return identity


_set_principal, _set_kind, _set_claims, _set_scopes, _set_key_id, _set_key_name = (
    vars(Identity)[each.name].__set__ for each in fields(Identity)
)  # fmt: skip


class LimitState(NamedTuple):
    """One limit after this request: `limit` and `remaining` in requests, `reset_s` seconds until it is whole again."""

    name: str
    limit: int
    remaining: int
    reset_s: float


if TYPE_CHECKING:
    T = TypeVar("T")

    class _Derived(Generic[T]):
        """What the properties that `_derived` makes are to a type checker."""

        def __get__(self, request: object, owner: object = None) -> T: ...
        def __set__(self, request: object, value: T) -> None: ...


class Request:
    """One request, as every policy and integration sees it. Mutable: each fact has one writer.

    The facts of the wire are set at construction or derived on first use; what nobody reads costs nothing. `path` is
    decoded and without the mount prefix, `raw_path` the same stretch as sent (still percent-encoded); `headers` maps
    lower-case names to the last value, `header_list` keeps every field in order.
    """

    __slots__ = (
        "address", "api_key", "body", "client", "client_cert", "context", "events", "headers", "http_version",
        "identity", "ids", "integration", "kept", "method", "path", "path_parameters", "raw_path", "reached",
        "received_monotonic_s", "received_s", "refusal", "resource", "sent_bytes", "stage", "stage_variables",
        "status", "trace_id", "untold", "vpc_endpoint",
        # behind the facts that are derived on first use; None until then
        "_extended_id", "_header_list", "_id", "_kind", "_limits", "_query", "_query_string", "_root_path", "_scheme",
        "_source", "_tls", "_wire_path",
    )  # fmt: skip

    method: str  # as sent, upper case by custom
    path: str  # decoded, without root_path
    raw_path: bytes  # as sent, without root_path and query
    wire_path: _Derived[bytes]  # the whole path as sent: with the mount prefix and the stage
    root_path: _Derived[str]  # the prefix this app is mounted under
    query_string: _Derived[bytes]  # as sent, without '?'
    query: _Derived[Mapping[str, list[str]]]  # decoded once, form style; every value in order
    headers: Mapping[bytes, bytes]  # lower-case name -> last value
    header_list: _Derived[HeaderList]
    http_version: str
    scheme: _Derived[str]
    kind: _Derived[str]  # "http" or "websocket"
    client: tuple[str, int] | None  # the peer of the connection
    address: str  # the client's address, by the trusted-proxy rule; "" when unknown
    source: _Derived[Any]  # a ports.BodySource, or None when the whole body is in `body`
    body: bytes | None  # the whole body once something read it
    received_s: float  # wall clock, seconds since 1970
    received_monotonic_s: float
    ids: tuple[bytes, bytes] | None  # `id` and `extended_id` as they go out; writer: the envelope
    id: _Derived[str]  # $context.requestId
    extended_id: _Derived[str]  # $context.extendedRequestId
    trace_id: str  # X-Amzn-Trace-Id, "" until an integration is called
    tls: _Derived[Any]  # the server's ASGI TLS extension, a mapping; None where the server has none
    client_cert: Any  # a core.identity.mtls.ClientCertificate; writer: the mtls policy
    vpc_endpoint: Any  # a core.iam.access.VpcEndpoint; writer: the vpc_endpoint policy
    identity: Identity | None  # writer: the authenticating policy
    api_key: Any  # a core.identity.api_key.ApiKey; writer: the api_key policy
    kept: dict[Any, Any] | None  # what a policy keeps from one of its hooks to the next, each under itself
    limits: _Derived[list[LimitState]]  # writer: throttle, quota
    untold: tuple[Callable[[Any], list[LimitState]], Any] | None  # what gives `limits` when somebody asks, and of what
    path_parameters: Mapping[str, str]  # writer: the router
    resource: str  # "/pets/{id}"; writer: the router
    stage: str
    stage_variables: Mapping[str, str]
    integration: Any  # a core.http.IntegrationFacts-like mapping; writer: the integration
    context: Callable[[Request], Mapping[str, Any]] | None  # gives $context; writer: deploy
    events: list[tuple[str, str]] | None  # the phase trace, when someone wants it
    refusal: Refusal | None  # writer: the runner
    reached: Any  # the part of the chain that may amend the answer; the runner's own
    status: int  # of the answer, 0 until known
    sent_bytes: int  # of the answer's body

    first_use: ClassVar[dict[str, Callable[[Any], Any]]]  # how each fact is derived when it was not set

    def __init__(
        self,
        method: str,
        path: str,
        *,
        raw_path: bytes | None = None,
        headers: HeaderList | None = None,
        query_string: bytes = b"",
        body: bytes | None = b"",
        client: tuple[str, int] | None = ("127.0.0.1", 50000),
        kind: str = "http",
        scheme: str = "http",
        http_version: str = "1.1",
        root_path: str = "",
    ) -> None:
        self.method, self.path, self.query_string, self.body = method, path, query_string, body
        self.raw_path = path.encode() if raw_path is None else raw_path
        self.header_list = [] if headers is None else headers
        self.headers = {name.lower(): value for name, value in self.header_list}
        self.client, self.kind, self.scheme, self.http_version = client, kind, scheme, http_version
        self.root_path = root_path
        self._id = self._extended_id = self._query = self._source = self._tls = self._wire_path = None
        self.address = client[0] if client else ""
        self.forget_facts()

    def forget_facts(self) -> None:
        """Nothing is known yet of what routing and policies write."""
        self.identity = self.api_key = self.client_cert = self.vpc_endpoint = self.refusal = self.events = None
        self.context = self.reached = self.integration = self.kept = None
        self._limits = self.untold = self.ids = None
        self.trace_id = self.resource = self.stage = ""
        self.path_parameters = self.stage_variables = NOTHING
        self.received_s = self.received_monotonic_s = 0.0
        self.status = self.sent_bytes = 0

    def detached(self) -> Request:
        """A copy for a call that may outlast the client of this one: changed freely, and ended on its own."""
        other = copy(self)
        other.kept = other.events = other.refusal = other.reached = None
        other.headers, other.header_list = dict(self.headers), [*self.header_list]
        other.body = self.body or b""
        other.status = other.sent_bytes = 0
        return other

    def header(self, name: str) -> str | None:
        """The last value of a header field, decoded as latin-1; None when it was not sent. Names in any casing."""
        value = self.headers.get(name.lower().encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    def note(self, phase: str, text: str) -> None:
        """Add a line to the phase trace, where one is kept."""
        if self.events is not None:
            self.events.append((phase, text))


class Head:
    """Status and header fields of a response that an app is about to send; hooks change it in place."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: HeaderList) -> None:
        self.status, self.headers = status, headers


class Response(Head):
    """A whole response. `body` is bytes, or an async iterator of chunks when it is streamed through.

    `close`, when set, is called (and awaited) once the body has been sent or given up.
    """

    __slots__ = ("body", "close")

    def __init__(
        self,
        status: int = 200,
        headers: HeaderList | None = None,
        body: bytes | AsyncIterator[bytes] = b"",
        close: Callable[[], Any] | None = None,
    ) -> None:
        self.status, self.body, self.close = status, body, close
        self.headers = [] if headers is None else headers

    def header(self, name: str) -> str | None:
        """The first value of a header field, decoded as latin-1; names in any casing."""
        wanted = name.lower().encode("latin-1")
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None


def header_values(headers: HeaderList, name: bytes) -> list[bytes]:
    """Every value of one field, in order; `name` in lower case."""
    return [value for key, value in headers if key.lower() == name]


def parse_query(query_string: bytes) -> dict[str, list[str]]:
    """Query parameters decoded once, form style (`+` is a space, no `=` is an empty value), every value in order.

    Bytes that are no UTF-8 become U+FFFD. Recorded rows 58 and 59.
    """
    query: dict[str, list[str]] = {}
    if query_string:
        for pair in query_string.decode("latin-1").replace(";", "&").split("&"):
            if pair:
                name, _, value = pair.partition("=")
                query.setdefault(unquote_plus(_utf8(name)), []).append(unquote_plus(_utf8(value)))
    return query


def _utf8(text: str) -> str:
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def _derived(name: str) -> property:
    """A fact that is derived when it is first asked for, and kept in its slot. What nobody reads costs nothing.

    A slot that was never written would do for "not yet", but the exception that reading it raises costs ten times as
    much as a None; and with a `__getattr__` CPython reads every slot of the class the slow way.
    """
    slot = vars(Request)[f"_{name}"]
    read, write = slot.__get__, slot.__set__

    def get(request: Request) -> Any:
        if (value := read(request)) is None:
            value = request.first_use[name](request)
            write(request, value)
        return value

    return property(get, write)


Request.first_use = {
    "extended_id": lambda request: "" if request.ids is None else request.ids[1].decode(),
    "header_list": lambda request: [],
    "id": lambda request: "" if request.ids is None else request.ids[0].decode(),
    "kind": lambda request: "http",
    "limits": lambda request: [] if request.untold is None else request.untold[0](request.untold[1]),
    "query": lambda request: parse_query(request.query_string),
    "query_string": lambda request: b"",
    "root_path": lambda request: "",
    "scheme": lambda request: "http",
    "source": lambda request: None,
    "tls": lambda request: None,
    "wire_path": lambda request: quote(request.root_path.rstrip("/")).encode() + request.raw_path,
}
for _name in Request.first_use:
    setattr(Request, _name, _derived(_name))
