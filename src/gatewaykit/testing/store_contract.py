"""What every store of limits must do, as a test class: derive from it, say how a store is made, run pytest.

    class TestMyStore(ThrottleStoreContract):
        async def make_store(self, clock):
            return MyStore(clock)

The store reads its time from `clock` (a remote store takes it as an argument of its script in tests). Each test makes a
store of its own; a store that keeps data elsewhere starts empty.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from gatewaykit.clock import VirtualClock
from gatewaykit.core.limits import Decided, Limit, Row, State, take_all
from gatewaykit.core.quota import Quota, Use, count, window
from gatewaykit.core.throttle import FULL, Bucket, Taken, take
from gatewaykit.core.window import KINDS, Window, WindowState
from gatewaykit.core.window import take as take_window
from gatewaykit.testing.store_running import check_store

if TYPE_CHECKING:
    from gatewaykit.ports import LimitsVerb, ThrottleStore

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
_WINDOWS = ((3, 60.0), (1, 0.5), (100, 5.0), (0, 60.0), (2, 900.0))
_FIVES: tuple[Limit, ...] = (
    Bucket(1.0, 5),
    Quota(5, "DAY"),
    Window(5, 60.0, "fixed"),
    Window(5, 60.0, "moving"),
    Window(5, 60.0, "sliding"),
)
_PAUSES_S = (0.0, 0.0, 0.05, 0.0, 0.5, 0.1, 12.0, 0.0, 0.0, 3.0, 0.001, 60.0, 0.0, 0.25, 400.0, 0.0)
_KEYS = ("alice", "bob", "")


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

    def test_a_window_answers_as_the_step_in_core_does(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            windows = [Window(limit, length_s, kind) for kind in KINDS for limit, length_s in _WINDOWS]
            verbs = [store.window(f"contract-{number}", each) for number, each in enumerate(windows)]
            states: list[WindowState] = [None] * len(windows)
            for pause_s in _PAUSES_S * 3:
                clock.advance(pause_s)
                for number, each in enumerate(windows):
                    states[number], expected = take_window(states[number], clock.wall(), each)
                    assert _close(await _answer(verbs[number]("key")), expected), (each, pause_s)

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

    def test_what_was_used_stays_counted_where_the_limit_of_a_quota_is_changed(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            small, large = (store.quota("changed", Quota(limit, "DAY")) for limit in (2, 5))
            month, other = store.quota("changed", Quota(2, "MONTH")), store.quota("another", Quota(2, "DAY"))
            answers = [await _answer(verb("key")) for verb in (small, small, small, large, small, large, month, other)]
            assert [answer.allowed for answer in answers] == [True, True, False, True, False, True, True, True]
            assert [answer.remaining for answer in answers] == [1, 0, 0, 2, 0, 1, 1, 1]
            clock.advance(86400)
            assert [(await _answer(verb("key"))).remaining for verb in (small, large)] == [1, 3]

        self._check(check)

    def test_looking_takes_nothing_and_says_what_taking_would(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            bucket, quota, looking = Bucket(1.0, 2), Quota(2, "DAY"), store.looking()
            windows = [Window(2, 60.0, kind) for kind in KINDS]
            for taker, looker in (
                (store.bucket("look", bucket), looking.bucket("look", bucket)),
                (store.quota("look", quota), looking.quota("look", quota)),
                *((store.window("look", each), looking.window("look", each)) for each in windows),
            ):
                for _ in range(4):
                    seen = [await _answer(looker("key")) for _ in range(3)]
                    taken = await _answer(taker("key"))
                    assert all(_close(answer, taken) for answer in seen)

        self._check(check)

    def test_at_most_the_burst_comes_through_however_many_ask_at_once(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            windows = [store.window("crowd", Window(50, 60.0, kind)) for kind in KINDS]
            for verb in (store.bucket("crowd", Bucket(1.0, 50)), *windows):
                answers = await asyncio.gather(*(_answer(verb("key")) for _ in range(200)))
                assert sum(answer.allowed for answer in answers) == 50
                assert sorted(answer.remaining for answer in answers if answer.allowed) == list(range(50))

        self._check(check)

    def test_several_limits_answer_as_the_step_in_core_does(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            limits: list[Limit] = [Bucket(1.0, 2), Quota(4, "DAY"), Bucket(2.5, 3), Quota(9, "WEEK", offset=2)]
            limits += [Window(3, 60.0, kind) for kind in KINDS]
            first = [window(each.period, clock.wall())[0] if isinstance(each, Quota) else 0.0 for each in limits]
            verb, states = store.limits("together", limits), dict[tuple[int, str], State]()
            for number, pause_s in enumerate(_PAUSES_S * 4):
                clock.advance(pause_s)
                keys = [_KEYS[(number >> place) % 3] if (number + place) % 5 else None for place in range(len(limits))]
                rows = [
                    None if key is None else Row(limits[place], states.get((place, key)), first[place])
                    for place, key in enumerate(keys)
                ]
                after, expected = take_all(rows, clock.monotonic(), clock.wall())
                states |= {(place, key): after[place] for place, key in enumerate(keys) if key is not None}
                answer = await _all(verb(keys))
                assert answer.refused == expected.refused, (keys, pause_s)
                for one, other in zip(answer.taken, expected.taken, strict=True):
                    assert one is other is None or (one and other and _close(one, other)), (keys, pause_s)

        self._check(check)

    def test_a_refusal_of_one_limit_leaves_all_others_as_they_were(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            limits = (Bucket(1.0, 5), Quota(5, "DAY"), Bucket(1.0, 1), Quota(3, "DAY"))
            verb = store.limits("all or none", limits)
            answers = [await _all(verb(["a", "b", "c", "d"])) for _ in range(3)]
            assert [answer.refused for answer in answers] == [None, 2, 2]
            assert [taken and taken.remaining for taken in answers[0].taken] == [4, 4, 0, 2]
            assert [taken and taken.remaining for taken in answers[2].taken] == [4, 4, 0, 2]
            assert [taken and taken.allowed for taken in answers[2].taken] == [True, True, False, True]
            one, day = store.bucket("all or none", Bucket(1.0, 5)), store.quota("all or none", Quota(5, "DAY"))
            assert [(await _answer(one("a"))).remaining, (await _answer(day("b"))).remaining] == [3, 3]

        self._check(check)

    def test_the_first_limit_without_a_token_answers_and_one_without_a_key_does_not_apply(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            verb = store.limits("order", (Bucket(1.0, 0), Quota(0, "DAY"), Bucket(1.0, 1)))
            answers = [
                await _all(verb(keys))
                for keys in (
                    ("k", "k", "k"),
                    (None, "k", "k"),
                    (None, None, "k"),
                    (None, None, "k"),
                    (None, None, None),
                )
            ]
            assert [answer.refused for answer in answers] == [0, 1, None, 2, None]
            assert answers[2].taken[:2] == answers[4].taken[:2] == (None, None)

        self._check(check)

    def test_lists_of_one_name_share_their_limits_and_one_key_of_a_limit_counts_once(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            shared, own = Bucket(1.0, 2), Bucket(1.0, 9)
            some, others = store.limits("shared", (shared, own)), store.limits("shared", (own, shared))
            twice, elsewhere = store.limits("shared", (shared, shared)), store.limits("another", (shared,))
            answers = [await _all(verb) for verb in (some("ab"), others("ba"), some("ab"), elsewhere("a"))]
            assert [answer.refused for answer in answers] == [None, None, 0, None]
            assert [(await _all(twice(("c", "c")))).refused for _ in range(3)] == [None, None, 0]

        self._check(check)

    def test_a_cost_is_taken_as_a_whole_or_not_at_all(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            for limit in _FIVES:
                verb = store.limits("cost", (limit,))
                answers = [(await _all(verb(("a",), cost))) for cost in (3, 3, 0, 2, 0, 1)]
                assert [answer.refused for answer in answers] == [None, 0, None, None, None, 0], limit
                left = [answer.taken[0] and answer.taken[0].remaining for answer in answers]
                assert left == [2, 0, 2, 0, 0, 0], limit
                (never,) = (await _all(verb(("b",), 6))).taken
                assert never is not None
                assert (never.allowed, never.retry_after_s) == (False, math.inf), limit
                assert (await _all(verb(("b",), 5))).refused is None

        self._check(check)

    def test_a_cost_that_one_limit_refuses_costs_the_others_nothing(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            verb = store.limits("costs", (Bucket(1.0, 10), Window(7, 60.0, "fixed"), Quota(4, "DAY")))
            keys = ("a", "b", "c")
            answers = [await _all(verb(keys, cost)) for cost in (3, 5, 2, 1)]
            assert [answer.refused for answer in answers] == [None, 1, 2, None]
            left = [[taken and taken.remaining for taken in answer.taken] for answer in answers]
            assert left == [[7, 4, 1], [7, 0, 0], [7, 4, 0], [6, 3, 0]]

        self._check(check)

    def test_what_is_charged_is_owed_and_what_is_given_back_never_makes_more_than_all(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            for limit in _FIVES:
                take, charge = store.limits("settle", (limit,)), store.charge("settle", (limit,))

                async def left(take: LimitsVerb = take) -> int | None:
                    (taken,) = (await _all(take(("a",), 0))).taken
                    return taken.remaining if taken and taken.allowed else None

                await _all(take(("a",), 2))
                await _settled(charge(("a",), -1))
                assert await left() == 4, limit
                await _settled(charge(("a",), -100))
                assert await left() == 5, limit
                await _settled(charge(("a",), 8))  # more than it takes: a moving window takes its limit
                assert await left() is None or isinstance(limit, Window), limit
                await _settled(charge(("a",), -4))
                assert await left() == (4 if limit == Window(5, 60.0, "moving") else 1), limit
                await _settled(charge(("a",), -100))
                await _settled(charge(("a",), 4))
                await _settled(charge((None,), 5))
                await _settled(charge(("a",), 0))
                assert await left() == 1, limit

        self._check(check)

    def test_a_bucket_pays_its_debt_before_it_gives_again(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            bucket = Bucket(1.0, 2)
            take, charge, others = store.bucket("debt", bucket), store.charge("debt", (bucket,)), itertools.count()
            await _settled(charge(("a",), 12))
            for _ in range(10):
                taken = await _answer(take("a"))
                assert (taken.allowed, taken.remaining) == (False, 0)
                clock.advance(1)
                await _answer(take(f"other {next(others)}"))
            clock.advance(1)
            assert (await _answer(take("a"))).allowed

        self._check(check)

    def test_whoever_only_looks_charges_nothing(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            limits = (Bucket(1.0, 2), Quota(2, "DAY"), Window(2, 60.0, "moving"))
            await _settled(store.looking().charge("look", limits)(("a", "a", "a"), 2))
            taken = (await _all(store.limits("look", limits)(("a", "a", "a")))).taken
            assert [each and each.remaining for each in taken] == [1, 1, 1]

        self._check(check)

    def test_looking_at_several_limits_takes_nothing(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            limits, looking = (Bucket(1.0, 2), Quota(3, "DAY")), store.looking()
            taker, looker = store.limits("look", limits), looking.limits("look", limits)
            for pause_s in (0, 0, 0, 1, 1, 86400):
                clock.advance(pause_s)
                seen = [await _all(looker(("a", "b"))) for _ in range(3)]
                taken = await _all(taker(("a", "b")))
                assert {answer.refused for answer in seen} == {taken.refused}
                for answer in seen:
                    assert all(one and other and _close(one, other) for one, other in zip(answer.taken, taken.taken))

        self._check(check)

    def test_at_most_the_least_of_several_limits_comes_through_however_many_ask_at_once(self) -> None:
        async def check(store: ThrottleStore, clock: VirtualClock) -> None:
            verb = store.limits("crowd", (Bucket(1.0, 80), Quota(60, "DAY"), Bucket(1.0, 50)))
            answers = await asyncio.gather(*(_all(verb(("a", "b", "c"))) for _ in range(200)))
            assert sum(answer.refused is None for answer in answers) == 50
            assert {answer.refused for answer in answers} == {None, 2}
            left = [taken and taken.remaining for taken in (await _all(verb(("a", "b", "other")))).taken]
            assert left == [29, 9, 49]

        self._check(check)

    def _check(self, check: Callable[[ThrottleStore, VirtualClock], Coroutine[Any, Any, None]]) -> None:
        check_store(self.make_store, check)


async def _all(answer: Decided | Awaitable[Decided]) -> Decided:
    return answer if isinstance(answer, Decided) else await answer


async def _settled(answer: Awaitable[None] | None) -> None:
    if answer is not None:
        await answer


async def _answer(answer: Taken | Awaitable[Taken]) -> Taken:
    return await answer if isawaitable(answer) else answer


def _close(answer: Taken, expected: Taken) -> bool:
    """Equal but for rounding: a store may keep time in whole microseconds."""
    return answer[:2] == expected[:2] and all(
        one == other or abs(one - other) <= 1e-4 + 1e-9 * abs(other) < math.inf
        for one, other in zip(answer[2:], expected[2:])
    )
