"""Reading and verifying signatures: what AWS says of each that does not fit (reference 02 section 2)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.iam.canonical import UNSIGNED_PAYLOAD
from gatewaykit.core.iam.signing import Signer, presigned_target, signed_headers
from gatewaykit.core.iam.signing_key import SigningKey
from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed, verify
from gatewaykit.core.reasons import Reason, Refusal

NOW = 1_767_268_800.0  # 2026-01-01T12:00:00Z
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SIGNER = Signer(access_key_id="AKIDEXAMPLE", secret=SECRET, session_token="token")
RULES = SignatureRules(region="us-east-1")
HOST: HeaderList = [(b"host", b"api.test")]
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def a_request(method: str = "POST", target: bytes = b"/a/b?x=1", body: bytes = b"{}", **more: Any) -> Request:
    headers = more.pop("headers", [*HOST, (b"x-tenant", b"a")])
    path, _, query = target.partition(b"?")
    signed = signed_headers(more.pop("signer", SIGNER), method, target, headers, body, NOW, **more)
    return Request(method, "/", raw_path=path, query_string=query, headers=signed, body=body)


def with_header(request: Request, name: bytes, change: Callable[[bytes], bytes | None]) -> Request:
    """The request with another value of a field, or without it."""
    fields = [(key, change(value) if key.lower() == name else value) for key, value in request.header_list]
    kept: HeaderList = [(key, value) for key, value in fields if value is not None]
    return Request(
        request.method, "/", raw_path=request.raw_path, query_string=request.query_string, headers=kept,
        body=request.body,
    )  # fmt: skip


def read(request: Request, rules: SignatureRules = RULES, now_s: float = NOW) -> Signed:
    signed = SignatureReader(rules).read(request, now_s)
    assert isinstance(signed, Signed), signed
    return signed


def refusal(request: Request, rules: SignatureRules = RULES, now_s: float = NOW) -> Refusal:
    refused = SignatureReader(rules).read(request, now_s)
    assert isinstance(refused, Refusal)
    return refused


def holds(signed: Signed, body: bytes = b"{}", secret: str = SECRET) -> bool:
    return verify(signed, SigningKey(secret, signed.scope), body) is None


def test_a_signature_is_read_and_holds() -> None:
    signed = read(a_request())

    assert (signed.key_id, signed.token, signed.presigned) == ("AKIDEXAMPLE", b"token", False)
    assert signed.scope == b"20260101/us-east-1/execute-api/aws4_request"
    assert holds(signed)
    assert not holds(signed, b"[]")
    assert not holds(signed, secret="another secret")


SAID = [
    pytest.param(
        lambda sent: None, Reason.SIGNATURE_MISSING, "Missing Authentication Token", id="02 s2: no signature"
    ),
    pytest.param(
        lambda sent: b"Bearer abc", Reason.SIGNATURE_INCOMPLETE, "Invalid key=value pair (missing equal-sign)",
        id="02 s2: no key=value",
    ),
    pytest.param(
        lambda sent: b"AWS4-HMAC-SHA256", Reason.SIGNATURE_INCOMPLETE,
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
        "Authorization header requires 'SignedHeaders' parameter. (Hashed with SHA-256 and encoded with Base64)",
        id="02 s2: all parts missing",
    ),
    pytest.param(
        lambda sent: sent.replace(b"Credential=", b"Credentials="), Reason.SIGNATURE_INCOMPLETE,
        "Authorization header requires 'Credential' parameter. (Hashed", id="02 s2: no credential",
    ),
    pytest.param(
        lambda sent: sent.replace(b"SignedHeaders=", b"Signed="), Reason.SIGNATURE_INCOMPLETE,
        "Authorization header requires 'SignedHeaders' parameter. (Hashed", id="02 s2: no signed headers",
    ),
    pytest.param(
        lambda sent: sent.replace(b"Signature=", b"S="), Reason.SIGNATURE_INCOMPLETE,
        "Authorization header requires 'Signature' parameter. (Hashed", id="02 s2: no signature in it",
    ),
    pytest.param(
        lambda sent: sent + b", Credential=a", Reason.SIGNATURE_INCOMPLETE,
        "Authorization header has 'Credential' more than once.", id="a part twice",
    ),
    pytest.param(
        lambda sent: sent.replace(b"host;", b""), Reason.SIGNATURE_INVALID,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.", id="the host not signed",
    ),
    pytest.param(
        lambda sent: sent.replace(b"x-amz-security-token;", b""), Reason.SIGNATURE_INVALID,
        "There were headers present in the request which were not signed", id="an x-amz header not signed",
    ),
    pytest.param(
        lambda sent: sent.replace(b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1"), Reason.SIGNATURE_INCOMPLETE,
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1' (only AWS4-HMAC-SHA256 for now).", id="an unknown algorithm",
    ),
    pytest.param(
        lambda sent: sent.replace(b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256"), Reason.SIGNATURE_INCOMPLETE,
        "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'", id="SigV4A where it is not asked for",
    ),
    pytest.param(
        lambda sent: sent.replace(b"/us-east-1", b""), Reason.SIGNATURE_INCOMPLETE,
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
        "'AKIDEXAMPLE/20260101/execute-api/aws4_request'", id="a short credential",
    ),
    pytest.param(
        lambda sent: sent.replace(b"AKIDEXAMPLE", b""), Reason.SIGNATURE_INCOMPLETE, "Credential must have exactly 5",
        id="no access key",
    ),
    pytest.param(
        lambda sent: sent.replace(b"us-east-1", b"x"), Reason.SIGNATURE_MISSCOPED,
        "Credential should be scoped to a valid region, not 'x'.", id="02 s2: wrong region",
    ),
    pytest.param(
        lambda sent: sent.replace(b"execute-api", b"x"), Reason.SIGNATURE_MISSCOPED,
        "Credential should be scoped to correct service: 'execute-api'.", id="02 s2: wrong service",
    ),
    pytest.param(
        lambda sent: sent.replace(b"aws4_request", b"x"), Reason.SIGNATURE_MISSCOPED,
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'x'.", id="wrong terminator",
    ),
    pytest.param(
        lambda sent: sent.replace(b"20260101", b"20260102"), Reason.SIGNATURE_MISSCOPED,
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260102' != "
        "'20260101', from '20260101T120000Z'.", id="wrong day",
    ),
    pytest.param(
        lambda sent: sent.replace(b"us-east-1/execute-api", b"a/b"), Reason.SIGNATURE_MISSCOPED,
        "Credential should be scoped to a valid region, not 'a'. Credential should be scoped to correct service: "
        "'execute-api'.", id="all that is wrong with a scope",
    ),
    pytest.param(
        lambda sent: sent.replace(b"host;", b"host;host;"), Reason.SIGNATURE_INVALID, MISMATCH, id="a name twice"
    ),
    pytest.param(
        lambda sent: sent.replace(b"host;", b"hosT;"), Reason.SIGNATURE_INVALID, MISMATCH, id="a name in capitals"
    ),
    pytest.param(
        lambda sent: sent.replace(b";x-tenant", b";x-zone"), Reason.SIGNATURE_INVALID, MISMATCH, id="a name of nothing"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "message"), SAID)
def test_what_is_said_of_a_header_that_does_not_fit(
    change: Callable[[bytes], bytes | None], reason: Reason, message: str
) -> None:
    refused = refusal(with_header(a_request(), b"authorization", change))

    assert refused.reason is reason
    assert (refused.message or reason.message or "").startswith(message)
    assert refused.detail


@pytest.mark.parametrize(
    ("name", "value", "reason", "message"),
    [
        pytest.param(
            b"x-amz-date", None, Reason.SIGNATURE_INCOMPLETE,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. (Hashed",
            id="02 s2: no date",
        ),
        pytest.param(
            b"x-amz-date", b"yesterday", Reason.SIGNATURE_INCOMPLETE,
            "Date must be in ISO-8601 'basic format'. Got 'yesterday'. See http://en.wikipedia.org/wiki/ISO_8601",
            id="no date at all",
        ),
        pytest.param(b"x-amz-date", b"20260101T126000Z", Reason.SIGNATURE_INCOMPLETE, "Date must be", id="minute 60"),
        pytest.param(
            b"x-amz-date", b"20260101T115459Z", Reason.SIGNATURE_EXPIRED,
            "Signature expired: 20260101T115459Z is now earlier than 20260101T115500Z (20260101T120000Z - 5 min.)",
            id="02 s2: too old",
        ),
        pytest.param(
            b"x-amz-date", b"20260101T120501Z", Reason.SIGNATURE_EXPIRED,
            "Signature not yet current: 20260101T120501Z is still later than 20260101T120500Z "
            "(20260101T120000Z + 5 min.)", id="not yet",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("warm", [False, True])
def test_what_is_said_of_a_date(name: bytes, value: bytes | None, reason: Reason, message: str, warm: bool) -> None:
    reader = SignatureReader(RULES)
    if warm:
        reader.read(a_request(), NOW)

    refused = reader.read(with_header(a_request(), name, lambda _: value), NOW)

    assert isinstance(refused, Refusal)
    assert refused.reason is reason
    assert (refused.message or "").startswith(message)


@pytest.mark.parametrize("date", [b"Thu, 01 Jan 2026 12:00:00 GMT", b"20260101T120000Z"])
def test_a_date_header_stands_in(date: bytes) -> None:
    scope = b"20260101/us-east-1/execute-api/aws4_request"
    canonical = b"GET\n/\n\ndate:%b\nhost:api.test\n\ndate;host\n%b" % (date, sha256(b"").hexdigest().encode())
    text = b"AWS4-HMAC-SHA256\n20260101T120000Z\n%b\n%b" % (scope, sha256(canonical).hexdigest().encode())
    value = b"AWS4-HMAC-SHA256 Credential=AKID/%b, SignedHeaders=date;host, Signature=%b" % (
        scope, SigningKey(SECRET, scope).signature(text),
    )  # fmt: skip

    signed = read(Request("GET", "/", headers=[*HOST, (b"date", date), (b"authorization", value)]))

    assert holds(signed, b"")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param(
            b"X-Amz-Algorithm=",
            "AWS query-string parameters must include 'X-Amz-Algorithm'. "
            "AWS query-string parameters must include 'X-Amz-Credential'. "
            "AWS query-string parameters must include 'X-Amz-Signature'. "
            "AWS query-string parameters must include 'X-Amz-SignedHeaders'. "
            "AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters.",
            id="all",
        ),
        pytest.param(
            b"X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d",
            "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
            id="one",
        ),
        pytest.param(
            b"X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d&X-Amz-SignedHeaders=e&X-Amz-Date=f",
            "The query-string parameter 'X-Amz-Date' is there more than once.", id="twice",
        ),
        pytest.param(
            b"X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d&X-Amz-SignedHeaders=e&X-Amz-Expires=x",
            "X-Amz-Expires must be a number", id="no number",
        ),
        pytest.param(
            b"X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d&X-Amz-SignedHeaders=e&X-Amz-Expires=0",
            "X-Amz-Expires must be at least 1", id="no time",
        ),
        pytest.param(
            b"X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d&X-Amz-SignedHeaders=e"
            b"&X-Amz-Expires=604801", "X-Amz-Expires must be at least 1", id="more than a week",
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_parameters_that_are_missing(query: bytes, message: str) -> None:
    refused = refusal(Request("GET", "/", query_string=query, headers=HOST))

    assert refused.reason is Reason.SIGNATURE_INCOMPLETE
    assert (refused.message or "").startswith(message)


def presigned(target: bytes = b"/a", **more: Any) -> Request:
    path, _, query = presigned_target(SIGNER, "GET", target, HOST, NOW, **more).partition(b"?")
    return Request("GET", "/", raw_path=path, query_string=query, headers=HOST)


def test_a_presigned_request_is_read_and_holds() -> None:
    signed = read(presigned(b"/a?b=c", expires_s=90))

    assert (signed.key_id, signed.token, signed.presigned) == ("AKIDEXAMPLE", b"token", True)
    assert holds(signed, b"")


@pytest.mark.parametrize(("expires_s", "words"), [(90, "- 90 sec.)"), (3600, "- 60 min.)")])
def test_a_presigned_request_expires(expires_s: int, words: str) -> None:
    request = presigned(expires_s=expires_s)

    assert isinstance(SignatureReader(RULES).read(request, NOW + expires_s), Signed)
    assert words in (refusal(request, now_s=NOW + expires_s + 1).message or "")


def test_without_a_life_a_presigned_request_has_that_of_a_header() -> None:
    request = presigned(expires_s=3600)
    request.query_string = request.query_string.replace(b"&X-Amz-Expires=3600", b"")

    assert isinstance(SignatureReader(RULES).read(request, NOW + 300), Signed)
    assert refusal(request, now_s=NOW + 301).reason is Reason.SIGNATURE_EXPIRED


@pytest.mark.parametrize(
    ("added", "detail"),
    [
        ((b"host", b"api.test"), "the header host is there more than once"),
        ((b"X-Amz-Date", b"20260101T120000Z"), "the header x-amz-date is there more than once"),
        ((b"X-Amz-Content-Sha256", b"abc"), "X-Amz-Content-Sha256 is no SHA-256 hash in hexadecimal"),
        ((b"X-Amz-Content-Sha256", UNSIGNED_PAYLOAD), "the payload is not signed (UNSIGNED-PAYLOAD)"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(added: tuple[bytes, bytes], detail: str) -> None:
    sent = a_request(headers=[*HOST, (b"x-amz-content-sha256", b"x")])
    fields = [*sent.header_list, added]
    names = b";".join(sorted({name.lower() for name, _ in fields} - {b"authorization"}))
    at = next(index for index, (name, _) in enumerate(fields) if name == b"Authorization")
    before, _, after = fields[at][1].partition(b"SignedHeaders=")
    fields[at] = (b"Authorization", before + b"SignedHeaders=" + names + b"," + after.partition(b",")[2])

    refused = refusal(Request("POST", "/", raw_path=b"/a/b", query_string=b"x=1", headers=fields))

    assert refused.detail.startswith(detail)


def test_a_hash_that_is_said_twice_is_said_once_only() -> None:
    request = presigned(b"/?X-Amz-Content-Sha256=" + b"0" * 64)
    request.query_string += b"&X-Amz-Content-Sha256=" + b"1" * 64

    assert refusal(request).detail == "X-Amz-Content-Sha256 says different things"


def test_a_declared_hash_is_that_of_the_body() -> None:
    good = presigned(b"/?X-Amz-Content-Sha256=" + sha256(b"").hexdigest().encode())
    bad = presigned(b"/?X-Amz-Content-Sha256=" + b"0" * 64)

    assert holds(read(good), b"")
    refused = verify(read(bad), SigningKey(SECRET, read(bad).scope), b"")
    assert refused is not None
    assert refused.detail == "the body is not the one whose hash is in X-Amz-Content-Sha256"


def test_an_unsigned_payload_is_taken_where_the_rules_say_so() -> None:
    request = a_request(unsigned_payload=True)

    signed = read(request, SignatureRules(region="us-east-1", unsigned_payload=True))

    assert not signed.needs_body
    assert holds(signed, b"whatever")
    assert read(a_request()).needs_body


def test_a_token_in_a_header_has_no_place_beside_one_in_the_query() -> None:
    path, _, query = presigned_target(SIGNER, "GET", b"/", [*HOST, (b"x-amz-security-token", b"token")], NOW).partition(
        b"?"
    )
    request = Request(
        "GET", "/", raw_path=path, query_string=query, headers=[*HOST, (b"x-amz-security-token", b"token")]
    )

    assert refusal(request).detail == "X-Amz-Security-Token is in the query and in a header"


def test_a_header_that_a_proxy_added_need_not_be_signed() -> None:
    sent = a_request()
    request = Request(
        "POST", "/", raw_path=sent.raw_path, query_string=sent.query_string,
        headers=[*sent.header_list, (b"x-amz-cf-id", b"abc")], body=b"{}",
    )  # fmt: skip

    assert holds(read(request))


@pytest.mark.parametrize("value", [b"a  b", b" a", b"a ", b"a: b", b"a\tb", b"\ta", b"a   "])
def test_blanks_are_made_even_the_second_time_too(value: bytes) -> None:
    reader, request = SignatureReader(RULES), a_request(headers=[*HOST, (b"x-tenant", value)])

    first, again = reader.read(request, NOW), reader.read(request, NOW)

    for signed in (first, again):
        assert isinstance(signed, Signed)
        assert holds(signed)


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"X-Tenant", b"x-amz-meta", b"x-amzn-trace-id", b"foo-x-amz-bar", b"x%d", b"accept"]),
        st.text(st.sampled_from("ab ,:\t"), max_size=6).map(str.encode),
    ),
    max_size=4,
)  # fmt: skip


@given(
    FIELDS, st.text("ab=&;+%2 ", max_size=8).map(str.encode), st.text("ab/.%2", max_size=8).map(str.encode), st.data()
)
def test_the_usual_way_and_the_careful_way_say_the_same(
    fields: HeaderList, query: bytes, path: bytes, data: st.DataObject
) -> None:
    request = a_request(target=b"/" + path + b"?" + query, headers=[*HOST, *fields])
    sent = data.draw(st.sampled_from([request.header_list, [*request.header_list, *fields]]))
    request = Request("POST", "/", raw_path=b"/" + path, query_string=query, headers=sent, body=b"{}")
    reader = SignatureReader(RULES)

    first, again = reader.read(request, NOW), reader.read(request, NOW)

    if isinstance(first, Refusal):
        assert isinstance(again, Refusal)
        assert (first.reason, first.detail) == (again.reason, again.detail)
    else:
        assert isinstance(again, Signed)
        parts = ("key_id", "token", "scope", "signature", "preamble", "declared", "algorithm", "presigned")
        assert [getattr(first, name) for name in parts] == [getattr(again, name) for name in parts]
        assert set(again.canonicals) <= set(first.canonicals)
        assert holds(first) == holds(again)


ANY = st.binary(max_size=40)


@given(
    st.lists(st.tuples(st.sampled_from([b"Authorization", b"X-Amz-Date", b"Host", b"Date"]), ANY), max_size=5),
    ANY, ANY, st.text(max_size=5), st.floats(0, 4e9),
)  # fmt: skip
def test_any_request_gives_a_claim_or_a_refusal(
    headers: HeaderList, path: bytes, query: bytes, method: str, now_s: float
) -> None:
    request = Request(method, "/", raw_path=path, query_string=query, headers=headers)

    assert isinstance(SignatureReader(RULES).read(request, now_s), (Signed, Refusal))


@given(
    ANY,
    ANY,
    st.lists(st.tuples(st.sampled_from([b"Credential", b"Signature", b"SignedHeaders", b"x"]), ANY), max_size=5),
)
def test_any_authorization_gives_a_claim_or_a_refusal(algorithm: bytes, date: bytes, parts: list[Any]) -> None:
    value = b"AWS4-" + algorithm + b" " + b",".join(name + b"=" + each for name, each in parts)
    headers = [*HOST, (b"x-amz-date", date), (b"authorization", value)]
    rules = SignatureRules(region="us-east-1", multi_region=True)

    assert isinstance(SignatureReader(rules).read(Request("GET", "/", headers=headers), NOW), (Signed, Refusal))


def test_lists_of_names_are_remembered_within_bounds() -> None:
    reader = SignatureReader(RULES)

    for number in range(200):
        reader.read(a_request(headers=[*HOST, (b"x-%d" % number, b"a")]), NOW)

    assert len(reader._plans) == 64


def test_a_long_list_of_names_is_not_remembered() -> None:
    reader = SignatureReader(RULES)

    assert isinstance(reader.read(a_request(headers=[*HOST, (b"x-" + b"a" * 600, b"a")]), NOW), Signed)
    assert len(reader._plans) == 0
