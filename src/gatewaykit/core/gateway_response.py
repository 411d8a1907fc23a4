"""Gateway responses: the one place where a refusal becomes a response.

Templates are no VTL: `$context.*`, `$stageVariables.*` and `method.request.*` are substituted, nothing else. A type
customised by the user never inherits from DEFAULT_4XX/5XX; any other type takes them over where they are customised.
Developer guide, "Gateway response types"; reference 01 section 4, rows 9-12.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewaykit.core.http import HeaderList, Request, Response
from gatewaykit.core.reasons import Reason, Refusal, ResponseType

__all__ = ["DEFAULT_TEMPLATE", "PAYLOAD_TOO_LARGE", "Customised", "Renderer", "compile_renderer"]

Renderer = Callable[[Request, Refusal], Response]

DEFAULT_TEMPLATE: Final = '{"message":$context.error.messageString}'
PAYLOAD_TOO_LARGE: Final = "HTTP content length exceeded 10485760 bytes."
"""What the front end answers over 10 MB: plain text, not customisable (reference 01 section 2)."""

_PLACEHOLDER = re.compile(
    r"\$(?:\{(?P<braced>(?:context|stageVariables)\.[\w.-]+)\}|(?P<plain>(?:context|stageVariables)\.\w+(?:\.[\w-]+)*))"
    r"|\$\{(?P<braced_method>method\.request\.(?:header|querystring|path)\.[\w.-]+)\}"
    r"|(?<![\w.])\$?(?P<method>method\.request\.(?:header|querystring|path)\.[\w.-]*\w)"
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ACCESS_DENIED: Final = ResponseType.ACCESS_DENIED.error_type
_FRAMING: Final = frozenset(
    b"connection content-length keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
"""Headers that frame a message on its connection: nobody but the server sets those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customised:
    """A gateway response as the user put it; None keeps the default of the type."""

    status: int | None = None
    parameters: Mapping[str, str] | None = None
    templates: Mapping[str, str] | None = None


def compile_renderer(
    customised: Mapping[str, Customised] | None = None,
    *,
    profile: str = "aws",
    context: Callable[[Request, Refusal], Mapping[str, Any]] | None = None,
) -> Renderer:
    """The renderer of one API. `customised` is keyed by response type; `context` gives `$context` where it is needed.

    Under the web profile a refusal's own headers (Retry-After, WWW-Authenticate, RateLimit) are sent, and a client that
    accepts `application/problem+json` gets RFC 9457 problem details.
    """
    customised = customised or {}
    plans = {each: _plan(each, customised) for each in ResponseType}
    ready: dict[Reason, tuple[int, HeaderList, bytes]] = {
        reason: _ready(reason)
        for reason in Reason
        if plans[reason.response_type] is None and profile == "aws" and reason is not Reason.BODY_TOO_LARGE
    }

    def render(request: Request, refusal: Refusal) -> Response:
        reason = refusal.reason
        prepared = ready.get(reason)
        if prepared is not None and (refusal.message, refusal.status, refusal.error_type) == (None, None, None):
            status, headers, body = prepared
            return Response(status, [*headers, *refusal.aws_headers], body)
        if reason is Reason.BODY_TOO_LARGE:
            return Response(413, [(b"content-type", b"text/plain")], (refusal.message or PAYLOAD_TOO_LARGE).encode())
        plan = plans[reason.response_type]
        status = refusal.status or (plan.status if plan is not None and plan.status else reason.status)
        message = refusal.message if refusal.message is not None else reason.message
        error_type = refusal.error_type or reason.error_type
        headers = [(b"x-amzn-errortype", error_type.encode()), *refusal.aws_headers]
        if profile == "web":
            headers.extend(refusal.headers)
            if b"application/problem+json" in request.headers.get(b"accept", b""):
                return Response(
                    status,
                    [(b"content-type", b"application/problem+json"), *headers],
                    _problem(status, message, request),
                )
        if plan is None:
            body = _default_body(error_type, message)
            return Response(status, [(b"content-type", b"application/json"), *headers], body)
        facts = _facts(request, refusal, message, context)
        media_type, template = _choose(plan.templates, request)
        body = _substitute(template, request, facts).encode("utf-8", "replace")
        headers.insert(0, (b"content-type", media_type.encode("utf-8", "replace")))
        return Response(status, _replaced(headers, _rendered(plan, request, facts)), body)

    return render


def _rendered(plan: _Plan, request: Request, facts: Mapping[str, Any]) -> HeaderList:
    headers: HeaderList = []
    for name, value in plan.parameters:
        rendered = value(request, facts)
        if rendered is not None and not any(each in rendered for each in "\r\n\0"):
            headers.append((name, rendered.encode("utf-8", "replace")))
    return headers


def _replaced(headers: HeaderList, own: HeaderList) -> HeaderList:
    """The headers of an answer with the user's own, which replace any of their names."""
    names = {name.lower() for name, _ in own}
    return [*(field for field in headers if field[0] not in names), *own]


@dataclass(frozen=True, slots=True)
class _Plan:
    status: int | None
    parameters: tuple[tuple[bytes, Callable[[Request, Mapping[str, Any]], str | None]], ...]
    templates: Mapping[str, str]


def _plan(response_type: ResponseType, customised: Mapping[str, Customised]) -> _Plan | None:
    own = customised.get(response_type.type_name)
    if own is None:
        own = customised.get("DEFAULT_5XX" if response_type.status >= 500 else "DEFAULT_4XX")
    if own is None:
        return None
    named = ((key.partition("gatewayresponse.header.")[2], value) for key, value in (own.parameters or {}).items())
    parameters = tuple(
        (name.encode(), _parameter(value))
        for name, value in named
        if _NAME.fullmatch(name) and name.lower().encode() not in _FRAMING
    )
    templates = own.templates if own.templates else {"application/json": DEFAULT_TEMPLATE}
    return _Plan(own.status, parameters, templates)


def _parameter(expression: str) -> Callable[[Request, Mapping[str, Any]], str | None]:
    if len(expression) > 1 and expression.startswith("'") and expression.endswith("'"):
        static = expression[1:-1]
        return lambda request, facts: static
    if expression.startswith("method.request."):
        return lambda request, facts: _method_value(request, expression)
    return lambda request, facts: _lookup(facts, expression)


def _ready(reason: Reason) -> tuple[int, HeaderList, bytes]:
    headers = [
        (b"content-type", b"application/json"),
        (b"x-amzn-errortype", reason.error_type.encode()),
    ]
    return reason.status, headers, _default_body(reason.error_type, reason.message)


def _default_body(error_type: str, message: str | None) -> bytes:
    # A denial by policy is spelt with a capital M where no template of the user's applies (reference 01 section 4).
    key = "Message" if error_type == _ACCESS_DENIED else "message"
    return f'{{"{key}":{_quoted(message)}}}'.encode()


def _quoted(message: str | None) -> str:
    return "null" if message is None else json.dumps(message, ensure_ascii=False)


def _problem(status: int, message: str | None, request: Request) -> bytes:
    document: dict[str, Any] = {"type": "about:blank", "status": status, "title": message or "Error"}
    if request.id:
        document["instance"] = f"urn:uuid:{request.id}"
    return json.dumps(document, ensure_ascii=False).encode()


def _facts(
    request: Request,
    refusal: Refusal,
    message: str | None,
    context: Callable[[Request, Refusal], Mapping[str, Any]] | None,
) -> dict[str, Any]:
    error = {
        "message": message,
        "messageString": _quoted(message),
        "responseType": refusal.reason.response_type.type_name,
        **refusal.facts,
    }
    known = (
        dict(context(request, refusal))
        if context is not None
        else {"requestId": request.id, "extendedRequestId": request.extended_id}
    )
    return {"context": {**known, "error": error}, "stageVariables": request.stage_variables}


def _choose(templates: Mapping[str, str], request: Request) -> tuple[str, str]:
    accepted = request.headers.get(b"accept", b"application/json").decode("latin-1").split(",")[0].split(";")[0].strip()
    if accepted in templates:
        return accepted, templates[accepted]
    if "application/json" in templates:
        return "application/json", templates["application/json"]
    return next(iter(templates.items()))


def _substitute(template: str, request: Request, facts: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if expression := match["method"] or match["braced_method"]:
            return _method_value(request, expression) or ""
        return _lookup(facts, match["braced"] or match["plain"]) or ""

    return _PLACEHOLDER.sub(value, template)


def _lookup(facts: Mapping[str, Any], expression: str) -> str | None:
    found: Any = facts
    for part in expression.removeprefix("$").split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    if found is None or isinstance(found, (Mapping, list, tuple)):
        return None
    return str(found).lower() if isinstance(found, bool) else str(found)


def _method_value(request: Request, expression: str) -> str | None:
    place, _, name = expression.removeprefix("method.request.").partition(".")
    if place == "header":
        return request.header(name)
    if place == "querystring":
        values = request.query.get(name)
        return values[-1] if values else None
    return request.path_parameters.get(name)
