"""SigV4A: keys derived from secrets, and signatures made with them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed
from gatewaykit.core.iam.sigv4a import MultiRegionKey, private_number
from gatewaykit.core.reasons import Reason, Refusal

# The vector that AWS's own libraries share (aws-c-auth, key derivation).
KEY_ID, SECRET = "AKISORANDOMAASORANDOM", "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom"
NUMBER = 0x7FD3BD010C0D9C292141C2B77BFBDE1042C92E6836FFF749D1269EC890FCA1BD
PUBLIC = (
    0x15D242CEEBF8D8169FD6A8B5A746C41140414C3B07579038DA06AF89190FFFCB,
    0x0515242CEDD82E94799482E4C0514B505AFCCF2C0C98D6A553BF539F424C5EC0,
)
RULES = SignatureRules(region="eu-west-1", multi_region=True)
NOW = 1_767_268_800.0


def made_by_hand(text: bytes) -> bytes:
    return ec.derive_private_key(NUMBER, ec.SECP256R1()).sign(text, ec.ECDSA(SHA256())).hex().encode()


def test_the_key_pair_is_that_of_every_aws_library() -> None:
    public = ec.derive_private_key(private_number(KEY_ID, SECRET), ec.SECP256R1()).public_key().public_numbers()

    assert private_number(KEY_ID, SECRET) == NUMBER
    assert (public.x, public.y) == PUBLIC


def test_a_candidate_that_is_too_great_gives_way_to_the_next() -> None:
    first = private_number(KEY_ID, SECRET)

    assert private_number(KEY_ID, SECRET, most=first - 2) < first


@given(st.binary(max_size=50))
def test_a_signature_is_of_its_text(text: bytes) -> None:
    key = MultiRegionKey(KEY_ID, SECRET)

    assert key.verifies(text, made_by_hand(text))
    assert not key.verifies(text + b"x", made_by_hand(text))
    assert not MultiRegionKey("AKIDOTHER", SECRET).verifies(text, made_by_hand(text))


@given(st.one_of(st.binary(max_size=200), st.text("0123456789abcdefABCDEF \n", max_size=200).map(str.encode)))
def test_any_other_text_is_no_signature(signature: bytes) -> None:
    assert not MultiRegionKey(KEY_ID, SECRET).verifies(b"text", signature)


@pytest.mark.parametrize("change", [bytes.upper, lambda s: s[:-2], lambda s: s + b"00", lambda s: b" " + s])
def test_a_signature_has_one_spelling(change: object) -> None:
    signature = made_by_hand(b"text")

    assert not MultiRegionKey(KEY_ID, SECRET).verifies(b"text", change(signature))  # type: ignore[operator]  # one of four


def a_request(region_set: bytes, credential: bytes = b"AKID/20260101/execute-api/aws4_request") -> Request:
    authorization = (
        b"AWS4-ECDSA-P256-SHA256 Credential=" + credential
        + b", SignedHeaders=host;x-amz-date;x-amz-region-set, Signature=30"
    )  # fmt: skip
    headers: HeaderList = [
        (b"host", b"a"), (b"x-amz-date", b"20260101T120000Z"), (b"x-amz-region-set", region_set),
        (b"authorization", authorization),
    ]  # fmt: skip
    return Request("GET", "/", headers=headers)


@pytest.mark.parametrize(
    ("region_set", "fits"),
    [
        (b"eu-west-1", True), (b"us-east-1, eu-west-1", True), (b"*", True), (b"eu-*", True), (b"*-1", True),
        (b"eu-*-1", True), (b"us-east-1", False), (b"eu-*-2", False), (b"", False), (b"e*w*1", False),
        (b"eu-west-1*1", False),
    ],
)  # fmt: skip
def test_the_region_is_one_of_those_signed_for(region_set: bytes, fits: bool) -> None:
    read = SignatureReader(RULES).read(a_request(region_set), NOW)

    if fits:
        assert isinstance(read, Signed)
        assert read.preamble == b"AWS4-ECDSA-P256-SHA256\n20260101T120000Z\n20260101/execute-api/aws4_request\n"
    else:
        assert isinstance(read, Refusal)
        assert read.reason is Reason.SIGNATURE_MISSCOPED
        assert f"not '{region_set.decode()}'" in read.detail


def test_a_credential_for_several_regions_names_none() -> None:
    read = SignatureReader(RULES).read(a_request(b"*", b"AKID/20260101/eu-west-1/execute-api/aws4_request"), NOW)

    assert isinstance(read, Refusal)
    assert read.detail.startswith("Credential must have exactly 4 slash-delimited elements")
