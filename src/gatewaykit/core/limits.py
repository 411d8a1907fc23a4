"""Several limits decided at once: all of them give a token, or none does.

Developer guide, "Throttle requests to your REST APIs": a request passes several limits, and the first that is exceeded
answers. A request that one of them refuses must cost the others nothing, so all are asked before any is taken from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from gatewaykit.core import quota as quotas
from gatewaykit.core import throttle as buckets
from gatewaykit.core import window as windows
from gatewaykit.core.quota import Quota, Use
from gatewaykit.core.throttle import FULL, Bucket, Taken
from gatewaykit.core.window import Window, WindowState

__all__ = ["Decided", "Limit", "Row", "State", "charged", "decided", "names_of", "take_all"]

Limit: TypeAlias = "Bucket | Quota | Window"

State: TypeAlias = "float | Use | WindowState"
"""What is kept of a limit's key: when its bucket is full, or its use; None where nobody has used it."""


def names_of(name: str | Sequence[str], limits: Sequence[Limit]) -> Sequence[str]:
    """The name of each limit, where one may have been given for all."""
    names = [name] * len(limits) if isinstance(name, str) else name
    if len(names) != len(limits):
        raise ValueError(f"{len(names)} names for {len(limits)} limits")
    return names


class Row(NamedTuple):
    """One limit, what is kept of the key that asks, and for a quota the start of the first window it ran in."""

    limit: Limit
    state: State = None
    first_window_s: float = 0.0


@dataclass(slots=True)
class Decided:
    """The answer of several limits. `refused` is the place of the first that has no token left; None: all gave one.

    Nobody changes one. It is no tuple, and not frozen, since a verb in memory makes one for each request.

    `numbers(state)` gives what each limit says; most requests never ask, so it is worked out when they do.
    """

    refused: int | None
    numbers: Callable[[Any], tuple[Taken | None, ...]]
    state: Any

    @property
    def taken(self) -> tuple[Taken | None, ...]:
        """Each limit's numbers, in order; None where it did not apply.

        Where all gave a token, what is left after it (and after what others took, where a store looks only when it is
        asked). Where one refused, the refusals of those that have none, and what
        all others still hold: nothing was taken.
        """
        return self.numbers(self.state)


def decided(asked: Sequence[Taken | None], limits: Sequence[Limit], cost: int = 1) -> Decided:
    """The answer of all, from what each limit alone would say to taking `cost` tokens."""
    refused = next((place for place, taken in enumerate(asked) if taken is not None and not taken.allowed), None)
    if refused is None:
        return Decided(None, tuple, asked)
    return Decided(refused, tuple, [taken and _untouched(taken, limit, cost) for taken, limit in zip(asked, limits)])


def take_all(
    rows: Sequence[Row | None], now_s: float, wall_s: float, cost: int = 1
) -> tuple[tuple[State, ...], Decided]:
    """Take `cost` tokens of every row, or none of any: what is kept now, and the answer. None: a limit is left out.

    Buckets count by `now_s`, quotas and windows by the calendar at `wall_s`. Rows for one and the same key of a limit
    count once.
    """
    after: list[State] = []
    asked: list[Taken | None] = []
    for row in rows:
        state, taken = (None, None) if row is None else _take(row, now_s, wall_s, cost)
        after.append(state)
        asked.append(taken)
    answer = decided(asked, [row.limit if row else _NO_LIMIT for row in rows], cost)
    return tuple(after) if answer.refused is None else tuple(row and row.state for row in rows), answer


def charged(row: Row, now_s: float, wall_s: float, amount: int) -> State:
    """What is kept of a row when `amount` tokens are taken that may not be there, or, less than 0, given back."""
    state = row.state
    if isinstance(row.limit, Quota):
        return quotas.charge(state if isinstance(state, Use) else None, wall_s, row.limit, amount)
    if isinstance(row.limit, Window):
        return windows.charge(None if isinstance(state, (float, Use)) else state, wall_s, row.limit, amount)
    return buckets.charge(state if isinstance(state, float) else FULL, now_s, row.limit, amount)


_NO_LIMIT = Bucket(0.0, 0)


def _take(row: Row, now_s: float, wall_s: float, cost: int) -> tuple[State, Taken]:
    state = row.state
    if isinstance(row.limit, Quota):
        return quotas.count(state if isinstance(state, Use) else None, wall_s, row.limit, row.first_window_s, cost)
    if isinstance(row.limit, Window):
        return windows.take(None if isinstance(state, (float, Use)) else state, wall_s, row.limit, cost)
    return buckets.take(state if isinstance(state, float) else FULL, now_s, row.limit, cost)


def _untouched(taken: Taken, limit: Limit, cost: int) -> Taken:
    """What a limit still holds that would have given a token."""
    if not taken.allowed:
        return taken
    if not isinstance(limit, Bucket):
        return taken._replace(remaining=taken.remaining + cost)
    return buckets.allowed(taken.remaining + cost, limit)
