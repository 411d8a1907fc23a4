"""What policies say, one and several together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.access import Access, Principal
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy, evaluate, same_account

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2/prod/GET/pets"
ME = Principal(arn="arn:aws:iam::123456789012:user/ann", account="123456789012", name="ann")
SESSION = Principal(
    arn="arn:aws:sts::123456789012:assumed-role/ops/one", account="123456789012", kind="AssumedRole",
    role_arn="arn:aws:iam::123456789012:role/ops",
)  # fmt: skip
STRANGER = Principal(arn="arn:aws:iam::999999999999:user/bob", account="999999999999")


def policy(*statements: Any, kind: Any = "identity", name: str = "p") -> CompiledPolicy:
    whole = [{"Action": "execute-api:Invoke", "Resource": "*", **each} for each in statements]
    made = compile_policy({"Version": "2012-10-17", "Statement": whole}, name=name, kind=kind)
    assert isinstance(made, CompiledPolicy), made
    return made


def asking(principal: Principal | None = ME, where: str = ARN, **keys: str) -> Access:
    return Access(
        "execute-api:Invoke", where, principal, {name.replace("_", ":"): value for name, value in keys.items()}
    )


OFFICE = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}


def test_a_verdict_names_the_policy_the_statement_and_the_condition() -> None:
    both = policy(
        {"Effect": "Allow", "Condition": OFFICE}, {"Sid": "No", "Effect": "Deny", "Action": "s3:*"}, name="mine"
    )

    verdict = both.evaluate(asking(aws_SourceIp="203.0.113.9"))

    assert (verdict.effect, verdict.policy, verdict.statement) == (Effect.ALLOW, "mine", "statement 1")
    assert (verdict.why, verdict.key, verdict.kind) == ("IpAddress aws:SourceIp", "aws:sourceip", "identity")


def test_a_deny_is_found_wherever_it_stands() -> None:
    both = policy(
        {"Effect": "Allow"}, {"Sid": "No", "Effect": "Deny", "Condition": {**OFFICE, "Null": {"aws:x": "true"}}}
    )

    verdict = both.evaluate(asking(aws_SourceIp="203.0.113.9"))

    assert (verdict.effect, verdict.statement) == (Effect.DENY, "No")
    assert (verdict.why, verdict.key) == ("IpAddress aws:SourceIp and Null aws:x", "")


def test_silence_names_the_statement_that_came_nearest_and_the_condition_that_failed() -> None:
    both = policy(
        {"Effect": "Allow", "Action": "s3:*"}, {"Sid": "Near", "Effect": "Allow", "Condition": OFFICE},
        {"Sid": "Later", "Effect": "Allow", "Condition": OFFICE}, {"Effect": "Deny", "Condition": OFFICE},
    )  # fmt: skip

    verdict = both.evaluate(asking(aws_SourceIp="192.0.2.1"))

    assert (verdict.effect, verdict.statement) == (Effect.SILENT, "Near")
    assert (verdict.why, verdict.key) == ("IpAddress aws:SourceIp does not hold", "aws:sourceip")


def test_without_a_statement_about_it_a_policy_is_just_silent() -> None:
    verdict = policy({"Effect": "Allow", "Resource": "arn:aws:s3:::x"}).evaluate(asking())

    assert (verdict.effect, verdict.policy, verdict.statement, verdict.why) == (Effect.SILENT, "p", "", "")


SPELLINGS = ["GET/%61dmin", "GET/admin/", "GET/admin//", "GET/%61dmin/"]


def test_of_statements_that_allow_the_one_that_names_the_caller_best_is_told() -> None:
    names = ["123456789012", "arn:aws:iam::123456789012:role/ops", SESSION.arn]
    statements = [
        {"Sid": f"S{index}", "Effect": "Allow", "Principal": {"AWS": name}} for index, name in enumerate(names)
    ]

    found = [policy(*statements[:count], kind="resource").evaluate(asking(SESSION)).statement for count in (1, 2, 3)]

    assert found == ["S0", "S1", "S2"]
    assert policy(*reversed(statements[:2]), kind="resource").evaluate(asking(SESSION)).statement == "S1"


@pytest.mark.parametrize("spelt", SPELLINGS)
@pytest.mark.parametrize(
    "denied",
    [{"Resource": "arn:aws:execute-api:*:*:*/*/GET/admin"}, {"NotResource": "arn:aws:execute-api:*:*:*/*/GET/[a-z]*"},
     {"Resource": "arn:aws:execute-api:*:*:*/*/GET/${aws:x, 'admin'}"}],
    ids=["Resource", "NotResource", "a variable"],
)  # fmt: skip
def test_a_deny_holds_for_every_spelling_of_a_path(spelt: str, denied: dict[str, str]) -> None:
    statement = {"Effect": "Deny", "Action": "execute-api:Invoke", **denied}
    made = compile_policy(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, statement]},
        name="p",
    )
    assert isinstance(made, CompiledPolicy)

    assert made.evaluate(asking(where=ARN.replace("GET/pets", spelt))).effect is Effect.DENY


def test_an_allow_is_for_the_path_as_it_was_sent() -> None:
    one = policy({"Effect": "Allow", "Resource": "arn:aws:execute-api:*:*:*/*/GET/admin"})

    assert one.evaluate(asking(where=ARN.replace("pets", "admin"))).effect is Effect.ALLOW
    assert one.evaluate(asking(where=ARN.replace("pets", "%61dmin"))).effect is Effect.SILENT


ALLOW, DENY, SILENT = ({"Effect": "Allow"}, {"Effect": "Deny"}, {"Effect": "Allow", "Action": "s3:*"})


def to(who: str, effect: dict[str, str] = ALLOW) -> CompiledPolicy:
    return policy({"Principal": {"AWS": who} if who != "*" else "*", **effect}, kind="resource", name="r")


IDENTITY, NOTHING = policy(ALLOW, name="i"), policy(SILENT, name="i")
LAYERS: list[tuple[str, Principal | None, list[Any], str, str]] = [
    ("no policy", ME, [], "silent", "identity"),
    ("identity allows", ME, [IDENTITY], "allow", "identity"),
    ("identity is silent", ME, [NOTHING], "silent", "identity"),
    ("one of two allows", ME, [NOTHING, IDENTITY], "allow", "identity"),
    ("identity denies", ME, [IDENTITY, policy(DENY, name="d"), to("*")], "deny", "identity"),
    ("resource denies", ME, [IDENTITY, to("*", DENY)], "deny", "resource"),
    ("resource denies another", ME, [IDENTITY, to(STRANGER.arn, DENY)], "allow", "identity"),
    ("resource names the caller", ME, [NOTHING, to(ME.arn)], "allow", "resource"),
    ("resource names another", ME, [NOTHING, to(STRANGER.arn)], "silent", "identity"),
    ("resource names the account", ME, [NOTHING, to("123456789012")], "silent", "identity"),
    ("resource names the account, which allows", ME, [IDENTITY, to("123456789012")], "allow", "identity"),
    ("resource names both", ME, [NOTHING, to("123456789012"), to(ME.arn)], "allow", "resource"),
    ("resource alone", ME, [to("*")], "allow", "resource"),
    ("another account, both allow", STRANGER, [IDENTITY, to("*")], "allow", "resource"),
    ("another account, resource alone allows", STRANGER, [NOTHING, to(STRANGER.arn)], "silent", "identity"),
    ("another account, identity alone allows", STRANGER, [IDENTITY, to(ME.arn)], "silent", "resource"),
    ("another account, named by it", STRANGER, [IDENTITY, to("999999999999")], "allow", "resource"),
    ("another account, without identity policies", STRANGER, [to("*")], "silent", "identity"),
    ("nobody, resource allows", None, [to("*")], "allow", "resource"),
    ("nobody, resource is silent", None, [to(ME.arn)], "silent", "resource"),
    ("nobody, no policy", None, [], "silent", "resource"),
    ("an authorizer's caller", None, [IDENTITY], "allow", "identity"),
    ("an authorizer's caller, resource denies", None, [IDENTITY, to("*", DENY)], "deny", "resource"),
    ("an authorizer's caller, resource allows", None, [NOTHING, to("*")], "allow", "resource"),
    ("boundary allows", ME, [IDENTITY, policy(ALLOW, kind="boundary")], "allow", "identity"),
    ("boundary alone", ME, [policy(ALLOW, kind="boundary")], "silent", "identity"),
    ("boundary is silent", ME, [IDENTITY, policy(SILENT, kind="boundary")], "silent", "boundary"),
    ("boundary denies", ME, [IDENTITY, policy(DENY, kind="boundary")], "deny", "boundary"),
    (
        "boundary is silent, resource names the user",
        ME,
        [NOTHING, policy(SILENT, kind="boundary"), to(ME.arn)],
        "allow",
        "resource",
    ),
    (
        "boundary is silent, resource names the role",
        SESSION,
        [NOTHING, policy(SILENT, kind="boundary"), to(SESSION.role_arn)],
        "silent",
        "boundary",
    ),
    (
        "boundary is silent, resource names the session",
        SESSION,
        [NOTHING, policy(SILENT, kind="boundary"), to(SESSION.arn)],
        "allow",
        "resource",
    ),
    ("identity is silent, resource names the role", SESSION, [NOTHING, to(SESSION.role_arn)], "allow", "resource"),
    (
        "boundary is silent, another account",
        STRANGER,
        [IDENTITY, policy(SILENT, kind="boundary"), to(STRANGER.arn)],
        "silent",
        "boundary",
    ),
    ("session policy is silent", SESSION, [IDENTITY, policy(SILENT, kind="session")], "silent", "session"),
    ("session policy allows", SESSION, [IDENTITY, policy(ALLOW, kind="session")], "allow", "identity"),
    ("scp is silent", ME, [IDENTITY, policy(SILENT, kind="scp"), to(ME.arn)], "silent", "scp"),
    (
        "scp of one level allows",
        ME,
        [IDENTITY, policy(SILENT, kind="scp"), policy(ALLOW, kind="scp")],
        "allow",
        "identity",
    ),
    (
        "scp of each level allows",
        ME,
        [IDENTITY, [policy(ALLOW, kind="scp")], [policy(SILENT, kind="scp"), policy(ALLOW, kind="scp")]],
        "allow",
        "identity",
    ),
    (
        "scp of one level does not",
        ME,
        [IDENTITY, [policy(ALLOW, kind="scp")], [policy(SILENT, kind="scp")]],
        "silent",
        "scp",
    ),
    ("scp denies", ME, [IDENTITY, [policy(ALLOW, kind="scp"), policy(DENY, kind="scp")]], "deny", "scp"),
    ("an empty level", ME, [IDENTITY, []], "allow", "identity"),
]


@pytest.mark.parametrize(
    ("who", "policies", "effect", "kind"), [each[1:] for each in LAYERS], ids=[e[0] for e in LAYERS]
)
def test_policies_are_combined_as_aws_does(who: Principal | None, policies: list[Any], effect: str, kind: str) -> None:
    verdict = evaluate(policies, asking(who))

    assert (verdict.effect.value, verdict.kind) == (effect, kind)


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param(asking(ME), True, id="the same"),
        pytest.param(asking(STRANGER), False, id="another"),
        pytest.param(asking(None), False, id="nobody"),
        pytest.param(asking(ME, "*"), False, id="no arn"),
        pytest.param(asking(Principal(arn="x", account=""), "arn:aws:s3:::x"), False, id="no account"),
    ],
)
def test_who_is_of_the_resources_account(access: Access, expected: bool) -> None:
    assert same_account(access) is expected


_statements = st.lists(
    st.fixed_dictionaries(
        {
            "Effect": st.sampled_from(["Allow", "Deny"]),
            "Resource": st.sampled_from(["*", ARN, f"{ARN}/x", "arn:aws:execute-api:*:*:*/prod/*", "arn:aws:s3:::x"]),
            "Action": st.sampled_from(["*", "execute-api:Invoke", "execute-api:I*", "s3:GetObject"]),
            "Condition": st.sampled_from([{}, OFFICE, {"StringNotEquals": {"aws:username": "ann"}}]),
        }
    ),
    max_size=6,
)


@given(_statements, _statements)
def test_an_allow_more_never_takes_away_and_a_deny_more_never_gives(
    statements: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    access = asking(aws_SourceIp="203.0.113.9")
    before = policy(*statements).evaluate(access).effect
    allows = [{**each, "Effect": "Allow"} for each in others]
    denies = [{**each, "Effect": "Deny"} for each in others]

    if before is Effect.ALLOW:
        assert policy(*statements, *allows).evaluate(access).effect is Effect.ALLOW
    else:
        assert policy(*statements, *denies).evaluate(access).effect is not Effect.ALLOW
        assert before is not Effect.DENY or policy(*statements, *allows).evaluate(access).effect is Effect.DENY


@given(_statements)
def test_the_order_of_statements_does_not_matter(statements: list[dict[str, Any]]) -> None:
    access = asking(aws_SourceIp="203.0.113.9")

    assert policy(*statements).evaluate(access).effect is policy(*reversed(statements)).evaluate(access).effect


@given(_statements, st.sampled_from(["boundary", "session", "scp"]))
def test_a_limit_never_gives(statements: list[dict[str, Any]], kind: str) -> None:
    access = asking()

    assert evaluate([NOTHING, policy(*statements, kind=kind)], access).effect is not Effect.ALLOW


EVERYTHING = policy(
    {"Effect": "Deny", "Principal": {"AWS": "123456789012"}, "Condition": {"ArnLike": {"k": "arn:*:*:*:*:${k}*"}}},
    {"Effect": "Allow", "NotPrincipal": {"AWS": ME.arn}, "Condition": {"ForAllValues:NumericLessThan": {"k": "7"}}},
    {"Effect": "Deny", "Principal": "*", "Condition": {"StringNotLike": {"k": "${k}?*"}, "DateLessThan": {"k": "7"}}},
    {"Effect": "Allow", "Principal": "*", "Condition": {"NotIpAddress": {"k": "::/0"}, "Bool": {"k": "true"}}},
    {"Effect": "Allow", "Principal": "*", "Resource": ["execute-api:/*", "arn:aws:s3:::${k}/?*"]},
    {"Effect": "Allow", "Principal": "*", "Condition": {"BinaryEquals": {"k": "aGk="}, "Null": {"k": "false"}}},
    kind="resource",
)  # fmt: skip


@given(
    st.sampled_from(["execute-api:Invoke", "", "é:İ"]), st.text() | st.text().map(f"{ARN}/".__add__),
    st.dictionaries(st.sampled_from(["k", "K", "other"]), st.text() | st.lists(st.text(), max_size=3), max_size=2),
    st.sampled_from([None, ME, SESSION, STRANGER]),
)  # fmt: skip
def test_any_access_gives_a_verdict(action: str, where: str, keys: dict[str, Any], who: Principal | None) -> None:
    access = Access(action, where, who, keys)

    assert EVERYTHING.evaluate(access).effect in Effect
    assert evaluate([EVERYTHING, IDENTITY, NOTHING], access).effect in Effect
