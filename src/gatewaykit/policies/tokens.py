"""What policies for signed tokens share: read the token, have keys, verify; and know a token that was seen before.

A token that held is kept by the digest of the value it came in, with what it proved, until it expires or the keys of
its issuer change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

from gatewaykit.core.http import Identity, Request, header_values
from gatewaykit.core.identity.bearer import bearer_token
from gatewaykit.core.identity.jwt.claims import Rejected
from gatewaykit.core.identity.jwt.verifying import Verified, Verifier
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.identity.jwt.keys import KeySet
    from gatewaykit.core.identity.token_source import TokenSource
    from gatewaykit.ports import Runtime
    from gatewaykit.upstream.jwks import KeySource

__all__ = ["TokenUse", "Trust", "token_checking"]

Trust: TypeAlias = tuple["KeySource", Verifier]
"""An issuer: where its keys come from, and what is asked of its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """How a policy uses tokens. `trust` chooses whose keys a token is for; `identify` says what a good one proves."""

    source: TokenSource
    bare: bool  # a value without the scheme Bearer counts too
    trust: Callable[[bytes], Trust | Rejected]
    identify: Callable[[Verified], Identity | Rejected]
    answer: Callable[[Rejected], Refusal]
    most_kept: int


Answer: TypeAlias = Request | Refusal


def token_checking(use: TokenUse, runtime: Runtime) -> Callable[[Request], Answer | Awaitable[Answer]]:
    """The hook that lets good tokens through, and sets `request.identity`."""
    trust, identify, answer, bare = use.trust, use.identify, use.answer, use.bare
    header, query = use.source.header, use.source.query
    sent_twice = Rejected(Reason.MALFORMED_REQUEST, f"the {use.source} was sent more than once")
    wall, monotonic, most_kept = runtime.clock.wall, runtime.clock.monotonic, use.most_kept
    kept: dict[bytes, tuple[Identity, float, KeySource, KeySet]] = {}

    def on_request(request: Request) -> Answer | Awaitable[Answer]:
        if header:
            headers = request.headers
            value = headers.get(header)
            if len(fields := request.header_list) != len(headers) and len(header_values(fields, header)) > 1:
                return refuse(request, sent_twice)
        else:
            values = request.query.get(query, ())
            if len(values) > 1:
                return refuse(request, sent_twice)
            value = values[0].encode("utf-8", "surrogatepass") if values else None
        digest = sha256(value).digest() if value and most_kept else b""
        if (entry := kept.get(digest)) is not None and request.events is None:
            identity, expires_s, source, keys = entry
            if wall() < expires_s and source.keys is keys and monotonic() < source.settled_s:
                request.identity = identity
                return request
        token = value[7:] if value and value.startswith(b"Bearer ") and value[7:8] > b" " else _token(value, bare)
        if isinstance(token, Rejected):
            return refuse(request, token)
        if request.events is not None:
            request.note("credential", f"a token in {use.source}, ending in …{token[-4:].decode('latin-1')}")
        chosen = trust(token)
        if isinstance(chosen, Rejected):
            return refuse(request, chosen)
        source, verifier = chosen
        waiting = None if monotonic() < source.settled_s else source.prepare()
        if waiting is None and (known := source.keys) is not None:
            result = verifier.verify(token, known, wall())
            if (
                not isinstance(result, Rejected)
                or not result.elsewhere
                or (waiting := source.prepare_unknown()) is None
            ):
                return finish(request, digest, source, known, result)
            return later(request, digest, token, chosen, waiting, unknown=True)
        return later(request, digest, token, chosen, waiting, unknown=False)

    async def later(
        request: Request, digest: bytes, token: bytes, chosen: Trust, waiting: Awaitable[str] | None, *, unknown: bool
    ) -> Answer:
        """`unknown`: what is waited for are other keys than those at hand, which do not know the token's."""
        source, verifier = chosen
        problem = "" if waiting is None else await waiting
        while (keys := source.keys) is not None and not (unknown and problem):
            result = verifier.verify(token, keys, wall())
            if (
                not isinstance(result, Rejected)
                or not result.elsewhere
                or (waiting := source.prepare_unknown()) is None
            ):
                return finish(request, digest, source, keys, result)
            unknown, problem = True, await waiting
        return refuse(request, Rejected(Reason.ISSUER_UNREACHABLE, problem))

    def finish(request: Request, digest: bytes, source: KeySource, keys: KeySet, result: Verified | Rejected) -> Answer:
        if isinstance(result, Rejected):
            return refuse(request, result)
        identity = identify(result)
        if isinstance(identity, Rejected):
            return refuse(request, identity)
        if digest:
            while len(kept) >= most_kept:
                del kept[next(iter(kept))]
            kept[digest] = (identity, result[2], source, keys)
        request.identity = identity
        if request.events is not None:
            request.note("authorization", f"the token of {identity.principal} holds")
        return request

    def refuse(request: Request, rejected: Rejected) -> Refusal:
        request.note("authorization", rejected.detail)
        return answer(rejected)

    return on_request


def _token(value: bytes | None, bare: bool) -> bytes | Rejected:
    token = bearer_token(None if value is None else value.decode("latin-1"), bare=bare)
    return Rejected(token.reason, token.detail) if isinstance(token, Refusal) else token.encode("latin-1")
