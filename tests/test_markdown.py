"""Reading pages: which blocks there are, and when an output is the one that a page shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.markdown import Block, Command, blocks, commands, matches

PAGE = """\
# Title
<!-- run -->

```console
$ echo one
one
```
Text.
~~~python
```
x = 1
~~~
<!-- not run: needs an account -->
Words in between.
  ````yaml
  a: 1
    b: 2
"""


def test_blocks_are_found_with_their_language_line_and_comment() -> None:
    assert list(blocks(PAGE)) == [
        Block("console", "$ echo one\none\n", 5, "run"),
        Block("python", "```\nx = 1\n", 10),
        Block("yaml", "a: 1\n  b: 2\n", 16),
    ]


def test_commands_are_read_with_the_output_below_them() -> None:
    block = Block("console", "$ curl -i \\\n>   localhost\n200\n\nok\n$ true\n", 7)

    assert list(commands(block)) == [Command("curl -i localhost", "200\n\nok", 7), Command("true", "", 12)]


def test_output_without_a_command_is_an_error_of_the_page() -> None:
    with pytest.raises(ValueError, match="line 3: output without a command"):
        list(commands(Block("console", "hello\n", 3)))


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        pytest.param("one\ntwo", "one\ntwo\n", True, id="the same"),
        pytest.param("one", "one\ntwo", False, id="a line more"),
        pytest.param("", "", True, id="nothing"),
        pytest.param("", "noise", False, id="something instead of nothing"),
        pytest.param("id: …, ok", "id: 7f-3, ok", True, id="an ellipsis in a line"),
        pytest.param("id: …", "id: 7\nmore", False, id="an ellipsis stays in its line"),
        pytest.param("one\n…\nfour", "one\ntwo\nthree\nfour", True, id="an ellipsis for lines"),
        pytest.param("one\n…\nfour", "one\nfour", True, id="an ellipsis for no line"),
        pytest.param("…", "", True, id="anything, even nothing"),
        pytest.param("a.c", "abc", False, id="no regular expression"),
    ],
)
def test_an_output_is_compared_line_by_line(expected: str, actual: str, equal: bool) -> None:
    assert matches(expected, actual) is equal


@given(st.text())
def test_any_text_gives_blocks_inside_it(text: str) -> None:
    number_of_lines = len(text.splitlines())

    assert all(1 < block.line <= number_of_lines + 1 for block in blocks(text))
