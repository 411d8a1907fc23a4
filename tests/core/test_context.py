"""`$context`: keys, formats, identity, authorizer."""

from __future__ import annotations

import pytest

from gatewaykit.core.context import ApiFacts, context_of, part_of_context, path_text, resource_id
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.iam.access import VpcEndpoint
from gatewaykit.core.identity.mtls import ClientCertificate

FACTS = ApiFacts(api_id="abc123", stage="dev", domain_name="abc123.execute-api.us-east-1.amazonaws.com")


def a_request(**more: object) -> Request:
    request = Request("GET", "/pets/7", headers=[(b"User-Agent", b"curl/8")])
    request.received_s, request.resource, request.id, request.extended_id = 1767225600.5, "/pets/{id}", "r-1", "x-1"
    for name, value in more.items():
        setattr(request, name, value)
    return request


def test_a_context_has_the_recorded_keys_in_the_recorded_order() -> None:  # rows 40 and 63
    context = context_of(a_request(), FACTS)

    assert list(context) == [
        "resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path", "accountId", "protocol",
        "stage", "domainPrefix", "requestTimeEpoch", "requestId", "identity", "domainName", "deploymentId", "apiId",
    ]  # fmt: skip
    assert sorted(context["identity"]) == [
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
        "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "sourceIp", "user", "userAgent", "userArn",
    ]  # fmt: skip


def test_values_have_the_formats_of_the_guide() -> None:
    context = context_of(a_request(http_version="2"), FACTS)

    assert context["requestTime"] == "01/Jan/2026:00:00:00 +0000"
    assert context["requestTimeEpoch"] == 1767225600500
    assert context["protocol"] == "HTTP/1.1"
    assert context["path"] == "/dev/pets/7"
    assert context["domainPrefix"] == "abc123"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["userAgent"] == "curl/8"
    assert context["identity"]["userArn"] is None


def test_behind_a_custom_domain_the_path_has_no_stage() -> None:
    assert context_of(a_request(), ApiFacts(stage_in_path=False))["path"] == "/pets/7"


@pytest.mark.parametrize("facts", [FACTS, ApiFacts(stage_in_path=False)], ids=["a known domain", "the host named"])
def test_a_part_of_a_context_says_the_same(facts: ApiFacts) -> None:
    whole = context_of(a_request(), facts)

    for names in (*({name} for name in whole), {"stage", "domainName"}, {*whole}, set[str]()):
        part = part_of_context(facts, frozenset(names))
        assert part is not None
        assert part(a_request()) == {name: whole[name] for name in names}


def test_there_is_no_part_with_what_not_every_request_has() -> None:
    assert part_of_context(FACTS, frozenset(("stage", "authorizer"))) is None
    assert part_of_context(FACTS, frozenset(("empty",))) is None


def test_every_context_is_a_fresh_one() -> None:
    request = a_request()
    context_of(request, FACTS)["identity"].clear()

    assert context_of(request, FACTS)["identity"]


@pytest.mark.parametrize(
    ("identity", "authorizer"),
    [
        pytest.param(None, None, id="nobody"),
        pytest.param(Identity(principal="k", kind="api_key", key_id="key-1"), None, id="an API key is no authorizer"),
        pytest.param(
            Identity(
                principal="ann", claims={"role": "admin", "age": 7, "ok": True, "none": None, "groups": {"a": [1]}}
            ),
            {"principalId": "ann", "role": "admin", "age": "7", "ok": "true", "none": None, "groups": '{"a": [1]}'},
            id="custom values become text",
        ),
        pytest.param(Identity(principal="s", kind="jwt", claims={"sub": "s"}), {"claims": {"sub": "s"}}, id="token"),
        pytest.param(
            Identity(
                principal="ann",
                kind="lambda",
                claims={"n": 1, "principalId": "eve", "usageIdentifierKey": "secret", "integrationLatency": 12},
            ),
            {"n": "1", "principalId": "ann", "integrationLatency": 12},
            id="of a Lambda authorizer the latency is a number and the key a secret",
        ),
        pytest.param(
            Identity(principal="", kind="lambda", claims={"a": [1]}), {"a": "[1]"}, id="a simple answer names nobody"
        ),
    ],
)
def test_the_authorizer_part_follows_who_proved_the_identity(identity: Identity | None, authorizer: object) -> None:
    assert context_of(a_request(identity=identity), FACTS).get("authorizer") == authorizer


def test_a_signature_shows_in_the_identity_and_in_no_authorizer() -> None:
    arn = "arn:aws:iam::123456789012:user/alice"
    caller = Identity(principal=arn, kind="iam", claims={"userArn": arn, "user": "AIDA7", "sourceIp": "not theirs"})
    context = context_of(a_request(identity=caller), FACTS)

    assert (context["identity"]["userArn"], context["identity"]["user"]) == (arn, "AIDA7")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert "authorizer" not in context


def test_the_endpoint_of_a_private_api_is_part_of_the_identity() -> None:
    identity = context_of(a_request(vpc_endpoint=VpcEndpoint(id="vpce-1", vpc="vpc-7")), FACTS)["identity"]

    assert (identity["vpceId"], identity["vpcId"]) == ("vpce-1", "vpc-7")


def test_the_id_of_an_api_key_is_part_of_the_identity() -> None:
    identity = Identity(principal="k", kind="api_key", key_id="key-1")

    assert context_of(a_request(identity=identity), FACTS)["identity"]["apiKeyId"] == "key-1"


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        pytest.param({}, "the key sent", id="04 §1: from the header"),
        pytest.param({"usageIdentifierKey": "the authorizer's"}, "the authorizer's", id="04 §1: from the authorizer"),
    ],
)
def test_the_api_key_of_a_method_that_needs_one_is_shown(claims: dict[str, str], shown: str) -> None:
    request = Request("GET", "/pets/7", headers=[(b"x-api-key", b"the key sent")])
    assert "apiKey" not in context_of(request, FACTS)["identity"]

    request.identity = Identity(principal="k", kind="api_key", key_id="key-1", claims=claims)

    assert context_of(request, FACTS)["identity"]["apiKey"] == shown


def test_a_path_that_is_not_ascii_is_percent_encoded() -> None:
    request = Request("GET", "/", raw_path="/ä/%2F".encode())

    assert path_text(request) == "/%C3%A4/%2F"


def test_a_resource_id_is_stable_and_has_six_characters() -> None:
    assert resource_id("/pets/{id}") == resource_id("/pets/{id}") != resource_id("/pets")
    assert len(resource_id("/")) == 6


def test_a_client_certificate_is_part_of_the_identity_where_there_is_one() -> None:  # 02 section 8
    certificate = ClientCertificate(
        pem="p", subject_dn="CN=a", issuer_dn="CN=b", serial_number="1", not_before="May 28", not_after="Aug  5"
    )
    context = context_of(a_request(client_cert=certificate, identity=Identity(principal="CN=a", kind="mtls")), FACTS)

    assert "authorizer" not in context
    assert context["identity"]["clientCert"] == {
        "clientCertPem": "p", "subjectDN": "CN=a", "issuerDN": "CN=b", "serialNumber": "1",
        "validity": {"notBefore": "May 28", "notAfter": "Aug  5"},
    }  # fmt: skip
