"""The hooks of `stage_cache`: what is looked up, served, fetched and kept."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gatewaykit.core.caching.cache_key import STEERING
from gatewaykit.core.caching.caller import unkeyed_caller
from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.freshness import response_directives
from gatewaykit.core.caching.serving import told_of
from gatewaykit.core.caching.stage import (
    LARGEST_BODY,
    MAY_INVALIDATE,
    stage_key,
    wants_new,
)
from gatewaykit.core.caching.storing import can_be_sent, is_endless, is_for_one, is_whole, kept_headers
from gatewaykit.core.caching.variants import vary_names
from gatewaykit.core.http import Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import StoreError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.claiming import claimed
from gatewaykit.policies.flight import APART, Flights, Plan

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.policies.stage_cache import StageCache
    from gatewaykit.ports import Answer, Behind, CacheSpace, CacheStore, Hook, Runtime

__all__ = ["BoundStageCache"]

_LOG: Final = logging.getLogger("gatewaykit")
_MOST_WAITING: Final = 10_000
_WAIT_S: Final = 29.0  # as long as an integration may take
_STEERING: Final = frozenset(STEERING)
_WARNING: Final = (b"warning", b'199 gatewaykit "Cache-Control was ignored: the caller may not invalidate the cache"')


class BoundStageCache(Bound):
    """The hooks of a `stage_cache`."""

    def __init__(self, config: StageCache, store: CacheStore, space: CacheSpace, runtime: Runtime) -> None:
        super().__init__("stage_cache", on_request=self._told, reads_body=config.needs_body)
        self._config, self._store, self._space, self._clock = config, store, space, runtime.clock
        self._web = runtime.profile == "web"
        self._entropy = runtime.entropy
        self._headers = frozenset(part.header for part in config.parts if part.header)
        self._flights = Flights(
            runtime.clock, limit_bytes=LARGEST_BODY, max_waiting=_MOST_WAITING, wait_s=_WAIT_S
        )  # fmt: skip
        self._log_at_s = 0.0
        self.around = self._around
        self.phase, self.cache_name, self.space = config.phase, f"stage:{config.name}", space

    async def aclose(self) -> None:
        await self._flights.aclose()
        await self._store.aclose()

    def _around(self, behind: Behind) -> Hook:
        def on_request(request: Request) -> Answer | Awaitable[Answer]:
            if (why := self._passes(request)) is not None:
                request.note("cache", f"{self.cache_name}: passes by: {why}")
                return request
            key = self._key(request)
            refused = False
            if wants_new(request):
                if self._may_invalidate(request):
                    return self._fetch(request, behind, key, "made anew, as the client asked")
                if self._config.strategy == "FAIL_WITH_403":
                    return Refusal(Reason.CACHE_INVALIDATION_DENIED, "may not execute-api:InvalidateCache")
                refused = self._config.strategy == "SUCCEED_WITH_RESPONSE_HEADER"
            try:
                found = self._space.get(key)
                if isinstance(found, Awaitable):
                    return self._found_later(request, behind, key, refused, found)
            except StoreError as error:
                return self._without(request, error)
            entry = found[0]
            response = None if entry is None else self._opened(request, key, entry)
            if response is None:
                return self._warned(refused, self._fetch(request, behind, key, "a miss"))
            if refused:
                response.headers.append(_WARNING)
            return response

        return on_request

    def _told(self, request: Request) -> Answer | Awaitable[Answer]:
        """Where somebody only asks: what the cache would do, as far as the request says it."""
        why = self._passes(request)
        if why is not None:
            request.note("cache", f"{self.cache_name}: passes by: {why}")
            return request
        return self._tell(request)

    async def _tell(self, request: Request) -> Answer:
        names = ", ".join(part.name for part in self._config.parts) or "no parameters"
        name = f"{self.cache_name}, by {names}"
        key = self._key(request)
        try:
            looking = self._space.get(key)
            entry = (await looking if isinstance(looking, Awaitable) else looking)[0]
        except StoreError as error:
            request.note("cache", f"{name}: passes by: {error}")
            return request
        if entry is not None and (seal := self._config.seal) is not None:
            entry = seal.opened(entry, key)
        request.note("cache", f"{name}: {'not kept' if entry is None else told_of(entry, self._clock.wall())}")
        caller = self._web and unkeyed_caller(request, self._headers, cookies=False)
        if caller:
            request.note(
                "cache", f"{name}: it came with {caller}: a response is kept only if it says that it is public"
            )
        return request

    def _passes(self, request: Request) -> str | None:
        """Why a request passes by; None where it does not."""
        config = self._config
        if request.kind != "http" or request.method not in config.methods:
            return f"{request.method} is not cached"
        headers = request.headers
        if not config.needs_body and (headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers):
            return "it has a body"
        if self._web and not _STEERING.isdisjoint(headers):
            return "a header asks for another host, path or method"
        return None

    def _key(self, request: Request) -> bytes:
        config = self._config
        namespace = config.namespace or f"{request.method} {request.resource}"
        if self._web:
            asked = request.wire_path + b"?" + request.query_string
            namespace = f"{namespace} {request.headers.get(b'host', b'').lower()!r} {asked!r}"
        return stage_key(namespace, config.parts, request)

    def _may_invalidate(self, request: Request) -> bool:
        config = self._config
        if not config.require_authorization:
            return True
        if config.may_invalidate is not None:
            return config.may_invalidate(request) is True
        return request.kept is not None and request.kept.get(MAY_INVALIDATE) is True

    async def _found_later(
        self, request: Request, behind: Behind, key: bytes, refused: bool, looking: Awaitable[Sequence[Entry | None]]
    ) -> Answer:
        try:
            entry = (await looking)[0]
        except StoreError as error:
            return self._without(request, error)
        response = None if entry is None else self._opened(request, key, entry)
        if response is None:
            response = await self._fetch(request, behind, key, "a miss")
        if refused:
            response.headers.append(_WARNING)
        return response

    async def _warned(self, refused: bool, fetching: Awaitable[Response]) -> Response:
        response = await fetching
        if refused:
            response.headers.append(_WARNING)
        return response

    def _without(self, request: Request, error: StoreError) -> Request:
        self._failed(error)
        request.note("cache", f"{self.cache_name}: passes by: the store of responses does not answer")
        return request

    def _failed(self, error: StoreError) -> None:
        if (now_s := self._clock.monotonic()) >= self._log_at_s:
            self._log_at_s = now_s + 10
            _LOG.warning("stage_cache: the store of responses fails: %s", error)

    def _opened(self, request: Request, key: bytes, entry: Entry) -> Response | None:
        """The response of an entry; None where it cannot be read."""
        left_s = entry.fresh_s - (self._clock.wall() - entry.stored_s)
        if not 0 < left_s <= entry.fresh_s + 60:  # it is over, or the clock was set back
            return None
        if (seal := self._config.seal) is not None:
            opened = seal.opened(entry, key)
            if opened is None:
                _LOG.warning("stage_cache: an entry cannot be decrypted: another key, or it was changed")
                return None
            entry = opened
        request.note("cache", f"{self.cache_name}: a hit, for {left_s:.0f} s still")
        headers = [*entry.headers]
        if self._web:
            headers.append((b"cache-status", b"gatewaykit; hit; ttl=%d" % left_s))
        return Response(entry.status, headers, entry.body)

    # ------------------------------------------------------------------------------------------------- a miss

    async def _fetch(self, request: Request, behind: Behind, key: bytes, why: str) -> Response:
        claim = 0
        plan: Plan | None = None

        async def look() -> Response | None:
            found = self._space.get(key, again=True)
            entry = (await found if isinstance(found, Awaitable) else found)[0]
            return None if entry is None else self._opened(request, key, entry)

        async def call() -> Response:
            nonlocal claim, plan
            if self._store.shared and why == "a miss":
                claim, elsewhere = await claimed(
                    self._space, key, look, hold_s=_WAIT_S, wait_s=_WAIT_S, clock=self._clock
                )
                if elsewhere is not None:
                    plan = Plan(shared=True)
                    return elsewhere
            else:
                claim = await self._claim(key)
            origin = request.detached()
            response = await behind(origin)
            plan = self._planned(request, origin, response, key, lambda: claim)
            if plan.done is None:
                await self._released(key, claim)
            return response

        async def alone() -> Response:
            origin = request.detached()
            response = await behind(origin)
            unkept = self._unkept(request, origin, response) or "it was fetched for this request only"
            request.note("cache", f"{self.cache_name}: not kept: {unkept}")
            return response

        def settle(response: Response) -> Plan:
            assert plan is not None  # the call is over
            return plan

        flight = (key, why)
        request.note("cache", f"{self.cache_name}: {why}")
        response = await self._flights.fetch(flight, call, settle, alone=alone)
        assert response is not None  # it fits everybody: what is asked for is in the key
        if self._web:
            stored = b"; stored" if plan is not None and plan.done is not None else b""
            response.headers.append((b"cache-status", b"gatewaykit; fwd=uri-miss" + stored))
        return response

    def _planned(
        self, request: Request, origin: Request, response: Response, key: bytes, claim: Callable[[], int]
    ) -> Plan:
        if (unkept := self._unkept(request, origin, response)) is not None:
            request.note("cache", f"{self.cache_name}: not kept: {unkept}")
            caller = self._web and unkeyed_caller(request, self._headers, cookies=False)
            told_apart = caller or is_for_one(response.headers, response_directives(response.headers)[0])
            return Plan(shared=True) if response.status >= 500 and not told_apart else APART
        headers = kept_headers(response.headers, {})
        entry = Entry(response.status, headers, b"", self._clock.wall(), self._config.ttl_s)

        async def done(body: bytes) -> None:
            if request.method != "HEAD" and not is_whole(response.headers, body):
                await self._released(key, claim())
                return
            kept = replace(entry, body=body)
            if (seal := self._config.seal) is not None:
                kept = seal.sealed(kept, key, self._entropy(12))
            try:
                put = self._space.put(key, kept, self._config.ttl_s, claim=claim())
                if not (put if isinstance(put, bool) else await put):
                    await self._released(key, claim())
            except StoreError as error:
                self._failed(error)

        return Plan(shared=True, done=done, lost=lambda: self._released(key, claim()))

    def _unkept(self, request: Request, origin: Request, response: Response) -> str | None:
        if origin.refusal is not None or not 200 <= response.status < 300 or response.status == 206:
            return f"the status is {response.status}"
        if not can_be_sent(response.headers):
            return "a header field holds CR, LF or NUL"
        if is_endless(response.headers):
            return "an event stream has no end"
        if not self._web:
            return None
        directives, _ = response_directives(response.headers)
        for said in ("no-store", "private"):
            if said in directives:
                return f"the response says {said}"
        if any(name.lower() == b"set-cookie" for name, _ in response.headers):
            return "the response sets a cookie"
        if unkeyed := [name for name in vary_names(response.headers) if name not in self._headers]:
            return f"the response varies by {unkeyed[0].decode('latin-1')}, which is not in the key"
        caller = unkeyed_caller(request, self._headers, cookies=False)
        if caller and "public" not in directives:
            return f"the request came with {caller}, and the response does not say that it is public"
        return None

    async def _claim(self, key: bytes) -> int:
        try:
            given = self._space.claim(key, _WAIT_S)
            return given if isinstance(given, int) else await given
        except StoreError as error:
            self._failed(error)
            return 0

    async def _released(self, key: bytes, claim: int) -> None:
        try:
            released = self._space.release(key, claim)
            if released is not None:
                await released
        except StoreError as error:
            self._failed(error)
