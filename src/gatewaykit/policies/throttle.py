"""`throttle(...)`: so many requests a second, with bursts, for each key.

Developer guide, "Throttle requests to your REST APIs": a token bucket that refills at `rate` and holds `burst`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gatewaykit.core.reasons import Reason
from gatewaykit.core.throttle import Bucket, interval_s
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.limit import Limit, limiting, new_name, option_problems
from gatewaykit.ports import Policy
from gatewaykit.units import parse_rate

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.ports import Runtime

__all__ = ["Throttle", "throttle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(Policy):
    """A token bucket for each key; made by `throttle`. One object used in several rules is one limit."""

    phase = "throttle"

    rate: float
    burst: int
    key: KeyFunction
    name: str
    headers: bool = False
    without_key: str = "refuse"

    def bind(self, runtime: Runtime) -> Policy:
        bucket = Bucket(self.rate, self.burst)
        limit = Limit(
            name=self.name, size=self.burst, window_s=self.burst * interval_s(bucket) if self.rate else float("inf"),
            reason=Reason.THROTTLED, text=f"{self.rate:.6g} requests a second with a burst of {self.burst}",
            key=self.key, without_key=self.without_key, headers=self.headers,
        )  # fmt: skip
        return limiting(limit, runtime.throttles.bucket(self.name, bucket))


def throttle(
    *,
    rate: str | float,
    burst: int,
    key: KeyFunction | None = None,
    name: str = "",
    headers: bool = False,
    without_key: Literal["refuse", "share"] = "refuse",
) -> Throttle:
    """Allow each key `rate` requests a second (a number, or text such as `"5/minute"`), and `burst` at once.

    `key` says what to count by: `by.address`, `by.api_key`, `by.identity`, `by.route`, `by.everyone`, `by.header("X")`,
    `by.claim("sub")`, or any function from a request to a text. It is never guessed. A request without a key is
    refused; with `without_key="share"` all such requests share one bucket.

    A refusal is a 429 with Retry-After and the RateLimit fields (the web profile; API Gateway sends none);
    `headers=True` puts the RateLimit fields on other responses too. `name` tells limits apart in those fields and in
    a shared store: give one where processes that build different lists of policies share a store.

    Edges: a burst of 0 refuses everything; at rate 0 the burst is all there ever is; a burst below the rate caps it.

    >>> from gatewaykit import by, throttle
    >>> login = throttle(rate="5/minute", burst=5, key=by.address)
    """
    problems = list(option_problems("throttle", key, name, without_key))
    per_second = 0.0
    try:
        per_second = parse_rate(rate)
    except ValueError as error:
        problems.append(Problem(where="throttle.rate", what=str(error)))
    try:
        Bucket(per_second, burst)
    except ValueError as error:
        problems.append(Problem(where="throttle.burst", what=str(error)))
    if problems or key is None:
        raise ConfigError(problems)
    return Throttle(
        rate=per_second, burst=burst, key=key, name=name or new_name("throttle"), headers=headers,
        without_key=without_key,
    )  # fmt: skip
