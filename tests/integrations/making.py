"""Integrations to test, compiled as a deployment compiles them."""

from __future__ import annotations

from typing import Any

from gatewaykit.clock import VirtualClock
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import HeaderList, Request, Response
from gatewaykit.core.reasons import Refusal
from gatewaykit.definition.model import Integration, IntegrationResponse, Method
from gatewaykit.integrations.compile import compile_integration
from gatewaykit.integrations.deps import IntegrationDeps
from gatewaykit.ports import Endpoint, Outcome
from gatewaykit.upstream.scripted import ScriptedTransport

__all__ = ["PNG", "a_request", "call", "deps_for", "endpoint", "received", "response"]

PNG = ("image/png",)


def deps_for(transport: ScriptedTransport | None = None, **more: Any) -> IntegrationDeps:
    """Dependencies with a virtual clock and predictable randomness."""
    return IntegrationDeps(
        facts=ApiFacts(api_id="abc", stage="dev"),
        clock=VirtualClock(),
        entropy=lambda size: bytes(range(size)),
        transport=transport or ScriptedTransport(),
        **more,
    )


def response(pattern: str | None = None, status: str = "200", **more: Any) -> IntegrationResponse:
    """An integration response; without a pattern, the default one."""
    return IntegrationResponse(selection_pattern=pattern, status_code=status, **more)


def endpoint(kind: str, deps: IntegrationDeps | None = None, **fields: Any) -> Endpoint:
    """A compiled integration of type `kind`."""
    integration = Integration(type=kind, **fields)
    method = Method(path="/pets", verb="ANY", integration=integration)
    return compile_integration(method, integration, deps or deps_for())


def a_request(
    method: str = "GET",
    *,
    headers: HeaderList | None = None,
    body: bytes | None = b"",
    query: bytes = b"",
    **facts: Any,
) -> Request:
    """A routed request."""
    request = Request(method, "/pets", headers=headers, body=body, query_string=query)
    request.id, request.resource = "11111111-2222-3333-4444-555555555555", "/pets"
    for name, value in facts.items():
        setattr(request, name, value)
    return request


async def call(target: Endpoint, request: Request) -> Outcome:
    """The endpoint's outcome, awaited where it has to wait."""
    outcome = target(request)
    return outcome if isinstance(outcome, (Response, Refusal)) else await outcome


async def received(outcome: Outcome) -> tuple[int, HeaderList, bytes]:
    """Status, headers and whole body of a response."""
    assert isinstance(outcome, Response), outcome
    if isinstance(outcome.body, bytes):
        return outcome.status, outcome.headers, outcome.body
    return (
        outcome.status,
        outcome.headers,
        b"".join([chunk async for chunk in outcome.body]),
    )
