"""Policies: compiled once, then asked what they say of an access.

IAM user guide, "Policy evaluation logic". A Deny that holds is final; without one, an Allow that holds allows; without
either a policy is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from gatewaykit.core.iam.document import ACTIONS, Statement, read_document
from gatewaykit.core.iam.principals import ACCOUNT, ANYONE, ONESELF, ROLE
from gatewaykit.core.iam.verdict import Combination, Effect, Verdict, combine
from gatewaykit.errors import Problem

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.iam.access import Access
    from gatewaykit.core.iam.conditions import Holds
    from gatewaykit.core.iam.patterns import Test
    from gatewaykit.core.iam.principals import PrincipalTest

__all__ = ["KINDS", "CompiledPolicy", "Effect", "Kind", "Verdict", "compile_policy", "evaluate", "same_account"]

Kind: TypeAlias = Literal["identity", "resource", "boundary", "scp", "session"]
KINDS: Final[tuple[Kind, ...]] = ("identity", "resource", "boundary", "scp", "session")
_LIMITS: Final = ("scp", "boundary", "session")
_NEAREST: Final = (ONESELF, ROLE, ANYONE, ACCOUNT)


class CompiledPolicy:
    """A policy document that has been read; made by `compile_policy`."""

    __slots__ = ("_of_action", "_rows", "_silent", "kind", "name")

    def __init__(self, name: str, kind: Kind, statements: Iterable[Statement]) -> None:
        self.name, self.kind = name, kind
        self._silent = Verdict(Effect.SILENT, name, kind=kind)
        self._rows = [(each.action, each.denies, _row(each, name, kind)) for each in statements]
        self._of_action = {action.lower(): self._about(action.lower()) for action in ACTIONS}

    def evaluate(self, access: Access) -> Verdict:
        """What the policy says. Any access gives a verdict."""
        denies, allows = self._of_action.get(access.wanted) or self._about(access.wanted)
        text, keys, plain = access.resource, access.keys, len(access.forms) == 1
        for place, resource, principal, conditions, verdict in denies:
            if place(text) if plain and place else resource(access):
                if principal and not principal(access):
                    continue
                for holds, _ in conditions:
                    if not holds(keys):
                        break
                else:
                    return verdict
        near, weaker = self._silent, None
        for place, resource, principal, conditions, verdict in allows:
            if place(text) if plain and place else resource(access):
                named = principal(access) if principal else ANYONE
                if not named:
                    continue
                for holds, missed in conditions:
                    if not holds(keys):
                        if near is self._silent:
                            near = missed
                        break
                else:
                    if named in (ANYONE, ONESELF):
                        return verdict if named == ANYONE else replace(verdict, named=named)
                    if weaker is None or named == ROLE:
                        weaker = replace(verdict, named=named)  # it may not be enough: another statement could be
        return weaker or near

    def _about(self, action: str) -> tuple[list[_Row], list[_Row]]:
        """The rows of the statements about an action: those that deny, and those that allow."""
        about = [(denies, row) for test, denies, row in self._rows if test(action)]
        return [row for denies, row in about if denies], [row for denies, row in about if not denies]


class _Row(NamedTuple):
    """A statement as it is evaluated: its tests, each condition's with the verdict where it is the first that fails,
    and the verdict where all hold, for a caller who is named as anyone is.
    """

    place: Test | None
    resource: Callable[[Access], bool]
    principal: PrincipalTest | None
    conditions: tuple[tuple[Holds, Verdict], ...]
    verdict: Verdict


def _row(statement: Statement, policy: str, kind: str) -> _Row:
    def missed(text: str, key: str) -> Verdict:
        return Verdict(Effect.SILENT, policy, statement.name, f"{text} does not hold", kind, key=key)

    effect = Effect.DENY if statement.denies else Effect.ALLOW
    why = " and ".join(condition.text for condition in statement.conditions)
    key = statement.conditions[0].key if len(statement.conditions) == 1 else ""
    verdict = Verdict(effect, policy, statement.name, why, kind, ANYONE, key)
    conditions = tuple((each.holds, missed(each.text, each.key)) for each in statement.conditions)
    return _Row(statement.place, statement.resource, statement.principal, conditions, verdict)


def compile_policy(
    document: Mapping[str, Any] | str, *, name: str, kind: Kind = "identity", facts: ApiFacts | None = None
) -> CompiledPolicy | tuple[Problem, ...]:
    """A policy, from its document (JSON text, or what it holds), or everything wrong with it.

    `kind` says where it is attached: to an identity, to a resource (with principals), or as a limit: a permission
    boundary, a service-control policy (scp) or a session policy. `facts` expand the short form
    `execute-api:/stage/VERB/path`; without them it stands for this stage, verb and path of any API.
    """
    statements, problems = read_document(document, resource_based=kind == "resource", facts=facts)
    return problems or CompiledPolicy(name, kind, statements)


def evaluate(policies: Iterable[CompiledPolicy | Sequence[CompiledPolicy]], access: Access) -> Verdict:
    """What several policies say together, as AWS combines them.

    A Deny of any is final. A boundary, session policy or SCP only limits: one of its kind must allow, too. (A sequence
    among `policies` is a level of its own: one of it must allow; so stand the SCPs of an account and of its unit.) Then
    an identity policy or a resource policy must allow, or both, where the caller is of another account than the
    resource. A caller who is no principal of AWS, but has identity policies, is one that a Lambda authorizer let in.
    """
    sides: dict[object, list[Verdict]] = {}
    for index, entry in enumerate(policies):
        for policy in (entry,) if isinstance(entry, CompiledPolicy) else entry:
            verdict = policy.evaluate(access)
            if verdict.effect is Effect.DENY:
                return verdict
            key = policy.kind if isinstance(entry, CompiledPolicy) else (policy.kind, index)
            sides.setdefault(key, []).append(verdict)
    resource = [verdict for verdicts in sides.values() for verdict in verdicts if verdict.kind == "resource"]
    identity = _identity_side(sides.values())
    if access.principal is None and identity is None:
        how = Combination.RESOURCE
    elif access.principal is None or not resource or same_account(access):
        how = Combination.EITHER
    else:
        how = Combination.BOTH
    return combine(identity, _best(resource), how)


def _identity_side(levels: Iterable[Sequence[Verdict]]) -> Verdict | None:
    """What the caller's own policies say: the first limit that does not allow, else the identity policies."""
    identity: list[Verdict] = []
    limits: dict[str, Verdict] = {}
    for verdicts in levels:
        kind = verdicts[0].kind
        if kind == "identity":
            identity += verdicts
        elif kind in _LIMITS:
            found = _best(verdicts)
            if found is not None and found.effect is Effect.SILENT:
                limits.setdefault(kind, found)
    for kind in _LIMITS:
        if kind in limits:
            return limits[kind]
    return _best(identity)


def _best(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The one that names the caller nearest of those that allow, else one that tells which statement came near."""
    allowing = [verdict for verdict in verdicts if verdict.effect is Effect.ALLOW]
    if allowing:
        return min(allowing, key=lambda verdict: _NEAREST.index(verdict.named))
    return max(verdicts, key=lambda verdict: bool(verdict.statement), default=None)


def same_account(access: Access) -> bool:
    """Is the caller of the account that the resource belongs to? Nobody is, without an account."""
    parts = access.resource.split(":", 5)
    return access.principal is not None and len(parts) == 6 and access.principal.account == parts[4] != ""
