"""Users, groups and roles from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.access import Access
from gatewaykit.core.iam.credentials import Credentials
from gatewaykit.core.iam.directory import compile_directory
from gatewaykit.core.iam.policy import evaluate
from gatewaykit.errors import Problem

SECRET = "secret-of-somebody"


def policy(action: str = "execute-api:Invoke", effect: str = "Allow") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]}


def key(key_id: str = "AKID", **more: Any) -> dict[str, Any]:
    return {"id": key_id, "secret": SECRET, **more}


def compiled(data: Mapping[str, Any], **more: Any) -> dict[str, Credentials]:
    found = compile_directory(data, **more)
    assert isinstance(found, dict), found
    return found


def problems(data: object) -> list[str]:
    found = compile_directory(data)
    assert isinstance(found, tuple)
    return [f"{each.where}: {each.what}" for each in found]


def says(credentials: Credentials, action: str = "execute-api:Invoke") -> str:
    return evaluate(
        credentials.policies, Access(action, "arn:aws:execute-api:r:a:b/c", credentials.principal)
    ).effect.value


def test_a_user_has_a_stable_arn_and_id() -> None:
    one = compiled({"users": {"alice": {"access_keys": [key()], "path": "/staff/", "tags": {"team": "red"}}}})["AKID"]
    again = compiled({"users": {"alice": {"access_keys": [key()], "path": "/staff/"}}})["AKID"]

    assert one.principal.arn == "arn:aws:iam::123456789012:user/staff/alice"
    assert (one.principal.kind, one.principal.name, one.principal.tags) == ("User", "alice", {"team": "red"})
    assert one.principal.user_id == again.principal.user_id
    assert one.principal.user_id.startswith("AIDA")


def test_the_account_and_the_organization_are_everybodys() -> None:
    data = {
        "account": "210987654321", "organization": "o-1", "organization_paths": ["o-1/r-1/"],
        "users": {"alice": {"access_keys": [key()], "id": "AIDOWN"}},
    }  # fmt: skip

    principal = compiled(data, account="111111111111")["AKID"].principal

    assert (principal.account, principal.org_id, principal.org_paths) == ("210987654321", "o-1", ("o-1/r-1/",))
    assert (principal.arn, principal.user_id) == ("arn:aws:iam::210987654321:user/alice", "AIDOWN")


def test_without_an_account_it_is_that_of_the_api() -> None:
    assert compiled({"users": {"a": {"access_keys": [key()]}}}, account="111111111111")["AKID"].principal.account == (
        "111111111111"
    )


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"users": {"a": {"policies": [policy()]}}}, id="inline"),
        pytest.param({"policies": {"p": policy()}, "users": {"a": {"policies": ["p"]}}}, id="attached"),
        pytest.param({"groups": {"g": {"policies": [policy()]}}, "users": {"a": {"groups": ["g"]}}}, id="of a group"),
        pytest.param(
            {"policies": {"p": policy()}, "groups": {"g": {"policies": ["p"]}}, "users": {"a": {"groups": ["g"]}}},
            id="attached to a group",
        ),
        pytest.param({"users": {"a": {"policies": [policy("*")], "boundary": policy()}}}, id="within a boundary"),
        pytest.param(
            {"policies": {"p": policy()}, "users": {"a": {"policies": ["p"], "boundary": "p"}}}, id="a named boundary"
        ),
        pytest.param(
            {"service_control_policies": [policy()], "users": {"a": {"policies": [policy("*")]}}}, id="within an SCP"
        ),
    ],
)
def test_policies_come_from_everywhere(data: dict[str, Any]) -> None:
    data["users"]["a"]["access_keys"] = [key()]

    credentials = compiled(data)["AKID"]

    assert says(credentials) == "allow"
    assert says(credentials, "s3:GetObject") == "silent"


def test_a_session_of_a_role_is_a_principal_of_its_own() -> None:
    session = key("ASID", name="ci", token="t", expires="2026-01-01T12:00Z", mfa="true", tags={"b": "2"}, active="true")
    data = {"roles": {"deployer": {"policies": [policy()], "tags": {"a": "1"}, "id": "AROAX", "sessions": [session]}}}

    found = compiled(data)["ASID"]

    assert found.principal.arn == "arn:aws:sts::123456789012:assumed-role/deployer/ci"
    assert found.principal.role_arn == "arn:aws:iam::123456789012:role/deployer"
    assert (found.principal.kind, found.principal.user_id) == ("AssumedRole", "AROAX:ci")
    assert (found.principal.tags, found.principal.mfa_present) == ({"a": "1", "b": "2"}, True)
    assert (found.session_token, found.expires_s, found.active) == ("t", 1767268800.0, True)
    assert says(found) == "allow"


def test_a_session_is_limited_by_its_own_policies() -> None:
    session = key("ASID", name="ci", token="t", policies=[policy("s3:*")])
    user = {"policies": [policy("*")], "sessions": [key("ASIU", token="t", policies=[policy("s3:*")])]}
    found = compiled({"roles": {"r": {"policies": [policy("*")], "sessions": [session]}}, "users": {"u": user}})

    assert [says(found[key_id]) for key_id in ("ASID", "ASIU")] == ["silent", "silent"]
    assert [says(found[key_id], "s3:GetObject") for key_id in ("ASID", "ASIU")] == ["allow", "allow"]
    assert (found["ASIU"].principal.kind, found["ASIU"].principal.name) == ("User", "u")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param([], "credentials: is no mapping", id="no mapping"),
        pytest.param({"user": {}}, "credentials.user: there is no setting 'user'", id="a near miss"),
        pytest.param({"account": "1"}, "credentials.account: is no account: it has 12 digits", id="no account"),
        pytest.param({"organization": 1}, "credentials.organization: is no text", id="no text"),
        pytest.param({"users": []}, "credentials.users: is no mapping", id="users in a list"),
        pytest.param({"users": {"a b": {}}}, "credentials.users.a b: a name has letters, digits and", id="a name"),
        pytest.param({"users": {"a": {"access_keys": {}}}}, "credentials.users.a.access_keys: is no list", id="list"),
        pytest.param({"users": {"a": {"path": "x"}}}, "credentials.users.a.path: a path begins and ends", id="a path"),
        pytest.param(
            {"users": {"a": {"groups": ["g"]}}}, "credentials.users.a.groups[0]: there is no group 'g'", id="a group"
        ),
        pytest.param(
            {"users": {"a": {"policies": ["p"]}}}, "credentials.users.a.policies[0]: there is no policy", id="policy"
        ),
        pytest.param(
            {"users": {"a": {"boundary": "p"}}}, "credentials.users.a.boundary: there is no policy 'p'", id="limit"
        ),
        pytest.param({"users": {"a": {"policies": [1]}}}, "credentials.users.a.policies[0]: is no policy", id="no"),
        pytest.param({"policies": {"p": {}}}, "credentials.policies.p: ", id="a policy that says nothing"),
        pytest.param(
            {"users": {"a": {"access_keys": [key("a/b")]}}},
            "credentials.users.a.access_keys[0]: has no id, or one that is no access key id", id="an id",
        ),
        pytest.param(
            {"users": {"a": {"access_keys": [key(), key()]}}},
            "credentials.users.a.access_keys[1].id: the access key AKID is there twice", id="an id twice",
        ),
        pytest.param(
            {"users": {"a": {"access_keys": [{"id": "AKID", "secret": "short"}]}}},
            "credentials.users.a.access_keys[0]: has no secret of 16 characters or more", id="a short secret",
        ),
        pytest.param(
            {"users": {"a": {"access_keys": [key(active="maybe")]}}},
            "credentials.users.a.access_keys[0].active: is neither true nor false", id="a flag",
        ),
        pytest.param(
            {"roles": {"r": {"sessions": [key(name="s")]}}},
            "credentials.roles.r.sessions[0]: the session has no token", id="no token",
        ),
        pytest.param(
            {"roles": {"r": {"sessions": [key(token="t")]}}},
            "credentials.roles.r.sessions[0]: a session of a role has a name", id="no name",
        ),
        pytest.param(
            {"roles": {"r": {"sessions": [key(name="s", token="t", expires="soon")]}}},
            "credentials.roles.r.sessions[0].expires: is no time such as", id="no time",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(data: object, problem: str) -> None:
    found = problems(data)

    assert [each for each in found if each.startswith(problem)], found
    assert not any(SECRET in each or "short" in each.replace("Shorter", "") for each in found)


def test_a_managed_policy_is_compiled_once() -> None:
    bad = {"policies": {"p": {}}, "users": {"a": {"policies": ["p", "p"]}, "b": {"policies": ["p"]}}}

    assert len({*problems(bad)}) == len(problems(bad))


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just(SECRET)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["users", "groups", "roles", "policies", "sessions", "access_keys", "id", "secret", "token", "boundary",
                 "tags", "a", "Statement", "service_control_policies", "active", "expires", "name", "account"]
            ),
            inner, max_size=4,
        ),
    ),
)  # fmt: skip


@given(VALUES)
def test_any_data_gives_credentials_or_problems(data: Any) -> None:
    found = compile_directory(data)

    assert isinstance(found, dict) or all(isinstance(each, Problem) for each in found)
