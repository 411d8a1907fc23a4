"""`edge_cache(...)`: a shared HTTP cache, as CloudFront is in front of API Gateway.

RFC 9111, with stale-while-revalidate and stale-if-error (RFC 5861), CDN-Cache-Control (RFC 9213) and Cache-Status
(RFC 9211). The rules are those of `core.caching`; here they meet a store and what is behind.

Rules
* A response says itself whether it may be kept. What says nothing is kept for a tenth of its age, or `default_ttl`.
* A response to a request that says who asks (Authorization, Cookie, an API key, a client certificate, an identity that
  a policy before this one proved) is kept only if that is in the key, or the response says that it is for all. One that
  sets a cookie is never kept.
* Requests with a body, with another method than GET and HEAD, or with a header by which frameworks take another host,
  path or method for asked, pass by, unless that header is in the key.
* One call for all who miss the same response. What the client asks of caches (Cache-Control, Pragma) does not count,
  unless `obey_client` is set: any client could have the cache emptied.
* A method that changes something drops what is kept of its address. Without its store, the cache lets everything pass.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gatewaykit.core.caching.cache_key import STEERING, CacheKey, primary_key
from gatewaykit.core.caching.caller import unkeyed_caller
from gatewaykit.core.caching.directives import MOST_S
from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.freshness import Lifetimes
from gatewaykit.core.caching.serving import Terms, fresh_for_s, is_acceptable, served, told_of
from gatewaykit.core.caching.variants import selecting, variant_of
from gatewaykit.core.expiring import Expiring
from gatewaykit.core.http import Response
from gatewaykit.errors import ConfigError, Problem, StoreError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.fetching import Fetching, Place
from gatewaykit.policies.flight import Flights
from gatewaykit.policies.option_reading import Options
from gatewaykit.policies.unawaited import Unawaited
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request
    from gatewaykit.ports import Answer, Behind, CacheSpace, CacheStore, Hook, Runtime

__all__ = ["BoundEdgeCache", "EdgeCache", "edge_cache"]

_LOG: Final = logging.getLogger("gatewaykit")
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_MOST_HINTS: Final = 10_000
_HINT_S: Final = 3600.0
_VERBS: Final = ("shared", "space", "aclose")
_PASSES: Final = {
    "method": "its method is neither GET nor HEAD",
    "body": "it has a body",
    "header": "a header asks for another host, path or method",
    "store": "the store does not answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCache(Policy):
    """A shared cache; made by `edge_cache`."""

    phase = "cache"

    name: str
    key: CacheKey
    forwards_cookies: bool
    bounds: Lifetimes
    terms: Terms
    max_body_bytes: int
    stream: bool
    max_waiting: int
    wait_s: float
    obey_client: bool
    cache_status: bool
    store: CacheStore | str
    spaces: list[CacheSpace] = field(default_factory=list, compare=False, repr=False)

    def bind(self, runtime: Runtime) -> Policy:
        store = self.store
        if isinstance(store, str):
            if runtime.open_cache is None:
                raise ConfigError(Problem(where="edge_cache.kept_in", what="this runtime has no store of responses"))
            store = runtime.open_cache(store)
        space = store.space(f"edge:{self.name}")
        if space not in self.spaces:
            self.spaces.append(space)
        return BoundEdgeCache(self, store, space, runtime)

    async def purge(self, *, prefix: str | None = None, tag: str | None = None) -> int:
        """Forget what begins with `host/path…`, or has this tag (Surrogate-Key, Cache-Tag). How many these were."""
        many = 0
        for space in self.spaces:
            purged = space.purge(prefix=prefix, tag=tag)
            many += purged if isinstance(purged, int) else await purged
        return many

    async def flush(self) -> None:
        """Forget everything."""
        for space in self.spaces:
            if (flushed := space.flush()) is not None:
                await flushed


def edge_cache(
    *,
    name: str = "edge",
    query: Sequence[str] | None = None,
    headers: Sequence[str] = (),
    cookies: Sequence[str] | None = None,
    min_ttl: str | float = 0,
    max_ttl: str | float = "365d",
    default_ttl: str | float | None = None,
    stale_while_revalidate: str | float = 0,
    stale_if_error: str | float = 0,
    keep_stale: str | float = "1h",
    max_object_bytes: int = 10 * 1024 * 1024,
    waiters: str = "stream",
    max_waiting: int = 10_000,
    wait: str | float = "30s",
    obey_client: bool = False,
    cache_status: bool = True,
    kept_in: str | CacheStore = "",
) -> EdgeCache:
    """Keep responses as RFC 9111 lets a shared cache, and answer from them.

    The key is the host, the path and the query. With `query`, only the parameters named count, and only they go on to
    what is behind; so it is with `cookies` (none of them: `()`). Without `cookies` all go on, and a response to a
    request that has some is kept only if it says that it is for all. `headers` are in the key as well.

    `min_ttl` and `max_ttl` bound what responses say; `default_ttl` is for those that say nothing.
    `stale_while_revalidate` and `stale_if_error` hold where a response does not say them itself. What can be validated
    is kept for `keep_stale` after it was fresh. Bodies over `max_object_bytes` are not kept.

    Who misses what is being fetched gets it as it comes (`waiters="stream"`) or whole (`"wait"`): `max_waiting` at
    most, each for `wait`; the others fetch for themselves.

    `kept_in` says where: `"memory://?size=64MB"` (this process), `"redis://…"`, or a `gatewaykit.ports.CacheStore`;
    empty, it is where limits are kept. `name` keeps two caches in one store apart. `cache_status=False` leaves the
    field Cache-Status away.

    >>> from gatewaykit import edge_cache
    >>> pages = edge_cache(query=["page"], cookies=(), default_ttl="30s")
    """
    options = Options("edge_cache")
    bounds = Lifetimes(
        min_s=options.seconds("min_ttl", min_ttl),
        max_s=min(options.seconds("max_ttl", max_ttl), float(MOST_S)),
        default_s=None if default_ttl is None else options.seconds("default_ttl", default_ttl),
    )
    if bounds.min_s > bounds.max_s:
        options.problem("min_ttl", f"{min_ttl!r} is longer than max_ttl, {max_ttl!r}")
    for option, number, least in (("max_object_bytes", max_object_bytes, 0), ("max_waiting", max_waiting, 1)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            options.problem(option, f"{number!r:.60} is not a whole number, {least} or more")
    if waiters not in ("stream", "wait"):
        options.problem("waiters", f"{waiters!r:.60} is neither 'stream' nor 'wait'")
    if not isinstance(kept_in, str) and not all(hasattr(kept_in, verb) for verb in _VERBS):
        options.problem("kept_in", f"{kept_in!r:.60} is no store of responses")
    made = EdgeCache(
        name=options.text("name", name),
        key=CacheKey(
            query=None if query is None else frozenset(options.texts("query", query)),
            headers=options.headers("headers", headers),
            cookies=() if cookies is None else options.texts("cookies", cookies),
        ),
        forwards_cookies=cookies is None,
        bounds=bounds,
        terms=Terms(
            while_revalidate_s=options.seconds("stale_while_revalidate", stale_while_revalidate),
            if_error_s=options.seconds("stale_if_error", stale_if_error),
            keep_stale_s=options.seconds("keep_stale", keep_stale),
        ),
        max_body_bytes=max_object_bytes,
        stream=waiters == "stream",
        max_waiting=max_waiting,
        wait_s=options.seconds("wait", wait, zero=False),
        obey_client=options.flag("obey_client", obey_client),
        cache_status=options.flag("cache_status", cache_status),
        store=kept_in,
    )
    options.check()
    return made


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
        response = await self._flights.fetch(flight, fetching.call, fetching.settle, asker=request, whole=whole)
        if response is None:  # another variant was under way
            place = self._place(request)
            fetching = self._fetching(request, behind, place, None)
            again = (place.key, variant_of(place.declared), place.variant, fetching.span)
            response = await self._flights.fetch(again, fetching.call, fetching.settle, asker=request, whole=whole)
            if response is None:
                response = await fetching.call()
        return self._labelled(request, fetching.fitted(response), how + fetching.outcome())

    def _refresh(self, request: Request, behind: Behind, place: Place, stale: Entry) -> None:
        """Fetch anew for those who come later; nobody waits for it."""
        fetching = self._fetching(request.detached(), behind, place, stale)
        flight = (place.key, variant_of(place.declared), place.names and place.variant, b"")
        if self._flights.is_under_way(flight):
            return

        async def refresh() -> None:
            response = await self._flights.fetch(flight, fetching.call, fetching.settle, whole=True)
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
        parts = urlsplit(value.decode("latin-1"))
    except ValueError:
        return None
    if parts.netloc and parts.netloc.lower() != host.decode("latin-1").lower():
        return None
    path = parts.path
    if not path.startswith("/"):
        path = base.decode("latin-1").rpartition("/")[0] + "/" + path
    return path.encode("latin-1"), parts.query.encode("latin-1")


def _parsed(query_string: bytes) -> dict[str, list[str]]:
    from gatewaykit.core.http import parse_query

    return parse_query(query_string)
