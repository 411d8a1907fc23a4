"""A resource policy that decides alone: as a policy, a middleware, and a setting."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from gatewaykit import (
    ConfigError,
    PolicyMiddleware,
    Reason,
    ResourcePolicyMiddleware,
    VirtualClock,
    resource_policy,
    vpc_endpoint,
)
from gatewaykit.deploy.configured_policies import build_policies
from gatewaykit.ports import Policy
from gatewaykit.testing.client import Client
from gatewaykit.testing.policy_contract import PolicyContract


def document(**changes: Any) -> dict[str, Any]:
    whole = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    return {"Version": "2012-10-17", "Statement": {**whole, **changes}}


OFFICE = document(Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})
INSIDE = document(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
SAID = (
    "User: anonymous is not authorized to perform: execute-api:Invoke on resource: "
    "arn:aws:execute-api:us-east-1:********9012:local/prod/"
)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"app"})


class TestAnOpenPolicy(PolicyContract):
    def make_policy(self) -> Policy:
        return resource_policy(document())


class TestAClosedPolicy(PolicyContract):
    lets_through: ClassVar[bool] = False

    def make_policy(self) -> Policy:
        return resource_policy(None, private=True)


DECISIONS: list[tuple[str, Any, dict[str, Any], Reason | None, str]] = [
    ("allowed", OFFICE, {"address": "203.0.113.9"}, None, ""),
    ("allowed as text", json.dumps(OFFICE), {"address": "203.0.113.9"}, None, ""),
    ("not allowed", OFFICE, {"address": "192.0.2.1"}, Reason.DENIED_IMPLICITLY, SAID + "GET/pets"),
    ("denied", document(Effect="Deny"), {}, Reason.DENIED_EXPLICITLY, SAID + "GET/pets with an explicit deny"),
    (
        "of another method",
        document(Resource="execute-api:/*/POST/pets"),
        {},
        Reason.DENIED_IMPLICITLY,
        SAID + "GET/pets",
    ),
    ("by a time", document(Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}), {}, None, ""),
    (
        "after a time",
        document(Condition={"DateLessThan": {"aws:CurrentTime": "2025-01-01"}}),
        {},
        Reason.DENIED_IMPLICITLY,
        SAID + "GET/pets",
    ),
    (
        "for a user agent",
        document(Condition={"StringLike": {"aws:UserAgent": "curl/*"}}),
        {"headers": {"user-agent": "curl/8"}},
        None,
        "",
    ),
    ("for a principal", document(Principal={"AWS": "123456789012"}), {}, Reason.DENIED_IMPLICITLY, SAID + "GET/pets"),
]


@pytest.mark.parametrize(
    ("policy", "request_", "reason", "message"), [each[1:] for each in DECISIONS], ids=[each[0] for each in DECISIONS]
)
def test_it_allows_what_the_policy_allows(
    policy: Any, request_: dict[str, Any], reason: Reason | None, message: str
) -> None:
    app = PolicyMiddleware(
        _app, policies=[resource_policy(policy)], profile="aws", clock=VirtualClock("2025-06-01T00:00Z")
    )

    decision = app.decide("GET", "/pets", **request_)

    assert decision.reason is reason
    if reason is not None:
        assert decision.response is not None
        assert decision.response.status == 403
        assert json.loads(decision.response.body) == {"Message": message}


def test_it_tells_the_operator_which_condition_failed() -> None:
    app = PolicyMiddleware(_app, policies=[resource_policy(OFFICE)])

    decision = app.decide("GET", "/pets", address="192.0.2.1")

    assert decision.refusal is not None
    assert decision.refusal.detail.endswith(
        "nearest is statement 1 of resource policy, but IpAddress aws:SourceIp does not hold for '192.0.2.1'"
    )


def test_it_is_a_middleware() -> None:
    app = ResourcePolicyMiddleware(_app, OFFICE)

    assert [app.decide("GET", "/", address=each).allowed for each in ("203.0.113.9", "192.0.2.1")] == [True, False]


def test_it_is_a_setting() -> None:
    policies = build_policies([{"resource_policy": {"document": OFFICE}}], "policies")

    assert PolicyMiddleware(_app, policies=policies).decide("GET", "/", address="192.0.2.1").allowed is False


def test_problems_of_a_setting_stand_where_they_are_written() -> None:
    data = [{"resource_policy": {"document": document(Condition={"IpAddres": {}})}}]

    with pytest.raises(ConfigError) as caught:
        build_policies(data, "policies")

    (problem,) = caught.value.problems
    assert problem.where == "policies[0].resource_policy.document.Statement.Condition.IpAddres"
    assert problem.near == "IpAddress"


def test_behind_an_endpoint_a_private_api_sees_the_endpoint_and_not_the_address() -> None:
    policies = [vpc_endpoint({"10.1.0.0/16": "vpce-1"}), resource_policy(INSIDE, private=True)]
    app = PolicyMiddleware(_app, policies=policies)

    assert app.decide("GET", "/", address="10.1.2.3").allowed
    assert not app.decide("GET", "/", address="10.2.2.3").allowed


@pytest.mark.parametrize("condition", [OFFICE, INSIDE], ids=["an address", "an endpoint"])
def test_a_private_api_is_closed_where_nothing_says_the_endpoint(condition: dict[str, Any]) -> None:
    app = PolicyMiddleware(_app, policies=[resource_policy(condition, private=True)])

    assert not app.decide("GET", "/", address="203.0.113.9").allowed


def test_a_private_api_without_a_policy_is_closed() -> None:
    app = PolicyMiddleware(_app, policies=[resource_policy(None, private=True)])

    assert app.decide("GET", "/").reason is Reason.DENIED_IMPLICITLY


WRONG: list[tuple[str, Any, Any, list[str]]] = [
    ("no policy", None, False, ["resource_policy.document"]),
    ("no flag", document(), "yes", ["resource_policy.private"]),
    ("a number", 7, False, ["resource_policy.document"]),
    ("no JSON", "{", False, ["resource_policy.document"]),
    (
        "problems inside",
        document(Effect="x", Resource="y"),
        False,
        ["resource_policy.document.Statement.Effect", "resource_policy.document.Statement.Resource"],
    ),
]


@pytest.mark.parametrize(("policy", "private", "places"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_everything_wrong_is_told_at_once(policy: Any, private: Any, places: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        resource_policy(policy, private=private)

    assert [problem.where for problem in caught.value.problems] == places


async def test_over_asgi_the_answer_is_awss() -> None:
    app = ResourcePolicyMiddleware(_app, OFFICE, profile="aws")

    result = await Client(app).get("/pets")

    assert (result.status, result.header("x-amzn-errortype")) == (403, "AccessDeniedException")
    assert json.loads(result.body) == {"Message": SAID + "GET/pets"}
