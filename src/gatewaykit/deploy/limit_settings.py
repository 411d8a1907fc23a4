"""`throttle`, `quota` and `concurrency` as settings: in `gateway.yaml`, and under `x-gatewaykit` in a definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatewaykit.deploy.costing import CostOf
from gatewaykit.deploy.counting import CountedBy
from gatewaykit.deploy.settings import Duration, Rate, setting

__all__ = ["ConcurrencySettings", "QuotaSettings", "ThrottleSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    rate: Rate = setting('Requests a second, or text such as "5/minute"')
    burst: int = setting("How many requests may come at once; for a token bucket alone, which needs it", None)
    key: CountedBy = setting("What to count by: address, api_key, header:NAME, …, or a list for each combination")
    algorithm: Literal["token_bucket", "fixed_window", "moving_window", "sliding_window"] = setting(
        "How it is counted", "token_bucket"
    )
    name: str = setting("A name that tells this limit from others", "")
    headers: bool = setting("Put the RateLimit fields on every response, not only on refusals", False)
    without_key: Literal["refuse", "share"] = setting("What becomes of requests that have no such key", "refuse")
    cost: CostOf = setting("What a request counts for: a number, or where the request or the response says it", 1)
    max_wait: Duration = setting("How long a request may wait for its token instead of being refused", 0)
    max_waiting: int = setting("How many requests of a process may wait", 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSettings:
    limit: int = setting("Requests in one period")
    period: Literal["DAY", "WEEK", "MONTH"] = setting("The calendar period, in UTC")
    key: CountedBy = setting("What to count by: address, api_key, header:NAME, …, or a list for each combination")
    offset: int = setting("Requests that count as used in the first period", 0)
    name: str = setting("A name that tells this limit from others", "")
    headers: bool = setting("Put the RateLimit fields on every response, not only on refusals", False)
    without_key: Literal["refuse", "share"] = setting("What becomes of requests that have no such key", "refuse")
    cost: CostOf = setting("What a request counts for: a number, or where the request or the response says it", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencySettings:
    limit: int = setting("How many requests of a key may be under way at once")
    key: CountedBy = setting("What to count by: address, api_key, header:NAME, …, or a list for each combination")
    name: str = setting("A name that tells this limit from others", "")
    without_key: Literal["refuse", "share"] = setting("What becomes of requests that have no such key", "refuse")
    max_duration: Duration = setting("After how long a request counts no more, in a store that processes share", "15m")
