"""JSONPath against other engines: recorded answers of Jayway's library, and python-jsonpath for what both know.

`jayway_cases.json` is what Jayway answered: a value with whether the path is definite, `none` where it threw when it
read, `problem` where it refused the path. Cases in which it fails on what it documents are not among them.
"""

from __future__ import annotations

import json
from pathlib import Path as File
from typing import Any

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.jsonpath import MISSING, Path, PathProblem, compile_path

RECORDED = json.loads(File(__file__).with_name("jayway_cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", RECORDED["cases"], ids=[case["path"] for case in RECORDED["cases"]])
def test_a_path_finds_what_jayway_finds(case: dict[str, Any]) -> None:
    document = RECORDED["documents"]["store"] if case["document"] == "store" else case["document"]

    path = compile_path(case["path"])
    found = MISSING if isinstance(path, PathProblem) else path.find(document)

    assert isinstance(path, PathProblem) is case.get("problem", False)
    assert (found is MISSING) is ("found" not in case)
    if "found" in case:
        assert isinstance(path, Path)
        assert path.is_definite is case["definite"]
        assert _exactly(found) == _exactly(case["found"])


def _exactly(value: Any) -> str:
    """JSON text, in which 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


_names = st.sampled_from("abc")
_small = st.integers(-3, 3)
_values = st.recursive(
    st.none() | st.integers(-2, 2),  # no strings: python-jsonpath slices them
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=12,
)
_steps = st.one_of(
    _names.map(".{}".format),
    _names.map("['{}']".format),
    _names.map("..{}".format),
    _small.map("[{}]".format),
    st.lists(_small, min_size=2, max_size=3).map(lambda indexes: f"[{','.join(map(str, indexes))}]"),
    st.sampled_from([".*", "[*]", "..*"]),
    _small.map("[{}:]".format),
    _small.map("[:{}]".format),
    st.tuples(st.integers(0, 3), st.integers(0, 4)).map(lambda ends: f"[{ends[0]}:{ends[1]}]"),
)


@given(st.lists(_steps, max_size=5).map("".join), _values)
def test_steps_find_what_python_jsonpath_finds(steps: str, document: Any) -> None:
    assert _all_found("$" + steps, document) == jsonpath.findall("$" + steps, document)


_comparisons = st.tuples(
    st.sampled_from(["@.a", "@.b", "@.a.c", "$.limit"]),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.sampled_from(["1", "0", "'x'", "''", "$.limit"]),
).map(" ".join)
_expressions = st.recursive(
    _comparisons | st.sampled_from(["@.a", "!@.b", "@.a.c"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" && ".join), st.tuples(inner, inner).map(" || ".join), inner.map("!({})".format)
    ),
    max_leaves=4,
)
_flat = st.dictionaries(st.sampled_from("ab"), st.integers(-2, 2) | st.sampled_from(["x", "y", ""]), max_size=2)


@given(_expressions, st.lists(_flat, max_size=4), st.integers(-1, 1))
def test_filters_keep_what_python_jsonpath_keeps(expression: str, items: list[Any], limit: int) -> None:
    document = {"items": items, "limit": limit}
    path = f"$.items[?({expression})]"

    assert _all_found(path, document) == jsonpath.findall(path, document)


def _all_found(text: str, document: Any) -> list[Any]:
    """All values as a list, as engines without definite paths give them."""
    path = compile_path(text)
    assert isinstance(path, Path), path
    found = path.find(document)
    if found is MISSING:
        return []
    assert isinstance(found, list) or path.is_definite
    return [found] if path.is_definite else list(found)
