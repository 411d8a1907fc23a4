"""Values of keys as they are made, and what their checksum shows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.key_value import ENTROPY_BYTES, LENGTH, checks_out, make_id, make_value

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
PREFIX = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,10}", fullmatch=True) | st.just("")


def test_a_value_is_what_its_entropy_says() -> None:
    assert make_value(bytes(ENTROPY_BYTES)) == "0" * 35 + "iqUEf"
    assert make_value(bytes(range(ENTROPY_BYTES)), "acme") == "acme_reYjdQ5ckAqLoTS4ckntI6Yz8O0Ih1OeUYh"


@given(ENTROPY, PREFIX)
def test_a_value_has_forty_letters_and_digits_and_checks_out(entropy: bytes, prefix: str) -> None:
    value = make_value(entropy, prefix)

    assert re.fullmatch(rf"{prefix}{'_' if prefix else ''}[0-9A-Za-z]+", value)
    assert len(value) == LENGTH
    assert checks_out(value)


@given(ENTROPY, PREFIX, st.integers(0, LENGTH - 1), st.characters(codec="utf-8"))
def test_a_wrong_character_is_always_found(entropy: bytes, prefix: str, at: int, character: str) -> None:
    value = make_value(entropy, prefix)
    wrong = value[:at] + character + value[at + 1 :]

    assert checks_out(wrong) == (wrong == value)


@given(st.text(max_size=60))
def test_any_text_checks_out_or_does_not(text: str) -> None:
    assert checks_out(text) in (True, False)


@given(ENTROPY, ENTROPY)
def test_other_randomness_is_another_value(one: bytes, other: bytes) -> None:
    assert (make_value(one) == make_value(other)) == (int.from_bytes(one) % 62**34 == int.from_bytes(other) % 62**34)


@pytest.mark.parametrize("prefix", ["a" * 12, "1a", "a_b", "ä", "a b", "a\n", "-"])
def test_what_is_no_prefix(prefix: str) -> None:
    with pytest.raises(ValueError, match="is no prefix"):
        make_value(bytes(ENTROPY_BYTES), prefix)


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="a key takes 40 random bytes, not 39"):
        make_value(bytes(39))


@given(st.binary(min_size=16, max_size=16))
def test_an_id_has_the_form_of_api_gateways(entropy: bytes) -> None:
    assert re.fullmatch("[0-9a-z]{10}", make_id(entropy))
