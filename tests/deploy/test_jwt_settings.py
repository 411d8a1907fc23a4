"""`jwt` and `cognito` in files."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError
from gatewaykit.clock import VirtualClock
from gatewaykit.deploy.configured_policies import build_policies
from gatewaykit.policies.cognito import Cognito
from gatewaykit.policies.jwt import Jwt
from gatewaykit.testing import decide, make_request
from tests.tokens import AUDIENCE, ISSUER, NOW_S, SECRET, token

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_one"


def built(name: str, options: dict[str, Any], *, trusted: bool = True) -> Any:
    (policy,) = build_policies([{name: options}], "gateway.yaml", trusted=trusted)
    return policy


def problems(name: str, options: dict[str, Any], *, trusted: bool = True) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        built(name, options, trusted=trusted)
    return [str(problem) for problem in caught.value.problems]


def test_a_token_policy_is_written_down_with_its_options() -> None:
    policy = built(
        "jwt",
        {
            "issuer": ISSUER, "audience": [AUDIENCE], "secret": SECRET.decode(), "algorithms": ["HS256"],
            "scopes": ["a"], "claims": {"tenant": ["acme", "other"], "admin": True}, "leeway": "30s",
        },
    )  # fmt: skip

    assert isinstance(policy, Jwt)
    for more, allowed in (({"tenant": "acme", "admin": True}, True), ({"tenant": "acme", "admin": 1}, False)):
        text = token("HS256", scope="a", exp=NOW_S - 20, **more)
        request = make_request("GET", "/", headers={"authorization": f"Bearer {text}"})
        assert decide(policy, request, clock=VirtualClock(NOW_S)).allowed is allowed


def test_a_user_pool_is_too() -> None:
    policy = built("cognito", {"user_pools": [POOL], "scopes": ["a"], "issuers": {POOL: "http://localhost:5000/one"}})

    assert isinstance(policy, Cognito)
    assert len(policy.issuers) == 2


def test_a_definition_may_name_an_issuer_but_no_file() -> None:
    assert built("jwt", {"issuer": ISSUER}, trusted=False)
    assert "cannot be written in a definition" in problems("jwt", {"jwks_file": "/etc/keys"}, trusted=False)[0]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("jwt", {"issuer": ISSUER, "audiences": ["a"]}, "did you mean 'audience'"),
        ("jwt", {"issuer": ISSUER, "claims": ["a"]}, "claims are a mapping"),
        ("jwt", {"issuer": ISSUER, "claims": {"a": {"b": 1}}}, "the claim 'a' has to be compared with"),
        ("jwt", {"issuer": ISSUER, "algorithms": ["RS255"]}, "RS255"),
        ("cognito", {}, "has no 'user_pools'"),
        ("cognito", {"user_pools": ["x"]}, "'x' is neither the ARN"),
    ],
    ids=["a near miss", "claims as a list", "a claim as a mapping", "an algorithm", "no pool", "no ARN"],
)
def test_mistakes_are_told(name: str, options: dict[str, Any], told: str) -> None:
    assert told in problems(name, options)[0]
