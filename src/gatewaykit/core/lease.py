"""Leases: a process takes a slice of shared buckets in one step, and spends it alone for a moment.

A token is taken from the buckets first and spent after, at most one lease later; what is not spent is lost. So what is
admitted in any time T was taken in that time or one lease before it: at most burst + rate x (T + lease), however many
processes there are, and from the first request on at most burst + rate x T. Nothing is given back: a bucket that was
full meanwhile would count the time twice, and slices passed on and on could save up a slice for every process.

A slice is made so large that it should be spent in two thirds of a lease, with room for chance, and never twice as
large as the one before; so little is lost where demand ends. It is at most what flows in during a lease. The first
request after a lease without any asks for its one token alone.

Times are seconds of one clock of the process. It need not agree with anybody's: only lengths are used, and a lease
begins before the slice is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, sqrt
from typing import Final

from gatewaykit.core.limits import Decided, Row, take_all
from gatewaykit.core.throttle import TOLERANCE, Bucket, Taken, allowed, interval_s, refused

__all__ = ["LONGEST_S", "SHORTEST_S", "Lease", "Terms", "can_be_leased", "take_slice"]

SHORTEST_S: Final = 0.001
LONGEST_S: Final = 1.0
_AIM: Final = 2 / 3
_SOON_S: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Terms:
    """Buckets that are leased together, a token of each for a request, and for how long."""

    buckets: tuple[Bucket, ...]
    lease_s: float

    def __post_init__(self) -> None:
        if not SHORTEST_S <= self.lease_s <= LONGEST_S:
            raise ValueError(f"a lease is between {SHORTEST_S:g} and {LONGEST_S:g} seconds, not {self.lease_s!r}")

    @property
    def largest(self) -> int:
        """The largest slice that is taken in advance: what flows in during a lease, and one at least."""
        return max(1, floor(min(min(bucket.rate * self.lease_s, bucket.burst) for bucket in self.buckets)))


class Lease:
    """What a process holds of the buckets of some keys, or knows of their being empty. It is its only owner."""

    __slots__ = (
        "_size",
        "_spent_s",
        "_taken_s",
        "_told_s",
        "dry_until_s",
        "ends_s",
        "held",
        "left",
        "place",
        "refusal",
    )

    def __init__(self) -> None:
        self.held = self._size = self.place = 0
        self.ends_s = self.dry_until_s = self._taken_s = self._spent_s = self._told_s = -inf
        self.left: tuple[int | None, ...] = ()
        self.refusal: tuple[Taken | None, ...] = ()

    def spend(self, now_s: float) -> bool | None:
        """Whether there is a token for a request: it is spent. None: the buckets have to be asked."""
        if self.held and now_s < self.ends_s:
            self.give(now_s)
            return True
        return False if now_s < self.dry_until_s else None

    def give(self, now_s: float) -> None:
        """Spend a token that is held, for a request that waited for this slice."""
        self.held -= 1
        if not self.held:
            self._spent_s = now_s

    def look(self, now_s: float) -> bool | None:
        """What `spend` would say."""
        if self.held and now_s < self.ends_s:
            return True
        return False if now_s < self.dry_until_s else None

    def asked(self, now_s: float) -> None:
        """One token was asked for, for one request alone: there was no demand for more."""
        self._size, self._taken_s = 1, now_s

    def is_idle(self, now_s: float, terms: Terms) -> bool:
        """Whether so little comes that a slice is not worth it: nothing was asked for during a whole lease."""
        return now_s - self._taken_s >= terms.lease_s

    def wanted(self, now_s: float, waiting: int, terms: Terms) -> int:
        """How many tokens to ask for, where so many requests wait for one."""
        spent = self._size - self.held
        to_s = self._spent_s if now_s - self._spent_s < terms.lease_s else now_s
        pace = (spent - sqrt(spent) / 2) / max(to_s - self._taken_s, _SOON_S)
        most = min(2 * self._size, terms.largest)
        return max(1, waiting, floor(min(most, pace * terms.lease_s * _AIM)))

    def filled(self, answer: Decided, tokens: int, wanted: int, asked_s: float, now_s: float, terms: Terms) -> None:
        """So many tokens came, with this answer, where `wanted` were asked for at `asked_s`.

        Fewer than wanted, or none, mean that a bucket is empty: it is left alone for a part of a lease, in which it
        does not fill by more than half.
        """
        self.held = self._size = tokens
        self._taken_s, self.ends_s = asked_s, asked_s + terms.lease_s
        self.left = tuple([taken and taken.remaining for taken in answer.taken])
        if tokens >= wanted:
            self.dry_until_s = -inf
            return
        empty = [place for place, taken in enumerate(answer.taken) if taken is not None and not taken.remaining]
        self.place = empty[0] if answer.refused is None else answer.refused
        rests = (interval_s(terms.buckets[place]) * terms.buckets[place].burst / 2 for place in empty)
        pause_s = min(terms.lease_s / 2, *rests)
        said = answer.taken[self.place]
        if said is not None and not said.allowed:
            pause_s = min(terms.lease_s, max(pause_s, said.retry_after_s))
        self._told_s, self.dry_until_s = now_s, now_s + pause_s
        self.refusal = tuple([
            taken if taken is None or taken.remaining else _empty(taken, pause_s, bucket)
            for taken, bucket in zip(answer.taken, terms.buckets)
        ])  # fmt: skip

    def numbers(self, held: int, terms: Terms) -> tuple[Taken | None, ...]:
        """What the limits say to a request that was given a token, where `held` are left of the slice."""
        return tuple([
            None if left is None else allowed(left + held, bucket) for left, bucket in zip(self.left, terms.buckets)
        ])  # fmt: skip

    def refusals(self, now_s: float) -> tuple[Taken | None, ...]:
        """What the limits say to a request that was given none."""
        gone_s = max(0.0, now_s - self._told_s)
        return tuple([
            taken if taken is None or taken.allowed else taken._replace(retry_after_s=taken.retry_after_s - gone_s)
            for taken in self.refusal
        ])  # fmt: skip


def can_be_leased(limits: Sequence[object]) -> bool:
    """Whether slices of all these limits can be taken: they are buckets, and nobody waits for their tokens."""
    return bool(limits) and all(isinstance(limit, Bucket) and not limit.patience_s for limit in limits)


def take_slice(
    full_at_s: Sequence[float], now_s: float, buckets: Sequence[Bucket], most: int
) -> tuple[tuple[float, ...], Decided, int]:
    """Take as many tokens of each bucket as all have, up to a number, or none of any: the step that a store makes.

    When the buckets are full then, the answer for the last of the tokens, and how many they are.
    """
    there = [
        floor(bucket.burst - max(full_at - now_s, 0.0) / interval_s(bucket) + TOLERANCE)
        for full_at, bucket in zip(full_at_s, buckets)
    ]
    many = max(1, min(most, *there))
    states, answer = take_all([Row(*row) for row in zip(buckets, full_at_s)], now_s, 0.0, many)
    return tuple([float(state) for state in states]), answer, many if answer.refused is None else 0  # type: ignore[arg-type]  # buckets


def _empty(taken: Taken, pause_s: float, bucket: Bucket) -> Taken:
    """The refusal of a bucket that has no token: its own, or that of a moment after its last one was given."""
    wait_s = interval_s(bucket) if taken.allowed else taken.retry_after_s
    return refused(max(pause_s, wait_s), bucket)
