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
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.errors import Problem

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["AWS_FORMATS", "WEB_FORMATS", "Format", "compile_format"]

Read = Callable[["Request", float], "str | int | None"]
"""A variable: reads a request, given the seconds it took, and gives a text, a number, or None for no value."""


@dataclass(frozen=True, slots=True)
class Format:
    """A compiled format. `line(request, took_s)` gives the line, without a line feed."""

    text: str
    line: Callable[[Request, float], str]


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
    escape = _escape_for(text)
    literals: list[str] = []
    reads: list[Read] = []
    problems: list[Problem] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        literals.append(text[position : match.start()].replace("%", "%%"))
        position = match.end()
        read = _variable(match[1])
        if read is None:
            near = get_close_matches(match[1], _KNOWN, n=1, cutoff=0.6)
            what = f"$context.{match[1]} is no variable of an access log"
            problems.append(Problem(where=where, what=what, near=f"$context.{near[0]}" if near else ""))
        else:
            reads.append(_ready(read) if match[1] == "error.messageString" and escape is _json else read)
    if problems:
        return tuple(problems)
    template = "%s".join((*literals, text[position:].replace("%", "%%")))
    return Format(text, _line(template, tuple(reads), escape))


def _line(template: str, reads: tuple[Read, ...], escape: Callable[[str], str]) -> Callable[[Request, float], str]:
    def line(request: Request, took_s: float) -> str:
        values: list[str | int] = []
        for read in reads:
            value = read(request, took_s)
            if type(value) is str:
                values.append(escape(value) if value else "-")
            else:
                values.append("-" if value is None else value)
        return template % tuple(values)

    return line


# ---------------------------------------------------------------------------------------------------- escapes


class _Ready(str):
    """A value that needs no escape: a JSON string with its quotes."""

    __slots__ = ()


def _ready(read: Read) -> Read:
    def ready(request: Request, took_s: float) -> str | None:
        value = read(request, took_s)
        return None if value is None else _Ready(value)

    return ready


def _escape_for(text: str) -> Callable[[str], str]:
    if text.startswith("<"):
        return _xml
    if text in (AWS_FORMATS["csv"], WEB_FORMATS["csv"]):
        return _csv
    return _json


def _json(value: str) -> str:
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    return json.dumps(value)[1:-1].replace("\x7f", "\\u007f")


def _xml(value: str) -> str:
    if value.isalnum() and value.isascii():
        return value
    return "".join(_XML.get(character, character) if character.isprintable() else "?" for character in value)


_XML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def _csv(value: str) -> str:
    value = _json(value).replace('\\"', '""')
    return f'"{value}"' if '"' in value or "," in value else value


# ---------------------------------------------------------------------------------------------------- variables

_VARIABLE: Final = re.compile(
    r"\$context\.(authorizer\.(?:claims\.)?[A-Za-z0-9_:/-]*[A-Za-z0-9_]|[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)"
)


def _variable(name: str) -> Read | None:
    if name in _READS:
        return _READS[name]
    if name.startswith("authorizer.claims."):
        return _claim(name.removeprefix("authorizer.claims."))
    if name.startswith("authorizer.") and name not in _FROM_CONTEXT:
        return _claim(name.removeprefix("authorizer."))
    if name in _FROM_CONTEXT:
        return _from_context(tuple(name.split(".")))
    return None


def _claim(name: str) -> Read:
    def read(request: Request, took_s: float) -> str | None:
        value = None if request.identity is None else request.identity.claims.get(name)
        return None if value is None else value if isinstance(value, str) else json.dumps(value, default=str)

    return read


def _from_context(path: tuple[str, ...]) -> Read:
    """A variable that only a deployment knows: it is looked up in its `$context`."""

    def read(request: Request, took_s: float) -> str | None:
        value: Any = request.context
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return None if value is None or isinstance(value, Mapping) else str(value)

    return read


def _integration(fact: str) -> Read:
    def read(request: Request, took_s: float) -> str | int | None:
        facts = request.integration
        value = facts.get(fact) if isinstance(facts, Mapping) else None
        return None if value is None or value == "" else value if isinstance(value, int) else str(value)

    return read


def _header(name: bytes) -> Read:
    def read(request: Request, took_s: float) -> str | None:
        value = request.headers.get(name)
        return None if value is None else value.decode("latin-1")

    return read


def _error(read_refusal: Callable[[Any], str | None]) -> Read:
    return lambda request, took_s: None if request.refusal is None else read_refusal(request.refusal)


def _path(request: Request, took_s: float) -> str:
    return request.raw_path.decode("latin-1")


def _protocol(request: Request, took_s: float) -> str:
    return f"HTTP/{request.http_version}"


def _principal(request: Request, took_s: float) -> str | None:
    return None if request.identity is None else request.identity.principal


def _iam_user(request: Request, took_s: float) -> str | None:
    return request.identity.principal if request.identity is not None and request.identity.kind == "iam" else None


def _key_id(request: Request, took_s: float) -> str | None:
    return None if request.identity is None else request.identity.key_id


def _key(request: Request, took_s: float) -> str | None:
    value = request.headers.get(b"x-api-key") if request.api_key is not None else None
    return None if value is None else "*" * max(0, len(value) - 6) + value[-6:].decode("latin-1")


@lru_cache(maxsize=4)
def _request_time(second: int) -> str:
    moment = datetime.fromtimestamp(second, timezone.utc)
    return f"{moment.day:02}/{_MONTHS[moment.month - 1]}/{moment.year}:{moment:%H:%M:%S} +0000"


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_READS: Final[dict[str, Read]] = {
    "requestId": lambda request, took_s: request.id,
    "extendedRequestId": lambda request, took_s: request.extended_id,
    "httpMethod": lambda request, took_s: request.method,
    "path": _path,
    "resourcePath": lambda request, took_s: request.resource,
    "protocol": _protocol,
    "stage": lambda request, took_s: request.stage,
    "status": lambda request, took_s: request.status or None,
    "responseLength": lambda request, took_s: request.sent_bytes,
    "responseLatency": lambda request, took_s: int(took_s * 1000),
    "requestTime": lambda request, took_s: _request_time(int(request.received_s)),
    "requestTimeEpoch": lambda request, took_s: int(request.received_s * 1000),
    "domainName": _header(b"host"),
    "xrayTraceId": lambda request, took_s: request.trace_id,
    "identity.sourceIp": lambda request, took_s: request.address,
    "identity.userAgent": _header(b"user-agent"),
    "identity.apiKey": _key,
    "identity.apiKeyId": _key_id,
    "identity.caller": _iam_user,
    "identity.user": _iam_user,
    "authorizer.principalId": _principal,
    "error.message": _error(lambda refusal: refusal.message or refusal.reason.message),
    "error.messageString": _error(lambda refusal: json.dumps(refusal.message or refusal.reason.message)),
    "error.responseType": _error(lambda refusal: str(refusal.reason.response_type.type_name)),
    "error.validationErrorString": _error(lambda refusal: refusal.facts.get("validationErrorString")),
    "error.reason": _error(lambda refusal: str(refusal.reason.name)),  # ours: the fine reason
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
    "identity.vpceId", "identity.clientCert.clientCertPem", "identity.clientCert.issuerDN",
    "identity.clientCert.serialNumber", "identity.clientCert.subjectDN", "identity.clientCert.validity.notAfter",
    "identity.clientCert.validity.notBefore",
))  # fmt: skip

_KNOWN: Final = (*_READS, *_FROM_CONTEXT)
