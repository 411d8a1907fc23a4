"""What has to hold for a definition, wherever it came from. Every problem is found, not just the first.

The resource tree's rules are the developer guide's, "Known issues", with the texts recorded in rows 134 and 135; the
syntax of mappings is "API Gateway mapping reference".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from gatewaykit.core.reasons import ResponseType
from gatewaykit.definition.model import Definition, GatewayResponse, Integration, Method, Origin
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import Problem

__all__ = ["BAD_COMPRESSION_SIZE", "VERBS", "check_definition"]

VERBS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
BAD_COMPRESSION_SIZE: Final = "Invalid minimum compression size, must be between 0 and 10485760"  # recorded row 137

_TYPES: Final = ("HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "passthrough_behavior": ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"),
    "connection_type": ("INTERNET", "VPC_LINK"),
    "response_transfer_mode": ("BUFFERED", "STREAM"),
}
_CONTENT_HANDLING: Final = ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT")
_GATEWAY_RESPONSES: Final = tuple(kind.type_name for kind in ResponseType)

_VARIABLE: Final = re.compile(r"\{[A-Za-z0-9_.:,-]+\+?\}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_.,:-]+")
_HTTP_URI: Final = re.compile(r"(?:https?://|\$\{stageVariables\.).+", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")
_ARN: Final = re.compile(r"arn:[^:]*:apigateway:[^:]*:([^:]+):(?:path|action)(?:/.*)?", re.DOTALL)
_NOT_PROXIED: Final = (
    "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
)
_PROXIED: Final = re.compile(r"lambda|firehose|x")  # x stands for a placeholder

_NAME: Final = r"[^\s'\"]+"
_ELSEWHERE: Final = rf"context\.{_NAME}|stageVariables\.[A-Za-z0-9_]+|'.*'"
_FROM_METHOD: Final = rf"method\.request\.(?:header|querystring|path|multivalueheader|multivaluequerystring)\.{_NAME}"
_REQUEST_TARGET: Final = re.compile(rf"integration\.request\.(?:header|querystring|path)\.{_NAME}")
_REQUEST_SOURCE: Final = re.compile(rf"{_FROM_METHOD}|method\.request\.body(?:[.\[].*)?|{_ELSEWHERE}", re.DOTALL)
_RESPONSE_TARGET: Final = re.compile(rf"method\.response\.(?:header|multivalueheader)\.{_NAME}")
_RESPONSE_SOURCE: Final = re.compile(
    rf"integration\.response\.(?:(?:header|multivalueheader)\.{_NAME}|body(?:[.\[].*)?)|{_ELSEWHERE}", re.DOTALL
)
_RESPONSE_HEADER: Final = "method.response.header."
_GATEWAY_TARGET: Final = re.compile(
    rf"gatewayresponse\.(?:header\.[!#$%&'*+.^_`|~0-9A-Za-z-]+|(?:querystring|path)\.{_NAME})"
)
_GATEWAY_SOURCE: Final = re.compile(rf"{_FROM_METHOD}|{_ELSEWHERE}", re.DOTALL)


def check_definition(definition: Definition) -> list[Problem]:
    """Every problem of a definition that does not depend on where it will run."""
    return [
        *_check_resources(definition.methods),
        *(problem for method in definition.methods for problem in _check_method(method)),
        *_check_gateway_responses(definition.gateway_responses),
        *_check_root(definition),
    ]


def _check_root(definition: Definition) -> Iterator[Problem]:
    size = definition.minimum_compression_size
    if size is not None and not 0 <= size <= 10485760:
        where = _where(definition.origin, "minimum_compression_size")
        yield Problem(where=where, what=BAD_COMPRESSION_SIZE, why=f"it is {size}")
    where = _where(definition.origin, "api_key_source")
    yield from _one_of(where, "the API key source", definition.api_key_source, ("HEADER", "AUTHORIZER"))
    for media_type in definition.binary_media_types:
        if media_type.count("/") != 1:
            where = _where(definition.origin, "binary_media_types")
            yield Problem(where=where, what=f"{media_type!r} is no media type", mend="Write it as type/subtype")


# ---------------------------------------------------------------------------------------------------- resources


def _check_resources(methods: Iterable[Method]) -> Iterator[Problem]:
    """The resource tree: one variable child per parent, nothing below a greedy one, one method per verb."""
    variables: dict[str, str] = {}  # parent path -> its variable child
    refused: set[str] = set()
    first: dict[tuple[str, str], Method] = {}
    checked: set[str] = set()
    for method in methods:
        where = _where(method.origin, "path") or f"{method.verb} {method.path}"
        if (other := first.setdefault((method.path, method.verb), method)) is not method:
            at = _where(other.origin, "path")
            why = f"a trailing slash makes no difference; the other one stands at {at}" if at else ""
            yield Problem(where=where, what=f"{method.verb} {method.path} is defined twice", why=why)
        if method.path in checked:
            continue
        checked.add(method.path)
        if not method.path.startswith("/"):
            yield Problem(where=where, what=f"the path {method.path!r} has to start with '/'")
            continue
        parent, above, names = "", "", set()
        for segment in method.path[1:].split("/") if method.path != "/" else ():
            here = f"{parent}/{segment}"
            if above.endswith("+}"):
                if here not in refused:
                    refused.add(here)
                    what = f"Cannot create a child of a resource with a greedy path variable: {above}"
                    yield Problem(where=where, what=what, why=f"in {method.path!r}")
                break
            if not _SEGMENT.fullmatch(segment):
                if not _VARIABLE.fullmatch(segment):
                    yield _bad_segment(where, method.path, segment)
                    break
                sibling = variables.setdefault(parent, segment)
                if sibling != segment and here not in refused:
                    refused.add(here)
                    what = f"A sibling ({sibling}) of this resource already has a variable path part"
                    why = f"{segment} in {method.path!r}"
                    yield Problem(where=where, what=f"{what} -- only one is allowed", why=why)
                name = segment.strip("{+}")
                if name in names:
                    yield Problem(where=where, what=f"the path {method.path!r} names the variable {name!r} twice")
                names.add(name)
            parent, above = here, segment


def _bad_segment(where: str, path: str, segment: str) -> Problem:
    if not segment:
        return Problem(where=where, what=f"the path {path!r} has an empty part")
    if "{" in segment or "}" in segment:
        why = "a variable is a whole part of the path, written {name} or {name+}"
    else:
        why = "letters, digits and _ - . , : are allowed"
    return Problem(where=where, what=f"the path {path!r} has the invalid part {segment!r}", why=why)


# ---------------------------------------------------------------------------------------------------- methods


def _check_method(method: Method) -> Iterator[Problem]:
    where = _where(method.origin, "verb") or f"{method.verb} {method.path}"
    if method.verb not in VERBS:
        what = f"Invalid HttpMethod specified. Valid options are {','.join(VERBS)}"
        yield Problem(where=where, what=what, near=near_miss(method.verb, VERBS))
    names: dict[str, str] = {}
    for parameter in method.request_parameters:
        location, _, name = parameter.removeprefix("method.request.").partition(".")
        if names.setdefault(name, location) != location:  # recorded row 24
            what = "Parameter names must be unique across querystring, header and path"
            yield Problem(where=where, what=what, why=f"{name!r} is both in {names[name]} and in {location}")
    if method.integration is not None:
        yield from _check_integration(method.integration, where)
        yield from _check_declared(method, method.integration, where)


def _check_integration(integration: Integration, method_where: str) -> Iterator[Problem]:
    def where(field: str, name: str = "") -> str:
        return _where(integration.origin, field, name) or method_where

    kind = integration.type
    if kind and kind not in _TYPES:
        yield from _one_of(where("type"), "the integration type", kind, _TYPES)
        return
    for field, choices in _CHOICES.items():
        yield from _one_of(where(field), field.replace("_", " "), getattr(integration, field), choices)
    yield from _check_content_handling(where("content_handling"), integration.content_handling)
    if not 50 <= integration.timeout_ms <= 29000:
        what = "timeoutInMillis has to be from 50 to 29000"
        yield Problem(where=where("timeout_ms"), what=what, why=f"it is {integration.timeout_ms}")
    if kind and kind != "MOCK":
        if not integration.http_method:
            what = "Enumeration value for HttpMethod must be non-empty"
            yield Problem(where=where("http_method"), what=what, mend=f"Give the {kind} integration an httpMethod")
        else:
            yield from _one_of(where("http_method"), "httpMethod", integration.http_method, VERBS)
        yield from _check_uri(integration, where("uri"))
    for name, value in integration.request_parameters.items():
        yield from _mapping(where("request_parameters", name), name, value, _REQUEST_TARGET, _REQUEST_SOURCE)
    for response in integration.responses:
        at = _where(response.origin, "content_handling") or method_where
        yield from _check_content_handling(at, response.content_handling)
        for name, value in response.response_parameters.items():
            at = _where(response.origin, "response_parameters", name) or method_where
            yield from _mapping(at, name, value, _RESPONSE_TARGET, _RESPONSE_SOURCE)


def _check_declared(method: Method, integration: Integration, where: str) -> Iterator[Problem]:
    """A header that an integration response maps is one that the method response of its status declares.

    API Gateway refuses to import anything else, in these words. Proxy integrations ignore their responses.
    """
    if integration.type.endswith("_PROXY"):
        return
    for response in integration.responses:
        declared = method.method_responses.get(response.status_code, {}).get("response_parameters", {})
        names = {target.lower() for target in declared}
        for target in response.response_parameters:
            if target.startswith(_RESPONSE_HEADER) and target.lower() not in names:
                yield Problem(
                    where=_where(response.origin, "response_parameters", target) or where,
                    what=f"Invalid mapping expression parameter specified: {target:.200}",
                    why=f"the response {response.status_code} of the operation does not declare this header",
                    mend=f"Add {target.removeprefix(_RESPONSE_HEADER):.200} to the headers of that response",
                )


def _check_uri(integration: Integration, where: str) -> Iterator[Problem]:
    uri = integration.uri
    if integration.type in ("HTTP", "HTTP_PROXY"):
        if not _HTTP_URI.fullmatch(uri) or any(character.isspace() for character in uri):
            yield Problem(where=where, what="Invalid HTTP endpoint specified for URI", why=f"it is {uri!r:.200}")
        return
    arn = _PLACEHOLDER.sub("x", uri)
    if not arn.startswith("arn:"):
        yield Problem(where=where, what="Invalid ARN specified in the request", why=f"it is {uri!r:.200}")
    elif not (match := _ARN.fullmatch(arn)):
        mend = "Write arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations"
        yield Problem(where=where, what="AWS ARN for integration must contain path or action", mend=mend)
    elif integration.type == "AWS_PROXY" and not _PROXIED.fullmatch(match[1]):
        yield Problem(where=where, what=_NOT_PROXIED, why=f"the ARN names {match[1]}")


def _check_content_handling(where: str, value: str | None) -> Iterator[Problem]:
    if value is not None:
        yield from _one_of(where, "content handling", value, _CONTENT_HANDLING)


def _mapping(where: str, name: str, value: str, target: re.Pattern[str], source: re.Pattern[str]) -> Iterator[Problem]:
    if not target.fullmatch(name):
        yield Problem(where=where, what=f"{name!r:.200} is no target of a mapping here", mend=_form(target))
    if not source.fullmatch(value):
        mend = "Put static text in single quotes" if "." not in value else ""
        what = f"{value!r:.200} is no source of a mapping here"
        yield Problem(where=where, what=what, why=f"for {name!r:.200}", mend=mend)


def _form(target: re.Pattern[str]) -> str:
    forms = {
        _REQUEST_TARGET: "integration.request.{header|querystring|path}.name",
        _RESPONSE_TARGET: "method.response.header.name",
        _GATEWAY_TARGET: "gatewayresponse.header.name",
    }
    return f"Write {forms[target]}"


# ---------------------------------------------------------------------------------------------------- the rest


def _check_gateway_responses(responses: Iterable[GatewayResponse]) -> Iterator[Problem]:
    for response in responses:
        yield from _one_of(
            _where(response.origin, "type"), "the gateway response type", response.type, _GATEWAY_RESPONSES
        )
        for name, value in (response.response_parameters or {}).items():
            at = _where(response.origin, "response_parameters", name)
            yield from _mapping(at, name, value, _GATEWAY_TARGET, _GATEWAY_SOURCE)


def _one_of(where: str, what: str, value: str, choices: Collection[str]) -> Iterator[Problem]:
    if value not in choices:
        near = near_miss(value, choices)
        known = "" if near else f"Valid are {', '.join(choices)}"
        yield Problem(where=where, what=f"{what} {value!r:.100} is not known", near=near, mend=known)


def _where(origin: Origin, field: str, name: str = "") -> str:
    """Where a field stands, or the entry `name` of it; the object itself where the field is not written."""
    places = origin.fields.get(field, ())
    if name:
        ending = "/" + name.replace("~", "~0").replace("/", "~1")
        for place in places:
            if place.pointer.endswith(ending):
                return str(place)
    return str(places[0] if places else origin.place)
