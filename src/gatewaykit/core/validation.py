"""Request validation: required parameters, then the body against the model of its content type.

Developer guide, "Request validation for REST APIs"; recorded rows 14 to 22. Choices where nothing is recorded:

* A parameter counts as sent when its last value is not blank; header names are compared in any casing.
* The model is that of the Content-Type without its parameters, in any casing, else that of `$default`; where there is
  none, the body is not checked. No Content-Type means application/json. An empty body is checked as `{}`.
* JSON is RFC 8259's: UTF-8 (a byte order mark is passed over), no NaN or infinity. Of a name that stands twice in an
  object the last value counts, as in Java's parser, which is what a back end behind it would see.

With the extra `fast`, a body may be accepted without Python's parser and the exact validator ever seeing it. What is
not accepted at once goes their way, so that the extra changes no verdict (`schema_fast`).
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NoReturn

from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.schema_bounds import bound
from gatewaykit.core.schema_errors import explain
from gatewaykit.core.schema_fast import FastYes, compile_fast_yes, is_installed
from gatewaykit.core.schema_guard import GuardedSchema, guard
from gatewaykit.errors import Problem

__all__ = ["DEFAULT_MODEL", "CompiledSchema", "Validator", "compile_schema", "compile_validator", "parse_body"]

DEFAULT_MODEL: Final = "$default"
_JSON: Final = "application/json"
_JSON_FIELD: Final = b"application/json"
_UNPARSABLE: Final = "[Unknown error parsing request body]"
_LOCATIONS: Final = ("header", "path", "querystring")

Check = Callable[[Request], Request | Refusal]


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled validator: `check` is the request hook, `ignored` the places of schemas that mean nothing."""

    check: Check
    reads_body: bool
    ignored: tuple[str, ...] = ()


def compile_validator(
    parameters: Mapping[str, bool],
    models: Mapping[str, object],
    *,
    check_parameters: bool = True,
    check_body: bool = True,
    draft: int = 4,
    where: str = "validate",
    exact_header_names: bool = False,
    fast: bool | None = None,
) -> Validator | tuple[Problem, ...]:
    """A validator, or everything wrong with what it was to be made of.

    `parameters` maps `method.request.{header|path|querystring}.name` to whether it is required; `models` maps content
    types to schemas. `exact_header_names` compares the names of headers with their casing. `fast` says whether to use
    the extra `fast`; None: if it is installed.
    """
    problems: list[Problem] = []
    ignored: list[str] = []
    checks: list[Check] = []
    required = sorted(name for name, needed in parameters.items() if needed) if check_parameters else []
    readers: list[tuple[str, Callable[[Request], bool]]] = []
    for key in required:
        location, _, name = key.removeprefix("method.request.").partition(".")
        if not key.startswith("method.request.") or location not in _LOCATIONS or not name:
            problems.append(Problem(where=f"{where}.parameters", what=f"{key!r} is no request parameter"))
            continue
        readers.append((name, _reader(location, name, exact_header_names)))
    by_type: dict[str, CompiledSchema] = {}
    for content_type, schema in models.items() if check_body else ():
        compiled = compile_schema(schema, draft=draft, where=f"{where}.body[{content_type}]", fast=fast)
        if isinstance(compiled, tuple):
            problems += compiled
        else:
            by_type[content_type.lower()] = compiled
            ignored += (f"{content_type}#{place}" for place in compiled.ignored)
    if problems:
        return tuple(problems)
    if readers:
        checks.append(_checking_parameters(readers))
    if by_type:
        checks.append(_checking_body(by_type))
    return Validator(_both(checks), bool(by_type), tuple(ignored))


# ---------------------------------------------------------------------------------------------------- parameters


def _reader(location: str, name: str, exact_header_names: bool) -> Callable[[Request], bool]:
    """Says whether a parameter was sent with something in it."""
    if location == "querystring":
        return lambda request: bool(request.query.get(name, ("",))[-1].strip())
    if location == "path":
        return lambda request: bool(request.path_parameters.get(name, "").strip())
    field = name.encode("latin-1", "replace")
    if exact_header_names:
        return lambda request: any(key == field and value.strip() for key, value in request.header_list)
    field = field.lower()
    return lambda request: bool(request.headers.get(field, b"").strip())


def _checking_parameters(readers: Iterable[tuple[str, Callable[[Request], bool]]]) -> Check:
    readers = tuple(readers)

    def check(request: Request) -> Request | Refusal:
        for _, present in readers:
            if not present(request):
                break
        else:
            return request
        missing = ", ".join(name for name, present in readers if not present(request))
        message = f"Missing required request parameters: [{missing}]"
        return Refusal(Reason.PARAMETERS_MISSING, message, message=message)

    return check


# ---------------------------------------------------------------------------------------------------- bodies


class CompiledSchema:
    """A compiled schema: `accepts(value)` decides, `explain(value)` says why not.

    `fast`, where there is one, sees from the bytes that a value will be accepted.
    """

    __slots__ = ("_guarded", "accepts", "fast", "ignored")

    def __init__(self, guarded: GuardedSchema, accepts: Callable[[Any], bool], fast: FastYes | None) -> None:
        self._guarded, self.accepts, self.ignored = guarded, accepts, guarded.ignored
        self.fast = fast

    def explain(self, value: Any) -> str:
        try:
            return explain(self._guarded.schema, self._guarded.draft, value)
        except (ArithmeticError, RecursionError):  # a number no float holds; nesting that took the whole stack
            return "[instance is out of bounds]"


def compile_schema(
    schema: object, *, draft: int = 4, where: str = "schema", fast: bool | None = None
) -> CompiledSchema | tuple[Problem, ...]:
    """A schema as a check, or everything wrong with it. `fast` is as in `compile_validator`."""
    import fastjsonschema  # here, so that validators of parameters alone do not load it

    from gatewaykit.core.formats import formats_of

    guarded = guard(schema, draft=draft, where=where)
    if isinstance(guarded, tuple):
        return guarded
    try:
        validate = fastjsonschema.compile(
            guarded.schema, handlers=NoHandlers(), formats=formats_of(guarded.draft), use_default=False,
            detailed_exceptions=False,
        )  # fmt: skip
    except (fastjsonschema.JsonSchemaDefinitionException, SyntaxError, RecursionError) as error:
        return (Problem(where=where, what="the schema cannot be compiled", why=str(error)),)
    begin = bound(getattr(validate, "func", validate).__globals__, guarded)
    refused: type[Exception] = fastjsonschema.JsonSchemaException

    def accepts(value: Any) -> bool:
        if begin is not None:
            begin()
        try:
            validate(value)
        except (refused, ArithmeticError, RecursionError):  # the last two: as in `explain`
            return False
        return True

    use_fast = is_installed() if fast is None else fast
    fast_yes = compile_fast_yes(guarded) if use_fast and begin is None else None  # its library counts nothing
    return CompiledSchema(guarded, accepts, fast_yes)


class NoHandlers(dict[str, Callable[[str], NoReturn]]):
    """Stands for every URL scheme: nothing is ever fetched, even if a reference got past the guard."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __getitem__(self, scheme: str) -> Callable[[str], NoReturn]:
        def refuse(uri: str) -> NoReturn:
            import fastjsonschema

            raise fastjsonschema.JsonSchemaDefinitionException(f"{uri} leaves the document")

        return refuse


def _checking_body(models: Mapping[str, CompiledSchema]) -> Check:
    default = models.get(DEFAULT_MODEL)
    for_json = models.get(_JSON, default)

    def check(request: Request) -> Request | Refusal:
        body = request.body
        if not body and request.kind == "websocket":
            return request  # a handshake has no body
        sent = request.headers.get(b"content-type")
        content_type, model = _JSON, for_json
        if sent and sent != _JSON_FIELD:
            content_type = sent.partition(b";")[0].strip().lower().decode("latin-1")
            model = models.get(content_type, default)
        if model is None:
            return request
        fast = model.fast
        if fast is not None and body:
            try:  # what `says` does with a short body, without the call
                if fast.is_valid(fast.loads(body)) if len(body) <= fast.harmless else fast.says(body):
                    return request
            except ValueError:
                pass  # the exact way has the last word
        try:
            value = parse_body(body) if body else {}
        except (ValueError, RecursionError) as error:
            problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            detail = f"Request body is not valid JSON: {problem}"
            return Refusal(Reason.BODY_NOT_JSON, detail, facts={"validationErrorString": _UNPARSABLE})
        if model.accepts(value):
            return request
        errors = model.explain(value)
        detail = f"Request body does not match model schema for content type {content_type}: {errors}"
        return Refusal(Reason.BODY_INVALID, detail, facts={"validationErrorString": errors})

    return check


def parse_body(body: bytes) -> Any:
    """The value of a JSON text. Raises ValueError (or RecursionError) where it is none."""
    try:
        text = body.decode()
        value, end = _RAW_DECODE(text)
        if end == len(text):
            return value
    except ValueError:
        pass  # a byte order mark, white space in front, or an error that the whole decoder explains
    return _DECODE(body.removeprefix(BOM_UTF8).decode())


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if -inf < number < inf:
        return number
    raise ValueError("a number is too large")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_DECODE: Final = _DECODER.decode
_RAW_DECODE: Final = _DECODER.raw_decode
"""What `_DECODE` does between looking for white space in front and behind."""


def _both(checks: list[Check]) -> Check:
    if not checks:
        return lambda request: request
    if len(checks) == 1:
        return checks[0]
    first, second = checks

    def check(request: Request) -> Request | Refusal:
        answer = first(request)
        return second(request) if answer is request else answer

    return check
