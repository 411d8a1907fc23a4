"""Reference 02 section 2, fact by fact: methods that ask for AWS signatures."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.testing import presign, sign
from tests.conformance.authorized import (
    ACCOUNT,
    ALICE,
    ALLOW,
    API,
    DENY,
    MASKED,
    SECRET,
    TARGET,
    api,
    asks,
    by_alice,
    clock,
    event_of,
    guarded,
    said,
)

# ---------------------------------------------------------------------------------------------------- 02 §2: signatures

MISMATCH = (
    b'{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret '
    b'Access Key and signing method. Consult the service documentation for details."}'
)


@pytest.mark.parametrize(
    ("headers", "status", "error_type", "words"),
    [
        pytest.param(
            {}, 403, "MissingAuthenticationTokenException", b'{"message":"Missing Authentication Token"}',
            id="02 §2: no signature",
        ),
        pytest.param(
            {"authorization": "Bearer abc"}, 403, "IncompleteSignatureException",
            b'{"message":"Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and '
            b"encoded with Base64): 'w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY='.\"}",
            id="02 §2: not k=v shaped",
        ),
        pytest.param(
            {"authorization": "AWS4-HMAC-SHA256 Credential=a"}, 403, "IncompleteSignatureException",
            b"{\"message\":\"Authorization header requires 'Signature' parameter. Authorization header requires "
            b"'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
            b"header. (Hashed with SHA-256 and encoded with Base64) Authorization=",
            id="02 §2: parts missing",
        ),
        pytest.param(
            sign("GET", TARGET, access_key_id="AKIDNOBODY0000000000", secret=SECRET, clock=clock()), 403,
            "UnrecognizedClientException", b'{"message":"The security token included in the request is invalid."}',
            id="02 §2: unknown access key, in the words that were seen",
        ),
        pytest.param(
            by_alice(session_token="made up"), 403, "UnrecognizedClientException",
            b'{"message":"The security token included in the request is invalid."}', id="02 §2: bad session token",
        ),
        pytest.param(
            sign("GET", TARGET, access_key_id=ALICE, secret="another secret", clock=clock()), 403,
            "InvalidSignatureException", MISMATCH, id="02 §2: signature mismatch",
        ),
        pytest.param(
            by_alice(region="eu-west-1"), 403, "InvalidSignatureException",
            b"{\"message\":\"Credential should be scoped to a valid region, not 'eu-west-1'.", id="02 §2: wrong region",
        ),
        pytest.param(
            by_alice(service="s3"), 403, "InvalidSignatureException",
            b"{\"message\":\"Credential should be scoped to correct service: 'execute-api'.", id="02 §2: wrong service",
        ),
    ],
)  # fmt: skip
async def test_a_signature_that_is_refused(headers: dict[str, str], status: int, error_type: str, words: bytes) -> None:
    got = await asks(api(guarded("iam"), statements=[ALLOW]), **headers)

    assert (got.status, got.header("x-amzn-errortype")) == (status, error_type)
    assert words in got.body


async def test_a_signature_out_of_its_time() -> None:  # 02 §2: date too old
    gateway, late = api(guarded("iam"), statements=[ALLOW]), clock()
    late.advance(360)

    got = await asks(api(guarded("iam"), statements=[ALLOW], clock=late), **by_alice())

    assert said(got) == (
        403, "InvalidSignatureException",
        b'{"message":"Signature expired: 20260115T120000Z is now earlier than 20260115T120100Z '
        b'(20260115T120600Z - 5 min.)"}',
    )  # fmt: skip
    assert (await asks(gateway, **by_alice())).status == 200


async def test_a_session_that_has_ended() -> None:  # 02 §2: expired STS token, with its gateway response type
    session = {"id": "ASIAALICE00000000000", "secret": SECRET, "token": "tok", "expires": "2026-01-15T11:59:00Z"}
    gateway = api(
        guarded("iam"),
        credentials={"users": {"alice": {"sessions": [session]}}},
        root={"x-amazon-apigateway-gateway-responses": {"EXPIRED_TOKEN": {
            "responseTemplates": {"application/json": '{"type": "$context.error.responseType"}'}
        }}},
    )  # fmt: skip
    signed = sign("GET", TARGET, access_key_id=session["id"], secret=SECRET, session_token="tok", clock=clock())

    assert said(await asks(gateway, **signed)) == (403, "ExpiredTokenException", b'{"type": "EXPIRED_TOKEN"}')


async def test_a_signature_in_the_query() -> None:  # 02 §2: the query form
    gateway = api(guarded("iam"), statements=[ALLOW])

    target = presign("GET", f"{TARGET}?a=1", access_key_id=ALICE, secret=SECRET, clock=clock())
    event = event_of(await asks(gateway, target, host="testserver"))

    assert event["queryStringParameters"] == {"a": "1"}


NO_PERMISSION = (
    f'{{"Message":"User: arn:aws:iam::{ACCOUNT}:user/alice is not authorized to perform: execute-api:Invoke on '
    f'resource: {MASKED}/GET/pets/7{{}}"}}'
)


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        pytest.param(
            [], " because no identity-based policy allows the execute-api:Invoke action", id="02 §2: no permission"
        ),
        pytest.param(
            [DENY], " with an explicit deny in an identity-based policy", id="02 §2: no permission, explicit deny"
        ),
    ],
)
async def test_who_signs_and_may_not(statements: list[dict[str, Any]], told: str) -> None:
    got = await asks(api(guarded("iam"), statements=statements), **by_alice())

    assert said(got) == (403, "AccessDeniedException", NO_PERMISSION.replace("{}", told).encode())


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        pytest.param(f"{API}/GET/pets/7", 200, id="02 §2: the path that was asked for"),
        pytest.param("arn:aws:execute-api:*:*:*/*/GET/pets/*", 200, id="02 §2: */GET/pets/*"),
        pytest.param(f"{API}/GET/pets/{{id}}", 403, id="02 §2: the template is no path"),
        pytest.param(f"{API}/get/pets/7", 403, id="02 §7: a resource is case-sensitive"),
    ],
)
async def test_the_arn_that_is_authorized(allowed: str, status: int) -> None:
    got = await asks(api(guarded("iam"), statements=[{**ALLOW, "Resource": allowed}]), **by_alice())

    assert got.status == status


async def test_a_signature_fills_the_identity_and_is_taken_off() -> None:  # 02 §2: identity fields set
    event = event_of(await asks(api(guarded("iam"), statements=[ALLOW]), **by_alice()))

    identity = event["requestContext"]["identity"]
    assert (identity["accountId"], identity["accessKey"], identity["userArn"]) == (
        ACCOUNT, ALICE, f"arn:aws:iam::{ACCOUNT}:user/alice",
    )  # fmt: skip
    assert identity["caller"] == identity["user"] is not None
    assert "principalOrgId" in identity
    assert "authorizer" not in event["requestContext"]
    assert "Authorization" not in event["headers"]
