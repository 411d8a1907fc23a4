"""What throttles and quotas share: find the key, ask the store's verb, say what is left.

Fields: RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-11; Retry-After of RFC 9110 section
10.2.3. API Gateway sends none of them, so they are the web profile's on refusals, and `headers=True` elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Final, cast

from gatewaykit.core.http import Head, LimitState, Request
from gatewaykit.core.quota import Quota
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.throttle import Bucket, Taken, interval_s
from gatewaykit.core.window import Window
from gatewaykit.errors import Problem
from gatewaykit.policies import by
from gatewaykit.policies.bound import Bound

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.ports import Answer

__all__ = [
    "WITHOUT_KEY", "Answers", "BoundLimit", "Limit", "limit_text", "limiting", "named", "new_name", "option_problems",
]  # fmt: skip

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}")
_COROUTINE_FLAGS: Final = 0x80 | 0x100 | 0x200  # inspect's CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR
WITHOUT_KEY: Final = "without a key"
_NUMBERS: Final = count(1)
_PERIOD_S: Final = {"DAY": 86400.0, "WEEK": 7 * 86400.0, "MONTH": 31 * 86400.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit as its policy sees it. `size` is its largest number of requests, `window_s` the time it spans."""

    name: str
    size: int
    window_s: float
    reason: Reason
    text: str
    key: KeyFunction
    without_key: str
    headers: bool


def named(
    name: str, limit: Bucket | Quota | Window, key: KeyFunction, *, without_key: str = "refuse", headers: bool = False
) -> Limit:
    """A limit of a store as its policy sees it."""
    reason = Reason.THROTTLED
    if isinstance(limit, Quota):
        size, window_s, reason = limit.limit, _PERIOD_S[limit.period], Reason.QUOTA_EXCEEDED
    elif isinstance(limit, Window):
        size, window_s = limit.limit, limit.window_s
    else:
        size, window_s = limit.burst, limit.burst * interval_s(limit) if limit.rate else inf
    return Limit(
        name=name, size=size, window_s=window_s, reason=reason, text=limit_text(limit), key=key,
        without_key=without_key, headers=headers,
    )  # fmt: skip


def limit_text(limit: Bucket | Quota | Window) -> str:
    """A limit in words."""
    if isinstance(limit, Quota):
        return f"{limit.limit} requests a {limit.period.lower()}"
    if isinstance(limit, Window):
        return f"{limit.limit} requests in a {limit.kind} window of {limit.window_s:g} s"
    return f"{limit.rate:.6g} requests a second with a burst of {limit.burst}"


def option_problems(what: str, key: object, name: object, without_key: object) -> Iterator[Problem]:
    """What is wrong with the options that every limit has."""
    if key is None:
        yield Problem(
            where=f"{what}.key", what="key= is required", why="what to count by is never guessed",
            mend=f"Give one of {by.CHOICES}",
        )  # fmt: skip
    elif key in by.MAKERS:
        name_of = getattr(key, "__name__", "")
        needs, sample = {"network": ("is a function", ""), "every": ("needs its parts", "…")}.get(
            name_of, ("needs a name", "'…'")
        )
        yield Problem(where=f"{what}.key", what=f"by.{name_of} {needs}", mend=f"Write by.{name_of}({sample})")
    elif not callable(key):
        yield Problem(where=f"{what}.key", what=f"{key!r} is no key function", mend=f"Give one of {by.CHOICES}")
    elif getattr(getattr(key, "__code__", None), "co_flags", 0) & _COROUTINE_FLAGS:
        yield Problem(where=f"{what}.key", what="a key function is a plain function, not an async one")
    if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
        yield Problem(
            where=f"{what}.name", what=f"{name!r} is no name", mend="Use up to 64 letters, digits, spaces and . _ : / -"
        )
    if without_key not in ("refuse", "share"):
        yield Problem(where=f"{what}.without_key", what=f"{without_key!r} is neither 'refuse' nor 'share'")


def new_name(what: str) -> str:
    """A name for a limit that was given none. No two limits share one; processes that build the same list agree."""
    return f"{what}-{next(_NUMBERS)}"


class BoundLimit(Bound):
    """A limit whose store never waits, and that adds no fields to responses: all there is to it is in plain sight."""

    def __init__(self, limit: Limit, take: Callable[[str], Taken], on_request: Callable[[Request], Answer]) -> None:
        super().__init__(limit.name, on_request=on_request)
        self.key_of, self.size, self.take = limit.key, limit.size, take


def limiting(limit: Limit, take: Callable[[str], Taken | Awaitable[Taken]], *, never_waits: bool = False) -> Bound:
    """The hooks of a limit that takes one token a request. `never_waits` is what the store says of its verbs."""
    name, size, key_of = limit.name, limit.size, limit.key
    answers = Answers(limit)
    refuse, shares = answers.refuse, limit.without_key == "share"

    def told(taken: Taken) -> list[LimitState]:
        return [LimitState(name, size, taken.remaining, taken.reset_s)]

    def on_request(request: Request) -> Answer | Awaitable[Answer]:
        key = key_of(request)
        if type(key) is not str:
            if key is None and shares:
                key = WITHOUT_KEY
            elif not isinstance(key, str):
                return answers.no_key(key)
        taken = take(key)
        if type(taken) is not Taken:
            return later(request, cast("Awaitable[Taken]", taken))
        if request.untold is None and request._limits is None:
            request.untold = (told, taken)  # what is left is worked out where somebody asks
        else:
            request.limits += told(taken)
        return request if taken[0] else refuse(taken)

    async def later(request: Request, answer: Awaitable[Taken]) -> Answer:
        taken = await answer
        request.limits += told(taken)
        return request if taken.allowed else refuse(taken)

    if never_waits and not limit.headers:
        return BoundLimit(limit, cast("Callable[[str], Taken]", take), cast("Callable[[Request], Answer]", on_request))
    return Bound(name, on_request=on_request, on_head=answers.on_head if limit.headers else None)


class Answers:
    """What a limit says to a client: its refusals, and the RateLimit fields."""

    def __init__(self, limit: Limit) -> None:
        self._limit, self._item = limit, f'"{limit.name}"'.encode()
        window = _seconds(b"w", limit.window_s)
        self._policy_field = (b"ratelimit-policy", b"%b;q=%d%b" % (self._item, limit.size, window))

    def no_key(self, key: object) -> Refusal:
        """The refusal of a request without a key."""
        if key is None:
            detail = "the key function gave None. Is the policy that proves the caller listed before this one?"
        else:
            detail = f"the key function gave {type(key).__name__}, not a text"
        return Refusal(Reason.LIMIT_KEY_MISSING, f"{self._limit.name}: {detail}")

    def refuse(self, taken: Taken, cost: int = 1) -> Refusal:
        """The refusal of a limit that has not so much."""
        limit = self._limit
        fields = [self._policy_field, (b"ratelimit", b"%b;r=0%b" % (self._item, _seconds(b"t", taken.retry_after_s)))]
        if isfinite(taken.retry_after_s):
            fields.append((b"retry-after", b"%d" % max(1, _whole(taken.retry_after_s))))
        wait = f"next in {taken.retry_after_s:.3g} s" if isfinite(taken.retry_after_s) else "no more to come"
        costs = f" at a cost of {cost}" if cost != 1 else ""
        return Refusal(limit.reason, f"{limit.name}: over {limit.text}{costs}; {wait}", headers=tuple(fields))

    def on_head(self, request: Request, head: Head) -> None:
        """The RateLimit fields of any response."""
        item, name = self._item, self._limit.name
        if any(field == b"ratelimit" and value.startswith(item) for field, value in head.headers):
            return  # this limit's own refusal, which says it already
        for state in request.limits:
            if state.name == name:
                value = b"%b;r=%d%b" % (item, state.remaining, _seconds(b"t", state.reset_s))
                head.headers += (self._policy_field, (b"ratelimit", value))
                return


def _whole(seconds: float) -> int:
    return ceil(seconds - 1e-6)  # a microsecond over a whole second is rounding, not waiting


def _seconds(parameter: bytes, seconds: float) -> bytes:
    return b";%b=%d" % (parameter, max(0, _whole(seconds))) if isfinite(seconds) else b""
