"""SigV4A against AWS's own C runtime: what it signs, we verify."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed, verify
from gatewaykit.core.iam.sigv4a import MultiRegionKey
from tests.peers.crt import signed_for_regions

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = 1_767_268_800.0
READER = SignatureReader(SignatureRules(region="eu-west-1", multi_region=True))

PATHS = st.text("ab/-_~.", max_size=10).map(lambda text: "/" + text)
QUERIES = st.dictionaries(st.text("ab-_~", min_size=1, max_size=4), st.text("ab-_~", max_size=4), max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from(["x-tenant", "content-type"]), st.text("ab ", min_size=1, max_size=8).map(str.strip)
)


@given(PATHS, QUERIES, HEADERS, st.binary(max_size=20), st.sampled_from([None, 60]))
def test_what_aws_signs_for_several_regions_is_verified(
    path: str, query: dict[str, str], headers: dict[str, str], body: bytes, expires_s: int | None
) -> None:
    body = b"" if expires_s else body
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
    request = signed_for_regions(
        "POST", target, access_key_id=KEY_ID, secret=SECRET, session_token="token", now_s=NOW, headers=headers,
        body=body, regions="eu-west-1,us-*", expires_s=expires_s,
    )  # fmt: skip

    signed = READER.read(request, NOW)

    assert isinstance(signed, Signed), signed
    assert (signed.key_id, signed.token, signed.presigned) == (KEY_ID, b"token", expires_s is not None)
    assert verify(signed, MultiRegionKey(KEY_ID, SECRET), body) is None
    assert verify(signed, MultiRegionKey(KEY_ID, SECRET), body + b"x") is not None
