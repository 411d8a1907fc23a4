"""`quota(...)`: so many requests per calendar day, week or month, for each key.

Developer guide, "Usage plans and API keys": a target maximum per period, with an offset in the first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gatewaykit.core.quota import PERIODS, Quota
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.cost import cost_problems
from gatewaykit.policies.limit import limiting, named, new_name, option_problems
from gatewaykit.policies.limit_by_cost import limiting_by_cost
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.policies.cost import Cost
    from gatewaykit.ports import Runtime

__all__ = ["QuotaPolicy", "quota"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPolicy(Policy):
    """A quota for each key; made by `quota`. Using one object in several rules is one quota for all of them."""

    phase = "quota"

    quota: Quota
    key: KeyFunction
    name: str
    headers: bool = False
    without_key: str = "refuse"
    cost: Cost = 1

    def bind(self, runtime: Runtime) -> Policy:
        limit = named(self.name, self.quota, self.key, without_key=self.without_key, headers=self.headers)
        if self.cost != 1:
            return limiting_by_cost(limit, self.quota, self.cost, runtime)
        never_waits = getattr(runtime.throttles, "never_waits", False)
        return limiting(limit, runtime.throttles.quota(self.name, self.quota), never_waits=never_waits)


def quota(
    *,
    limit: int,
    period: Literal["DAY", "WEEK", "MONTH"],
    key: KeyFunction | None = None,
    offset: int = 0,
    name: str = "",
    headers: bool = False,
    without_key: Literal["refuse", "share"] = "refuse",
    cost: Cost = 1,
) -> QuotaPolicy:
    """Allow each key `limit` requests per calendar period: DAY, WEEK (from Monday) or MONTH, in UTC.

    `offset` requests count as used in the first period, that in which the process started. A refused request does not
    count. The other options are those of `throttle`; a refusal is a 429 with Reason.QUOTA_EXCEEDED.

    >>> from gatewaykit import by, quota
    >>> daily = quota(limit=1000, period="DAY", key=by.api_key)
    """
    problems = [*option_problems("quota", key, name, without_key), *cost_problems("quota", cost)]
    if period not in PERIODS:
        near = near_miss(period, PERIODS) if isinstance(period, str) else ""
        what = f"{period!r} is no period; it is one of {', '.join(PERIODS)}"
        problems.append(Problem(where="quota.period", what=what, near=near))
    for option, value in (("limit", limit), ("offset", offset)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            problems.append(Problem(where=f"quota.{option}", what=f"{value!r} is not a number of requests, 0 or more"))
    if problems or key is None:
        raise ConfigError(problems)
    return QuotaPolicy(
        quota=Quota(limit, period, offset), key=key, name=name or new_name("quota"), headers=headers,
        without_key=without_key, cost=cost,
    )  # fmt: skip
