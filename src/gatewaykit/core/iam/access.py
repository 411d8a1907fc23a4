"""What somebody wants to do, as IAM sees it: an action on a resource, by a principal, with condition keys.

Developer guide, "Control access for invoking an API" (the ARNs) and "AWS condition keys that can be used in API Gateway
resource policies"; IAM user guide, "AWS global condition context keys". A key is derived when a policy asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.http import Request

__all__ = ["Access", "Keys", "Principal", "VpcEndpoint", "access_of", "method_arn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as IAM sees it.

    `kind` is User, AssumedRole, FederatedUser, Account or Anonymous. `role_arn` is of the role behind a session.
    `mfa_present` is None for long-term credentials, which say nothing of it.
    """

    arn: str
    account: str
    kind: str = "User"
    user_id: str = ""
    name: str = ""
    role_arn: str = ""
    org_id: str = ""
    org_paths: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    mfa_present: bool | None = None
    mfa_age_s: float | None = None
    token_issued_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcEndpoint:
    """The VPC endpoint that a request came by, and its VPC."""

    id: str
    vpc: str = ""


class Keys(dict[str, tuple[str, ...]]):
    """The condition keys of an access: lower-case name to values; `()` is an absent key. Derived on first use."""

    __slots__ = ("_facts", "_principal", "_request")

    def __init__(
        self,
        given: Mapping[str, str | Iterable[str]] | None,
        principal: Principal | None,
        request: Request | None,
        facts: ApiFacts | None,
    ) -> None:
        self._principal, self._request, self._facts = principal, request, facts
        for name, values in (given or {}).items():
            self[name.lower()] = (values,) if isinstance(values, str) else tuple(values)

    def __missing__(self, name: str) -> tuple[str, ...]:
        value: str | tuple[str, ...] | None = None
        if (read := _REQUEST_KEYS.get(name)) is not None:
            value = read(self._request) if self._request is not None else None
        elif (told := _PRINCIPAL_KEYS.get(name)) is not None:
            value = told(self._principal) if self._principal is not None else None
        elif (fact := _FACT_KEYS.get(name)) is not None:
            value = fact(self._facts) if self._facts is not None else None
        elif name.startswith(_TAG) and self._principal is not None:
            value = _tag(self._principal, name.removeprefix(_TAG))
        values = self[name] = value if isinstance(value, tuple) else (value,) if value else ()
        return values

    def get(self, name: str, default: Any = None) -> Any:
        return self[name.lower()] or default


class Access:
    """One thing that somebody wants to do. `principal` is None for an anonymous caller.

    `forms` are the spellings of the resource that reach the same route: as it was sent, percent-decoded, and without
    slashes at its end. A Deny holds for any of them, so that no other spelling gets round it.
    """

    __slots__ = ("action", "forms", "keys", "principal", "resource", "wanted")

    def __init__(
        self,
        action: str,
        resource: str,
        principal: Principal | None = None,
        keys: Mapping[str, str | Iterable[str]] | None = None,
        *,
        request: Request | None = None,
        facts: ApiFacts | None = None,
    ) -> None:
        self.action, self.resource, self.principal = action, resource, principal
        self.wanted = action.lower()  # the names of actions are compared in any casing
        self.forms: tuple[str, ...] = (resource,)
        if "%" in resource or resource.endswith("/"):
            decoded = unquote(resource, errors="replace")
            self.forms = tuple(dict.fromkeys((resource, decoded, resource.rstrip("/"), decoded.rstrip("/"))))
        self.keys = Keys(keys, principal, request, facts)


def method_arn(request: Request, facts: ApiFacts) -> str:
    """The ARN of a method: with the real path as it was sent, and an empty one for the root."""
    stage, path = request.stage or facts.stage, request.raw_path.decode("latin-1").lstrip("/")
    return (
        f"arn:aws:execute-api:{facts.region}:{facts.account_id}:{facts.api_id}/{stage}/{request.method.upper()}/{path}"
    )


def access_of(
    request: Request,
    facts: ApiFacts,
    principal: Principal | None = None,
    *,
    action: str = "execute-api:Invoke",
    resource: str | None = None,
    keys: Mapping[str, str | Iterable[str]] | None = None,
) -> Access:
    """What a request wants: to invoke its method, unless told otherwise. `keys` go before what the request says."""
    where = method_arn(request, facts) if resource is None else resource
    return Access(action, where, principal, keys, request=request, facts=facts)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _instant(seconds: float) -> str:
    return _second(int(seconds))


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


_REQUEST_KEYS: Final[Mapping[str, Callable[[Request], str | None]]] = {
    "aws:currenttime": lambda request: _instant(request.received_s),
    "aws:epochtime": lambda request: str(int(request.received_s)),
    "aws:referer": lambda request: _text(request.headers.get(b"referer")),
    "aws:securetransport": lambda request: "true" if request.scheme in ("https", "wss") else "false",
    # By an endpoint, the address is one inside the VPC: another key has it, so that no rule for the internet fits it.
    "aws:sourceip": lambda request: request.address if request.vpc_endpoint is None else None,
    "aws:sourcevpc": lambda request: request.vpc_endpoint and request.vpc_endpoint.vpc,
    "aws:sourcevpce": lambda request: request.vpc_endpoint and request.vpc_endpoint.id,
    "aws:useragent": lambda request: _text(request.headers.get(b"user-agent")),
    "aws:vpcsourceip": lambda request: request.vpc_endpoint and request.address,
}

_FACT_KEYS: Final[Mapping[str, Callable[[ApiFacts], str]]] = {
    "aws:requestedregion": lambda facts: facts.region,
    "aws:resourceaccount": lambda facts: facts.account_id,
}

_PRINCIPAL_KEYS: Final[Mapping[str, Callable[[Principal], str | tuple[str, ...] | None]]] = {
    "aws:multifactorauthage": lambda one: None if one.mfa_age_s is None else str(int(one.mfa_age_s)),
    "aws:multifactorauthpresent": lambda one: None if one.mfa_present is None else str(one.mfa_present).lower(),
    "aws:principalaccount": lambda one: one.account,
    "aws:principalarn": lambda one: one.role_arn or one.arn,
    "aws:principalorgid": lambda one: one.org_id,
    "aws:principalorgpaths": lambda one: one.org_paths,
    "aws:principaltype": lambda one: one.kind,
    "aws:tokenissuetime": lambda one: None if one.token_issued_s is None else _instant(one.token_issued_s),
    "aws:userid": lambda one: one.user_id,
    "aws:username": lambda one: one.name if one.kind == "User" else None,
}

_TAG: Final = "aws:principaltag/"


def _tag(principal: Principal, wanted: str) -> str | None:
    for tag, value in principal.tags.items():
        if tag.lower() == wanted:
            return value
    return None
