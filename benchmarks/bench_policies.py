"""CORS and throttles, each against its peers.

    python -m benchmarks --only policies

CORS is timed as a user mounts it, around one bare app; what counts is the time it adds. A throttle is timed as one
decision of its store: the verb that the policy calls.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.middleware.cors import CORSMiddleware

from benchmarks.inproc import answer_of, http_scope, measure, request_to
from benchmarks.report import Line, at_least, at_most, line, say
from benchmarks.stacks import facts
from gatewaykit import PolicyMiddleware, cors
from gatewaykit.core.throttle import Bucket
from gatewaykit.stores.memory import MemoryThrottleStore

__all__ = ["KEYS", "gcra", "run"]

_ORIGIN: Final = b"https://shop.example"
_METHODS: Final = ["GET", "POST"]
_HEADERS: Final = ["Content-Type", "X-Api-Key"]
_SCOPES: Final = {
    "no Origin": http_scope(),
    "a simple request": http_scope(headers=[(b"origin", _ORIGIN)]),
    "a preflight": http_scope(
        "OPTIONS",
        headers=[
            (b"origin", _ORIGIN), (b"access-control-request-method", b"POST"),
            (b"access-control-request-headers", b"content-type,x-api-key"),
        ],
    ),
}  # fmt: skip
_TARGETS: Final = {"no Origin": 10, "a simple request": 5, "a preflight": 20}
KEYS: Final = [f"192.0.2.{number}" for number in range(256)]
_MANY: Final = 100_000


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds = 21 if quick else 61
    return [*_cors(rounds), *_throttles(rounds), *_memory()]


def _cors(rounds: int) -> list[Line]:
    say("  cors, against Starlette's")
    ours = PolicyMiddleware(
        facts.bare, policies=[cors(origins=[_ORIGIN.decode()], methods=_METHODS, headers=_HEADERS, credentials=True)]
    )
    theirs = CORSMiddleware(
        facts.bare, allow_origins=[_ORIGIN.decode()], allow_methods=_METHODS, allow_headers=_HEADERS,
        allow_credentials=True,
    )  # fmt: skip
    lines = []
    for what, scope in _SCOPES.items():
        _same_permission(ours, theirs, scope)
        bare = http_scope()
        times = measure(
            {
                "bare": request_to(facts.bare, bare),
                "ours": request_to(ours, scope),
                "theirs": request_to(theirs, scope),
            },
            rounds=rounds,
        )
        lines += [
            line("policies", f"cors, {what}: added", times.added_us("ours", "bare"), unit="us"),
            line(
                "policies", f"cors, {what}: Starlette's added / ours",
                times.added_ratios("theirs", "ours", "bare") or [float("inf")], at_least(_TARGETS[what]),
            ),
        ]  # fmt: skip
    return lines


def _same_permission(ours: Any, theirs: Any, scope: Any) -> None:
    """Raises RuntimeError where a browser would be told two things. Statuses and texts of preflights differ."""
    mine, others = (dict(answer_of(app, scope)[1]) for app in (ours, theirs))
    for name in (b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-allow-methods"):
        origin_given = any(field == b"origin" for field, _ in scope["headers"])
        if mine.get(name) != others.get(name) and origin_given:
            raise RuntimeError(f"{name!r}: {mine.get(name)!r} here, {others.get(name)!r} at Starlette's")
    if b"Origin" not in mine[b"vary"] or b"Origin" not in others[b"vary"]:
        raise RuntimeError("the answer depends on the origin and does not say so")


def _throttles(rounds: int) -> list[Line]:
    say("  one throttle decision, against a dict and limits")
    lines = []
    for what, rate, burst, target in (
        ("idle", 1e9, 100, at_most(1.5)),
        ("in use", 2e4, 5000, at_most(1.5)),
        ("refused", 0.001, 1, None),  # the dict's refusal is a bare False; ours says when to come back
    ):
        times = measure(
            {
                "ours": _all_keys(MemoryThrottleStore().bucket("bench", Bucket(rate, burst))),
                "dict": _all_keys(gcra(rate, burst)),
                "limits": _all_keys(_fixed_window(burst if rate < 1 else 1_000_000)),
            },
            rounds=rounds,
        )
        each = [nanoseconds / len(KEYS) / 1000 for nanoseconds in times.rounds["ours"]]
        peer = times.ratios("limits", "ours")
        lines += [
            line("policies", f"throttle, {what}: one decision", each, unit="us"),
            line("policies", f"throttle, {what} / GCRA in a dict", times.ratios("ours", "dict"), target),
            line("policies", f"throttle, {what}: limits' fixed window / ours", peer, at_least(10)),
        ]
    return lines


def _all_keys(take: Callable[[str], object]) -> Callable[[], None]:
    def case() -> None:
        for key in KEYS:
            take(key)

    return case


def gcra(rate: float, burst: int) -> Callable[[str], bool]:
    """The least that is a token bucket: allowed or not, and nothing about what is left. Keys are kept for ever."""
    full_at: dict[str, float] = {}
    interval, room = 1 / rate, burst / rate

    def take(key: str) -> bool:
        now = monotonic()
        full = full_at.get(key, 0.0)
        if full < now:
            full = now
        full += interval
        if full - now > room:
            return False
        full_at[key] = full
        return True

    return take


def _fixed_window(limit: int) -> Callable[[str], bool]:
    limiter, item = FixedWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(limit)
    return lambda key: limiter.hit(item, key)


def _memory() -> Sequence[Line]:
    say(f"  memory of {_MANY} keys")
    take = MemoryThrottleStore().bucket("bench", Bucket(1.0, 1000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(_MANY):
        take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    each = (after - before) / _MANY
    return [line("policies", f"throttle: memory of a key, {_MANY} keys", [each], at_most(170), unit="B")]
