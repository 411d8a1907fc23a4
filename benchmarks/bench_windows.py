"""Windows: one decision of each algorithm, against the same strategy of `limits`, in memory and in Redis.

    python -m benchmarks --only windows

Both sides count by address over 10 000 keys in turn, so that every key has room (`admitted`), and over one that has
none (`refused`). A decision of ours says what is left and when; that of `limits` is its `hit`, which does not.
In Redis 32 callers ask at once, and what is read is the CPU time of this process alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any, Final

from limits import RateLimitItemPerHour
from limits.aio import strategies
from limits.aio.storage import RedisStorage
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from benchmarks.inproc import measure
from benchmarks.report import Line, at_least, line, say
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.window import Window
from gatewaykit.deploy.throttle_stores import throttle_store
from gatewaykit.stores.memory import MemoryThrottleStore
from tests.peers.redis import running

__all__ = ["run"]

_STRATEGIES: Final = {
    "fixed": FixedWindowRateLimiter, "moving": MovingWindowRateLimiter, "sliding": SlidingWindowCounterRateLimiter,
}  # fmt: skip
_ASYNC_STRATEGIES: Final = {kind: strategy.__name__ for kind, strategy in _STRATEGIES.items()}
_CALLERS: Final = 32
_KEYS: Final = [f"198.51.{number >> 8}.{number & 255}" for number in range(10_000)]
_LIMIT: Final = 2000
_HOUR_S: Final = 3600.0


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  a decision of each algorithm, admitted and refused")
    lines = []
    for refused in (False, True):
        timings = measure(_cases(refused), rounds=21 if quick else 61)
        what = "refused" if refused else "admitted"
        for kind in _STRATEGIES:
            ratios = timings.ratios(f"limits {kind}", kind)
            target = None if refused else at_least(5)
            lines.append(line("windows", f"limits / ours, {kind} window, {what}", ratios, target))
        for kind in _STRATEGIES:
            lines.append(line("windows", f"{kind} window / token bucket, {what}", timings.ratios(kind, "bucket")))
    say("  the same in Redis, 32 at once")
    with running() as server:
        timings = measure(_cases_in_redis(server.port), rounds=11 if quick else 31)
    for kind in _STRATEGIES:
        ratios = timings.ratios(f"limits {kind}", kind)
        lines.append(line("windows", f"CPU of limits.aio / ours in Redis, {kind} window", ratios, at_least(3.5)))
    return lines


def _cases(refused: bool) -> dict[str, Callable[[], Any]]:
    store, keys = MemoryThrottleStore(), _KEYS[:1] if refused else _KEYS
    cases: dict[str, Callable[[], Any]] = {
        "bucket": _over(keys, store.bucket("bench", Bucket(1e-3 if refused else 1.0, _LIMIT)))
    }
    for kind, strategy in _STRATEGIES.items():
        item, storage = RateLimitItemPerHour(_LIMIT), MemoryStorage()
        cases[kind] = _over(keys, store.window("bench", Window(_LIMIT, _HOUR_S, kind)))
        cases[f"limits {kind}"] = _over(keys, _hitting(strategy(storage).hit, item))
    for case in cases.values() if refused else ():
        while case():
            pass
    return cases


def _cases_in_redis(port: int) -> dict[str, Callable[[], Any]]:
    store, cases = throttle_store(f"redis://127.0.0.1:{port}?timeout=10s"), dict[str, Callable[[], Any]]()
    storage = RedisStorage(f"async+redis://127.0.0.1:{port}", implementation="redispy", max_connections=64)
    for kind, name in _ASYNC_STRATEGIES.items():
        limiter, item = getattr(strategies, name)(storage), RateLimitItemPerHour(_LIMIT)
        cases[kind] = _crowd(store.window("bench", Window(_LIMIT, _HOUR_S, kind)))
        cases[f"limits {kind}"] = _crowd(partial(limiter.hit, item, kind))
    return cases


def _crowd(verb: Callable[[str], Any]) -> Callable[[], Any]:
    turn = cycle(_KEYS).__next__

    async def all_at_once() -> None:
        await asyncio.gather(*(verb(turn()) for _ in range(_CALLERS)))

    return all_at_once


def _hitting(hit: Callable[..., bool], item: RateLimitItemPerHour) -> Callable[[str], bool]:
    return lambda key: hit(item, key)


def _over(keys: list[str], verb: Callable[[str], Any]) -> Callable[[], bool]:
    turn = cycle(keys).__next__

    def decide() -> bool:
        answer = verb(turn())
        return answer if answer.__class__ is bool else answer[0]  # type: ignore[no-any-return]  # a Taken

    return decide
