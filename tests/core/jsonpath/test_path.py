"""JSONPath as Jayway reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.jsonpath import MISSING, Path, PathProblem, compile_path

STORE: dict[str, Any] = {
    "store": {
        "book": [
            {"kind": "reference", "author": "Rees", "title": "Sayings", "price": 8.95},
            {"kind": "fiction", "author": "Waugh", "title": "Sword", "price": 12.99},
            {"kind": "fiction", "author": "Melville", "title": "Moby", "isbn": "0-553", "price": 8.99, "note": None},
            {"kind": "fiction", "author": "Tolkien", "title": "Rings", "isbn": "0-395", "price": 22.99},
        ],
        "bicycle": {"color": "red", "price": 19.95},
    },
    "expensive": 10,
    "numbers": [3, 1, 2],
    "words": ["b", "a"],
    "a-b": {"c d": {"e'f": 1}},
    "nothing": None,
    "empty": [],
    "matrix": [[1, 2], [3, [4]]],
}


def find(text: str, value: Any = STORE) -> Any:
    path = compile_path(text)
    assert isinstance(path, Path), path
    return path.find(value)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", STORE),
        ("$.store.bicycle.color", "red"),
        ("store.bicycle.color", "red"),
        (" $.expensive ", 10),
        ("$['store']['bicycle'][\"color\"]", "red"),
        ("$.a-b['c d']['e\\'f']", 1),
        ("$.store.book[0].title", "Sayings"),
        ("$.store.book[-1].title", "Rings"),
        ("$.nothing", None),
        ("$.store.bicycle['color','price','wheels']", {"color": "red", "price": 19.95}),
        ("$.numbers.length()", 3),
        ("$.store.bicycle.size()", 2),
        ("$.expensive.length()", None),
        ("$.expensive.keys()", None),
        ("$.numbers.min()", 1.0),
        ("$.numbers.max()", 3.0),
        ("$.numbers.sum()", 6.0),
        ("$.numbers.avg()", 2.0),
        ("$.numbers.stddev()", 0.816496580927726),
        ("$.numbers.first()", 3),
        ("$.numbers.last()", 2),
        ("$.store.bicycle.keys()", ["color", "price"]),
        ("$..book.length()", 4),
        ("$..price.sum()", 73.87),
        ("$.words.concat()", "ba"),
        ('$.numbers.concat("-", 1.50, $.words, $.nothing)', "-1.5ba"),
        ('$..color.concat("!")', "red!"),
        ('$.numbers.append(4, "x")', [3, 1, 2, 4, "x"]),
        ("$.expensive.append(4)", 10),
        ("$.numbers.index(1)", 1),
        ("$.numbers.index($.numbers.sum(-5))", 1),
        ('$.numbers.sum(4, $.numbers, {"a": 1})', 16.0),
        ("$['\\u0061-b']['c\\u0020d']", {"e'f": 1}),
    ],
)
def test_a_definite_path_gives_one_value(path: str, expected: Any) -> None:
    found = find(path)

    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "path",
    [
        "$.missing", "$.store.missing.deeper", "$.expensive.deeper", "$.nothing.deeper", "$.numbers[3]",
        "$.numbers[-4]", "$.store[0]", "$.missing[0]", "$.missing[*]", "$.missing[?(@.a)]", "$.expensive[?(@.a)]",
        "$.expensive[1:2]", "$.expensive['a','b']", "$.empty.sum()", "$.words.max()", "$.expensive.min()",
        "$.empty.first()", "$.empty.last()", "$..missing.first()", "$.missing.length()",
        "$.expensive['a','b'].c", "$.numbers.sum($.missing)", "$.numbers.index(9)", "$.numbers.index(\"a\")",
        "$.numbers.index($.missing)", "$.store.book[*].price.sum()", "$.expensive.first()", "$.numbers[9].sum()",
    ],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_missing(path: str) -> None:
    assert find(path) is MISSING


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.store.book[*].author", ["Rees", "Waugh", "Melville", "Tolkien"]),
        ("$.store.book.*.title", ["Sayings", "Sword", "Moby", "Rings"]),
        ("$..author", ["Rees", "Waugh", "Melville", "Tolkien"]),
        ("$.store.bicycle.*", ["red", 19.95]),
        ("$.expensive.*", []),
        ("$.store.book[*].missing", []),
        ("$..book[2].title", ["Moby"]),
        ("$..book[0,1].title", ["Sayings", "Sword"]),
        ("$.numbers[0, 5, -1]", [3, 2]),
        ("$.numbers[:2]", [3, 1]),
        ("$.numbers[1:2]", [1]),
        ("$.numbers[-2:]", [1, 2]),
        ("$.numbers[:-1]", [3, 1]),
        ("$.numbers[-3:2]", [3, 1, 2, 3, 1]),
        ("$.numbers[-3:-1]", [3, 1]),
        ("$.numbers[1:-1]", []),
        ("$.numbers[0:3:2]", [3, 1, 2]),
        ("$.numbers[1::2]", [1, 2]),
        ("$.numbers[9][*]", []),
        ("$.numbers[5:]", []),
        ("$.store[*][0].title", ["Sayings"]),
        ("$.store[*][0:1].title", ["Sayings"]),
        ("$..bicycle['color','price']", [{"color": "red", "price": 19.95}]),
        ("$.store.book[0]['kind','price'].length", []),
        ("$.matrix..[0]", [[1, 2], 1, 3, 4]),
        ("$.matrix..*", [[1, 2], [3, [4]], 1, 2, 3, [4], 4]),
        ("$..['isbn']", ["0-553", "0-395"]),
        ("$.store.book[*].title.length()", [None, None, None, None]),
        ("$.matrix[*].length()", [2, 2]),
        ("$.empty[*].sum($.missing)", []),
    ],
)
def test_an_open_path_gives_a_list(path: str, expected: list[Any]) -> None:
    assert find(path) == expected


@pytest.mark.parametrize(
    ("expression", "titles"),
    [
        ("@.isbn", "Moby Rings"),
        ("!@.isbn", "Sayings Sword"),
        ("@.price < 10", "Sayings Moby"),
        ("@.price <= 8.95", "Sayings"),
        ("@.price > $.expensive", "Sword Rings"),
        ("@.price >= $['expensive'] && @.isbn", "Rings"),
        ("@.kind == 'reference' || @.title == \"Moby\"", "Sayings Moby"),
        ("@.kind != 'fiction'", "Sayings"),
        ("(@.kind == 'fiction' || @.price < 1) && !(@.author == 'Waugh')", "Moby Rings"),
        ("@.title =~ /m.*/i", "Moby"),
        ("@.title =~ /M/", ""),
        ("@.title =~ /a\\/b/", ""),
        ("/M.*/ =~ @.title", "Moby"),
        ("@.price =~ /.*\\.99/", "Sword Moby Rings"),
        ("@.title in ['Moby', \"Rings\"]", "Moby Rings"),
        ("@.title nin ['Moby', 'Rings']", "Sayings Sword"),
        ("@.title in []", ""),
        ("@.title in 'Moby'", ""),
        ("@.title size 4", "Moby"),
        ("@.missing size 4", ""),
        ("@.title empty false", "Sayings Sword Moby Rings"),
        ("@.price empty true", ""),
        ("@.title contains 'or'", "Sword"),
        ("@.title contains 5", ""),
        ("@.note == null", "Moby"),
        ("@.missing == null", ""),
        ("@.missing == 'x'", ""),
        ("@.price == '8.95'", "Sayings"),
        ("@.price === 8.95", "Sayings"),
        ("@.price !== 8.95", "Sword Moby Rings"),
        ("@.price > 'a'", ""),
        ("@.title > 'N'", "Sayings Sword Rings"),
        ("@ == {\"a\": 1}", ""),
        ("@.price in [8.95, -1, true, null, 1.5e1]", "Sayings"),
        ("@..note", "Sayings Sword Moby Rings"),
        ("true == @.missing", ""),
    ],
)  # fmt: skip
def test_a_filter_keeps_what_holds(expression: str, titles: str) -> None:
    assert find(f"$.store.book[?({expression})].title") == titles.split()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param("$[?(@ > 1)]", [1, 2, "3"], [2], id="the item itself"),
        pytest.param("$.a[?(@.b == 1)].b", {"a": {"b": 1}}, [1], id="a map that holds is kept"),
        pytest.param("$.a[?(@.b == 2)].b", {"a": {"b": 1}}, [], id="a map that does not hold is not"),
        pytest.param("$[?(@.a == true)].n", [{"a": True, "n": 1}, {"a": 1, "n": 2}], [1], id="true is not 1"),
        pytest.param("$[?(@.a =~ /true/)].n", [{"a": True, "n": 1}, {"a": None, "n": 2}], [1], id="a boolean as text"),
        pytest.param("$[?(@.a =~ /x/)].n", [{"a": ["y", "x"], "n": 1}], [1], id="a pattern on any of a list"),
        pytest.param("$[?(@.a contains 1)].n", [{"a": [1], "n": 1}, {"a": [2], "n": 2}], [1], id="a list contains"),
        pytest.param("$[?(@.a subsetof [1, 2])].n", [{"a": [1], "n": 1}, {"a": [3], "n": 2}], [1], id="subsetof"),
        pytest.param("$[?(@.a anyof [1, 2])].n", [{"a": [1, 3], "n": 1}, {"a": [3], "n": 2}], [1], id="anyof"),
        pytest.param("$[?(@.a subsetof @.b)].n", [{"a": [1], "b": {}, "n": 1}], [], id="subsetof a map"),
        pytest.param("$[?(@.b subsetof @.a)].n", [{"a": [1], "b": {}, "n": 1}], [], id="subsetof of a map"),
        pytest.param("$[?(@.b in @.a || !(@.b in @.c))].n", [{"a": {}, "b": 1, "c": {}, "n": 1}], [1], id="in a map"),
        pytest.param("$[?(!(@.a in 'x'))]", [{"a": 1}], [], id="in what is no list: not kept, whatever else"),
        pytest.param("$[?(@.a nin 'x' || @.a == 1)]", [{"a": 1}], [], id="nor beside what holds"),
        pytest.param("$[?(@.a size 'x')]", [{"a": "x"}], [], id="a size that is no number"),
        pytest.param("$[?(@.a size 2)].n", [{"a": "\U0001d11e", "n": 1}, {"a": {"b": 1}, "n": 2}], [1], id="UTF-16"),
        pytest.param("$[?(@.a < '\uffee')].n", [{"a": "\U0001d11e", "n": 1}], [1], id="an order by UTF-16 units"),
        pytest.param("$[?(!(@.a empty 1))]", [{"a": "x"}], [], id="empty of what is no boolean"),
        pytest.param("$[?(@.a == '1.0E+10')].n", [{"a": 1e10, "n": 1}], [1], id="a double as text"),
        pytest.param(
            "$[?('1.50' != @.a && @.a == '1.50')].n", [{"a": 1.5, "n": 1}], [1], id="text is compared as text"
        ),
        pytest.param("$[?(@.a == /1/)]", [{"a": "1"}], [], id="a pattern equals nothing"),
        pytest.param("$[?(@['a','b'])].c", [{"a": 1, "b": 2, "c": 1}, {"a": 1, "c": 2}], [1], id="two names exist"),
        pytest.param("$[?(@['a','b'].c)].d", [{"a": {"c": 1}, "b": {"c": 1}, "d": 1}, {"a": {}, "d": 2}], [1], id="…"),
        pytest.param("$[?(@.*.c)].d", [{"a": {"c": 1}, "d": 1}, {"a": {"b": 1}, "d": 2}], [1], id="exists in all"),
        pytest.param("$[?(@.a noneof [1, 2])].n", [{"a": [1, 3], "n": 1}, {"a": [3], "n": 2}], [2], id="noneof"),
        pytest.param("$[?(@.a empty true)].n", [{"a": [], "n": 1}, {"a": "x", "n": 2}], [1], id="empty"),
        pytest.param("$[?(@.a[0].b)]", [{"a": [{"b": None}]}, {"a": []}], [{"a": [{"b": None}]}], id="null exists"),
        pytest.param("$[?(/a/ =~ /a/)]", [1], [], id="two patterns"),
        pytest.param("$..[?(@.x)].x", {"a": [{"x": 1}, {"y": 2}], "x": 3}, [3, 1], id="a deep filter"),
        pytest.param("$[?(@['a b'] == 1)]", [{"a b": 1}], [{"a b": 1}], id="a name in brackets"),
        pytest.param("$[?(@.a.length() > 1)].n", [{"a": [1, 2], "n": 1}, {"a": [1], "n": 2}], [1], id="a function"),
    ],
)
def test_a_filter_meets_other_values(path: str, value: Any, expected: list[Any]) -> None:
    assert find(path, value) == expected


@pytest.mark.parametrize(
    ("path", "position", "message"),
    [
        ("", 0, "an empty path"),
        ("$.", 2, "expected a name, '*' or '['"),
        ("$..", 3, "expected a name, '*' or '[' after '..'"),
        ("$...a", 3, "expected a name, '*' or '[' after '..'"),
        ("$x", 1, "expected '.' or '['"),
        ("$.a b", 3, "expected '.' or '['"),
        ("$.(", 2, "expected a name, '*' or '['"),
        ("$[", 2, "expected a name in quotes, an index, '*' or '?'"),
        ("$[a]", 2, "expected a name in quotes, an index, '*' or '?'"),
        ("$['a", 2, "expected a name in quotes, an index, '*' or '?'"),
        ("$['a'", 5, "expected ']'"),
        ("$['a',b]", 6, "expected a name in '"),
        ("$['a',\"b\"]", 6, "expected a name in '"),
        ("$[1,]", 4, "expected an index"),
        ("$[*", 3, "expected ']'"),
        ("$.a.foo()", 4, "there is no function foo()"),
        ("$.a.first().b", 11, "a function ends a path"),
        ("$.a.length($.b)", 4, "length() takes no argument"),
        ("$.a.index()", 4, "index() takes at least one argument"),
        ("$.a.index(1, 2)", 4, "index() takes one argument"),
        ("$.a.sum(" + "1," * 100 + "1)", 4, "sum() takes at most 100 arguments"),
        ("$.a.sum(1", 9, "expected ')'"),
        ("$.a.sum('1')", 8, "expected a path, a number, a string in double quotes or an object"),
        ("$.a.sum(-x)", 8, "malformed JSON"),
        ("$.a.sum(-Infinity)", 8, "malformed JSON"),
        ("$.a.sum({)", 8, "malformed JSON"),
        ("$.a.sum($.b c)", 12, "expected ')'"),
        ("$.a" + ".sum($" * 21, 128, "nested deeper than 20 levels"),
        ("$.*a", 3, "expected '.' or '['"),
        ("$['a']b", 6, "expected '.' or '['"),
        ("$[:]", 3, "a slice needs a beginning or an end"),
        ("$[::2]", 3, "a slice needs a beginning or an end"),
        ("$[?(@.a&&@.b)]", 6, "blanks must stand around '&&' and '||'"),
        ("$[?(!@.a == 1)]", 5, "a comparison is negated as '!(…)'"),
        ("$[?(@.a == all)]", 11, "expected '@', '$' or a literal"),
        ("$[?(@.a == )]", 11, "expected '@', '$' or a literal"),
        ("$[?('a')]", 7, "expected a comparison"),
        ("$[?(@.a like 'b')]", 8, "there is no operator 'like'"),
        ("$[?(@.a == 'b']", 14, "expected ')'"),
        ("$[?@.a]", 3, "expected '('"),
        ("$[?(@.a =~ /(/)]", 14, "missing ), unterminated subpattern at position 0"),
        ("$[?(@.a == {)]", 11, "malformed JSON"),
        ("$[?(@.a == [1 2])]", 14, "expected ']'"),
        ("$[?(" + "(" * 21, 24, "nested deeper than 20 levels"),
        ("$[?(" + "!" * 21 + "@.a)]", 24, "nested deeper than 20 levels"),
        ("$[?(@.a in " + "[" * 21, 31, "nested deeper than 20 levels"),
        ("$." + "a" * 2000, 2000, "a path of more than 2000 characters"),
    ],
)
def test_a_malformed_path_is_a_problem_with_its_position(path: str, position: int, message: str) -> None:
    assert compile_path(path) == PathProblem(position, message)


def test_missing_is_false_and_says_its_name() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("$.sum()", [10**400], id="a whole number beyond doubles"),
        pytest.param("$.stddev()", [0.1, 0.1, 0.1], id="a deviation below nothing, by rounding"),
        pytest.param("$.concat($)", [[1e400]], id="what cannot be written"),
    ],
)
def test_a_function_that_cannot_be_computed_is_missing(path: str, value: Any) -> None:
    assert find(path, value) is MISSING


def test_a_deep_document_is_scanned_without_recursion() -> None:
    document: Any = {"a": 1}
    for _ in range(5000):
        document = {"b": document}

    assert find("$..a", document) == [1]


def _nested(levels: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("$" + "[0,0]" * 300, _nested(300, lambda inner: [inner]), id="unions double what is found"),
        pytest.param("$" + "['a','a']" * 200 + ".b", _nested(200, lambda inner: {"a": inner}), id="so do names"),
        pytest.param("$" + "[-1:1]" * 300, _nested(300, lambda inner: [inner]), id="and slices"),
        pytest.param("$" + "..a" * 5, _nested(900, lambda inner: {"a": inner}), id="scans in scans"),
        pytest.param("$" + "..['a','a']" * 5, _nested(900, lambda inner: {"a": inner}), id="scans for two names"),
        pytest.param("$" + "..*" * 6, _nested(900, lambda inner: [inner]), id="scans for anything"),
        pytest.param("$" + "..[?(!@.a)]" * 6, _nested(900, lambda inner: [inner]), id="scans with filters"),
        pytest.param("$[?(@ in $)]", [*range(3000)], id="a list searched for each item"),
        pytest.param("$[?(@ in $ && $ contains @)]", [[number] for number in range(3000)], id="from either side"),
        pytest.param("$[?($ subsetof $)]", [*range(3000)], id="a list in itself"),
        pytest.param("$..[?(@..a.sum() > 1)]", _nested(2500, lambda inner: {"a": inner}), id="a scan in a filter"),
        pytest.param("$[*].sum(" + ",".join(["$"] * 99) + ")", [[1]] * 3000, id="arguments for each item"),
        pytest.param("$.concat(" + ",".join(["$.a"] * 20) + ")", {"a": "x" * 1_000_000}, id="a text grown large"),
        pytest.param(r"$[?(@ =~ /(a+)+\1b/)]", ["a" * 60], id="a pattern that only tries"),
    ],
)  # fmt: skip
def test_a_search_that_would_never_end_finds_nothing(path: str, document: Any) -> None:
    assert find(path, document) is MISSING


@pytest.mark.parametrize("text", ["a" * 5000, "a" * 60 + "b"], ids=["long", "short"])
def test_a_pattern_that_backtracks_comes_to_its_end(text: str) -> None:
    assert find("$[?(@ =~ /(a+)+c/)]", [text, "aac"]) == ["aac"]


def test_what_every_item_is_compared_with_is_computed_once() -> None:
    items = [{"a": number} for number in range(1500)]

    assert find("$[?(@.a == $..a.max())].a", items) == [1499]  # once an item, it would be too much work
    assert find("$[?($..a.max() > 5)].a", items) == [*range(1500)]


def test_values_nested_too_deeply_to_be_compared_find_nothing() -> None:
    document = [_nested(5000, lambda inner: [inner]), _nested(5000, lambda inner: [inner])]

    assert find("$[?(@ == $[1])]", document) is MISSING


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)
_pieces = st.lists(
    st.sampled_from(
        [
            "$", "@", ".a", ".b", "..", ".*", "[*]", "[0]", "[-1]", "[0:1]", "[?(", ")]", "@.a", "==", " ", "'a'", "1",
            "['a','b']", "['a']", "&&", "||", "!", "(", ")", "[", "]", ".length()", ".sum()", "/a/i", "in", "null", "{",
        ]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(_pieces | st.text(max_size=10), _json)
def test_any_text_is_a_path_or_a_problem_and_never_raises(text: str, value: Any) -> None:
    path = compile_path(text)

    if isinstance(path, PathProblem):
        assert path.message
    else:
        found = path.find(value)
        assert path.is_definite or found is MISSING or isinstance(found, list)
