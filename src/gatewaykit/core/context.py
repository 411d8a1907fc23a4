"""`$context`: what API Gateway knows about a request.

Key sets and their order as recorded (rows 40 and 63); formats from the developer guide, "Variables for data
transformations". Built only when something needs it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote_from_bytes

if TYPE_CHECKING:
    from gatewaykit.core.http import Identity, Request

__all__ = ["ApiFacts", "context_of", "part_of_context", "path_text", "resource_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFacts:
    """What is the same for every request of a deployment, fixed at start. The defaults stand in for an AWS account.

    `stage_in_path` says whether `$context.path` begins with the stage, as on the execute-api host, or not, as behind a
    custom domain. `private` is for an API that VPC endpoints alone reach: nobody has an address of the internet.
    """

    account_id: str = "123456789012"
    api_id: str = "local"
    deployment_id: str = "local"
    domain_name: str = ""  # "" is the host that the client names
    region: str = "us-east-1"
    stage: str = "prod"
    stage_in_path: bool = True
    private: bool = False
    context: Callable[[Request], dict[str, Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "context", _maker(self, [*_EXPRESSIONS], *_AUTHORIZER))


def context_of(request: Request, facts: ApiFacts) -> dict[str, Any]:
    """A fresh `$context`, as mappings, templates and Lambda events see it. Templates add what they override."""
    return facts.context(request)


@lru_cache(maxsize=256)
def part_of_context(facts: ApiFacts, names: frozenset[str]) -> Callable[[Request], dict[str, Any]] | None:
    """A function that makes what `$context` has under some names; None where one is not there for every request."""
    return _maker(facts, [*names]) if names <= _EXPRESSIONS.keys() else None


def _maker(facts: ApiFacts, names: Sequence[str], *rest: str) -> Callable[[Request], dict[str, Any]]:
    """The function is generated: most templates want one fact or two, and events all of them."""
    source = [
        "def make(request):",
        *(["    domain = domain_of(request)"] if not facts.domain_name and not _OF_DOMAIN.isdisjoint(names) else []),
        "    context = {",
        *(f"        {name!r}: {_EXPRESSIONS[name]}," for name in names),
        "    }",
        *rest,
        "    return context",
    ]
    namespace: dict[str, Any] = {
        "account_id": facts.account_id, "api_id": facts.api_id, "deployment_id": facts.deployment_id,
        "stage": facts.stage, "before_path": f"/{facts.stage}" if facts.stage_in_path else "",
        "domain": _split(facts.domain_name), "domain_of": _domain_of, "authorizer_of": _authorizer,
        "identity_of": _identity, "path_text": path_text, "request_time": _request_time, "resource_id": resource_id,
    }  # fmt: skip
    exec("\n".join(source), namespace)  # noqa: S102 - the source holds our own names and expressions only
    return cast("Callable[[Request], dict[str, Any]]", namespace["make"])


def path_text(request: Request) -> str:
    """The path as sent, still percent-encoded; bytes that are not ASCII are percent-encoded too."""
    try:
        return request.raw_path.decode("ascii")
    except UnicodeDecodeError:
        return quote_from_bytes(request.raw_path, safe=_ASCII)


@lru_cache(maxsize=4096)
def resource_id(resource: str) -> str:
    """A stable stand-in for the six characters that API Gateway gives a resource."""
    number, digits = zlib.crc32(resource.encode("utf-8", "replace")), ""
    for _ in range(6):
        number, digit = divmod(number, 36)
        digits += _BASE36[digit]
    return digits


_EXPRESSIONS: Final = {
    "resourceId": "resource_id(request.resource)",
    "resourcePath": "request.resource",
    "httpMethod": "request.method",
    "extendedRequestId": "request.extended_id",
    "requestTime": "request_time(int(request.received_s))",
    "path": "before_path + path_text(request)",
    "accountId": "account_id",
    "protocol": "'HTTP/1.1'",  # also where the client speaks HTTP/2 (reference 01 section 2)
    "stage": "stage",
    "domainPrefix": "domain[1]",
    "requestTimeEpoch": "int(request.received_s * 1000)",
    "requestId": "request.id",
    "identity": "identity_of(request)",
    "domainName": "domain[0]",
    "deploymentId": "deployment_id",
    "apiId": "api_id",
}
"""The keys in their order, and how each is read."""

_OF_DOMAIN: Final = frozenset(("domainName", "domainPrefix"))
_AUTHORIZER: Final = (
    "    if request.identity is not None and (authorizer := authorizer_of(request.identity)) is not None:",
    "        context['authorizer'] = authorizer",
)
_NO_AUTHORIZER: Final = ("api_key", "iam", "mtls")  # kinds that stand in `$context.identity` alone
_MAX_HOST: Final = 300  # a name has 253 characters at most
_ASCII: Final = bytes(range(0x21, 0x7F))
_BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=8)
def _request_time(second: int) -> str:
    moment = datetime.fromtimestamp(second, timezone.utc)
    return f"{moment.day:02}/{_MONTHS[moment.month - 1]}/{moment.year:04}:{moment:%H:%M:%S} +0000"


def _domain_of(request: Request) -> tuple[str, str]:
    return _domain(request.headers.get(b"host", b"localhost")[:_MAX_HOST])


@lru_cache(maxsize=256)
def _domain(host: bytes) -> tuple[str, str]:
    """The name in a Host field, and its first label."""
    text = host.decode("latin-1")
    return _split(text.rpartition(":")[0] if text.rpartition(":")[2].isdigit() and ":" in text else text)


def _split(domain: str) -> tuple[str, str]:
    return domain, domain.partition(".")[0]


def _identity(request: Request) -> dict[str, Any]:
    user_agent = request.headers.get(b"user-agent")
    identity: dict[str, Any] = {
        "cognitoIdentityPoolId": None,
        "accountId": None,
        "cognitoIdentityId": None,
        "caller": None,
        "sourceIp": request.address,
        "principalOrgId": None,
        "accessKey": None,
        "cognitoAuthenticationType": None,
        "cognitoAuthenticationProvider": None,
        "userArn": None,
        "userAgent": None if user_agent is None else user_agent.decode("latin-1"),
        "user": None,
    }
    caller = request.identity
    if caller is not None and caller.kind == "iam":
        known = identity.keys() - {"sourceIp", "userAgent"}
        identity.update((name, value) for name, value in caller.claims.items() if name in known)
    if caller is not None and caller.key_id is not None:
        # Only its digest is kept: the key itself is where the caller, or the authorizer, gave it.
        identity["apiKey"] = caller.claims.get("usageIdentifierKey") or request.header("x-api-key")
        identity["apiKeyId"] = caller.key_id
    if request.client_cert is not None:
        identity["clientCert"] = request.client_cert.context
    if request.vpc_endpoint is not None:
        identity["vpcId"], identity["vpceId"] = request.vpc_endpoint.vpc or None, request.vpc_endpoint.id
    return identity


def _authorizer(identity: Identity) -> dict[str, Any] | None:
    """`$context.authorizer`: a token's claims under `claims`, a custom authorizer's context beside its principal."""
    if identity.kind in _NO_AUTHORIZER:
        return None
    claims = {name: _claim_text(value) for name, value in identity.claims.items()}
    if identity.kind in ("jwt", "cognito"):
        return {"claims": claims}
    if identity.kind == "lambda":
        return _lambda_authorizer(identity, claims)
    return {"principalId": identity.principal, **claims}


def _lambda_authorizer(identity: Identity, context: dict[str, Any]) -> dict[str, Any]:
    """A Lambda authorizer's context; how long it took stays a number, and the API key is not for integrations."""
    context.pop("usageIdentifierKey", None)
    context.update((name, value) for name, value in identity.claims.items() if name == "integrationLatency")
    return {**context, "principalId": identity.principal} if identity.principal else context


def _claim_text(value: object) -> str | None:
    """Authorizer values reach integrations as text (reference 03 section 3)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, ensure_ascii=False, default=str)
