"""What a non-proxy integration is sent: template choice, content handling, parameter mappings, overrides.

Reference 01 sections 9 and 10, 03 sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.exchange import Exchange, MappingTemplate, compile_templates
from gatewaykit.core.http import Request
from gatewaykit.core.parameter_mapping import (
    MappedRequest,
    RequestMapping,
    compile_request_mappings,
    is_dropped,
    is_illegal,
)
from gatewaykit.core.payload.content_handling import HANDLINGS, convert_request
from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.core.payload.uri import as_path
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.vtl.values import Failure, from_key, text

__all__ = ["PASSTHROUGH_BEHAVIORS", "IntegrationRequest", "compile_integration_request"]

PASSTHROUGH_BEHAVIORS: Final = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")


class IntegrationRequest:
    """The request side of one non-proxy integration, compiled."""

    __slots__ = (
        "_binary_types",
        "_facts",
        "_handling",
        "_is_text",
        "_mapping",
        "_passthrough",
        "_stage_variables",
        "_templates",
        "_type",
    )

    def __init__(
        self,
        mapping: RequestMapping,
        templates: Mapping[str, MappingTemplate | None],
        passthrough: str,
        handling: str | None,
        *,
        facts: ApiFacts,
        stage_variables: Mapping[str, str],
        binary_types: BinaryTypes,
        integration_type: str,
    ) -> None:
        self._mapping, self._templates, self._passthrough, self._handling = mapping, templates, passthrough, handling
        self._facts, self._stage_variables, self._binary_types = facts, stage_variables, binary_types
        self._type, self._is_text = integration_type, handling is None and binary_types.is_empty

    @property
    def has_templates(self) -> bool:
        return bool(self._templates)

    def shape(self, request: Request) -> Exchange | Refusal:
        """The exchange of a request whose body has been read, with what goes to the integration."""
        exchange = Exchange(request, self._facts, self._stage_variables)
        mapping = self._mapping
        mapped = mapping.apply(request, exchange.context if mapping.needs_context else {})
        if isinstance(mapped, Refusal):
            return mapped
        sent = request.headers.get(b"content-type")
        content_type = None if sent is None else sent.decode("latin-1")
        payload: str | bytes | Refusal
        if self._is_text:
            payload = (request.body or b"").decode("utf-8", "replace")
        else:
            payload = convert_request(request.body or b"", content_type, self._handling, self._binary_types)
            if isinstance(payload, Refusal):
                return payload
        template = self._template(content_type)
        if isinstance(template, Refusal):
            return template
        if template is not None:
            if isinstance(payload, bytes):
                return Refusal(Reason.MAPPING_FAILED, "a binary body cannot enter a template; convert it to text first")
            rendered = template.render(payload, exchange)
            if isinstance(rendered, Refusal):
                return rendered
            payload = rendered
            overrides = exchange.overrides("requestOverride")
            if overrides and (failed := self._override(mapped, overrides)) is not None:
                return failed
        exchange.mapped = mapped
        exchange.body = payload if isinstance(payload, bytes) else payload.encode("utf-8", "replace")
        return exchange

    def _template(self, content_type: str | None) -> MappingTemplate | Refusal | None:
        """The template for a content type; None passes the body on as it is."""
        templates = self._templates
        key = content_type.partition(";")[0].strip().lower() if content_type else "application/json"
        template = templates.get(key) or templates.get("$default")
        if template is not None:
            return template
        if self._passthrough == "NEVER" or (templates and self._passthrough == "WHEN_NO_TEMPLATES"):
            return Refusal(
                Reason.MEDIA_TYPE_UNSUPPORTED, f"no template for {key!r}, and passthrough is {self._passthrough}"
            )
        return None

    def _override(self, mapped: MappedRequest, overrides: Mapping[str, Any]) -> Refusal | None:
        try:
            return self._overridden(mapped, overrides)
        except Failure as failure:
            return Refusal(Reason.MAPPING_FAILED, f"an override: {failure}")

    def _overridden(self, mapped: MappedRequest, overrides: Mapping[str, Any]) -> Refusal | None:
        for name, value in _entries(overrides, "header"):
            if is_illegal(name, self._type):
                return Refusal(Reason.MAPPING_FAILED, f"the header {name!r} must not be overridden")
            for present in [each for each in mapped.headers if each.lower() == name.lower()]:
                del mapped.headers[present]
            if not is_dropped(name, self._type):
                mapped.headers[name] = ",".join(value)
        for name, value in _entries(overrides, "querystring"):
            mapped.query[name] = value
        for name, value in _entries(overrides, "path"):
            mapped.path[name] = as_path(",".join(value))
        return None


def compile_integration_request(
    *,
    parameters: Mapping[str, str],
    templates: Mapping[str, str],
    passthrough: str,
    handling: str | None,
    facts: ApiFacts,
    stage_variables: Mapping[str, str],
    binary_types: BinaryTypes,
    integration_type: str,
) -> IntegrationRequest | list[str]:
    """Compile the request side of an integration, or say everything that is wrong with it."""
    problems: list[str] = []
    mapping = compile_request_mappings(parameters, stage_variables, integration_type)
    if isinstance(mapping, list):
        problems.extend(mapping)
    compiled = compile_templates(templates, "requestTemplates", facts, problems)
    if passthrough not in PASSTHROUGH_BEHAVIORS:
        problems.append(f"passthroughBehavior is {passthrough!r}, not one of {', '.join(PASSTHROUGH_BEHAVIORS)}")
    if handling not in HANDLINGS:
        problems.append(f"contentHandling is {handling!r}, not CONVERT_TO_BINARY or CONVERT_TO_TEXT")
    if isinstance(mapping, list) or problems:
        return problems
    return IntegrationRequest(
        mapping,
        compiled,
        passthrough,
        handling,
        facts=facts,
        stage_variables=stage_variables,
        binary_types=binary_types,
        integration_type=integration_type,
    )


def _entries(overrides: Mapping[str, Any], place: str) -> list[tuple[str, list[str]]]:
    written = overrides.get(place)
    if not isinstance(written, dict):
        return []
    return [
        (text(from_key(name)), [text(each) for each in (value if isinstance(value, list) else [value])])
        for name, value in written.items()
        if value is not None
    ]
