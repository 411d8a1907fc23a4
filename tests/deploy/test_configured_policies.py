"""Policies and keys written as data, wherever they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewaykit import ConfigError, Policy, PolicyMiddleware, Reason, Refusal, VirtualClock
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.deploy.configured_policies import build_keys, build_policies
from gatewaykit.policies.idempotency import Idempotency
from tests.peers.identity_provider import provider

KEY = "0123456789abcdef"
HEADER = {"x-api-key": KEY}
FIRST = "x.policies[0]"


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError("decide calls no app")


def middleware(data: object, clock: VirtualClock | None = None) -> PolicyMiddleware:
    keys = [ApiKey(id="demo", value=KEY)]
    return PolicyMiddleware(app, policies=build_policies(data, "policies", api_keys=keys), clock=clock)


def problems_of(data: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_policies(data, "x.policies", api_keys=[])
    return [str(problem) for problem in caught.value.problems]


def test_a_policy_without_options_is_its_name() -> None:
    gateway = middleware(["api_key"])

    assert gateway.decide("GET", "/").reason is Reason.API_KEY_MISSING
    assert gateway.decide("GET", "/", headers=HEADER).allowed


def test_a_rule_holds_for_its_route_only() -> None:
    limit = {"throttle": {"rate": "1/minute", "burst": 1, "key": "address"}}
    gateway = middleware([{"rule": "POST /login", "policies": [limit]}])

    verdicts = [gateway.decide("POST", "/login").allowed for _ in range(2)]

    assert verdicts == [True, False]
    assert gateway.decide("GET", "/login").allowed


def test_a_window_is_written_with_its_period() -> None:
    gateway = middleware([{"throttle": {"rate": "2/minute", "key": "address", "algorithm": "sliding_window"}}])

    verdicts = [gateway.decide("GET", "/").allowed for _ in range(3)]

    assert verdicts == [True, True, False]


def test_a_function_is_named_where_the_file_may_name_code() -> None:
    entry = {"authenticate": {"authorizer": f"{__name__}:nobody", "challenge": "Bearer"}}

    (policy,) = build_policies([entry], "policies", trusted=True)

    gateway = PolicyMiddleware(app, policies=[policy])
    assert gateway.decide("GET", "/").reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"function": f"{__name__}:authorize", "type": "TOKEN", "ttl_s": "1m"}, True),
        ({"function": f"{__name__}:authorize", "identity_source": ["method.request.header.x-auth"]}, False),
        ({"function": f"{__name__}:authorize", "type": "TOKEN", "resource_policy": {"Statement": []}}, True),
    ],
    ids=["a token", "a source", "a policy"],
)
def test_a_lambda_authorizer_is_written_with_its_function(options: dict[str, Any], allowed: bool) -> None:
    (policy,) = build_policies([{"lambda_authorizer": options}], "policies", trusted=True)

    gateway = PolicyMiddleware(app, policies=[policy])
    assert gateway.decide("GET", "/", headers={"authorization": "t"}).allowed == allowed


@pytest.mark.parametrize("name", ["authorize", "arn:aws:lambda:us-east-1:123456789012:function:authorize"])
def test_a_function_at_an_endpoint_is_written_by_its_name(name: str) -> None:
    options = {"function": name, "endpoint": "http://127.0.0.1:3001"}

    (policy,) = build_policies([{"lambda_authorizer": options}], "policies", trusted=True)

    assert policy.function == name  # type: ignore[union-attr]  # a LambdaAuthorizer


def authorize(event: Any, context: Any) -> Any:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [allow]}}


def nobody(request: Any) -> Refusal:
    return Refusal(Reason.UNAUTHENTICATED)


@pytest.mark.parametrize(
    ("policy", "option", "value"),
    [
        pytest.param("authenticate", "authorizer", "os:abort", id="code"),
        pytest.param("access_log", "sink", "/tmp/elsewhere", id="a file"),
        pytest.param("saml_bearer", "idp_metadata", "/etc/passwd", id="a file to read"),
        pytest.param("lambda_authorizer", "function", "os:abort", id="code of an authorizer"),
        pytest.param("lambda_authorizer", "endpoint", "http://169.254.169.254/", id="an address"),
        pytest.param("mtls", "truststore", "/etc/ssl/certs/ca-certificates.crt", id="a truststore"),
    ],
)
def test_a_definition_names_neither_code_nor_files(policy: str, option: str, value: str) -> None:
    assert problems_of([{policy: {option: value}}]) == [
        f"{FIRST}.{policy}.{option}: {option!r} cannot be written in a definition: a definition may come from "
        f"anywhere, and this names code to run, a file or an address to call. List {policy} under policies "
        "in a gateway.yaml, or give it in policies=[…]"
    ]


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        pytest.param("address", {}, id="address"),
        pytest.param("everyone", {}, id="everyone"),
        pytest.param("header:X-Tenant", {"x-tenant": "a"}, id="header"),
        pytest.param("api_key", HEADER, id="API key"),
        pytest.param("identity", HEADER, id="identity"),
    ],
)
def test_what_to_count_by_is_written_as_text(key: str, headers: dict[str, str]) -> None:
    clock = VirtualClock()
    policies = [*(["api_key"] if headers is HEADER else []), {"throttle": {"rate": "1/s", "burst": 1, "key": key}}]
    gateway = middleware(policies, clock)

    first, second = (gateway.decide("GET", "/", headers=headers) for _ in range(2))
    clock.advance("1s")

    assert (first.allowed, second.reason) == (True, Reason.THROTTLED)
    assert gateway.decide("GET", "/", headers=headers).allowed


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"throttle": {}}, ["x.policies: the policies are no list"], id="no list"),
        pytest.param(
            [{"trottle": {}}], [f"{FIRST}.trottle: there is no policy 'trottle' (did you mean 'thr"], id="near"
        ),
        pytest.param([{"xyz": {}}], [f"{FIRST}.xyz: there is no policy 'xyz'. Known are access_log, "], id="not near"),
        pytest.param([3], [f"{FIRST}: this entry is neither a policy nor a rule"], id="no entry"),
        pytest.param([{"a": {}, "b": {}}], [f"{FIRST}: this entry is neither a policy nor a rule"], id="two in one"),
        pytest.param([{"rule": "/x"}], [f"{FIRST}: the rule has no 'policies'"], id="rule without policies"),
        pytest.param(
            [{"rule": "/x", "policies": [], "polices": []}],
            [f"{FIRST}.polices: a rule has no setting 'polices' (did you mean 'policies'?)"],
            id="rule with more",
        ),
        pytest.param(
            [{"rule": "/x", "policies": [{"rule": "/y", "policies": []}]}],
            [f"{FIRST}.policies[0]: a rule stands inside a rule"],
            id="rule in a rule",
        ),
        pytest.param([{"rule": "GRT x", "policies": []}], [f"{FIRST}.rule: 'GRT x' has no path"], id="no target"),
        pytest.param(
            [{"throttle": {"rate": "5/fortnight", "burst": 5, "key": "adress"}}],
            [
                f"{FIRST}.throttle.rate: 'rate': '5/fortnight' is not a rate",
                f"{FIRST}.throttle.key: 'key': 'adress' says not what to count by (did you mean 'address'?)",
            ],
            id="a rate and a key",
        ),
        pytest.param(
            [{"throttle": {"rate": 1, "burst": 1, "key": "header"}}],
            [f"{FIRST}.throttle.key: 'key': 'header' says not what to count by; write one of address, "],
            id="a header without a name",
        ),
        pytest.param(
            [{"throttle": {"rate": 1, "burst": 1, "key": 3}}],
            [f"{FIRST}.throttle.key: 'key': 3 says not what to count by; write one of address, "],
            id="a key that is no text",
        ),
        pytest.param(
            [{"throttle": {"rate": 1, "burst": -1, "key": "address"}}],
            [f"{FIRST}.throttle.burst: throttle.burst: "],
            id="what the policy itself refuses",
        ),
        pytest.param(
            [
                {
                    "transform": {
                        "response": [{"wrap": "a"}, {"json_to_csv": {"quote": "''"}}, {"drop": "a"}],
                        "strict": "no",
                    }
                }
            ],
            [f"{FIRST}.transform.strict: 'strict' is the text 'no'"],
            id="what the settings refuse first",
        ),
        pytest.param(
            [{"transform": {"response": [{"wrap": "a"}, {"json_to_csv": {"quote": "''"}}, {"drop": "a"}, 3]}}],
            [
                f'{FIRST}.transform.response[1].json_to_csv.quote: transform.response[1].json_to_csv.quote: "',
                f"{FIRST}.transform.response[2].drop: transform.response[2].drop: there is no step 'drop'",
                f"{FIRST}.transform.response[3]: transform.response[3]: 3 is no step",
            ],
            id="places inside of steps",
        ),
        pytest.param([{"transform": {}}], [f"{FIRST}.transform: transform: there are no steps"], id="no steps"),
        pytest.param(["api_key"], [f"{FIRST}: api_key.keys: no keys: every request would be refused"], id="no keys"),
    ],
)
def test_every_problem_has_its_place(data: object, expected: list[str]) -> None:
    found = problems_of(data)

    assert len(found) == len(expected)
    assert all(problem.startswith(beginning) for problem, beginning in zip(found, expected, strict=True))


def test_every_policy_of_the_package_that_needs_no_code_can_be_written_down() -> None:
    data: list[Any] = [
        {"access_log": {"format": "json"}},
        {"cors": {"origins": ["https://shop.example"], "origin_regex": None, "max_age_s": 5}},
        {"quota": {"limit": 5, "period": "DAY", "key": "everyone"}},
        {
            "introspection": {
                "endpoint": "https://login.example/introspect",
                "client_id": "a",
                "client_secret": "b",
                "ttl": "1m",
                "auth_method": "client_secret_post",
                "claims": {"tenant": ["acme"], "level": 1},
            }
        },
        {
            "forward_auth": {
                "url": "http://auth.example/",
                "principal": "X-User",
                "claims": {"X-Role": "role"},
                "ttl": 5,
                "key": "header:Cookie",
                "copy_headers": ["X-User"],
                "forward_headers": ["Cookie"],
            }
        },
        {"saml_bearer": {"audience": ["a"], "issuer": "b", "idp_certificates": provider().pem, "one_time": False}},
        {
            "transform": {
                "request": ["csv_to_json", {"wrap": "rows"}],
                "response": [{"drop_fields": ["a"]}],
                "strict": True,
            }
        },
        {"validate": {"parameters": ["header.x-trace"], "body": {"type": "object"}, "draft": 4}},
    ]

    assert all(isinstance(policy, Policy) for policy in build_policies(data, "policies"))


def test_steps_are_written_as_in_code() -> None:
    listed = [{"transform": {"request": ["csv_to_json", {"set_query": {"v": "2"}}]}}]

    decision = middleware(listed).decide("POST", "/?a=1", headers={"content-type": "text/csv"}, body="n\n1")

    assert (decision.request.body, decision.request.query) == (b'[{"n":"1"}]', {"a": ["1"], "v": ["2"]})


def test_keys_are_values_or_settings() -> None:
    keys = build_keys({"a": KEY, "b": {"value": KEY * 2, "enabled": False}, "c": {"sha256": "ab" * 32}}, "keys")

    assert [(key.id, key.enabled) for key in keys] == [("a", True), ("b", False), ("c", True)]
    assert keys[2].value == "sha256:" + "ab" * 32


def test_a_key_in_a_problem_is_named_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        build_keys({"a": "short-secret"}, "x-gatewaykit.keys")

    assert "x-gatewaykit.keys.a: keys[a]: the value has 12 characters" in str(caught.value)
    assert "short-secret" not in str(caught.value)


def test_idempotency_keys_are_kept_beside_the_file(tmp_path: Path) -> None:
    (policy,) = build_policies(
        [{"idempotency": {"required": True, "keep": "1h", "caller": "header:X-Tenant", "kept_in": "sqlite:///keys.db"}}],
        "policies", trusted=True, directory=tmp_path,
    )  # fmt: skip

    assert isinstance(policy, Idempotency)
    assert (policy.store, policy.keep_s, policy.required) == (f"sqlite:///{tmp_path}/keys.db", 3600.0, True)


@pytest.mark.parametrize("kept_in", ["", "memory://", "redis://h:1/2"])
def test_other_addresses_of_idempotency_keys_stay_as_they_are(kept_in: str, tmp_path: Path) -> None:
    (policy,) = build_policies([{"idempotency": {"kept_in": kept_in}}], "policies", trusted=True, directory=tmp_path)

    assert isinstance(policy, Idempotency)
    assert policy.store == kept_in


def test_a_definition_may_not_say_where_idempotency_keys_are_kept() -> None:
    with pytest.raises(ConfigError, match="'kept_in' cannot be written in a definition"):
        build_policies([{"idempotency": {"kept_in": "redis://h"}}], "x-gatewaykit.policies")
