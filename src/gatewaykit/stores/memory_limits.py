"""Several limits of one process, decided at once.

The verb has a way for requests that every limit allows, which does no more than it must: one look at each key, one
write, and no numbers. Whatever is not that simple (a window, a new key, a limit left out, a refusal) takes the way of
`core`. Nothing awaits in between, so what is read is still true when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gatewaykit.core import throttle as throttle_step
from gatewaykit.core.limits import Decided, Limit, decided
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import TOLERANCE, Bucket, Taken, interval_s
from gatewaykit.stores.memory_limits_straight import straight_verb
from gatewaykit.stores.memory_window import CountedKeys, LoggedKeys

if TYPE_CHECKING:
    from gatewaykit.stores.memory import BucketKeys
    from gatewaykit.stores.memory_quota import QuotaKeys
    from gatewaykit.stores.memory_window import WindowKeys

__all__ = ["limits_verb"]


def limits_verb(
    limits: Sequence[Limit],
    tables: Sequence[BucketKeys | QuotaKeys | WindowKeys],
    monotonic: Callable[[], float],
    wall: Callable[[], float],
    *,
    look_only: bool,
) -> Callable[..., Decided]:
    """The verb over the tables of some limits: `(keys, cost=1)`, a key for each, None where it does not apply."""
    quotas = [table for table in tables if isinstance(table.limit, Quota)]
    plain = [table for table in tables if not isinstance(table, (CountedKeys, LoggedKeys))]
    rows = [(table, *_step(table.limit)) for table in plain]
    simple = not look_only and len(plain) == len(tables)
    simple = simple and all(
        isinstance(table.limit, Quota) or (table.limit.burst and not table.limit.patience_s) for table in plain
    )
    many = len(tables)

    def take(keys: Sequence[str | None], cost: int = 1) -> Decided:
        if len(keys) != many:
            raise ValueError(f"{len(keys)} keys for {many} limits")
        now = monotonic()
        if quotas:
            at = wall()
            for quota in quotas:
                if at >= quota.day_end_s:
                    quota.turn(at)
        else:
            at = 0.0
        if cost != 1:
            return slowly(keys, now, at, cost)
        after: list[float] = []
        keep = after.append
        try:
            for key, (table, step, room) in zip(keys, rows):
                value = table.young[key]  # type: ignore[index]  # None is no key of any table
                if room is None:
                    if value >= table.limit_now:  # type: ignore[union-attr]  # only a quota has no room
                        return slowly(keys, now, at)
                elif value <= now:
                    value = now
                elif value - now > room:
                    return slowly(keys, now, at)
                keep(value + step)
        except KeyError:
            return slowly(keys, now, at)
        for key, row, value in zip(keys, rows, after):
            row[0].young[key] = value  # type: ignore[index]  # as above
        return Decided(None, numbers, (after, now, at))

    def slowly(keys: Sequence[str | None], now: float, at: float, cost: int = 1) -> Decided:
        writes: list[Callable[[], None]] = []
        asked: list[Taken | None] = []
        for key, table in zip(keys, tables):
            taken = None
            if key is not None:
                write, taken = table.asked(key, at if isinstance(table.limit, Quota) else now, look_only, cost)
                writes.append(write)
            asked.append(taken)
        answer = decided(asked, limits, cost)
        if answer.refused is None and not look_only:
            for write in writes:
                write()
        return answer

    def numbers(state: tuple[list[float], float, float]) -> tuple[Taken, ...]:
        after, now, at = state
        return tuple(
            table.after(int(value), at)
            if isinstance(table.limit, Quota)
            else throttle_step.look(value - interval_s(table.limit), now, table.limit)
            for value, table in zip(after, plain)
        )

    if simple:
        numbered = list(enumerate(tables))
        buckets = [(place, table) for place, table in numbered if isinstance(table.limit, Bucket)]
        if 0 < len(buckets) <= 4 and len(quotas) <= 1:
            quota = next(((place, table) for place, table in numbered if isinstance(table.limit, Quota)), None)
            return straight_verb(tables, buckets, quota, monotonic, wall, slowly)
        return take

    def take_slowly(keys: Sequence[str | None], cost: int = 1) -> Decided:
        if len(keys) != many:
            raise ValueError(f"{len(keys)} keys for {many} limits")
        at = wall() if quotas else 0.0
        for quota in quotas if not look_only else ():
            if at >= quota.day_end_s:
                quota.turn(at)
        return slowly(keys, monotonic(), at, cost)

    return take_slowly


def _step(limit: Bucket | Quota) -> tuple[float, float | None]:
    """What one token adds, and how far a bucket may be in debt before."""
    if isinstance(limit, Quota):
        return 1, None
    interval = interval_s(limit)
    return interval, (limit.burst - 1 + TOLERANCE) * interval
