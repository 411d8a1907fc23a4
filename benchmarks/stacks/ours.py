"""The stacks made of the public API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.stacks import facts
from gatewaykit import Policy, PolicyMiddleware, Reason, Refusal, access_log, api_key, by, cors, throttle, validate

__all__ = ["CLF", "four", "none", "one", "six", "six_on_core", "validate_exactly"]

CLF = (
    "$context.identity.sourceIp - $context.authorizer.principalId [$context.requestTime] "
    '"$context.httpMethod $context.path $context.protocol" $context.status $context.responseLength'
)
"""The Common Log Format, as the other stacks write it."""


def none() -> Any:
    return PolicyMiddleware(facts.bare, policies=[])


def one() -> Any:
    return PolicyMiddleware(facts.bare, policies=[cors(origins=[facts.ORIGIN])])


def four() -> Any:
    return PolicyMiddleware(facts.bare, policies=_four())


def six() -> Any:
    """With `validate(...)` as it is where the extra `fast` is installed."""
    return PolicyMiddleware(facts.echo, policies=[*_four(), validate(body=facts.SCHEMA), MapBody(facts.TEMPLATE)])


def six_on_core() -> Any:
    """With the libraries that the stacks written by hand have."""
    return PolicyMiddleware(facts.echo, policies=[*_four(), validate_exactly(), MapBody(facts.TEMPLATE)])


def validate_exactly() -> Any:
    """`validate(...)` as it is where the extra `fast` is not installed: with the libraries that the others have."""
    from gatewaykit.core.validation import Validator, compile_validator

    validator = compile_validator({}, {"$default": facts.SCHEMA}, draft=7, fast=False)
    assert isinstance(validator, Validator), validator
    return replace(validate(body=facts.SCHEMA), validator=validator)


def _four() -> list[Any]:
    return [
        access_log(CLF, sink=facts.LINES.append),
        cors(origins=[facts.ORIGIN]),
        api_key({facts.PRINCIPAL: facts.API_KEY}),
        throttle(rate=facts.RATE, burst=facts.BURST, key=by.api_key),
    ]


class MapBody(Policy):
    """A policy of a user's own: what the app gets is what the template makes of the body."""

    name = "map_body"
    reads_body = True

    def __init__(self, template: str) -> None:
        self._map = compile_mapping(template)

    def on_request(self, request: Any) -> Any:
        mapped = self._map(request.body)
        if mapped is None:
            return Refusal(Reason.INTERNAL_ERROR, "the template did not render")
        request.body = mapped
        return request


def compile_mapping(text: str) -> Any:
    """A function from a JSON body to the text of a mapping template; None when it does not render."""
    from gatewaykit.core.template_variables import Params, variables
    from gatewaykit.core.vtl import Template, compile_template

    template = compile_template(text)
    assert isinstance(template, Template), template
    params = Params({}, {}, {})

    def map_body(body: bytes) -> bytes | None:
        rendered = template.render(
            variables(
                body=body.decode(),
                params=params,
                context={},
                stage_variables={},
                only_reads=template.only_reads,
            )
        )
        return rendered.encode() if isinstance(rendered, str) else None

    return map_body
