"""Leases of token buckets in a store that many processes share: most decisions are made without a round trip.

Rules
* Leased are buckets, alone or several at once, that take one token a request. Quotas, windows, lists with one of them,
  buckets that are waited for, other costs, charges and permits are asked of the store each time: they stay exact.
* A key that was not asked for during one lease is asked of the store as without leases: no task, no slice.
* For each key, or list of keys, one slice is asked for at a time (`core.lease`). Who comes meanwhile waits for it and
  is served in the order of coming, or has its failure. A caller that leaves takes no token along.
* No thread sweeps. Leases live in two generations, each a second long; one that was not used in between has ended.
  Where `max_keys` are in use, the keys that come on top are asked of the store each time.
* A slice that is held is spent though the store has died since: its tokens are taken. Then the failure is the caller's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from copy import copy
from functools import lru_cache, partial
from typing import Any, Final, Protocol

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.lease import Lease, Terms, can_be_leased
from gatewaykit.core.limits import Decided, Limit, names_of
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken, allowed
from gatewaykit.core.window import Window
from gatewaykit.errors import StoreError
from gatewaykit.stores.resilient import HeldVerb, RemoteThrottleStore
from gatewaykit.waiting import SingleFlight

__all__ = ["LeasableStore", "LeasedThrottleStore"]

_GENERATION_S: Final = 1.0


class LeasableStore(RemoteThrottleStore, Protocol):
    """A store that gives slices."""

    def slices(
        self, names: Sequence[str], buckets: Sequence[Bucket]
    ) -> Callable[[Sequence[str | None], int], Awaitable[tuple[Decided, int]]]: ...
    def looking(self) -> LeasableStore: ...


class LeasedThrottleStore:
    """A remote store whose buckets are spent from slices of `lease_s` seconds."""

    def __init__(self, store: LeasableStore, lease_s: float, *, clock: Clock = SYSTEM, max_keys: int = 50_000) -> None:
        Terms((), lease_s)
        self._store, self._lease_s, self._clock, self._max_keys = store, lease_s, clock, max_keys
        self._look_only = False
        self._tables: dict[tuple[tuple[str, ...], tuple[Bucket, ...]], _Leases] = {}

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Awaitable[Taken]]:
        """The verb that takes one token from the bucket of a key."""
        exact = self._store.bucket(name, bucket)
        if not can_be_leased((bucket,)):
            return exact
        table = self._table((name,), (bucket,))
        monotonic, look_only = self._clock.monotonic, self._look_only
        with_left = lru_cache(maxsize=5000)(partial(allowed, bucket=bucket))

        def held(key: str) -> Taken | None:
            now = monotonic()
            lease = table.young.get(key) or table.known(key, now)
            if lease is None:
                return None
            given = lease.look(now) if look_only else lease.spend(now)
            if given:
                (left,) = lease.left
                return with_left((left or 0) + lease.held - look_only)
            return None if given is None else lease.refusals(now)[0]

        async def ask(key: str) -> Taken:
            answer = await table.ask(key, (key,))
            if answer is None:
                return await exact(key)
            (taken,) = answer.taken
            assert taken is not None  # its key is none
            return taken

        return HeldVerb(held, exact if look_only else ask)

    def quota(self, name: str, quota: Quota) -> Callable[[str], Awaitable[Taken]]:
        """The verb that counts one request of a key against its quota."""
        return self._store.quota(name, quota)

    def window(self, name: str, window: Window) -> Callable[[str], Awaitable[Taken]]:
        """The verb that counts one request of a key in its window."""
        return self._store.window(name, window)

    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Callable[..., Awaitable[Decided]]:
        """The verb that takes a number of tokens (one if not said) of each limit, or none of any."""
        exact = self._store.limits(name, limits)
        if not can_be_leased(limits):
            return exact
        buckets = tuple([limit for limit in limits if isinstance(limit, Bucket)])
        table = self._table(tuple(names_of(name, limits)), buckets)
        monotonic, look_only, many = self._clock.monotonic, self._look_only, len(buckets)

        def held(keys: Sequence[str | None], cost: int = 1) -> Decided | None:
            if cost != 1 or len(keys) != many:
                return None
            now, key = monotonic(), tuple(keys)
            lease = table.young.get(key) or table.known(key, now)
            if lease is None:
                return None
            given = lease.look(now) if look_only else lease.spend(now)
            if given:
                return table.given(lease, lease.held - look_only)
            return None if given is None else Decided(lease.place, tuple, lease.refusals(now))

        async def ask(keys: Sequence[str | None], cost: int = 1) -> Decided:
            if cost != 1 or len(keys) != many or not any(key is not None for key in keys):
                return await exact(keys, cost)
            return await table.ask(tuple(keys), keys) or await exact(keys)

        return HeldVerb(held, exact if look_only else ask)

    def charge(
        self, name: str | Sequence[str], limits: Sequence[Limit]
    ) -> Callable[[Sequence[str | None], int], Awaitable[None]]:
        """The verb that takes tokens of each limit that may not be there, or gives some back."""
        return self._store.charge(name, limits)

    def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> Awaitable[dict[str, list[tuple[int, int]]]]:
        """What keys used on each day of a span, both ends included, and what they had left then."""
        return self._store.usage(name, quota, keys, first_s, last_s)

    def extend(self, name: str, quota: Quota, key: str, remaining: int) -> Awaitable[None]:
        """Leave a key so many requests in the window that is running."""
        return self._store.extend(name, quota, key, remaining)

    def permits(self, name: str, most: int, hold_s: float) -> Any:
        """The permits of a limit on requests in flight."""
        return self._store.permits(name, most, hold_s)

    def looking(self) -> LeasedThrottleStore:
        """The same limits, with verbs that look and take nothing."""
        store = copy(self)
        store._store, store._look_only = self._store.looking(), True
        return store

    async def ping(self) -> None:
        """Whether the store can write. Raises StoreError."""
        await self._store.ping()

    async def aclose(self) -> None:
        """Close this loop's connections. What is held ends by itself."""
        await self._store.aclose()

    def __len__(self) -> int:
        """How many keys have a lease, of all limits together."""
        return sum(len(table) for table in self._tables.values())

    def _table(self, names: tuple[str, ...], buckets: tuple[Bucket, ...]) -> _Leases:
        table = self._tables.get((names, buckets))
        if table is None:
            take = self._store.slices(names, buckets)
            table = _Leases(Terms(buckets, self._lease_s), take, self._clock.monotonic, self._max_keys)
            self._tables[names, buckets] = table
        return table


class _Leases:
    """The leases of one limit, or of several that are asked together."""

    __slots__ = ("_asking", "_flights", "_max_keys", "_monotonic", "_rotate_at_s", "_take", "old", "terms", "young")

    def __init__(
        self, terms: Terms, take: Callable[[Sequence[str | None], int], Awaitable[tuple[Decided, int]]],
        monotonic: Callable[[], float], max_keys: int,
    ) -> None:  # fmt: skip
        self.terms, self._take, self._monotonic, self._max_keys = terms, take, monotonic, max_keys
        self.young: dict[Hashable, Lease] = {}
        self.old: dict[Hashable, Lease] = {}
        self._rotate_at_s = monotonic() + _GENERATION_S
        self._asking: dict[tuple[object, Hashable], deque[asyncio.Future[Decided]]] = {}
        self._flights: SingleFlight[None] = SingleFlight()

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def known(self, key: Hashable, now: float) -> Lease | None:
        """The lease of a key that is not in the young generation."""
        if now >= self._rotate_at_s:
            self.young, self.old = {}, self.young if now < self._rotate_at_s + _GENERATION_S else {}
            self._rotate_at_s = now + _GENERATION_S
        lease = self.old.pop(key, None)
        if lease is not None:
            self.young[key] = lease
        return lease

    def given(self, lease: Lease, held: int) -> Decided:
        """The answer to a request that was given a token."""
        return Decided(None, partial(lease.numbers, terms=self.terms), held)

    async def ask(self, key: Hashable, keys: Sequence[str | None]) -> Decided | None:
        """Wait for a token of a slice that is asked for. None: the request asks the store alone."""
        loop = asyncio.get_running_loop()
        waiting = self._asking.get((loop, key))
        if waiting is None:
            now = self._monotonic()
            lease = self.young.get(key) or self.known(key, now)
            if lease is None and len(self) >= self._max_keys:
                return None
            if lease is None or lease.is_idle(now, self.terms):
                lease = self.young[key] = Lease()
                lease.asked(now)
                return None
            waiting = self._asking[loop, key] = deque()
            self._flights.start(object(), partial(self._fill, loop, key, keys, waiting))
        future: asyncio.Future[Decided] = loop.create_future()
        waiting.append(future)
        return await future

    async def _fill(
        self, loop: object, key: Hashable, keys: Sequence[str | None], waiting: deque[asyncio.Future[Decided]]
    ) -> None:
        """Ask for slices until nobody waits: everyone who does is given a token, a refusal, or the failure."""
        why = "a slice was asked for, and nobody knows whether it came"
        try:
            while any(not future.done() for future in waiting):
                await self._slice(key, keys, waiting)
        except StoreError as error:
            why = str(error)
        finally:
            del self._asking[loop, key]
            for future in waiting:
                if not future.done():
                    future.set_exception(StoreError(why))

    async def _slice(self, key: Hashable, keys: Sequence[str | None], waiting: deque[asyncio.Future[Decided]]) -> None:
        asked_s, before = self._monotonic(), len(waiting)
        lease = self.young.get(key) or self.known(key, asked_s) or Lease()
        wanted = lease.wanted(asked_s, sum(not future.done() for future in waiting), self.terms)
        answer, tokens = await self._take(keys, wanted)
        now = self._monotonic()
        lease = Lease()  # what others see does not change under them
        lease.filled(answer, tokens, wanted, asked_s, now, self.terms)
        self.young[key] = lease
        while waiting and (tokens < wanted or (lease.held and (before > 0 or now < lease.ends_s))):
            future, before = waiting.popleft(), before - 1
            if future.done():
                continue  # it left, and its token is the next one's
            if lease.held and (before >= 0 or now < lease.ends_s):
                lease.give(now)
                future.set_result(self.given(lease, lease.held))
            else:
                future.set_result(Decided(lease.place, tuple, lease.refusals(now)))
