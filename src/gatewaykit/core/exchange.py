"""One request on its way through a non-proxy integration, and the templates that see it.

`Exchange` carries what request and response templates share: the parameters, and one `$context` whose overrides live on
from the one to the other (row 35).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from gatewaykit.core.context import ApiFacts, context_of, part_of_context
from gatewaykit.core.http import Request
from gatewaykit.core.parameter_mapping import MappedRequest
from gatewaykit.core.payload.headers import readable_headers
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.template_variables import variables
from gatewaykit.core.vtl import Template, TemplateFailure, TemplateProblem, compile_template

__all__ = ["Exchange", "MappingTemplate", "compile_templates"]

_NOTHING: Final[Mapping[str, Any]] = {}


class Exchange:
    """One request on its way through a non-proxy integration.

    It is the `Parameters` of its templates, too: each kind is read when a template first asks for it.
    """

    __slots__ = (
        "_context", "_facts", "_header", "_path", "_querystring", "body", "mapped", "request", "stage_variables",
    )  # fmt: skip

    body: bytes  # what the integration is sent; it and `mapped` are there once the request is shaped
    mapped: MappedRequest

    def __init__(self, request: Request, facts: ApiFacts, stage_variables: Mapping[str, str]) -> None:
        self.request, self._facts, self.stage_variables = request, facts, stage_variables
        self._context: dict[str, Any] | None = None
        self._path: Mapping[str, str] | None = None
        self._querystring: Mapping[str, str] | None = None
        self._header: Mapping[str, str] | None = None

    @property
    def path(self) -> Mapping[str, str]:
        if self._path is None:
            self._path = {name: unquote(value) for name, value in self.request.path_parameters.items()}
        return self._path

    @property
    def querystring(self) -> Mapping[str, str]:
        if self._querystring is None:
            self._querystring = {name: values[-1] for name, values in self.request.query.items()}
        return self._querystring

    @property
    def header(self) -> Mapping[str, str]:
        if self._header is None:
            self._header = readable_headers(self.request.header_list)
        return self._header

    @property
    def context(self) -> dict[str, Any]:
        """`$context`, built when something first asks for it."""
        if self._context is None:
            self._context = context_of(self.request, self._facts)
        return self._context

    def context_or(self, part: Callable[[Request], dict[str, Any]] | None) -> dict[str, Any]:
        """`$context`; where nothing has asked for all of it yet, a part of it will do for one who reads no more."""
        return self.context if part is None or self._context is not None else part(self.request)

    def overrides(self, which: str) -> Mapping[str, Any]:
        """What templates wrote to `$context.requestOverride` or `.responseOverride`."""
        written = None if self._context is None else self._context.get(which)
        return written if isinstance(written, dict) else _NOTHING


class MappingTemplate:
    """One template of an integration. What can be known of it before a request comes is known."""

    __slots__ = ("_only_reads", "_part_of_context", "_render", "_text")

    def __init__(self, template: Template, facts: ApiFacts) -> None:
        self._render, self._only_reads = template.render, template.only_reads
        self._text = None if "$" in template.text or "#" in template.text else template.text
        names = template.context_names
        self._part_of_context = None if names is None else part_of_context(facts, names)

    def render(self, body: str, exchange: Exchange) -> str | Refusal:
        """Its text for this body, or why it failed. One without references and directives is its own text."""
        if self._text is not None:
            return self._text
        context = exchange.context_or(self._part_of_context)
        rendered = self._render(variables(body, exchange, context, exchange.stage_variables, self._only_reads))
        if isinstance(rendered, TemplateFailure):
            return Refusal(
                Reason.MAPPING_FAILED,
                f"the template failed in line {rendered.line}, column {rendered.column}: {rendered.reason}",
            )
        return rendered


def compile_templates(
    templates: Mapping[str, str], what: str, facts: ApiFacts, problems: list[str]
) -> dict[str, MappingTemplate | None]:
    """Templates by lower-case media type. An empty one counts as one, but fits nothing (reference 01 section 10)."""
    compiled: dict[str, MappingTemplate | None] = {}
    for media_type, source in templates.items():
        template = compile_template(source) if source else None
        if isinstance(template, TemplateProblem):
            problems.append(
                f"{what}[{media_type!r}], line {template.line}, column {template.column}: {template.message}"
            )
        else:
            compiled[media_type.strip().lower()] = None if template is None else MappingTemplate(template, facts)
    return compiled
