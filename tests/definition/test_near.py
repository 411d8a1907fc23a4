import pytest

from gatewaykit.definition.near import near_miss

CHOICES = ("THROTTLED", "UNAUTHORIZED", "QUOTA_EXCEEDED", "DEFAULT_4XX", "DEFAULT_5XX")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("THROTLED", "THROTTLED", id="a letter left out"),
        pytest.param("throttled", "THROTTLED", id="another casing"),
        pytest.param("UNAUTHORISED", "UNAUTHORIZED", id="another spelling"),
        pytest.param("BANANA", "", id="nothing like it"),
        pytest.param("", "", id="no word"),
        pytest.param("THROTTLED" * 1000, "", id="far too long to be a typing mistake"),
    ],
)
def test_the_nearest_choice_is_what_was_probably_meant(word: str, expected: str) -> None:
    assert near_miss(word, CHOICES) == expected
