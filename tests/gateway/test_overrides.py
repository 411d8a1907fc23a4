"""Overrides that a template wrote and that no text can hold: refused, with a reason for the operator."""

from __future__ import annotations

import json

import pytest

from gatewaykit import Gateway
from gatewaykit.testing import Client

DOUBLED = "#set($a = ['x'])" + "#foreach($n in [1..40])#set($a = [$a, $a])#end"


@pytest.mark.parametrize("side", ["request", "response"])
async def test_an_override_too_long_to_be_written_is_a_500(side: str, caplog: pytest.LogCaptureFixture) -> None:
    override = f"{DOUBLED}#set($context.{side}Override.header.x = {{'all': $a}})"
    request = '{"statusCode": 200}' + (override if side == "request" else "")
    operation = {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": request},
            "responses": {
                "default": {
                    "statusCode": "200",
                    "responseTemplates": {"application/json": override if side == "response" else "{}"},
                }
            },
        },
    }
    document = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": operation}}}

    answer = await Client(Gateway.from_openapi(document)).get("/a")

    assert (answer.status, json.loads(answer.body)) == (500, {"message": "Internal server error"})
    assert "an override: a text of more than" in caplog.text
