"""One integration of a definition becomes one endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gatewaykit.errors import ConfigError, Problem
from gatewaykit.integrations.http import compile_http, compile_http_proxy
from gatewaykit.integrations.lambda_ import compile_aws, compile_lambda_proxy
from gatewaykit.integrations.mock import compile_mock

if TYPE_CHECKING:
    from gatewaykit.definition.model import Integration, Method
    from gatewaykit.integrations.deps import IntegrationDeps
    from gatewaykit.ports import Endpoint

__all__ = ["COMPILERS", "compile_integration"]

COMPILERS: Final[dict[str, Callable[[Integration, IntegrationDeps], Endpoint | list[str]]]] = {
    "AWS": compile_aws,
    "AWS_PROXY": compile_lambda_proxy,
    "HTTP": compile_http,
    "HTTP_PROXY": compile_http_proxy,
    "MOCK": compile_mock,
}
"""Integration type -> its compiler, which gives an endpoint or the texts of all problems it found."""


def compile_integration(method: Method, integration: Integration, deps: IntegrationDeps) -> Endpoint:
    """The endpoint of a method's integration. Raises ConfigError with everything that is wrong with it."""
    kind = integration.type
    compiler = COMPILERS.get(kind)
    if compiler is None:
        found: Endpoint | list[str] = [f"integration type {kind!r} is none of {', '.join(COMPILERS)}"]
    else:
        found = compiler(integration, deps)
    if not isinstance(found, list):
        return found
    where, what = str(integration.origin.place), f"the {kind} integration of {method.verb} {method.path}"
    raise ConfigError([Problem(where=where, what=f"{what}: {text}") for text in found])
