"""What somebody wants to do, as IAM sees it: an action on a resource, by a principal, with condition keys.

Developer guide, "Control access for invoking an API" (the ARNs) and "AWS condition keys that can be used in API Gateway
resource policies"; IAM user guide, "AWS global condition context keys". A key is derived when a policy asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.http import Request

__all__ = ["Access", "Keys", "Principal", "VpcEndpoint", "access_of", "instant_text", "method_arn", "principal_of"]


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
        if name == "aws:sourceip" and self._facts is not None and self._facts.private:
            value = None
        elif (read := _REQUEST_KEYS.get(name)) is not None:
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

    `forms` are the spellings of the resource that may reach the same route: as it was sent, percent-decoded, without
    slashes at its end, and without dot segments. A Deny holds for any of them, so that none gets round it.
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
        odd = "%" in resource or resource.endswith("/") or "//" in resource or "/." in resource
        self.forms = _forms(resource) if odd else (resource,)
        self.keys = Keys(keys, principal, request, facts)


def _forms(resource: str) -> tuple[str, ...]:
    decoded = unquote(resource, errors="replace")
    place = decoded.split("/")[:3]  # the API, the stage and the verb, where it is a method's ARN
    segments: list[str] = []
    for segment in decoded.split("/")[3:]:
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    forms = (resource, decoded, resource.rstrip("/"), decoded.rstrip("/"), "/".join(place + segments))
    return tuple(dict.fromkeys(forms))


def principal_of(name: str) -> Principal | None:
    """The principal of an ARN, or of an account's id; None for what names none. A role stands for a session of it."""
    if _ACCOUNT.fullmatch(name):
        return Principal(arn=f"arn:aws:iam::{name}:root", account=name, kind="Account")
    if (match := _PRINCIPAL.fullmatch(name)) is None:
        return None
    partition, account, kind, path = match[1], match[2], match[3], match[4] or ""
    if (kind == "root") == bool(path):
        return None
    last = path.rpartition("/")[2]
    if kind == "root":
        return Principal(arn=name, account=account, kind="Account")
    if kind == "user":
        return Principal(arn=name, account=account, name=last)
    if kind == "federated-user":
        return Principal(arn=name, account=account, kind="FederatedUser", name=path)
    if kind == "role":
        session = f"arn:{partition}:sts::{account}:assumed-role/{last}/session"
        return Principal(arn=session, account=account, kind="AssumedRole", role_arn=name, name="session")
    role = f"arn:{partition}:iam::{account}:role/{path.partition('/')[0]}"
    return Principal(arn=name, account=account, kind="AssumedRole", role_arn=role, name=last)


_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
_PRINCIPAL: Final = re.compile(
    r"arn:(aws[a-z-]*):(?:iam|sts)::(\d{12}):(root|user|role|assumed-role|federated-user)(?:/(.+))?", re.ASCII
)


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


def instant_text(seconds: float) -> str:
    """An instant as the keys of policies have it: `2026-01-01T00:00:00Z`."""
    return _second(int(min(max(0, seconds), _LAST)))


_LAST: Final = 253_402_300_799  # of the year 9999: beyond it there are no dates


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


_REQUEST_KEYS: Final[Mapping[str, Callable[[Request], str | None]]] = {
    "aws:currenttime": lambda request: instant_text(request.received_s) if request.received_s else None,
    "aws:epochtime": lambda request: f"{request.received_s // 1:.0f}" if request.received_s else None,
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
    "aws:multifactorauthage": lambda one: None if one.mfa_age_s is None else f"{one.mfa_age_s // 1:.0f}",
    "aws:multifactorauthpresent": lambda one: None if one.mfa_present is None else str(one.mfa_present).lower(),
    "aws:principalaccount": lambda one: one.account,
    "aws:principalarn": lambda one: one.role_arn or one.arn,
    "aws:principalorgid": lambda one: one.org_id,
    "aws:principalorgpaths": lambda one: one.org_paths,
    "aws:principaltype": lambda one: one.kind,
    "aws:tokenissuetime": lambda one: None if one.token_issued_s is None else instant_text(one.token_issued_s),
    "aws:userid": lambda one: one.user_id,
    "aws:username": lambda one: one.name if one.kind == "User" else None,
}

_TAG: Final = "aws:principaltag/"


def _tag(principal: Principal, wanted: str) -> str | None:
    for tag, value in principal.tags.items():
        if tag.lower() == wanted:
            return value
    return None
