"""What policies say of an access, and how two sides are combined.

IAM user guide, "Policy evaluation for requests within a single account" and "Cross-account policy evaluation logic";
developer guide, "How API Gateway resource policies affect authorization workflow" (reference 02 section 6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from gatewaykit.core.iam.principals import ACCOUNT, ROLE

__all__ = ["SILENT", "Combination", "Effect", "Verdict", "combine"]


class Effect(Enum):
    """What a policy, or several together, say."""

    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said, and by what: the policy's name, its statement (Sid or "statement 3"), and what decided in it.

    `kind` is where the policy is attached (`core.iam.policy.Kind`). `named` says how a resource policy's statement
    named the caller (`core.iam.principals`). A silent policy names the statement that came nearest, if one did. `key`
    is the condition key that decided, where it was one.
    """

    effect: Effect
    policy: str = ""
    statement: str = ""
    why: str = ""
    kind: str = ""
    named: str = ""
    key: str = ""


SILENT = Verdict(Effect.SILENT)


class Combination(Enum):
    """How the caller's side and the resource policy are combined."""

    EITHER = "either"  # table A: a Lambda authorizer, or IAM within one account
    BOTH = "both"  # table B: IAM across accounts, and Cognito
    RESOURCE = "resource"  # the resource policy alone


def combine(identity: Verdict | None, resource: Verdict | None, how: Combination) -> Verdict:
    """What both sides say together; None is a side without any policy. A Deny of either is final.

    Within one account an Allow by the resource policy is enough, with two exceptions: naming the caller's account only
    lets that account decide, so its own policies must allow, too; and a boundary or session policy that does not allow
    still limits a session that was named by its role. A service-control policy limits in every case.
    """
    for verdict in (resource, identity):
        if verdict is not None and verdict.effect is Effect.DENY:
            return verdict
    if how is Combination.RESOURCE:
        return resource or replace(SILENT, kind="resource")
    if how is Combination.BOTH:
        identity, resource = identity or replace(SILENT, kind="identity"), resource or replace(SILENT, kind="resource")
        return resource if identity.effect is Effect.ALLOW else identity
    if identity is not None and identity.effect is Effect.ALLOW:
        return identity
    if resource is not None and resource.effect is Effect.ALLOW and not _held_back(identity, resource):
        return resource
    silent = identity or replace(SILENT, kind="identity")
    if silent.statement or resource is None or resource.effect is not Effect.SILENT:
        return silent
    return replace(resource, kind=silent.kind)  # IAM speaks of the caller's side, whichever side came nearer


def _held_back(identity: Verdict | None, resource: Verdict) -> bool:
    """Does a caller's own side hold back what the resource policy allows?"""
    if resource.named == ACCOUNT:
        return True
    kind = "" if identity is None else identity.kind
    return kind == "scp" or (kind in ("boundary", "session") and resource.named == ROLE)
