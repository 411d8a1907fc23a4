"""The table of API keys."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.api_key import ApiKey, KeyTable, aws_key_problems, compile_keys, hashed
from gatewaykit.core.reasons import Reason, Refusal

ACME, OLD, BETA = "acme-key-0123456789", "old-key-0123456789", "beta-key-0123456789"


def a_table() -> KeyTable:
    table = compile_keys(
        [
            ApiKey(id="1", name="acme", value=ACME),
            ApiKey(id="2", name="old", value=OLD, enabled=False),
            ApiKey(id="3", value=hashed(BETA), stages=frozenset({"prod"})),
        ]
    )
    assert isinstance(table, KeyTable)
    return table


@pytest.mark.parametrize(
    ("raw", "stage", "expected"),
    [
        (ACME.encode(), "any", "1"),
        (BETA.encode(), "prod", "3"),
        (BETA.encode(), "dev", Reason.API_KEY_NOT_IN_PLAN),
        (OLD.encode(), "any", Reason.API_KEY_DISABLED),
        (b"nobody-has-this-key", "any", Reason.API_KEY_UNKNOWN),
        (b"", "any", Reason.API_KEY_UNKNOWN),
        (hashed(ACME).encode(), "any", Reason.API_KEY_UNKNOWN),
        (b"\xff" * 10_000, "any", Reason.API_KEY_UNKNOWN),
    ],
    ids=["known", "hashed at rest", "another stage", "disabled (row 122)", "unknown", "empty", "its digest", "long"],
)
def test_a_key_is_found_or_refused_with_the_fine_reason(raw: bytes, stage: str, expected: object) -> None:
    answer = a_table().find(sha256(raw).digest(), stage)

    assert (answer.reason if isinstance(answer, Refusal) else answer.id) == expected


def test_only_digests_are_kept_and_no_repr_shows_a_value() -> None:
    table = a_table()

    assert [key.value for key in table.keys] == [hashed(value) for value in (ACME, OLD, BETA)]
    assert ACME not in repr(ApiKey(id="1", value=ACME))
    assert table.keys[2].name == "3"


def test_a_mapping_gives_names_and_values() -> None:
    table = compile_keys({"acme": ACME})

    assert isinstance(table, KeyTable)
    assert [(key.id, key.name) for key in table.keys] == [("acme", "acme")]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"short": "0123456789abcde"}, "keys[short]: the value has 15 characters; 16 are the least"),
        ({"blank": " 0123456789abcdef"}, "keys[blank]: the value cannot be sent in a header field"),
        ({"accent": "é0123456789abcdef"}, "keys[accent]: the value cannot be sent in a header field"),
        ({"hash": "sha256:123"}, "keys[hash]: after 'sha256:' come the 64 hexadecimal digits"),
        ({"hash": "sha256:" + "z" * 64}, "keys[hash]: after 'sha256:' come the 64 hexadecimal digits"),
        ({"number": 5}, "keys[number]: a key's value is a text, not int"),
        ({"one": ACME, "two": ACME}, "keys[two]: has the same value as key one"),
        ([ApiKey(id="1", value=ACME), ApiKey(id="1", value=OLD)], "keys[1]: two keys have this id"),
        ([ApiKey(id="", value=ACME)], "keys[]: a key without an id"),
        ([ACME], "keys[0]: str is no ApiKey"),
    ],
    ids=[
        "short", "outer blank", "not ASCII", "short digest", "no digest", "no text", "same value", "same id", "no id",
        "no key",
    ],
)  # fmt: skip
def test_what_is_wrong_with_keys(keys: dict[str, str], problem: str) -> None:
    found = compile_keys(keys)

    assert isinstance(found, tuple)
    assert str(found[0]).startswith(problem)


@pytest.mark.parametrize(
    ("name", "value", "problems"),
    [
        ("n", "x" * 19, ("API Key value should be at least 20 characters",)),
        ("n", "x" * 129, ("API Key value exceeds maximum size of 128 characters",)),
        ("n" * 1025, "x" * 20, ("Invalid API Key name, can be at most 1024 characters.",)),
        ("n", "x" * 20, ()),
    ],
    ids=["row 123 short", "row 123 long", "row 123 name", "fine"],
)
def test_what_api_gateway_says_against_a_key(name: str, value: str, problems: tuple[str, ...]) -> None:
    assert aws_key_problems(name, value) == problems


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_unless_they_are_a_key(raw: bytes) -> None:
    answer = a_table().find(sha256(raw).digest(), "prod")

    assert isinstance(answer, Refusal)
    assert sha256(raw).hexdigest() not in answer.detail
