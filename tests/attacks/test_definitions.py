"""Definitions that ask for a protection which is not there: they do not start, or stay closed."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError
from tests.conformance.documents import gateway, lambda_uri, mock

UNKNOWN: dict[str, Any] = {
    "no authorizer": {"type": "http", "scheme": "basic"},
    "an authorizer of no known type": {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {"type": "magic", "authorizerUri": lambda_uri("f")},
    },
    "an authorizer of HTTP APIs": {
        "type": "oauth2", "x-amazon-apigateway-authorizer": {"type": "jwt", "jwtConfiguration": {}},
    },
}  # fmt: skip


@pytest.mark.parametrize("scheme", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_scheme_that_nothing_enforces_does_not_start(scheme: dict[str, Any]) -> None:
    paths = {"/x": {"get": {"security": [{"lock": []}], "x-amazon-apigateway-integration": mock()}}}

    with pytest.raises(ConfigError):
        gateway(paths, root={"components": {"securitySchemes": {"lock": scheme}}})
