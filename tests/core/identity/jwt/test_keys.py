"""Keys of an issuer: read one by one, and each only for what it is for."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.jwt.keys import Key, KeySet, pem_key, read_key_set, secret_key
from tests.tokens import SECRET, b64, jwk, pem, private_key


def skipped(**more: Any) -> str:
    """Why a key is left out of a set in which another stands."""
    name = more.pop("name", "RSA")
    key = {**jwk(name, "bad"), **more}
    found = read_key_set({"keys": [{each: key[each] for each in key if key[each] is not None}, jwk("ES256", "good")]})
    assert [key.kid for key in found.keys] == ["good"]
    (reason,) = found.skipped
    return reason


@pytest.mark.parametrize("name", ["RSA", "ES256", "ES384", "ES512", "Ed25519"])
def test_a_key_of_each_kind_is_read_as_it_was_published(name: str) -> None:
    found = read_key_set(json.dumps({"keys": [jwk(name)]}))

    assert found.has("k1")
    assert found.keys[0].checks
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"kid": 7}, "its kid is no text"),
        ({"use": "enc"}, "for the use 'enc'"),
        ({"key_ops": ["encrypt"]}, "key_ops"),
        ({"key_ops": "verify"}, "key_ops"),
        ({"alg": "ES256"}, "its alg 'ES256'"),
        ({"alg": "none"}, "its alg 'none'"),
        ({"alg": ["RS256"]}, "its alg ['RS256']"),
        ({"kty": "oct", "k": b64(SECRET)}, "a secret"),
        ({"kty": None}, "the kind None"),
        ({"kty": "DSA"}, "the kind 'DSA'"),
        ({"d": "AQAB"}, "private part"),
        ({"n": None}, "no 'n'"),
        ({"n": 7}, "no 'n'"),
        ({"n": jwk()["n"] + "="}, "base64"),
        ({"n": "é"}, "base64"),
        ({"e": "AA"}, "e must be"),
        ({"name": "RSA-1024"}, "1024 bits"),
        ({"name": "ES256", "x": b64(b"\1" * 32)}, "(bad): "),
        ({"name": "ES256", "x": b64(b"\1" * 33)}, "33 bytes"),
        ({"name": "ES256", "crv": "P-384"}, "32 bytes"),
        ({"name": "ES256K"}, "curve 'secp256k1'"),
        ({"name": "ES256", "crv": ["P-256"]}, "curve ['P-256']"),
        ({"name": "Ed25519", "crv": "X25519"}, "curve 'X25519'"),
        ({"name": "Ed25519", "x": b64(b"\1" * 31)}, "31 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(f"{key}" for key in value),
)
def test_a_key_that_cannot_be_used_is_left_out_with_its_reason(more: dict[str, Any], why: str) -> None:
    assert why in skipped(**more)


def test_what_is_no_object_is_left_out_too() -> None:
    found = read_key_set({"keys": ["k", jwk()]})

    assert found.skipped == ("keys[0]: it is no object",)


def test_a_key_with_an_algorithm_is_for_that_one_alone() -> None:
    found = read_key_set({"keys": [jwk("RSA", "a", alg="PS384"), jwk("Ed25519", "b", alg="EdDSA", key_ops=["verify"])]})

    assert [set(key.checks) for key in found.keys] == [{"PS384"}, {"Ed25519", "EdDSA"}]


def test_keys_are_found_by_name_and_algorithm() -> None:
    found = read_key_set({"keys": [jwk("RSA", "a"), jwk("RSA/2", "b"), jwk("RSA/3", "b"), jwk("ES256", "c")]})

    assert [len(found.find("RS256", kid)) for kid in ("a", "b", "c", "d", None)] == [1, 2, 0, 0, 3]
    assert (found.has("d"), found.nameless) == (False, False)


def test_where_no_key_has_a_name_any_name_does() -> None:
    found = read_key_set({"keys": [jwk("RSA", None), jwk("RSA/2", None)]})

    assert found.nameless
    assert len(found.find("RS256", "whatever")) == 2


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b'{"keys":[1]}', b'{"keys":[],"keys":[]}', "\ud800", b"\xff"],
    ids=repr,
)
def test_what_is_no_key_set_says_so(document: bytes | str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_key_set(document)


def test_a_set_of_hundreds_of_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="257 keys"):
        read_key_set({"keys": [jwk()] * 257})


def test_a_set_tells_its_names_and_what_was_left_out() -> None:
    many = KeySet([Key(kid=f"k{number}", checks={}) for number in range(12)])

    assert str(many).endswith("'k9' and 2 more")
    assert str(KeySet([], ["keys[0]: broken"])) == "no key; left out: keys[0]: broken"


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers() | st.sampled_from(["RSA", "EC", "OKP", "P-256", "AQAB"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["keys", "kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_gives_keys_or_a_value_error(value: Any) -> None:
    try:
        found = read_key_set({"keys": [value]})
    except ValueError:
        return

    assert found.keys


# ---------------------------------------------------------------------------------------------------- other forms


def test_pem_gives_the_same_key() -> None:
    key = pem_key(pem("ES256").encode(), "mine")

    assert isinstance(key, Key)
    assert (key.kid, set(key.checks)) == ("mine", {"ES256"})


def test_a_certificate_gives_its_key() -> None:
    private, name = private_key("RSA"), x509.Name([])
    day = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, private.public_key(), 1, day, day + datetime.timedelta(1))
    key = pem_key(builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM))

    assert isinstance(key, Key)
    assert "RS256" in key.checks


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        private_key("RSA").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        pem("RSA-1024").encode(),
    ],
    ids=["nothing", "a broken certificate", "a private key", "a short key"],
)
def test_what_is_no_good_public_key_says_so(text: bytes) -> None:
    assert isinstance(pem_key(text), str)


def test_a_secret_is_long_enough_for_all_its_algorithms_or_no_key() -> None:
    key = secret_key(SECRET, ["HS256", "HS512"])

    assert isinstance(key, Key)
    assert set(key.checks) == {"HS256", "HS512"}
    assert "too few for HS512" in str(secret_key(SECRET[:40], ["HS256", "HS512"]))


def test_no_key_shows_in_a_repr() -> None:
    assert repr(secret_key(SECRET, ["HS256"])) == "Key(kid=None)"
