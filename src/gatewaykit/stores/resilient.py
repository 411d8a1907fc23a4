"""What limits do while their store cannot answer: declared, counted, logged, and over by itself.

Rules
* `allow` lets requests through, `deny` refuses them (503, STORE_FAILED), `local` counts in this process by a fraction
  of the limit: with N processes, a fraction of 1/N keeps the whole about where it was.
* After `failures` failures in a row the store is not asked: a dead server costs a request microseconds, no time-out.
  Once every `retry_s` a PING goes out, beside a request that does not wait for it; when it is answered, the store is
  asked again.
* A failure is a StoreError. Whether the failed call was counted by the store is not known; the fallback counts it too.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeVar

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.limits import Decided, Limit, decided, names_of
from gatewaykit.core.permits import Entered
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken, allowed
from gatewaykit.core.window import Window
from gatewaykit.errors import StoreError
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from gatewaykit.ports import ChargeVerb, LimitsVerb, Permits

__all__ = ["HeldVerb", "OnStoreError", "RemoteThrottleStore", "ResilientThrottleStore"]

log = logging.getLogger(__name__)

_LOG_EVERY_S: Final = 10.0

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class OnStoreError:
    """What a limit does without its store. `fraction` is the part of the limit that `local` allows this process."""

    answer: Literal["allow", "deny", "local"]
    fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.answer not in ("allow", "deny", "local"):
            raise ValueError(f"on_store_error is allow, deny or local, not {self.answer!r}")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"the fraction of local is over 0 and at most 1, not {self.fraction!r}")


class RemotePermits(Protocol):
    """Permits that are given later."""

    def enter(self, key: str, holder: bytes) -> Awaitable[Entered]: ...
    def leave(self, key: str, holder: bytes) -> Awaitable[None]: ...


class RemoteThrottleStore(Protocol):
    """A ThrottleStore that answers later, and can be asked whether it is there."""

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Awaitable[Taken]]: ...
    def quota(self, name: str, quota: Quota) -> Callable[[str], Awaitable[Taken]]: ...
    def window(self, name: str, window: Window) -> Callable[[str], Awaitable[Taken]]: ...
    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Callable[..., Awaitable[Decided]]: ...
    def charge(
        self, name: str | Sequence[str], limits: Sequence[Limit]
    ) -> Callable[[Sequence[str | None], int], Awaitable[None]]: ...
    def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> Awaitable[dict[str, list[tuple[int, int]]]]: ...
    def extend(self, name: str, quota: Quota, key: str, remaining: int) -> Awaitable[None]: ...
    def permits(self, name: str, most: int, hold_s: float) -> RemotePermits: ...
    def looking(self) -> RemoteThrottleStore: ...
    async def ping(self) -> None: ...
    async def aclose(self) -> None: ...


class HeldVerb(Generic[A]):
    """A verb that may know its answer: `held` gives it, or None, and then `ask` waits for the store."""

    __slots__ = ("ask", "held")

    def __init__(self, held: Callable[..., A | None], ask: Callable[..., Awaitable[A]]) -> None:
        self.held, self.ask = held, ask

    async def __call__(self, *asked: Any) -> A:
        answer = self.held(*asked)
        return await self.ask(*asked) if answer is None else answer


class ResilientThrottleStore:
    """A remote store, and what happens without it."""

    def __init__(
        self,
        store: RemoteThrottleStore,
        *,
        throttles: OnStoreError = OnStoreError("local"),
        quotas: OnStoreError = OnStoreError("deny"),
        failures: int = 3,
        retry_s: float = 0.5,
        clock: Clock = SYSTEM,
    ) -> None:
        self._store, self._throttles, self._quotas = store, throttles, quotas
        self._local = MemoryThrottleStore(clock)
        self._breaker = _Breaker(store.ping, failures, retry_s, clock)

    @property
    def degraded(self) -> Counter[str]:
        """Decisions made without the store: how many were `allow`, `deny`, `local`."""
        return self._breaker.degraded

    @property
    def failures(self) -> int:
        """Calls that the store did not answer."""
        return self._breaker.failed

    @property
    def is_asked(self) -> bool:
        """False while the store is left alone because it failed."""
        return not self._breaker.is_open

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Taken | Awaitable[Taken]]:
        """The verb that takes one token from the bucket of a key."""
        return self._guarded(self._store.bucket(name, bucket), self._alone(name, bucket), self._throttles.answer)

    def quota(self, name: str, quota: Quota) -> Callable[[str], Taken | Awaitable[Taken]]:
        """The verb that counts one request of a key against its quota."""
        return self._guarded(self._store.quota(name, quota), self._alone(name, quota), self._quotas.answer)

    def window(self, name: str, window: Window) -> Callable[[str], Taken | Awaitable[Taken]]:
        """The verb that counts one request of a key in its window."""
        return self._guarded(self._store.window(name, window), self._alone(name, window), self._throttles.answer)

    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> LimitsVerb:
        """The verb that takes tokens of each limit, or none of any. Without the store it denies where one denies."""
        limits = tuple(limits)
        answers: list[str] = [self._rule(limit).answer for limit in limits]
        local, parts = self._of_this_process(limits)
        names = names_of(name, limits)
        count = self._local.limits([names[place] for place in local], parts)
        ask = self._store.limits(names, limits)

        def without(keys: Sequence[str | None], cost: int = 1) -> Decided:
            if any(answer == "deny" and key is not None for answer, key in zip(answers, keys)):
                raise StoreError(_WITHOUT)
            asked = [None if key is None else _free(limit) for limit, key in zip(limits, keys)]
            answer = count([keys[place] for place in local], cost)
            for place, taken in zip(local, answer.taken):
                asked[place] = taken
            if answer.refused is None:
                return decided(asked, limits, cost)
            return Decided(local[answer.refused], tuple, asked)

        def answer_for(answers: list[str]) -> str:
            return next((answer for answer in ("deny", "local") if answer in answers), "allow")

        return self._guarded(ask, without, answer_for(answers))

    def charge(self, name: str | Sequence[str], limits: Sequence[Limit]) -> ChargeVerb:
        """The verb that settles. Without the store, what this process counts is settled."""
        local, parts = self._of_this_process(limits)
        names = names_of(name, limits)
        here = self._local.charge([names[place] for place in local], parts)
        ask = self._store.charge(names, limits)

        def without(keys: Sequence[str | None], amount: int) -> None:
            here([keys[place] for place in local], amount)

        return self._guarded(ask, without, "settled here")

    def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> Awaitable[dict[str, list[tuple[int, int]]]]:
        """What keys used on each day, as the store has it. Nothing stands in for a store that cannot say."""
        return self._store.usage(name, quota, keys, first_s, last_s)

    def extend(self, name: str, quota: Quota, key: str, remaining: int) -> Awaitable[None]:
        """Leave a key so many requests in the window that is running. Nothing stands in for the store."""
        return self._store.extend(name, quota, key, remaining)

    def permits(self, name: str, most: int, hold_s: float) -> Permits:
        """The permits of a limit on requests in flight; without the store, what throttles do then."""
        return _ResilientPermits(self, name, most, hold_s)

    def looking(self) -> ResilientThrottleStore:
        """The same limits, with verbs that look and take nothing."""
        store = object.__new__(ResilientThrottleStore)
        store._store, store._throttles, store._quotas = self._store.looking(), self._throttles, self._quotas
        store._local, store._breaker = self._local.looking(), self._breaker
        return store

    async def aclose(self) -> None:
        """Close the store's connection. It opens again when needed."""
        await self._store.aclose()

    def _of_this_process(self, limits: Sequence[Limit]) -> tuple[list[int], list[Limit]]:
        """The places of the limits that are counted here without the store, and the part of each."""
        local = [place for place, limit in enumerate(limits) if self._rule(limit).answer == "local"]
        return local, [_part(limits[place], self._rule(limits[place])) for place in local]

    def _rule(self, limit: Limit) -> OnStoreError:
        return self._quotas if isinstance(limit, Quota) else self._throttles

    def _alone(self, name: str, limit: Limit) -> Callable[[str], Taken]:
        rule = self._rule(limit)
        if rule.answer == "allow":
            return lambda key: _free(limit)
        if rule.answer == "deny":
            return _deny
        part = _part(limit, rule)
        if isinstance(part, Bucket):
            return self._local.bucket(name, part)
        return self._local.quota(name, part) if isinstance(part, Quota) else self._local.window(name, part)

    def _guarded(
        self, ask: Callable[..., Awaitable[A]], without: Callable[..., A], answer: str
    ) -> Callable[..., A | Awaitable[A]]:
        breaker = self._breaker
        if isinstance(ask, HeldVerb):
            held, decide_later = ask.held, self._guarded(ask.ask, without, answer)

            def decide_held(*asked: Any) -> A | Awaitable[A]:
                known: A | None = held(*asked)
                return decide_later(*asked) if known is None else known

            return decide_held

        def decide(*asked: Any) -> A | Awaitable[A]:
            if breaker.is_open:
                breaker.look()
                return degraded(*asked)
            return later(*asked)

        async def later(*asked: Any) -> A:
            try:
                answered = await ask(*asked)
            except StoreError as error:
                breaker.failure(error)
                return degraded(*asked)
            breaker.in_a_row = 0
            return answered

        def degraded(*asked: Any) -> A:
            breaker.count(answer)
            return without(*asked)

        return decide


class _ResilientPermits:
    """Permits of the store. One that was given here, without it, is given back here."""

    def __init__(self, store: ResilientThrottleStore, name: str, most: int, hold_s: float) -> None:
        rule = store._throttles
        self._remote = store._store.permits(name, most, hold_s)
        self._local = store._local.permits(name, math.ceil(most * rule.fraction), hold_s)
        self._given_here: set[bytes] = set()
        self._enter = store._guarded(lambda asked: self._remote.enter(*asked), self._without, rule.answer)
        self._rule, self._breaker = rule, store._breaker

    def enter(self, key: str, holder: bytes) -> Entered | Awaitable[Entered]:
        return self._enter((key, holder))

    def leave(self, key: str, holder: bytes) -> Awaitable[None] | None:
        if holder in self._given_here:
            self._given_here.discard(holder)
            self._local.leave(key, holder)
            return None
        return None if self._breaker.is_open else self._remote.leave(key, holder)

    def _without(self, asked: tuple[str, bytes]) -> Entered:
        key, holder = asked
        if self._rule.answer == "deny":
            raise StoreError(_WITHOUT)
        if self._rule.answer == "allow":
            return Entered(True, 1)
        entered = self._local.enter(key, holder)
        if entered.allowed:
            self._given_here.add(holder)
        return entered


class _Breaker:
    """Whether the store is worth asking."""

    def __init__(self, ping: Callable[[], Awaitable[None]], failures: int, retry_s: float, clock: Clock) -> None:
        if failures < 1 or not retry_s > 0:
            raise ValueError("failures is 1 or more, retry_s over 0")
        self._ping, self._failures, self._retry_s, self._monotonic = ping, failures, retry_s, clock.monotonic
        self._probe: SingleFlight[None] = SingleFlight()
        self._probe_at_s = 0.0
        self._log_at_s = -math.inf
        self._unlogged = 0
        self.degraded: Counter[str] = Counter()
        self.failed = self.in_a_row = 0
        self.is_open = False

    def failure(self, error: StoreError) -> None:
        """A call failed."""
        self.failed += 1
        self.in_a_row += 1
        self._unlogged += 1
        now = self._monotonic()
        if self.in_a_row >= self._failures and not self.is_open:
            self.is_open, self._probe_at_s = True, now + self._retry_s
        if now >= self._log_at_s:
            self._log_at_s = now + _LOG_EVERY_S
            log.warning("the store of limits fails (%d times since the last line): %s", self._unlogged, error)
            self._unlogged = 0

    def count(self, answer: str) -> None:
        """A decision was made without the store."""
        self.degraded[answer] += 1

    def look(self) -> None:
        """Ask in the background whether the store is back, where it is time to."""
        now = self._monotonic()
        if now >= self._probe_at_s:
            self._probe_at_s = now + self._retry_s
            self._probe.start(None, self._try)

    async def _try(self) -> None:
        try:
            await self._ping()
        except StoreError as error:
            self.failure(error)
        else:
            self.is_open, self.in_a_row = False, 0
            log.warning("the store of limits answers again; without it were decided: %s", dict(self.degraded))


_WITHOUT: Final = "the store of limits does not answer, and this limit denies then"


def _deny(key: Any) -> Any:
    raise StoreError(_WITHOUT)


def _free(limit: Limit) -> Taken:
    if not isinstance(limit, Bucket):
        return Taken(True, max(0, limit.limit - 1), 0.0, 0.0)
    return allowed(max(0, limit.burst - 1), limit)


def _part(limit: Limit, rule: OnStoreError) -> Any:
    """The part of a limit that one process has; a limit that allows something keeps allowing something."""
    part = rule.fraction
    if isinstance(limit, Quota):
        return Quota(math.ceil(limit.limit * part), limit.period, math.ceil(limit.offset * part))
    if isinstance(limit, Window):
        return replace(limit, limit=math.ceil(limit.limit * part))
    return Bucket(limit.rate * part, math.ceil(limit.burst * part), limit.patience_s)
