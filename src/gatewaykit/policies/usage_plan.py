"""The throttling hierarchy of a method: the plan of the key that came, the stage's limit, the account's; one decision.

Developer guide, "Usage plans and API keys", "Throttle requests to your REST APIs"; the levels and their order are those
of `core.usage_plan`. All are asked in one call of the store, and none is taken from unless all have a token. A
definition has this policy by itself; nobody lists it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.http import LimitState, Request
from gatewaykit.core.limits import Decided
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.throttle import Bucket
from gatewaykit.policies import by
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.limit import Answers, named
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Head
    from gatewaykit.core.usage_plan import Level, UsagePlan
    from gatewaykit.ports import Answer, Runtime

__all__ = ["HierarchyPolicy", "PlanLevels"]

_ALL: Final = "all"  # the key of what every caller shares


@dataclass(frozen=True, slots=True)
class PlanLevels:
    """A plan that holds this stage, and the limits that a request of one of its keys meets at this method."""

    plan: UsagePlan
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyPolicy(Policy):
    """The limits of one method. `levels` are what a request meets that no plan counts.

    `plan_of` gives, for a key's id, which of `plans` counts it; all methods share it. None: keys need no plan here.
    """

    phase = "usage_plan"

    levels: tuple[Level, ...]
    plans: tuple[PlanLevels, ...]
    plan_of: Mapping[str, int] | None
    api_stage: str
    verb: str
    resource: str

    @property
    def name(self) -> str:  # type: ignore[override]  # it depends on what there is
        """Nobody configured the account's limit, so where it stands alone it has a name of its own."""
        return "usage_plan" if self.plan_of is not None or len(self.levels) > 1 else self.levels[0].name

    def bind(self, runtime: Runtime) -> Policy:
        return _Bound(self, runtime)


class _Bound(Bound):
    def __init__(self, config: HierarchyPolicy, runtime: Runtime) -> None:
        self._config = config
        groups = [_Group(each.levels, runtime, each.plan.headers) for each in config.plans]
        shared, plan_of = _Group(config.levels, runtime, False), config.plan_of
        refused = self._refused
        told = [answers for group in groups if group.headers for answers in group.answers]

        def on_request(request: Request) -> Answer | Awaitable[Answer]:
            if plan_of is None:
                return shared.ask(request, _ALL, refused)
            key = request.api_key
            place = plan_of.get(key.id) if key is not None else None
            if place is None:
                detail = f"the key is in no usage plan that holds the stage {config.api_stage}"
                return Refusal(Reason.API_KEY_NOT_IN_PLAN, detail)
            if request.events is not None:
                request.note("usage_plan", f"Usage Plan check succeeded for API Key {key.id} and API Stage "
                             f"{config.api_stage}")  # fmt: skip
            return groups[place].ask(request, key.id, refused)

        def on_head(request: Request, head: Head) -> None:
            for answers in told:
                answers.on_head(request, head)

        super().__init__(config.name, on_request=on_request, on_head=on_head if told else None)

    def _refused(self, request: Request, level: Level) -> None:
        """The line of the execution log."""
        if request.events is None or not level.per_key or not isinstance(level.limit, Bucket):
            return
        config = self._config
        api, _, stage = config.api_stage.partition("/")
        request.note(
            "usage_plan",
            f"Key throttle limit exceeded for RestApi {api}, Stage {stage}, Resource {config.resource}, HttpMethod "
            f"{config.verb}. Limit: {level.limit.rate:g} Burst: {level.limit.burst}",
        )


class _Group:
    """Limits that are decided together: those of one plan at a method, or those without a plan."""

    def __init__(self, levels: tuple[Level, ...], runtime: Runtime, headers: bool) -> None:
        self.levels, self.headers = levels, headers
        self.limits = [named(level.name, level.limit, by.everyone, headers=headers) for level in levels]
        self.answers = [Answers(limit) for limit in self.limits]
        self._of_key = any(level.per_key for level in levels)
        self._keys = _keys([not level.per_key for level in levels])
        self._take: Any = None
        self._told = self._states  # bound once
        if levels:
            names, limits = [level.store_name for level in levels], [level.limit for level in levels]
            self._take = runtime.throttles.limits(names, limits)

    def ask(self, request: Request, key: str, refused: Callable[[Request, Level], None]) -> Answer | Awaitable[Answer]:
        """Take a token of each, for a caller's key."""
        if self._take is None:
            return request
        decided = self._take(self._keys((key, _ALL)))
        if isinstance(decided, Decided):
            return self._judge(request, decided, refused)
        return self._later(request, decided, refused)

    async def _later(
        self, request: Request, decided: Awaitable[Decided], refused: Callable[[Request, Level], None]
    ) -> Answer:
        return self._judge(request, await decided, refused)

    def _judge(self, request: Request, decided: Decided, refused: Callable[[Request, Level], None]) -> Answer:
        place = decided.refused
        if place is None and request.events is None:
            if not self._of_key:
                return request  # nobody is told of limits that all callers share
            if request.untold is None and request._limits is None:
                request.untold = (self._told, decided)  # what is left is worked out where somebody asks
                return request
        request.limits.extend(self._told(decided))
        if place is None:
            return request
        refused(request, self.levels[place])
        taken = decided.taken[place]
        assert taken is not None  # it refused
        return self.answers[place].refuse(taken)

    def _states(self, decided: Decided) -> list[LimitState]:
        """What each limit has left."""
        return [
            LimitState(limit.name, limit.size, taken.remaining, taken.reset_s)
            for limit, taken in zip(self.limits, decided.taken)
            if taken is not None
        ]


def _keys(shared: Sequence[bool]) -> Callable[[tuple[str, str]], tuple[str, ...]]:
    """Gives each limit its key, of a caller's and the one that all share."""
    places = [int(each) for each in shared]
    return itemgetter(*places) if len(places) > 1 else itemgetter(*(slice(place, place + 1) for place in places or [0]))
