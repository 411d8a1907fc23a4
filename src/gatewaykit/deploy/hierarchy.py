"""The throttling hierarchy of one stage: which policy each method gets, and how its limits are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.usage_plan import (
    EVERY_METHOD,
    UNTOUCHED,
    ApiStage,
    Level,
    UsagePlan,
    levels,
    method_limit,
    plans_of_stage,
    stage_problems,
)
from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.usage_plan_settings import account_limit, read_method_settings, read_usage_plans
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.limit import limit_text
from gatewaykit.policies.usage_plan import HierarchyPolicy, PlanLevels

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.window import Window
    from gatewaykit.deploy.settings import Locate

__all__ = ["EffectiveLimits", "Hierarchy", "HierarchyOptions", "hierarchy_options", "read_hierarchy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveLimits:
    """What a request of a plan's keys meets at a method, in order; an empty plan is a request that no plan counts."""

    plan: str
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyOptions:
    """What a deployment says of limits."""

    usage_plans: tuple[UsagePlan, ...] = ()
    method_settings: Mapping[str, Bucket] = field(default_factory=dict)
    account_limit: Bucket | None = None
    api_name: str = ""  # how plans call this API


def hierarchy_options(
    usage_plans: object, method_settings: object, limit: object, profile: str, api_name: str
) -> HierarchyOptions:
    """The options as a user gives them. Raises ConfigError with every problem."""
    problems: list[Problem] = []
    read: dict[str, Any] = {}
    for name, make in (
        ("usage_plans", lambda: read_usage_plans(usage_plans)),
        ("method_settings", lambda: read_method_settings(method_settings)),
        ("account_limit", lambda: account_limit(limit, profile)),
    ):
        try:
            read[name] = make()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return HierarchyOptions(api_name=api_name, **read)


def read_hierarchy(
    extensions: Mapping[str, Any],
    locating: Callable[[str], Locate],
    given: HierarchyOptions,
    *,
    facts: ApiFacts,
    methods: Sequence[str],
    keys: Sequence[str] | None,
) -> Hierarchy:
    """What the deployment and the document's own `x-gatewaykit` say together. `keys` are all there are, where known.

    Of a method's limit, and of a plan of one id, the deployment's word counts. What is wrong is in the `problems` of
    what is returned.
    """
    problems: list[Problem] = []
    try:
        plans = read_usage_plans(extensions.get("usage_plans"), locating("usage_plans"))
    except ConfigError as error:
        plans, problems = (), [*error.problems]
    settings: Mapping[str, Bucket] = {}
    try:
        settings = read_method_settings(extensions.get("method_settings"), locating("method_settings"))
    except ConfigError as error:
        problems += error.problems
    taken = {plan.id for plan in given.usage_plans}
    plans = (*(plan for plan in plans if plan.id not in taken), *given.usage_plans)
    for plan in plans:
        for key in plan.keys:
            if keys is not None and key not in keys:
                what = f"plan {plan.id!r} has the key {key!r}, and there is no such key"
                problems.append(Problem(where="usage_plans", what=what, near=near_miss(key, keys)))
    options = replace(given, usage_plans=plans, method_settings={**settings, **given.method_settings})
    return Hierarchy(options, facts, methods, problems)


class Hierarchy:
    """The limits of a stage's methods. `methods` are all there are, as `"GET /pets"`."""

    def __init__(
        self, options: HierarchyOptions, facts: ApiFacts, methods: Sequence[str], problems: Sequence[Problem] = ()
    ) -> None:
        name, self.plans = options.api_name or facts.api_id, options.usage_plans
        self._place, self._settings = f"{name}/{facts.stage}", options.method_settings
        self._held = plans_of_stage(self.plans, name, facts.stage)
        self._plan_of = {key: place for place, (plan, _) in enumerate(self._held) for key in plan.keys}
        limit = options.account_limit
        self._account = None if limit is None else (f"{facts.account_id}/{facts.region}", limit)
        self.problems = [*problems, *stage_problems(self.plans, name, facts.stage), *self._unknown(methods)]

    def policy(self, method: str, verb: str, resource: str, *, needs_key: bool) -> HierarchyPolicy | None:
        """The limits of a method as a policy; None where there are none."""
        without, counts = self._levels(None, method), needs_key and bool(self.plans)
        if not counts and not without:
            return None
        return HierarchyPolicy(
            levels=without,
            plans=tuple(PlanLevels(held[0], self._levels(held, method)) for held in self._held) if counts else (),
            plan_of=self._plan_of if counts else None,
            api_stage=self._place, verb=verb, resource=resource,
        )  # fmt: skip

    def shown(self, method: str, *, needs_key: bool) -> tuple[EffectiveLimits, ...]:
        """The limits of a method in words: for each plan, where keys count."""
        if not needs_key or not self.plans:
            return (EffectiveLimits(plan="", limits=_texts(self._levels(None, method))),)
        return tuple(
            EffectiveLimits(plan=plan.id, limits=_texts(self._levels((plan, at), method))) for plan, at in self._held
        )

    def _levels(self, plan: tuple[UsagePlan, ApiStage] | None, method: str) -> tuple[Level, ...]:
        own = method_limit(self._settings, method)
        if own == UNTOUCHED and self._account is not None and self._account[1] == UNTOUCHED:
            own = None  # the account's is reached first, by all methods together
        return levels(plan, self._place, method, own, self._account)

    def _unknown(self, methods: Sequence[str]) -> Iterator[Problem]:
        """Methods that have limits and are not there."""
        for plan, at in self._held:
            for method in at.methods:
                if method not in methods:
                    what = f"plan {plan.id!r} limits {method}, and this API has no such method"
                    yield Problem(where="usage_plans", what=what, near=near_miss(method, methods))
        for method in self._settings:
            if method not in methods and method != EVERY_METHOD:
                what = f"there is a limit for {method}, and this API has no such method"
                yield Problem(where="method_settings", what=what, near=near_miss(method, methods))


def _texts(found: Sequence[Level]) -> tuple[str, ...]:
    return tuple(f"{level.name} {_short(level.limit)}" for level in found)


def _short(limit: Bucket | Quota | Window) -> str:
    if isinstance(limit, Bucket):
        return f"{limit.rate:.6g}/s burst {limit.burst}"
    return limit_text(limit).replace(" requests", "")
