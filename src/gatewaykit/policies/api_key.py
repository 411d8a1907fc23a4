"""`api_key(...)`: only callers with a known, enabled API key come through.

Developer guide, "Choose an API key source": the key is read from the header `X-API-Key`, or is what the authorizer gave
as `usageIdentifierKey`.

Keys that are given are a table that never changes; the fast path is theirs. A store of keys (a file, a database, or an
object of one's own) is asked for those that are not in it, and the same decision follows (`core.identity.api_key`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, Literal

from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.api_key import ApiKey, KeyTable, compile_keys, judge
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.ports import Answer, KeyStore, Runtime

__all__ = ["ApiKeyPolicy", "api_key", "key_policy"]

USAGE_IDENTIFIER_KEY: Final = "usageIdentifierKey"
_SOURCES: Final = ("header", "authorizer")
_STORE_VERBS: Final = ("find", "list", "put", "remove", "aclose")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyPolicy(Policy):
    """API keys; made by `api_key`."""

    phase = "api_key"

    table: KeyTable
    store: KeyStore | str | None = None  # asked for keys that are not in the table; its path or address
    source: str = "header"
    header: str = "x-api-key"

    def bind(self, runtime: Runtime) -> Policy:
        store = self.store
        if isinstance(store, str):
            if runtime.open_keys is None:
                raise ConfigError(Problem(where="api_key.keys", what=f"{store!r} cannot be opened by this runtime"))
            store = runtime.open_keys(store)
        return _Checked(self, store, runtime)


class _Checked(Bound):
    def __init__(self, config: ApiKeyPolicy, store: KeyStore | None, runtime: Runtime) -> None:
        super().__init__("api_key", on_request=_checking(config, store, runtime.clock.wall))
        self._store = store

    async def aclose(self) -> None:
        if self._store is not None:
            await self._store.aclose()


def api_key(
    keys: Mapping[str, str] | Iterable[ApiKey] | str | KeyStore,
    *,
    source: Literal["header", "authorizer"] = "header",
    header: str = "x-api-key",
) -> ApiKeyPolicy:
    """Refuse requests without one of `keys` (403, with the fine reason for the operator only).

    `keys` maps names to values, or lists `ApiKey`s. Values have 16 characters or more, or are hashed already
    (`"sha256:…"`); only digests are kept. It may also say where keys are kept: the path of a JSON or YAML file
    (`"keys.json"`), the address of a SQLite database (`"sqlite:///keys.db"`), or a `gatewaykit.ports.KeyStore`. Changes
    there hold within two seconds. `source="authorizer"` takes the key from the claim `usageIdentifierKey` of
    the identity that an earlier policy proved. Sets `request.api_key`, and the caller's identity: an identity that is
    there already keeps its principal and gains the key.

    >>> from gatewaykit import api_key
    >>> partners = api_key({"acme": "Uo9mBo4tZt0H2gGZBZSSW8pEdCl5yTMj"})
    """
    problems: list[Problem] = []
    table = KeyTable(())
    store: Any = None
    if isinstance(keys, str) or all(hasattr(keys, verb) for verb in _STORE_VERBS):
        store = keys
    elif isinstance(keys, Iterable):
        found = compile_keys(keys)
        if isinstance(found, tuple):
            problems += found
        else:
            table = found
            if not table.keys:
                problems.append(Problem(where="api_key.keys", what="no keys", why="every request would be refused"))
    else:
        what, mend = f"{keys!r} holds no keys", "Write a mapping from names to values, or a list of ApiKey"
        problems.append(Problem(where="api_key.keys", what=what, mend=mend))
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
    if problems:
        raise ConfigError(problems)
    return ApiKeyPolicy(table=table, store=store, source=source, header=header.lower())


def key_policy(keys: Sequence[ApiKey], store: KeyStore | str | None, **options: Any) -> ApiKeyPolicy:
    """`api_key` for keys that are given and a store besides, which is asked for what is not among them."""
    if store is None:
        return api_key(keys, **options)
    given = api_key(keys, **options).table if keys else KeyTable(())
    return replace(api_key(store, **options), table=given)


def _checking(
    config: ApiKeyPolicy, store: KeyStore | None, wall: Callable[[], float]
) -> Callable[[Request], Answer | Awaitable[Answer]]:
    name = config.header.encode() if config.source == "header" else b""
    place = f"header {config.header}" if name else f"{USAGE_IDENTIFIER_KEY} of the authorizer"
    missing = f"this method needs an API key ({place})"
    kept = config.table.by_digest.get
    # The keys that nothing can be said against are found here, without another call; `judge` answers for all others.
    plain = {
        bytes.fromhex(key.value[-64:]): (bytes.fromhex(key.value[-64:]), key, _caller(key))
        for key in config.table.keys
        if key.enabled and key.stages is None and key.expires_s is None
    }
    nobody = (bytes(32), None, None)

    def on_request(request: Request) -> Answer | Awaitable[Answer]:
        raw = request.headers.get(name) if name else _from_authorizer(request)
        if not raw:
            return Refusal(Reason.API_KEY_MISSING, missing)
        if request.events is not None:
            request.note("credential", f"an API key in the {place}, ending in …{raw[-4:].decode('latin-1')}")
        digest = sha256(raw).digest()
        expected, key, caller = plain.get(digest, nobody)
        if key is None or not compare_digest(digest, expected):
            found = kept(digest)
            if found is None and store is not None:
                answer: Any = store.find(digest)
                if answer is not None and not isinstance(answer, ApiKey):
                    return later(request, digest, answer)
                found = answer
            return settle(request, digest, found)
        request.api_key = key
        if request.identity is None:
            request.identity = caller
        else:
            request.identity = replace(request.identity, key_id=key.id, key_name=key.name)
        return request

    async def later(request: Request, digest: bytes, waiting: Awaitable[ApiKey | None]) -> Answer:
        return settle(request, digest, await waiting)

    def settle(request: Request, digest: bytes, found: ApiKey | None) -> Answer:
        key = judge(digest, found, request.stage, wall())
        if isinstance(key, Refusal):
            return key
        request.api_key = key
        if request.identity is None:
            request.identity = _caller(key)
        else:
            request.identity = replace(request.identity, key_id=key.id, key_name=key.name)
        return request

    return on_request


def _caller(key: ApiKey) -> Identity:
    return Identity(principal=key.name, kind="api_key", key_id=key.id, key_name=key.name)


def _from_authorizer(request: Request) -> bytes | None:
    caller = request.identity
    value = None if caller is None else caller.claims.get(USAGE_IDENTIFIER_KEY)
    return value.encode("utf-8", "replace") if isinstance(value, str) else None
