"""The outcome tables of reference 02 section 6, and the texts of 02 sections 2, 3 and 6."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.iam.access import Access, Principal
from gatewaykit.core.iam.authorization import Combination, combination_of, combine, denial
from gatewaykit.core.iam.principals import ACCOUNT, ANYONE, ONESELF, ROLE
from gatewaykit.core.iam.verdict import Effect, Verdict
from gatewaykit.core.reasons import Reason

ALLOW, DENY, SILENT = Effect.ALLOW, Effect.DENY, Effect.SILENT
SIDES: tuple[Effect | None, ...] = (ALLOW, SILENT, DENY, None)

TABLES = {
    Combination.EITHER: [  # rows: the caller's side; columns: the resource policy allows, is silent, denies, is absent
        (ALLOW, [ALLOW, ALLOW, DENY, ALLOW]),
        (SILENT, [ALLOW, SILENT, DENY, SILENT]),
        (DENY, [DENY, DENY, DENY, DENY]),
        (None, [ALLOW, SILENT, DENY, SILENT]),
    ],
    Combination.BOTH: [
        (ALLOW, [ALLOW, SILENT, DENY, SILENT]),
        (SILENT, [SILENT, SILENT, DENY, SILENT]),
        (DENY, [DENY, DENY, DENY, DENY]),
        (None, [SILENT, SILENT, DENY, SILENT]),
    ],
    Combination.RESOURCE: [
        (None, [ALLOW, SILENT, DENY, SILENT]),
    ],
}
CELLS = [
    pytest.param(how, identity, resource, outcome, id=f"{how.name} {_name}-{resource and resource.name}")
    for how, rows in TABLES.items()
    for identity, outcomes in rows
    for _name in [identity and identity.name]
    for resource, outcome in zip(SIDES, outcomes, strict=True)
]


@pytest.mark.parametrize(("how", "identity", "resource", "outcome"), CELLS)
def test_both_sides_decide_as_the_table_says(
    how: Combination, identity: Effect | None, resource: Effect | None, outcome: Effect
) -> None:
    verdict = combine(_side(identity, "identity"), _side(resource, "resource"), how)

    assert verdict.effect is outcome


LIMITED = [
    # a limit that does not allow, how the resource policy names the caller, outcome
    ("identity", ONESELF, ALLOW),
    ("identity", ROLE, ALLOW),
    ("identity", ANYONE, ALLOW),
    ("identity", ACCOUNT, SILENT),  # the account is to decide, and its policies say nothing
    ("boundary", ONESELF, ALLOW),
    ("boundary", ROLE, SILENT),
    ("boundary", ANYONE, ALLOW),
    ("session", ONESELF, ALLOW),
    ("session", ROLE, SILENT),
    ("scp", ONESELF, SILENT),
]


@pytest.mark.parametrize(("kind", "named", "outcome"), LIMITED, ids=[f"{k} {n}" for k, n, _ in LIMITED])
def test_a_limit_holds_back_a_resource_policy_that_names_the_role(kind: str, named: str, outcome: Effect) -> None:
    resource = Verdict(ALLOW, "resource policy", "S", kind="resource", named=named)

    verdict = combine(Verdict(SILENT, "p", kind=kind), resource, Combination.EITHER)

    assert verdict.effect is outcome


def test_of_two_silent_sides_the_nearer_statement_is_told_and_the_callers_side_is_blamed() -> None:
    near = Verdict(SILENT, "resource policy", "S", "IpAddress aws:SourceIp does not hold", "resource")

    verdict = combine(Verdict(SILENT, "p", kind="identity"), near, Combination.EITHER)

    assert (verdict.kind, verdict.statement) == ("identity", "S")


ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2/prod/GET/pets"
USER = Principal(arn="arn:aws:iam::123456789012:user/u", account="123456789012")
MASKED = "arn:aws:execute-api:us-east-1:********9012:a1b2/prod/GET/pets"
SAYS = "User: {} is not authorized to perform: execute-api:Invoke on resource: " + MASKED
NO_POLICY = " because no {} allows the execute-api:Invoke action"
NOT_ALLOWED = "User is not authorized to access this resource"

TEXTS = [
    ("authorizer", DENY, "identity", None, f"{NOT_ALLOWED} with an explicit deny in an identity-based policy"),
    ("authorizer", DENY, "resource", None, SAYS.format("anonymous") + " with an explicit deny"),
    ("authorizer", SILENT, "identity", None, NOT_ALLOWED),
    ("anonymous", DENY, "resource", None, SAYS.format("anonymous") + " with an explicit deny"),
    ("anonymous", SILENT, "resource", None, SAYS.format("anonymous")),
    ("anonymous", SILENT, "resource", USER, SAYS.format("anonymous")),
    ("iam", DENY, "identity", USER, SAYS.format(USER.arn) + " with an explicit deny in an identity-based policy"),
    ("iam", DENY, "resource", USER, SAYS.format(USER.arn) + " with an explicit deny in a resource-based policy"),
    ("iam", DENY, "scp", USER, SAYS.format(USER.arn) + " with an explicit deny in a service control policy"),
    ("iam", DENY, "boundary", USER, SAYS.format(USER.arn) + " with an explicit deny in a permissions boundary"),
    ("iam", DENY, "session", USER, SAYS.format(USER.arn) + " with an explicit deny in a session policy"),
    ("iam", SILENT, "identity", USER, SAYS.format(USER.arn) + NO_POLICY.format("identity-based policy")),
    ("iam", SILENT, "resource", USER, SAYS.format(USER.arn) + NO_POLICY.format("resource-based policy")),
    ("iam", SILENT, "boundary", USER, SAYS.format(USER.arn) + NO_POLICY.format("permissions boundary")),
    ("iam", SILENT, "scp", USER, SAYS.format(USER.arn) + NO_POLICY.format("service control policy")),
    ("iam", SILENT, "identity", None, SAYS.format("anonymous") + NO_POLICY.format("identity-based policy")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wording", "effect", "kind", "principal", "text"), TEXTS, ids=[f"{w} {e.name} {k}" for w, e, k, *_ in TEXTS]
)
def test_a_denial_has_the_recorded_words(
    wording: Any, effect: Effect, kind: str, principal: Principal | None, text: str
) -> None:
    access = Access("execute-api:Invoke", ARN, principal)

    refusal = denial(Verdict(effect, "p", "S", kind=kind), access, wording=wording)

    assert refusal.message == text
    assert refusal.reason is (Reason.DENIED_EXPLICITLY if effect is DENY else Reason.DENIED_IMPLICITLY)
    assert (refusal.reason.status, refusal.reason.error_type) == (403, "AccessDeniedException")


DETAILS = [
    (Verdict(DENY, "p", "S", kind="identity"), f"S of p denies execute-api:Invoke on {ARN}"),
    (
        Verdict(DENY, "p", "S", "IpAddress aws:SourceIp", "resource", key="aws:sourceip"),
        f"S of p denies execute-api:Invoke on {ARN}: IpAddress aws:SourceIp for '203.0.113.9'",
    ),
    (Verdict(SILENT, "p", kind="boundary"), f"no permissions boundary allows execute-api:Invoke on {ARN}"),
    (
        Verdict(SILENT, "p", "S", "Bool aws:X does not hold", "resource", key="aws:x"),
        f"no resource-based policy allows execute-api:Invoke on {ARN}; nearest is S of p, but Bool aws:X does not hold "
        "without such a key",
    ),
    (
        Verdict(DENY, "p", "S", "A a and B b", "scp"),
        f"S of p denies execute-api:Invoke on {ARN}: A a and B b",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "detail"), DETAILS, ids=[detail[:40] for _, detail in DETAILS])
def test_the_operator_is_told_which_statement_and_condition_decided(verdict: Verdict, detail: str) -> None:
    access = Access("execute-api:Invoke", ARN, keys={"aws:SourceIp": "203.0.113.9"})

    refusal = denial(verdict, access, wording="iam")

    assert refusal.detail == detail


@pytest.mark.parametrize(
    ("resource", "told"),
    [("*", "*"), ("arn:aws:execute-api:us-east-1:1:a/b", "arn:aws:execute-api:us-east-1:1:a/b")],
    ids=["no arn", "a short account"],
)
def test_only_the_id_of_an_account_is_masked(resource: str, told: str) -> None:
    refusal = denial(Verdict(SILENT), Access("execute-api:Invoke", resource), wording="anonymous")

    assert refusal.message == f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {told}"


@pytest.mark.parametrize(
    ("principal", "how"),
    [
        pytest.param(None, Combination.RESOURCE, id="nobody known"),
        pytest.param(USER, Combination.EITHER, id="the API's account"),
        pytest.param(Principal(arn="a", account="999999999999"), Combination.BOTH, id="another account"),
    ],
)
def test_the_callers_account_says_how_to_combine(principal: Principal | None, how: Combination) -> None:
    assert combination_of(principal, ApiFacts()) is how


def _side(effect: Effect | None, kind: str) -> Verdict | None:
    return None if effect is None else Verdict(effect, "p", "S", kind=kind, named=ONESELF)
