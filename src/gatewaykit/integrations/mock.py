"""MOCK: the gateway answers by itself (reference 04 section 7; rows 34-39)."""

from __future__ import annotations

from gatewaykit.core.http import Request
from gatewaykit.core.integration_request import IntegrationRequest
from gatewaykit.core.integration_response import IntegrationResponses
from gatewaykit.core.payload.mock import mock_status
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.definition.model import Integration
from gatewaykit.integrations.deps import IntegrationDeps
from gatewaykit.integrations.shape import compile_shape
from gatewaykit.ports import Outcome

__all__ = ["Mock", "compile_mock"]


class Mock:
    """Answers at once: nothing here has to wait."""

    __slots__ = ("_request", "_responses")

    reads_body: bool | int = True

    def __init__(self, request: IntegrationRequest, responses: IntegrationResponses) -> None:
        self._request, self._responses = request, responses

    def __call__(self, request: Request, /) -> Outcome:
        exchange = self._request.shape(request)
        if isinstance(exchange, Refusal):
            return exchange
        status = mock_status(exchange.body.decode("utf-8", "replace"))
        if status is None and self._request.has_templates:
            return Refusal(
                Reason.CONFIGURATION,
                "Unable to parse statusCode. It should be an integer that is defined in the request template.",
            )
        # Without any template the default response answers (developer guide, "Set up mock integrations").
        return self._responses.finish(exchange, None if status is None else str(status), [], b"")

    async def aclose(self) -> None:
        """Nothing to free."""


def compile_mock(integration: Integration, deps: IntegrationDeps) -> Mock | list[str]:
    """Compile a MOCK integration, or say everything that is wrong with it."""
    shape = compile_shape(integration, deps, "MOCK", parameters={})
    return shape if isinstance(shape, list) else Mock(*shape)
