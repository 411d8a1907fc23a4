"""What a service is asked about a request, and what its answer means: 2xx lets it in.

The question is the request without its body. Method, scheme, host and target of the request stand in `X-Forwarded-*`
(as Traefik's ForwardAuth sends them) and in `X-Original-Method` and `X-Original-URI` (as users of nginx's auth_request
configure them).
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gatewaykit.core.http import Identity, Response
from gatewaykit.core.payload.reverse_proxy import forwarded_target
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.http import HeaderList, Request

__all__ = ["NEVER_COPIED", "ForwardRules", "LetIn", "apply", "digest", "question", "verdict"]

NEVER_COPIED: Final = frozenset(
    b"connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
"""Fields that frame a message or say where it goes: an answer does not give them to another message."""

_NOT_ASKED: Final = frozenset(
    # of the hop or of the body, which is not sent; and what only makes sense where the whole answer comes back
    b"accept-encoding connection content-encoding content-length expect host if-match if-modified-since if-none-match "
    b"if-range if-unmodified-since keep-alive proxy-authenticate proxy-authorization proxy-connection range te trailer "
    b"transfer-encoding upgrade "
    # what is said anew
    b"forwarded x-forwarded-for x-forwarded-host x-forwarded-method x-forwarded-port x-forwarded-prefix "
    b"x-forwarded-proto x-forwarded-uri x-original-method x-original-uri x-original-url x-real-ip".split()
)
_CREDENTIALS: Final = frozenset((b"authorization", b"cookie"))
_RELAYED: Final = frozenset(
    b"cache-control content-language content-type location retry-after set-cookie www-authenticate".split()
)
_REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRules:
    """What is asked, and what of the answer is used. Header names are in lower case."""

    forwarded: frozenset[bytes] | None = None  # the client's fields that are sent; None: all
    copied: tuple[bytes, ...] = ()  # fields of the answer that the back end gets, in place of any the client sent
    claims: tuple[tuple[bytes, str], ...] = ()  # fields of the answer, and the names of the claims they become
    principal: bytes = b""  # the field of the answer that names the caller
    relay_body: bool = False
    relay_redirects: bool = False
    dropped: frozenset[bytes] = field(init=False)  # what the client sends under these names goes no further
    hidden: frozenset[bytes] = field(init=False)  # nor does the service see it
    told: frozenset[bytes] | None = field(init=False)  # the fields that a question depends on; None: all

    def __post_init__(self) -> None:
        dropped = frozenset(map(_canonical, self.copied))
        object.__setattr__(self, "dropped", dropped)
        object.__setattr__(self, "hidden", dropped - _CREDENTIALS)
        told = None if self.forwarded is None else self.forwarded | {b"connection", b"host"}
        object.__setattr__(self, "told", told)


@dataclass(frozen=True, slots=True)
class LetIn:
    """A 2xx: who it is, as far as the service said, and the fields for the back end."""

    identity: Identity | None
    fields: HeaderList
    may_be_kept: bool


def question(request: Request, rules: ForwardRules, *, stage_in_path: bool = False) -> HeaderList:
    """The header fields of the question. `stage_in_path` says that the stage was cut off the path that was sent.

    A field that would come from the service's own answer is not sent to it, unless it is a credential. Names that
    differ in `-` and `_` only are one: a service behind CGI or WSGI could take the client's for ours. What `Connection`
    lists is asked about all the same, for an app behind this gateway gets it. A field that no
    message can carry is left out: what the service cannot see, it cannot let in.
    """
    wanted, hidden = rules.forwarded, rules.hidden
    fields = [
        (name, value)
        for name, value in request.header_list
        if (same := _canonical(key := name.lower())) not in _NOT_ASKED
        and (wanted is None or key in wanted)
        and same not in hidden
        and _can_be_sent(name, value)
    ]
    before = request.root_path + (f"/{request.stage}" if stage_in_path and request.stage else "")
    target = forwarded_target(before.encode() + request.raw_path, request.query_string)
    method = request.method.encode("latin-1", "replace")
    about = (
        (b"x-forwarded-method", method),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-host", request.headers.get(b"host", b"")),
        (b"x-forwarded-uri", target),
        (b"x-forwarded-for", request.address.encode("latin-1", "replace")),
        (b"x-original-method", method),
        (b"x-original-uri", target),
    )
    return fields + [field for field in about if _can_be_sent(*field)]


def digest(request: Request, rules: ForwardRules) -> bytes:
    """A digest of all that a question is made of: no two requests share one unless they ask the same."""
    fields = request.header_list
    if (told := rules.told) is not None:
        fields = [field for field in fields if field[0].lower() in told]
    target = request.root_path, request.raw_path, request.query_string
    about = (request.method, request.scheme, request.address, target, fields)
    return sha256(marshal.dumps(about, 2)).digest()  # each part with its length, so that none runs into the next


def verdict(status: int, headers: HeaderList, body: bytes, rules: ForwardRules) -> LetIn | Refusal | Response:
    """What an answer means: let in, refused, or relayed as it is. Whatever is none of these refuses with a 5xx."""
    if 200 <= status <= 299:
        return _let_in(headers, rules)
    if status in (401, 403):
        if rules.relay_body:
            return Response(status, _kept(headers, _RELAYED - {b"location"}), body)
        reason = Reason.UNAUTHENTICATED if status == 401 else Reason.FORBIDDEN
        challenges = tuple(_kept(headers, frozenset((b"www-authenticate",))))
        return Refusal(reason, f"the service answered {status}", headers=challenges)
    if status in _REDIRECTS and any(name.lower() == b"location" for name, _ in headers):
        if rules.relay_redirects:
            return Response(status, _kept(headers, _RELAYED - {b"content-type", b"content-language"}))
        return Refusal(Reason.AUTHORIZER_FAILED, f"the service answered {status}, and redirects are not relayed")
    return Refusal(Reason.AUTHORIZER_FAILED, f"the service answered {status}")


def apply(let_in: LetIn, request: Request, rules: ForwardRules) -> None:
    """Write what the service said into the request. What the client sent under the copied names is gone.

    Names count as the same when they differ in `-` and `_` only, for to a CGI or WSGI back end they are. The copied
    names also leave the Connection field, which would have the next proxy drop them.
    """
    request.identity = let_in.identity
    dropped, headers = rules.dropped, request.headers
    if not dropped:
        return
    if dropped.isdisjoint(headers) and b"connection" not in headers and b"_" not in b"".join(headers):
        request.header_list = request.header_list + let_in.fields
        request.headers = {**headers, **dict(let_in.fields)}
        return
    fields = [
        (name, value) if name.lower() != b"connection" else (name, _without(value, dropped))
        for name, value in request.header_list
        if _canonical(name.lower()) not in dropped
    ]
    request.header_list = fields = fields + let_in.fields
    request.headers = {name.lower(): value for name, value in fields}


def _let_in(headers: HeaderList, rules: ForwardRules) -> LetIn:
    said: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        said.setdefault(name.lower(), []).append(value)
    fields = [(name, value) for name in rules.copied for value in said.get(name, ())]
    principal = _text(said.get(rules.principal, ()))
    identity = None
    if principal:
        claims = {name: _text(said[field]) for field, name in rules.claims if field in said}
        identity = Identity(principal=principal, kind="forward_auth", claims=MappingProxyType(claims))
    return LetIn(identity, fields, b"no-store" not in b",".join(said.get(b"cache-control", ())).lower())


def _text(values: Iterable[bytes]) -> str:
    joined = b",".join(values)
    try:
        return joined.decode()
    except UnicodeDecodeError:
        return joined.decode("latin-1")


def _kept(headers: HeaderList, names: frozenset[bytes]) -> HeaderList:
    return [(name.lower(), value) for name, value in headers if name.lower() in names]


def _canonical(name: bytes) -> bytes:
    return name.replace(b"_", b"-")


def _without(connection: bytes, names: frozenset[bytes]) -> bytes:
    options = [option.strip() for option in connection.split(b",")]
    return b", ".join(option for option in options if _canonical(option.lower()) not in names)


def _can_be_sent(name: bytes, value: bytes) -> bool:
    return name.replace(b"-", b"").replace(b"_", b"").isalnum() and not any(
        each in value for each in (b"\r", b"\n", b"\0")
    )
