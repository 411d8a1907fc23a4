"""What limits would have denied of a record of requests, and the least limits that deny no more than is wanted.

The steps are the gateway's own (`core.throttle`, `core.quota`, `core.limits`); what is added here is the search.

* The burst that a rate needs to deny nothing is the largest backlog of its bucket: what has been taken from it and has
  not come back yet. A bucket too wide to be emptied tells it, for all requests in one pass.
* A bucket that holds one token more, or that fills faster, never denies more of the same requests in all. (It may deny
  another one.) So the least burst for a number of denials is found by halving.
* A quota denies what a key asks beyond it in each period, so the counts of the periods say all.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple, Protocol

from gatewaykit.core import quota as quotas
from gatewaykit.core import throttle as buckets
from gatewaykit.core.limits import Limit, Row, State, take_all
from gatewaykit.core.throttle import FULL, Bucket

__all__ = [
    "Burst", "Denied", "Events", "LeastQuota", "Replay", "Survey", "best", "curve", "least_burst", "least_quota",
    "rates", "replay", "survey",
]  # fmt: skip

_WIDE: Final = 2**32
"""The burst of a bucket that is never empty here, small enough that a float still tells thousandths of a token."""

_MOST_RATES: Final = 8
_SPAN_S: Final = 60.0


class Events(Protocol):
    """Requests in order of time, as often as they are asked for: when, and the number of the key (from 0)."""

    @property
    def keys(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[float, int]]: ...


# ---------------------------------------------------------------------------------------------------- what is there


class Survey(NamedTuple):
    """What requests are like: how many of each key, from when to when, and the most of one key in one second."""

    requests: int
    counts: Sequence[int]
    first_s: float
    last_s: float
    peak: int


def survey(events: Events) -> Survey:
    counts, second, in_second = _zeros(events.keys), array("d", [-1.0]) * events.keys, _zeros(events.keys)
    first_s, last_s, peak = inf, 0.0, 0
    for at_s, key in events:
        counts[key] += 1
        if (now := at_s // 1) != second[key]:
            second[key], in_second[key] = now, 0
        in_second[key] += 1
        peak = max(peak, in_second[key])
        first_s, last_s = min(first_s, at_s), at_s
    return Survey(sum(counts), counts, first_s, last_s, peak)


# ---------------------------------------------------------------------------------------------------- given limits


@dataclass(slots=True)
class Denied:
    """What was denied to one key."""

    count: int = 0
    first_s: float = 0.0
    last_s: float = 0.0


@dataclass(slots=True)
class Replay:
    """What limits would have denied: in all, by each limit, to which keys, and in each of the slots of time."""

    limits: Sequence[Limit]
    denied: int = 0
    by_limit: Counter[int] = field(default_factory=Counter)
    keys: dict[int, Denied] = field(default_factory=dict)
    slots: list[list[int]] = field(default_factory=list)
    """Requests and denials of each slot; all slots are of the same length, from the first request to the last."""


def replay(events: Events, limits: Sequence[Limit], seen: Survey, slots: int = 12) -> Replay:
    """Each key has each of the limits; a request passes all of them, or is denied and takes from none."""
    found = Replay(limits, slots=[[0, 0] for _ in range(slots)])
    states: list[Sequence[State] | None] = [None] * events.keys
    fresh: Sequence[State] = (None,) * len(limits)
    per_s = slots / (seen.last_s - seen.first_s) if seen.last_s > seen.first_s else 0.0
    for at_s, key in events:
        since_s = at_s - seen.first_s
        rows = [Row(limit, state, -1.0) for limit, state in zip(limits, states[key] or fresh)]
        states[key], answer = take_all(rows, since_s, at_s)
        slot = found.slots[min(int(since_s * per_s), slots - 1)]
        slot[0] += 1
        if answer.refused is not None:
            slot[1] += 1
            found.denied += 1
            found.by_limit[answer.refused] += 1
            to = found.keys.setdefault(key, Denied(first_s=at_s))
            to.count, to.last_s = to.count + 1, at_s
    return found


# ---------------------------------------------------------------------------------------------------- rate and burst


class Burst(NamedTuple):
    """The least burst at a rate that denies no more than it may, what it denies, and the least that denies none."""

    rate: float
    burst: int
    denied: int
    for_none: int


def least_burst(events: Events, rate: float, may_deny: int, seen: Survey) -> Burst:
    """The least burst, 1 or more, with which buckets of this rate deny at most `may_deny` requests."""
    needs, peaks = _backlogs(events, rate, seen)
    for_none = max(needs, default=1)
    over, burst = 0, for_none
    while burst > 1 and over + needs[burst] <= may_deny:  # what is denied leaves no backlog, so this is enough
        over += needs[burst]
        burst -= 1
    below = 0 if may_deny else burst - 1  # the first request that needs more would be denied
    denied = _denied(events, Bucket(rate, burst), seen, peaks, may_deny)
    while denied > may_deny:  # rounding, at a thousandth of a token
        below, burst = burst, burst + 1
        denied = _denied(events, Bucket(rate, burst), seen, peaks, may_deny)
    while burst - below > 1:
        middle = (below + burst) // 2
        of_middle = _denied(events, Bucket(rate, middle), seen, peaks, may_deny)
        if of_middle > may_deny:
            below = middle
        else:
            burst, denied = middle, of_middle
    return Burst(rate, burst, denied, for_none)


def _backlogs(events: Events, rate: float, seen: Survey) -> tuple[Mapping[int, int], Sequence[int]]:
    """How many requests need which burst where none is denied, and the largest that each key needs."""
    wide, take = Bucket(rate, _WIDE), buckets.take
    full_at, peaks = array("d", [FULL]) * events.keys, _zeros(events.keys)
    needs: Counter[int] = Counter()
    for at_s, key in events:
        full_at[key], taken = take(full_at[key], at_s - seen.first_s, wide)
        need = _WIDE - taken.remaining
        needs[need] += 1
        if need > peaks[key]:
            peaks[key] = need
    return needs, peaks


def _denied(events: Events, bucket: Bucket, seen: Survey, peaks: Sequence[int], enough: int) -> int:
    """How many requests buckets deny; where it is more than `enough`, how many until that was known.

    Keys whose backlog never reaches the burst are denied nothing, and are passed over.
    """
    full_at, take, burst = array("d", [FULL]) * events.keys, buckets.take, bucket.burst
    denied = 0
    for at_s, key in events:
        if peaks[key] >= burst:
            full_at[key], taken = take(full_at[key], at_s - seen.first_s, bucket)
            if not taken.allowed:
                denied += 1
                if denied > enough:
                    break
    return denied


def curve(events: Events, may_deny: int, seen: Survey) -> list[Burst]:
    """The least burst of each rate that is worth a look, until a faster one needs no smaller burst."""
    found: list[Burst] = []
    for rate in rates(seen):
        found.append(least_burst(events, rate, may_deny, seen))
        if len(found) > 1 and found[-1].burst == found[-2].burst:
            return found[:-1]
    return found


def rates(seen: Survey) -> list[float]:
    """Rates worth a look: round ones from the mean of the key that asks most to the most it asks in one second."""
    mean = max(seen.counts, default=0) / max(seen.last_s - seen.first_s, 1.0)
    step = 0
    while _round(step) > mean:
        step -= 1
    while _round(step + 1) <= mean:
        step += 1
    found = [_round(step)]
    while found[-1] < seen.peak:
        step += 1
        found.append(_round(step))
    every = -(-len(found) // _MOST_RATES)
    return found[::-1][::every][::-1]


def _round(step: int) -> float:
    """…, 0.5, 1, 2, 5, 10, 20, …"""
    decade, place = divmod(step, 3)
    return float(f"{(1, 2, 5)[place]}e{decade}")


def best(curve: Sequence[Burst]) -> Burst:
    """Of rates and bursts that deny no more, the pair that lets the fewest requests of one key through in a minute."""
    return min(curve, key=lambda each: (each.rate * _SPAN_S + each.burst, -each.rate))


# ---------------------------------------------------------------------------------------------------- quotas


class LeastQuota(NamedTuple):
    """The least limit of a period that denies no more than it may, what it denies, and the least that denies none."""

    period: str
    limit: int
    denied: int
    for_none: int


def least_quota(events: Events, period: str, may_deny: int) -> LeastQuota:
    """The least limit, 1 or more, with which quotas of this period deny at most `may_deny` requests."""
    used, ends_s, often = Counter[int](), 0.0, Counter[int]()
    for at_s, key in events:
        if at_s >= ends_s:
            often.update(used.values())
            used, ends_s = Counter(), quotas.window(period, at_s)[1]
        used[key] += 1
    often.update(used.values())
    most = max(often, default=0)
    limit, denied, above = max(most, 1), 0, 0
    while limit > 1:
        above += often[limit]  # keys and periods that reach the limit: one lower denies each of them one more
        if denied + above > may_deny:
            break
        limit, denied = limit - 1, denied + above
    return LeastQuota(period, limit, denied, max(most, 1))


def _zeros(count: int) -> array[int]:
    return array("q", [0]) * count
