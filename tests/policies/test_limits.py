"""Throttles and quotas as policies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Head, Identity, LimitState, Request
from gatewaykit.core.quota import Quota
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.errors import ConfigError
from gatewaykit.policies import by
from gatewaykit.policies.quota import QuotaPolicy, quota
from gatewaykit.policies.throttle import Throttle, throttle
from gatewaykit.ports import Policy, Runtime
from gatewaykit.stores.memory import MemoryThrottleStore


def ask(bound: Policy, request: Request | None = None) -> Request | Refusal:
    assert bound.on_request is not None
    answer = bound.on_request(Request("GET", "/") if request is None else request)
    assert isinstance(answer, (Request, Refusal))
    return answer


def test_a_burst_comes_through_and_the_next_request_waits_for_a_token(runtime: Runtime, clock: VirtualClock) -> None:
    bound = throttle(rate="5/minute", burst=5, key=by.address).bind(runtime)
    answers = [ask(bound) for _ in range(6)]

    refusal = answers[-1]
    assert all(isinstance(answer, Request) for answer in answers[:5])
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.THROTTLED
    clock.advance("12s")
    assert isinstance(ask(bound), Request)
    assert isinstance(ask(bound), Refusal)


def test_a_refusal_tells_the_client_when_to_come_back_and_the_operator_what_was_hit(runtime: Runtime) -> None:
    bound = throttle(rate="5/minute", burst=1, key=by.address, name="login").bind(runtime)
    ask(bound)
    refusal = ask(bound)

    assert isinstance(refusal, Refusal)
    assert refusal.headers == (
        (b"ratelimit-policy", b'"login";q=1;w=12'),
        (b"ratelimit", b'"login";r=0;t=12'),
        (b"retry-after", b"12"),
    )
    assert refusal.detail == "login: over 0.0833333 requests a second with a burst of 1; next in 12 s"


def test_a_limit_that_never_refills_promises_nothing(runtime: Runtime) -> None:
    bound = throttle(rate=0, burst=0, key=by.everyone, name="shut").bind(runtime)
    refusal = ask(bound)

    assert isinstance(refusal, Refusal)
    assert refusal.headers == ((b"ratelimit-policy", b'"shut";q=0'), (b"ratelimit", b'"shut";r=0'))
    assert refusal.detail.endswith("no more to come")


def test_what_is_left_is_noted_on_the_request(runtime: Runtime) -> None:
    request = Request("GET", "/")
    ask(throttle(rate=1, burst=3, key=by.address, name="a").bind(runtime), request)
    ask(quota(limit=10, period="DAY", key=by.address, name="b").bind(runtime), request)

    assert request.limits == [LimitState("a", 3, 2, 1.0), LimitState("b", 10, 9, 12 * 3600.0)]


def test_fields_on_other_responses_are_asked_for(runtime: Runtime) -> None:
    silent = throttle(rate=1, burst=3, key=by.address).bind(runtime)
    bound = throttle(rate=1, burst=3, key=by.address, name="loud", headers=True).bind(runtime)
    request, head, unlimited = Request("GET", "/"), Head(200, []), Head(200, [])
    ask(silent, request)
    ask(bound, request)

    assert silent.on_head is None
    assert bound.on_head is not None
    bound.on_head(request, head)
    bound.on_head(Request("GET", "/"), unlimited)
    assert head.headers == [(b"ratelimit-policy", b'"loud";q=3;w=3'), (b"ratelimit", b'"loud";r=2;t=1')]
    assert unlimited.headers == []


def test_a_refusal_does_not_carry_its_fields_twice(runtime: Runtime) -> None:
    bound = throttle(rate=1, burst=0, key=by.address, name="loud", headers=True).bind(runtime)
    request = Request("GET", "/")
    refusal = ask(bound, request)
    assert isinstance(refusal, Refusal)
    head = Head(429, list(refusal.headers))

    assert bound.on_head is not None
    bound.on_head(request, head)
    assert head.headers == list(refusal.headers)


@pytest.mark.parametrize(
    ("key", "without_key", "reason"),
    [
        (by.api_key, "refuse", Reason.LIMIT_KEY_MISSING),
        (lambda request: 5, "refuse", Reason.LIMIT_KEY_MISSING),
        (lambda request: 5, "share", Reason.LIMIT_KEY_MISSING),
        (by.api_key, "share", None),
    ],
    ids=["none is refused", "a number is refused", "a number is never shared", "none is shared"],
)
def test_a_request_without_a_key(
    runtime: Runtime, key: by.KeyFunction, without_key: str, reason: Reason | None
) -> None:
    bound = throttle(rate=1, burst=1, key=key, without_key=without_key).bind(runtime)  # type: ignore[arg-type]  # by table
    answer = ask(bound)

    assert (answer.reason if isinstance(answer, Refusal) else None) is reason
    if reason is None:
        assert isinstance(ask(bound), Refusal)


def test_a_text_of_a_kind_of_its_own_is_a_key(runtime: Runtime) -> None:
    class Name(str):
        __slots__ = ()

    assert isinstance(ask(throttle(rate=1, burst=1, key=lambda request: Name("x")).bind(runtime)), Request)


def test_two_throttles_do_not_share_buckets_and_one_used_twice_does(runtime: Runtime) -> None:
    one, other = (throttle(rate=1, burst=1, key=by.everyone) for _ in range(2))
    bound = [one.bind(runtime), other.bind(runtime), one.bind(runtime)]

    assert [isinstance(ask(policy), Request) for policy in bound] == [True, True, False]


@pytest.mark.parametrize(
    "policy",
    [throttle(rate=1, burst=1, key=by.everyone), quota(limit=1, period="DAY", key=by.everyone)],
    ids=["throttle", "quota"],
)
def test_a_look_takes_nothing(runtime: Runtime, policy: Throttle | QuotaPolicy) -> None:
    taking = policy.bind(runtime)
    looking = policy.bind(runtime.looking())

    assert [isinstance(ask(looking), Request) for _ in range(3)] == [True] * 3
    assert isinstance(ask(taking), Request)
    assert isinstance(ask(looking), Refusal)


class RemoteStore:
    """A store whose verbs have to be awaited, as a network one's."""

    def __init__(self, clock: VirtualClock) -> None:
        self._inner = MemoryThrottleStore(clock)

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Awaitable[Taken]]:
        return self._later(self._inner.bucket(name, bucket))

    def quota(self, name: str, quota: Quota) -> Callable[[str], Awaitable[Taken]]:
        return self._later(self._inner.quota(name, quota))

    def looking(self) -> RemoteStore:
        return self

    async def aclose(self) -> None:
        await self._inner.aclose()

    @staticmethod
    def _later(verb: Callable[[str], Taken]) -> Callable[[str], Awaitable[Taken]]:
        async def answer(key: str) -> Taken:
            await asyncio.sleep(0)
            return verb(key)

        return answer


async def test_a_store_may_have_to_be_awaited(runtime: Runtime, clock: VirtualClock) -> None:
    runtime.throttles = RemoteStore(clock)
    bound = throttle(rate=1, burst=1, key=by.address, name="remote").bind(runtime)
    assert bound.on_request is not None
    first, second = Request("GET", "/"), Request("GET", "/")

    answers = [await bound.on_request(request) for request in (first, second)]  # type: ignore[misc]  # awaitable here
    assert answers[0] is first
    assert isinstance(answers[1], Refusal)
    assert first.limits == [LimitState("remote", 1, 0, 1.0)]
    await bound.aclose()


def test_a_quota_starts_anew_with_its_period(runtime: Runtime, clock: VirtualClock) -> None:
    bound = quota(limit=2, period="DAY", key=by.identity, offset=1).bind(runtime)

    def alice() -> Request:
        request = Request("GET", "/")
        request.identity = Identity(principal="alice")
        return request

    answers = [ask(bound, alice()) for _ in range(2)]
    refusal = answers[1]
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.QUOTA_EXCEEDED
    assert dict(refusal.headers)[b"retry-after"] == b"43200"
    clock.advance("12h")
    assert [isinstance(ask(bound, alice()), Request) for _ in range(3)] == [True, True, False]


async def _async_key(request: Request) -> str:
    return "x"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"rate": 1, "burst": 1},
            "throttle.key: key= is required: what to count by is never guessed. Give one of by.address,",
        ),
        (
            {"rate": 1, "burst": 1, "key": "address"},
            "throttle.key: 'address' is no key function. Give one of by.address",
        ),
        ({"rate": 1, "burst": 1, "key": by.header}, "throttle.key: by.header needs a name. Write by.header('…')"),
        (
            {"rate": 1, "burst": 1, "key": _async_key},
            "throttle.key: a key function is a plain function, not an async one",
        ),
        ({"rate": "5/fortnight", "burst": 1, "key": by.address}, "throttle.rate: '5/fortnight' is not a rate"),
        ({"rate": -1, "burst": 1, "key": by.address}, "throttle.rate: -1 is not a rate"),
        (
            {"rate": 1, "burst": 1.5, "key": by.address},
            "throttle.burst: a burst is a whole number of tokens, 0 or more, not 1.5",
        ),
        ({"rate": 1, "burst": 1, "key": by.address, "name": 'a"b'}, "throttle.name: 'a\"b' is no name"),
        ({"rate": 1, "burst": 1, "key": by.address, "without_key": "skip"}, "throttle.without_key: 'skip' is neither"),
    ],
    ids=["no key", "no function", "a maker of keys", "async", "unit", "negative", "burst", "name", "without_key"],
)
def test_what_is_wrong_with_a_throttle(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        throttle(**options)  # type: ignore[arg-type]  # users' mistakes

    assert str(caught.value).startswith(problem)


def test_every_problem_of_a_quota_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        quota(limit=-1, period="DAYS", offset=True)  # type: ignore[arg-type]  # users' mistakes

    assert [problem.where for problem in caught.value.problems] == [
        "quota.key", "quota.period", "quota.limit", "quota.offset",
    ]  # fmt: skip
    assert caught.value.problems[1].near == "DAY"


def test_a_period_that_is_no_text_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="5 is no period"):
        quota(limit=1, period=5, key=by.address)  # type: ignore[arg-type]  # a user's mistake
