"""Up to four buckets, and up to one quota, decided at once in straight code: the limits of API Gateway's hierarchy.

The loop of `memory_limits` does the same for any number; to unpack and to append takes longer there than to decide.
The code has them in API Gateway's order: a plan's two buckets, its quota, the stage's bucket and the account's.
Where there are fewer than four buckets, the last stands in the places that are left: what is read twice is read before
anything is written, and so the same is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from gatewaykit.core.limits import Decided
from gatewaykit.core.throttle import TOLERANCE, interval_s

if TYPE_CHECKING:
    from gatewaykit.stores.memory import BucketKeys
    from gatewaykit.stores.memory_quota import QuotaKeys

__all__ = ["Buckets", "straight_verb"]

Buckets: TypeAlias = "Sequence[tuple[int, BucketKeys]]"
"""Tables, each with its place among the limits."""

_PLACES = 4


def straight_verb(
    many: int,
    buckets: Buckets,
    quota: tuple[int, QuotaKeys] | None,
    monotonic: Callable[[], float],
    wall: Callable[[], float],
    slowly: Callable[..., Decided],
    numbers: Callable[[Any], Any],
) -> Callable[..., Decided]:
    """The verb for `many` limits that are one to four buckets, and perhaps a quota.

    `slowly(keys, now, at, cost)` is for all that is not plain; `numbers` gets what was written, place by place, and the
    time by both clocks.
    """
    filled = [*buckets, *[buckets[-1]] * (_PLACES - len(buckets))]
    (at_a, a), (at_b, b), (at_c, c), (at_d, d) = filled
    step_a, step_b, step_c, step_d = (interval_s(table.limit) for _, table in filled)
    room_a, room_b, room_c, room_d = (
        (table.limit.burst - 1 + TOLERANCE) * interval_s(table.limit) for _, table in filled
    )
    new = object.__new__  # and three stores: half of what the constructor takes
    if quota is None:
        pick = _picked(many, (at_a, at_b, at_c, at_d))
        placed = _placed(many, [at_a, at_b, at_c, at_d], numbers)

        def take_buckets(keys: Any, cost: int = 1) -> Decided:
            key_a, key_b, key_c, key_d = keys if pick is None else pick(keys)
            now = monotonic()
            young_a, young_b, young_c, young_d = a.young, b.young, c.young, d.young
            try:
                value_a, value_b, value_c, value_d = young_a[key_a], young_b[key_b], young_c[key_c], young_d[key_d]
            except KeyError:
                return slowly(keys, now, 0.0, cost)
            if value_a <= now:
                value_a = now
            elif value_a - now > room_a:
                return slowly(keys, now, 0.0, cost)
            if value_b <= now:
                value_b = now
            elif value_b - now > room_b:
                return slowly(keys, now, 0.0, cost)
            if value_c <= now:
                value_c = now
            elif value_c - now > room_c:
                return slowly(keys, now, 0.0, cost)
            if value_d <= now:
                value_d = now
            elif value_d - now > room_d:
                return slowly(keys, now, 0.0, cost)
            if cost != 1:
                return slowly(keys, now, 0.0, cost)
            young_a[key_a] = value_a = value_a + step_a
            young_b[key_b] = value_b = value_b + step_b
            young_c[key_c] = value_c = value_c + step_c
            young_d[key_d] = value_d = value_d + step_d
            decided = new(Decided)
            decided.refused, decided.numbers = None, placed
            decided.state = (value_a, value_b, value_c, value_d, now, 0.0)
            return decided

        return take_buckets

    at_q, q = quota
    pick = _picked(many, (at_a, at_b, at_q, at_c, at_d))
    placed = _placed(many, [at_a, at_b, at_c, at_d, at_q], numbers)

    def take(keys: Any, cost: int = 1) -> Decided:
        key_a, key_b, key_q, key_c, key_d = keys if pick is None else pick(keys)
        now, at = monotonic(), wall()
        if at >= q.day_end_s:
            q.turn(at)
        young_a, young_b, young_c, young_d, young_q = a.young, b.young, c.young, d.young, q.young
        try:
            used = young_q[key_q]
            value_a, value_b, value_c, value_d = young_a[key_a], young_b[key_b], young_c[key_c], young_d[key_d]
        except KeyError:
            return slowly(keys, now, at, cost)
        if value_a <= now:
            value_a = now
        elif value_a - now > room_a:
            return slowly(keys, now, at, cost)
        if value_b <= now:
            value_b = now
        elif value_b - now > room_b:
            return slowly(keys, now, at, cost)
        if value_c <= now:
            value_c = now
        elif value_c - now > room_c:
            return slowly(keys, now, at, cost)
        if value_d <= now:
            value_d = now
        elif value_d - now > room_d:
            return slowly(keys, now, at, cost)
        if used >= q.limit_now or cost != 1:
            return slowly(keys, now, at, cost)
        young_a[key_a] = value_a = value_a + step_a
        young_b[key_b] = value_b = value_b + step_b
        young_c[key_c] = value_c = value_c + step_c
        young_d[key_d] = value_d = value_d + step_d
        young_q[key_q] = used = used + 1
        decided = new(Decided)
        decided.refused, decided.numbers = None, placed
        decided.state = (value_a, value_b, value_c, value_d, used, now, at)
        return decided

    return take


def _picked(many: int, places: Sequence[int]) -> Callable[[Any], Any] | None:
    """Gives keys in the order of the code; None where that is the order of the limits, and there is nothing to do."""
    if list(places) == list(range(many)):
        return None
    in_order = itemgetter(*places)

    def pick(keys: Any) -> Any:
        if len(keys) != many:
            raise ValueError(f"{len(keys)} keys for {many} limits")
        return in_order(keys)

    return pick


def _placed(many: int, places: Sequence[int], numbers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`numbers` of values that stand in the order of the code, not of the limits."""

    def placed(state: Sequence[float]) -> Any:
        *values, now, at = state
        of = dict(zip(places, values))
        return numbers(([of[place] for place in range(many)], now, at))

    return placed
