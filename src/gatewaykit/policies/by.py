"""What a limit counts by: functions from a request to a key.

`by.address`, `by.api_key`, `by.identity`, `by.route` and `by.everyone` are used as they are; `by.header("X")` and
`by.claim("sub")` make one. Any other function of a request that gives a text does as well. None means that this request
has no such thing; the limit's `without_key` says what happens then.
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

__all__ = ["CHOICES", "KeyFunction", "address", "api_key", "claim", "everyone", "header", "identity", "route"]

KeyFunction: TypeAlias = "Callable[[Request], str | None]"

CHOICES: Final = (
    "by.address, by.api_key, by.identity, by.route, by.everyone, by.header('X'), by.claim('sub') "
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
