"""What every store of limits must do, as a test class: derive from it, say how a store is made, run pytest.

    class TestMyStore(ThrottleStoreContract):
        async def make_store(self, clock):
            return MyStore(clock)

The store reads its time from `clock` (a remote store takes it as an argument of its script in tests). Each test makes a
store of its own; a store that keeps data elsewhere starts empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from gatewaykit.clock import VirtualClock
from gatewaykit.core.quota import Quota, Use, count
from gatewaykit.core.throttle import FULL, Bucket, Taken, take

if TYPE_CHECKING:
    from gatewaykit.ports import ThrottleStore

__all__ = ["ThrottleStoreContract"]

T = TypeVar("T")

_BUCKETS = (
    Bucket(5 / 60, 5),
    Bucket(10.0, 1),
    Bucket(1.0, 100),
    Bucket(2.5, 3),
    Bucket(1e6, 10),
    Bucket(0.0, 2),
    Bucket(3.0, 0),
)
_PAUSES_S = (0.0, 0.0, 0.05, 0.0, 0.5, 0.1, 12.0, 0.0, 0.0, 3.0, 0.001, 60.0, 0.0, 0.25, 400.0, 0.0)


class ThrottleStoreContract:
    """Derive, and write `make_store`."""

    async def make_store(self, clock: VirtualClock) -> ThrottleStore:
        raise NotImplementedError("say how a store is made: an async method that takes the clock")

    def test_a_bucket_answers_as_the_step_in_core_does(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            for bucket in _BUCKETS:
                verb = store.bucket(f"contract-{bucket.rate:g}-{bucket.burst}", bucket)
                full_at = FULL
                for pause_s in _PAUSES_S * 3:
                    clock.advance(pause_s)
                    full_at, expected = take(full_at, clock.monotonic(), bucket)
                    assert _close(await _answer(verb("key")), expected), (bucket, pause_s)

        self._check(check)

    def test_a_quota_answers_as_the_step_in_core_does(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            quotas = [
                Quota(3, "DAY"),
                Quota(5, "WEEK", offset=2),
                Quota(4, "MONTH"),
                Quota(0, "DAY"),
                Quota(2, "DAY", offset=9),
            ]
            verbs = [store.quota(f"contract-{number}", quota) for number, quota in enumerate(quotas)]
            first = [count(None, clock.wall(), quota, 0.0)[0].window_s for quota in quotas]
            uses: list[Use | None] = [None] * len(quotas)
            for pause_s in (0, 0, 0, 0, 3600, 86400, 0, 0, 7 * 86400, 0, 31 * 86400, 1, 1, 1, 1):
                clock.advance(pause_s)
                for number, quota in enumerate(quotas):
                    uses[number], expected = count(uses[number], clock.wall(), quota, first[number])
                    assert _close(await _answer(verbs[number]("key")), expected), (quota, pause_s)

        self._check(check)

    def test_keys_do_not_share_a_bucket(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            verb = store.bucket("contract", Bucket(1.0, 1))
            answers = [await _answer(verb(key)) for key in ("alice", "bob", "alice", "", "Ünïcode \n key")]
            assert [answer.allowed for answer in answers] == [True, True, False, True, True]

        self._check(check)

    def test_names_keep_limits_apart_and_the_same_name_means_the_same_limit(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            bucket, quota = Bucket(1.0, 1), Quota(1, "DAY")
            one, again, other = (store.bucket(name, bucket) for name in ("one", "one", "other"))
            assert [(await _answer(verb("key"))).allowed for verb in (one, again, other)] == [True, False, True]
            day, same, another = (store.quota(name, quota) for name in ("one", "one", "other"))
            assert [(await _answer(verb("key"))).allowed for verb in (day, same, another)] == [True, False, True]

        self._check(check)

    def test_looking_takes_nothing_and_says_what_taking_would(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            bucket, quota, looking = Bucket(1.0, 2), Quota(2, "DAY"), store.looking()
            for taker, looker in (
                (store.bucket("look", bucket), looking.bucket("look", bucket)),
                (store.quota("look", quota), looking.quota("look", quota)),
            ):
                for _ in range(4):
                    seen = [await _answer(looker("key")) for _ in range(3)]
                    taken = await _answer(taker("key"))
                    assert all(_close(answer, taken) for answer in seen)

        self._check(check)

    def test_at_most_the_burst_comes_through_however_many_ask_at_once(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            verb = store.bucket("crowd", Bucket(1.0, 50))
            answers = await asyncio.gather(*(_answer(verb("key")) for _ in range(200)))
            assert sum(answer.allowed for answer in answers) == 50
            assert sorted(answer.remaining for answer in answers if answer.allowed) == list(range(50))

        self._check(check)

    def _check(self, check: Callable[[ThrottleStore, VirtualClock], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            clock = VirtualClock("2026-01-15T12:00Z")
            store = await self.make_store(clock)
            try:
                await check(store, clock)
            finally:
                await store.aclose()

        asyncio.run(run())


async def _answer(answer: Taken | Awaitable[Taken]) -> Taken:
    return await answer if isawaitable(answer) else answer


def _close(answer: Taken, expected: Taken) -> bool:
    """Equal but for rounding: a store may keep time in whole microseconds."""
    return answer[:2] == expected[:2] and all(
        one == other or abs(one - other) <= 1e-4 + 1e-9 * abs(other) for one, other in zip(answer[2:], expected[2:])
    )
