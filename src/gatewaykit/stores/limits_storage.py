"""Windows in a storage of the library `limits`, for people who have one already: Redis, Memcached, MongoDB, memory.

What is counted, and when, is that library's: its strategies are asked, with their own keys, so a limiter of theirs with
the same name, key and item shares our counters.

* Its fixed windows begin with the first request, not on the clock, and there a refused request of a cost over 1 may
  count too, where others come in between. In Redis, so do its sliding windows.
* All algorithms share one key, so a limit that changes its algorithm needs another name.
* A fixed window takes one round trip, the others two: one to take, one to learn what is left.
* It has no token bucket, no calendar, and cannot take from several limits all or none. Those are refused when a chain
  is built. `store="redis://…"` has all of them.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Generator, Sequence
from hashlib import blake2b
from typing import Any, Final, NoReturn, TypeAlias
from urllib.parse import quote

import limits
from limits.aio import storage as async_storages
from limits.aio import strategies as async_strategies
from limits.errors import ConcurrentUpdateError, ConfigurationError, StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.limits import Decided, Limit, decided, names_of
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.core.window import Window
from gatewaykit.errors import ConfigError, Problem, StoreError, words_of
from gatewaykit.stores.resilient import ResilientThrottleStore

__all__ = ["SCHEMES", "LimitsStore", "limits_store"]

SCHEMES: Final = frozenset(
    scheme
    for module in (limits.storage, async_storages)
    for kind in vars(module).values()
    if isinstance(kind, type)
    for scheme in getattr(kind, "STORAGE_SCHEME", None) or ()
)
"""What the address of a storage begins with."""

_LONGEST_KEY: Final = 128
_PASSWORD: Final = re.compile(r"://\S*@")
_STRATEGIES: Final = {
    "fixed": "FixedWindowRateLimiter",
    "moving": "MovingWindowRateLimiter",
    "sliding": "SlidingWindowCounterRateLimiter",
}
_ITEMS: Final = (
    limits.RateLimitItemPerDay, limits.RateLimitItemPerHour, limits.RateLimitItemPerMinute,
    limits.RateLimitItemPerSecond,
)  # fmt: skip

Steps: TypeAlias = "Generator[Any, Any, Taken]"
"""One decision: it yields what the storage says, or will say, and is sent what that is."""


class LimitsStore:
    """A ThrottleStore of windows alone, over a storage of `limits.storage` or `limits.aio.storage`.

    A storage that is not asynchronous is asked in a thread; the one in memory, which never waits, at once. It belongs
    to whoever made it, unless it is said to be `owned`.
    """

    def __init__(
        self, storage: Storage | async_storages.Storage, *, clock: Clock = SYSTEM, owned: bool = False
    ) -> None:
        if not isinstance(storage, (Storage, async_storages.Storage)):
            raise ConfigError(Problem(where="store", what=f"{storage!r} is no storage of limits"))
        self._storage, self._wall, self._look_only, self._owned = storage, clock.wall, False, owned
        given: Any = storage.base_exceptions
        failing = given if isinstance(given, tuple) else (given,)
        self._failing: tuple[type[Exception], ...] = (*failing, StorageError, ConcurrentUpdateError, OSError)

    def bucket(self, name: str, bucket: Bucket) -> NoReturn:
        """Raises ConfigError: such a storage has none."""
        self._cannot("token buckets", "throttle(algorithm='sliding_window') or another window")

    def quota(self, name: str, quota: Quota) -> NoReturn:
        """Raises ConfigError: such a storage knows no calendar."""
        self._cannot("quotas by the calendar", "throttle(rate='1000/day', algorithm='fixed_window')")

    def window(self, name: str, window: Window) -> Callable[[str], Taken | Awaitable[Taken]]:
        """The verb that counts one request of a key in its window."""
        decide = self._deciding(name, window)
        return lambda key: decide(key, 1)

    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Callable[..., Decided | Awaitable[Decided]]:
        """The verb for a list with one window in it. Raises ConfigError for any other."""
        if len(limits) != 1 or not isinstance(limits[0], Window):
            self._cannot(
                "several limits, all or none",
                "one throttle with a window for each, with account_limit=False where a definition has the account's",
            )
        decide = self._deciding(names_of(name, limits)[0], limits[0])

        def take(keys: Sequence[str | None], cost: int = 1) -> Decided | Awaitable[Decided]:
            (key,) = keys
            taken = None if key is None else decide(key, cost)
            return later(taken) if isinstance(taken, Awaitable) else decided([taken], limits)

        async def later(taken: Awaitable[Taken]) -> Decided:
            return decided([await taken], limits)

        return take

    def charge(self, name: str | Sequence[str], limits: Sequence[Limit]) -> NoReturn:
        """Raises ConfigError: what a request has cost must be known when it comes."""
        self._cannot("costs that are known at the end", "a cost that the request shows")

    def looking(self) -> LimitsStore:
        """The same windows, with verbs that look and take nothing."""
        store = object.__new__(LimitsStore)
        store._storage, store._wall, store._failing = self._storage, self._wall, self._failing
        store._look_only, store._owned = True, False
        return store

    def usage(self, *_: object) -> NoReturn:
        """Raises ConfigError: where no quotas are, nobody has used any."""
        self._cannot("usage", "a usage plan in another store")

    extend = usage

    async def ping(self) -> None:
        """Whether the storage answers. Raises StoreError."""
        try:
            if isinstance(self._storage, async_storages.Storage):
                answer = await self._storage.check()
            else:
                answer = await asyncio.to_thread(self._storage.check)
        except self._failing as error:
            raise StoreError(words_of(error)) from error
        if not answer:
            raise StoreError("the storage of limits is not well")

    async def aclose(self) -> None:
        """Close an owned storage's connections; they open again when needed. `limits` itself has no words for it."""
        storage: Any = self._storage
        client = storage.bridge.get_connection() if hasattr(storage, "bridge") else getattr(storage, "storage", None)
        close = getattr(client, "aclose", getattr(client, "close", None))
        if self._owned and close is not None:
            closing = close()
            if isinstance(closing, Awaitable):
                await closing

    def _deciding(self, name: str, window: Window) -> Callable[[str, int], Taken | Awaitable[Taken]]:
        item, limiter = _item(window), self._limiter(window)

        def steps(key: str, cost: int) -> Steps:
            asked = _Asked(limiter, window, item, (_part(name), _part(key)), cost, self._wall)
            if cost > window.limit:
                return _never()
            if self._look_only:
                return asked.look()
            return asked.fixed() if window.kind == "fixed" else asked.logged()

        if isinstance(self._storage, async_storages.Storage):
            return lambda key, cost: self._later(steps(key, cost))
        if isinstance(self._storage, MemoryStorage):
            return lambda key, cost: _at_once(steps(key, cost))
        return lambda key, cost: self._in_a_thread(steps(key, cost))

    def _limiter(self, window: Window) -> Any:
        strategies = async_strategies if isinstance(self._storage, async_storages.Storage) else limits.strategies
        try:
            return getattr(strategies, _STRATEGIES[window.kind])(self._storage)
        except NotImplementedError:
            self._cannot(f"{window.kind} windows", "another algorithm, such as 'fixed_window'")

    def _cannot(self, what: str, mend: str) -> NoReturn:
        kind = type(self._storage).__name__
        raise ConfigError(
            Problem(
                where="store", what=f"a {kind} of limits cannot keep {what}",
                mend=f"Use {mend}, or a store of gatewaykit's own, such as 'redis://HOST:6379/0'",
            )
        )  # fmt: skip

    async def _later(self, steps: Steps) -> Taken:
        answer: Any = None
        try:
            while True:
                answer = await steps.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a Taken
        except self._failing as error:
            raise StoreError(words_of(error)) from error

    async def _in_a_thread(self, steps: Steps) -> Taken:
        try:
            return await asyncio.to_thread(_at_once, steps)
        except self._failing as error:
            raise StoreError(words_of(error)) from error


def limits_store(address: str, clock: Clock = SYSTEM) -> LimitsStore | ResilientThrottleStore:
    """A store at an address as `limits` takes it, such as `async+redis://HOST:6379`. Raises ConfigError.

    Where it can fail, throttles go on in this process then.
    """
    scheme = address.partition("://")[0]
    options = {"implementation": "redispy", "max_connections": 1000} if scheme.startswith("async+redis") else {}
    try:
        storage = storage_from_string(address, **options)  # type: ignore[arg-type]  # its options are texts and numbers
    except (ConfigurationError, ImportError, ValueError) as error:
        text = _PASSWORD.sub("://…@", str(error))
        raise ConfigError(Problem(where="store", what=f"limits cannot open it: {text}")) from None
    store: Any = LimitsStore(storage, clock=clock, owned=True)
    return store if isinstance(storage, MemoryStorage) else ResilientThrottleStore(store, clock=clock)


class _Asked:
    """One decision's questions to a storage."""

    def __init__(
        self, limiter: Any, window: Window, item: limits.RateLimitItem, ids: tuple[str, str], cost: int,
        wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self._limiter, self._window, self._item, self._ids = limiter, window, item, ids
        self._cost, self._wall = cost, wall

    def fixed(self) -> Steps:
        """The counter itself is raised: it says what is left in the same round trip."""
        storage, key, limit = self._limiter.storage, self._item.key_for(*self._ids), self._window.limit
        if self._cost != 1:  # what does not fit shall not use up what a smaller request could have
            used = yield storage.get(key)
            if used + self._cost > limit:
                return (yield from self._refused())
        used = yield storage.incr(key, self._item.get_expiry(), self._cost)
        if used > limit:
            return (yield from self._refused())
        return Taken(True, limit - used, 0.0, self._window.window_s)

    def logged(self) -> Steps:
        """A hit, and then what is left."""
        if not (yield self._limiter.hit(self._item, *self._ids, cost=self._cost)):
            return (yield from self._refused())
        left = (yield self._limiter.get_window_stats(self._item, *self._ids)).remaining
        return Taken(True, max(0, left), 0.0, self._all_s())

    def look(self) -> Steps:
        """What would be answered."""
        if not (yield self._limiter.test(self._item, *self._ids, cost=self._cost)):
            return (yield from self._refused())
        left = (yield self._limiter.get_window_stats(self._item, *self._ids)).remaining
        return Taken(True, max(0, left - self._cost), 0.0, self._all_s())

    def _refused(self) -> Steps:
        stats = yield self._limiter.get_window_stats(self._item, *self._ids)
        wait_s = max(0.0, stats.reset_time - self._wall())
        return Taken(False, 0, wait_s, max(wait_s, self._all_s()))

    def _all_s(self) -> float:
        """Seconds in which all comes back, at most."""
        return self._window.window_s * (2 if self._window.kind == "sliding" else 1)


def _never() -> Steps:
    yield from ()
    return Taken(False, 0, math.inf, math.inf)


def _at_once(steps: Steps) -> Taken:
    answer: Any = None
    try:
        while True:
            answer = steps.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a Taken


def _item(window: Window) -> limits.RateLimitItem:
    """The window in limits' own terms, with the largest unit that fits, as people write it."""
    for item in _ITEMS:
        times = window.window_s / item.GRANULARITY.seconds
        if times.is_integer():
            return item(window.limit, int(times))
    raise ConfigError(
        Problem(where="store", what=f"a storage of limits keeps windows of whole seconds, not {window.window_s:g} s")
    )


def _part(text: str) -> str:
    """A name or key, so that no two give one; most stay as they are."""
    quoted = quote(text, safe=":@", errors="surrogatepass")
    if len(quoted) <= _LONGEST_KEY:
        return quoted
    return "#" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
