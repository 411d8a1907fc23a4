"""Policies: compiled once, then asked what they say of an access.

IAM user guide, "Policy evaluation logic". A Deny that holds is final; without one, an Allow that holds allows; without
either a policy is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from gatewaykit.core.iam.document import Statement, read_document
from gatewaykit.core.iam.principals import ACCOUNT, ANYONE, ONESELF, ROLE
from gatewaykit.core.iam.verdict import Combination, Effect, Verdict, combine
from gatewaykit.errors import Problem

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.iam.access import Access

__all__ = ["KINDS", "CompiledPolicy", "Effect", "Kind", "Verdict", "compile_policy", "evaluate", "same_account"]

Kind: TypeAlias = Literal["identity", "resource", "boundary", "scp", "session"]
KINDS: Final[tuple[Kind, ...]] = ("identity", "resource", "boundary", "scp", "session")
_LIMITS: Final = ("scp", "boundary", "session")
_NEAREST: Final = (ONESELF, ROLE, ANYONE, ACCOUNT)


class CompiledPolicy:
    """A policy document that has been read; made by `compile_policy`."""

    __slots__ = ("_allows", "_denies", "_silent", "_verdicts", "kind", "name")

    def __init__(self, name: str, kind: Kind, statements: Iterable[Statement]) -> None:
        self.name, self.kind = name, kind
        statements = tuple(statements)
        self._denies = tuple(each for each in statements if each.denies)
        self._allows = tuple(each for each in statements if not each.denies)
        self._silent = Verdict(Effect.SILENT, policy=name, kind=kind)

    def evaluate(self, access: Access) -> Verdict:
        for statement in self._denies:
            if named := statement.holds(access):
                return self._verdict(Effect.DENY, statement, named)
        for statement in self._allows:
            if named := statement.holds(access):
                return self._verdict(Effect.ALLOW, statement, named)
        return self._silent

    def _verdict(self, effect: Effect, statement: Statement, named: str) -> Verdict:
        return Verdict(effect, self.name, statement.name, statement.why, self.kind, named)


def compile_policy(
    document: Mapping[str, Any] | str, *, name: str, kind: Kind = "identity", facts: ApiFacts | None = None
) -> CompiledPolicy | tuple[Problem, ...]:
    """A policy, from its document (JSON text, or what it holds), or everything wrong with it.

    `kind` says where it is attached: to an identity, to a resource (with principals), or as a limit: a permission
    boundary, a service-control policy (scp) or a session policy. `facts` expand the short form
    `execute-api:/stage/VERB/path`; without them it stands for this stage, verb and path of any API.
    """
    read = read_document(document, resource_based=kind == "resource", facts=facts)
    if isinstance(read[0] if read else None, Problem):
        return read  # type: ignore[return-value]  # a tuple of problems, as its first one shows
    return CompiledPolicy(name, kind, read)  # type: ignore[arg-type]  # and of statements otherwise


def evaluate(policies: Iterable[CompiledPolicy | Sequence[CompiledPolicy]], access: Access) -> Verdict:
    """What several policies say together, as AWS combines them.

    A Deny of any is final. A boundary, session policy or SCP only limits: one of its kind must allow, too. (A sequence
    among `policies` is a level of its own: one of it must allow; so stand the SCPs of an account and its unit.) Then an
    identity policy or a resource policy must allow, or, where the caller is of another account than the resource, both.
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
    how = Combination.EITHER if same_account(access) else Combination.BOTH
    if access.principal is None:
        how = Combination.RESOURCE
    elif not resource:
        how = Combination.EITHER
    return combine(_identity_side(sides.values()), _best(resource), how)


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
    """The first that allows, else the first; None where there is none. An Allow that names the caller goes before."""
    allowing = [verdict for verdict in verdicts if verdict.effect is Effect.ALLOW]
    return min(allowing, key=lambda verdict: _NEAREST.index(verdict.named)) if allowing else next(iter(verdicts), None)


def same_account(access: Access) -> bool:
    """Is the caller of the account that the resource belongs to? Nobody is, without an account."""
    parts = access.resource.split(":", 5)
    return access.principal is not None and len(parts) == 6 and access.principal.account == parts[4] != ""
