"""Recorded rows 14 to 24: request validators and models."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.testing import Client
from tests.conformance.documents import gateway, mock

MODEL = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}
JSON = {"content-type": "application/json"}


def api(*, body: bool = True, parameters: bool = True, schema: Any = MODEL, **components: Any) -> Client:
    operation: dict[str, Any] = {
        "x-amazon-apigateway-request-validator": "v",
        "parameters": [
            {"name": "qs1", "in": "query", "required": True, "schema": {"type": "string"}},
            {"name": "x-header-param", "in": "header", "required": True, "schema": {"type": "string"}},
        ],
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "x-amazon-apigateway-integration": mock(responseTemplates={"application/json": "passed"}),
    }
    root = {
        "x-amazon-apigateway-request-validators": {
            "v": {"validateRequestBody": body, "validateRequestParameters": parameters}
        },
        "components": {"schemas": components},
    }
    return Client(gateway({"/{issuer}": {"post": operation, "get": operation}}, root=root))


GOOD = b'{"name": "a", "age": 1}'
HEADER = {"x-header-param": "h", **JSON}


@pytest.mark.parametrize(
    ("path", "headers", "body", "message"),
    [
        pytest.param("/dev/i", JSON, GOOD, "[x-header-param, qs1]", id="row 14: in the order of their full names"),
        pytest.param("/dev/i", HEADER, GOOD, "[qs1]", id="row 15: one missing"),
        pytest.param("/dev/i?qs1=v", JSON, GOOD, "[x-header-param]", id="row 15: the other"),
        pytest.param("/dev/i?qs1=", HEADER, GOOD, "[qs1]", id="01 §8: blank counts as missing"),
        pytest.param("/dev/i", HEADER, b"{}", "[qs1]", id="row 17: parameters before the body"),
    ],
)
async def test_missing_parameters(path: str, headers: dict[str, str], body: bytes, message: str) -> None:
    answer = await api().request("POST", path, headers=headers, body=body)

    assert answer.status == 400
    assert answer.json() == {"message": f"Missing required request parameters: {message}"}
    assert answer.header("x-amzn-errortype") == "BadRequestException"


async def test_row_16_a_path_parameter_the_path_does_not_have_is_always_missing() -> None:
    operation = {
        "x-amazon-apigateway-request-validator": "v",
        "parameters": [{"name": "issuer", "in": "path", "required": True, "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": mock(),
    }
    root = {"x-amazon-apigateway-request-validators": {"v": {"validateRequestParameters": True}}}

    answer = await Client(gateway({"/x": {"get": operation}}, root=root)).get("/dev/x")

    assert answer.json() == {"message": "Missing required request parameters: [issuer]"}


@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        pytest.param("POST", HEADER, b'{"name": "a"}', id="row 18: a required key is missing"),
        pytest.param("POST", HEADER, b'{"name": "a", "age": "1"}', id="row 18: a wrong type"),
        pytest.param("POST", HEADER, b"{", id="row 18: no JSON"),
        pytest.param("POST", HEADER, b"", id="row 19: an empty body"),
        pytest.param("GET", HEADER, b"", id="row 19: GET too"),
        pytest.param("GET", {"x-header-param": "h"}, b"", id="row 19: without Content-Type"),
    ],
)
async def test_a_body_that_violates_its_model(method: str, headers: dict[str, str], body: bytes) -> None:
    answer = await api().request(method, "/dev/i?qs1=v", headers=headers, body=body)

    assert (answer.status, answer.json()) == (400, {"message": "Invalid request body"})


async def test_a_good_request_passes() -> None:
    answer = await api().request("POST", "/dev/i?qs1=v", headers=HEADER, body=GOOD)

    assert (answer.status, answer.text) == (200, "passed")


async def test_a_body_of_another_type_is_not_checked() -> None:
    headers = {"x-header-param": "h", "content-type": "application/text"}

    answer = await api().request("POST", "/dev/i?qs1=v", headers=headers, body=b"{")

    assert answer.status in (200, 500)  # what the mock makes of it; the validator let it pass
    assert b"Invalid request body" not in answer.body


async def test_row_20_flags_switched_off_let_the_request_through() -> None:
    answer = await api(body=False, parameters=False).request("POST", "/dev/i", headers=JSON, body=b"{}")

    assert (answer.status, answer.text) == (200, "passed")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"status": null}', 200), (b'{"status": {"code": "a"}}', 200), (b'{"status": {"code": 1}}', 400)],
    ids=["row 21: null", "row 21: the model", "row 21: a wrong nested object"],
)
async def test_row_21_models_refer_to_models(body: bytes, status: int) -> None:
    order = {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {
                "oneOf": [
                    {"type": "null"},
                    {"$ref": "https://apigateway.amazonaws.com/restapis/abc123/models/Status"},
                ]
            }
        },
    }
    nested = {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}}
    client = api(parameters=False, schema={"$ref": "#/components/schemas/Order"}, Order=order, Status=nested)

    answer = await client.request("POST", "/dev/i", headers=JSON, body=body)

    assert answer.status == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "a", "house": {"street": "s", "owner": {"name": "b"}}}', 200),
        (b'{"name": "a", "house": {"street": "s", "owner": {}}}', 400),
    ],
    ids=["row 22: whole", "row 22: the inner person lacks a key"],
)
async def test_row_22_circular_models_hold_at_every_level(body: bytes, status: int) -> None:
    person = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "house": {"$ref": "#/components/schemas/House"}},
    }
    house = {
        "type": "object",
        "required": ["street"],
        "properties": {"street": {"type": "string"}, "owner": {"$ref": "#/components/schemas/Person"}},
    }
    client = api(parameters=False, schema={"$ref": "#/components/schemas/Person"}, Person=person, House=house)

    answer = await client.request("POST", "/dev/i", headers=JSON, body=body)

    assert answer.status == status


@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        ("Empty", b"{}", 200),
        ("Empty", b"[]", 400),
        ("Error", b'{"message": "m"}', 200),
        ("Error", b'{"message": 1}', 400),
    ],
    ids=["01 §8: Empty", "01 §8: Empty is of objects", "01 §8: Error", "01 §8: Error has a text"],
)
async def test_every_api_has_two_models(model: str, body: bytes, status: int) -> None:
    address = f"https://apigateway.amazonaws.com/restapis/abc123/models/{model}"
    client = api(parameters=False, schema={"$ref": address})

    answer = await client.request("POST", "/dev/i", headers=JSON, body=body)

    assert answer.status == status
