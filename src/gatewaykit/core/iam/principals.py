"""The Principal and NotPrincipal elements of resource policies.

IAM user guide, "AWS JSON policy elements: Principal" and "NotPrincipal". An account that is named stands for
whoever the account lets: its own policies must allow, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gatewaykit.core.iam.problems import Problems, shown

if TYPE_CHECKING:
    from gatewaykit.core.iam.access import Access, Principal

__all__ = ["ACCOUNT", "ANYONE", "ONESELF", "ROLE", "PrincipalTest", "compile_not_principal", "compile_principal"]

ANYONE: Final = "anyone"
ACCOUNT: Final = "account"
ROLE: Final = "role"
ONESELF: Final = "oneself"
"""How a caller was named: by `*`, by the account, by the role behind the session, or by the caller's own ARN or id."""

PrincipalTest: TypeAlias = "Callable[[Access], str]"
"""Says how an access's principal is named; "" when it is not."""

_KINDS: Final = ("AWS", "CanonicalUser", "Federated", "Service")
_ROOT: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")
_ACCOUNT: Final = re.compile(r"\d{12}")
_NAMED: Final = re.compile(
    r"arn:aws[a-z-]*:(?:iam::\d{12}:(?:user|role)/[^*?]+|sts::\d{12}:(?:assumed-role/[^*?/]+|federated-user)/[^*?]+)"
)
_UNIQUE_ID: Final = re.compile(r"A[A-Z0-9]{15,127}")


def compile_principal(element: object, where: str, problems: Problems) -> PrincipalTest | None:
    """Who is named by a Principal; None is everybody."""
    names = _read(element, where, problems)
    if "*" in names:
        return None

    def test(access: Access) -> str:
        if (principal := access.principal) is None:
            return ""
        for how, name in _own(principal):
            if name in names:
                return how
        return ""

    return test


def compile_not_principal(element: object, where: str, problems: Problems, *, denies: bool) -> PrincipalTest:
    """Everybody who is not named by a NotPrincipal.

    A Deny spares only callers whose account, role and own ARN are all listed, as the guide tells to list them; an Allow
    holds only for callers of whom none is. Either is the stricter reading.
    """
    names = _read(element, where, problems)

    def test(access: Access) -> str:
        if "*" in names:
            return ""
        if (principal := access.principal) is None:
            return ANYONE
        spared: dict[str, bool] = {}
        for how, name in _own(principal):
            spared[how] = spared.get(how, False) or name in names
        return "" if (all if denies else any)(spared.values()) else ANYONE

    return test


def _own(principal: Principal) -> Iterator[tuple[str, str]]:
    """The names that a principal goes by, the nearest first."""
    if principal.kind != "Account":
        yield ONESELF, principal.arn
        if principal.user_id:
            yield ONESELF, principal.user_id
    if principal.role_arn:
        yield ROLE, principal.role_arn
        yield ROLE, principal.user_id.partition(":")[0]  # a session's id is the role's, and its name
    yield ACCOUNT, principal.account


def _read(element: object, where: str, problems: Problems) -> frozenset[str]:
    """The names in the element; accounts as their twelve digits. What is no AWS principal is nobody who calls here."""
    if element == "*":
        return frozenset("*")
    if not isinstance(element, Mapping) or not element:
        mend = 'Write "*", or {"AWS": …} with accounts or ARNs'
        problems.add(where, 'is neither "*" nor an object that names principals', mend=mend)
        return frozenset()
    names: set[str] = set()
    for kind, given in element.items():
        here = problems.path(where, kind)
        values: Any = [given] if isinstance(given, str) else given
        if kind not in _KINDS:
            problems.add(here, "is no kind of principal", word=kind, known=_KINDS)
        elif not isinstance(values, (list, tuple)) or not values:
            problems.add(here, "is neither a text nor a list of texts")
        else:
            for index, value in enumerate(values):
                at = here if isinstance(given, str) else f"{here}[{index}]"
                if not isinstance(value, str) or not value:
                    problems.add(at, "is no text that names somebody")
                elif kind == "AWS" and (name := _aws_name(value)) is not None:
                    names.add(name)
                elif kind == "AWS":
                    mend = "Write an account id, or the ARN of a user, a role or a session, without wildcards"
                    problems.add(at, f"{shown(value)} names no AWS principal", mend=mend)
    return frozenset(names)


def _aws_name(value: str) -> str | None:
    if value == "*" or _ACCOUNT.fullmatch(value) or _NAMED.fullmatch(value) or _UNIQUE_ID.fullmatch(value):
        return value
    root = _ROOT.fullmatch(value)
    return root[1] if root else None
