"""A throttle as a middleware against slowapi's, and the whole hierarchy of limits as one decision.

    python -m benchmarks --only limits

The hierarchy is that of API Gateway: account, stage, method, a plan's throttle and its quota, decided together by one
call of the store. Its floor is one token bucket in a dict (suite `policies` has one decision against it, and what a key
takes of memory). As a middleware the throttle is timed around one bare app, slowapi's around a Starlette application
with one route; what counts is the time each adds to its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from slowapi import Limiter
from slowapi.middleware import SlowAPIASGIMiddleware
from slowapi.util import get_remote_address
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.bench_policies import KEYS, gcra
from benchmarks.inproc import answer_of, http_scope, measure, request_to
from benchmarks.report import Line, at_most, line, say
from benchmarks.stacks import facts
from gatewaykit import ThrottleMiddleware, by
from gatewaykit.clock import SYSTEM
from gatewaykit.core.http import Request
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.core.limits import Limit
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.usage_plan import ApiStage, Level, UsagePlan, levels
from gatewaykit.policies.usage_plan import HierarchyPolicy, PlanLevels
from gatewaykit.ports import Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.upstream.http import HttpTransport

__all__ = ["run"]

_METHOD: Final = "GET /pets/{id}"
_LOAD: Final = {"idle": 1e9, "in use": 100.0}
"""Rates with which buckets are full again at each request, and with which they are not."""

_BURST: Final = 1_000_000  # more than a run asks for: nothing is refused


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds = 21 if quick else 61
    return [*_hierarchy(rounds), *_middleware(rounds)]


def _hierarchy(rounds: int) -> list[Line]:
    say("  account, stage, method, plan and quota in one decision")
    lines = []
    for what, rate in _LOAD.items():
        plan = UsagePlan(
            "gold", throttle=Bucket(rate, _BURST - 2), quota=Quota(10**9, "MONTH"), keys=tuple(KEYS),
            stages=(ApiStage(methods={_METHOD: Bucket(rate, _BURST - 3)}),),
        )  # fmt: skip
        shared = Bucket(rate * len(KEYS), _BURST * len(KEYS))
        found = levels((plan, plan.stages[0]), "shop/prod", _METHOD, shared, ("1/here", shared))
        times = measure(
            {
                "five": _five([level.limit for level in found]),
                "policy": _policy(plan, found),
                "dict": _one(gcra(rate, _BURST)),
                "limits": _one(_five_of_limits()),
            },
            rounds=rounds,
        )
        # What a policy adds to a decision (keys, the plan of a caller, what handlers are told) has no floor here.
        for how, case, target in (("in the store", "five", at_most(4)), ("by the policy", "policy", None)):
            each = [nanoseconds / len(KEYS) / 1000 for nanoseconds in times.rounds[case]]
            name = f"hierarchy of five {how}, {what}"
            lines += [
                line("limits", f"{name}: one decision", each, unit="us"),
                line("limits", f"{name} / one GCRA in a dict", times.ratios(case, "dict"), target),
                line("limits", f"{name}: five fixed windows of limits / ours", times.ratios("limits", case)),
            ]
    return lines


def _five(limits: Sequence[Limit]) -> Callable[[], None]:
    decide = MemoryThrottleStore().limits("bench", limits)

    def case() -> None:
        for key in KEYS:
            decide((key, key, key, "all", "all"))

    return case


def _policy(plan: UsagePlan, found: tuple[Level, ...]) -> Callable[[], None]:
    """The policy that a method of a definition has, on requests whose key is known."""
    policy = HierarchyPolicy(
        levels=(), plans=(PlanLevels(plan, found),), plan_of=dict.fromkeys(KEYS, 0), api_stage="shop/prod", verb="GET",
        resource="/pets/{id}",
    )  # fmt: skip
    runtime = Runtime(
        clock=SYSTEM, throttles=MemoryThrottleStore(), transport=HttpTransport(), entropy=os.urandom
    )  # fmt: skip
    on_request: Any = policy.bind(runtime).on_request
    requests = [Request("GET", "/pets/7") for _ in KEYS]
    for request, key in zip(requests, KEYS):
        request.api_key = ApiKey(id=key, value=facts.API_KEY)

    def case() -> None:
        for request in requests:
            request.untold = None  # as on a request that is new
            if on_request(request) is not request:
                raise RuntimeError("a request was refused")

    return case


def _one(take: Callable[[str], object]) -> Callable[[], None]:
    def case() -> None:
        for key in KEYS:
            take(key)

    return case


def _five_of_limits() -> Callable[[str], bool]:
    """Five limits as one writes them with `limits`: one after the other."""
    limiter, item = FixedWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(10**9)

    def take(key: str) -> bool:
        return all(limiter.hit(item, *names) for names in ((), ("prod",), ("GET /pets/{id}",), (key,), ("quota", key)))

    return take


def _middleware(rounds: int) -> list[Line]:
    say("  a throttle as a middleware, against slowapi's")
    scope = http_scope()
    ours = ThrottleMiddleware(facts.bare, rate=1e6, burst=5000, key=by.address)
    plain, limited = _starlette(), _starlette()
    limiter = Limiter(key_func=get_remote_address, default_limits=["1000000000/minute"])
    limited.state.limiter = limiter
    limited.add_middleware(SlowAPIASGIMiddleware)
    for app in (ours, plain, limited):
        if answer_of(app, scope)[0] != 200:
            raise RuntimeError(f"{app!r} refuses")
    times = measure(
        {
            "bare": request_to(facts.bare, scope),
            "ours": request_to(ours, scope),
            "Starlette": request_to(plain, scope),
            "slowapi": request_to(limited, scope),
        },
        rounds=rounds,
    )
    peer = times.added_ratios("slowapi", "ours", "Starlette", "bare")
    return [
        line("limits", "throttle as a middleware: added", times.added_us("ours", "bare"), at_most(1), unit="us"),
        line("limits", "slowapi's ASGI middleware: added", times.added_us("slowapi", "Starlette"), unit="us"),
        line("limits", "slowapi's ASGI middleware, added / ours, added", peer),
    ]


def _starlette() -> Any:
    async def hello(request: StarletteRequest) -> Response:
        return Response(b'{"hello":"you"}', media_type="application/json")

    return Starlette(routes=[Route("/hello", hello)])
