"""Parameter mappings of HTTP APIs, compiled once: `append:header.x`, `overwrite:path`, `overwrite:statuscode`, …

Developer guide, "Transform API requests and responses for HTTP APIs"; reference 03 section 7. Values are read from the
request or response as it came, never from what another mapping made of it. Mappings apply in their written order.

Not documented, and settled here: a mapping whose only variable has no value is skipped; inside other text, such a
variable is empty; a JSON path finds nothing in a body that is no JSON, which one cut at 100 KB rarely is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from gatewaykit.core.http import HeaderList, Request, header_values
from gatewaykit.core.jsonpath import MISSING, PathProblem, compile_path
from gatewaykit.core.parameter_mapping import context_text, json_text
from gatewaykit.core.payload.headers import field
from gatewaykit.core.payload.uri import as_path, has_dot_segments, raw_as_path
from gatewaykit.core.reasons import Reason, Refusal

__all__ = [
    "MOST_BODY_BYTES", "RequestParameters", "ResponseParameters", "Rewritten", "compile_request_parameters",
    "compile_response_parameters", "is_reserved",
]  # fmt: skip

MOST_BODY_BYTES: Final = 100 * 1024
"""How much of a body a JSON path looks at."""


@dataclass(slots=True)
class Rewritten:
    """A request on its way to the back end. `path` is percent-encoded; None leaves that of the integration."""

    headers: HeaderList
    query: dict[str, list[str]]
    path: str | None = None


class RequestParameters:
    """The `requestParameters` of one integration."""

    __slots__ = ("_changes", "needs_body", "needs_context")

    def __init__(self, changes: Sequence[_Change]) -> None:
        self._changes = tuple(changes)
        self.needs_body = any(change.value.looks_at("request.body") for change in changes)
        self.needs_context = any(change.value.looks_at("context") for change in changes)

    def apply(
        self, request: Request, context: Mapping[str, Any], headers: HeaderList, query: Mapping[str, list[str]]
    ) -> Rewritten | Refusal:
        """What goes to the back end instead of these headers and this query. Its body must have been read if needed."""
        facts = _Facts(request, context)
        rewritten = Rewritten(list(headers), {name: list(values) for name, values in query.items()})
        for change in self._changes:
            if change.place == "path":
                path = change.value.path(facts)
                if path is not None and has_dot_segments(path):
                    return Refusal(Reason.MALFORMED_REQUEST, "dot segments could lead out of the mapped path")
                rewritten.path = rewritten.path if path is None else "/" + path.lstrip("/")
            elif change.place == "querystring":
                _change_query(rewritten.query, change, facts)
            elif (refusal := _change_headers(rewritten.headers, change, facts)) is not None:
                return refusal
        return rewritten


class ResponseParameters:
    """The `responseParameters` of one integration: mappings for each status that a back end may answer with.

    `needs_request_body` and `needs_context` hold for all of them, because they are asked before the status is known.
    """

    __slots__ = ("_by_status", "needs_context", "needs_request_body")

    def __init__(self, by_status: Mapping[int, Sequence[_Change]]) -> None:
        self._by_status = dict(by_status)
        values = [change.value for changes in by_status.values() for change in changes]
        self.needs_request_body = any(value.looks_at("request.body") for value in values)
        self.needs_context = any(value.looks_at("context") for value in values)

    def needs_body(self, status: int) -> bool:
        """Do the mappings for this status look into the response's body?"""
        return any(change.value.looks_at("response.body") for change in self._by_status.get(status, ()))

    def apply(
        self, request: Request, context: Mapping[str, Any], status: int, headers: HeaderList, body: bytes
    ) -> tuple[int, HeaderList] | Refusal:
        """Status and headers for the client. `body` may be empty unless it is needed."""
        facts = _Facts(request, context, headers, body)
        changed, fields = status, list(headers)
        for change in self._by_status.get(status, ()):
            if change.place == "statuscode":
                text = change.value.text(facts)
                if text is None:
                    continue
                if not _STATUS.fullmatch(text):
                    return Refusal(Reason.MAPPING_FAILED, f"{text!r:.100} is mapped to the status and is none")
                changed = int(text)
            elif (refusal := _change_headers(fields, change, facts)) is not None:
                return refusal
        return changed, fields


def compile_request_parameters(
    parameters: Mapping[str, str], stage_variables: Mapping[str, str]
) -> RequestParameters | list[str]:
    """Compile mappings of requests, or say what is wrong with each."""
    problems: list[str] = []
    changes = _changes(parameters, _REQUEST_TARGET, "request", stage_variables, problems)
    return problems or RequestParameters(changes)


def compile_response_parameters(
    parameters: Mapping[str, Mapping[str, str]], stage_variables: Mapping[str, str]
) -> ResponseParameters | list[str]:
    """Compile mappings of responses, or say what is wrong with each."""
    problems: list[str] = []
    by_status: dict[int, list[_Change]] = {}
    for status, mappings in parameters.items():
        if not _STATUS.fullmatch(status):
            problems.append(f"{status!r:.100} is no status of 200 to 599; each has its own mappings")
            continue
        found: list[str] = []
        by_status[int(status)] = _changes(mappings, _RESPONSE_TARGET, "response", stage_variables, found)
        problems += [f"{status}: {problem}" for problem in found]
    return problems or ResponseParameters(by_status)


def is_reserved(name: str) -> bool:
    """May no mapping touch a header of this name?"""
    return name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES)


# ------------------------------------------------------------------------------------------------- targets

_TARGET: Final = (
    r"(?P<verb>append|overwrite|remove):(?P<place>{places})\.(?P<name>[^\s{{}}]+)|overwrite:(?P<whole>{whole})"
)
_REQUEST_TARGET: Final = re.compile(_TARGET.format(places="header|querystring", whole="path"))
_RESPONSE_TARGET: Final = re.compile(_TARGET.format(places="header", whole="statuscode"))
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_STATUS: Final = re.compile(r"[2-5][0-9][0-9]", re.ASCII)

_RESERVED: Final = frozenset((
    "authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded", "keep-alive",
    "origin", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via",
))  # fmt: skip
_RESERVED_PREFIXES: Final = ("access-control-", "apigw-", "x-amz-", "x-amzn-")


@dataclass(frozen=True, slots=True)
class _Change:
    """One mapping. `place` is header, querystring, path or statuscode; the last two have no name."""

    verb: str
    place: str
    name: str
    value: _Value


def _changes(
    parameters: Mapping[str, str],
    targets: re.Pattern[str],
    side: str,
    stage_variables: Mapping[str, str],
    problems: list[str],
) -> list[_Change]:
    changes = []
    for key, text in parameters.items():
        target = targets.fullmatch(key)
        if target is None:
            problems.append(f"{key!r:.200} is no target of a mapping; write {_FORMS[side]}")
            continue
        verb, place, name = target["verb"] or "overwrite", target["place"] or target["whole"], target["name"] or ""
        if place == "header" and not re.fullmatch(_TOKEN, name):
            problems.append(f"{key!r:.200}: {name!r:.100} is no name of a header")
            continue
        if place == "header" and is_reserved(name):
            problems.append(f"{key!r:.200}: the header is reserved, no mapping may touch it")
            continue
        if verb == "remove":
            value: _Value | str = _Value(()) if text in ("", "''") else "what is removed takes no value; leave it empty"
        else:
            value = _value(text, side, stage_variables)
        if place == "statuscode" and isinstance(value, _Value) and value.is_static and not _STATUS.fullmatch(text):
            value = f"{text!r:.100} is no status of 200 to 599"
        if isinstance(value, str):
            problems.append(f"{key!r:.200}: {value}")
        else:
            changes.append(_Change(verb, place, name, value))
    return changes


_FORMS: Final = {
    "request": "append, overwrite or remove:header.name or :querystring.name, or overwrite:path",
    "response": "append, overwrite or remove:header.name, or overwrite:statuscode",
}


def _change_query(query: dict[str, list[str]], change: _Change, facts: _Facts) -> None:
    if change.verb == "remove":
        query.pop(change.name, None)
    elif (text := change.value.text(facts)) is not None:
        query[change.name] = [*(query.get(change.name, ()) if change.verb == "append" else ()), text]


def _change_headers(headers: HeaderList, change: _Change, facts: _Facts) -> Refusal | None:
    """Change headers in place; a refusal where a value cannot stand in one."""
    key = change.name.lower().encode()
    text = change.value.text(facts)
    if change.verb == "remove" or (change.verb == "overwrite" and text is not None):
        headers[:] = [pair for pair in headers if pair[0].lower() != key]
    if change.verb == "remove" or text is None:
        return None
    if (pair := field(change.name, text)) is None:
        return Refusal(Reason.MAPPING_FAILED, f"the header {change.name!r} gets a value that no header can hold")
    headers.append(pair)
    return None


# ------------------------------------------------------------------------------------------------- values

_BRACED: Final = re.compile(r"\$\{([^{}]*)\}")
_BARE: Final = re.compile(r"\$(.+)", re.DOTALL)
_CONTEXT: Final = re.compile(r"context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
_STAGE: Final = re.compile(r"stageVariables\.([A-Za-z0-9_]+)")
_PARAMETER: Final = re.compile(r"request\.(?P<place>querystring|path)\.(?P<name>[^\s{}]+)")
_HEADER: Final = re.compile(rf"(?P<side>request|response)\.header\.(?P<name>{_TOKEN})")
_BODY: Final = re.compile(r"(?P<side>request|response)\.body(?P<path>[.\[].+)?", re.DOTALL)
_UNSUPPORTED: Final = re.compile(r"\.\.|\?\s*\(")


class _Facts:
    """What values are read from. A body is parsed at most once."""

    __slots__ = ("_documents", "body", "context", "headers", "request")

    def __init__(
        self, request: Request, context: Mapping[str, Any], headers: HeaderList | None = None, body: bytes = b""
    ) -> None:
        self.request, self.context = request, context
        self.headers, self.body = headers or [], body  # of the response
        self._documents: dict[str, Any] = {}

    def body_of(self, side: str) -> bytes:
        return (self.request.body or b"") if side == "request" else self.body

    def headers_of(self, side: str) -> HeaderList:
        return self.request.header_list if side == "request" else self.headers

    def document(self, side: str) -> Any:
        if side not in self._documents:
            try:
                self._documents[side] = json.loads(self.body_of(side)[:MOST_BODY_BYTES])
            except (ValueError, RecursionError):
                self._documents[side] = MISSING
        return self._documents[side]


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of text, or a variable; the text of one that `is_encoded` is percent-encoded."""

    what: str
    read: Callable[[_Facts], str | None]
    is_encoded: bool = False


@dataclass(frozen=True, slots=True)
class _Value:
    parts: tuple[_Part, ...]

    @property
    def is_static(self) -> bool:
        return all(part.what == "static" for part in self.parts)

    def looks_at(self, what: str) -> bool:
        return any(part.what == what for part in self.parts)

    def text(self, facts: _Facts) -> str | None:
        """The value as plain text; None where its only variable has none."""
        return self._joined(facts, lambda part, text: unquote(text) if part.is_encoded else text)

    def path(self, facts: _Facts) -> str | None:
        """The value as a path, percent-encoded."""
        return self._joined(facts, lambda part, text: raw_as_path(text) if part.is_encoded else as_path(text))

    def _joined(self, facts: _Facts, as_text: Callable[[_Part, str], str]) -> str | None:
        found = [(part, part.read(facts)) for part in self.parts]
        if len(found) == 1 and found[0][1] is None:
            return None
        return "".join(as_text(part, text) for part, text in found if text is not None)


def _value(text: str, side: str, stage_variables: Mapping[str, str]) -> _Value | str:
    """A value as it is written, or why it is none."""
    if _BRACED.search(text) is None:
        if (bare := _BARE.fullmatch(text)) is None:
            return _Value((_static(text),))
        part = _variable(bare[1], side, stage_variables)
        return part if isinstance(part, str) else _Value((part,))
    parts: list[_Part] = []
    for at, piece in enumerate(_BRACED.split(text)):
        found = _variable(piece, side, stage_variables) if at % 2 else _static(piece)
        if isinstance(found, str):
            return found
        if at % 2 or piece:
            parts.append(found)
    return _Value(tuple(parts))


def _static(text: str) -> _Part:
    return _Part("static", lambda facts: text)


def _variable(name: str, side: str, stage_variables: Mapping[str, str]) -> _Part | str:
    """What a variable reads, or why there is none of this name. Requests know nothing of the response."""
    if match := _CONTEXT.fullmatch(name):
        keys = match[1].split(".")
        return _Part("context", lambda facts: context_text(facts.context, keys))
    if match := _STAGE.fullmatch(name):
        variable = stage_variables.get(match[1])
        return _Part("stageVariables", lambda facts: variable)
    if name == "request.path":
        return _Part("request.path", lambda facts: facts.request.raw_path.decode("latin-1"), is_encoded=True)
    if match := _PARAMETER.fullmatch(name):
        key = match["name"]
        if match["place"] == "path":
            return _Part("request.path", lambda facts: facts.request.path_parameters.get(key), is_encoded=True)
        return _Part("request.querystring", lambda facts: _commas(facts.request.query.get(key, [])))
    if (match := _HEADER.fullmatch(name)) and match["side"] in ("request", side):
        return _header(match["side"], match["name"])
    if (match := _BODY.fullmatch(name)) and match["side"] in ("request", side):
        return _body(match["side"], match["path"] or "")
    return f"there is no variable {name!r:.200}"


def _header(of: str, name: str) -> _Part:
    key = name.lower().encode()
    return _Part(
        f"{of}.header",
        lambda facts: _commas([value.decode("latin-1") for value in header_values(facts.headers_of(of), key)]),
    )


def _body(of: str, path_text: str) -> _Part | str:
    if not path_text:
        return _Part(f"{of}.body", lambda facts: facts.body_of(of).decode("utf-8", "replace") or None)
    if _UNSUPPORTED.search(path_text):
        return f"the path {path_text!r:.200} has a recursive descent or a filter; HTTP APIs take neither"
    path = compile_path("$" + path_text)
    if isinstance(path, PathProblem):
        return f"{path_text!r:.200} is no JSONPath: {path.message}"

    def read(facts: _Facts) -> str | None:
        document = facts.document(of)
        return None if document is MISSING else json_text(path.find(document))

    return _Part(f"{of}.body", read)


def _commas(values: Sequence[str]) -> str | None:
    return ",".join(values) if values else None
