"""The short cut of a middleware that is one `edge_cache` in memory and nothing else: a hit, without a Request.

It is for what most hits are: a GET of an address whose response does not vary, without conditions, a range or a body.
Everything else goes the way of every other chain, and so does what is not kept. The messages of a hit are the same for
one second, in which neither its age nor what is left of its time changes. `tests/asgi/test_cache_lane.py` sees to it
that both ways say the same, `benchmarks/bench_cache.py` guards the speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from gatewaykit.core.caching.cache_key import primary_key
from gatewaykit.core.caching.serving import age_s, fresh_for_s
from gatewaykit.core.caching.validation import CONDITIONS

if TYPE_CHECKING:
    from gatewaykit.asgi.lanes import Lane
    from gatewaykit.asgi.types import Message, Scope, Send
    from gatewaykit.core.caching.entry import Entry
    from gatewaykit.core.http import HeaderList
    from gatewaykit.ports import Policy

__all__ = ["cache_lane"]

_ASK_FOR_MORE: Final = CONDITIONS | {b"range", b"content-length", b"transfer-encoding"}
_MOST: Final = 10_000

_Place: TypeAlias = tuple["bytes | None", bytes, bytes, str]


class _Item(Protocol):
    """An entry in its place in a store, as `stores.cache_memory` gives it."""

    entry: Entry
    until_s: float
    is_kept: bool


class _Space(Protocol):
    """A space that gives entries with their places."""

    hits: int

    def item(self, key: bytes) -> _Item | None: ...


class _Hit:
    """An entry, and its messages for this second."""

    __slots__ = ("body", "from_s", "headers", "item", "status", "until_s")

    def __init__(
        self, item: _Item, status: int, headers: HeaderList, body: Message, from_s: float, until_s: float
    ) -> None:
        self.item, self.status, self.headers, self.body = item, status, headers, body
        self.from_s, self.until_s = from_s, until_s


def cache_lane(policy: Policy) -> Lane | None:
    """For a policy that can take the short cut, what finds both messages of a hit; it says None for all else."""
    from gatewaykit.policies.edge_lookup import BoundEdgeCache

    if not isinstance(policy, BoundEdgeCache) or not hasattr(policy.space, "item"):
        return None
    config, wall, space = policy.config, policy.wall, cast("_Space", policy.space)
    if config.key.query is not None or config.key.headers or config.key.cookies:
        return None
    asked = {b"cache-control", b"pragma"} if config.obey_client else set()
    # One table to look every name up in: of those that matter here, only Host goes the short way.
    looked_at = frozenset(_ASK_FOR_MORE | policy.steering | asked | {b"host"})
    hits: dict[_Place, _Hit] = {}

    def find(scope: Scope, send: Send) -> tuple[Message, Message] | None:
        if scope["method"] != "GET":
            return None
        host = None
        for name, value in scope["headers"]:
            if name in looked_at:
                if name != b"host":
                    return None
                host = value
        try:
            place = host, scope["raw_path"], scope["query_string"], scope["scheme"]
        except KeyError:
            return None
        hit, now_s = hits.get(place), wall()
        if hit is None or not (hit.from_s <= now_s < hit.until_s and hit.item.is_kept):
            hit = make(place, now_s)
            if hit is None:
                return None
        space.hits += 1
        return {"type": "http.response.start", "status": hit.status, "headers": [*hit.headers]}, hit.body

    def make(place: _Place, now_s: float) -> _Hit | None:
        host, path, query_string, scheme = place
        hits.pop(place, None)
        if not path or b"?" in path:
            return None
        item = space.item(primary_key(config.key, scheme, host or b"", path, query_string, {}))
        if item is None or not (entry := item.entry).status or (left_s := fresh_for_s(entry, now_s)) <= 0:
            return None
        if len(hits) >= _MOST:
            hits.clear()
        headers = [*entry.headers, (b"age", b"%d" % age_s(entry, now_s))]
        if config.cache_status:
            headers.append((b"cache-status", b"gatewaykit; hit; ttl=%d" % left_s))
        if entry.status != 204:
            headers.append((b"content-length", b"%d" % len(entry.body)))
        body = {"type": "http.response.body", "body": b"" if entry.status == 204 else entry.body}
        changes_s = min(1 - (entry.age_s + now_s - entry.stored_s) % 1, left_s % 1)
        until_s = min(now_s + max(changes_s, 0.001), now_s + left_s, item.until_s)
        hits[place] = hit = _Hit(item, entry.status, headers, body, now_s, until_s)
        return hit

    return find
