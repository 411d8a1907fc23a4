"""The API key policy."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.policies.api_key import ApiKeyPolicy, api_key
from gatewaykit.ports import Runtime

ACME = "acme-key-0123456789"


def ask(policy: ApiKeyPolicy, runtime: Runtime, request: Request) -> object:
    hook = policy.bind(runtime).on_request
    assert hook is not None
    answer = hook(request)
    return answer.reason if isinstance(answer, Refusal) else answer


def a_request(value: str | None = ACME, name: str = "X-Api-Key") -> Request:
    return Request("GET", "/", headers=[] if value is None else [(name.encode(), value.encode())])


def test_a_known_key_comes_through_and_is_the_caller(runtime: Runtime) -> None:
    request = a_request()

    assert ask(api_key({"acme": ACME}), runtime, request) is request
    assert request.api_key.id == "acme"
    assert request.identity == Identity(principal="acme", kind="api_key", key_id="acme", key_name="acme")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, Reason.API_KEY_MISSING), ("", Reason.API_KEY_MISSING), ("some-other-key-012345", Reason.API_KEY_UNKNOWN)],
    ids=["missing (row 122)", "empty", "unknown"],
)
def test_other_requests_are_refused(runtime: Runtime, value: str | None, reason: Reason) -> None:
    request = a_request(value)

    assert ask(api_key({"acme": ACME}), runtime, request) is reason
    assert request.identity is None
    assert request.api_key is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (ApiKey(id="1", name="acme", value=ACME, stages=frozenset({"dev"})), None),
        (ApiKey(id="1", name="acme", value=ACME, stages=frozenset({"prod"})), Reason.API_KEY_NOT_IN_PLAN),
        (ApiKey(id="1", name="acme", value=ACME, enabled=False), Reason.API_KEY_DISABLED),
    ],
    ids=["in its plan", "outside its plan", "disabled"],
)
def test_a_key_has_to_be_enabled_and_in_its_plan(runtime: Runtime, key: ApiKey, reason: Reason | None) -> None:
    request = a_request()
    request.stage = "dev"
    caller = Identity(principal="acme", kind="api_key", key_id="1", key_name="acme")

    assert ask(api_key([key]), runtime, request) is (request if reason is None else reason)
    assert request.identity == (caller if reason is None else None)


def test_the_header_may_have_another_name(runtime: Runtime) -> None:
    request = a_request(name="Authorization")

    assert ask(api_key({"acme": ACME}, header="authorization"), runtime, request) is request


def test_an_identity_that_is_there_keeps_its_principal_and_gains_the_key(runtime: Runtime) -> None:
    request = a_request()
    request.identity = Identity(principal="alice", claims={"role": "admin"})

    assert ask(api_key({"acme": ACME}), runtime, request) is request
    assert request.identity == Identity(principal="alice", claims={"role": "admin"}, key_id="acme", key_name="acme")


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (Identity(principal="alice", claims={"usageIdentifierKey": ACME}), None),
        (Identity(principal="alice", claims={"usageIdentifierKey": "\ud800 no key at all"}), Reason.API_KEY_UNKNOWN),
        (Identity(principal="alice"), Reason.API_KEY_MISSING),
        (None, Reason.API_KEY_MISSING),
    ],
    ids=["given", "not a key", "not given", "no identity"],
)
def test_the_authorizer_may_be_the_source(runtime: Runtime, identity: Identity | None, reason: Reason | None) -> None:
    request = a_request()
    request.identity = identity
    answer = ask(api_key({"acme": ACME}, source="authorizer"), runtime, request)

    assert answer is (request if reason is None else reason)


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        api_key({"acme": "short"}, source="headers", header="x key")  # type: ignore[arg-type]  # a user's mistake

    assert [problem.where for problem in caught.value.problems] == ["keys[acme]", "api_key.source", "api_key.header"]
    assert caught.value.problems[1].near == "header"


@pytest.mark.parametrize("keys", [None, 5], ids=repr)
def test_what_holds_no_keys_is_a_mistake(keys: object) -> None:
    with pytest.raises(ConfigError, match="holds no keys"):
        api_key(keys)  # type: ignore[arg-type]  # a user's mistake


def test_no_keys_at_all_are_a_mistake() -> None:
    with pytest.raises(ConfigError, match="no keys: every request would be refused"):
        api_key({})
