"""Several limits decided at once: all of them give a token, or none does.

Developer guide, "Throttle requests to your REST APIs": a request passes several limits, and the first that is exceeded
answers. A request that one of them refuses must cost the others nothing, so all are asked before any is taken from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from gatewaykit.core import quota as quotas
from gatewaykit.core import throttle as buckets
from gatewaykit.core import window as windows
from gatewaykit.core.quota import Quota, Use
from gatewaykit.core.throttle import FULL, Bucket, Taken
from gatewaykit.core.window import Window, WindowState

__all__ = ["Decided", "Limit", "Row", "State", "decided", "take_all"]

Limit: TypeAlias = "Bucket | Quota | Window"

State: TypeAlias = "float | Use | WindowState"
"""What is kept of a limit's key: when its bucket is full, or its use; None where nobody has used it."""


class Row(NamedTuple):
    """One limit, what is kept of the key that asks, and for a quota the start of the first window it ran in."""

    limit: Limit
    state: State = None
    first_window_s: float = 0.0


class Decided(NamedTuple):
    """The answer of several limits. `refused` is the place of the first that has no token left; None: all gave one.

    `numbers(state)` gives what each limit says; most requests never ask, so it is worked out when they do.
    """

    refused: int | None
    numbers: Callable[[Any], tuple[Taken | None, ...]]
    state: Any

    @property
    def taken(self) -> tuple[Taken | None, ...]:
        """Each limit's numbers, in order; None where it did not apply.

        Where all gave a token, what is left after it. Where one refused, the refusals of those that have none, and what
        all others still hold: nothing was taken.
        """
        return self.numbers(self.state)


def decided(asked: Sequence[Taken | None], limits: Sequence[Limit]) -> Decided:
    """The answer of all, from what each limit alone would say to taking one token."""
    refused = next((place for place, taken in enumerate(asked) if taken is not None and not taken.allowed), None)
    if refused is None:
        return Decided(None, tuple, asked)
    return Decided(refused, tuple, [taken and _untouched(taken, limit) for taken, limit in zip(asked, limits)])


def take_all(rows: Sequence[Row | None], now_s: float, wall_s: float) -> tuple[tuple[State, ...], Decided]:
    """Take one token of every row, or none: what is kept now, and the answer. None stands for a limit that is left out.

    Buckets count by `now_s`, quotas and windows by the calendar at `wall_s`. Rows for one and the same key of a limit
    count once.
    """
    after: list[State] = []
    asked: list[Taken | None] = []
    for row in rows:
        state, taken = (None, None) if row is None else _take(row, now_s, wall_s)
        after.append(state)
        asked.append(taken)
    answer = decided(asked, [row.limit if row else _NO_LIMIT for row in rows])
    return tuple(after) if answer.refused is None else tuple(row and row.state for row in rows), answer


_NO_LIMIT = Bucket(0.0, 0)


def _take(row: Row, now_s: float, wall_s: float) -> tuple[State, Taken]:
    state = row.state
    if isinstance(row.limit, Quota):
        return quotas.count(state if isinstance(state, Use) else None, wall_s, row.limit, row.first_window_s)
    if isinstance(row.limit, Window):
        return windows.take(None if isinstance(state, (float, Use)) else state, wall_s, row.limit)
    return buckets.take(state if isinstance(state, float) else FULL, now_s, row.limit)


def _untouched(taken: Taken, limit: Limit) -> Taken:
    """What a limit still holds that would have given a token."""
    if not taken.allowed:
        return taken
    if not isinstance(limit, Bucket):
        return taken._replace(remaining=taken.remaining + 1)
    return buckets.allowed(taken.remaining + 1, limit)
