"""Cross-origin resource sharing, decided (Fetch standard, "CORS protocol"; the private-network preflight of WICG).

Rules
* The policy owns `Access-Control-Allow-Origin` and `-Allow-Credentials`: what an app sent of them is replaced, so a
  response never carries two.
* Where the answer depends on the origin, `Vary` names Origin, also when the request has none: a shared cache must not
  hand a response made for one origin to another. With any origin allowed the fields are the same for everybody; they
  are then always sent, and nothing varies.
* A preflight that is not allowed is refused with what it failed on, for the operator; the browser only sees that no
  field allows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gatewaykit.core.http import Head, HeaderList, Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import Problem

__all__ = [
    "DEFAULT_HEADERS", "DEFAULT_METHODS", "LENGTHS", "CorsRules", "Screen", "amending", "deciding", "rule_problems",
]  # fmt: skip

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
DEFAULT_HEADERS: Final = ("Authorization", "Content-Type", "X-Api-Key")

_SAFELISTED: Final = frozenset((b"accept", b"accept-language", b"content-language", b"content-type", b"range"))
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE: Final = re.compile(rb"[!-~]+")
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\s*\\]+)")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_MEMO_SIZE: Final = 256
_MEMO_LENGTH: Final = 512

_ALLOW_ORIGIN: Final = b"access-control-allow-origin"
_ALLOW_CREDENTIALS: Final = b"access-control-allow-credentials"
_EXPOSE: Final = b"access-control-expose-headers"
_VARY_ORIGIN: Final = (b"vary", b"Origin")

LENGTHS: Final = frozenset(map(len, (_ALLOW_ORIGIN, _ALLOW_CREDENTIALS, _EXPOSE, b"vary")))
"""A response field whose name is of none of these lengths is none of CORS's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRules:
    """What may be done from where. `origins` are serialised origins or `("*",)`; `origin_regex` matches a whole one."""

    origins: tuple[str, ...] = ()
    origin_regex: str | None = None
    methods: tuple[str, ...] = DEFAULT_METHODS
    headers: tuple[str, ...] = DEFAULT_HEADERS
    expose: tuple[str, ...] = ()
    max_age_s: int = 600
    credentials: bool = False
    private_network: bool = False
    enforce: bool = False


def rule_problems(rules: CorsRules) -> Iterator[Problem]:
    """Everything wrong with a set of rules."""
    if not rules.origins and not rules.origin_regex:
        yield Problem(where="cors.origins", what="no origin is allowed", mend="Give origins=[…] or origin_regex=…")
    for origin in rules.origins:
        yield from _origin_problems(origin)
    if "*" in rules.origins and (len(rules.origins) > 1 or rules.origin_regex is not None):
        yield Problem(where="cors.origins", what="'*' allows every origin, so the others say nothing")
    if rules.origin_regex is not None:
        try:
            re.compile(rules.origin_regex)
        except re.error as error:
            yield Problem(where="cors.origin_regex", what=f"not a regular expression: {error}")
    for option in ("methods", "headers", "expose"):
        names: Sequence[str] = getattr(rules, option)
        for name in names:
            if not _TOKEN.fullmatch(name):
                yield Problem(where=f"cors.{option}", what=f"{name!r} is no HTTP token")
        if rules.credentials and "*" in names:
            yield Problem(
                where=f"cors.{option}", what="'*' with credentials=True",
                why="browsers then take it for a name of its own and allow nothing", mend="List the names",
            )  # fmt: skip
    if rules.credentials and "*" in rules.origins:
        yield Problem(
            where="cors.origins", what="'*' with credentials=True",
            why="any site could then act as the signed-in user; browsers refuse the combination",
            mend="List the origins, or give origin_regex=",
        )  # fmt: skip
    if rules.enforce and "*" in rules.origins:
        yield Problem(where="cors.enforce", what="there is nothing to enforce where every origin is allowed")
    if isinstance(rules.max_age_s, bool) or not isinstance(rules.max_age_s, int) or rules.max_age_s < 0:
        yield Problem(where="cors.max_age_s", what=f"{rules.max_age_s!r} is not a number of seconds, 0 or more")


def _origin_problems(origin: str) -> Iterator[Problem]:
    where = "cors.origins"
    if origin == "*":
        return
    if origin == "null":
        yield Problem(
            where=where, what="'null' is the origin of every sandboxed page and local file",
            why="allowing it allows any site", mend="Serve the page from an origin of its own",
        )  # fmt: skip
    elif match := _ORIGIN.fullmatch(origin.lower()):
        scheme, host = match.groups()
        if host.endswith(_DEFAULT_PORTS.get(scheme, "\0")):
            near = f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}"
            yield Problem(where=where, what=f"{origin!r}: browsers leave the default port out", near=near)
    elif "*" in origin:
        yield Problem(where=where, what=f"{origin!r} is no origin", mend="Give a pattern as origin_regex=")
    else:
        match = _ORIGIN.match(origin.lower())
        yield Problem(
            where=where, what=f"{origin!r} is no origin", why="an origin is scheme://host[:port] and nothing after it",
            near=match[0] if match else "",
        )  # fmt: skip


class Screen:
    """The rules over bare header fields.

    A response gets `without_origin` where its request named no origin, else `listed[origin]`, else `fields(origin)`.
    `preflight(headers)` answers a preflight. `merged(headers, fields)` puts fields on a response;
    the list of `headers` may grow.
    """

    def __init__(self, rules: CorsRules) -> None:
        self.enforce, self.preflight, self.merged = rules.enforce, _preflight(rules), _merging(rules)
        allowed = _origins(rules)
        varies = [] if "*" in rules.origins else [_VARY_ORIGIN]
        self.without_origin: HeaderList = varies or [*(allowed(b"") or ())]
        spelt = [text.lower().encode() for text in rules.origins if text != "*"]
        self.listed: dict[bytes, HeaderList] = {origin: [*varies, *(allowed(origin) or ())] for origin in spelt}
        self.fields: Callable[[bytes], HeaderList] = lambda origin: [*varies, *(allowed(origin) or ())]


def deciding(rules: CorsRules) -> Callable[[Request], Request | Response | Refusal]:
    """The request hook: answers preflights, and refuses other origins where that is enforced."""
    allowed, preflight, enforce = _origins(rules), _preflight(rules), rules.enforce

    def on_request(request: Request) -> Request | Response | Refusal:
        headers = request.headers
        if b"origin" not in headers:
            return request
        if b"access-control-request-method" in headers and request.method == "OPTIONS":
            return preflight(headers)
        if enforce:
            origin = headers[b"origin"]
            if allowed(origin) is None and not _same_host(origin, headers.get(b"host")):
                return Refusal(Reason.CORS_REFUSED, f"origin {_text(origin)} is not allowed")
        return request

    return on_request


def amending(rules: CorsRules) -> Callable[[Request, Head], None]:
    """The head hook: puts the fields on every response, whoever made it."""
    screen = Screen(rules)
    listed, without_origin, fields_for, merged = (
        screen.listed.get,
        screen.without_origin,
        screen.fields,
        screen.merged,
    )

    def on_head(request: Request, head: Head) -> None:
        origin = request.headers.get(b"origin")
        fields = without_origin if origin is None else listed(origin) or fields_for(origin)
        headers = head.headers
        for name, _ in headers:
            if len(name) in LENGTHS:  # it may be Vary, or a field of ours: a look in one more function
                head.headers = merged(headers, fields)
                return
        headers += fields

    return on_head


def _merging(rules: CorsRules) -> Callable[[HeaderList, HeaderList], HeaderList]:
    varies = "*" not in rules.origins
    owned = {_ALLOW_ORIGIN, _ALLOW_CREDENTIALS, *([_EXPOSE] if rules.expose else [])}

    def merged(headers: HeaderList, fields: HeaderList) -> HeaderList:
        for name, _ in headers:
            length = len(name)
            if length in LENGTHS and (length != 4 or name.lower() == b"vary"):
                if name is _ALLOW_ORIGIN and headers[0][0] is name:
                    return headers  # our own answer to a preflight
                return [*_cleared(headers, owned, varies), *(fields[1:] if varies else fields)]
        headers += fields
        return headers

    return merged


def _cleared(headers: HeaderList, owned: set[bytes], varies: bool) -> HeaderList:
    """The fields without those that the policy owns, and with Origin among what the response varies by."""
    headers = [field for field in headers if field[0].lower() not in owned]
    if varies:
        vary = [index for index, field in enumerate(headers) if field[0].lower() == b"vary" and field[1].strip()]
        if not vary:
            headers.append(_VARY_ORIGIN)
        elif not any(_names_origin(headers[index][1]) for index in vary):
            name, value = headers[vary[-1]]
            headers[vary[-1]] = (name, value + b", Origin")
    return headers


def _origins(rules: CorsRules) -> Callable[[bytes], HeaderList | None]:
    """The fields that allow an origin; None for an origin that is not allowed."""
    rest: HeaderList = [(_ALLOW_CREDENTIALS, b"true")] if rules.credentials else []
    if rules.expose:
        rest.append((_EXPOSE, ", ".join(rules.expose).encode()))
    if "*" in rules.origins:
        everyone = [(_ALLOW_ORIGIN, b"*"), *rest]
        return lambda origin: everyone
    listed = {text.encode(): [(_ALLOW_ORIGIN, text.encode()), *rest] for text in map(str.lower, rules.origins)}
    if rules.origin_regex is None:
        return listed.get
    matches = re.compile(rules.origin_regex).fullmatch

    def fields(origin: bytes) -> HeaderList | None:
        known = listed.get(origin)
        if known is not None or len(origin) > _MEMO_LENGTH:
            return known
        if _VISIBLE.fullmatch(origin) and matches(origin.decode()):  # no pattern may let a line break into the answer
            return [(_ALLOW_ORIGIN, origin), *rest]
        return None

    return fields


def _preflight(rules: CorsRules) -> Callable[[Mapping[bytes, bytes]], Response | Refusal]:
    """The answer to a preflight, ready but for the origin."""
    fields_for = _origins(replace(rules, expose=()))
    private_network, any_method = rules.private_network, "*" in rules.methods
    methods = frozenset(method.upper().encode() for method in rules.methods)
    refused_header = _header_check(rules.headers)
    ready: HeaderList = [
        (b"access-control-allow-methods", ", ".join(map(str.upper, rules.methods)).encode()),
        *([(b"access-control-allow-headers", ", ".join(rules.headers).encode())] if rules.headers else []),
        (b"access-control-max-age", b"%d" % rules.max_age_s),
        *([_VARY_ORIGIN] if "*" not in rules.origins else []),
    ]

    def preflight(headers: Mapping[bytes, bytes]) -> Response | Refusal:
        origin = headers[b"origin"]
        if (fields := fields_for(origin)) is None:
            return Refusal(Reason.CORS_REFUSED, f"preflight: origin {_text(origin)} is not allowed")
        method = headers[b"access-control-request-method"]
        if method not in methods and not any_method:
            return Refusal(Reason.CORS_REFUSED, f"preflight: method {_text(method)} is not allowed")
        wanted = headers.get(b"access-control-request-headers")
        if wanted is not None and (name := refused_header(wanted)) is not None:
            return Refusal(Reason.CORS_REFUSED, f"preflight: header {_text(name)} is not allowed")
        if b"access-control-request-private-network" in headers:
            if not private_network:
                return Refusal(
                    Reason.CORS_REFUSED, "preflight: requests from public to private networks are not allowed"
                )
            return Response(204, [*fields, *ready, (b"access-control-allow-private-network", b"true")])
        return Response(204, [*fields, *ready])

    return preflight


def _header_check(names: Sequence[str]) -> Callable[[bytes], bytes | None]:
    """Gives the first header in a list that is not allowed. Lists that passed are remembered: browsers repeat them."""
    allowed = _SAFELISTED | {name.lower().encode() for name in names}
    any_but_authorization = b"*" in allowed  # the wildcard does not stand for that one (Fetch standard)
    passed: set[bytes] = set()

    def refused_header(wanted: bytes) -> bytes | None:
        if wanted in passed:
            return None
        for name in wanted.lower().split(b","):
            name = name.strip()
            if name and name not in allowed and (name == b"authorization" or not any_but_authorization):
                return name
        if len(passed) < _MEMO_SIZE and len(wanted) <= _MEMO_LENGTH:
            passed.add(wanted)
        return None

    return refused_header


def _names_origin(vary: bytes) -> bool:
    return any(name.strip() in (b"origin", b"*") for name in vary.lower().split(b","))


def _same_host(origin: bytes, host: bytes | None) -> bool:
    """Browsers name the origin on same-origin requests too; those are none of CORS's business."""
    return host is not None and origin.partition(b"://")[2] == host.lower()


def _text(value: bytes) -> str:
    return repr(value[:100].decode("latin-1"))
