"""Request validation as recorded (rows 14 to 22)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.validation import NoHandlers, Validator, compile_schema, compile_validator

PARAMETERS = {
    "method.request.path.issuer": True,
    "method.request.querystring.qs1": True,
    "method.request.header.x-header-param": True,
    "method.request.header.optional": False,
}
PET = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["a", "b"]}


def a_validator(
    parameters: dict[str, bool] | None = None, models: dict[str, object] | None = None, **options: Any
) -> Validator:
    validator = compile_validator(parameters or {}, models or {}, **options)
    assert isinstance(validator, Validator), validator
    return validator


def a_request(
    body: bytes = b"", query: bytes = b"", path: dict[str, str] | None = None, method: str = "POST", **headers: str
) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request(method, "/", headers=fields, query_string=query, body=body)
    request.path_parameters = path or {}
    return request


def refused(validator: Validator, request: Request) -> Refusal:
    answer = validator.check(request)
    assert isinstance(answer, Refusal)
    return answer


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        (a_request(), "x-header-param, issuer, qs1"),
        (a_request(path={"issuer": "i"}, X_Header_Param="1"), "qs1"),
        (a_request(path={"issuer": "i"}, query=b"qs1=1"), "x-header-param"),
        (a_request(query=b"qs1=1", x_header_param="1"), "issuer"),
        (a_request(path={"issuer": " "}, query=b"qs1=", x_header_param=" "), "x-header-param, issuer, qs1"),
        (a_request(path={"issuer": "i"}, query=b"qs1=1&qs1=", x_header_param="1"), "qs1"),
        (a_request(b"not json", content_type="application/json"), "x-header-param, issuer, qs1"),
    ],
    ids=[
        "row 14",
        "row 15 query",
        "row 15 header",
        "row 16",
        "blank counts as missing",
        "the last value counts",
        "row 17",
    ],
)
def test_missing_parameters_are_named_in_the_recorded_order(request_: Request, missing: str) -> None:
    refusal = refused(a_validator(PARAMETERS, {"application/json": PET}), request_)

    assert refusal.reason is Reason.PARAMETERS_MISSING
    assert refusal.message == f"Missing required request parameters: [{missing}]"


def test_a_request_with_all_parameters_comes_through() -> None:
    request = a_request(path={"issuer": "i"}, query=b"qs1=1", X_HEADER_PARAM="1")

    assert a_validator(PARAMETERS).check(request) is request


def test_header_names_can_be_compared_with_their_casing() -> None:
    validator = a_validator({"method.request.header.X-Exact": True}, exact_header_names=True)

    assert isinstance(validator.check(a_request(X_Exact="1")), Request)
    assert isinstance(validator.check(a_request(x_exact="1")), Refusal)
    assert isinstance(validator.check(a_request(X_Exact="")), Refusal)


@pytest.mark.parametrize("name", ["header.x", "method.request.cookie.x", "method.request.header.", "x"])
def test_a_parameter_without_a_place_is_a_problem(name: str) -> None:
    found = compile_validator({name: True}, {}, where="here")

    assert isinstance(found, tuple)
    assert str(found[0]) == f"here.parameters: {name!r} is no request parameter"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (a_request(b'{"a": 1}'), Reason.BODY_INVALID),
        (a_request(b"", content_type="application/json"), Reason.BODY_INVALID),
        (a_request(b"", method="GET"), Reason.BODY_INVALID),
        (a_request(b'{"a": 1, "b": 2}'), None),
        (a_request(b'{"a": 1, "b": 2}', content_type="Application/JSON; charset=utf-8"), None),
        (a_request(b"{}", content_type="application/text"), None),
        (a_request(b'{"a": 1, "b"'), Reason.BODY_NOT_JSON),
        (a_request(b'{"a": NaN, "b": 1}'), Reason.BODY_NOT_JSON),
        (a_request(b'{"a": -Infinity, "b": 1}'), Reason.BODY_NOT_JSON),
        (a_request(b'{"a": 1e999, "b": 1}'), Reason.BODY_NOT_JSON),
        (a_request(b'{"a": ' + b"9" * 5000 + b', "b": 1}'), Reason.BODY_NOT_JSON),
        (a_request(b'{"a": 1, "b": 1} x'), Reason.BODY_NOT_JSON),
        (a_request(b'{"a": "\xff", "b": 1}'), Reason.BODY_NOT_JSON),
        (a_request(b"[" * 1_000_000), Reason.BODY_NOT_JSON),
        (a_request(b'\xef\xbb\xbf{"a": 1, "b": 2}'), None),
        (a_request(b'{"a": 1, "b": 2, "b": 3}'), None),
        (a_request(b'{"a": 1.5e3, "b": "\\ud800"}'), None),
    ],
    ids=[
        "row 18", "row 19", "row 19 GET", "fits", "type in any spelling", "no model for the type", "broken", "NaN",
        "infinity", "beyond a float", "beyond an int", "text behind it", "not UTF-8", "nested", "byte order mark",
        "a name twice", "lone surrogate",
    ],
)  # fmt: skip
def test_a_body_is_checked_against_its_model(request_: Request, reason: Reason | None) -> None:
    answer = a_validator(models={"application/json": PET}).check(request_)

    assert (answer.reason if isinstance(answer, Refusal) else None) is reason


def test_the_client_learns_nothing_and_the_operator_what_does_not_match() -> None:
    refusal = refused(a_validator(models={"application/json": PET}), a_request(b"{}"))

    assert refusal.message is None  # the default of the gateway response: Invalid request body
    assert refusal.facts == {"validationErrorString": '[object has missing required properties (["a","b"])]'}
    assert refusal.detail == (
        "Request body does not match model schema for content type application/json: "
        '[object has missing required properties (["a","b"])]'
    )


def test_a_body_that_is_no_json_has_the_recorded_detail() -> None:
    refusal = refused(a_validator(models={"application/json": PET}), a_request(b"{"))

    assert refusal.facts == {"validationErrorString": "[Unknown error parsing request body]"}


@pytest.mark.parametrize(
    ("content_type", "passes"),
    [("application/json", False), ("text/plain", False), ("application/special+json", True), ("", False)],
)
def test_the_default_model_is_for_every_type_without_one(content_type: str, passes: bool) -> None:
    models = {"$default": PET, "Application/Special+JSON": {"type": "object"}}
    answer = a_validator(models=models).check(a_request(b"{}", content_type=content_type))

    assert isinstance(answer, Request) == passes


def test_flags_that_are_off_check_nothing() -> None:  # row 20
    validator = a_validator(PARAMETERS, {"application/json": PET}, check_parameters=False, check_body=False)
    request = a_request(b"{}")

    assert validator.check(request) is request
    assert not validator.reads_body


def test_a_websocket_handshake_has_no_body_to_check() -> None:
    validator = a_validator({"method.request.querystring.q": True}, {"application/json": PET})
    handshake = Request("GET", "/", kind="websocket", query_string=b"q=1")

    assert validator.check(handshake) is handshake
    assert isinstance(validator.check(Request("GET", "/", kind="websocket")), Refusal)


def test_an_alternative_to_null_is_enforced() -> None:  # row 21
    schema = {
        "properties": {"status": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/Status"}]}},
        "definitions": {"Status": {"type": "object", "required": ["code"]}},
    }
    validator = a_validator(models={"application/json": schema})

    assert isinstance(validator.check(a_request(b'{"status":null}')), Request)
    assert isinstance(validator.check(a_request(b'{"status":{}}')), Refusal)


def test_models_that_refer_to_each_other_are_enforced_at_every_level() -> None:  # row 22
    schema = {
        "$ref": "#/definitions/Person",
        "definitions": {
            "Person": {
                "type": "object",
                "required": ["name"],
                "properties": {"house": {"$ref": "#/definitions/House"}},
            },
            "House": {
                "type": "object",
                "required": ["owner"],
                "properties": {"owner": {"$ref": "#/definitions/Person"}},
            },
        },
    }
    validator = a_validator(models={"application/json": schema})

    assert isinstance(validator.check(a_request(b'{"name":"a","house":{"owner":{"name":"b"}}}')), Request)
    assert isinstance(validator.check(a_request(b'{"name":"a","house":{"owner":{}}}')), Refusal)


def test_data_too_deep_for_a_recursive_model_is_refused() -> None:
    depth = 900
    body = b'{"n":' * depth + b"{}" + b"}" * depth
    schema = {"properties": {"n": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"allOf": [{"$ref": "#"}]}}}
    refusal = refused(a_validator(models={"application/json": schema}), a_request(body))

    assert refusal.facts == {"validationErrorString": "[instance is out of bounds]"}


def test_a_number_out_of_bounds_is_refused() -> None:
    validator = a_validator(models={"application/json": {"properties": {"n": {"multipleOf": 0.01}}}})
    refusal = refused(validator, a_request(b'{"n": ' + b"9" * 400 + b"}"))

    assert refusal.reason is Reason.BODY_INVALID


def test_problems_of_all_models_are_found_at_once_and_ignored_places_listed() -> None:
    models = {"application/json": {"type": "x"}, "text/json": {"minLength": -1}}
    found = compile_validator({"x": True}, models, where="m")
    assert isinstance(found, tuple)

    assert [problem.where for problem in found] == [
        "m.parameters", "m.body[application/json]#/type", "m.body[text/json]#/minLength",
    ]  # fmt: skip
    assert a_validator(models={"application/json": {"nullable": True}}).ignored == ("application/json#/nullable",)


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ("1, 1.0", False),
        ("1, true", True),
        ("0, false", True),
        ('"1", 1', True),
        ("1e300, 1e300", False),
        ("2305843009213693952, 2305843009213693952.0", False),
        ("2305843009213693951, -2305843009213693951", True),
        ("[2305843009213693951], [4611686018427387902]", True),
        ('{"a": [2305843009213693952, true]}, {"a": [2305843009213693952.0, true]}', False),
        ('{"a": 1, "b": null}, {"b": null, "a": 1.0}', False),
        ('[["a", 1]], {"a": 1}', True),
    ],
    ids=[
        "numbers by value", "true is not 1", "false is not 0", "text", "large floats", "large by value", "large",
        "large inside", "large by value inside", "names in any order", "pairs are no object",
    ],
)  # fmt: skip
def test_what_is_a_duplicate(items: str, unique: bool) -> None:
    schema = {"uniqueItems": True, "items": {"required": [], "properties": {"a": {}}, "additionalProperties": True}}
    answer = a_validator(models={"$default": schema}, fast=False).check(a_request(f"[{items}]".encode()))

    assert isinstance(answer, Request) == unique


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/x", "file:///etc/hostname", "made-up:x"])
def test_nothing_is_fetched_even_past_the_guard(reference: str) -> None:
    import fastjsonschema

    with pytest.raises(fastjsonschema.JsonSchemaDefinitionException, match="leaves the document"):
        fastjsonschema.compile({"$ref": reference}, handlers=NoHandlers())


def test_a_schema_that_the_compiler_refuses_all_the_same_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastjsonschema

    def refuse(*arguments: object, **options: object) -> None:
        raise fastjsonschema.JsonSchemaDefinitionException("no")

    monkeypatch.setattr(fastjsonschema, "compile", refuse)
    found = compile_schema({})

    assert isinstance(found, tuple)
    assert str(found[0]) == "schema: the schema cannot be compiled: no"


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_is_let_through_or_refused(body: bytes) -> None:
    schema = {
        "type": ["object", "array"],
        "items": {"multipleOf": 0.1, "uniqueItems": True},
        "additionalProperties": {"$ref": "#"},
    }
    request = a_request(body)
    answer = a_validator(models={"$default": schema}).check(request)

    assert answer is request or isinstance(answer, Refusal)


UNIQUE = {"uniqueItems": True, "items": {"properties": {"a": {}}, "additionalProperties": False}}
WIDE = {"properties": {f"p{n}": {"type": "integer"} for n in range(2000)}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "body", "reason"),
    [
        (WIDE, json.dumps({f"p{n}": n for n in range(2000)}).encode(), None),
        (WIDE, b'{"p1999": "x"}', Reason.BODY_INVALID),
        ({"enum": list(range(20_000))}, b"19999", None),
        ({"enum": [f"v{n}" for n in range(20_000)]}, b'"v20000"', Reason.BODY_INVALID),
        ({"allOf": [{"properties": {"a": {"$ref": "#"}}}]}, b'{"a":' * 300 + b"1" + b"}" * 300, None),
        ({"type": "object"}, b'{"a":' + b"[" * 900_000, Reason.BODY_NOT_JSON),
        ({}, b"9" * 10_000_000, Reason.BODY_NOT_JSON),
        ({}, b"0." + b"9" * 10_000_000, None),
        ({"maximum": 5}, b"[" + b"9" * 4000 + b"]", None),
        ({"maximum": 5}, b"9" * 4000, Reason.BODY_INVALID),
        ({"multipleOf": 0.01}, b"9" * 4000, Reason.BODY_INVALID),
        ({}, b'"' + b"\\u0061" * 500_000 + b'"', None),
        ({"maxLength": 3}, b'"' + b"a" * 5_000_000 + b'"', Reason.BODY_INVALID),
        ({"uniqueItems": True}, b"[" + b",".join(b"%d" % n for n in range(200_000)) + b"]", None),
        (UNIQUE, b"[" + b",".join(b"%d" % (n * (2**61 - 1)) for n in range(50_000)) + b",0]", Reason.BODY_INVALID),
        (UNIQUE, b"[" + b",".join(b'{"a":[%d]}' % (n * (2**61 - 1)) for n in range(20_000)) + b"]", None),
        ({"uniqueItems": True}, b"[" + b"[" * 500 + b"]" * 500 + b"]", Reason.BODY_INVALID),
        ({"items": {"pattern": "^(a+)+$"}}, b'["' + b"a" * 200_000 + b'!"]', Reason.BODY_INVALID),
        ({"format": "email"}, b'"' + b"a@" * 500_000 + b'"', Reason.BODY_INVALID),
        ({"additionalProperties": {"type": "null"}}, b'{"' + b'":1,"'.join(b"%d" % n for n in range(99_999)) + b'":1}',
         Reason.BODY_INVALID),
    ],
    ids=[
        "2000 properties", "a wrong one of 2000", "a huge enumeration", "not in a huge enumeration",
        "deep and recursive",
        "900 000 brackets", "10 MB of digits", "10 MB of decimals", "a long integer inside", "a long integer",
        "a long integer in decimals", "escapes", "5 MB of text", "many items",
        "numbers with one hash", "objects with one hash", "nested items", "a catastrophic pattern",
        "many addresses", "many errors",
    ],
)  # fmt: skip
@pytest.mark.parametrize("fast", [False, True], ids=["exact", "fast"])
def test_a_hostile_body_gets_its_answer(schema: object, body: bytes, reason: Reason | None, fast: bool) -> None:
    answer = a_validator(models={"application/json": schema}, fast=fast).check(a_request(body))

    assert (answer.reason if isinstance(answer, Refusal) else None) is reason
