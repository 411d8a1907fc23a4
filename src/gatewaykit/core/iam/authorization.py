"""How a caller's own policies and a resource policy decide together, and the words of a denial.

Developer guide, "How API Gateway resource policies affect authorization workflow" (reference 02 section 6); the texts
are those of reference 02 sections 2, 3 and 6. An account id in them is masked but for its last four digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from gatewaykit.core.iam.problems import shown
from gatewaykit.core.iam.verdict import Combination, Effect, Verdict, combine
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.iam.access import Access, Principal

__all__ = ["Combination", "Wording", "combination_of", "combine", "denial", "reason"]

Wording: TypeAlias = Literal["authorizer", "iam", "anonymous"]

_WHERE: Final = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "scp": "service control policy",
}
_UNAUTHORIZED: Final = "User is not authorized to access this resource"


def combination_of(principal: Principal | None, facts: ApiFacts) -> Combination:
    """How IAM combines both sides for this caller: within the API's account, across accounts, or for nobody known."""
    if principal is None:
        return Combination.RESOURCE
    return Combination.EITHER if principal.account == facts.account_id else Combination.BOTH


def denial(verdict: Verdict, access: Access, *, wording: Wording) -> Refusal:
    """The refusal for a verdict that does not allow.

    `wording` says who speaks: a Lambda authorizer's policy, IAM (which names the caller), or a resource policy alone. A
    resource policy that denies beside a Lambda authorizer speaks for itself, too.
    """
    if wording == "authorizer" and verdict.kind == "resource":
        wording = "anonymous"
    explicit = verdict.effect is Effect.DENY
    place = _WHERE.get(verdict.kind, _WHERE["identity"])
    if wording == "authorizer":
        message = _UNAUTHORIZED + (" with an explicit deny in an identity-based policy" if explicit else "")
    else:
        who = "anonymous" if access.principal is None or wording == "anonymous" else access.principal.arn
        message = f"User: {who} is not authorized to perform: {access.action} on resource: {_masked(access.resource)}"
        if explicit:
            message += " with an explicit deny" + (f" in {_a(place)}" if wording == "iam" else "")
        elif wording == "iam":
            message += f" because no {place} allows the {access.action} action"
    why = Reason.DENIED_EXPLICITLY if explicit else Reason.DENIED_IMPLICITLY
    return Refusal(why, _detail(verdict, access), message=message)


def _detail(verdict: Verdict, access: Access) -> str:
    wish = f"{access.action} on {access.resource}"
    statement = f"{verdict.statement} of {verdict.policy}"
    if verdict.effect is Effect.DENY:
        told = f"{statement} denies {wish}"
        return f"{told}: {reason(verdict, access)}" if verdict.why else told
    told = f"no {_WHERE.get(verdict.kind, 'policy')} allows {wish}"
    return f"{told}; nearest is {statement}, but {reason(verdict, access)}" if verdict.statement else told


def reason(verdict: Verdict, access: Access) -> str:
    """Which condition decided, with what the request has for its key."""
    if not verdict.key:
        return verdict.why
    values = ", ".join(map(shown, access.keys[verdict.key][:4]))
    return f"{verdict.why} for {values}" if values else f"{verdict.why} without such a key"


def _a(place: str) -> str:
    return f"an {place}" if place[0] in "aeiou" else f"a {place}"


def _masked(arn: str) -> str:
    parts = arn.split(":", 5)
    if len(parts) == 6 and len(parts[4]) > 4:
        parts[4] = "*" * (len(parts[4]) - 4) + parts[4][-4:]
    return ":".join(parts)
