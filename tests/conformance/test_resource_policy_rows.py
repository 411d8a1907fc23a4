"""Reference 02 section 6, fact by fact: resource policies beside each kind of authorizer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.authorized import (
    ACCOUNT,
    ALLOW,
    ANONYMOUS,
    API,
    DENY,
    RESOURCE,
    UNAUTHORIZED,
    api,
    asks,
    by_alice,
    granting,
    guarded,
    id_token,
    outcome_of,
    said,
)

IDENTITY = {"Allow": ALLOW, "silent": {**ALLOW, "Resource": f"{API}/GET/nowhere"}, "Deny": DENY}
ANSWERS = {"Allow": granting(), "silent": granting(""), "Deny": granting("Deny")}


def table(name: str, rows: str) -> list[Any]:
    """Rows of the identity's side, columns of the resource policy's: Allow, silent, Deny."""
    sides = ("Allow", "silent", "Deny")
    return [
        pytest.param(mine, theirs, outcome, id=f"02 §6: {name}, {mine} and {theirs}")
        for mine, line in zip(sides, rows.strip().splitlines(), strict=True)
        for theirs, outcome in zip(sides, line.split(), strict=True)
    ]


TABLE_A = """
allow    allow    explicit
allow    implicit explicit
explicit explicit explicit
"""
TABLE_B = """
allow    implicit explicit
implicit implicit explicit
explicit explicit explicit
"""


@pytest.mark.parametrize(("mine", "theirs", "outcome"), table("table A, Lambda", TABLE_A))
@pytest.mark.parametrize("kind", ["token", "request"])
async def test_table_a_with_a_lambda_authorizer(kind: str, mine: str, theirs: str, outcome: str) -> None:
    calls: list[Any] = []

    def function(event: Any, context: Any) -> Any:
        calls.append(event)
        return ANSWERS[mine]

    got = await asks(
        api(guarded(kind), authorizer=function, resource=[RESOURCE[theirs]]), authorization="t", x_who="ann"
    )

    assert outcome_of(got) == outcome
    assert len(calls) == (theirs != "Deny"), "an explicit deny comes before the call"


@pytest.mark.parametrize(("mine", "theirs", "outcome"), table("table A, IAM", TABLE_A))
async def test_table_a_with_a_signature_of_the_apis_account(mine: str, theirs: str, outcome: str) -> None:
    got = await asks(api(guarded("iam"), statements=[IDENTITY[mine]], resource=[RESOURCE[theirs]]), **by_alice())

    assert outcome_of(got) == outcome


@pytest.mark.parametrize(("mine", "theirs", "outcome"), table("table B, IAM", TABLE_B))
async def test_table_b_with_a_signature_of_another_account(mine: str, theirs: str, outcome: str) -> None:
    gateway = api(guarded("iam"), statements=[IDENTITY[mine]], resource=[RESOURCE[theirs]], account="999999999999")

    assert outcome_of(await asks(gateway, **by_alice())) == outcome


@pytest.mark.parametrize("account", [ACCOUNT, "999999999999"], ids=["02 §6: same account", "02 §6: other account"])
async def test_without_a_resource_policy_the_callers_own_has_to_allow(account: str) -> None:
    got = await asks(api(guarded("iam"), statements=[ALLOW], account=account), **by_alice())

    assert outcome_of(got) == ("allow" if account == ACCOUNT else "implicit")


ALONE = [("Allow", "allow"), ("silent", "implicit"), ("Deny", "explicit")]


@pytest.mark.parametrize(
    ("theirs", "outcome"), [pytest.param(*each, id=f"02 §6: Cognito, {each[0]}") for each in ALONE]
)
async def test_with_a_user_pool_the_policy_alone_has_to_allow(theirs: str, outcome: str) -> None:
    gateway = api(guarded("pools"), resource=[RESOURCE[theirs]])

    assert outcome_of(await asks(gateway, authorization=id_token())) == outcome
    assert said(await asks(gateway)) == UNAUTHORIZED, "the token is looked at first"


@pytest.mark.parametrize(
    ("theirs", "answer"),
    [
        pytest.param("Allow", None, id="02 §6: no authorizer, Allow"),
        pytest.param("silent", "", id="02 §6: no authorizer, silent"),
        pytest.param("Deny", " with an explicit deny", id="02 §6: no authorizer, Deny"),
    ],
)
async def test_a_policy_alone(theirs: str, answer: str | None) -> None:
    got = await asks(api(guarded(), resource=[RESOURCE[theirs]]))

    if answer is None:
        assert got.status == 200
    else:
        assert said(got) == (403, "AccessDeniedException", f'{{"Message":"{ANONYMOUS}{answer}"}}'.encode())


PRIVATE = {"x-amazon-apigateway-endpoint-configuration": {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"]}}
CREDENTIALS = {"": {}, "token": {"authorization": "t"}, "pools": {"authorization": id_token()}, "iam": by_alice()}


@pytest.mark.parametrize("name", CREDENTIALS)
async def test_a_private_api_without_a_policy_denies_everything(name: str) -> None:  # 02 §6
    gateway = api(guarded(*filter(None, [name])), root=PRIVATE, statements=[ALLOW])

    assert outcome_of(await asks(gateway, **CREDENTIALS[name])) == "implicit"


@pytest.mark.parametrize("name", CREDENTIALS)
async def test_in_a_private_api_the_address_is_no_source_ip(name: str) -> None:  # 02 §6: condition keys
    from_here = {**RESOURCE["Allow"], "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
    gateway = api(guarded(*filter(None, [name])), root=PRIVATE, resource=[from_here], authorizer=granting(""))

    assert outcome_of(await asks(gateway, **CREDENTIALS[name])) == "implicit"


@pytest.mark.parametrize("form", ["execute-api:/dev/GET/pets/*", "execute-api:/*", "execute-api:/*/*/*"])
async def test_short_arns_stand_for_this_api(form: str) -> None:  # 02 §6, 07
    gateway = api(guarded(), resource=[{**RESOURCE["Allow"], "Resource": form}])

    assert outcome_of(await asks(gateway)) == "allow"


async def test_short_arns_of_another_stage_do_not_fit() -> None:  # 02 §6
    gateway = api(guarded(), resource=[{**RESOURCE["Allow"], "Resource": "execute-api:/prod/*"}])

    assert outcome_of(await asks(gateway)) == "implicit"


WITHOUT_AUTHENTICATION = {
    "aws:CurrentTime": ("DateLessThan", "2026-01-15T12:01:00Z"), "aws:EpochTime": ("NumericLessThan", "1768478460"),
    "aws:Referer": ("StringEquals", "here"), "aws:SecureTransport": ("Bool", "false"),
    "aws:SourceIp": ("IpAddress", "127.0.0.1"), "aws:UserAgent": ("StringLike", "test*"),
}  # fmt: skip
OF_IAM = {
    "aws:PrincipalAccount": ("StringEquals", ACCOUNT),
    "aws:PrincipalArn": ("ArnEquals", f"arn:aws:iam::{ACCOUNT}:user/alice"),
    "aws:PrincipalType": ("StringEquals", "User"), "aws:userid": ("StringLike", "AIDA*"),
    "aws:username": ("StringEquals", "alice"),
}  # fmt: skip


@pytest.mark.parametrize("key", WITHOUT_AUTHENTICATION)
@pytest.mark.parametrize("name", CREDENTIALS)
async def test_keys_for_all_kinds_of_authorizers(name: str, key: str) -> None:  # 02 §6: condition keys
    operator, value = WITHOUT_AUTHENTICATION[key]
    allowing = {**RESOURCE["Allow"], "Condition": {operator: {key: value}}}
    gateway = api(guarded(*filter(None, [name])), resource=[allowing], authorizer=granting(""))

    got = await asks(gateway, **CREDENTIALS[name], referer="here", user_agent="test/1")

    assert outcome_of(got) == "allow"


@pytest.mark.parametrize("key", OF_IAM)
async def test_keys_of_callers_that_sign(key: str) -> None:  # 02 §6: condition keys
    operator, value = OF_IAM[key]
    allowing = [{**RESOURCE["Allow"], "Condition": {operator: {key: value}}}]

    assert outcome_of(await asks(api(guarded("iam"), resource=allowing), **by_alice())) == "allow"
    assert outcome_of(await asks(api(guarded(), resource=allowing))) == "implicit"
