"""Signature algorithms: each with its own kind of key, and with no other."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey

from gatewaykit.core.identity.jwt.algorithms import ALGORITHMS, HMAC_ALGORITHMS, checks_of, hmac_check
from tests.tokens import SECRET, pem, private_key, signed

TEXT = b"header.payload"
KINDS = {
    "RSA": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    "ES256": {"ES256"}, "ES384": {"ES384"}, "ES512": {"ES512"},
    "Ed25519": {"Ed25519", "EdDSA"},
}  # fmt: skip


def parts(alg: str) -> tuple[bytes, bytes]:
    from gatewaykit.core.identity.jwt.encoding import decode

    text, _, signature = signed({}, {}, alg).rpartition(".")
    return decode(signature.encode()), text.encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_checks_the_algorithms_of_its_kind_and_each_only_itself(kind: str) -> None:
    checks = checks_of(private_key(kind).public_key())

    assert not isinstance(checks, str)
    assert checks.keys() == KINDS[kind]
    for alg in checks:
        signature, text = parts(alg)
        same = {alg, "EdDSA"} if alg == "Ed25519" else {alg, "Ed25519"} if alg == "EdDSA" else {alg}
        assert {name for name, check in checks.items() if check(signature, text)} == same
        assert not any(check(signature, text + b"x") for check in checks.values())
        assert not any(check(b"", text) for check in checks.values())
        assert not any(check(signature + b"\0", text) for check in checks.values())
        assert not any(check(b"\0" + signature, text) for check in checks.values())
        assert not any(check(bytes(len(signature)), text) for check in checks.values())


def test_every_algorithm_belongs_to_some_kind_of_key() -> None:
    assert set().union(*KINDS.values(), HMAC_ALGORITHMS) == set(ALGORITHMS)


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0)], ids=["r", "s", "both"])
def test_a_signature_of_zeros_proves_nothing(r: int, s: int) -> None:
    checks = checks_of(private_key("ES256").public_key())

    assert not isinstance(checks, str)
    assert not checks["ES256"](r.to_bytes(32) + s.to_bytes(32), TEXT)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        pytest.param(lambda: private_key("RSA-1024"), "1024 bits", id="a short RSA key"),
        pytest.param(lambda: private_key("ES256K"), "secp256k1", id="another curve"),
        pytest.param(lambda: dsa.generate_private_key(2048), "DSA", id="DSA"),
        pytest.param(Ed448PrivateKey.generate, "Ed448", id="Ed448"),
    ],
)  # fmt: skip
def test_weak_and_foreign_keys_check_nothing(key: object, why: str) -> None:
    told = checks_of(key().public_key())  # type: ignore[operator]  # makes a private key

    assert isinstance(told, str)
    assert why in told


def test_a_public_exponent_of_a_thousand_bits_is_refused() -> None:
    numbers = private_key("RSA").public_key().public_numbers()
    told = checks_of(rsa.RSAPublicNumbers(2**1000 + 1, numbers.n).public_key())

    assert told == "an RSA key with a public exponent that takes too long"


@pytest.mark.parametrize("alg", HMAC_ALGORITHMS)
@pytest.mark.parametrize("length", [64, 100, 200], ids=["a hash long", "longer", "longer than a block"])
def test_hmac_is_computed_as_the_standard_library_does(alg: str, length: int) -> None:
    secret = (SECRET * 3)[:length]
    check = hmac_check(secret, alg)

    assert not isinstance(check, str)
    assert check(hmac.digest(secret, TEXT, f"sha{alg[2:]}"), TEXT)
    assert not check(hmac.digest(secret, TEXT, f"sha{alg[2:]}"), TEXT + b"x")
    assert not check(b"", TEXT)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (SECRET[:31], "too few"),
        (pem().encode(), "is no secret"),
        (b"\n-----BEGIN CERTIFICATE-----\nMIIB", "is no secret"),
        (b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDK", "is no secret"),
    ],
    ids=["short", "a public key", "a certificate", "an SSH key"],
)
def test_weak_and_public_secrets_are_refused(secret: bytes, why: str) -> None:
    told = hmac_check(secret, "HS256")

    assert isinstance(told, str)
    assert why in told
