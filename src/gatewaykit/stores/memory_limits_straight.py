"""Up to four buckets, and up to one quota, decided at once in straight code: the limits of API Gateway's hierarchy.

The loop of `memory_limits` does the same for any number; to unpack and to append takes longer there than to decide.
The code has them in API Gateway's order: a plan's two buckets, its quota, the stage's bucket and the account's.
Where there are fewer than four buckets, the last stands in the places that are left: what is read twice is read before
anything is written, and so the same is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from gatewaykit.core.limits import Decided
from gatewaykit.core.throttle import TOLERANCE, interval_s

if TYPE_CHECKING:
    from gatewaykit.stores.memory import BucketKeys
    from gatewaykit.stores.memory_quota import QuotaKeys

__all__ = ["Buckets", "straight_verb"]

Buckets: TypeAlias = "Sequence[tuple[int, BucketKeys]]"
"""Tables, each with its place among the limits."""

_PLACES: Final = 4
_WALL_S: Final = 1.0
"""How long the wall clock is taken to go as the other does. A day that ends in between is not missed for it; where the
wall is set to another time, that is seen so much later."""


def straight_verb(
    tables: Sequence[Any],
    buckets: Buckets,
    quota: tuple[int, QuotaKeys] | None,
    monotonic: Callable[[], float],
    wall: Callable[[], float],
    slowly: Callable[..., Decided],
) -> Callable[..., Decided]:
    """The verb for limits that are one to four buckets, and perhaps a quota. `tables` are those of all, in their order.

    `slowly(keys, now, at, cost)` is for all that is not plain. What is left is looked for when somebody asks.
    """
    many, given = len(tables), _given(tables)
    filled = [*buckets, *[buckets[-1]] * (_PLACES - len(buckets))]
    (at_a, a), (at_b, b), (at_c, c), (at_d, d) = filled
    step_a, step_b, step_c, step_d = (interval_s(table.limit) for _, table in filled)
    room_a, room_b, room_c, room_d = (
        (table.limit.burst - 1 + TOLERANCE) * interval_s(table.limit) for _, table in filled
    )
    young_a, young_b, young_c, young_d = a.young, b.young, c.young, d.young

    def follow() -> None:
        nonlocal young_a, young_b, young_c, young_d
        young_a, young_b, young_c, young_d = a.young, b.young, c.young, d.young

    for table in (a, b, c, d):
        table.followers.add(follow)

    if quota is None:
        pick = _picked(many, (at_a, at_b, at_c, at_d))

        def take_buckets(keys: Any, cost: int = 1) -> Decided:
            key_a, key_b, key_c, key_d = keys if pick is None else pick(keys)
            now = monotonic()
            if cost != 1:
                return slowly(keys, now, 0.0, cost)
            try:
                value_a = young_a[key_a]
                if value_a <= now:
                    value_a = now
                elif value_a - now > room_a:
                    return slowly(keys, now, 0.0)
                value_b = young_b[key_b]
                if value_b <= now:
                    value_b = now
                elif value_b - now > room_b:
                    return slowly(keys, now, 0.0)
                value_c = young_c[key_c]
                if value_c <= now:
                    value_c = now
                elif value_c - now > room_c:
                    return slowly(keys, now, 0.0)
                value_d = young_d[key_d]
                if value_d <= now:
                    value_d = now
                elif value_d - now > room_d:
                    return slowly(keys, now, 0.0)
            except KeyError:
                return slowly(keys, now, 0.0)
            young_a[key_a] = value_a + step_a
            young_b[key_b] = value_b + step_b
            young_c[key_c] = value_c + step_c
            young_d[key_d] = value_d + step_d
            decided = given()
            decided.state = keys
            return decided

        vars(take_buckets)["follow"] = follow  # tables hold on to it only as long as the verb is there
        return take_buckets

    at_q, q = quota
    pick = _picked(many, (at_a, at_b, at_q, at_c, at_d))
    look_s = -inf  # when to look at the wall again
    young_q, most = q.young, q.limit_now

    def follow_quota() -> None:
        nonlocal young_q, most
        young_q, most = q.young, q.limit_now

    q.followers.add(follow_quota)

    def at_length(keys: Any, now: float, cost: int = 1) -> Decided:
        at = wall()
        if at >= q.day_end_s:
            q.turn(at)
        return slowly(keys, now, at, cost)

    def take(keys: Any, cost: int = 1) -> Decided:
        nonlocal look_s
        key_a, key_b, key_q, key_c, key_d = keys if pick is None else pick(keys)
        now = monotonic()
        if now >= look_s:
            at = wall()
            if at >= q.day_end_s:
                q.turn(at)
            look_s = now + min(_WALL_S, q.day_end_s - at)
        if cost != 1:
            return at_length(keys, now, cost)
        try:
            value_a = young_a[key_a]
            if value_a <= now:
                value_a = now
            elif value_a - now > room_a:
                return at_length(keys, now)
            value_b = young_b[key_b]
            if value_b <= now:
                value_b = now
            elif value_b - now > room_b:
                return at_length(keys, now)
            used = young_q[key_q]
            if used >= most:
                return at_length(keys, now)
            value_c = young_c[key_c]
            if value_c <= now:
                value_c = now
            elif value_c - now > room_c:
                return at_length(keys, now)
            value_d = young_d[key_d]
            if value_d <= now:
                value_d = now
            elif value_d - now > room_d:
                return at_length(keys, now)
        except KeyError:
            return at_length(keys, now)
        young_a[key_a] = value_a + step_a
        young_b[key_b] = value_b + step_b
        young_c[key_c] = value_c + step_c
        young_d[key_d] = value_d + step_d
        young_q[key_q] = used + 1
        decided = given()
        decided.state = keys
        return decided

    vars(take).update(follow=follow, follow_quota=follow_quota)
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


def _given(tables: Sequence[Any]) -> Callable[[], Decided]:
    """Makes the answers that all gave a token: of a class of their own, so that each stores its keys and no more."""

    class Given(Decided):
        __slots__ = ()
        __init__ = object.__init__
        refused = None
        numbers = staticmethod(lambda keys: tuple(table.left(key) for table, key in zip(tables, keys)))

    return cast("Callable[[], Decided]", Given)
