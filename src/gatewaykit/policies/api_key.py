"""`api_key(...)`: only callers with a known, enabled API key come through.

Developer guide, "Choose an API key source": the key is read from the header `X-API-Key`, or is what the authorizer gave
as `usageIdentifierKey`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
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
        return Bound("api_key", on_request=_checking(self.table, self.source, self.header))


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
    if not isinstance(keys, Iterable):
        what, mend = f"{keys!r} holds no keys", "Write a mapping from names to values, or a list of ApiKey"
        raise ConfigError(Problem(where="api_key.keys", what=what, mend=mend))
    table = compile_keys(keys)
    problems = [] if isinstance(table, KeyTable) else list(table)
    if isinstance(table, KeyTable) and not table.keys:
        problems.append(Problem(where="api_key.keys", what="no keys", why="every request would be refused"))
    if source not in _SOURCES:
        near = near_miss(str(source), _SOURCES)
        problems.append(
            Problem(where="api_key.source", what=f"{source!r} is neither 'header' nor 'authorizer'", near=near)
        )
    if (
        not isinstance(header, str)
        or not header
        or not header.isascii()
        or any(character in header for character in " \t\r\n:,;")
    ):
        problems.append(Problem(where="api_key.header", what=f"{header!r} is no header name"))
    if problems or not isinstance(table, KeyTable):
        raise ConfigError(problems)
    return ApiKeyPolicy(table=table, source=source, header=header.lower())


def _checking(table: KeyTable, source: str, header: str) -> Callable[[Request], Request | Refusal]:
    name = header.encode() if source == "header" else b""
    place = f"header {header}" if name else f"{USAGE_IDENTIFIER_KEY} of the authorizer"
    missing = f"this method needs an API key ({place})"
    find = table.find
    callers = {
        key.id: Identity(principal=key.name, kind="api_key", key_id=key.id, key_name=key.name) for key in table.keys
    }
    # The keys that nothing can be said against are found here, without another call; `find` answers for all others.
    plain = {
        digest: (digest, key, callers[key.id])
        for digest, key in table.entries.values()
        if key.enabled and key.stages is None
    }
    nobody = (bytes(32), None, None)

    def on_request(request: Request) -> Request | Refusal:
        raw = request.headers.get(name) if name else _from_authorizer(request)
        if not raw:
            return Refusal(Reason.API_KEY_MISSING, missing)
        digest = sha256(raw).digest()
        expected, key, caller = plain.get(digest, nobody)
        if key is None or not compare_digest(digest, expected):
            found = find(digest, request.stage)
            if isinstance(found, Refusal):
                return found
            key, caller = found, callers[found.id]
        request.api_key = key
        if request.identity is None:
            request.identity = caller
        else:
            request.identity = replace(request.identity, key_id=key.id, key_name=key.name)
        return request

    return on_request


def _from_authorizer(request: Request) -> bytes | None:
    caller = request.identity
    value = None if caller is None else caller.claims.get(USAGE_IDENTIFIER_KEY)
    return value.encode("utf-8", "replace") if isinstance(value, str) else None
