"""Answers of Lambda authorizers: what lets somebody in, and what each failure amounts to (02 sections 3, 5 and 6)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import Request
from gatewaykit.core.iam.access import Access, access_of
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy
from gatewaykit.core.identity.authorizer import (
    MAX_ANSWER,
    AnswerForm,
    Granted,
    arn_too_long,
    failed_call,
    read_answer,
    refused,
    verdict_of,
)
from gatewaykit.core.reasons import Reason, Refusal

FACTS = ApiFacts(api_id="abc", stage="dev")
ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/dev/GET/pets"
REST, HTTP = AnswerForm(name="who"), AnswerForm(name="who", api="HTTP")
HTTP2, SIMPLE = (AnswerForm(name="who", api="HTTP", payload_format="2.0", simple=simple) for simple in (False, True))


def document(effect: str = "Allow", resource: Any = ARN, **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement], **more}


def answer(**more: Any) -> dict[str, Any]:
    return {"principalId": "ann", "policyDocument": document(), **more}


def asking(path: str = "/pets", address: str = "127.0.0.1", method: str = "GET") -> Request:
    return Request(method, path, client=(address, 0))


def access(request: Request) -> Access:
    return access_of(request, FACTS)


def granted(value: object, form: AnswerForm = REST) -> Granted:
    read = read_answer(value, form)
    assert isinstance(read, Granted), read
    return read


# ---------------------------------------------------------------------------------------------------- answers


def test_a_whole_answer_names_the_caller_and_its_context() -> None:
    identity = granted(answer(context={"n": 1, "t": True, "none": None, "s": "x"}, usageIdentifierKey="k-1")).identity()

    assert (identity.principal, identity.kind) == ("ann", "lambda")
    assert identity.claims == {"n": 1, "t": True, "none": None, "s": "x", "usageIdentifierKey": "k-1"}


@pytest.mark.parametrize("more", [{}, {"context": None}, {"context": {}}, {"usageIdentifierKey": None}, {"other": 1}])
def test_what_may_be_left_out_may_be_empty(more: dict[str, Any]) -> None:
    assert granted(answer(**more)).claims == {}


def test_a_simple_answer_names_the_caller_in_its_context_if_at_all() -> None:
    named = granted({"isAuthorized": True, "context": {"principalId": "ann", "roles": ["a", {"b": 1}]}}, SIMPLE)
    unnamed = granted({"isAuthorized": True}, SIMPLE)
    odd = granted({"isAuthorized": True, "context": {"principalId": 7}}, SIMPLE)

    assert (named.principal, unnamed.principal, odd.principal) == ("ann", "", "")
    assert named.claims["roles"] == ["a", {"b": 1}]


def test_what_one_request_does_to_its_claims_reaches_no_other() -> None:
    whole = granted(answer(context={"roles": ["a"]}), HTTP2)
    first = whole.identity()
    first.claims["roles"].append("admin")
    first.claims["more"] = 1  # type: ignore[index]  # a handler may do what the type does not allow

    assert whole.identity().claims == {"roles": ["a"]}


def test_a_policy_without_statements_allows_nothing() -> None:
    read = read_answer(answer(policyDocument={"Version": "2012-10-17", "Statement": []}), REST)

    assert isinstance(read, Refusal) or verdict_of(read, asking(), access).effect is Effect.SILENT


def test_an_answer_knows_how_long_it_took() -> None:
    whole = granted(answer(context={"integrationLatency": "a lie"}))

    assert whole.after(12).identity().claims == {"integrationLatency": 12}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "the answer is null, not an object"),
        (True, "the answer is a boolean, not an object"),
        ("Allow", "the answer is a text, not an object"),
        (1.5, "the answer is a number, not an object"),
        ([answer()], "the answer is a list, not an object"),
        ({}, "principalId is missing; it has to be a text"),
        (answer(principalId=None), "principalId is missing; it has to be a text"),
        (answer(principalId=""), "principalId is empty; it has to be a text"),
        (answer(principalId=7), "principalId is a number; it has to be a text"),
        (answer(principalId=["ann"]), "principalId is a list; it has to be a text"),
        ({"principalId": "ann"}, "policyDocument is missing"),
        (answer(policyDocument="{}"), "policyDocument is a text, not an object"),
        (answer(policyDocument=[]), "policyDocument is a list, not an object"),
        (answer(policyDocument={}), "Could not parse policy: Statement is missing"),
        (answer(policyDocument=document("allow")), "Could not parse policy: Statement[0].Effect"),
        (answer(policyDocument=document(resource=["*", ARN.ljust(513, "a")])), "of the policy has 513 characters"),
        (
            answer(policyDocument={"Statement": {"Effect": "Deny", "Action": "*", "NotResource": ARN.ljust(600, "*")}}),
            "a resource of the policy has 600 characters",
        ),
        (answer(context=[]), "context is a list, not an object"),
        (answer(context="x"), "context is a text, not an object"),
        (answer(context={"a": {}}), "context['a'] is an object; only texts, numbers and booleans may stand there"),
        (answer(context={"a": 1, "b": []}), "context['b'] is a list; only"),
        (answer(usageIdentifierKey=7), "usageIdentifierKey is a number, not a text"),
        (answer(principalId="\ud800"), "the answer has half of a surrogate pair"),
        (answer(context={"a": "\udfff"}), "the answer has half of a surrogate pair"),
        (answer(context={"a": "x" * MAX_ANSWER}), "the answer has 65"),
        (answer(policyDocument={"Statement": document()["Statement"] * 10_000}), f"; {MAX_ANSWER} are the most"),
    ],
)  # fmt: skip
def test_anything_else_is_a_configuration_error(value: object, problem: str) -> None:
    refusal = read_answer(value, REST)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.AUTHORIZER_MISCONFIGURED
    assert refusal.detail.startswith("who: ")
    assert problem in refusal.detail
    assert (refusal.reason.status, refusal.message) == (500, None)


@pytest.mark.parametrize(("levels", "fits"), [(20, True), (21, False)])
def test_a_context_may_be_nested_within_reason_in_format_2(levels: int, fits: bool) -> None:
    nested: Any = "inside"
    for level in range(levels):
        nested = [nested] if level % 2 else {"a": nested}
    if isinstance(nested, list):
        nested = {"a": nested[0]}

    read = read_answer(answer(context=nested), HTTP2)

    assert isinstance(read, Granted) == fits
    assert fits or read.detail == "who: context has more than 20 levels"  # type: ignore[union-attr]  # a refusal


def test_an_answer_that_is_nested_too_deeply_is_a_configuration_error() -> None:
    nested: Any = {}
    for _ in range(100_000):
        nested = {"a": nested}

    refusal = read_answer(answer(context=nested), HTTP2)

    assert isinstance(refusal, Refusal)
    assert refusal.detail == "who: the answer is nested too deeply"
    _unwind(nested)


def _unwind(nested: Any) -> None:
    """Take it apart from outside in: to free it at once would need as many frames."""
    while nested:
        nested = nested.pop("a")


@pytest.mark.parametrize("allowed", [None, "true", 1, []], ids=["missing", "a text", "a number", "a list"])
def test_a_simple_answer_is_true_or_false(allowed: object) -> None:
    refusal = read_answer({"isAuthorized": allowed, **answer()}, SIMPLE)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.AUTHORIZER_MISCONFIGURED
    assert "isAuthorized is " in refusal.detail


def test_an_http_api_has_words_of_its_own_and_a_reserved_key() -> None:
    refusal = read_answer(answer(context={"claims": "x"}), HTTP)

    assert isinstance(refusal, Refusal)
    assert (refusal.message, refusal.detail) == (
        "Internal Server Error", "who: context has the key 'claims', which is reserved",
    )  # fmt: skip
    assert granted(answer(context={"claims": "x"})).claims == {"claims": "x"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ALMOST = st.fixed_dictionaries(
    {},
    optional={
        "principalId": JSON | st.just("ann"), "policyDocument": JSON | st.just(document()), "context": JSON,
        "usageIdentifierKey": JSON, "isAuthorized": JSON,
    },
)  # fmt: skip


@given(JSON | ALMOST, st.sampled_from([REST, HTTP, HTTP2, SIMPLE]))
def test_any_json_value_lets_in_by_a_whole_answer_or_is_refused(value: Any, form: AnswerForm) -> None:
    before = copy.deepcopy(value)
    read = read_answer(value, form)

    assert value == before
    if isinstance(read, Refusal):
        assert read.reason is Reason.AUTHORIZER_MISCONFIGURED
    elif form.simple:
        assert read.policy is value["isAuthorized"]
    else:
        assert read.principal == value["principalId"]


# ---------------------------------------------------------------------------------------------------- outcomes


def resource(effect: str | None) -> CompiledPolicy | None:
    if effect is None:
        return None
    statement = {
        "Effect": "Deny" if effect == "deny" else "Allow", "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": ARN if effect != "silent" else ARN + "/none",
    }  # fmt: skip
    compiled = compile_policy({"Version": "2012-10-17", "Statement": [statement]}, name="resource", kind="resource")
    assert isinstance(compiled, CompiledPolicy)
    return compiled


NOBODY = "User is not authorized to access this resource"
DENIED = f"{NOBODY} with an explicit deny in an identity-based policy"
BY_API = "User: anonymous is not authorized to perform: execute-api:Invoke on resource: "  # its own words
TABLE_A = [
    ("allow", None, None), ("silent", None, NOBODY), ("deny", None, DENIED),
    ("allow", "allow", None), ("allow", "silent", None), ("allow", "deny", BY_API),
    ("silent", "allow", None), ("silent", "silent", NOBODY), ("silent", "deny", BY_API),
    ("deny", "allow", DENIED), ("deny", "silent", DENIED), ("deny", "deny", BY_API),
]  # fmt: skip


@pytest.mark.parametrize(("own", "of_api", "message"), TABLE_A, ids=[f"{own} {of_api}" for own, of_api, _ in TABLE_A])
def test_an_answer_and_a_resource_policy_combine_as_table_a_says(own: str, of_api: str | None, message: str) -> None:
    request = asking()
    policy = document("Deny" if own == "deny" else "Allow", ARN if own != "silent" else ARN + "/none")
    given = resource(of_api)
    of_resource = None if given is None else given.evaluate(access(request))
    verdict = verdict_of(granted(answer(policyDocument=policy)), request, access, of_resource)

    assert (verdict.effect is Effect.ALLOW) == (message is None)
    if message is not None:
        refusal = refused(verdict, access(request), "REST")
        assert (refusal.message or refusal.reason.message or "").startswith(message)
        assert refusal.reason.status == 403


def test_a_narrow_answer_holds_for_what_it_names_only() -> None:
    whole = granted(answer())
    requests = [asking(), asking("/pets/7"), asking("/"), asking(method="POST"), asking("/Pets")]

    for _ in ("decided", "known"):
        effects = [verdict_of(whole, request, access).effect for request in requests]

        assert effects == [Effect.ALLOW, Effect.SILENT, Effect.SILENT, Effect.SILENT, Effect.SILENT]


@pytest.mark.parametrize(
    "statement",
    [
        {"Resource": ARN, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
        {"NotResource": "arn:aws:execute-api:us-east-1:123456789012:abc/dev/GET/${aws:SourceIp}"},
    ],
    ids=["a condition", "a variable"],
)
def test_conditions_and_variables_hold_for_the_request_at_hand(statement: dict[str, Any]) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "execute-api:Invoke", **statement},
    }
    whole = granted(answer(policyDocument=policy))
    path = "/198.51.100.1" if "NotResource" in statement else "/pets"
    effects = [
        verdict_of(whole, asking(path, one), access).effect for one in ("192.0.2.1", "198.51.100.1", "192.0.2.2")
    ]

    assert effects == [Effect.ALLOW, Effect.SILENT, Effect.ALLOW]


def test_what_was_decided_is_forgotten_before_it_is_too_much() -> None:
    whole = granted(answer())
    for number in range(200):
        verdict_of(whole, asking(f"/pets/{number}"), access)
    verdict_of(whole, asking("/pets" + "s" * 1000), access)

    assert whole.decided is not None
    assert 0 < len(whole.decided) <= 16
    assert max(len(path) for _, path in whole.decided) < 100


@pytest.mark.parametrize("allowed", [True, False])
def test_a_simple_answer_allows_or_does_not(allowed: bool) -> None:
    verdict = verdict_of(granted({"isAuthorized": allowed}, SIMPLE), asking(), access)

    assert (verdict.effect is Effect.ALLOW) == allowed
    refusal = refused(verdict, access(asking()), "HTTP")
    assert (refusal.message, refusal.error_type) == ("Forbidden", "ForbiddenException")


@pytest.mark.parametrize(
    ("kind", "message", "form", "reason", "client"),
    [
        ("raised", "Unauthorized", REST, Reason.UNAUTHENTICATED, None),
        ("raised", "Unauthorized", HTTP, Reason.UNAUTHENTICATED, None),
        ("raised", "Unauthorized", HTTP2, Reason.AUTHORIZER_FAILED, "Internal Server Error"),
        ("raised", "unauthorized", REST, Reason.AUTHORIZER_FAILED, None),
        ("raised", "Unauthorized ", REST, Reason.AUTHORIZER_FAILED, None),
        ("raised", "", HTTP, Reason.AUTHORIZER_FAILED, "Internal Server Error"),
        ("timeout", "Unauthorized", REST, Reason.AUTHORIZER_FAILED, None),
        ("busy", "", REST, Reason.AUTHORIZER_FAILED, None),
        ("result", "", REST, Reason.AUTHORIZER_FAILED, None),
        ("transport", "", REST, Reason.AUTHORIZER_FAILED, None),
        ("denied", "", REST, Reason.AUTHORIZER_MISCONFIGURED, None),
        ("denied", "Unauthorized", HTTP, Reason.AUTHORIZER_MISCONFIGURED, "Internal Server Error"),
    ],
)
def test_a_call_without_an_answer_is_refused(
    kind: str, message: str, form: AnswerForm, reason: Reason, client: str | None
) -> None:
    refusal = failed_call(kind, f"Error: {message}", message, form)

    assert (refusal.reason, refusal.message) == (reason, client)
    assert refusal.detail.startswith("who")


def test_a_path_that_no_policy_could_name_is_a_414() -> None:
    refusal = arn_too_long("a" * 1601)

    assert (refusal.status, refusal.message) == (414, "Request URI too long")
    assert "1601 characters" in refusal.detail
