"""The pre-authentication throttle: a flood reaches no authorizer, and who authenticates notices nothing."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import (
    AuthenticateMiddleware,
    ConfigError,
    Gateway,
    Identity,
    Policy,
    PolicyMiddleware,
    PreauthThrottleMiddleware,
    Reason,
    Refusal,
    VirtualClock,
    api_key,
    authenticate,
    preauth_throttle,
    rule,
)
from gatewaykit.core.http import Request
from gatewaykit.testing import Client, PolicyContract, decider, make_request
from gatewaykit.upstream.scripted import ScriptedTransport
from tests.conformance.documents import document, mock

GOOD = {"authorization": "good"}
KEY = "0123456789abcdef0123"


class Asked:
    """An authorizer that counts, and lets those in who say they are good."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: Request) -> Identity | Refusal:
        self.calls += 1
        if request.header("authorization") == "raise":
            raise RuntimeError("broken on purpose")
        return Identity(principal="alice") if request.header("authorization") == "good" else Refusal(Reason.FORBIDDEN)


async def app(scope: Any, receive: Any, send: Any) -> None:
    denied = (b"authorization", b"bad") in scope["headers"]
    await send({"type": "http.response.start", "status": 401 if denied else 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class TestAlone(PolicyContract):
    def make_policy(self) -> Policy:
        return preauth_throttle()


def doors(asked: Asked, clock: VirtualClock, **options: Any) -> dict[str, Any]:
    """The same authorizer behind each door that is on by default."""
    web: dict[str, Any] = {"clock": clock, "policies": [authenticate(asked)], "profile": "web", **options}
    transport = ScriptedTransport()
    return {
        "middleware": PolicyMiddleware(app, **web),
        "sidecar": Gateway.from_upstream("http://back.test", transport=transport, **web),
        "definition": Gateway.from_openapi(document({"/": {"get": mock()}}), **web),
    }


DOOR = pytest.mark.parametrize("door", ["middleware", "sidecar", "definition"])


@DOOR
def test_a_flood_is_stopped_before_the_authorizer_is_asked(door: str) -> None:
    asked, clock = Asked(), VirtualClock()
    gateway = doors(asked, clock)[door]

    reasons = [gateway.decide("GET", "/").reason for _ in range(1000)]

    assert asked.calls == 200
    assert reasons == [Reason.FORBIDDEN] * 200 + [Reason.THROTTLED] * 800
    clock.advance(1)
    assert [gateway.decide("GET", "/").reason for _ in range(30)].count(Reason.FORBIDDEN) == 20
    assert asked.calls == 220
    assert gateway.decide("GET", "/", headers=GOOD).reason is Reason.THROTTLED  # the address is shut out
    assert gateway.decide("GET", "/", headers=GOOD, address="203.0.113.9").allowed


@DOOR
def test_who_authenticates_uses_nothing_up(door: str) -> None:
    asked = Asked()
    gateway = doors(asked, VirtualClock())[door]

    assert all(gateway.decide("GET", "/", headers=GOOD).allowed for _ in range(1000))
    assert asked.calls == 1000
    assert gateway.decide("GET", "/").reason is Reason.FORBIDDEN


async def test_the_answer_is_that_of_a_throttle() -> None:
    gateway = doors(Asked(), VirtualClock(), preauth_throttle=preauth_throttle(rate="6/minute", burst=1))["definition"]
    client = Client(gateway)
    await client.get("/")

    answer = await client.get("/")

    assert (answer.status, answer.json()) == (429, {"message": "Too Many Requests"})
    assert answer.header("retry-after") == "10"


async def test_the_aws_profile_has_it_only_where_it_is_asked_for_and_sends_no_retry_after() -> None:
    asked = Asked()
    quiet = doors(asked, VirtualClock(), profile="aws")["middleware"]
    for _ in range(300):
        quiet.decide("GET", "/")
    assert asked.calls == 300

    loud = Client(doors(asked, VirtualClock(), profile="aws", preauth_throttle=True)["sidecar"])
    for _ in range(200):
        await loud.get("/")
    answer = await loud.get("/")
    assert (answer.status, answer.header("retry-after")) == (429, None)
    assert asked.calls == 500


@DOOR
def test_it_can_be_switched_off_and_changed(door: str) -> None:
    for setting, calls in ((False, 300), (True, 200), (preauth_throttle(burst=3), 3)):
        asked = Asked()
        gateway = doors(asked, VirtualClock(), preauth_throttle=setting)[door]
        for _ in range(300):
            gateway.decide("GET", "/")

        assert asked.calls == calls


@pytest.mark.parametrize("header", ["raise", "bad"])
def test_whatever_does_not_succeed_counts(header: str) -> None:
    asked = Asked()
    gateway = doors(asked, VirtualClock())["middleware"]
    for _ in range(300):
        gateway.decide("GET", "/", headers={"authorization": header})

    assert asked.calls == 200


def test_many_good_callers_share_an_address_with_a_bad_one() -> None:
    asked, clock = Asked(), VirtualClock()
    gateway = doors(asked, clock)["middleware"]
    refused = 0
    for _ in range(60):
        for _ in range(15):  # below what is forgiven
            gateway.decide("GET", "/")
        refused += sum(not gateway.decide("GET", "/", headers=GOOD).allowed for _ in range(50))
        clock.advance(1)

    assert refused == 0


def test_ipv6_counts_by_its_64_and_unknown_addresses_as_one() -> None:
    strict = {"preauth_throttle": preauth_throttle(burst=1)}
    for first, same, other in (
        ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"),
        ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
        ("", "", "10.0.0.1"),
    ):
        gateway = doors(Asked(), VirtualClock(), **strict)["middleware"]

        reasons = [gateway.decide("GET", "/", address=address).reason for address in (first, same, other)]

        assert reasons == [Reason.FORBIDDEN, Reason.THROTTLED, Reason.FORBIDDEN]


def test_all_routes_of_a_gateway_share_it() -> None:
    asked = Asked()
    paths = {"/a": {"get": mock()}, "/b": {"get": mock()}}
    gateway = Gateway.from_openapi(document(paths), profile="web", policies=[authenticate(asked)], clock=VirtualClock())
    for _ in range(300):
        gateway.decide("GET", "/a")
        gateway.decide("GET", "/b")

    assert asked.calls == 200
    assert [route.policies for route in gateway.routes] == [("preauth_throttle", "authenticate")] * 2


def test_explaining_takes_nothing_and_tells_of_it_only_where_it_refuses() -> None:
    asked, clock = Asked(), VirtualClock()
    gateway = doors(asked, clock, preauth_throttle=preauth_throttle(burst=1))["definition"]

    assert [step.policy for step in gateway.explain("GET", "/", headers=GOOD).steps] == ["authenticate"]
    for _ in range(3):
        assert gateway.explain("GET", "/").decision.reason is Reason.FORBIDDEN
    gateway.decide("GET", "/")
    explained = gateway.explain("GET", "/")
    assert explained.decision.reason is Reason.THROTTLED
    assert [step.policy for step in explained.steps] == ["preauth_throttle"]
    assert "name it in trusted_proxies" in explained.decision.detail


def names(middleware: PolicyMiddleware) -> list[str]:
    return [policy.name for policy in middleware._chain.policies]


def test_chains_that_do_not_authenticate_have_none_of_it() -> None:
    assert names(PolicyMiddleware(app, policies=[api_key({"a": KEY})])) == ["api_key"]
    ruled = PolicyMiddleware(app, policies=[api_key({"a": KEY}), rule("/x", authenticate(Asked()))])
    assert names(ruled) == ["api_key"]
    for _ in range(300):
        assert ruled.decide("GET", "/", headers={"x-api-key": KEY}).allowed


def test_it_stands_just_before_the_first_and_is_settled_after_the_last() -> None:
    policies = [api_key({"a": KEY}), authenticate(Asked()), authenticate(Asked())]
    after = Policy()
    after.name = "mine"

    found = names(PolicyMiddleware(app, policies=[*policies, after]))

    gate = "preauth_throttle"
    assert found == ["api_key", gate, "authenticate", "authenticate", gate, "mine"]


def test_one_of_your_own_takes_its_place() -> None:
    asked = Asked()
    mine = [preauth_throttle(burst=2), authenticate(asked)]
    for decide in (PolicyMiddleware(app, policies=mine).decide, by_decider(mine)):
        asked.calls = 0
        for _ in range(10):
            assert decide("GET", "/", headers=GOOD).allowed
        reasons = [decide("GET", "/").reason for _ in range(4)]

        assert reasons == [Reason.FORBIDDEN] * 2 + [Reason.THROTTLED] * 2
        assert asked.calls == 12


def by_decider(policies: Any) -> Any:
    policies = [preauth_throttle(burst=2), policies[1]]  # with a bucket of its own
    next_decision = decider(policies, clock=VirtualClock())
    return lambda method, path, headers=None: next_decision(make_request(method, path, headers=headers))


async def test_where_the_app_authenticates_its_401s_count() -> None:
    client = Client(PreauthThrottleMiddleware(app, burst=2, rate="1/minute", clock=VirtualClock()))
    bad = {"authorization": "bad"}

    assert [(await client.get("/")).status for _ in range(5)] == [200] * 5
    assert [(await client.get("/", headers=bad)).status for _ in range(4)] == [401, 401, 429, 429]
    assert (await client.get("/")).status == 429


async def test_merged_middlewares_have_one() -> None:
    asked = Asked()
    inner = AuthenticateMiddleware(app, asked, clock=VirtualClock(), preauth_throttle=preauth_throttle(burst=5))
    outer = PreauthThrottleMiddleware(inner, burst=3, clock=VirtualClock())
    client = Client(outer)

    assert [(await client.get("/")).status for _ in range(4)] == [403, 403, 403, 429]
    assert [(await Client(inner).get("/")).status for _ in range(4)] == [403, 403, 403, 403]
    assert PolicyMiddleware(inner)._preauth is inner._preauth
    assert PolicyMiddleware(inner, preauth_throttle=False)._preauth is False


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        preauth_throttle(rate="often", burst=0)
    assert [problem.where for problem in caught.value.problems] == ["preauth_throttle.rate", "preauth_throttle.burst"]
    with pytest.raises(ConfigError, match="a rate of 0 forgives nothing"):
        preauth_throttle(rate=0)
    for door in (
        lambda: PolicyMiddleware(app, preauth_throttle=5),  # type: ignore[arg-type]  # a user's mistake
        lambda: Gateway.from_upstream("http://h", preauth_throttle="off"),  # type: ignore[arg-type]  # a user's mistake
        lambda: Gateway.from_openapi(document({}), preauth_throttle=[]),  # type: ignore[arg-type]  # a user's mistake
    ):
        with pytest.raises(ConfigError, match=r"preauth_throttle: is .* Write True, False"):
            door()
