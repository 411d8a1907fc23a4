"""Cached responses in memory, in front of those in Redis: most hits make no round trip.

Rules
* What is found there is also kept here, for at most `NEAR_S` and within a budget of bytes.
* What one process drops, purges, flushes or replaces, the server tells all others. Only while this process listens does
  it use what it has here; when it begins to listen, it forgets all that it has. So what is gone there is served here
  for no longer than the message takes, and `SILENCE_S` where a connection died unseen.
* Claims are those of the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.ports import CacheUse
from gatewaykit.stores.cache_memory import MemoryCacheSpace, MemoryCacheStore
from gatewaykit.stores.cache_redis import RedisCacheSpace, RedisCacheStore
from gatewaykit.stores.redis_gone import Gone

if TYPE_CHECKING:
    from gatewaykit.core.caching.entry import Entry
    from gatewaykit.stores.redis_address import RedisAddress

__all__ = ["NEAR_S", "NearCacheSpace", "NearCacheStore"]

NEAR_S: Final = 10.0


class NearCacheStore:
    """A store in memory, of `size` bytes at most, in front of one on a server."""

    shared: Final = True

    def __init__(self, address: RedisAddress, *, size: int, gateway: str = "default", clock: Clock = SYSTEM) -> None:
        self._far = RedisCacheStore(address, gateway=gateway)
        self._near = MemoryCacheStore(clock, size=size)
        self._gone = Gone(address, self._far.channel, self._forget)
        self._spaces: dict[str, NearCacheSpace] = {}
        self._by_prefix: dict[bytes, MemoryCacheSpace] = {}

    def space(self, name: str) -> NearCacheSpace:
        """The responses of one cache."""
        if name not in self._spaces:
            near, far = self._near.space(name), self._far.space(name)
            self._by_prefix[far.prefix] = near
            self._spaces[name] = NearCacheSpace(near, far, self._gone)
        return self._spaces[name]

    async def aclose(self) -> None:
        """Close this loop's connections. They open again when needed."""
        self._gone.close()
        await self._far.aclose()

    def _forget(self, prefix: bytes, key: bytes | None) -> None:
        if key is not None and (space := self._by_prefix.get(prefix)) is not None:
            space.drop(key)
        elif key is None:
            for name, each in self._by_prefix.items():
                if prefix in (b"", name):
                    each.flush()


class NearCacheSpace:
    """The responses of one cache, here and on a server."""

    def __init__(self, near: MemoryCacheSpace, far: RedisCacheSpace, gone: Gone) -> None:
        self._near, self._far, self._gone = near, far, gone
        self.prefix = far.prefix

    def get(
        self, key: bytes, variant: bytes = b"", *, again: bool = False
    ) -> Sequence[Entry | None] | Awaitable[Sequence[Entry | None]]:
        if self._gone.look():
            found = self._near.get(key, variant, again=again)
            first = found[0]
            if first is not None and (first.status or not variant or found[1] is not None):
                return found
        return self._fetch(key, variant, again)

    async def _fetch(self, key: bytes, variant: bytes, again: bool) -> Sequence[Entry | None]:
        claim = self._near.claim(key, 0)  # void once the key is told to be gone
        found = await self._far.get(key, variant, again=again)
        if self._gone.listens:
            for entry, of in zip(found, (b"", variant)):
                if entry is not None:
                    self._near.put(key, entry, NEAR_S, variant=of, claim=claim)
        return found

    async def put(self, key: bytes, entry: Entry, keep_s: float, *, variant: bytes = b"", claim: int = 0) -> bool:
        self._near.drop(key)
        return await self._far.put(key, entry, keep_s, variant=variant, claim=claim)

    async def drop(self, key: bytes) -> None:
        self._near.drop(key)
        await self._far.drop(key)

    async def purge(self, *, prefix: str | None = None, tag: str | None = None) -> int:
        self._near.purge(prefix=prefix, tag=tag)
        return await self._far.purge(prefix=prefix, tag=tag)

    async def flush(self) -> None:
        self._near.flush()
        await self._far.flush()

    def claim(self, key: bytes, hold_s: float) -> Awaitable[int]:
        return self._far.claim(key, hold_s)

    def release(self, key: bytes, claim: int) -> Awaitable[None]:
        return self._far.release(key, claim)

    async def use(self) -> CacheUse:
        """What is on the server, and the hits of both."""
        far, near = await self._far.use(), self._near
        return CacheUse(
            entries=far.entries, bytes=far.bytes, hits=far.hits + near.hits, misses=far.misses, stored=far.stored,
            evicted=near.evicted, refused=far.refused,
        )  # fmt: skip
