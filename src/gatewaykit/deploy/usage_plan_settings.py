"""Usage plans, and the limits of methods and of the account, as settings: in a `gateway.yaml`, and in code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.usage_plan import UNTOUCHED, ApiStage, UsagePlan, method_key, plan_problems
from gatewaykit.deploy.settings import Locate, Path, Rate, Reading, setting, spelt
from gatewaykit.errors import ConfigError
from gatewaykit.units import parse_rate

__all__ = [
    "LimitSettings", "PlanQuotaSettings", "PlanStageSettings", "UsagePlanSettings", "account_limit", "method_limits",
    "plans_of_settings", "read_method_settings", "read_usage_plans",
]  # fmt: skip

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_METHOD_MEND: Final = "Write a method as '/pets/{id}/GET', or 'GET /pets/{id}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    rate: Rate = setting('Requests a second, or text such as "5/minute"')
    burst: int = setting("How many requests may come at once")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanQuotaSettings:
    limit: int = setting("Requests in one period")
    period: Literal["DAY", "WEEK", "MONTH"] = setting("The calendar period, in UTC")
    offset: int = setting("Requests that count as used in the first period", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStageSettings:
    stage: str = setting("The name of the stage")
    api: str = setting("The name of the API in this file; every API where none is given", "")
    throttle: Mapping[str, LimitSettings] = setting(
        "Limits of single methods, each for every key, by names such as /pets/{id}/GET", factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePlanSettings:
    name: str = setting("A name for people", "")
    throttle: LimitSettings | None = setting("The rate of each key", None)
    quota: PlanQuotaSettings | None = setting("How many requests each key may make in a period", None)
    stages: tuple[str | PlanStageSettings, ...] | None = setting("The stages it holds; all where none are given", None)
    keys: tuple[str, ...] = setting("The API keys that are in it, by their names", ())
    headers: bool = setting("Put the RateLimit fields on every response, not only on refusals", False)


def read_usage_plans(given: object, where: str | Locate = "usage_plans") -> tuple[UsagePlan, ...]:
    """Plans as they were given: made already, or as settings by their ids. Raises ConfigError with every problem."""
    if not given:
        return ()
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    if isinstance(given, Sequence) and all(isinstance(plan, UsagePlan) for plan in given):
        plans = tuple(given)
        _check_plans(plans, reading, ())
    else:
        read = reading.value(Mapping[str, UsagePlanSettings], given, ())
        plans = plans_of_settings(read, reading, ()) if not reading.problems else ()
    if reading.problems:
        raise ConfigError(reading.problems)
    return plans


def plans_of_settings(settings: Mapping[str, UsagePlanSettings], reading: Reading, path: Path) -> tuple[UsagePlan, ...]:
    """Plans of settings that were read; what is wrong with them is noted."""
    plans = tuple(_plan(str(id), each, reading, (*path, str(id))) for id, each in settings.items())
    _check_plans(plans, reading, path)
    return plans


def read_method_settings(given: object, where: str | Locate = "method_settings") -> dict[str, Bucket]:
    """The limits of methods, by `"GET /pets"`. Raises ConfigError with every problem."""
    if isinstance(given, Mapping) and all(isinstance(each, Bucket) for each in given.values()):
        return dict(given)
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    read = reading.value(Mapping[str, LimitSettings], given or {}, ())
    limits = {} if reading.problems else method_limits(read, reading, ())
    if reading.problems:
        raise ConfigError(reading.problems)
    return limits


def method_limits(settings: Mapping[str, LimitSettings], reading: Reading, path: Path) -> dict[str, Bucket]:
    """The limits of methods that were read; what is wrong with them is noted."""
    limits = {}
    for name, each in settings.items():
        key, bucket = method_key(name), _bucket(each, reading, (*path, name))
        if key is None:
            reading.problem((*path, name), f"{name!r} names no method", mend=_METHOD_MEND)
        elif key in limits:
            reading.problem((*path, name), f"{key} has two limits")
        elif bucket is not None:
            limits[key] = bucket
    return limits


def account_limit(given: object, profile: str, where: str | Locate = "account_limit") -> Bucket | None:
    """The limit of the account: API Gateway's own under the aws profile unless it is said otherwise, False for none.

    Raises ConfigError.
    """
    if given is None:
        return UNTOUCHED if profile == "aws" else None
    if isinstance(given, bool):
        return UNTOUCHED if given else None
    if isinstance(given, Bucket):
        return given
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    settings = given if isinstance(given, LimitSettings) else reading.read(LimitSettings, given)
    bucket = None if settings is None else _bucket(settings, reading, ())
    if reading.problems:
        raise ConfigError(reading.problems)
    return bucket


def _plan(id: str, settings: UsagePlanSettings, reading: Reading, path: Path) -> UsagePlan:
    stages = [ApiStage()] if settings.stages is None else [
        ApiStage(stage=each)
        if isinstance(each, str)
        else ApiStage(each.api, each.stage, method_limits(each.throttle, reading, (*path, "stages", at, "throttle")))
        for at, each in enumerate(settings.stages)
    ]  # fmt: skip
    quota = None
    if settings.quota is not None:
        try:
            quota = Quota(settings.quota.limit, settings.quota.period, settings.quota.offset)
        except ValueError as error:
            reading.problem((*path, "quota"), str(error))
    throttle = None if settings.throttle is None else _bucket(settings.throttle, reading, (*path, "throttle"))
    return UsagePlan(
        id=id, name=settings.name, throttle=throttle, quota=quota, stages=tuple(stages), keys=settings.keys,
        headers=settings.headers,
    )  # fmt: skip


def _check_plans(plans: Sequence[UsagePlan], reading: Reading, path: Path) -> None:
    for plan in plans:
        if not _ID.fullmatch(plan.id):
            mend = "Use up to 64 letters, digits and . _ -"
            reading.problem((*path, plan.id), f"{plan.id!r:.80} is no id of a plan", mend=mend)
    if len({plan.id for plan in plans}) < len(plans):
        reading.problem(path, "two plans have one id")
    for inner, problem in plan_problems(plans):
        reading.problem((*path, *inner), problem.what, why=problem.why)


def _bucket(settings: LimitSettings, reading: Reading, path: Path) -> Bucket | None:
    try:
        return Bucket(parse_rate(settings.rate), settings.burst)
    except ValueError as error:
        reading.problem((*path, "burst"), str(error))
        return None
