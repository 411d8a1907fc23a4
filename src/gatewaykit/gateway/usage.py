"""Reading and extending what keys have used of their usage plans: GetUsage and UpdateUsage of the API Gateway API."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gatewaykit.core.usage import page, read_span, usage_of
from gatewaykit.definition.near import near_miss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatewaykit.core.quota import Quota
    from gatewaykit.core.usage_plan import UsagePlan
    from gatewaykit.ports import Runtime, UsageStore

__all__ = ["extend_usage", "read_usage"]

T = TypeVar("T")
_DAYS = 30


async def read_usage(
    plans: Sequence[UsagePlan],
    runtime: Runtime,
    plan_id: str,
    *,
    key_id: str | None,
    start_date: str | None,
    end_date: str | None,
    limit: int | None,
    position: str | None,
) -> dict[str, Any]:
    """The answer of GetUsage. Raises ValueError for what cannot be answered, StoreError where the store fails."""
    plan, quota, store = _found(plans, runtime, plan_id)
    keys: Sequence[str] = plan.keys
    if key_id is not None:
        keys = [_known(plan, key_id)]
    now = runtime.clock.wall()
    today = datetime.fromtimestamp(now, timezone.utc).date()
    start_date = str(today - timedelta(days=_DAYS - 1)) if start_date is None else start_date
    span = read_span(start_date, str(today) if end_date is None else end_date, now)
    if isinstance(span, str):
        raise ValueError(span)
    paged = page(keys, limit, position)
    if isinstance(paged, str):
        raise ValueError(paged)
    keys, following = paged
    items = await _now(store.usage(plan.store_name, quota, keys, span.first_s, span.last_s))
    return usage_of(plan.id, span, items, following)


async def extend_usage(
    plans: Sequence[UsagePlan], runtime: Runtime, plan_id: str, key_id: str, remaining: int
) -> dict[str, Any]:
    """Leave a key so many requests in the running period: the answer of UpdateUsage, for today. Raises as above."""
    plan, quota, store = _found(plans, runtime, plan_id)
    _known(plan, key_id)
    if isinstance(remaining, bool) or not isinstance(remaining, int) or not 0 <= remaining <= 2**53:
        raise ValueError(f"{remaining!r:.40} is no number of requests, 0 or more")
    await _now(store.extend(plan.store_name, quota, key_id, remaining))
    today = str(datetime.fromtimestamp(runtime.clock.wall(), timezone.utc).date())
    return await read_usage(
        plans, runtime, plan_id, key_id=key_id, start_date=today, end_date=today, limit=None, position=None
    )


def _found(plans: Sequence[UsagePlan], runtime: Runtime, plan_id: str) -> tuple[UsagePlan, Quota, UsageStore]:
    plan = next((each for each in plans if each.id == plan_id), None)
    if plan is None:
        near = near_miss(plan_id, [each.id for each in plans])
        raise ValueError(f"there is no usage plan {plan_id!r:.80}{f'; did you mean {near!r}?' if near else ''}")
    if plan.quota is None:
        raise ValueError(f"the usage plan {plan_id!r} has no quota, so nothing is counted")
    if not hasattr(runtime.throttles, "usage"):
        raise ValueError("this store of limits does not keep usage")
    return plan, plan.quota, cast("UsageStore", runtime.throttles)


def _known(plan: UsagePlan, key_id: str) -> str:
    if key_id not in plan.keys:
        near = near_miss(key_id, plan.keys)
        raise ValueError(f"plan {plan.id!r} has no key {key_id!r:.80}{f'; did you mean {near!r}?' if near else ''}")
    return key_id


async def _now(answer: T | Awaitable[T]) -> T:
    return await answer if isinstance(answer, Awaitable) else answer
