"""Time callables in this process, for a machine that is shared and noisy.

* Each case runs in many short slices; the cases take turns (A B C A B C …), and each round starts with another one.
* A ratio is taken inside a round, between neighbours in time. Of the rounds' ratios the median is the result.
* Async cases are awaited inside one running loop, as under a server, and on uvloop where it is installed.
* What never waits may be timed by the processor time of its thread, in which other programs do not show.
* The collector stays on; what stood before timing is frozen, and one collection is made before every round.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter
from typing import Any

__all__ = ["Answer", "Timings", "answer_of", "http_scope", "measure", "request_to"]

Case = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Timings:
    """Nanoseconds a call, case by case and round by round."""

    rounds: Mapping[str, Sequence[float]]

    def ratios(self, case: str, to: str) -> list[float]:
        """How many times as long `case` took as `to`."""
        return [a / b for a, b in zip(self.rounds[case], self.rounds[to], strict=True)]

    def added_us(self, case: str, over: str) -> list[float]:
        """Microseconds that `case` took more than `over`."""
        return [(a - b) / 1000 for a, b in zip(self.rounds[case], self.rounds[over], strict=True)]

    def added_ratios(self, case: str, to: str, over: str, to_over: str | None = None) -> list[float]:
        """What `case` adds to `over`, as a multiple of what `to` adds to `to_over` (to `over` where not given)."""
        added, against = self.added_us(case, over), self.added_us(to, to_over or over)
        return [a / b for a, b in zip(added, against, strict=True) if b > 0]


def measure(
    cases: Mapping[str, Case], *, rounds: int, slice_ms: float = 6, clock: Callable[[], float] = perf_counter
) -> Timings:
    """Time each case in `rounds` slices of about `slice_ms`. Coroutine functions are awaited."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_measure(cases, rounds, slice_ms / 1000, clock))


async def _measure(cases: Mapping[str, Case], rounds: int, slice_s: float, clock: Callable[[], float]) -> Timings:
    counts = {name: await _calibrate(case, slice_s, clock) for name, case in cases.items()}
    gc.collect()
    gc.freeze()
    try:
        found: dict[str, list[float]] = {name: [] for name in cases}
        names = list(cases)
        for number in range(rounds):
            turn = number % len(names)
            gc.collect()
            for name in (*names[turn:], *names[:turn]):
                found[name].append(await _time(cases[name], counts[name], clock) / counts[name] * 1e9)
    finally:
        gc.unfreeze()
    return Timings(found)


async def _calibrate(case: Case, slice_s: float, clock: Callable[[], float]) -> int:
    """How many calls fill a slice. The first calls warm up: they may import or build things."""
    await _time(case, 3, clock)
    count = 1
    while (took := await _time(case, count, clock)) < slice_s / 4:
        count *= 2
    return max(1, int(count * slice_s / took))


async def _time(case: Case, count: int, clock: Callable[[], float]) -> float:
    turns = repeat(None, count)
    if inspect.iscoroutinefunction(case):
        started = clock()
        for _ in turns:
            await case()
        return clock() - started
    started = clock()
    for _ in turns:
        case()
    return clock() - started


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


# ---------------------------------------------------------------------------------------------------- ASGI

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, header fields sorted by name, body."""


def http_scope(
    method: str = "GET", path: str = "/hello", headers: Sequence[tuple[bytes, bytes]] = ()
) -> dict[str, Any]:
    """A scope as uvicorn makes it."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50000), "scheme": "http", "method": method,
        "root_path": "", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"bench/1.0"), (b"accept", b"*/*"), *headers],
    }  # fmt: skip


def request_to(app: Any, scope: Mapping[str, Any], body: bytes = b"") -> Callable[[], Awaitable[None]]:
    """One request as a case: the app gets a fresh scope and state, and a client that stays until it is answered."""
    whole = {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        pass

    async def one() -> None:
        given = False

        async def receive() -> Any:
            nonlocal given
            if not given:
                given = True
                return whole
            return await asyncio.get_running_loop().create_future()

        await app({**scope, "state": {}}, receive, send)

    return one


def answer_of(app: Any, scope: Mapping[str, Any], body: bytes = b"") -> Answer:
    """What an app answers: to compare before anything is timed."""
    status, headers, parts = 0, [], []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message["headers"])
        else:
            parts.append(message.get("body", b""))

    asyncio.run(app({**scope, "state": {}}, receive, send))
    return status, sorted((name.lower(), value) for name, value in headers), b"".join(parts)
