"""Keys as records."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.api_key import ApiKey, KeyTable, hashed
from gatewaykit.core.identity.key_record import document_of, read_document, read_record, record_of

DIGEST = hashed("acme-key-0123456789").removeprefix("sha256:")
INSTANTS = st.none() | st.integers(0, 4_000_000_000).map(float)
VALUES = st.text(min_size=1).map(hashed)
KEYS = st.builds(
    ApiKey, id=st.text(min_size=1), name=st.text(min_size=1), value=VALUES, enabled=st.booleans(),
    stages=st.none() | st.frozensets(st.text()), description=st.text(), created_s=INSTANTS, expires_s=INSTANTS,
    previous=VALUES, previous_expires_s=INSTANTS,
)  # fmt: skip


@given(KEYS)
def test_a_record_read_again_is_the_key(key: ApiKey) -> None:
    assert read_record(record_of(key), "key") == key


def test_a_small_record_has_the_defaults() -> None:
    table = read_document({"version": 1, "keys": [{"id": "a", "sha256": DIGEST}]})

    assert isinstance(table, KeyTable)
    assert table.keys == (ApiKey(id="a", name="a", value="sha256:" + DIGEST),)
    assert document_of(table.keys)["keys"] == [{"id": "a", "name": "a", "sha256": DIGEST, "enabled": True}]


@pytest.mark.parametrize(
    "key",
    [ApiKey(id="a", value="in-the-clear-0123"), ApiKey(id="a", value=hashed("x"), previous="in-the-clear-0123")],
    ids=["its value", "its value from before"],
)
def test_a_value_in_the_clear_makes_no_record(key: ApiKey) -> None:
    with pytest.raises(ValueError, match="not hashed") as caught:
        record_of(key)

    assert "in-the-clear" not in str(caught.value)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (5, "k: is no record of a key"),
        ({"id": 5}, "k.id: is 5, not a text"),
        ({"id": "a", "value": "v"}, "k.value: stands here in the clear"),
        ({"id": "a", "sha265": DIGEST}, "k.sha265: is no part of a key"),
        ({"id": "a", "enabled": "no"}, "k.enabled: is 'no', not true or false"),
        ({"id": "a", "stages": "prod"}, "k.stages: is no list of texts"),
        ({"id": "a", "stages": [1]}, "k.stages: is no list of texts"),
        ({"id": "a", "previous": "x"}, "k.previous: is no mapping"),
        ({"id": "a", "expires": "soon"}, "k.expires: is 'soon', no instant"),
        ({"id": "a", "expires": 5}, "k.expires: is 5, no instant"),
        ({"id": "a", "previous": {"sha256": DIGEST, "expires": "9999-12-31T23:59:59-23:59"}}, ""),
    ],
    ids=[
        "no mapping", "an id that is no text", "a value", "a typing error", "a flag", "a text for stages", "no texts",
        "a text for a mapping", "no instant", "a number for an instant", "an instant at the end of all days",
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_record(record: Any, problem: str) -> None:
    found = read_record(record, "k")

    assert isinstance(found, ApiKey) if not problem else str(found[0]).startswith(problem)  # type: ignore[index]  # problems


def test_all_problems_of_a_document_are_told_at_once() -> None:
    twice = {"id": "a", "sha256": DIGEST}
    found = read_document({"version": 1, "keys": [{"id": 5}, twice, twice, {"id": "b", "sha256": "short"}]})

    assert isinstance(found, tuple)
    assert [problem.where for problem in found] == ["keys[0].id", "keys[a]", "keys[a]", "keys[b]"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["version", "keys", "id"]), inner),
)


@given(JSON | st.fixed_dictionaries({"version": st.just(1), "keys": st.lists(JSON)}))
def test_any_document_is_a_table_or_problems(document: Any) -> None:
    found = read_document(document)

    assert isinstance(found, KeyTable) or all(problem.what for problem in found)
