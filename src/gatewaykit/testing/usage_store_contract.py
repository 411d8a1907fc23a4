"""What a store of limits must do that knows what was used when, as a test class: derive, and write `make_store`.

It is `ThrottleStoreContract` with the verbs of `gatewaykit.ports.UsageStore` on top. Quotas of usage plans have names
that begin with `plan:`; a store need not keep the days of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isawaitable
from typing import Any

from gatewaykit.clock import VirtualClock
from gatewaykit.core.quota import PERIODS, Quota, window
from gatewaykit.core.usage import DAY_S
from gatewaykit.testing.store_contract import ThrottleStoreContract, _answer

__all__ = ["UsageStoreContract"]

_PLAN = "plan:contract"


class UsageStoreContract(ThrottleStoreContract):
    """Derive, and write `make_store`."""

    def test_usage_is_what_was_allowed_on_each_day_and_what_was_left_then(self) -> None:
        async def check(store: Any, clock: VirtualClock) -> None:
            asked = (3, 0, 1, 4, 0, 0, 2, 1, 0, 5, 1, 0, 0, 0, 3, 2, 2, 0, 1, 1)  # from a Thursday in mid-month
            quotas = [Quota(7, period, offset) for period in PERIODS for offset in (0, 2)]
            verbs = [store.quota(f"{_PLAN}-{number}", quota) for number, quota in enumerate(quotas)]
            began, expected = clock.wall(), [list[tuple[int, int]]() for _ in quotas]
            left = [quota.limit - quota.offset for quota in quotas]
            for requests in asked:
                for number, quota in enumerate(quotas):
                    start, _ = window(quota.period, clock.wall())
                    if start > began and clock.wall() - start < DAY_S:
                        left[number] = quota.limit
                    answers = [await _answer(verbs[number]("key")) for _ in range(requests)]
                    used = sum(answer.allowed for answer in answers)
                    left[number] -= used
                    expected[number].append((used, left[number]))
                clock.advance(DAY_S)
            clock.advance(3 * DAY_S)
            for number, quota in enumerate(quotas):
                found = await _usage(store, number, quota, ["key", "other"], began, began + 19 * DAY_S)
                assert found["key"] == expected[number], quota
                assert {used for used, _ in found["other"]} == {0}

        self._check(check)

    def test_a_span_may_begin_and_end_anywhere(self) -> None:
        async def check(store: Any, clock: VirtualClock) -> None:
            quota, began = Quota(100, "WEEK"), clock.wall()
            verb = store.quota(f"{_PLAN}-0", quota)
            for requests in (1, 2, 3, 4, 5):
                for _ in range(requests):
                    await _answer(verb("key"))
                clock.advance(DAY_S)
            for first in range(5):
                for last in range(first, 5):
                    found = await _usage(store, 0, quota, ["key"], began + first * DAY_S, began + last * DAY_S + 3600)
                    assert [used for used, _ in found["key"]] == [1, 2, 3, 4, 5][first : last + 1]

        self._check(check)

    def test_an_extension_leaves_so_many_requests_and_what_was_used_stays_counted(self) -> None:
        async def check(store: Any, clock: VirtualClock) -> None:
            quota, began = Quota(2, "MONTH"), clock.wall()
            verb = store.quota(f"{_PLAN}-0", quota)
            assert [(await _answer(verb("key"))).allowed for _ in range(3)] == [True, True, False]
            await _extend(store, quota, "key", 3)
            assert [(await _answer(verb("key"))).allowed for _ in range(4)] == [True, True, True, False]
            clock.advance(DAY_S)
            await _extend(store, quota, "key", 5)
            assert (await _answer(verb("key"))).remaining == 4
            await _extend(store, quota, "key", 0)
            assert not (await _answer(verb("key"))).allowed
            await _extend(store, quota, "new", 7)
            assert (await _answer(verb("new"))).remaining == 6
            found = await _usage(store, 0, quota, ["key", "new"], began, clock.wall())
            assert found == {"key": [(5, 0), (1, 0)], "new": [(0, 2), (1, 6)]}

        self._check(check)

    def test_an_extension_is_over_with_its_window(self) -> None:
        async def check(store: Any, clock: VirtualClock) -> None:
            quota = Quota(2, "DAY")
            verb = store.quota(f"{_PLAN}-0", quota)
            await _extend(store, quota, "key", 10)
            await _extend(store, quota, "idle", 0)
            assert (await _answer(verb("key"))).remaining == 9
            clock.advance(DAY_S)
            assert [(await _answer(verb(key))).remaining for key in ("key", "idle")] == [1, 1]

        self._check(check)

    def test_what_several_limits_take_is_used_too(self) -> None:
        async def check(store: Any, clock: VirtualClock) -> None:
            quota = Quota(3, "DAY")
            verb = store.limits(f"{_PLAN}-0", (quota,))
            for _ in range(5):
                answer = verb(("key",))
                await answer if isawaitable(answer) else answer
            found = await _usage(store, 0, quota, ["key"], clock.wall(), clock.wall())
            assert found["key"] == [(3, 0)]

        self._check(check)


async def _usage(
    store: Any, number: int, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
) -> dict[str, list[tuple[int, int]]]:
    answer = store.usage(f"{_PLAN}-{number}", quota, keys, first_s, last_s)
    found: Mapping[str, Sequence[tuple[int, int]]] = await answer if isawaitable(answer) else answer
    return {key: [(used, left) for used, left in days] for key, days in found.items()}


async def _extend(store: Any, quota: Quota, key: str, remaining: int) -> None:
    answer = store.extend(f"{_PLAN}-0", quota, key, remaining)
    if isawaitable(answer):
        await answer
