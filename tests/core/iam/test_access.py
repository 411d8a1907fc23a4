"""What a request wants: its ARN, its condition keys, and who asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import Request
from gatewaykit.core.iam.access import Access, Principal, VpcEndpoint, access_of, instant_text, method_arn, principal_of

FACTS = ApiFacts(account_id="123456789012", api_id="a1b2c3", region="eu-west-1", stage="prod")
USER = Principal(
    arn="arn:aws:iam::123456789012:user/ops/ann", account="123456789012", name="ann", user_id="AIDAEXAMPLE",
    org_id="o-1", org_paths=("o-1/r-1/ou-1/",), tags={"Team": "orders"},
)  # fmt: skip
SESSION = Principal(
    arn="arn:aws:sts::123456789012:assumed-role/deploy/one", account="123456789012", kind="AssumedRole",
    role_arn="arn:aws:iam::123456789012:role/ops/deploy", name="one", mfa_present=True, mfa_age_s=60.5,
    token_issued_s=1_767_225_600.9,
)  # fmt: skip


def request(path: str = "/pets/1", method: str = "GET", **options: object) -> Request:
    made = Request(method, path, **options)  # type: ignore[arg-type]  # whatever a test varies
    made.received_s = 1_767_225_600.5
    return made


ARNS = [
    pytest.param(request("/pets/1"), "prod/GET/pets/1", id="a path"),
    pytest.param(request("/"), "prod/GET/", id="the root"),
    pytest.param(request("//pets", method="post"), "prod/POST/pets", id="slashes before the path"),
    pytest.param(request("/a b", raw_path=b"/a%20b"), "prod/GET/a%20b", id="as it was sent"),
    pytest.param(request("/é", raw_path=b"/\xc3\xa9"), "prod/GET/\u00c3\u00a9", id="bytes that are no ASCII"),
]


@pytest.mark.parametrize(("asked", "place"), ARNS)
def test_the_arn_of_a_method_has_the_real_path(asked: Request, place: str) -> None:
    assert method_arn(asked, FACTS) == f"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/{place}"


def test_the_arn_has_the_stage_that_was_called() -> None:
    asked = request()
    asked.stage = "canary"

    assert method_arn(asked, FACTS).split("/")[1] == "canary"


KEYS = [
    ("aws:CurrentTime", ("2026-01-01T00:00:00Z",)),
    ("aws:EpochTime", ("1767225600",)),
    ("aws:Referer", ("https://shop.example/",)),
    ("aws:SecureTransport", ("true",)),
    ("aws:SourceIp", ("203.0.113.9",)),
    ("AWS:SOURCEIP", ("203.0.113.9",)),
    ("aws:UserAgent", ("curl/8",)),
    ("aws:RequestedRegion", ("eu-west-1",)),
    ("aws:ResourceAccount", ("123456789012",)),
    ("aws:PrincipalAccount", ("123456789012",)),
    ("aws:PrincipalArn", (USER.arn,)),
    ("aws:PrincipalOrgID", ("o-1",)),
    ("aws:PrincipalOrgPaths", ("o-1/r-1/ou-1/",)),
    ("aws:PrincipalTag/team", ("orders",)),
    ("aws:PrincipalTag/other", ()),
    ("aws:PrincipalType", ("User",)),
    ("aws:userid", ("AIDAEXAMPLE",)),
    ("aws:username", ("ann",)),
    ("aws:MultiFactorAuthPresent", ()),
    ("aws:MultiFactorAuthAge", ()),
    ("aws:TokenIssueTime", ()),
    ("aws:SourceVpc", ()),
    ("aws:SourceVpce", ()),
    ("aws:VpcSourceIp", ()),
    ("aws:SourceArn", ()),
]


@pytest.mark.parametrize(("name", "values"), KEYS, ids=[name for name, _ in KEYS])
def test_a_request_has_condition_keys(name: str, values: tuple[str, ...]) -> None:
    asked = request(
        scheme="https", client=("203.0.113.9", 1),
        headers=[(b"user-agent", b"curl/8"), (b"referer", b"https://shop.example/")],
    )  # fmt: skip

    access = access_of(asked, FACTS, USER)

    assert access.keys[name.lower()] == values
    assert access.keys.get(name, ()) == values


ABSENT = ("aws:Referer", "aws:SourceIp", "aws:UserAgent", "aws:username", "aws:PrincipalArn", "aws:PrincipalTag/team")


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_known_of_a_request_is_absent(name: str) -> None:
    assert access_of(request(client=None), FACTS).keys[name.lower()] == ()


def test_a_session_has_the_arn_of_its_role_and_no_username() -> None:
    keys = access_of(request(scheme="http"), FACTS, SESSION).keys

    assert keys["aws:principalarn"] == ("arn:aws:iam::123456789012:role/ops/deploy",)
    assert keys["aws:username"] == ()
    assert keys["aws:multifactorauthpresent"] == ("true",)
    assert keys["aws:multifactorauthage"] == ("60",)
    assert keys["aws:tokenissuetime"] == ("2026-01-01T00:00:00Z",)
    assert keys["aws:securetransport"] == ("false",)


def test_by_a_vpc_endpoint_the_address_has_another_key() -> None:
    asked = request(client=("10.1.2.3", 1))
    asked.vpc_endpoint = VpcEndpoint(id="vpce-1", vpc="vpc-1")

    keys = access_of(asked, FACTS).keys

    assert (keys["aws:sourcevpce"], keys["aws:sourcevpc"]) == (("vpce-1",), ("vpc-1",))
    assert (keys["aws:vpcsourceip"], keys["aws:sourceip"]) == (("10.1.2.3",), ())


def test_keys_that_are_given_go_before_the_request() -> None:
    access = access_of(request(), FACTS, keys={"aws:SourceIp": (), "aws:Own": "x"})

    assert (access.keys["aws:sourceip"], access.keys["aws:own"]) == ((), ("x",))


def test_without_a_request_only_what_is_given_is_there() -> None:
    keys = Access("execute-api:Invoke", "arn:aws:execute-api:::x", keys={"K": ["a", "b"]}).keys

    assert (keys["k"], keys["aws:sourceip"], keys["aws:requestedregion"]) == (("a", "b"), (), ())
    assert (keys["aws:username"], keys["aws:principaltag/x"]) == ((), ())


FORMS = [
    ("a/prod/GET/x", ("a/prod/GET/x",)),
    ("a/prod/GET/x.y", ("a/prod/GET/x.y",)),
    ("a/prod/GET/", ("a/prod/GET/", "a/prod/GET")),
    ("a/prod/GET/%61dmin", ("a/prod/GET/%61dmin", "a/prod/GET/admin")),
    ("a/prod/GET/admin/", ("a/prod/GET/admin/", "a/prod/GET/admin")),
    (
        "a/prod/GET/%61//",
        ("a/prod/GET/%61//", "a/prod/GET/a//", "a/prod/GET/%61", "a/prod/GET/a"),
    ),
    ("a/prod/GET/%ff", ("a/prod/GET/%ff", "a/prod/GET/\ufffd")),
    ("a/prod/GET/x/../admin", ("a/prod/GET/x/../admin", "a/prod/GET/admin")),
    ("a/prod/GET/../../../admin/.", ("a/prod/GET/../../../admin/.", "a/prod/GET/admin")),
    ("a/prod/GET/x//y", ("a/prod/GET/x//y", "a/prod/GET/x/y")),
    ("a/prod/GET/x;y", ("a/prod/GET/x;y", "a/prod/GET/x")),
    ("a/prod/GET/x\\y", ("a/prod/GET/x\\y", "a/prod/GET/x/y")),
    ("a//b", ("a//b",)),
]


@pytest.mark.parametrize(("resource", "forms"), FORMS, ids=[resource for resource, _ in FORMS])
def test_a_resource_has_all_its_spellings(resource: str, forms: tuple[str, ...]) -> None:
    assert Access("execute-api:Invoke", resource).forms == forms


ENDS = [
    ("a/prod/GET/x", ()),
    ("a/prod/GET/%78;y//z\\", ()),
    ("a/prod/GET/x/../y", ("a/prod/GET/y",)),
    ("a/prod/GET/./x", ("a/prod/GET/x",)),
    ("a/prod/GET/x%2f..%2Fy", ("a/prod/GET/y",)),
    ("a/prod/GET/x/..;a/y", ("a/prod/GET/y",)),
    ("a/prod/GET/x\\..\\y", ("a/prod/GET/y",)),
]


@pytest.mark.parametrize(("resource", "ends"), ENDS, ids=[resource for resource, _ in ENDS])
def test_dot_segments_lead_elsewhere(resource: str, ends: tuple[str, ...]) -> None:
    assert Access("execute-api:Invoke", resource).ends == (resource, *ends)


NAMES = [
    ("123456789012", "Account", "arn:aws:iam::123456789012:root", "", ""),
    ("arn:aws:iam::123456789012:root", "Account", "arn:aws:iam::123456789012:root", "", ""),
    ("arn:aws:iam::123456789012:user/ops/ann", "User", "arn:aws:iam::123456789012:user/ops/ann", "ann", ""),
    (
        "arn:aws-cn:iam::123456789012:role/ops/deploy", "AssumedRole",
        "arn:aws-cn:sts::123456789012:assumed-role/deploy/session", "session",
        "arn:aws-cn:iam::123456789012:role/ops/deploy",
    ),
    (
        "arn:aws:sts::123456789012:assumed-role/deploy/one", "AssumedRole",
        "arn:aws:sts::123456789012:assumed-role/deploy/one", "one", "arn:aws:iam::123456789012:role/deploy",
    ),
    (
        "arn:aws:sts::123456789012:federated-user/bob", "FederatedUser",
        "arn:aws:sts::123456789012:federated-user/bob", "bob", "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "arn", "short", "role"), NAMES, ids=[name for name, *_ in NAMES])
def test_an_arn_names_a_principal(name: str, kind: str, arn: str, short: str, role: str) -> None:
    found = principal_of(name)

    assert found is not None
    assert (found.kind, found.arn, found.name, found.role_arn) == (kind, arn, short, role)
    assert found.account == "123456789012"


@pytest.mark.parametrize(
    "name", ["", "bob", "12345678901", "arn:aws:iam::1:user/x", "arn:aws:iam::123456789012:user",
             "arn:aws:iam::123456789012:root/x", "arn:aws:s3::123456789012:user/x"],
)  # fmt: skip
def test_what_names_nobody_is_none(name: str) -> None:
    assert principal_of(name) is None


@given(st.floats())
def test_any_time_has_a_text(seconds: float) -> None:
    assert instant_text(seconds).endswith("Z")


@given(st.text(), st.text(), st.binary())
def test_any_request_has_an_access(method: str, path: str, raw: bytes) -> None:
    access = access_of(Request(method, path, raw_path=raw), FACTS)

    assert access.forms[0] == access.resource
