"""The table of API keys."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.api_key import ApiKey, KeyTable, aws_key_problems, compile_keys, digests_of, hashed, judge
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


def find(raw: bytes, stage: str = "any", now_s: float = 0.0, table: KeyTable | None = None) -> ApiKey | Refusal:
    digest = sha256(raw).digest()
    return judge(digest, (table or a_table()).by_digest.get(digest), stage, now_s)


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
    answer = find(raw, stage)

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
        ([ApiKey(id="1", value=ACME, previous="short")], "keys[1]: the value has 5 characters"),
        ([ApiKey(id="1", value=ACME, previous=ACME)], "keys[1]: has the same value as key 1"),
        ([ApiKey(id="1", value=ACME), ApiKey(id="2", value=BETA, previous=ACME)], "keys[2]: has the same value as"),
        ([ApiKey(id="1", value=ACME, expires_s="2026")], "keys[1]: expires_s is '2026'"),  # type: ignore[arg-type]  # a mistake
        ([ApiKey(id="1", value=ACME, previous_expires_s=float("nan"))], "keys[1]: previous_expires_s is nan"),
    ],
    ids=[
        "short", "outer blank", "not ASCII", "short digest", "no digest", "no text", "same value", "same id", "no id",
        "no key", "short previous value", "previous value is the current one", "another key's previous value",
        "a text for an instant", "an instant that is no number",
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


@pytest.mark.parametrize(
    ("raw", "now_s", "expected"),
    [
        (ACME, 0.0, "1"),
        (ACME, 199.0, "1"),
        (ACME, 200.0, "key 1 (acme) expired at 1970-01-01T00:03:20Z"),
        (OLD, 99.0, "1"),
        (OLD, 100.0, "the value from before the rotation of key 1 (acme) expired at 1970-01-01T00:01:40Z"),
        (OLD, 200.0, "key 1 (acme) expired at 1970-01-01T00:01:40Z"),
        (BETA, 1e12, "2"),
    ],
    ids=[
        "current", "just before its end", "at its end", "former, just before its end", "former, at its end",
        "former, when all has ended", "former, until it is revoked",
    ],
)  # fmt: skip
def test_a_rotated_key_has_two_values_each_for_its_time(raw: str, now_s: float, expected: str) -> None:
    table = compile_keys(
        [
            ApiKey(id="1", name="acme", value=ACME, expires_s=200, previous=OLD, previous_expires_s=100),
            ApiKey(id="2", value="gamma-key-0123456789", previous=BETA),
        ]
    )
    assert isinstance(table, KeyTable)

    answer = find(raw.encode(), "any", now_s, table)

    assert (answer.detail if isinstance(answer, Refusal) else answer.id) == expected
    assert not isinstance(answer, Refusal) or answer.reason is Reason.API_KEY_EXPIRED


def test_a_store_that_finds_another_key_lets_nobody_in() -> None:
    for key in (ApiKey(id="1", value=hashed(ACME)), ApiKey(id="1", value=hashed(ACME), previous=hashed(OLD))):
        answer = judge(sha256(BETA.encode()).digest(), key, "any", 0.0)

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.API_KEY_UNKNOWN


def test_both_values_of_a_rotated_key_have_their_digests() -> None:
    key = ApiKey(id="1", value=ACME, previous=hashed(OLD).upper().replace("SHA256", "sha256"))

    assert digests_of(key) == (sha256(ACME.encode()).digest(), sha256(OLD.encode()).digest())


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_unless_they_are_a_key(raw: bytes) -> None:
    answer = find(raw, "prod")

    assert isinstance(answer, Refusal)
    assert sha256(raw).hexdigest() not in answer.detail
