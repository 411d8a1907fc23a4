"""The fields that every non-proxy integration has in common, read once and compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatewaykit.core.integration_request import IntegrationRequest, compile_integration_request
from gatewaykit.core.integration_response import IntegrationResponses, ResponseSpec, compile_integration_responses
from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.definition.model import Integration
from gatewaykit.integrations.deps import IntegrationDeps

__all__ = ["TIMEOUT_MS", "compile_shape", "timeout_s"]

TIMEOUT_MS: Final = (50, 29000)
"""The least and the most an integration may take (developer guide, "Quotas")."""


def compile_shape(
    integration: Integration, deps: IntegrationDeps, integration_type: str, *, parameters: Mapping[str, str]
) -> tuple[IntegrationRequest, IntegrationResponses] | list[str]:
    """Request and response side of a non-proxy integration, or everything that is wrong with them."""
    binary_types = BinaryTypes(deps.binary_media_types)
    request = compile_integration_request(
        parameters=parameters,
        templates=integration.request_templates,
        passthrough=integration.passthrough_behavior,
        handling=integration.content_handling,
        facts=deps.facts,
        stage_variables=deps.stage_variables,
        binary_types=binary_types,
        integration_type=integration_type,
    )
    specs = [
        ResponseSpec(
            selection_pattern=each.selection_pattern,
            status_code=each.status_code,
            parameters=each.response_parameters,
            templates=each.response_templates,
            handling=each.content_handling,
        )
        for each in integration.responses
    ]
    responses = compile_integration_responses(specs, deps.facts, deps.stage_variables, binary_types)
    if isinstance(request, list) or isinstance(responses, list):
        return [*(request if isinstance(request, list) else ()), *(responses if isinstance(responses, list) else ())]
    return request, responses


def timeout_s(integration: Integration, problems: list[str]) -> float:
    """The integration's timeout in seconds; out of range it is a problem."""
    least, most = TIMEOUT_MS
    timeout_ms = integration.timeout_ms
    if not least <= timeout_ms <= most:
        problems.append(f"timeoutInMillis is {timeout_ms}; API Gateway takes {least} to {most}")
    return timeout_ms / 1000
