"""Parameter mappings of REST integrations, compiled once (reference 03 section 6; rows 86-94 and 101-103).

A source that has no value maps nothing; a single-value source takes the last value. A header that API Gateway refuses
to map fails the request when it would be sent, as recorded (rows 91 and 92).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from gatewaykit.core.http import HeaderList, Request, header_values
from gatewaykit.core.jsonpath import MISSING, PathProblem, compile_path
from gatewaykit.core.payload.headers import NEVER_READABLE
from gatewaykit.core.payload.uri import as_path, raw_as_path
from gatewaykit.core.reasons import Reason, Refusal

__all__ = [
    "MappedRequest", "RequestMapping", "ResponseMapping", "compile_request_mappings", "compile_response_mappings",
    "context_text", "is_dropped", "is_illegal", "json_text",
]  # fmt: skip


class MappedRequest:
    """What mappings make of a request: header and query values as plain text, path values percent-encoded.

    Header values are checked where they become header fields (`core.payload.headers.field`), and only there.
    """

    __slots__ = ("headers", "path", "query")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.query: dict[str, list[str]] = {}
        self.path: dict[str, str] = {}


class RequestMapping:
    """The request mappings of one integration. `needs_body` and `needs_context` say what `apply` will look at."""

    __slots__ = ("_entries", "_type", "needs_body", "needs_context")

    def __init__(self, entries: tuple[_Entry, ...], integration_type: str) -> None:
        self._entries, self._type = entries, integration_type
        self.needs_body = any(entry.source.place == "body" for entry in entries)
        self.needs_context = any(entry.source.place == "context" for entry in entries)

    def apply(self, request: Request, context: Mapping[str, Any]) -> MappedRequest | Refusal:
        """The mapped values of a request. `context` is its `$context`; it may be empty unless `needs_context`."""
        mapped = MappedRequest()
        if not self._entries:
            return mapped
        facts = _Facts(request, context)
        for entry in self._entries:
            value = entry.source.read(facts)
            if value is None:
                continue
            if isinstance(value, Refusal):
                return value
            from_path = entry.source.place == "path"  # a path parameter is the only value that is still percent-encoded
            if entry.place == "path":
                text = ",".join(value) if isinstance(value, list) else value
                mapped.path[entry.name] = raw_as_path(text) if from_path else as_path(text)
                continue
            values = [unquote(each) if from_path else each for each in (value if isinstance(value, list) else [value])]
            if entry.place == "querystring":
                mapped.query[entry.name] = values
                continue
            text = ",".join(values)
            if is_illegal(entry.name, self._type):
                return Refusal(Reason.MAPPING_FAILED, f"the header {entry.name!r} must not be mapped to a request")
            elif not is_dropped(entry.name, self._type):
                mapped.headers[entry.name] = text
        return mapped


class ResponseMapping:
    """The response mappings of one integration response: header name -> source."""

    __slots__ = ("_entries", "needs_context")

    def __init__(self, entries: tuple[_Entry, ...]) -> None:
        self._entries = entries
        self.needs_context = any(entry.source.place == "context" for entry in entries)

    def apply(self, headers: HeaderList, body: bytes, context: Mapping[str, Any]) -> dict[str, str] | Refusal:
        """The headers that reach the client, before renaming."""
        mapped: dict[str, str] = {}
        if not self._entries:
            return mapped
        facts = _Facts(Request("", "", headers=headers, body=body), context)
        for entry in self._entries:
            value = entry.source.read(facts)
            if value is None:
                continue
            if isinstance(value, Refusal):
                return Refusal(Reason.MAPPING_FAILED, f"header {entry.name!r} needs the response body as JSON")
            mapped[entry.name] = ",".join(value) if isinstance(value, list) else value
        return mapped


def compile_request_mappings(
    mappings: Mapping[str, str], stage_variables: Mapping[str, str], integration_type: str
) -> RequestMapping | list[str]:
    """Compile `integration.request.{header|querystring|path}.name` -> source, or say what is wrong with each."""
    problems: list[str] = []
    entries = []
    for target, expression in mappings.items():
        match = _REQUEST_TARGET.fullmatch(target)
        if match is None:
            problems.append(
                f"{target!r} is no mapping target; write integration.request.{{header|querystring|path}}.name"
            )
            continue
        source = _source(
            expression, "method.request", ("path", "querystring", "multivaluequerystring"), stage_variables
        )
        if isinstance(source, str):
            problems.append(f"{target!r}: {source}")
        else:
            entries.append(_Entry(match["place"], match["name"], source))
    return problems or RequestMapping(tuple(entries), integration_type)


def compile_response_mappings(
    mappings: Mapping[str, str], stage_variables: Mapping[str, str]
) -> ResponseMapping | list[str]:
    """Compile `method.response.header.name` -> source, or say what is wrong with each."""
    problems: list[str] = []
    entries = []
    for target, expression in mappings.items():
        match = _RESPONSE_TARGET.fullmatch(target)
        if match is None:
            problems.append(f"{target!r} is no mapping target; write method.response.header.name")
            continue
        source = _source(expression, "integration.response", (), stage_variables)
        if isinstance(source, str):
            problems.append(f"{target!r}: {source}")
        else:
            entries.append(_Entry("header", match["name"], source))
    return problems or ResponseMapping(tuple(entries))


def is_illegal(name: str, integration_type: str) -> bool:
    """Does sending a mapped header of this name fail the request? (rows 91 and 92)"""
    return name.lower() in (_ILLEGAL_FOR_AWS if integration_type.startswith("AWS") else _ILLEGAL)


def is_dropped(name: str, integration_type: str) -> bool:
    """Is a mapped header of this name silently left out? (row 90)"""
    return not integration_type.startswith("AWS") and name.lower() in _DROPPED_FOR_HTTP


# ---------------------------------------------------------------------------------------------------- sources

_ILLEGAL: Final = frozenset(("content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"))
_ILLEGAL_FOR_AWS: Final = _ILLEGAL | {"authorization", "connection", "expect", "proxy-authenticate", "te"}
_DROPPED_FOR_HTTP: Final = frozenset(("connection", "expect", "proxy-authenticate", "te", "via"))

_NAME: Final = r"[a-zA-Z0-9._$-]+"
_REQUEST_TARGET = re.compile(rf"integration\.request\.(?P<place>header|querystring|path)\.(?P<name>{_NAME})")
_RESPONSE_TARGET = re.compile(rf"method\.response\.header\.(?P<name>{_NAME})")
_CONTEXT = re.compile(r"context\.([a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*)")
_VARIABLE = re.compile(r"stageVariables\.([a-zA-Z0-9_]+)")

_Value: TypeAlias = "str | list[str] | Refusal | None"
_UNREAD: Final = object()


class _Facts:
    """What the sources of one message read; its body is parsed at most once."""

    __slots__ = ("_document", "context", "message")

    def __init__(self, message: Request, context: Mapping[str, Any]) -> None:
        self.message, self.context = message, context
        self._document: Any = _UNREAD

    def body_text(self) -> str:
        return (self.message.body or b"{}").decode("utf-8", "replace")

    def document(self) -> object:
        """The body as JSON where it looks like JSON, else as text; a refusal when it only looks like it (row 102)."""
        if self._document is _UNREAD:
            text = self.body_text()
            self._document = text
            if text.lstrip()[:1] in ("{", "[", '"', "'"):
                try:
                    self._document = json.loads(text)
                except (ValueError, RecursionError) as error:
                    self._document = Refusal(
                        Reason.BODY_MAPPING_INVALID,
                        f"a mapping reads the body and it is no JSON: {error}",
                        message="Invalid JSON in request body",
                    )
        return self._document


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a value comes from: `place` is header, querystring, path, body, context or static."""

    place: str
    read: Callable[[_Facts], _Value]


@dataclass(frozen=True, slots=True)
class _Entry:
    place: str
    name: str
    source: _Source


def _source(
    expression: str, root: str, more_places: tuple[str, ...], stage_variables: Mapping[str, str]
) -> _Source | str:
    if len(expression) > 1 and expression[0] == expression[-1] == "'":
        static = expression[1:-1]
        return _Source("static", lambda facts: static)
    if match := _VARIABLE.fullmatch(expression):
        variable = stage_variables.get(match[1])
        return _Source("static", lambda facts: variable)
    if match := _CONTEXT.fullmatch(expression):
        keys = match[1].split(".")
        return _Source("context", lambda facts: context_text(facts.context, keys))
    if expression == f"{root}.body":
        return _Source("body", _whole_body)
    if expression.startswith(f"{root}.body"):
        return _body_source(expression[len(root) + 5 :])
    places = "|".join(("header", "multivalueheader", *more_places))
    if match := re.fullmatch(rf"{re.escape(root)}\.(?P<place>{places})\.(?P<name>{_NAME})", expression):
        return _parameter_source(match["place"], match["name"], readable=root != "method.request")
    return (
        f"{expression!r} is no source; write {root}.{{{places}|body}}.name, 'text', context.name or stageVariables.name"
    )


def _parameter_source(place: str, name: str, *, readable: bool) -> _Source:
    if place == "path":
        return _Source("path", lambda facts: facts.message.path_parameters.get(name))
    if place == "querystring":
        return _Source("querystring", lambda facts: values[-1] if (values := facts.message.query.get(name)) else None)
    if place == "multivaluequerystring":
        return _Source("querystring", lambda facts: facts.message.query.get(name))
    key = name.lower().encode()
    if key in NEVER_READABLE and not readable:
        return _Source("header", lambda facts: None)
    return _Source("header", _header_source(key, every=place == "multivalueheader"))


def _header_source(key: bytes, *, every: bool) -> Callable[[_Facts], _Value]:
    def read(facts: _Facts) -> _Value:
        values = [value.decode("latin-1") for value in header_values(facts.message.header_list, key)]
        if not values:
            return None
        return values if every else values[-1]

    return read


def _whole_body(facts: _Facts) -> _Value:
    document = facts.document()
    return document if isinstance(document, Refusal) else facts.body_text()


def _body_source(path_text: str) -> _Source | str:
    path_text = path_text.removeprefix(".")
    path = compile_path("$" + path_text if path_text.startswith("[") else f"$.{path_text}")
    if isinstance(path, PathProblem):
        return f"{path_text!r} is no JSONPath: {path.message}"

    def read(facts: _Facts) -> _Value:
        document = facts.document()
        return document if isinstance(document, Refusal) else json_text(path.find(document))

    return _Source("body", read)


def json_text(value: object) -> str | None:
    """What a JSONPath found, as the text of a mapped value; None where it found nothing, or null."""
    if value is MISSING or value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def context_text(context: Mapping[str, Any], keys: list[str]) -> str | None:
    """A variable of `$context`, as the text of a mapped value; None where it has no value of its own."""
    found: Any = context
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    if found is None or isinstance(found, (Mapping, list)):
        return None
    return str(found).lower() if isinstance(found, bool) else str(found)
