"""Cached responses in this process, within a budget of bytes.

Rules
* What is new has to prove itself (S3-FIFO): it waits in a small queue, a tenth of the budget, and goes on to the main
  queue only if it was asked for meanwhile. So one scan over everything does not empty the cache. A key that was thrown
  out and comes again soon goes to the main queue at once.
* A hit is one look-up and one mark: nothing is moved, and there is no thread. Expired entries go when they are asked
  for, and with the next that is put once their time is over.
* The budget is over all spaces of a store. What is over a quarter of it is not taken in.
* Kept are the body and, as bytes, all else: objects of a head take more than a small body. What was asked for lately
  stands ready.
* Claims are always given: another process does not see this memory. One is void once its key was dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.packing import is_marker, may_hold, pack, unpack
from gatewaykit.ports import CacheUse

__all__ = ["MemoryCacheSpace", "MemoryCacheStore", "MemoryItem"]

_OVERHEAD: Final = 350  # bytes of an entry beside its own: objects, table, queue
_SMALL: Final = 10  # one in so many bytes is for what is new
_LARGEST: Final = 4  # an entry is at most one in so many bytes
_GHOSTS: Final = 20_000
_MOST_FENCES: Final = 10_000
_MOST_USES: Final = 3
_MOST_READY: Final = 1000
_NEVER_S: Final = 1e12
_TICK_S: Final = 16  # entries that end within so many seconds go together

_NOTHING: Final[tuple[None]] = (None,)
_NEITHER: Final[tuple[None, None]] = (None, None)


class MemoryCacheStore:
    """Responses in memory, `size` bytes at most."""

    shared: Final = False

    def __init__(self, clock: Clock = SYSTEM, *, size: int = 64 * 1024 * 1024) -> None:
        if size < 0:
            raise ValueError(f"a cache has 0 bytes or more, not {size}")
        self._size, self._wall = size, clock.wall
        self._bytes = self._small_bytes = 0
        self._gone = 0  # items that are in a queue still
        self._small: deque[MemoryItem] = deque()
        self._main: deque[MemoryItem] = deque()
        self._ghosts: dict[tuple[int, bytes, bytes], None] = {}
        self._endings: dict[int, list[MemoryItem]] = {}
        self._ticks: list[int] = []  # a heap of the keys of these
        self._spaces: dict[str, MemoryCacheSpace] = {}

    def space(self, name: str) -> MemoryCacheSpace:
        """The responses of one cache."""
        if name not in self._spaces:
            self._spaces[name] = MemoryCacheSpace(self)
        return self._spaces[name]

    async def aclose(self) -> None:
        """Nothing is open."""

    def _fits(self, item: MemoryItem) -> bool:
        return item.size <= self._size // _LARGEST

    def _take_in(self, item: MemoryItem) -> bool:
        ghost = (id(item.space), item.key, item.variant)
        if ghost in self._ghosts:
            del self._ghosts[ghost]
            item.in_main = True
            self._main.append(item)
        else:
            self._small.append(item)
            self._small_bytes += item.size
        self._bytes += item.size
        self._will_end(item)
        self._let_go()
        return item.is_kept

    def _will_end(self, item: MemoryItem) -> None:
        tick = int(min(item.until_s, _NEVER_S) // _TICK_S)
        if (ending := self._endings.get(tick)) is None:
            ending = self._endings[tick] = []
            heappush(self._ticks, tick)
        ending.append(item)

    def _let_go(self) -> None:
        """Expired entries, then as many others as are over the budget."""
        now_s = self._wall()
        while self._ticks and (self._ticks[0] + 1) * _TICK_S <= now_s:
            for item in self._endings.pop(heappop(self._ticks)):
                if item.is_kept:
                    item.space._remove(item)
        while self._bytes > self._size:
            if self._small and (self._small_bytes > self._size // _SMALL or not self._main):
                item = self._small.popleft()
                if not item.is_kept:
                    continue
                self._small_bytes -= item.size
                if item.uses:
                    item.uses, item.in_main = 0, True
                    self._main.append(item)
                    continue
                if len(self._ghosts) >= _GHOSTS:
                    self._ghosts.clear()
                self._ghosts[id(item.space), item.key, item.variant] = None
                item.in_main = True  # it is out of the small queue
            else:
                item = self._main.popleft()
                if not item.is_kept:
                    continue
                if item.uses:
                    item.uses -= 1
                    self._main.append(item)
                    continue
            item.space.evicted += 1
            item.space._remove(item)

    def _freed(self, item: MemoryItem) -> None:
        self._bytes -= item.size
        if not item.in_main:
            self._small_bytes -= item.size
        self._gone += 1
        if self._gone > 64 and self._gone * 2 > len(self._small) + len(self._main):
            self._gone = 0
            self._small = deque(each for each in self._small if each.is_kept)
            self._main = deque(each for each in self._main if each.is_kept)
            self._endings, self._ticks = {}, []
            for each in (*self._small, *self._main):
                self._will_end(each)


class MemoryCacheSpace:
    """The responses of one cache, in this process."""

    def __init__(self, store: MemoryCacheStore) -> None:
        self._store, self._wall = store, store._wall
        self._items: dict[bytes, MemoryItem] = {}
        self._variants: dict[bytes, dict[bytes, MemoryItem]] = {}
        self._ready: dict[MemoryItem, Entry] = {}
        self._claims = self._floor = 0
        self._fences: dict[bytes, int] = {}
        self.hits = self.misses = self.stored = self.evicted = self.refused = 0

    def __len__(self) -> int:
        return len(self._items) + sum(map(len, self._variants.values()))

    def get(self, key: bytes, variant: bytes = b"", *, again: bool = False) -> Sequence[Entry | None]:
        item = self._items.get(key)
        found: Entry | None
        if item is None:
            if not variant:
                self.misses += not again
                return _NOTHING
            found = None
        elif item.until_s > self._wall():
            if item.uses < _MOST_USES:
                item.uses += 1
            if not variant:
                found = self._entry(item)
                if found.status and not again:
                    self.hits += 1
                return (found,)
            found = self._entry(item)
        else:
            self._remove(item)
            found = None
            if not variant:
                self.misses += not again
                return _NOTHING
        under = self._variants.get(key)
        other = None if under is None else under.get(variant)
        if other is None or other.until_s <= self._wall():
            if other is not None:
                self._remove(other)
            self.misses += not again
            return (found, None) if found is not None else _NEITHER
        if other.uses < _MOST_USES:
            other.uses += 1
        self.hits += not again
        return found, self._entry(other)

    def item(self, key: bytes) -> MemoryItem | None:
        """What stands under a key itself, with its place: a hit, for whoever remembers it. None: ask with `get`."""
        item = self._items.get(key)
        if item is None or item.until_s <= self._wall():
            return None
        item.uses = _MOST_USES
        return item

    def put(self, key: bytes, entry: Entry, keep_s: float, *, variant: bytes = b"", claim: int = 0) -> bool:
        if claim and (claim <= self._floor or claim <= self._fences.get(key, 0)):
            return False
        old = self._variants.get(key, {}).get(variant) if variant else self._items.get(key)
        if old is not None:
            self._remove(old)
        if not keep_s > 0:
            return False
        item = MemoryItem(self, key, variant, entry, self._wall() + keep_s)
        if not self._store._fits(item):
            self.refused += 1
            return False
        if old is not None:
            item.uses = max(old.uses, 1)
        if variant:
            self._variants.setdefault(key, {})[variant] = item
        else:
            self._items[key] = item
        item.is_kept = True
        if not self._store._take_in(item):
            self.refused += 1
            return False
        self.stored += 1
        return True

    def drop(self, key: bytes) -> None:
        if len(self._fences) >= _MOST_FENCES:
            self._fences.clear()
            self._floor = self._claims
        self._fences[key] = self._claims
        if (item := self._items.get(key)) is not None:
            self._remove(item)
        for other in [*self._variants.get(key, {}).values()]:
            self._remove(other)

    def purge(self, *, prefix: str | None = None, tag: str | None = None) -> int:
        self._floor = self._claims
        many = 0
        text = prefix or tag or ""
        for item in self._all():
            if not may_hold(item.head, text):
                continue
            entry = item.entry
            if (prefix is not None and entry.url.startswith(prefix)) or (tag is not None and tag in entry.tags):
                self._remove(item)
                many += entry.status > 0
        return many

    def flush(self) -> None:
        self._floor = self._claims
        for item in self._all():
            self._remove(item)

    def claim(self, key: bytes, hold_s: float) -> int:
        self._claims += 1
        return self._claims

    def release(self, key: bytes, claim: int) -> None:
        """It kept nobody waiting."""

    def use(self) -> CacheUse:
        now_s = self._wall()
        live = [item for item in self._all() if item.until_s > now_s]
        return CacheUse(
            entries=sum(not is_marker(item.head) for item in live), bytes=sum(item.size for item in live),
            hits=self.hits, misses=self.misses, stored=self.stored, evicted=self.evicted, refused=self.refused,
        )  # fmt: skip

    def _entry(self, item: MemoryItem) -> Entry:
        entry = self._ready.get(item)
        if entry is None:
            if len(self._ready) >= _MOST_READY:
                self._ready.clear()
            entry = self._ready[item] = item.entry
        return entry

    def _all(self) -> list[MemoryItem]:
        return [*self._items.values(), *(item for under in self._variants.values() for item in under.values())]

    def _remove(self, item: MemoryItem) -> None:
        if not item.is_kept:
            return
        item.is_kept = False
        self._ready.pop(item, None)
        if item.variant:
            under = self._variants[item.key]
            del under[item.variant]
            if not under:
                del self._variants[item.key]
        else:
            del self._items[item.key]
        self._store._freed(item)


class MemoryItem:
    """An entry in its place. `is_kept` is False once it was removed."""

    __slots__ = ("body", "head", "in_main", "is_kept", "key", "space", "until_s", "uses", "variant")

    def __init__(self, space: MemoryCacheSpace, key: bytes, variant: bytes, entry: Entry, until_s: float) -> None:
        self.space, self.key, self.variant, self.until_s = space, key, variant, until_s
        self.head, self.body = pack(replace(entry, body=b"")), entry.body
        self.uses, self.in_main, self.is_kept = 0, False, False

    @property
    def entry(self) -> Entry:
        """The entry, made of what is kept."""
        entry = unpack(self.head)
        assert entry is not None  # it was packed here
        entry.body = self.body
        return entry

    @property
    def size(self) -> int:
        """Its bytes."""
        return _OVERHEAD + len(self.key) + len(self.variant) + len(self.head) + len(self.body)
