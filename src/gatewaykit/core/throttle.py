"""A token bucket as one number: the generic cell rate algorithm (ITU-T I.371).

A bucket of `burst` tokens that refills at `rate` a second is kept as the instant at which it will be full again, its
theoretical arrival time. One request moves that instant by one interval; it is allowed while the bucket is not
overdrawn. AWS's words and the meaning of both numbers: developer guide, "Throttle requests to your REST APIs".

Edges: a burst of 0 allows nothing; at rate 0 a bucket never refills; a burst below the rate is the true limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf
from typing import Final, NamedTuple

__all__ = ["FULL", "NEVER_S", "Bucket", "Taken", "charge", "interval_s", "look", "take"]

FULL: Final = -inf
"""The arrival time of a bucket that nobody has used."""

NEVER_S: Final = 1e12
"""Thirty thousand years: the interval between tokens that do not come."""

TOLERANCE: Final = 1e-3
"""The part of a token that counts as there, so that rounding never costs the last token of a burst."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second flow in, `burst` is the most it holds.

    A request that may wait for `patience_s` seconds takes a token in advance, where that is soon enough.
    """

    rate: float
    burst: int
    patience_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate < inf:
            raise ValueError(f"a rate is 0 or more tokens a second, not {self.rate!r}")
        if isinstance(self.burst, bool) or not isinstance(self.burst, int) or self.burst < 0:
            raise ValueError(f"a burst is a whole number of tokens, 0 or more, not {self.burst!r}")


class Taken(NamedTuple):
    """A limit's answer: allowed or not, whole tokens left, seconds until one is there again, seconds until all are.

    `retry_after_s` is 0 where the request was allowed, or how long it has to wait for its token. `reset_s` is counted
    in whole tokens, so it is an upper bound. Both are infinite where the tokens never come back.
    """

    allowed: bool
    remaining: int
    retry_after_s: float
    reset_s: float


def interval_s(bucket: Bucket) -> float:
    """Seconds between two tokens."""
    return min(1 / bucket.rate, NEVER_S) if bucket.rate > 1 / NEVER_S else NEVER_S


def take(full_at_s: float, now_s: float, bucket: Bucket, cost: int = 1) -> tuple[float, Taken]:
    """Take `cost` tokens at `now_s` from a bucket that is full at `full_at_s`: when it is full now, and the answer.

    All of them or none. More than the burst never come; none are there for nothing while a bucket is in debt.
    """
    interval = interval_s(bucket)
    owed_s = max(full_at_s - now_s, 0.0)
    left = bucket.burst - cost - owed_s / interval
    if left < -TOLERANCE:
        wait_s = -left * interval
        if cost > bucket.burst or wait_s > bucket.patience_s:
            return full_at_s, refused(wait_s if cost <= bucket.burst else inf, bucket)
        return full_at_s + cost * interval, Taken(True, 0, wait_s, _coming(wait_s + bucket.burst * interval))
    after_s = max(full_at_s, now_s) + cost * interval if cost else full_at_s
    return after_s, allowed(floor(left + TOLERANCE), bucket)


def look(full_at_s: float, now_s: float, bucket: Bucket, cost: int = 1) -> Taken:
    """What `take` would answer."""
    return take(full_at_s, now_s, bucket, cost)[1]


def charge(full_at_s: float, now_s: float, bucket: Bucket, amount: int) -> float:
    """Take tokens although they may not be there, or, where `amount` is less than 0, give some back.

    A bucket may owe more than it holds; it is never more than full.
    """
    owed_s = max(full_at_s - now_s, 0.0) + amount * interval_s(bucket)
    return now_s + owed_s if owed_s > 0 else FULL


def allowed(remaining: int, bucket: Bucket) -> Taken:
    """The answer that leaves `remaining` tokens."""
    return Taken(True, remaining, 0.0, _coming((bucket.burst - remaining) * interval_s(bucket)))


def refused(wait_s: float, bucket: Bucket) -> Taken:
    """The answer of an empty bucket whose next token is `wait_s` away."""
    if not bucket.burst:
        return Taken(False, 0, inf, inf)
    return Taken(False, 0, _coming(wait_s), _coming(bucket.burst * interval_s(bucket)))


def _coming(seconds: float) -> float:
    return inf if seconds >= NEVER_S / 2 else seconds
