"""What a limit counts by: functions from a request to a key.

`by.address`, `by.api_key`, `by.identity`, `by.route` and `by.everyone` are used as they are; `by.header("X")`,
`by.claim("sub")`, `by.authorizer_context("plan")`, `by.path_parameter("id")` and `by.network(ipv4=24)` make one, and
`by.every(by.api_key, by.route)` counts each combination. Any other function of a request that gives a text does as
well. None means that this request has no such thing; the limit's `without_key` says what happens then.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Final, TypeAlias

from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = [
    "CHOICES", "MAKERS", "KeyFunction", "address", "api_key", "authorizer_context", "claim", "every", "everyone",
    "header", "identity", "network", "path_parameter", "route",
]  # fmt: skip

KeyFunction: TypeAlias = "Callable[[Request], str | None]"

CHOICES: Final = (
    "by.address, by.api_key, by.identity, by.route, by.everyone, by.header('X'), by.claim('sub'), "
    "by.authorizer_context('x'), by.path_parameter('id'), by.network(), by.every(…) "
    "or a function from a request to a text"
)

HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"


def address(request: Request) -> str | None:
    """The client's address, by the trusted-proxy rule. IPv6 addresses count by their /64, which one client owns."""
    text = request.address
    if ":" not in text:
        return text or None
    return address_key(text)


def address_key(text: str) -> str:
    """What an address counts under."""
    if ":" not in text:
        return text
    try:
        packed = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # a server's own idea of an address; as good a key as any
        return text
    if packed.startswith(_IPV4_MAPPED):
        return inet_ntop(AF_INET, packed[12:])
    return inet_ntop(AF_INET6, packed[:8] + bytes(8)) + "/64"


def network(*, ipv4: int = 32, ipv6: int = 64) -> KeyFunction:
    """The client's network: its address, cut to so many bits."""
    problems = [
        Problem(where="by.network", what=f"{name}={bits!r} is no length of a prefix, 1 to {most}")
        for name, bits, most in (("ipv4", ipv4, 32), ("ipv6", ipv6, 128))
        if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= most
    ]
    if problems:
        raise ConfigError(problems)

    def by_network(request: Request) -> str | None:
        return _network_of(request.address, ipv4, ipv6) if request.address else None

    return by_network


def _network_of(text: str, ipv4: int, ipv6: int) -> str:
    family = AF_INET6 if ":" in text else AF_INET
    try:
        packed = inet_pton(family, text.partition("%")[0])
    except (OSError, ValueError):  # as above
        return text
    if packed.startswith(_IPV4_MAPPED) and len(packed) == 16:
        family, packed = AF_INET, packed[12:]
    bits, whole = (ipv4 if family == AF_INET else ipv6), 8 * len(packed)
    if bits == whole:
        return inet_ntop(family, packed)
    kept = int.from_bytes(packed, "big") >> (whole - bits) << (whole - bits)
    return f"{inet_ntop(family, kept.to_bytes(len(packed), 'big'))}/{bits}"


def api_key(request: Request) -> str | None:
    """The id of the API key, once `api_key(...)` has accepted it."""
    key = request.api_key
    return None if key is None else key.id


def identity(request: Request) -> str | None:
    """The caller, once a policy has proved who it is. A proof that names nobody is no key: all would share one."""
    caller = request.identity
    return None if caller is None or not caller.principal else f"{caller.kind}:{caller.principal}"


def route(request: Request) -> str | None:
    """The method and the route's own path (`GET /pets/{id}`), whatever its parameters are; None outside a route.

    Methods nobody has heard of count as one, so that inventing them gains nothing.
    """
    if not request.resource:
        return None
    return f"{request.method if request.method in _METHODS else 'OTHER'} {request.resource}"


def everyone(request: Request) -> str | None:
    """One key for all requests."""
    return "everyone"


def header(name: str) -> KeyFunction:
    """The value of a request header. The key is a digest of it: a header may hold a secret, and be long."""
    if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
        raise ConfigError(Problem(where="by.header", what=f"{name!r} is no header name"))
    wanted = name.lower().encode()

    def by_header(request: Request) -> str | None:
        value = request.headers.get(wanted)
        return sha256(value).hexdigest()[:32] if value else None

    return by_header


def claim(name: str) -> KeyFunction:
    """A claim of the caller's identity, such as `sub`."""
    if not isinstance(name, str) or not name:
        raise ConfigError(Problem(where="by.claim", what=f"{name!r} is no name of a claim"))

    def by_claim(request: Request) -> str | None:
        caller = request.identity
        value = None if caller is None else caller.claims.get(name)
        return None if value is None else str(value)

    return by_claim


def authorizer_context(name: str) -> KeyFunction:
    """What a Lambda authorizer said of the caller: `$context.authorizer.name`."""
    if not isinstance(name, str) or not name:
        raise ConfigError(Problem(where="by.authorizer_context", what=f"{name!r} is no name of a context value"))

    def by_authorizer_context(request: Request) -> str | None:
        caller = request.identity
        value = None if caller is None or caller.kind in _NO_CONTEXT else caller.claims.get(name)
        return None if value is None else str(value)

    return by_authorizer_context


def path_parameter(name: str) -> KeyFunction:
    """A parameter of the route's path, such as `tenant` of `/tenants/{tenant}`; in a gateway with routes only."""
    if not isinstance(name, str) or not name:
        raise ConfigError(Problem(where="by.path_parameter", what=f"{name!r} is no name of a path parameter"))

    def by_path_parameter(request: Request) -> str | None:
        return request.path_parameters.get(name) or None

    return by_path_parameter


def every(*keys: KeyFunction) -> KeyFunction:
    """Each combination of what these count by, such as a key at a route. Where one is missing, all is.

    No two combinations are one key, whatever stands in them.
    """
    problems = []
    if len(keys) < 2:
        problems.append(Problem(where="by.every", what="a combination has two parts or more"))
    for key in keys:
        if not callable(key) or key in MAKERS:
            problems.append(Problem(where="by.every", what=f"{key!r:.60} is no key function", mend=f"Give {CHOICES}"))
    if problems:
        raise ConfigError(problems)

    def by_every(request: Request) -> str | None:
        parts = []
        for key in keys:
            part: object = key(request)
            if not isinstance(part, str):
                return part  # type: ignore[return-value]  # None, or what no key may be: whoever asked says so
            parts.append(f"{len(part)}:{part}")
        return "".join(parts)

    return by_every


_NO_CONTEXT: Final = frozenset(("api_key", "iam", "mtls", "jwt", "cognito"))  # what these prove is no context

MAKERS: Final[tuple[object, ...]] = (header, claim, authorizer_context, path_parameter, network, every)
"""What makes a key function, and is none itself."""
