"""The extra `fast` never changes a verdict."""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Refusal
from gatewaykit.core.schema_fast import FastYes, compile_fast_yes, is_installed, is_shallow, retrieve_nothing
from gatewaykit.core.schema_guard import GuardedSchema, guard
from gatewaykit.core.validation import Validator, compile_validator

NESTED = {"properties": {"n": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"allOf": [{"$ref": "#"}]}}}
"""Each level of a value takes two frames."""


def fast_yes(schema: object, draft: int = 7) -> FastYes | None:
    guarded = guard(schema, draft=draft)
    assert isinstance(guarded, GuardedSchema), guarded
    return compile_fast_yes(guarded)


def verdict(schema: object, body: bytes, draft: int, *, fast: bool) -> str:
    validator = compile_validator({}, {"$default": schema}, draft=draft, fast=fast)
    assert isinstance(validator, Validator), validator
    request = Request("POST", "/", body=body)
    answer = validator.check(request)
    return f"{answer.reason.name}: {answer.detail}" if isinstance(answer, Refusal) else "accepted"


def naive_verdict(schema: object, body: bytes, draft: int) -> str:
    """What the two libraries say on their own."""
    validator = getattr(jsonschema_rs, f"Draft{draft}Validator")(schema, validate_formats=True)
    try:
        return "accepted" if validator.is_valid(orjson.loads(body)) else "refused"
    except ValueError:
        return "refused"


@pytest.mark.parametrize(
    ("draft", "schema", "body"),
    [
        (4, {"not": {"type": "integer"}}, b"18446744073709551616"),
        (7, {"not": {"uniqueItems": True}}, b"[18446744073709551617,18446744073709551618]"),
        (4, {"oneOf": [{"type": "integer"}, {"minimum": 1}]}, b"18446744073709551616"),
        (7, {"maximum": 2**64}, b"18446744073709551617"),
        (7, {"exclusiveMaximum": 2**64 + 1}, b"18446744073709551617"),
        (7, {"not": {"enum": [10**20 + 1]}}, b"100000000000000000001"),
        (7, {"multipleOf": 1e-300}, b"1e10"),
        (7, {"not": {"multipleOf": 0.3}}, b"1e28"),
        (7, {"not": {"multipleOf": 3}}, b"99999999999999999999"),
        (7, {"pattern": r"^\s$"}, '"\u00a0"'.encode()),
        (7, {"not": {"pattern": r"\bx"}}, '"éx"'.encode()),
        (7, {"format": "email"}, b'"a@b"'),
        (7, {"format": "uuid"}, b'"x"'),
        (7, {"format": "date-time"}, b'"2026-01-01T00:00:00.1234567890123Z"'),
        (7, {"format": "regex"}, rb'"\\p{L}"'),
        (7, {"propertyNames": {"format": "email"}}, b'{"a@b":1}'),
        (7, {}, b"[" * 1010 + b"]" * 1010),
        (7, {"uniqueItems": True}, b"[" * 600 + b"]" * 600),
        (7, NESTED, b'{"n":' * 950 + b"{}" + b"}" * 950),
    ],
    ids=[
        "beyond 64 bits is no integer", "two integers, one float", "no integer in oneOf", "a limit beyond a float",
        "an exclusive one", "a value beyond a float",
        "a multiple in decimals", "no multiple in decimals", "no multiple of an integer", "white space",
        "a word's edge", "email", "uuid", "date-time", "regex", "a format of names", "nested as deep as orjson goes",
        "nested in unique items", "nested in a recursive schema",
    ],
)  # fmt: skip
def test_where_the_libraries_alone_would_accept_what_is_refused_the_extra_does_not(
    draft: int, schema: object, body: bytes
) -> None:
    exact = verdict(schema, body, draft, fast=False)
    if body.startswith(b"[[") and schema == {} and sys.version_info >= (3, 12):
        return  # Python's parser goes as deep as orjson there

    assert naive_verdict(schema, body, draft) == "accepted" != exact
    assert verdict(schema, body, draft, fast=True) == exact


@pytest.mark.parametrize(
    "schema",
    [
        {"multipleOf": 2},
        {"maximum": 2**53 + 2},
        {"exclusiveMinimum": -1e300},
        {"items": {"enum": [{"a": [2**60]}]}},
        {"patternProperties": {r"\s": {}}},
        {"minLength": 2**53},
        {"properties": {"\ud800": {}}},
        {"patternProperties": {"".join(f"[^{chr(n)}]{{999}}" for n in range(97, 123)) * 4: {}}},
        {"items": [{"$ref": f"#/definitions/{n}"} for n in range(60)],
         "definitions": {f"{n}": {"additionalItems": {"$ref": "#"}} for n in range(60)}},
        {"$ref": "#/definitions/0",
         "definitions": {f"{n}": {"allOf": [{"$ref": f"#/definitions/{n + 1}"}]} for n in range(500)} | {"500": {}}},
    ],
    ids=[
        "multipleOf", "a large limit", "a large float", "a large value", "white space in names", "a large count",
        "a name that is no UTF-8", "a pattern too large for its engine", "a wide recursion", "a long chain",
    ],
)  # fmt: skip
def test_some_schemas_are_left_to_the_exact_way(schema: object) -> None:
    assert fast_yes(schema) is None


@pytest.mark.parametrize(
    ("draft", "schema", "body"),
    [
        (4, {"type": "integer", "maximum": 5, "exclusiveMaximum": True}, b"4"),
        (4, {"oneOf": [{"type": "integer"}, {"type": "null"}]}, b"123456"),
        (7, {"pattern": r"^\s$"}, b'" "'),
        (7, {"allOf": [{"maxLength": 9}], "pattern": "(?=a)"}, b'"a"'),
        (7, {"items": [{"pattern": r"\bx"}, {"pattern": r"\bx"}]}, b'["x","x"]'),
        (7, {"format": "email"}, b'"a@b.co"'),
        (7, {"patternProperties": {"^[A-Z]{3}-[0-9]$": {"items": {"pattern": r"^[\w.%+-]+$"}}}}, b'{"ABC-1":["a+b"]}'),
        (7, {"dependencies": {"a": ["b"], "b": {"required": ["a"]}}}, b'{"a":1,"b":1}'),
        (7, {"properties": {"n": {"$ref": "#"}}}, b'{"n":{"n":{}}}'),
        (7, {"additionalProperties": False, "items": False, "properties": {"a": True}}, b'{"a":18446744073709551616}'),
        (7, {"if": {"type": "string"}, "then": {"minLength": 1}, "uniqueItems": True}, b'"a"'),
        (7, {"uniqueItems": True}, b"[1,2]"),
        (7, {"items": {"type": ["integer", "null"]}}, b"[" + b"1," * 5000 + b"1.0]"),
        (7, {}, b"[" + b'[{"a":[]}],' * 5000 + b"1]"),
    ],
    ids=[
        "draft 4", "an integer in oneOf", "white space", "look-ahead", "a pattern twice", "a format", "common patterns",
        "dependencies", "recursion", "booleans", "if", "unique items", "a long body", "many brackets",
    ],
)  # fmt: skip
def test_others_are_accepted_at_once(draft: int, schema: object, body: bytes) -> None:
    yes = fast_yes(schema, draft)

    assert yes is not None
    assert yes.says(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b"1e400", rb'"\ud800"', b'"\xff"', b"\xef\xbb\xbf{}", b"[]x", b"9" * 400],
    ids=["empty", "broken", "NaN", "too large", "lone surrogate", "no UTF-8", "byte order mark", "behind", "digits"],
)
def test_what_it_cannot_read_is_not_accepted_at_once(body: bytes) -> None:
    yes = fast_yes({})

    assert yes is not None
    assert not yes.says(body)


@pytest.mark.parametrize(
    ("body", "shallow"),
    [
        (b"[" * 9 + b"]" * 9, True),
        (b"[" * 10 + b"]" * 10, False),
        (b"[" + b"[[],{}]," * 99 + b"1]", True),
        (b'{"a":[' * 5 + b"]}" * 5, False),
        (b'{"a":[' * 4 + b"{}" + b"]}" * 4, True),
        (b"[" + rb'["a\\","\"","",{"b":"c"}],' * 99 + b"1]", True),
        (b"[" + b'"]",' * 99 + b"[[[[[[[[[[[1]]]]]]]]]]]]", False),
        (b'["]",' * 99 + b"1" + b',"["]' * 99, False),
        (rb'["\"]",' * 99 + b"1" + rb',"\"["]' * 99, False),
        (b"[" * 10 + b'"]]]]]]]]]]"', False),
    ],
    ids=[
        "nine", "ten", "many", "objects and arrays", "nine of both", "escapes", "odd ones in texts", "pairs in texts",
        "pairs behind escapes", "closed in a text",
    ],
)  # fmt: skip
def test_how_deep_a_body_is_nested(body: bytes, shallow: bool) -> None:
    assert is_shallow(body, 10) == shallow


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/x", "file:///etc/hostname", "made-up:x"])
def test_nothing_is_fetched_even_past_the_guard(reference: str) -> None:
    with pytest.raises(ValueError, match="leaves the document"):
        jsonschema_rs.Draft7Validator({"$ref": reference}, retriever=retrieve_nothing)


def test_whether_the_extra_is_installed() -> None:
    assert is_installed()
    assert not is_installed((("orjson", 3, 10), ("no-such-package", 0, 0)))
    assert not is_installed((("jsonschema-rs", 999, 0),))


def test_without_the_extra_the_exact_way_decides_alone() -> None:
    validator = compile_validator({}, {"$default": {"type": "object"}}, fast=False)
    assert isinstance(validator, Validator)
    request = Request("POST", "/", body=b"{}")

    assert validator.check(request) is request


# ---------------------------------------------------------------------------------------------------- differential

TEXTS_OF_BRACKETS = st.text(r'[]{}"\a', max_size=4)


NESTS = st.recursive(
    TEXTS_OF_BRACKETS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2) | st.dictionaries(TEXTS_OF_BRACKETS, inner, min_size=1, max_size=2)
    ),
    max_leaves=20,
)


@given(NESTS, st.integers(1, 5))
def test_what_counts_as_shallow_is(value: Any, max_depth: int) -> None:
    def depth(value: Any) -> int:
        if not isinstance(value, (list, dict)):
            return 0
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)

    if is_shallow(json.dumps(value).encode(), max_depth):
        assert depth(value) < max_depth


NUMBERS = st.sampled_from([
    "0", "-0", "0.0", "-0.0", "1", "1.0", "1e0", "10E-1", "-1", "2", "2.5", "0.1", "0.30000000000000004", "5", "5.0",
    "1e400", "-1e400", "1e-400", "1e22", "1e308", "9007199254740993", "9007199254740992.0", "18446744073709551615",
    "18446744073709551616", "18446744073709551617.0", "-9223372036854775808", "-9223372036854775809", "9" * 400,
    "123456789012345678901234567890", "01", "1.", ".5", "+1", "NaN", "Infinity", "-Infinity", "4.35", "1e1000000",
])  # fmt: skip
STRINGS = st.sampled_from([
    '""', '"a"', '"ab"', '"abc"', '"b"', r'"\u0061"', r'"\ud800"', r'"\ud83d\ude00"', '"\U0001f600"', '"e\u0301"',
    '"\u00a0"', r'"\n"', r'"a\n"', '"\n"', '"a@b.co"', '"a@b"', '"192.0.2.1"', '"2026-02-30"', '"1"', '"\u0663"',
    '"[[{{"', '"NaN"', r'"\x"', '"\u2028"', '"ABC-1234"', '"true"',
])  # fmt: skip
NAMES = st.sampled_from(['"a"', '"b"', '"c"', r'"\u0061"', '""', '"$ref"', '"id"', '"ab"'])


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(NAMES, inner), max_size=4)
    return members.map(lambda pairs: "{" + ",".join(f"{name}: {value}" for name, value in pairs) + "}")


TEXTS = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["null", "true", "false"]), lambda inner: arrays(inner) | objects(inner)
)
WRAPPED = st.builds(
    lambda text, before, after, depth: f"{before}{'[' * depth}{text}{']' * depth}{after}",
    TEXTS,
    st.sampled_from(["", "", "", " ", "\ufeff", "\x0b"]),
    st.sampled_from(["", "", "", "\n", ",", "\x00"]),
    st.sampled_from([0, 0, 0, 1, 2]),
)
BODIES = WRAPPED.map(lambda text: text.encode()) | st.binary(max_size=20)

LIMITS = st.sampled_from([0, 1, -1, 2.5, 0.1, 5, 2**53, 2**63, 2**64, 1e22, 1e308, -(2**63)])
ENUMS = st.sampled_from(
    [0, 1, 1.0, True, False, None, "a", "\U0001f600", [], [1], [True], {"a": 1}, {"a": [1.0]}, 2**64]
)
PATTERNS = st.sampled_from([
    "^a", "b$", ".", "^.$", r"^\d", r"^\w+$", r"^\s$", "^[^a]$", "(a|b)c", "(?=a)", "^[A-Z]{3}-[0-9]{4}$", r"\bx", "^$",
    "a+?b?",
])  # fmt: skip
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean", ["null", "integer"]]),
        "minimum": LIMITS, "maximum": LIMITS, "multipleOf": st.sampled_from([1, 2, 0.5, 0.1, 0.01, 3, 1e-300]),
        "minLength": st.integers(0, 3), "maxLength": st.integers(0, 3), "pattern": PATTERNS,
        "format": st.sampled_from(["email", "ipv4", "date", "hostname", "uri", "regex"]),
        "minItems": st.integers(0, 2), "maxItems": st.integers(0, 2), "uniqueItems": st.booleans(),
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True), "maxProperties": st.integers(0, 2),
        "enum": st.lists(ENUMS, min_size=1, max_size=3),
    },
)  # fmt: skip
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    SIMPLE | st.just({"$ref": "#/definitions/d"}) | st.just({"items": {"$ref": "#"}}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "items": inner | st.lists(inner, min_size=1, max_size=2), "additionalItems": inner, "not": inner,
            "properties": st.dictionaries(st.sampled_from(["a", "b", "$ref", "id"]), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "patternProperties": st.dictionaries(PATTERNS, inner, max_size=1),
            "dependencies": st.dictionaries(st.sampled_from("abc"), inner | st.just(["b"]), max_size=1),
            "anyOf": st.lists(inner, min_size=1, max_size=2), "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2), "contains": inner, "if": inner, "then": inner,
            "propertyNames": SIMPLE, "uniqueItems": st.booleans(), "const": ENUMS,
        },
    ),
    max_leaves=5,
).map(lambda schema: {**schema, "definitions": {"d": {"maxLength": 2, "not": {"type": "integer"}}}})  # fmt: skip


@pytest.mark.parametrize("schema", [{}, {"items": {"$ref": "#"}}, {"uniqueItems": True}, NESTED], ids=str)
@pytest.mark.parametrize("depth", [1, 50, 99, 101, 130, 250, 350])
def test_nesting_is_decided_alike(schema: object, depth: int) -> None:
    for body in (b"[" * depth + b"]" * depth, b'{"n":' * depth + b"1" + b"}" * depth):
        assert verdict(schema, body, 7, fast=True) == verdict(schema, body, 7, fast=False)


@given(SCHEMAS, st.lists(BODIES, min_size=1, max_size=8), st.sampled_from([4, 6, 7]))
def test_the_verdict_is_the_same_with_and_without_the_extra(schema: Any, bodies: list[bytes], draft: int) -> None:
    exact = compile_validator({}, {"$default": schema}, draft=draft, fast=False)
    fast = compile_validator({}, {"$default": schema}, draft=draft, fast=True)
    assert isinstance(exact, Validator), exact
    assert isinstance(fast, Validator), fast
    for body in bodies:
        request = Request("POST", "/", body=body)
        expected, found = exact.check(request), fast.check(request)

        assert (found is request) == (expected is request), (schema, body)
        if isinstance(expected, Refusal) and isinstance(found, Refusal):
            assert (found.reason, found.detail, found.facts) == (expected.reason, expected.detail, expected.facts)


@given(st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
))  # fmt: skip
def test_any_json_value_is_decided_alike(value: Any) -> None:
    schema = {"type": ["object", "array", "integer"], "uniqueItems": True, "additionalProperties": {"$ref": "#"}}
    body = json.dumps(value).encode()

    assert verdict(schema, body, 4, fast=True) == verdict(schema, body, 4, fast=False)
