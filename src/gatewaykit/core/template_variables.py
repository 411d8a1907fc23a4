"""What mapping templates see: `$input`, `$util`, `$context` and `$stageVariables`.

Developer guide, "Mapping template and access logging variable reference"; reference 03 sections 1 to 4. The overrides a
template wrote are in the context dict afterwards, under `requestOverride` and `responseOverride`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import quote_plus, unquote_plus

from gatewaykit.core.jsonpath import MISSING, Path, PathProblem, TooMuch, compile_path
from gatewaykit.core.vtl.values import Failure, HostObject, OnceMap, SilentMap, list_to_json, text, to_json

__all__ = ["Input", "Parameters", "Params", "Util", "escape_javascript", "parse_json", "variables"]

EMPTY_BODY: Final = "{}"
"""What an empty body is: `$input.body` is recorded (reference 08 row 31), and a GET's `$input.json('$')` shows as `{}`
in the events that the console's own template makes."""

NO_MATCH: Final = '""'
"""What `$input.json` gives for a path that finds nothing (reference 03 section 1)."""


class Parameters(Protocol):
    """Request parameters by kind, decoded, one value each. Headers as `core.payload.headers.readable_headers` has them:
    without those that templates cannot see (reference 08 row 89)."""

    @property
    def path(self) -> Mapping[str, str]: ...
    @property
    def querystring(self) -> Mapping[str, str]: ...
    @property
    def header(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters that are known beforehand."""

    path: Mapping[str, str] = field(default_factory=dict)
    querystring: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)


def variables(
    body: str,
    params: Parameters,
    context: dict[str, Any],
    stage_variables: Mapping[str, str],
    only_reads: bool = False,
) -> dict[str, object]:
    """The variables of one rendering. `context` is used as it is: overrides are written into it.

    `only_reads` is what the template says of itself. Most do: then there need be no room for overrides, nor a copy of
    the stage variables, which the next request has too.
    """
    if not only_reads:
        _prepare(context)
        stage_variables = {**stage_variables}
    return {
        "input": Input(body, params),
        "util": UTIL,
        "context": context,
        "stageVariables": stage_variables if type(stage_variables) is dict else dict(stage_variables),
    }


def _prepare(context: dict[str, Any]) -> None:
    """Make room for overrides, each of which may be set once, and let `$context.identity` print as nothing."""
    if "requestOverride" not in context:
        context["requestOverride"] = {"header": OnceMap(), "querystring": OnceMap(), "path": OnceMap()}
    if "responseOverride" not in context:
        context["responseOverride"] = OnceMap(header=OnceMap())
    if type(context.get("identity")) is dict:
        context["identity"] = SilentMap(context["identity"])


# ------------------------------------------------------------------------------------------------------ $input


class _Unread:
    """Marks a body that nobody has parsed yet."""


_UNREAD: Final = _Unread()


class Input(HostObject):
    """`$input`. The body is parsed when a path first asks for it, once."""

    __slots__ = ("_all", "_parsed", "_raw", "params")

    def __init__(self, body: str, params: Parameters) -> None:
        self._raw = body
        self.params = params
        self._parsed: Any = _UNREAD
        self._all: dict[str, dict[str, str]] | None = None

    def body(self) -> str:
        return self._raw or EMPTY_BODY

    def template_property(self, name: str) -> object:
        return self.body() if name == "body" else None

    def path(self, text: str) -> object:
        path = _compiled(text)
        document = self._parsed
        if document is _UNREAD:
            document = self._parsed = _document(self._raw or EMPTY_BODY)
        if document is MISSING:
            return None
        try:
            found = path.search(document)
        except TooMuch:
            raise _too_much(text) from None
        return None if found is MISSING else found

    def json(self, text: str) -> str:
        """JSON text of what is found."""
        path = _compiled(text)
        document = self._parsed
        if document is _UNREAD:
            document = self._parsed = _document(self._raw or EMPTY_BODY)
        if document is MISSING:
            return NO_MATCH
        try:
            found = path.search(document)
        except TooMuch:
            raise _too_much(text) from None
        if found is MISSING:
            return NO_MATCH
        return to_json(found) if path.is_definite else list_to_json(found)

    def param(self, name: object = None) -> object:
        """All parameters by kind, or one by name: path first, then query string, then header. "" when there is none."""
        kinds = self.params
        if name is None:
            if self._all is None:
                self._all = {"path": {**kinds.path}, "querystring": {**kinds.querystring}, "header": {**kinds.header}}
            return self._all
        if type(name) is not str:
            raise TypeError
        if name in (path := kinds.path):
            return path[name]
        if name in (querystring := kinds.querystring):
            return querystring[name]
        return kinds.header.get(name, "")

    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        "json": json,
        "path": path,
        "params": param,
        "getBody": body,
    }


def _too_much(text: str) -> Failure:
    return Failure(f"the JSONPath {text!r} is too much work for this body")


@lru_cache(maxsize=2048)
def _compiled(text: str) -> Path:
    if type(text) is not str:
        raise TypeError
    path = compile_path(text)
    if isinstance(path, PathProblem):
        raise Failure(f"the JSONPath {text!r}: {path.message} at {path.position}")
    return path


def _document(body: str) -> Any:
    """What paths look into. A body that does not begin as JSON does, such as a form, is a text: `$` is all of it.

    Templates for forms rely on it, those of Lambda's blueprints (`{"body": $input.json("$")}`) and of the Serverless
    Framework (`$input.path('$').split('&')`) among them.
    """
    document = parse_json(body)
    return body if document is MISSING and body.lstrip()[:1] not in _JSON_STARTS else document


_JSON_STARTS: Final = ("", "{", "[", '"', "'")  # as for parameter mappings (reference 03 section 6)


def parse_json(body: str) -> Any:
    """The value of JSON text, or MISSING where it is none (NaN and Infinity are none)."""
    try:
        value, end = _SCAN(body, 0)
        if end == len(body):
            return value
    except StopIteration:  # blanks before it, or no value at all
        pass
    except (ValueError, RecursionError):
        return MISSING
    try:
        return _DECODER.decode(body)
    except (ValueError, RecursionError):
        return MISSING


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = vars(_DECODER)[
    "scan_once"
]  # without a look for blanks round the value, of which most bodies have none


# ------------------------------------------------------------------------------------------------------- $util


def escape_javascript(value: str) -> str:
    """Quotes of both kinds and backslashes get a backslash, control and non-ASCII characters become escapes.

    That `'` becomes `\\'` is API Gateway's own (reference 08 row 42); it is no JSON. `/` stays as it is.
    """
    return _escape_javascript(UTIL, value)


def _escape_javascript(util: object, value: object) -> str:
    shown = value if type(value) is str else text(value)
    if not (shown.isascii() and shown.isprintable()):
        return _ESCAPED.sub(_escape, shown)
    if '"' in shown or "'" in shown or "\\" in shown:
        return shown.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    return shown


class Util(HostObject):
    """`$util`. An undefined argument is the empty string."""

    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        "escapeJavaScript": _escape_javascript,
        "parseJson": lambda util, value: _parsed(text(value)),
        "urlEncode": lambda util, value: url_encode(text(value)),
        "urlDecode": lambda util, value: url_decode(text(value)),
        "base64Encode": lambda util, value: base64.b64encode(_bytes(text(value))).decode("ascii"),
        "base64Decode": lambda util, value: _decoded(text(value)),
    }
    takes_anything: ClassVar[frozenset[str]] = frozenset(methods)


UTIL: Final = Util()


def _parsed(value: str) -> object:
    parsed = parse_json(value)
    if parsed is MISSING:
        raise Failure("parseJson() of what is not JSON")
    return parsed


def _bytes(value: str) -> bytes:
    """UTF-8, as Java writes it: half a surrogate pair becomes a question mark."""
    return value.encode("utf-8", "replace")


def url_encode(value: str) -> str:
    """As `java.net.URLEncoder`: form style, `*` kept and `~` not."""
    return quote_plus(_bytes(value), safe="*").replace("~", "%7E")


def url_decode(value: str) -> str:
    if _BROKEN_PERCENT.search(value):
        raise Failure("urlDecode() of a broken percent escape")
    return unquote_plus(value)


_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9a-fA-F]{2})")


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise Failure("base64Decode() of what is not base64") from None


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if short := _SHORT.get(character):
        return short
    code = ord(character)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"
    return f"\\u{code:04X}"


_ESCAPED: Final = re.compile(r"[^ !#-&(-\[\]-~]")
_SHORT: Final = {
    "\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\", "'": "\\'",
}  # fmt: skip
