"""AWS signatures against botocore: what it signs, we verify; what we sign is, byte for byte, what it signs."""

from __future__ import annotations

from datetime import datetime, timezone
from hashlib import sha256
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.iam.signing import Signer, presigned_target, signed_headers
from gatewaykit.core.iam.signing_key import SigningKey
from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed, verify

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = 1_767_268_800.0  # 2026-01-01T12:00:00Z
HOST = "abc.execute-api.eu-central-1.amazonaws.com"
READER = SignatureReader(SignatureRules(region="eu-central-1"))

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
SEGMENTS = st.one_of(TEXTS, st.sampled_from(["", ".", "..", "%2e", "a b", "a%2Fb", "~", "%40connections", "*", "x:y"]))
PATHS = st.lists(SEGMENTS.map(lambda text: quote(text, safe="%~:*")), max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)
QUERIES = st.lists(st.tuples(TEXTS, TEXTS), max_size=5)
NAMES = st.sampled_from(["X-Custom", "content-type", "x-amz-meta-a", "X-Amz-Target", "user-agent", "accept", "X-A-B"])
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4).filter(lambda named: len({n.lower() for n in named}) == len(named))
TOKENS = st.one_of(st.none(), st.text("abcABC123+/=", min_size=1, max_size=40))


def at_now() -> Any:
    """botocore reads the clock; it is told our time."""
    moment = datetime.fromtimestamp(NOW, timezone.utc)
    return mock.patch("botocore.auth.get_current_datetime", return_value=moment.replace(tzinfo=None))


def target_of(url: str) -> tuple[str, bytes, bytes]:
    parts = urlsplit(url)
    return parts.path, (parts.path or "/").encode(), parts.query.encode()


def request_of(signed: Any, body: bytes) -> Request:
    prepared = signed.prepare()
    _, path, query = target_of(prepared.url)
    headers: HeaderList = [(b"host", HOST.encode())]
    for name, value in prepared.headers.items():
        raw = value if isinstance(value, bytes) else str(value).encode("latin-1")
        if name.lower() not in ("host", "content-length"):
            headers.append((name.encode(), raw))
    return Request(signed.method, "/", raw_path=path, query_string=query, headers=headers, body=body)


def verified(request: Request, token: str | None = None) -> Signed:
    signed = READER.read(request, NOW)
    assert isinstance(signed, Signed), signed
    assert signed.key_id == KEY_ID
    assert signed.token == (None if token is None else token.encode())
    assert verify(signed, SigningKey(SECRET, signed.scope), request.body or b"") is None
    return signed


def encoded_query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]), PATHS, QUERIES, HEADERS, st.binary(max_size=40),
    TOKENS,
)  # fmt: skip
def test_what_botocore_signs_is_verified_and_we_sign_the_same(
    method: str, path: str, pairs: list[tuple[str, str]], headers: dict[str, str], body: bytes, token: str | None
) -> None:
    url = f"https://{HOST}{path}" + (f"?{encoded_query(pairs)}" if pairs else "")
    theirs = AWSRequest(method, url, headers, body)
    with at_now():
        SigV4Auth(BotoCredentials(KEY_ID, SECRET, token), "execute-api", "eu-central-1").add_auth(theirs)
    request = request_of(theirs, body)

    verified(request, token)

    ours = signed_headers(
        Signer(access_key_id=KEY_ID, secret=SECRET, session_token=token, region="eu-central-1"), method,
        request.raw_path + b"?" + request.query_string,
        [(b"host", HOST.encode()), *((name.encode(), value.encode()) for name, value in headers.items())], body, NOW,
    )  # fmt: skip
    assert dict(ours)[b"Authorization"] == theirs.headers["Authorization"].encode()


ONCE = QUERIES.filter(lambda pairs: len(dict(pairs)) == len(pairs))  # botocore presigns the first of a name only


@given(PATHS, ONCE, TOKENS, st.integers(1, 604800))
def test_what_botocore_presigns_is_verified_and_we_presign_the_same(
    path: str, pairs: list[tuple[str, str]], token: str | None, expires_s: int
) -> None:
    query = encoded_query(pairs)
    theirs = AWSRequest("GET", f"https://{HOST}{path}" + (f"?{query}" if pairs else ""))
    with at_now():
        SigV4QueryAuth(
            BotoCredentials(KEY_ID, SECRET, token), "execute-api", "eu-central-1", expires=expires_s
        ).add_auth(theirs)
    request = request_of(theirs, b"")

    assert verified(request, token).presigned

    ours = presigned_target(
        Signer(access_key_id=KEY_ID, secret=SECRET, session_token=token, region="eu-central-1"), "GET",
        path.encode() + (f"?{query}".encode() if pairs else b""), [(b"host", HOST.encode())], NOW, expires_s=expires_s,
    )  # fmt: skip
    assert ours.rpartition(b"X-Amz-Signature=")[2] == request.query_string.rpartition(b"X-Amz-Signature=")[2]


@given(PATHS, st.text("ab=&;+%2fF :/?~.", max_size=20), HEADERS)
def test_odd_queries_are_verified_as_botocore_signed_them(path: str, query: str, headers: dict[str, str]) -> None:
    theirs = AWSRequest("GET", f"https://{HOST}{path}?{query}", headers)
    with at_now():
        SigV4Auth(BotoCredentials(KEY_ID, SECRET), "execute-api", "eu-central-1").add_auth(theirs)

    verified(request_of(theirs, b""))


def test_fields_of_one_name_are_verified_as_botocore_joins_them() -> None:
    theirs = AWSRequest("GET", f"https://{HOST}/")
    fields = HTTPHeaders()
    for value in ("b", " a   c ", "d"):
        fields["X-Many"] = value
    theirs.headers = fields
    with at_now():
        SigV4Auth(BotoCredentials(KEY_ID, SECRET), "execute-api", "eu-central-1").add_auth(theirs)
    headers: HeaderList = [(b"host", HOST.encode()), *((n.encode(), v.encode()) for n, v in theirs.headers.items())]

    verified(Request("GET", "/", headers=headers))


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_other_services_are_signed_for_too(service: str) -> None:
    from botocore.auth import S3SigV4Auth

    url, body = f"https://{HOST}/a%20b/../c", b"{}"
    theirs = AWSRequest("PUT", url, {}, body)
    with at_now():
        auth = S3SigV4Auth if service == "s3" else SigV4Auth
        theirs.context["payload_signing_enabled"] = True
        auth(BotoCredentials(KEY_ID, SECRET), service, "us-east-1").add_auth(theirs)

    ours = dict(
        signed_headers(
            Signer(access_key_id=KEY_ID, secret=SECRET, service=service), "PUT", b"/a%20b/../c",
            [(b"host", HOST.encode())], body, NOW,
        )
    )  # fmt: skip

    assert ours[b"Authorization"] == theirs.headers["Authorization"].encode()
    assert ours.get(b"X-Amz-Content-SHA256", sha256(body).hexdigest().encode()) == sha256(body).hexdigest().encode()
