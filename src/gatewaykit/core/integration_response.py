"""What a client gets from a non-proxy integration: selection, mappings, template, overrides.

Reference 03 sections 4 and 8, 01 sections 6 and 9; rows 36, 83, 84, 93, 95, 97 and 112-118. Patterns are Java regular
expressions that must match the whole value. Where several match, the lowest status wins (unverified, agrees with row
95).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.exchange import Exchange, MappingTemplate, compile_templates
from gatewaykit.core.http import HeaderList, Response
from gatewaykit.core.parameter_mapping import ResponseMapping, compile_response_mappings
from gatewaykit.core.payload.content_handling import HANDLINGS, convert_response
from gatewaykit.core.payload.headers import REMAP_NON_PROXY, field, remap
from gatewaykit.core.payload.media_types import BinaryTypes, first_media_type
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.vtl.java_regex import compile_java_regex
from gatewaykit.core.vtl.safe_regex import matches
from gatewaykit.core.vtl.values import Failure, from_key, text

_JSON: Final = (b"content-type", b"application/json")

__all__ = ["IntegrationResponses", "ResponseSpec", "compile_integration_responses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSpec:
    """One integration response as the definition has it."""

    selection_pattern: str | None
    status_code: str
    parameters: Mapping[str, str]
    templates: Mapping[str, str]
    handling: str | None


@dataclass(frozen=True, slots=True)
class _Compiled:
    pattern: re.Pattern[str] | None
    status: int
    mapping: ResponseMapping
    templates: Mapping[str, MappingTemplate | None]
    first: MappingTemplate | None
    handling: str | None

    def template(self, accept: str | None) -> MappingTemplate | None:
        """By the client's Accept, else for JSON, else the first (reference 01 section 10).

        None leaves the body as it is, and so does an empty template for the type that was chosen (developer guide,
        "API request and response data mapping reference").
        """
        templates = self.templates
        if len(templates) < 2:
            return self.first
        for media_type in (first_media_type(accept) or "application/json", "application/json"):
            if media_type in templates:
                return templates[media_type]
        return self.first


class IntegrationResponses:
    """The integration responses of one integration, compiled."""

    __slots__ = ("_binary_types", "_default", "_patterned")

    def __init__(self, compiled: Sequence[_Compiled], binary_types: BinaryTypes) -> None:
        ordered = sorted(compiled, key=lambda each: each.status)
        self._patterned = tuple((each.pattern, each) for each in ordered if each.pattern is not None)
        self._default = next((each for each in ordered if each.pattern is None), None)
        self._binary_types = binary_types

    def finish(self, exchange: Exchange, value: str | None, headers: HeaderList, body: bytes) -> Response | Refusal:
        """The client's response. `value` is what patterns are matched with: a status, an error message, or None."""
        chosen = self._default
        if value is not None and self._patterned:
            try:
                chosen = next((each for pattern, each in self._patterned if matches(pattern, value)), chosen)
            except Failure as failure:  # an error message may hold what a client sent
                return Refusal(Reason.MAPPING_FAILED, f"the selection of a response: {failure}")
        if chosen is None:
            return Refusal(
                Reason.NO_INTEGRATION_RESPONSE,
                f"no match for output mapping and no default output mapping configured (for {value!r})",
            )
        mapping = chosen.mapping
        mapped = mapping.apply(headers, body, exchange.context if mapping.needs_context else {})
        if isinstance(mapped, Refusal):
            return mapped
        wanted = exchange.request.headers.get(b"accept")
        accept = None if wanted is None else wanted.decode("latin-1")
        payload: str | bytes | Refusal
        if chosen.handling is None and self._binary_types.is_empty:
            payload = body.decode("utf-8", "replace")
        else:
            types = [v.decode("latin-1") for k, v in headers if k.lower() == b"content-type"]
            content_type = types[0] if types else None
            payload = convert_response(body, content_type, accept, chosen.handling, self._binary_types)
            if isinstance(payload, Refusal):
                return payload
        if (template := chosen.template(accept)) is not None:
            if isinstance(payload, bytes):
                return Refusal(Reason.MAPPING_FAILED, "a binary body cannot enter a template; convert it to text first")
            rendered = template.render(payload, exchange)
            if isinstance(rendered, Refusal):
                return rendered
            payload = rendered
        overrides = exchange.overrides("responseOverride")
        answer = (
            _overridden(chosen.status, mapped, overrides) if mapped or overrides else Response(chosen.status, [_JSON])
        )
        if isinstance(answer, Refusal):
            return answer
        answer.body = payload if isinstance(payload, bytes) else payload.encode("utf-8", "replace")
        return answer


def compile_integration_responses(
    specs: Sequence[ResponseSpec], facts: ApiFacts, stage_variables: Mapping[str, str], binary_types: BinaryTypes
) -> IntegrationResponses | list[str]:
    """Compile the integration responses, or say everything that is wrong with them."""
    problems: list[str] = []
    compiled = []
    for spec in specs:
        what = f"the response for {spec.selection_pattern or 'default'!r}"
        found: list[str] = []
        pattern = compile_java_regex(spec.selection_pattern) if spec.selection_pattern else None
        if isinstance(pattern, str):
            found.append(f"its pattern cannot be used as a Java regular expression: {pattern}")
        mapping = compile_response_mappings(spec.parameters, stage_variables)
        if isinstance(mapping, list):
            found.extend(mapping)
        templates = compile_templates(spec.templates, "responseTemplates", facts, found)
        if not re.fullmatch(r"[1-5][0-9][0-9]", spec.status_code):
            found.append(f"statusCode {spec.status_code!r} is none of 100 to 599")
        if spec.handling not in HANDLINGS:
            found.append(f"contentHandling is {spec.handling!r}, not CONVERT_TO_BINARY or CONVERT_TO_TEXT")
        problems.extend(f"{what}: {text}" for text in found)
        if not (found or isinstance(pattern, str) or isinstance(mapping, list)):
            first = next(iter(templates.values()), None)
            compiled.append(_Compiled(pattern, int(spec.status_code), mapping, templates, first, spec.handling))
    return problems or IntegrationResponses(compiled, binary_types)


def _overridden(status: int, mapped: dict[str, str], overrides: Mapping[str, Any]) -> Response | Refusal:
    """Status and headers once `responseOverride` has had its say, names that the gateway keeps for itself renamed."""
    wanted = overrides.get("status")
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 100 <= wanted <= 599:
        status = wanted
    written = overrides.get("header")
    try:
        for key, value in written.items() if isinstance(written, dict) else ():
            if value is not None:
                name = text(from_key(key))
                for present in [each for each in mapped if each.lower() == name.lower()]:
                    del mapped[present]
                mapped[name] = text(value)
    except Failure as failure:
        return Refusal(Reason.MAPPING_FAILED, f"an override: {failure}")
    headers: HeaderList = []
    for name, shown in mapped.items():
        if (pair := field(name, shown)) is None:
            return Refusal(Reason.MAPPING_FAILED, f"the header {name!r} gets a value that no header can hold")
        headers.append(pair)
    headers = remap(headers, REMAP_NON_PROXY)
    if not any(name.lower() == b"content-type" for name, _ in headers):
        headers.append(_JSON)
    return Response(status, headers)
