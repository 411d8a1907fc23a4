"""The hooks of `edge_cache`: what is looked up, served, fetched and forgotten."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from gatewaykit.core.caching.cache_key import STEERING, primary_key
from gatewaykit.core.caching.caller import unkeyed_caller
from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.serving import fresh_for_s, is_acceptable, served, told_of
from gatewaykit.core.caching.variants import selecting, variant_of
from gatewaykit.core.expiring import Expiring
from gatewaykit.core.http import Response
from gatewaykit.errors import StoreError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.fetching import Fetching, Place
from gatewaykit.policies.flight import Flights
from gatewaykit.policies.unawaited import Unawaited

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request
    from gatewaykit.policies.edge_cache import EdgeCache
    from gatewaykit.ports import Answer, Behind, CacheSpace, CacheStore, Hook, Runtime

__all__ = ["BoundEdgeCache"]

_LOG: Final = logging.getLogger("gatewaykit")
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_MOST_HINTS: Final = 10_000
_HINT_S: Final = 3600.0
_PASSES: Final = {
    "method": "its method is neither GET nor HEAD",
    "body": "it has a body",
    "header": "a header asks for another host, path or method",
    "store": "the store does not answer",
}


class BoundEdgeCache(Bound):
    """The hooks of an `edge_cache`, and what a short cut has to know of it."""

    def __init__(self, config: EdgeCache, store: CacheStore, space: CacheSpace, runtime: Runtime) -> None:
        super().__init__("edge_cache", on_request=self._told, on_head=self._on_head)
        self.phase, self.cache_name = config.phase, f"edge:{config.name}"
        self.config, self._store, self.space, self._clock = config, store, space, runtime.clock
        self.wall = runtime.clock.wall
        self.steering = frozenset(STEERING) - frozenset(config.key.headers)
        self._flights = Flights(
            runtime.clock, limit_bytes=config.max_body_bytes, max_waiting=config.max_waiting, wait_s=config.wait_s,
            stream=config.stream,
        )  # fmt: skip
        self._hints: Expiring[bytes, tuple[bytes, ...]] = Expiring(_MOST_HINTS)
        self._unawaited = Unawaited(f"{config.name}: what is kept could not be changed")
        self._is_plain = not config.key.headers and not config.key.cookies
        self._log_at_s = 0.0
        self.around = self._around

    async def aclose(self) -> None:
        await self._unawaited.aclose()
        await self._flights.aclose()
        await self._store.aclose()

    # ------------------------------------------------------------------------------------------------- requests

    def _around(self, behind: Behind) -> Hook:
        def on_request(request: Request) -> Answer | Awaitable[Answer]:
            why = self._passes(request)
            if why:
                return self._pass(request, why)
            place = self._place(request)
            try:
                found = self.space.get(place.key, place.variant)
                if isinstance(found, Awaitable):
                    return self._found_later(request, behind, place, found)
                return self._found(request, behind, place, found)
            except StoreError as error:
                return self._without(request, error)

        return on_request

    def _told(self, request: Request) -> Answer | Awaitable[Answer]:
        """Where somebody only asks: what the cache would do, as far as the request says it."""
        why = self._passes(request)
        if why:
            request.note("cache", f"{self.cache_name}: passes by: {_PASSES[why]}")
            return request
        return self._tell(request)

    async def _tell(self, request: Request) -> Answer:
        place, name = self._place(request), self.cache_name
        try:
            entry = await self._entry(request, place)
        except StoreError as error:
            request.note("cache", f"{name}: passes by: {error}")
            return request
        request.note("cache", f"{name}: {'not kept' if entry is None else told_of(entry, self.wall())}")
        caller = unkeyed_caller(request, self.config.key.headers, cookies=not self.config.forwards_cookies)
        if caller:
            request.note(
                "cache", f"{name}: it came with {caller}: a response is kept only if it says that it is for all"
            )
        return request

    async def _entry(self, request: Request, place: Place) -> Entry | None:
        looking = self.space.get(place.key, place.variant)
        found = await looking if isinstance(looking, Awaitable) else looking
        if (entry := found[0]) is None or entry.status:
            return entry
        variant = variant_of(place.declared, selecting(request.header_list, [name for name, _ in entry.vary]))
        looking = self.space.get(place.key, variant)
        return (await looking if isinstance(looking, Awaitable) else looking)[1]

    def _passes(self, request: Request) -> str:
        method, headers = request.method, request.headers
        if method not in ("GET", "HEAD"):
            return "method"
        if request.kind != "http" or headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            return "body"
        if not self.steering.isdisjoint(headers):
            return "header"
        return ""

    def _pass(self, request: Request, why: str) -> Request:
        if request.events is not None:
            request.note("cache", f"{self.cache_name}: passes by: {_PASSES[why]}")
        if request.kept is None:
            request.kept = {}
        request.kept[self] = why
        return request

    def _without(self, request: Request, error: StoreError) -> Request:
        self._failed(error)
        return self._pass(request, "store")

    def _failed(self, error: StoreError) -> None:
        if (now_s := self._clock.monotonic()) >= self._log_at_s:
            self._log_at_s = now_s + 10
            _LOG.warning("%s: the store of responses fails: %s", self.config.name, error)

    def _place(self, request: Request) -> Place:
        key = self.config.key
        query = {} if key.query is None else request.query
        host = request.headers.get(b"host", b"")
        primary = primary_key(key, request.scheme, host, request.wire_path, request.query_string, query)
        names = self._hints.get(primary, self._clock.monotonic())
        if names is None and self._is_plain:
            return Place(primary, (), b"", None)
        declared = key.declared(request.header_list)
        return Place(primary, declared, variant_of(declared, selecting(request.header_list, names or ())), names)

    async def _found_later(
        self, request: Request, behind: Behind, place: Place, looking: Awaitable[Sequence[Entry | None]]
    ) -> Answer:
        try:
            answer = self._found(request, behind, place, await looking)
            return await answer if isinstance(answer, Awaitable) else answer
        except StoreError as error:
            return self._without(request, error)

    def _found(
        self, request: Request, behind: Behind, place: Place, found: Sequence[Entry | None]
    ) -> Answer | Awaitable[Answer]:
        entry = found[0]
        if entry is not None and not entry.status:  # it varies, or the key has headers and cookies
            names = tuple(name for name, _ in entry.vary)
            variant = variant_of(place.declared, selecting(request.header_list, names))
            asked, place = place, Place(place.key, place.declared, variant, names)
            if asked.variant != variant:
                self._hint(place)
                looking = self.space.get(place.key, variant)
                if isinstance(looking, Awaitable):
                    return self._found_later(request, behind, place, looking)
                found = looking
            entry = found[1]
        return self._use(request, behind, place, entry)

    def _hint(self, place: Place) -> None:
        self._hints.put(place.key, place.names or (), self._clock.monotonic() + _HINT_S)

    def _use(self, request: Request, behind: Behind, place: Place, entry: Entry | None) -> Answer | Awaitable[Answer]:
        if entry is None:
            return self._fetch(request, behind, place, None, b"fwd=uri-miss")
        now_s = self.wall()
        left_s = fresh_for_s(entry, now_s)
        if self.config.obey_client and not is_acceptable(request.header_list, entry, now_s):
            return self._fetch(request, behind, place, entry, b"fwd=request")
        if left_s > 0:
            return self._serve(request, entry, b"hit; ttl=%d" % left_s, now_s)
        if left_s + self.config.terms.while_revalidating_s(entry) > 0:
            self._refresh(request, behind, place, entry)
            return self._serve(request, entry, b"hit; ttl=%d" % left_s, now_s)
        return self._fetch(request, behind, place, entry, b"fwd=stale")

    def _serve(self, request: Request, entry: Entry, how: bytes, now_s: float) -> Response:
        conditional = _is_conditional(request)
        asked = request.header_list if conditional else []
        response = served(entry, request.method, asked, now_s, conditional=conditional)
        return self._labelled(request, response, how)

    def _labelled(self, request: Request, response: Response, how: bytes) -> Response:
        if request.events is not None:
            request.note("cache", f"{self.cache_name}: {how.decode()}")
        if self.config.cache_status:
            response.headers.append((b"cache-status", b"gatewaykit; " + how))
        return response

    # ------------------------------------------------------------------------------------------------- what is behind

    async def _fetch(self, request: Request, behind: Behind, place: Place, stale: Entry | None, how: bytes) -> Response:
        fetching = self._fetching(request, behind, place, stale)
        if request.method == "HEAD":
            return self._labelled(request, await fetching.head(), how)
        whole = _is_conditional(request) or not self.config.stream
        flight = (place.key, variant_of(place.declared), place.names and place.variant, fetching.span)
        response = await self._flights.fetch(
            flight, fetching.call, fetching.settle, alone=fetching.alone, asker=request, whole=whole
        )
        if response is None:  # another variant was under way
            place = self._place(request)
            fetching = self._fetching(request, behind, place, None)
            again = (place.key, variant_of(place.declared), place.variant, fetching.span)
            response = await self._flights.fetch(
                again, fetching.call, fetching.settle, alone=fetching.alone, asker=request, whole=whole
            )
            if response is None:
                response = await fetching.alone()
        return self._labelled(request, fetching.fitted(response), how + fetching.outcome())

    def _refresh(self, request: Request, behind: Behind, place: Place, stale: Entry) -> None:
        """Fetch anew for those who come later; nobody waits for it."""
        fetching = self._fetching(request.detached(), behind, place, stale)
        flight = (place.key, variant_of(place.declared), place.names and place.variant, ())
        if self._flights.is_under_way(flight):
            return

        async def refresh() -> None:
            response = await self._flights.fetch(
                flight, fetching.call, fetching.settle, alone=fetching.alone, whole=True
            )
            if response is not None and response.close is not None:
                await response.close()

        self._unawaited.add(refresh())

    def _fetching(self, request: Request, behind: Behind, place: Place, stale: Entry | None) -> Fetching:
        config = self.config
        return Fetching(
            request, behind, place, stale, space=self.space, clock=self._clock, key=config.key, bounds=config.bounds,
            terms=config.terms, forwards_cookies=config.forwards_cookies, shared=self._store.shared,
            wait_s=config.wait_s, hint=self._hint, failed=self._failed,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------- responses

    def _on_head(self, request: Request, head: Head) -> None:
        why = None if request.kept is None else request.kept.pop(self, None)
        if why is None:
            return
        if why == "method" and request.method not in _SAFE and 200 <= head.status < 400:
            self._invalidate(request, head)
        if self.config.cache_status:
            forward = b"method" if why == "method" else b"bypass"
            head.headers.append((b"cache-status", b"gatewaykit; fwd=" + forward))

    def _invalidate(self, request: Request, head: Head) -> None:
        """Drop what is kept of the address, and of those that the response names, on the same host (section 4.4)."""
        host = request.headers.get(b"host", b"")
        own = (request.wire_path, request.query_string)
        addresses = {own} | {
            found
            for name, value in head.headers
            if name.lower() in (b"location", b"content-location")
            and (found := _on_host(value, host, own[0])) is not None
        }
        for path, query_string in addresses:
            query = {} if self.config.key.query is None else _parsed(query_string)
            key = primary_key(self.config.key, request.scheme, host, path, query_string, query)
            try:
                self._unawaited.add(self.space.drop(key))
            except StoreError as error:
                self._failed(error)


def _is_conditional(request: Request) -> bool:
    headers = request.headers
    return b"if-none-match" in headers or b"if-modified-since" in headers or b"range" in headers


def _on_host(value: bytes, host: bytes, base: bytes) -> tuple[bytes, bytes] | None:
    """Path and query of an address that a response names; None where it is on another host, or no address."""
    try:
        named = value.decode("latin-1")
        parts = urlsplit(urljoin(f"//{host.decode('latin-1')}{base.decode('latin-1')}", named))
    except ValueError:
        return None
    if parts.netloc.lower() != host.decode("latin-1").lower():
        return None
    path = parts.path or "/"
    return path.encode("latin-1"), parts.query.encode("latin-1")


def _parsed(query_string: bytes) -> dict[str, list[str]]:
    from gatewaykit.core.http import parse_query

    return parse_query(query_string)
