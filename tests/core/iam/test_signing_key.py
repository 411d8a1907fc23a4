"""Keys derived from secrets."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.signing_key import SigningKey, SigningKeys

# IAM user guide, "Create a signed AWS API request": the example of a derived key.
SECRET, SCOPE = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20150830/us-east-1/iam/aws4_request"
DERIVED = bytes.fromhex("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9")


@given(st.binary(max_size=200))
def test_a_signature_is_the_hmac_of_the_derived_key(text: bytes) -> None:
    key = SigningKey(SECRET, SCOPE)

    assert key.signature(text) == hmac.new(DERIVED, text, "sha256").hexdigest().encode()
    assert key.verifies(text, key.signature(text))
    assert not key.verifies(text, key.signature(text + b"x"))


def a_table(most: int = 2) -> SigningKeys[SigningKey]:
    return SigningKeys(lambda key_id, secret, scope: SigningKey(secret, scope), most)


def test_a_key_is_derived_once() -> None:
    keys = a_table()

    assert keys.of("a", SECRET, SCOPE) is keys.of("a", SECRET, SCOPE)


def test_a_new_secret_has_a_new_key() -> None:
    keys = a_table()
    old = keys.of("a", SECRET, SCOPE)

    new = keys.of("a", "another", SCOPE)

    assert new.signature(b"") != old.signature(b"")
    assert len(keys) == 1


def test_no_more_keys_are_kept_than_told() -> None:
    keys = a_table(2)

    for name in "abcd":
        keys.of(name, SECRET, SCOPE)

    assert len(keys) == 2
