"""What somebody wants to do, as IAM sees it: an action on a resource, by a principal, with condition keys.

Developer guide, "Control access for invoking an API" (the ARNs) and "AWS condition keys that can be used in API Gateway
resource policies"; IAM user guide, "AWS global condition context keys". A key is derived when a policy asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.http import Request

__all__ = ["Access", "Keys", "Principal", "access_of", "method_arn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as IAM sees it.

    `kind` is User, AssumedRole, FederatedUser, Account or Anonymous. `role_arn` is the ARN of the role behind a session.
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


class Keys(dict[str, tuple[str, ...]]):
    """The condition keys of an access: lower-case name to values; `()` is an absent key. Derived on first use."""

    __slots__ = ("_derive",)

    def __init__(self, given: Mapping[str, str | Iterable[str]], derive: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(
            (name.lower(), (values,) if isinstance(values, str) else tuple(values)) for name, values in given.items()
        )
        self._derive = derive

    def __missing__(self, name: str) -> tuple[str, ...]:
        values = self[name] = self._derive(name)
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
        derive: Callable[[str], tuple[str, ...]] | None = None,
    ) -> None:
        self.action, self.resource, self.principal = action, resource, principal
        self.wanted = action.lower()  # the names of actions are compared in any casing
        self.forms: tuple[str, ...] = (resource,)
        if "%" in resource or resource.endswith("/"):
            decoded = unquote(resource, errors="replace")
            self.forms = tuple(dict.fromkeys((resource, decoded, resource.rstrip("/"), decoded.rstrip("/"))))
        if derive is None:
            derive = _no_key if principal is None else lambda name: _principal_key(principal, name)
        self.keys: Keys = Keys(keys or {}, derive)


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
) -> Access:
    """What a request wants: to invoke its method, unless told otherwise."""

    def derive(name: str) -> tuple[str, ...]:
        read = _REQUEST_KEYS.get(name)
        if read is None:
            return _no_key(name) if principal is None else _principal_key(principal, name)
        value = read(request, facts)
        return (value,) if value else ()

    return Access(action, method_arn(request, facts) if resource is None else resource, principal, derive=derive)


def _no_key(name: str) -> tuple[str, ...]:
    return ()


def _instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(int(seconds), timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_REQUEST_KEYS: Final[Mapping[str, Callable[[Request, ApiFacts], str | None]]] = {
    "aws:currenttime": lambda request, facts: _instant(request.received_s),
    "aws:epochtime": lambda request, facts: str(int(request.received_s)),
    "aws:referer": lambda request, facts: request.header("referer"),
    "aws:requestedregion": lambda request, facts: facts.region,
    "aws:resourceaccount": lambda request, facts: facts.account_id,
    "aws:securetransport": lambda request, facts: "true" if request.scheme in ("https", "wss") else "false",
    "aws:sourceip": lambda request, facts: request.address,
    "aws:useragent": lambda request, facts: request.header("user-agent"),
}

_TAG: Final = "aws:principaltag/"


def _principal_key(principal: Principal, name: str) -> tuple[str, ...]:
    if name.startswith(_TAG):
        wanted = name.removeprefix(_TAG)
        return tuple(value for tag, value in principal.tags.items() if tag.lower() == wanted)[:1]
    read = _PRINCIPAL_KEYS.get(name)
    value = None if read is None else read(principal)
    if isinstance(value, tuple):
        return value
    return (str(value),) if value not in (None, "") else ()


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
