"""SigV4A against AWS's own C runtime: what it signs, we verify."""

from __future__ import annotations

from datetime import datetime, timezone
from io import BytesIO

from awscrt import auth, http, io
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed, verify
from gatewaykit.core.iam.sigv4a import MultiRegionKey

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = 1_767_268_800.0
READER = SignatureReader(SignatureRules(region="eu-west-1", multi_region=True))


def signed_by_aws(method: str, path: str, headers: dict[str, str], body: bytes, kind: auth.AwsSignatureType) -> Request:
    request = http.HttpRequest(
        method,
        path,
        http.HttpHeaders([("host", "api.test"), *headers.items()]),
        io.InputStream(BytesIO(body)),
    )
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4_ASYMMETRIC,
        signature_type=kind,
        credentials_provider=auth.AwsCredentialsProvider.new_static(KEY_ID, SECRET, "token"),
        region="eu-west-1,us-*",
        service="execute-api",
        date=datetime.fromtimestamp(NOW, timezone.utc),
        expiration_in_seconds=60 if kind is auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS else None,
    )  # fmt: skip
    made = auth.aws_sign_request(request, config).result(10)
    fields: HeaderList = [(name.encode(), value.encode()) for name, value in made.headers]
    target, _, query = made.path.partition("?")
    return Request(method, "/", raw_path=target.encode(), query_string=query.encode(), headers=fields, body=body)


PATHS = st.text("ab/-_~.", max_size=10).map(lambda text: "/" + text)
QUERIES = st.dictionaries(st.text("ab-_~", min_size=1, max_size=4), st.text("ab-_~", max_size=4), max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from(["x-tenant", "content-type"]), st.text("ab ", min_size=1, max_size=8).map(str.strip)
)


@given(PATHS, QUERIES, HEADERS, st.binary(max_size=20), st.sampled_from(["header", "query"]))
def test_what_aws_signs_for_several_regions_is_verified(
    path: str, query: dict[str, str], headers: dict[str, str], body: bytes, where: str
) -> None:
    kind = auth.AwsSignatureType.HTTP_REQUEST_HEADERS
    if where == "query":
        kind, body = auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS, b""
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
    request = signed_by_aws("POST", target, headers, body, kind)

    signed = READER.read(request, NOW)

    assert isinstance(signed, Signed), signed
    assert (signed.key_id, signed.token) == (KEY_ID, b"token")
    assert verify(signed, MultiRegionKey(KEY_ID, SECRET), body) is None
    assert verify(signed, MultiRegionKey(KEY_ID, SECRET), body + b"x") is not None
