"""`throttle(...)`: so many requests a second, with bursts, or so many in a window, for each key.

Developer guide, "Throttle requests to your REST APIs": a token bucket that refills at `rate` and holds `burst`. The
windows are those of `core.window`; API Gateway has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from gatewaykit.core.throttle import Bucket
from gatewaykit.core.window import Window
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.cost import cost_problems
from gatewaykit.policies.limit import limiting, named, new_name, option_problems
from gatewaykit.policies.limit_by_cost import limiting_by_cost
from gatewaykit.policies.shaping import shaping
from gatewaykit.ports import Policy
from gatewaykit.units import parse_count, parse_duration

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.policies.cost import Cost
    from gatewaykit.ports import Runtime

__all__ = ["Throttle", "throttle"]

_WINDOWS: Final = {"fixed_window": "fixed", "moving_window": "moving", "sliding_window": "sliding"}
_MAX_WAITING: Final = 1000
_LONGEST_WAIT_S: Final = 60
_ALGORITHMS: Final = ("token_bucket", *_WINDOWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(Policy):
    """A limit for each key; made by `throttle`. One object used in several rules is one limit."""

    phase = "throttle"

    limit: Bucket | Window
    key: KeyFunction
    name: str
    headers: bool = False
    without_key: str = "refuse"
    cost: Cost = 1
    max_waiting: int = _MAX_WAITING

    def bind(self, runtime: Runtime) -> Policy:
        limit = self.limit
        limited = named(self.name, limit, self.key, without_key=self.without_key, headers=self.headers)
        if self.cost != 1:
            return limiting_by_cost(limited, limit, self.cost, runtime)
        never_waits = getattr(runtime.throttles, "never_waits", False)
        if isinstance(limit, Bucket) and limit.patience_s:
            return shaping(limited, limit, self.max_waiting, runtime)
        if isinstance(limit, Window):
            return limiting(limited, runtime.throttles.window(self.name, limit), never_waits=never_waits)
        return limiting(limited, runtime.throttles.bucket(self.name, limit), never_waits=never_waits)


def throttle(
    *,
    rate: str | float,
    burst: int | None = None,
    key: KeyFunction | None = None,
    algorithm: Literal["token_bucket", "fixed_window", "moving_window", "sliding_window"] = "token_bucket",
    name: str = "",
    headers: bool = False,
    without_key: Literal["refuse", "share"] = "refuse",
    cost: Cost = 1,
    max_wait: str | float = 0,
    max_waiting: int = _MAX_WAITING,
) -> Throttle:
    """Allow each key `rate` requests a second (a number, or text such as `"5/minute"`), and `burst` at once.

    `key` says what to count by: `by.address`, `by.api_key`, `by.identity`, `by.route`, `by.everyone`, `by.header("X")`,
    `by.claim("sub")`, or any function from a request to a text. It is never guessed. A request without a key is
    refused; with `without_key="share"` all such requests share one bucket.

    With a window for `algorithm`, the period that `rate` names is the window: `"100/minute"` is at most 100 requests in
    60 seconds, and there is no burst. `fixed_window` counts by the clock's own minutes, and lets up to double through
    over an edge; `moving_window` is exact and keeps the instant of every request; `sliding_window` comes close to it
    with two numbers.

    `cost` is what a request counts for: a number, a function from a request to one, or what `gatewaykit.cost` makes: a
    cost that a header of the request, or the response, says.

    With `max_wait`, a request that finds the bucket empty waits for its token, in the order of coming, instead of being
    refused: for so long at most, and `max_waiting` of this process at most.

    A refusal is a 429 with Retry-After and the RateLimit fields (the web profile; API Gateway sends none);
    `headers=True` puts the RateLimit fields on other responses too. `name` tells limits apart in those fields and in
    a shared store: give one where processes that build different lists of policies share a store.

    Edges: a burst of 0 refuses everything; at rate 0 the burst is all there ever is; a burst below the rate caps it.

    >>> from gatewaykit import by, throttle
    >>> login = throttle(rate="5/minute", burst=5, key=by.address)
    >>> search = throttle(rate="100/minute", algorithm="sliding_window", key=by.api_key)
    """
    problems = [*option_problems("throttle", key, name, without_key), *cost_problems("throttle", cost)]
    limit: Bucket | Window | None = None
    try:
        count, period_s = parse_count(rate)
    except ValueError as error:
        problems.append(Problem(where="throttle.rate", what=str(error)))
        count, period_s = 0.0, 1.0
    if algorithm not in _ALGORITHMS:
        near = near_miss(algorithm, _ALGORITHMS) if isinstance(algorithm, str) else ""
        what = f"{algorithm!r} is no algorithm; it is one of {', '.join(_ALGORITHMS)}"
        problems.append(Problem(where="throttle.algorithm", what=what, near=near))
    elif algorithm == "token_bucket":
        if burst is None:
            problems.append(_NO_BURST)
        else:
            try:
                limit = Bucket(count / period_s, burst)
            except ValueError as error:
                problems.append(Problem(where="throttle.burst", what=str(error)))
    else:
        wrong = list(_window_problems(algorithm, count, period_s, burst))
        problems += wrong
        limit = None if wrong else Window(int(count), period_s, _WINDOWS[algorithm])
    problems += _waiting_problems(algorithm, cost, max_wait, max_waiting)
    if problems or key is None or limit is None:
        raise ConfigError(problems)
    return Throttle(
        limit=_patient(limit, max_wait), max_waiting=max_waiting, key=key,
        name=name or new_name("throttle"), headers=headers, without_key=without_key, cost=cost
    )  # fmt: skip


def _patient(limit: Bucket | Window, max_wait: str | float) -> Bucket | Window:
    return replace(limit, patience_s=parse_duration(max_wait)) if isinstance(limit, Bucket) else limit


def _waiting_problems(algorithm: object, cost: object, max_wait: object, max_waiting: object) -> Iterator[Problem]:
    seconds = 0.0
    try:
        seconds = parse_duration(max_wait)  # type: ignore[arg-type]  # it raises for what is none
        if seconds > _LONGEST_WAIT_S:
            what = f"{max_wait!r} is longer than {_LONGEST_WAIT_S} s: no client waits for that"
            yield Problem(where="throttle.max_wait", what=what)
    except ValueError as error:
        yield Problem(where="throttle.max_wait", what=str(error))
    if seconds and algorithm != "token_bucket":
        yield Problem(where="throttle.max_wait", what="only a token bucket says when its next token is there")
    if seconds and cost != 1:
        yield Problem(where="throttle.max_wait", what="a request with a cost of its own does not wait")
    if isinstance(max_waiting, bool) or not isinstance(max_waiting, int) or max_waiting < 1:
        yield Problem(where="throttle.max_waiting", what=f"{max_waiting!r:.60} is not a number of requests, 1 or more")


_NO_BURST: Final = Problem(
    where="throttle.burst", what="burst= is required", why="a token bucket holds the requests that may come at once",
    mend="Give a number of requests, or a window such as algorithm='sliding_window', which has no burst",
)  # fmt: skip


def _window_problems(algorithm: str, count: float, period_s: float, burst: object) -> Iterator[Problem]:
    if burst is not None:
        yield Problem(
            where="throttle.burst", what=f"a {algorithm} has no burst",
            why="all it allows in a window may come at once", mend="Leave burst out, or use algorithm='token_bucket'",
        )  # fmt: skip
    if not count.is_integer():
        yield Problem(
            where="throttle.rate", what=f"a {algorithm} counts whole requests, not {count:g}",
            mend="Write a longer period, such as '3/2 minutes'",
        )  # fmt: skip
    try:
        Window(0, period_s, _WINDOWS[algorithm])
    except ValueError as error:
        yield Problem(where="throttle.rate", what=str(error))
