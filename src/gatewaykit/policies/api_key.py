"""`api_key(...)`: only callers with a known, enabled API key come through.

Developer guide, "Choose an API key source": the key is read from the header `X-API-Key`, or is what the authorizer gave
as `usageIdentifierKey`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.api_key import ApiKey, KeyTable, compile_keys
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.ports import Runtime

__all__ = ["ApiKeyPolicy", "api_key"]

USAGE_IDENTIFIER_KEY: Final = "usageIdentifierKey"
_SOURCES: Final = ("header", "authorizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyPolicy(Policy):
    """API keys; made by `api_key`."""

    phase = "api_key"

    table: KeyTable
    source: str
    header: str

    def bind(self, runtime: Runtime) -> Policy:
        read = _from_header(self.header) if self.source == "header" else _from_authorizer
        return Bound("api_key", on_request=_checking(self.table, read, self.source, self.header))


def api_key(
    keys: Mapping[str, str] | Iterable[ApiKey],
    *,
    source: Literal["header", "authorizer"] = "header",
    header: str = "x-api-key",
) -> ApiKeyPolicy:
    """Refuse requests without one of `keys` (403, with the fine reason for the operator only).

    `keys` maps names to values, or lists `ApiKey`s. Values have 16 characters or more, or are hashed already
    (`"sha256:…"`); only digests are kept. `source="authorizer"` takes the key from the claim `usageIdentifierKey` of
    the identity that an earlier policy proved. Sets `request.api_key`, and the caller's identity: an identity that is
    there already keeps its principal and gains the key.

    >>> from gatewaykit import api_key
    >>> partners = api_key({"acme": "Uo9mBo4tZt0H2gGZBZSSW8pEdCl5yTMj"})
    """
    table = compile_keys(keys)
    problems = [] if isinstance(table, KeyTable) else list(table)
    if isinstance(table, KeyTable) and not table.keys:
        problems.append(Problem(where="api_key.keys", what="no keys", why="every request would be refused"))
    if source not in _SOURCES:
        near = near_miss(str(source), _SOURCES)
        problems.append(
            Problem(where="api_key.source", what=f"{source!r} is neither 'header' nor 'authorizer'", near=near)
        )
    if not header or not header.isascii() or any(character in header for character in " \t\r\n:,;"):
        problems.append(Problem(where="api_key.header", what=f"{header!r} is no header name"))
    if problems or not isinstance(table, KeyTable):
        raise ConfigError(problems)
    return ApiKeyPolicy(table=table, source=source, header=header.lower())


def _checking(
    table: KeyTable, read: Callable[[Request], bytes | None], source: str, header: str
) -> Callable[[Request], Request | Refusal]:
    find = table.find
    identities = {
        key.id: Identity(principal=key.name, kind="api_key", key_id=key.id, key_name=key.name) for key in table.keys
    }
    place = f"header {header}" if source == "header" else f"{USAGE_IDENTIFIER_KEY} of the authorizer"
    missing = f"this method needs an API key ({place})"
    by_stage = any(key.stages is not None for key in table.keys)

    def on_request(request: Request) -> Request | Refusal:
        raw = read(request)
        if not raw:
            return Refusal(Reason.API_KEY_MISSING, missing)
        key = find(raw, request.stage if by_stage else "")
        if isinstance(key, Refusal):
            return key
        request.api_key = key
        caller = request.identity
        if caller is None:
            request.identity = identities[key.id]
        else:
            request.identity = replace(caller, key_id=key.id, key_name=key.name)
        return request

    return on_request


def _from_header(header: str) -> Callable[[Request], bytes | None]:
    name = header.encode()
    return lambda request: request.headers.get(name)


def _from_authorizer(request: Request) -> bytes | None:
    caller = request.identity
    value = None if caller is None else caller.claims.get(USAGE_IDENTIFIER_KEY)
    return value.encode("utf-8", "replace") if isinstance(value, str) else None
