"""Problems read as sentences, and come all at once."""

from __future__ import annotations

import pytest

from gatewaykit import ConfigError, Problem, UpstreamError
from gatewaykit.errors import words_of


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(where="", what="no"), "no"),
        (Problem(where="a.yaml:1:2", what="no"), "a.yaml:1:2: no"),
        (
            Problem(where="x", what="unknown key 'stor'", why="it would be ignored", near="store", mend="Mend it."),
            "x: unknown key 'stor': it would be ignored (did you mean 'store'?). Mend it.",
        ),
    ],
    ids=["what", "where", "all"],
)
def test_a_problem_reads_as(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_configuration_error_holds_every_problem() -> None:
    one, two = Problem(where="a", what="x"), Problem(where="b", what="y")

    assert str(ConfigError([one, two])) == "a: x\nb: y"
    assert ConfigError(one).problems == (one,)
    assert ConfigError("text").problems == (Problem(where="", what="text"),)


def test_an_upstream_error_has_its_kind() -> None:
    error = UpstreamError("refused", "127.0.0.1:9")

    assert (error.kind, str(error)) == ("refused", "refused: 127.0.0.1:9")


def test_an_exception_that_cannot_be_printed_still_has_words() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise LookupError

    assert words_of(Unspeakable()) == "(its text could not be made: LookupError)"
    assert words_of(ValueError("plain")) == "plain"
