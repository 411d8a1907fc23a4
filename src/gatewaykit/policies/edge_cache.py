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

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gatewaykit.core.caching.cache_key import CacheKey
from gatewaykit.core.caching.directives import MOST_S
from gatewaykit.core.caching.freshness import Lifetimes
from gatewaykit.core.caching.serving import Terms
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.edge_lookup import BoundEdgeCache
from gatewaykit.policies.option_reading import Options
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.ports import CacheSpace, CacheStore, Runtime

__all__ = ["EdgeCache", "edge_cache"]

_VERBS: Final = ("shared", "space", "aclose")


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
