"""Usage plans and the throttling hierarchy: which limits a request of a method meets, and in what order.

Developer guide, "Usage plans and API keys" and "Throttle requests to your REST APIs"; reference 02 section 1.

Rules
* The order is: the plan's limit for this method, the plan's rate, the plan's quota, the stage's limit for the method,
  the account's. The first that is exceeded answers.
* A plan's rate and quota are of one key, over all methods and stages of the plan. Its limit for a method is of one key,
  method and stage. The stage's is of one method, for all callers; the account's of everything.
* A key may be in several plans, but a stage sees one plan of a key at most.
* The settings of one method take the place of those of `*/*` as a whole (`method_limit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gatewaykit.core.limits import Limit
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.errors import Problem

__all__ = [
    "ACCOUNT", "EVERY_METHOD", "MOST_METHODS", "MOST_PLANS", "UNTOUCHED", "ApiStage", "Level", "UsagePlan", "levels",
    "method_key", "method_limit", "plan_problems", "plans_of_stage", "stage_problems",
]  # fmt: skip

UNTOUCHED: Final = Bucket(10000.0, 5000)
"""The limit of a method that nobody has set (recorded row 119); an account's is the same by default."""

ACCOUNT: Final = "account"
"""The name of the account's limit."""

EVERY_METHOD: Final = "*/*"
"""How the settings of all methods without their own are called."""

MOST_PLANS: Final = 10
"""Plans that one key may be in (developer guide, "Quotas for configuring and running a REST API")."""

MOST_METHODS: Final = 20
"""Methods with a limit of their own in one stage of a plan; as above."""


@dataclass(frozen=True, slots=True)
class ApiStage:
    """A stage that a plan holds; an empty name is any. `methods` limits single methods there, by `"GET /pets/{id}"`."""

    api_id: str = ""
    stage: str = ""
    methods: Mapping[str, Bucket] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """A usage plan. `keys` are the ids of its API keys. `headers` tells clients what they have left of it."""

    id: str
    name: str = ""
    throttle: Bucket | None = None
    quota: Quota | None = None
    stages: tuple[ApiStage, ...] = ()
    keys: tuple[str, ...] = ()
    headers: bool = False

    @property
    def store_name(self) -> str:
        """The name under which a store keeps its rate and its quota; they are kept by the key's id."""
        return f"plan:{self.id}"


class Level(NamedTuple):
    """One limit that a request meets. `store_name` is where a store keeps it; `per_key`: it is of each key alone."""

    name: str
    store_name: str
    limit: Limit
    per_key: bool


def levels(
    plan: tuple[UsagePlan, ApiStage] | None,
    place: str,
    method: str,
    stage_limit: Bucket | None,
    account: tuple[str, Bucket] | None,
) -> tuple[Level, ...]:
    """The limits of a method (`"GET /pets"`), for the keys of a plan or for requests without one, in order.

    `place` is the API and stage (`"shop/prod"`), `account` the account and region, and the limit of all that is in it.
    """
    found = []
    if plan is not None:
        of, at = plan
        name = f"plan {of.id}"
        if (own := at.methods.get(method)) is not None:
            found.append(Level(f"{name} {method}", f"{of.store_name}:{place}/{method}", own, True))
        if of.throttle is not None:
            found.append(Level(name, of.store_name, of.throttle, True))
        if of.quota is not None:
            found.append(Level(f"{name} quota", of.store_name, of.quota, True))
    if stage_limit is not None:
        found.append(Level(f"method {method}", f"stage:{place}/{method}", stage_limit, False))
    if account is not None:
        found.append(Level(ACCOUNT, f"account:{account[0]}", account[1], False))
    return tuple(found)


def plans_of_stage(plans: Sequence[UsagePlan], api_id: str, stage: str) -> list[tuple[UsagePlan, ApiStage]]:
    """The plans that hold a stage of an API, each with what it says of it."""
    return [(plan, at) for plan in plans for at in plan.stages if at.api_id in ("", api_id) and at.stage in ("", stage)]


def method_limit(settings: Mapping[str, Bucket], method: str) -> Bucket | None:
    """The limit that a stage's settings give a method; None where nobody has set it, nor all methods."""
    return settings.get(method, settings.get(EVERY_METHOD))


def method_key(text: str) -> str | None:
    """`"/pets/{id}/GET"`, as AWS names a method in settings, as `"GET /pets/{id}"`, which is taken too.

    A slash may stand as `~1`, as in the path of a patch. `"*/*"` stays, with or without a slash before it. None for
    what names no method.
    """
    if text.startswith("/") or " " not in text:
        path, slash, verb = text.replace("~1", "/").replace("~0", "~").rpartition("/")
    else:
        verb, slash, path = text.partition(" ")
    path, verb = path.strip("/ "), verb.strip()
    if not slash or not verb or " " in verb:
        return None
    if path == "*" and verb == "*":
        return EVERY_METHOD
    return f"{verb.upper()} /{path}"


def plan_problems(plans: Sequence[UsagePlan]) -> Iterator[tuple[tuple[str | int, ...], Problem]]:
    """What is wrong with some plans together, each problem with the plan it is about and the part of it."""
    holders: dict[str, int] = {}
    for plan in plans:
        seen = set()
        for position, at in enumerate(plan.stages):
            path = (plan.id, "stages", position)
            if (at.api_id, at.stage) in seen:
                yield path, _problem(f"plan {plan.id!r} holds the stage {at.stage!r} twice")
            seen.add((at.api_id, at.stage))
            if len(at.methods) > MOST_METHODS:
                what = f"plan {plan.id!r} limits {len(at.methods)} methods of stage {at.stage!r}; {MOST_METHODS} may be"
                yield (*path, "throttle"), _problem(what)
        for key in dict.fromkeys(plan.keys):
            holders[key] = holders.get(key, 0) + 1
            if holders[key] == MOST_PLANS + 1:
                yield (plan.id, "keys"), _problem(f"key {key!r} is in more than {MOST_PLANS} plans")


def stage_problems(plans: Sequence[UsagePlan], api_id: str, stage: str) -> Iterator[Problem]:
    """Keys that more than one plan of a stage has: nobody could say which of them counts."""
    first: dict[str, str] = {}
    for plan, _ in plans_of_stage(plans, api_id, stage):
        for key in dict.fromkeys(plan.keys):
            if (other := first.setdefault(key, plan.id)) != plan.id:
                what = f"key {key!r} is in the plans {other!r} and {plan.id!r}, and both hold the stage {stage!r}"
                yield _problem(what, "a stage sees one plan of a key")


def _problem(what: str, why: str = "") -> Problem:
    return Problem(where="usage_plans", what=what, why=why)
