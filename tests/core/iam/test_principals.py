"""Who a resource policy means."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.core.iam.access import Access, Principal
from gatewaykit.core.iam.principals import ACCOUNT, ANYONE, ONESELF, ROLE, compile_not_principal, compile_principal
from gatewaykit.core.iam.problems import Problems

ME = "123456789012"
WHO: dict[str, Principal | None] = {
    "nobody": None,
    "user": Principal(arn=f"arn:aws:iam::{ME}:user/ann", account=ME, user_id="AIDAAAAAAAAAAAAAAAAAA"),
    "session": Principal(
        arn=f"arn:aws:sts::{ME}:assumed-role/ops/one", account=ME, kind="AssumedRole",
        role_arn=f"arn:aws:iam::{ME}:role/ops", user_id="AROAAAAAAAAAAAAAAAAAA:one",
    ),
    "root": Principal(arn=f"arn:aws:iam::{ME}:root", account=ME, kind="Account"),
    "stranger": Principal(arn="arn:aws:iam::999999999999:user/ann", account="999999999999"),
}  # fmt: skip

NAMED: list[tuple[Any, dict[str, str]]] = [
    ("*", {"nobody": ANYONE, "user": ANYONE, "session": ANYONE, "root": ANYONE, "stranger": ANYONE}),
    ({"AWS": "*"}, {"nobody": ANYONE, "user": ANYONE, "session": ANYONE, "root": ANYONE, "stranger": ANYONE}),
    ({"AWS": ME}, {"user": ACCOUNT, "session": ACCOUNT, "root": ACCOUNT}),
    ({"AWS": f"arn:aws:iam::{ME}:root"}, {"user": ACCOUNT, "session": ACCOUNT, "root": ACCOUNT}),
    ({"AWS": f"arn:aws:iam::{ME}:user/ann"}, {"user": ONESELF}),
    ({"AWS": "AIDAAAAAAAAAAAAAAAAAA"}, {"user": ONESELF}),
    ({"AWS": [ME, f"arn:aws:iam::{ME}:user/ann"]}, {"user": ONESELF, "session": ACCOUNT, "root": ACCOUNT}),
    ({"AWS": f"arn:aws:iam::{ME}:role/ops"}, {"session": ROLE}),
    ({"AWS": "AROAAAAAAAAAAAAAAAAAA"}, {"session": ROLE}),
    ({"AWS": f"arn:aws:sts::{ME}:assumed-role/ops/one"}, {"session": ONESELF}),
    ({"AWS": f"arn:aws:sts::{ME}:assumed-role/ops/two"}, {}),
    ({"Service": "lambda.amazonaws.com", "Federated": "x", "CanonicalUser": "y"}, {}),
]


@pytest.mark.parametrize(("element", "expected"), NAMED, ids=[str(element) for element, _ in NAMED])
def test_a_principal_names_callers(element: Any, expected: dict[str, str]) -> None:
    problems = Problems()

    test = compile_principal(element, "Principal", problems)

    assert problems.all() == ()
    found = {who: ANYONE if test is None else test(_access(principal)) for who, principal in WHO.items()}
    assert {who: how for who, how in found.items() if how} == expected


NOT_NAMED = [
    ({"AWS": ["*"]}, [], []),
    (
        {"AWS": f"arn:aws:iam::{ME}:user/ann"},
        ["nobody", "user", "session", "root", "stranger"], ["nobody", "session", "root", "stranger"],
    ),
    ({"AWS": [ME, f"arn:aws:iam::{ME}:user/ann"]}, ["nobody", "session", "stranger"], ["nobody", "stranger"]),
    ({"AWS": ME}, ["nobody", "user", "session", "stranger"], ["nobody", "stranger"]),
    (
        {"AWS": [ME, f"arn:aws:iam::{ME}:role/ops", f"arn:aws:sts::{ME}:assumed-role/ops/one"]},
        ["nobody", "user", "stranger"], ["nobody", "stranger"],
    ),
    ({"AWS": [ME, f"arn:aws:iam::{ME}:role/ops"]}, ["nobody", "user", "session", "stranger"], ["nobody", "stranger"]),
]  # fmt: skip


@pytest.mark.parametrize(("element", "denied", "allowed"), NOT_NAMED, ids=[str(each[0]) for each in NOT_NAMED])
def test_a_deny_spares_only_who_is_listed_in_full_and_an_allow_excludes_whoever_is_listed(
    element: Any, denied: list[str], allowed: list[str]
) -> None:
    deny = compile_not_principal(element, "NotPrincipal", Problems(), denies=True)
    allow = compile_not_principal(element, "NotPrincipal", Problems(), denies=False)

    assert [who for who, principal in WHO.items() if deny(_access(principal))] == denied
    assert [who for who, principal in WHO.items() if allow(_access(principal))] == allowed


WRONG = [
    ("ann", "P", 'is neither "*" nor an object that names principals'),
    ({}, "P", 'is neither "*" nor an object that names principals'),
    (["*"], "P", 'is neither "*" nor an object that names principals'),
    ({"Aws": "*"}, "P.Aws", "is no kind of principal"),
    ({"AWS": 7}, "P.AWS", "is neither a text nor a list of texts"),
    ({"AWS": []}, "P.AWS", "is neither a text nor a list of texts"),
    ({"AWS": ["*", 7]}, "P.AWS[1]", "is no text that names somebody"),
    ({"Service": ""}, "P.Service", "is no text that names somebody"),
    ({"AWS": "ann"}, "P.AWS", "'ann' names no AWS principal"),
    ({"AWS": f"arn:aws:iam::{ME}:user/*"}, "P.AWS", f"'arn:aws:iam::{ME}:user/*' names no AWS principal"),
    ({"AWS": [f"arn:aws:iam::{ME}:group/x"]}, "P.AWS[0]", f"'arn:aws:iam::{ME}:group/x' names no AWS principal"),
]


@pytest.mark.parametrize(("element", "where", "what"), WRONG, ids=[str(element) for element, *_ in WRONG])
def test_what_names_nobody_is_a_problem(element: Any, where: str, what: str) -> None:
    problems = Problems()

    compile_principal(element, "P", problems)

    assert [(each.where, each.what) for each in problems.all()] == [(where, what)]


def _access(principal: Principal | None) -> Access:
    return Access("execute-api:Invoke", "arn:aws:execute-api:us-east-1:1:a/b", principal)
