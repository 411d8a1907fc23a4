"""Access-log formats: a text with `$context.…` variables, compiled once to a function from a request to one line.

Developer guide, "Set up CloudWatch logging" and "Variables for access logging"; reference 03 section 3, 05 section 5.

* A variable without a value prints `-`.
* A line is one line: the values that a client chose are escaped by the kind of the format, so that no header and no
  path can end a line, leave its quotes or forge a field. JSON formats (they begin with `{`) and free ones use JSON's
  escapes, XML formats (`<`) XML's, CSV quotes the values that need it.
* An API key prints as `*` and its last six characters, as in execution logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from gatewaykit.errors import Problem

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.core.reasons import Refusal

__all__ = ["AWS_FORMATS", "WEB_FORMATS", "Format", "compile_format"]

Read = Callable[["Request"], "str | None"]
"""A variable that takes more than an expression to read. None and "" mean that it has no value."""


@dataclass(frozen=True, slots=True)
class Format:
    """A compiled format. `shows_latency` says whether lines show how long a request took: few do."""

    text: str
    shows_latency: bool
    _writer: Callable[[Callable[[str], object]], Callable[..., None]]

    def writer(self, write: Callable[[str], object]) -> Callable[..., None]:
        """A function that gives `write` the line of a request, without a line feed: `log(request, took_s=0.0)`."""
        return self._writer(write)

    def line(self, request: Request, took_s: float = 0.0) -> str:
        """The line of one request."""
        lines: list[str] = []
        self._writer(lines.append)(request, took_s)
        return lines[0]


AWS_FORMATS: Final[Mapping[str, str]] = {
    "clf": (
        "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
        '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
        "$context.requestId $context.extendedRequestId"
    ),
    "json": (
        '{"requestId":"$context.requestId","extendedRequestId":"$context.extendedRequestId",'
        '"ip":"$context.identity.sourceIp","caller":"$context.identity.caller","user":"$context.identity.user",'
        '"requestTime":"$context.requestTime","httpMethod":"$context.httpMethod",'
        '"resourcePath":"$context.resourcePath","status":"$context.status","protocol":"$context.protocol",'
        '"responseLength":"$context.responseLength"}'
    ),
    "xml": (
        '<request id="$context.requestId"><extendedRequestId>$context.extendedRequestId</extendedRequestId>'
        "<ip>$context.identity.sourceIp</ip><caller>$context.identity.caller</caller>"
        "<user>$context.identity.user</user><requestTime>$context.requestTime</requestTime>"
        "<httpMethod>$context.httpMethod</httpMethod><resourcePath>$context.resourcePath</resourcePath>"
        "<status>$context.status</status><protocol>$context.protocol</protocol>"
        "<responseLength>$context.responseLength</responseLength></request>"
    ),
    "csv": (
        "$context.identity.sourceIp,$context.identity.caller,$context.identity.user,$context.requestTime,"
        "$context.httpMethod,$context.resourcePath,$context.protocol,$context.status,$context.responseLength,"
        "$context.requestId,$context.extendedRequestId"
    ),
}
"""The guide's own formats by name."""

_FOR_AN_APP: Final = (
    ("$context.identity.caller", "-"),
    ("$context.identity.user", "$context.authorizer.principalId"),
    ("$context.resourcePath", "$context.path"),
    (" $context.extendedRequestId", " $context.responseLatency"),
    (",$context.extendedRequestId", ",$context.responseLatency"),
    ('"extendedRequestId":"$context.extendedRequestId"', '"responseLatency":"$context.responseLatency"'),
    (
        "<extendedRequestId>$context.extendedRequestId</extendedRequestId>",
        "<responseLatency>$context.responseLatency</responseLatency>",
    ),
)


def _for_an_app(text: str) -> str:
    for theirs, ours in _FOR_AN_APP:
        text = text.replace(theirs, ours)
    return text


WEB_FORMATS: Final[Mapping[str, str]] = {name: _for_an_app(text) for name, text in AWS_FORMATS.items()}
"""The same, with what an app without resources and IAM users has: the path, the caller, the milliseconds it took."""


def compile_format(text: str, *, where: str = "access_log.format") -> Format | tuple[Problem, ...]:
    """A format, or every variable in it that does not exist."""
    text = " ".join(line.strip() for line in text.splitlines() if line.strip())
    if not text:
        return (Problem(where=where, what="an empty format"),)
    literals, names = _VARIABLE.split(text)[::2], _VARIABLE.split(text)[1::2]
    if not names:
        return (Problem(where=where, what="a format without variables"),)
    problems = []
    for name in names:
        if name not in _EXPRESSIONS and _read(name) is None:
            near = get_close_matches(name, _KNOWN, n=1, cutoff=0.6)
            what = f"$context.{name} is no variable of an access log"
            problems.append(Problem(where=where, what=what, near=f"$context.{near[0]}" if near else ""))
    if problems:
        return tuple(problems)
    return Format(text, "responseLatency" in names, _writer(literals, names, _escape_for(text)))


def _writer(
    literals: list[str], names: list[str], escape: _Escape
) -> Callable[[Callable[[str], object]], Callable[..., None]]:
    """Makes the function that writes lines, which is generated: a loop over the variables takes twice the time.

    Only our own expressions become code; the format's literals are written as constants. Nearly no line has a value to
    escape, so all values that are not our own are looked at together.
    """
    namespace: dict[str, Any] = {"json": json, **_NAMESPACE}
    values, parts, foreign = [], [_constant(literals[0])], []
    for number, (name, literal) in enumerate(zip(names, literals[1:])):
        expression = _EXPRESSIONS.get(name)
        if expression is None:
            namespace[f"read{number}"], expression = _read(name), f"read{number}(request)"
        values.append(f"v{number} = {expression} or '-'" if name not in _NUMBERS else f"v{number} = {expression}")
        parts += (f"{{v{number}}}", _constant(literal))
        if name not in _OUR_OWN:
            foreign.append(f"{{v{number}}}")
    clean = [f"{character!r} not in foreign" for character in escape.special]
    source = [
        "def log(request, took_s=0.0):",
        *(f"    {value}" for value in values),
        f"    foreign = f'{''.join(foreign)}'",
        f"    if foreign.isascii() and foreign.isprintable() and {' and '.join(clean)}:",
        f"        write(f'{''.join(parts)}')",
        "    else:",
        f"        write(escaped({', '.join(f'v{number}' for number in range(len(names)))}))",
    ]

    def escaped(*values: object) -> str:
        written = [
            str(value) if name == "error.messageString" and escape is _JSON else _escaped(str(value), escape)
            for name, value in zip(names, values)
        ]
        return "".join(text for pair in zip(literals, (*written, "")) for text in pair)

    namespace["escaped"] = escaped
    code = compile("\n".join(source), "<access log>", "exec")

    def writer(write: Callable[[str], object]) -> Callable[..., None]:
        bound = {**namespace, "write": write}
        exec(code, bound)  # noqa: S102 - the source holds our own expressions and quoted constants only
        return cast("Callable[..., None]", bound["log"])

    return writer


def _constant(literal: str) -> str:
    """A literal as it stands in the source of a formatted string between single quotes: every character by number."""
    return "".join(f"\\U{ord(character):08x}" for character in literal)


def _escaped(text: str, escape: _Escape) -> str:
    if text.isascii() and text.isprintable() and not any(character in text for character in escape.special):
        return text
    return escape.apply(text)


# ---------------------------------------------------------------------------------------------------- escapes


@dataclass(frozen=True, slots=True)
class _Escape:
    """A way to write any text into a format: the characters that mean something in it, and what is written for them."""

    special: str
    apply: Callable[[str], str]


def _json(value: str) -> str:
    return json.dumps(value)[1:-1].replace("\x7f", "\\u007f")


def _xml(value: str) -> str:
    return "".join(_XML_ENTITIES.get(character, character) if character.isprintable() else "?" for character in value)


def _csv(value: str) -> str:
    value = _json(value).replace('\\"', '""')
    return f'"{value}"' if '"' in value or "," in value else value


_XML_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_JSON: Final = _Escape('"\\', _json)
_XML: Final = _Escape("&<>\"'", _xml)
_CSV: Final = _Escape('"\\,', _csv)


def _escape_for(text: str) -> _Escape:
    if text.startswith("<"):
        return _XML
    return _CSV if text in (AWS_FORMATS["csv"], WEB_FORMATS["csv"]) else _JSON


# ---------------------------------------------------------------------------------------------------- variables

_VARIABLE: Final = re.compile(
    r"\$context\.(authorizer\.(?:claims\.)?[A-Za-z0-9_:/-]*[A-Za-z0-9_]|[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)"
)


def _read(name: str) -> Read | None:
    """A variable that only a deployment knows, from its `$context`, or a fact that an authorizer gave."""
    if name in _FROM_CONTEXT:
        return _from_context(tuple(name.split(".")))
    if name.startswith("authorizer."):
        return _claim(name.removeprefix("authorizer.").removeprefix("claims."))
    return _READS.get(name)


def _claim(name: str) -> Read:
    def read(request: Request) -> str | None:
        value = None if request.identity is None else request.identity.claims.get(name)
        return None if value is None else value if isinstance(value, str) else json.dumps(value, default=str)

    return read


def _from_context(path: tuple[str, ...]) -> Read:
    def read(request: Request) -> str | None:
        value: Any = None if request.context is None else request.context(request)
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return None if value is None or isinstance(value, Mapping) else str(value)

    return read


def _integration(fact: str) -> Read:
    def read(request: Request) -> str | None:
        facts = request.integration
        value = facts.get(fact) if isinstance(facts, Mapping) else None
        return None if value is None else str(value)

    return read


def _error(read: Callable[[Refusal], str | None]) -> Read:
    return lambda request: None if request.refusal is None else read(request.refusal)


def _certificate(fact: str) -> Read:
    return lambda request: None if request.client_cert is None else str(getattr(request.client_cert, fact))


def _iam_user(request: Request) -> str | None:
    return request.identity.principal if request.identity is not None and request.identity.kind == "iam" else None


def _key_id(request: Request) -> str | None:
    return None if request.identity is None else request.identity.key_id


def _key(request: Request) -> str | None:
    value = request.header("x-api-key") if request.api_key is not None else None
    return None if value is None else "*" * max(0, len(value) - 6) + value[-6:]


def _request_time(received_s: float) -> str:
    """The text of a second. That of the latest is kept: the lines that follow are mostly of the same one."""
    second = int(received_s)
    moment = datetime.fromtimestamp(second, timezone.utc)
    text = f"{moment.day:02}/{_MONTHS[moment.month - 1]}/{moment.year}:{moment:%H:%M:%S} +0000"
    _LATEST[0] = float(second), text
    return text


_LATEST: Final = [(-1.0, "")]  # one entry, replaced whole: lines may be written on several threads


class _Statuses(dict[int, str]):
    """Statuses as text: to write a number costs more than to find it. Beyond three digits none is kept."""

    def __missing__(self, status: int) -> str:
        text = str(status)
        if len(text) == 3:
            self[status] = text
        return text


class _Protocols(dict[str, str]):
    """`HTTP/1.1` for `1.1`. Versions are the server's word; of one that no server has, only what is plain is kept."""

    def __missing__(self, version: str) -> str:
        return "HTTP/" + "".join(character for character in version if character.isascii() and character.isalnum())


_PROTOCOLS: Final = _Protocols({version: f"HTTP/{version}" for version in ("1.0", "1.1", "2", "2.0", "3")})
_STATUSES: Final = _Statuses({0: "-"})
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NAMESPACE: Final[dict[str, Any]] = {
    "latest": _LATEST, "protocols": _PROTOCOLS, "request_time": _request_time, "statuses": _STATUSES,
}  # fmt: skip
"""What the expressions call."""

_EXPRESSIONS: Final = {
    "requestId": "request.id",
    "extendedRequestId": "request.extended_id",
    "httpMethod": "request.method",
    "path": "request.raw_path.decode('latin-1')",
    "resourcePath": "request.resource",
    "protocol": "protocols[request.http_version]",
    "requestTime": (
        "(now[1] if 0.0 <= request.received_s - (now := latest[0])[0] < 1.0 else request_time(request.received_s))"
    ),
    "requestTimeEpoch": "int(request.received_s * 1000)",
    "responseLatency": "int(took_s * 1000)",
    "responseLength": "request.sent_bytes",
    "stage": "request.stage",
    "status": "statuses[request.status]",
    "xrayTraceId": "request.trace_id",
    "authorizer.principalId": "(request.identity and request.identity.principal)",
    "domainName": "request.header('host')",
    "identity.sourceIp": "request.address",
    "identity.userAgent": "request.header('user-agent')",
}
"""Variables that are a fact of the request, and how it is read."""

_NUMBERS: Final = frozenset(("requestTimeEpoch", "responseLatency", "responseLength"))
"""Those whose zero is a value."""

_OUR_OWN: Final = _NUMBERS | {"protocol", "requestTime", "status"}
"""Those that hold nothing to escape, whatever was sent."""

_READS: Final[dict[str, Read]] = {
    "identity.apiKey": _key,
    "identity.apiKeyId": _key_id,
    "identity.caller": _iam_user,
    "identity.clientCert.clientCertPem": _certificate("pem"),
    "identity.clientCert.issuerDN": _certificate("issuer_dn"),
    "identity.clientCert.serialNumber": _certificate("serial_number"),
    "identity.clientCert.subjectDN": _certificate("subject_dn"),
    "identity.clientCert.validity.notAfter": _certificate("not_after"),
    "identity.clientCert.validity.notBefore": _certificate("not_before"),
    "identity.user": _iam_user,
    "error.message": _error(lambda refusal: refusal.message or refusal.reason.message),
    "error.messageString": _error(lambda refusal: json.dumps(refusal.message or refusal.reason.message)),
    "error.responseType": _error(lambda refusal: refusal.reason.response_type.type_name),
    "error.validationErrorString": _error(lambda refusal: refusal.facts.get("validationErrorString")),
    "error.reason": _error(lambda refusal: refusal.reason.name),  # ours: the fine reason
    "integration.status": _integration("status"),
    "integration.integrationStatus": _integration("status"),
    "integration.latency": _integration("latency_ms"),
    "integration.error": _integration("error"),
    "integrationStatus": _integration("status"),
    "integrationLatency": _integration("latency_ms"),
    "integrationErrorMessage": _integration("error"),
}

_FROM_CONTEXT: Final = frozenset((
    "accountId", "apiId", "awsEndpointRequestId", "awsEndpointRequestId2", "connectedAt", "connectionId",
    "customDomain.basePathMatched", "customDomain.routingRuleIdMatched", "dataProcessed", "deploymentId",
    "domainPrefix", "endpointType", "eventType", "isCanaryRequest", "messageDirection", "messageId", "resourceId",
    "routeKey", "cipherSuite", "tlsVersion", "wafResponseCode", "webaclArn", "authenticate.error",
    "authenticate.latency", "authenticate.status", "authorize.error", "authorize.latency", "authorize.status",
    "authorizer.error", "authorizer.integrationLatency", "authorizer.integrationStatus", "authorizer.latency",
    "authorizer.requestId", "authorizer.status", "waf.error", "waf.latency", "waf.status",
    "integration.requestId", "integration.responseTransferMode", "integration.timeToAllHeaders",
    "integration.timeToFirstContent", "identity.accessKey", "identity.accountId",
    "identity.cognitoAuthenticationProvider", "identity.cognitoAuthenticationType", "identity.cognitoIdentityId",
    "identity.cognitoIdentityPoolId", "identity.principalOrgId", "identity.userArn", "identity.vpcId",
    "identity.vpceId",
))  # fmt: skip

_KNOWN: Final = (*_EXPRESSIONS, *_READS, *_FROM_CONTEXT)
