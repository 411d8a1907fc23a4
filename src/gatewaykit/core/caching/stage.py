"""API Gateway's stage cache: its settings, its keys, and what it keeps.

Developer guide, "Cache settings for REST APIs"; reference 05 section 1; recorded rows 119 to 121.

Rules
* The key is the namespace and the values of the declared parameters, and nothing else. A parameter that a request has
  not is a value of its own. A namespace that is not given is the resource and the verb; methods of one namespace share
  their entries.
* Kept is a response of the integration with a status of 2xx, after mapping, of at most 1 MiB. What it says of caching
  does not count.
* `Cache-Control: max-age=0` asks for a new response in the place of the old one, where the caller may.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

from gatewaykit.core.caching.directives import parse_directives, seconds
from gatewaykit.core.http import header_values

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = [
    "DEFAULT_TTL_S", "LARGEST_BODY", "MAY_INVALIDATE", "MOST_TTL_S", "STRATEGIES", "CacheSettings", "Part",
    "compile_part", "settings_of", "stage_key", "wants_new",
]  # fmt: skip

DEFAULT_TTL_S: Final = 300
MOST_TTL_S: Final = 3600
LARGEST_BODY: Final = 1_048_576

STRATEGIES: Final = ("FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER")

MAY_INVALIDATE: Final = "may invalidate"
"""Where a policy that proves who asks says in `Request.kept` whether they may have a response made anew."""

_METHOD: Final = re.compile(
    r"method\.request\.(?P<place>path|querystring|multivaluequerystring|header|multivalueheader)\."
    r"(?P<name>[a-zA-Z0-9._$-]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """The cache settings of a method, by AWS's names. `own` says that they are of this method, not of all."""

    caching_enabled: bool = True
    cache_ttl_in_seconds: int = DEFAULT_TTL_S
    cache_data_encrypted: bool = False
    require_authorization_for_cache_control: bool = True
    unauthorized_cache_control_header_strategy: Literal[
        "FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"
    ] = "SUCCEED_WITH_RESPONSE_HEADER"
    own: bool = False

    def holds_for(self, verb: str) -> bool:
        """Settings of all methods hold for GET only; another verb is cached where its own settings say so."""
        return self.caching_enabled and self.cache_ttl_in_seconds > 0 and (self.own or verb == "GET")


@dataclass(frozen=True, slots=True)
class Part:
    """One parameter of a key. `header` is the header that it is, in lower case, if it is one."""

    name: str
    read: Callable[[Request], Sequence[str] | None]
    header: bytes = b""


def compile_part(name: str) -> Part | None:
    """A parameter of the request by its name, such as `method.request.querystring.page`; None where it is none."""
    match = _METHOD.fullmatch(name)
    if match is None:
        return None
    place, wanted = match["place"], match["name"]
    if place == "path":
        return Part(name, lambda request: _listed(request.path_parameters.get(wanted)))
    if place.endswith("querystring"):
        if place.startswith("multi"):
            return Part(name, lambda request: request.query.get(wanted))
        return Part(name, lambda request: _last(request.query.get(wanted)))
    header = wanted.lower().encode()
    if place.startswith("multi"):
        return Part(name, lambda request: _decoded(header_values(request.header_list, header)), header)
    return Part(name, lambda request: _listed_bytes(request.headers.get(header)), header)


def stage_key(namespace: str, parts: Sequence[Part], request: Request) -> bytes:
    """The key of a request's response. No two different lists of values have the same."""
    digest = blake2b(namespace.encode("utf-8", "surrogatepass"), digest_size=16)
    for part in parts:
        values = part.read(request)
        if values is None:
            digest.update(b"-")
            continue
        digest.update(b"+%d" % len(values))
        for value in values:
            text = value.encode("utf-8", "surrogatepass")
            digest.update(b":%d:" % len(text))
            digest.update(text)
    return digest.digest()


def wants_new(request: Request) -> bool:
    """Does the client ask for a new response? Of all directives only `max-age=0` counts."""
    if b"cache-control" not in request.headers:
        return False
    return seconds(parse_directives(header_values(request.header_list, b"cache-control")), "max-age") == 0


def settings_of(settings: Mapping[str, CacheSettings], method: str) -> CacheSettings | None:
    """The settings of a method, by `"GET /pets"`; those of `*/*` where it has none of its own."""
    return settings.get(method) or settings.get("*/*")


def _listed(value: str | None) -> list[str] | None:
    return None if value is None else [value]


def _last(values: Sequence[str] | None) -> Sequence[str] | None:
    return values[-1:] if values else None


def _listed_bytes(value: bytes | None) -> list[str] | None:
    return None if value is None else [value.decode("latin-1")]


def _decoded(values: list[bytes]) -> list[str] | None:
    return [value.decode("latin-1") for value in values] if values else None
