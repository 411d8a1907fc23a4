"""Policies that a REST definition has by itself: its validators, and what stands where keys are needed and none is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.validation import compile_validator
from gatewaykit.errors import ConfigError
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.definition.ledger import Ledger
    from gatewaykit.definition.model import Method

__all__ = ["NoKeys", "validator_of"]


class NoKeys(Policy):
    """Stands where a method needs an API key and none is bound."""

    name = phase = "api_key"

    def on_request(self, request: Request) -> Refusal:
        if request.headers.get(b"x-api-key"):
            return Refusal(Reason.API_KEY_UNKNOWN, "this method needs an API key, and none is bound to this gateway")
        return Refusal(Reason.API_KEY_MISSING, "this method needs an API key (header x-api-key)")


class _Validate(Policy):
    name = phase = "validate"

    def __init__(self, check: Callable[[Request], Request | Refusal], reads_body: bool) -> None:
        self.on_request, self.reads_body = check, reads_body


def validator_of(method: Method, ledger: Ledger) -> Policy | None:
    """What a method's request validator checks; None where that is nothing. Raises ConfigError."""
    validator = method.request_validator
    if validator is None:
        return None
    parameters, body = validator.validate_request_parameters, validator.validate_request_body
    if not parameters and not body:
        return None
    models = method.request_models if body else {}
    compiled = compile_validator(
        method.request_parameters if parameters else {},
        {content_type: model.schema for content_type, model in models.items()},
        check_parameters=parameters,
        check_body=body,
        where=f"{method.origin.place}: {method.verb} {method.path}",
    )
    if isinstance(compiled, tuple):
        raise ConfigError(compiled)
    for content_type, model in models.items():
        nothing = [place for place in compiled.ignored if place.startswith(f"{content_type}#")]
        if nothing:
            why = f"API Gateway does not look at {', '.join(place.partition('#')[2] for place in nothing)} either"
            ledger.approximate(model, "schema", why)
    return _Validate(compiled.check, compiled.reads_body)
