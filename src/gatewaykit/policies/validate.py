"""`validate(...)`: required parameters, and bodies that match a JSON schema.

Developer guide, "Request validation for REST APIs". Parameters are checked first; on a WebSocket handshake they are all
that is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from gatewaykit.core.validation import DEFAULT_MODEL, Validator, compile_validator
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.ports import Runtime

__all__ = ["Validate", "validate"]

_DRAFTS: Final = (4, 6, 7)
_PREFIX: Final = "method.request."
_LOCATIONS: Final = {"header": "header", "path": "path", "query": "querystring", "querystring": "querystring"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validate(Policy):
    """A compiled request validator; made by `validate`."""

    phase = "validate"

    validator: Validator
    max_body_bytes: int | None = None

    def bind(self, runtime: Runtime) -> Policy:
        reads = self.validator.reads_body and (self.max_body_bytes or True)
        return Bound("validate", on_request=self.validator.check, reads_body=reads)


def validate(
    *,
    parameters: Sequence[str] = (),
    body: Mapping[str, Any] | bool | None = None,
    draft: Literal[4, 6, 7] = 7,
    max_body_bytes: int | None = None,
) -> Validate:
    """Refuse (400) requests that lack a parameter, or whose JSON body does not match its schema.

    `parameters` are names with their place: `"header.x-trace"`, `"query.page"`, `"path.id"` (or as API Gateway writes
    them, `"method.request.querystring.page"`). A blank value counts as missing.

    `body` is a JSON schema for every body, or schemas by content type, with `"$default"` for the others; a body of a
    type without a schema is not checked. An empty body is checked as `{}`. Drafts 4, 6 and 7 are supported, by
    `$schema` or `draft`; a keyword or format that would not be enforced is a ConfigError. The extra `fast` makes
    accepting faster and changes no verdict. The client sees
    `Invalid request body`, the operator what did not match. `max_body_bytes` is the most that is read.

    >>> from gatewaykit import validate
    >>> order = validate(
    ...     parameters=["header.idempotency-key"],
    ...     body={"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}},
    ... )
    """
    problems: list[Problem] = []
    if isinstance(parameters, str):
        problems.append(
            Problem(where="validate.parameters", what="one text, not a list", mend=f"Write [{parameters!r}]")
        )
        parameters = ()
    required: dict[str, bool] = {}
    for name in parameters:
        place, _, rest = str(name).removeprefix(_PREFIX).partition(".")
        if place in _LOCATIONS and rest:
            required[f"{_PREFIX}{_LOCATIONS[place]}.{rest}"] = True
        else:
            near, mend = near_miss(place, _LOCATIONS), "Write header.…, query.… or path.…"
            problems.append(Problem(where="validate.parameters", what=f"{name!r} names no place", near=near, mend=mend))
    if not parameters and body is None and not problems:
        problems.append(Problem(where="validate", what="nothing to check", mend="Give parameters= or body="))
    if max_body_bytes is not None and (
        isinstance(max_body_bytes, bool) or not isinstance(max_body_bytes, int) or max_body_bytes < 1
    ):
        problems.append(Problem(where="validate.max_body_bytes", what=f"{max_body_bytes!r} is not a number of bytes"))
    if draft not in _DRAFTS:
        problems.append(Problem(where="validate.draft", what=f"{draft!r} is no draft", mend="Write 4, 6 or 7"))
        draft = 7
    validator = compile_validator(required, _by_content_type(body), draft=draft)
    if isinstance(validator, tuple):
        raise ConfigError([*problems, *validator])
    for ignored in validator.ignored:
        content_type, _, pointer = ignored.partition("#")
        where = f"validate.body[{content_type}]#{pointer}"
        problems.append(Problem(where=where, what="would not be enforced", why=f"draft {draft} does not have it"))
    if problems:
        raise ConfigError(problems)
    return Validate(validator=validator, max_body_bytes=max_body_bytes)


def _by_content_type(body: Mapping[str, Any] | bool | None) -> Mapping[str, Any]:
    if body is None:
        return {}
    if isinstance(body, Mapping) and body and all("/" in name or name == DEFAULT_MODEL for name in body):
        return body
    return {DEFAULT_MODEL: body}
