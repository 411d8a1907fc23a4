"""Loading: what texts mean, where values stand, and that no text is costly or fatal."""

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.errors import ConfigError
from gatewaykit.openapi import document
from gatewaykit.openapi.document import Node, load


def failure(source: Any, text: str | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(source, text)
    return [str(problem) for problem in caught.value.problems]


def yaml(text: str) -> Any:
    root, found = load("api.yaml", text)
    assert found == []
    return root.plain()


# ---------------------------------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("on", "on", id="on is a word"),
        pytest.param("yes", "yes", id="yes is a word"),
        pytest.param("No", "No", id="no is a word"),
        pytest.param("true", True, id="true"),
        pytest.param("FALSE", False, id="false"),
        pytest.param("~", None, id="tilde"),
        pytest.param("", None, id="nothing"),
        pytest.param("012", 12, id="no octal by a zero"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("0xff", 255, id="hexadecimal"),
        pytest.param("12:30:45", "12:30:45", id="no sexagesimal"),
        pytest.param("1_000", "1_000", id="no underscores"),
        pytest.param("2012-10-17", "2012-10-17", id="no dates"),
        pytest.param("-1.5e3", -1500.0, id="float"),
        pytest.param(".5", 0.5, id="float without a zero"),
        pytest.param("-", [None], id="list of nothing"),
        pytest.param("1.2.3", "1.2.3", id="version"),
        pytest.param("'12'", "12", id="quoted number"),
        pytest.param("!!str 12", "12", id="tagged text"),
        pytest.param("! 12", "12", id="no particular tag"),
        pytest.param("!!int '12'", 12, id="tagged int"),
        pytest.param("!!float 12", 12, id="tagged float"),
        pytest.param("!!null ''", None, id="tagged null"),
        pytest.param("!!map {}", {}, id="tagged mapping"),
        pytest.param("{200: a, 1.0: b, on: c, null: d}", {"200": "a", "1.0": "b", "on": "c", "null": "d"}, id="keys"),
        pytest.param("[&a {x: 1}, *a, &b 3, *b]", [{"x": 1}, {"x": 1}, 3, 3], id="aliases"),
        pytest.param(
            "{a: &a {x: 1, y: 2}, b: {<<: *a, y: 3}}", {"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}}, id="merge"
        ),
        pytest.param("{<<: [{x: 1}, {x: 2, y: [2]}]}", {"x": 1, "y": [2]}, id="merge of a list"),
        pytest.param("{'<<': 1}", {"<<": 1}, id="a quoted << is a key"),
        pytest.param("\ufeffa: 1", {"a": 1}, id="byte order mark"),
    ],
)
def test_yaml_words_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    plain = yaml(text if text.startswith(("{", "[", "\ufeff")) else f"value: {text}" if text != "-" else "value:\n- ")

    assert (plain["value"] if isinstance(plain, dict) and "value" in plain else plain) == value


def test_every_value_knows_its_line_column_and_pointer() -> None:
    root, _ = load("api.yaml", "paths:\n  /a~b:\n    - x\n    - {y: 1}\n")
    assert isinstance(root.value, dict)
    item = root.value["paths"].value["/a~b"].value[1].value["y"]  # type: ignore[index,call-overload,union-attr]

    assert isinstance(item, Node)
    assert (str(item.place), item.place.pointer) == ("api.yaml:4:8", "/paths/~1a~0b/1/y")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, -2.5e3, "x\\u00e9\\ud83d\\ude00", null, true, false, {}, []], "b": {"c": ""}}',
        "[]",
        ' "x" ',
        "0",
        "[1 , 2]",
    ],
)
def test_json_means_what_the_standard_decoder_says(text: str) -> None:
    assert load("api.json", text)[0].plain() == json.loads(text)


def test_json_values_know_their_places() -> None:
    root, _ = load("api.json", '{\n  "a": [\n    1,\n    {"b": 2}\n  ]\n}')
    assert isinstance(root.value, dict)
    item = root.value["a"].value[1].value["b"]  # type: ignore[index,call-overload,union-attr]

    assert isinstance(item, Node)
    assert (str(item.place), item.place.pointer) == ("api.json:4:6", "/a/1/b")


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        pytest.param('{"a": 1}', None, {"a": 1}, id="JSON text"),
        pytest.param("a: 1\nb: 2", None, {"a": 1, "b": 2}, id="YAML text"),
        pytest.param("api", "a: 1", {"a": 1}, id="named YAML text"),
        pytest.param("api", "[1]", [1], id="named JSON text"),
        pytest.param("api.yaml", "{a: [1,]}", {"a": [1]}, id="YAML by its suffix"),
        pytest.param({200: ({"a": None},)}, None, {"200": [{"a": None}]}, id="parsed values"),
    ],
)
def test_a_source_is_a_text_or_parsed_values(source: Any, text: str | None, expected: Any) -> None:
    assert load(source, text)[0].plain() == expected


@pytest.mark.parametrize("as_text", [True, False], ids=["str", "Path"])
def test_a_source_is_a_path(tmp_path: Path, as_text: bool) -> None:
    path = tmp_path / "api.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")

    root, _ = load(str(path) if as_text else path)

    assert (root.plain(), root.place.file) == ({"a": 1}, str(path))


# ---------------------------------------------------------------------------------------------------- problems

DEEP = document.MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("a.yaml", "a: b: c", "a.yaml:1:5: the document is not YAML", id="row 128: bad YAML"),
        pytest.param("a.yaml", "a: [1, 2", "a.yaml:2:1: the document is not YAML", id="open list"),
        pytest.param("a.yaml", "a: 1\n\tb: 2", "a.yaml:2:1: the document is not YAML", id="tab"),
        pytest.param("a.yaml", "a: 1\nb: \x07", "a.yaml:2:4: the document is not YAML", id="control character"),
        pytest.param("a.yaml", "a: 1\nb: \ud800", "a.yaml:2:1: the document holds half of a surrogate", id="surrogate"),
        pytest.param("a.yaml", "", "a.yaml:1:1: the document is empty", id="empty"),
        pytest.param("a.yaml", "a: 1\n---\nb: 2", "a.yaml:2:1: the file holds more than one", id="two documents"),
        pytest.param("a.yaml", "a: !Sub x", "a.yaml:1:4: the YAML tag '!Sub' is not understood", id="tag"),
        pytest.param("a.yaml", "a: !Ref [x]", "a.yaml:1:4: the YAML tag '!Ref' is not understood", id="tagged list"),
        pytest.param("a.yaml", "a: !!binary aa", "a.yaml:1:4: the YAML tag 'tag:yaml.org,2002:binary'", id="binary"),
        pytest.param("a.yaml", "a: !!int x", "a.yaml:1:4: 'x' is not of the kind", id="wrong kind"),
        pytest.param("a.yaml", "a: !!int true", "a.yaml:1:4: 'true' is not of the kind", id="a flag is no int"),
        pytest.param("a.yaml", "[1]: 2", "a.yaml:1:1: a key has to be plain text", id="list as key"),
        pytest.param("a.yaml", "[&a x, {*a : 2}]", "a.yaml:1:9: a key has to be plain text", id="alias as key"),
        pytest.param("a.yaml", "a: *b", "a.yaml:1:4: the alias *b stands for nothing", id="unknown alias"),
        pytest.param("a.yaml", "a: &a [*a]", "a.yaml:1:8: the alias *a stands for nothing", id="alias in itself"),
        pytest.param("a.yaml", "a: " + "1" * 401, "a.yaml:1:4: the number has more than 400", id="long number"),
        pytest.param("a.yaml", "[" * 900, f"a.yaml:1:{DEEP}: the document is nested deeper", id="deep"),
        pytest.param("a.yaml", "[" * 500_000, "a.yaml:1:", id="deeper than some parsers go"),
        pytest.param("a.yaml", "- " * 500_000, "the document is nested deeper", id="deep in blocks"),
        pytest.param("a.yaml", "{" * 900, "a.yaml:1:2: a key has to be plain text", id="deep keys"),
        pytest.param("a.yaml", "x" * (document.MAX_BYTES + 1), "a.yaml: the document is over", id="too large"),
        pytest.param("a.json", "", "a.json:1:1: the document is not JSON: the text ends", id="row 128: empty JSON"),
        pytest.param("a.json", '{"a": 1', "a.json:1:8: the document is not JSON: a ',' or '}'", id="open object"),
        pytest.param(
            "a.json", "[1,]", "a.json:1:4: the document is not JSON: a value is expected", id="comma at the end"
        ),
        pytest.param("a.json", "[1 2]", "a.json:1:4: the document is not JSON: a ',' or ']'", id="no comma"),
        pytest.param("a.json", "{a: 1}", "a.json:1:2: the document is not JSON: a key in double", id="bare key"),
        pytest.param("a.json", '{"a" 1}', "a.json:1:6: the document is not JSON: a ':'", id="no colon"),
        pytest.param(
            "a.json", '["a\n"]', "a.json:1:4: the document is not JSON: the string", id="line end in a string"
        ),
        pytest.param("a.json", "[NaN]", "a.json:1:2: the document is not JSON: a value", id="NaN"),
        pytest.param(
            "a.json", "[" + "1" * 401 + "]", "a.json:1:2: the document is not JSON: the number", id="long number"
        ),
        pytest.param("a.json", "1 1", "a.json:1:3: the document is not JSON: there is more", id="more text"),
        pytest.param("a.json", "[" * 500_000, f"a.json:1:{DEEP}: the document is nested deeper", id="deep JSON"),
    ],
)
def test_a_text_that_cannot_be_read_is_a_problem_with_its_place(name: str, text: str, expected: str) -> None:
    (problem,) = failure(name, text)

    assert expected in problem


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("a.yaml", "a: 1\nb: 2\na: 3", ["a.yaml:3:1: the key 'a' is given twice"], id="key twice"),
        pytest.param("a.yaml", "{200: 1, '200': 2}", ["a.yaml:1:10: the key '200' is given twice"], id="number as key"),
        pytest.param(
            "a.yaml", "a: .inf\nb: -.INF\nc: .nan", ["1:1: inf is", "2:1: -inf is", "3:1: nan is"], id="unreal"
        ),
        pytest.param("a.yaml", "{<<: 1, a: 2}", ["a.yaml:1:2: << merges mappings only"], id="merge of a number"),
        pytest.param("a.json", '{"a": 1, "a": 2}', ["a.json:1:10: the key 'a' is given twice"], id="JSON key twice"),
        pytest.param("a.json", "[1e999]", ["a.json:1:2: inf is not a number"], id="overflow"),
        pytest.param("a.json", '["\\ud800"]', ["a.json:1:2: the text holds half"], id="surrogate"),
        pytest.param("a.json", '{"\\ud800": 1}', ["a.json:1:2: the key holds half"], id="surrogate in a key"),
    ],
)
def test_what_can_be_read_past_is_collected(name: str, text: str, expected: list[str]) -> None:
    _, found = load(name, text)

    assert len(found) == len(expected)
    assert all(part in str(problem) for part, problem in zip(expected, found))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"a": {True: 1}}, "/a: the key True is not text", id="a flag as key"),
        pytest.param({"a": {1, 2}}, "/a: a value of type set", id="a set"),
        pytest.param({"a": float("nan")}, "/a: nan is not a number", id="nan"),
        pytest.param({"a": "\ud800"}, "/a: the text holds half", id="surrogate"),
        pytest.param({"\ud800": 1}, "/?: the key holds half", id="surrogate in a key"),
    ],
)
def test_parsed_values_that_no_document_has_are_problems(source: Any, expected: str) -> None:
    _, (problem,) = load(source)

    assert str(problem).startswith(expected)


def test_parsed_values_that_hold_themselves_are_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = [loop, loop]

    assert "nested deeper" in failure(loop)[0]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("none.yaml", None, "none.yaml: the file cannot be read: No such file", id="missing"),
        pytest.param(".", None, "the file cannot be read: Is a directory", id="directory"),
        pytest.param("a\0b", None, "the file cannot be read: embedded null", id="NUL in the name"),
        pytest.param("a.yaml", b"a: 1\nb: \xff", "a.yaml:2:4: the file is not UTF-8 text", id="not UTF-8"),
        pytest.param("a.yaml", b"x" * (document.MAX_BYTES + 1), "a.yaml: the document is over", id="too large"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(
    tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    assert expected in failure(tmp_path / name)[0]


def test_aliases_that_multiply_stop_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_VALUES", 100_000)
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 12):
        laughs += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"

    assert "stands for more than 100000 values" in failure("a.yaml", laughs)[0]


def test_aliases_cannot_nest_deeper_than_text_can() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 200))

    assert "nested deeper" in failure("a.yaml", chain)[0]


def test_without_pyyaml_yaml_names_the_extra_and_json_works(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_yaml(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_yaml)

    assert load("api.json", '{"a": 1}')[0].plain() == {"a": 1}
    assert failure("api.yaml", "a: 1") == [
        'api.yaml: reading YAML needs PyYAML. Run: pip install "gatewaykit[yaml]"',
    ]


def test_importing_the_reader_loads_no_yaml() -> None:
    code = "import sys, gatewaykit.openapi; sys.exit('yaml' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------------------------------------------- properties

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
TEXTS = st.text() | st.text(alphabet="{}[]:,-?&*!|>'\"%@` \n\tab01<~.#\ud800\x00", max_size=60)


@given(TEXTS, st.sampled_from(["a.yaml", "a.json", "a"]))
def test_any_text_gives_a_tree_or_problems(text: str, name: str) -> None:
    try:
        root, _ = load(name, text)
    except ConfigError as error:
        outcome: object = error.problems
    else:
        outcome = json.dumps(root.plain(), allow_nan=False).encode()

    assert outcome


@given(TREES)
def test_any_tree_written_as_json_comes_back(tree: Any) -> None:
    root, found = load("a.json", json.dumps(tree, ensure_ascii=False))

    assert (root.plain(), found) == (tree, [])
