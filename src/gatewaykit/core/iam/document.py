"""Policy documents: what is written, read into statements, or every problem with its path.

IAM user guide, "IAM JSON policy elements reference" and "Grammar of the IAM JSON policy language"; developer guide,
"API Gateway resource policies" for the short form of ARNs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.iam.conditions import compile_conditions
from gatewaykit.core.iam.patterns import Atom, Test, any_text, compile_pattern, compile_patterns, read_pattern
from gatewaykit.core.iam.principals import PrincipalTest, compile_not_principal, compile_principal
from gatewaykit.core.iam.problems import Problems, shown
from gatewaykit.core.iam.variables import Part, Variable, filled, read_text

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.iam.access import Access
    from gatewaykit.core.iam.conditions import Condition
    from gatewaykit.errors import Problem

__all__ = ["ACTIONS", "MAX_RESOURCE_POLICY", "Statement", "read_document"]

ACTIONS: Final = ("execute-api:Invoke", "execute-api:InvalidateCache", "execute-api:ManageConnections")
"""All that one may be allowed to do with an API."""

MAX_RESOURCE_POLICY: Final = 8192
"""Characters of a resource policy, without the blanks between its parts (reference 02 section 6)."""

_VERSIONS: Final = ("2012-10-17", "2008-10-17")
_ELEMENTS: Final = ("Version", "Id", "Statement")
_STATEMENT: Final = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip
_SHORT: Final = "execute-api:/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement: it holds where all its tests do.

    `place` tells by the text of the resource alone; None where that takes the rest of the access, for `resource`.
    `principal` is None where the attachment says who is meant.
    """

    name: str
    denies: bool
    action: Test
    place: Test | None
    resource: Callable[[Access], bool]
    principal: PrincipalTest | None
    conditions: tuple[Condition, ...]


def read_document(
    document: Mapping[str, Any] | str, *, resource_based: bool, facts: ApiFacts | None
) -> tuple[tuple[Statement, ...], tuple[Problem, ...]]:
    """The statements of a document, and its problems."""
    problems = Problems()
    if isinstance(document, str):
        try:
            document = json.loads(document, object_pairs_hook=partial(_object, problems))
        except (ValueError, RecursionError) as error:
            problems.add("", f"the policy is no JSON: {str(error)[:200]}")
            return (), problems.all()
    if not isinstance(document, Mapping):
        problems.add("", f"the policy is no object but {shown(document)}")
        return (), problems.all()
    for name in document:
        if name not in _ELEMENTS:
            problems.add(problems.path("", name), "is no element of a policy", word=name, known=_ELEMENTS)
    version = document.get("Version", _VERSIONS[1])
    if version not in _VERSIONS:
        problems.add("Version", f"{shown(version)} is no version of the language", word=version, known=_VERSIONS)
    if not isinstance(document.get("Id", ""), str):
        problems.add("Id", "is no text")
    reader = _Reader(problems, resource_based, version == _VERSIONS[0], facts)
    statements = tuple(reader.statements(document.get("Statement")))
    if resource_based and (size := _size(document)) > MAX_RESOURCE_POLICY:
        what = f"the policy has {size} characters; a resource policy may have {MAX_RESOURCE_POLICY}"
        problems.add("", what)
    return statements, problems.all()


def _object(problems: Problems, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Of a name that stands twice one would be lost, unseen: a condition, say."""
    read = dict(pairs)
    if len(read) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                problems.add("", f"{shown(name)} stands twice in one object")
            seen.add(name)
    return read


def _size(document: Mapping[str, Any]) -> int:
    try:
        return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False, default=str))
    except (ValueError, TypeError, RecursionError):  # a circle, a key that is no text: told by the problems
        return 0


class _Reader:
    def __init__(self, problems: Problems, resource_based: bool, variables: bool, facts: ApiFacts | None) -> None:
        self._add = problems.add
        self._problems, self._resource_based, self._variables, self._facts = problems, resource_based, variables, facts
        self._sids: set[str] = set()

    def statements(self, given: object) -> Iterator[Statement]:
        if given is None:
            self._add("Statement", "is missing", mend="Write a statement, or a list of statements")
            return
        listed = [given] if isinstance(given, Mapping) else given
        if not isinstance(listed, (list, tuple)):
            self._add("Statement", "is neither an object nor a list of objects")
            return
        for index, each in enumerate(listed):
            where = "Statement" if listed is not given else f"Statement[{index}]"
            if isinstance(each, Mapping):
                yield self._statement(each, where, index)
            else:
                self._add(where, f"is no object but {shown(each)}")

    def _statement(self, given: Mapping[str, Any], where: str, index: int) -> Statement:
        for name in given:
            if name not in _STATEMENT:
                at = self._problems.path(where, name)
                self._add(at, "is no element of a statement", word=name, known=_STATEMENT)
        sid = given.get("Sid", "")
        if not isinstance(sid, str):
            self._add(f"{where}.Sid", "is no text")
            sid = ""
        elif sid and sid in self._sids:
            self._add(f"{where}.Sid", f"two statements have the Sid {shown(sid)}")
        self._sids.add(sid)
        effect = given.get("Effect")
        if effect not in ("Allow", "Deny"):
            what = "is missing" if effect is None else f"{shown(effect)} is neither 'Allow' nor 'Deny'"
            self._add(f"{where}.Effect", what, word=effect, known=("Allow", "Deny"))
        denies = effect == "Deny"
        conditions: tuple[Condition, ...] = ()
        if "Condition" in given:
            at = f"{where}.Condition"
            conditions = compile_conditions(
                given["Condition"], at, self._problems, variables=self._variables, denies=denies
            )
        place, resource = self._resource(given, where, denies)
        return Statement(
            name=sid or f"statement {index + 1}", denies=denies, action=self._action(given, where), place=place,
            resource=resource, principal=self._principal(given, where, denies), conditions=conditions,
        )  # fmt: skip

    def _principal(self, given: Mapping[str, Any], where: str, denies: bool) -> PrincipalTest | None:
        name = self._one_of(given, where, "Principal", needed=self._resource_based)
        if name is None:
            return None
        at = f"{where}.{name}"
        if not self._resource_based:
            self._add(at, "only a resource policy names principals", mend="The one it is attached to is who is meant")
        if name == "Principal":
            return compile_principal(given[name], at, self._problems)
        return compile_not_principal(given[name], at, self._problems, denies=denies)

    def _action(self, given: Mapping[str, Any], where: str) -> Test:
        if (name := self._one_of(given, where, "Action")) is None:
            return any_text
        patterns = []
        for at, action in self._texts(given[name], f"{where}.{name}"):
            vendor, colon, called = action.partition(":")
            pattern = read_pattern(action.lower())
            if action != "*" and not (colon and vendor and called):
                self._add(at, f"{shown(action)} is no action", mend="Write service:action, such as execute-api:Invoke")
            elif vendor.lower() == "execute-api" and not any(map(compile_pattern(pattern), map(str.lower, ACTIONS))):
                self._add(at, f"{shown(action)} is no action of API Gateway", word=action, known=ACTIONS)
            else:
                patterns.append(pattern)
        test = compile_patterns(patterns)
        return test if name == "Action" else lambda action: not test(action)

    def _resource(
        self, given: Mapping[str, Any], where: str, denies: bool
    ) -> tuple[Test | None, Callable[[Access], bool]]:
        if (name := self._one_of(given, where, "Resource")) is None:
            return any_text, lambda access: True
        fixed: list[Sequence[Atom]] = []
        within: list[Sequence[Atom]] = []
        varying: list[Sequence[Part]] = []
        for at, text in self._texts(given[name], f"{where}.{name}"):
            if self._resource_based and text.startswith(_SHORT) and self._facts is None:
                within.append(read_pattern(text.removeprefix(_SHORT)))
            else:
                parts = self._resource_parts(text, at)
                if any(isinstance(part, Variable) for part in parts):
                    varying.append(parts)
                else:
                    fixed.append([part for part in parts if not isinstance(part, Variable)])
        return _resource_tests(fixed, within, varying, negated=name == "NotResource", denies=denies)

    def _resource_parts(self, text: str, where: str) -> Sequence[Part]:
        if self._resource_based and self._facts is not None and text.startswith(_SHORT):
            facts = self._facts
            place = f"arn:aws:execute-api:{facts.region}:{facts.account_id}:{facts.api_id}/"
            text = place + text.removeprefix(_SHORT)
        elif text != "*" and not text.startswith("arn:"):
            mend = 'Write "*" or an ARN' + (", or execute-api:/stage/VERB/path" if self._resource_based else "")
            self._add(where, f"{shown(text)} is no ARN", mend=mend)
        if self._variables and "${" in ":".join(text.split(":", 5)[:5]):
            self._add(where, "a variable stands before the fifth colon", mend="Variables may only follow it")
        try:
            return read_text(text, wildcards=True, variables=self._variables)
        except ValueError as error:
            self._add(where, str(error))
            return ()

    def _one_of(self, given: Mapping[str, Any], where: str, name: str, *, needed: bool = True) -> str | None:
        """Which of an element and its Not-form is there."""
        found = [each for each in (name, f"Not{name}") if each in given]
        if len(found) == 2:
            self._add(where, f"has both {name} and Not{name}")
        elif not found and needed:
            self._add(where, f"has neither {name} nor Not{name}")
        return found[0] if found else None

    def _texts(self, given: object, where: str) -> Iterator[tuple[str, str]]:
        values = given if isinstance(given, (list, tuple)) else [given]
        if not values:
            self._add(where, "is an empty list")
        for index, value in enumerate(values):
            at = f"{where}[{index}]" if values is given else where
            if isinstance(value, str) and value:
                yield at, value
            else:
                self._add(at, f"{shown(value)} is no text")


def _resource_tests(
    fixed: Sequence[Sequence[Atom]],
    within: Sequence[Sequence[Atom]],
    varying: Sequence[Sequence[Part]],
    *,
    negated: bool,
    denies: bool,
) -> tuple[Test | None, Callable[[Access], bool]]:
    """Whether an access is to one of these resources: ARNs, places within an API, and ARNs with variables.

    A Deny is for every spelling of the resource. An Allow is for where its dot segments lead, too; one of NotResource
    holds only where no spelling is a resource that it leaves out. One whose variable stands for nothing is no resource;
    of NotResource the guide does not say what that makes it, so it holds in a Deny and not in an Allow.
    """
    among = compile_patterns(fixed)
    if within:
        plain, inside = among, compile_patterns(within)
        among = lambda form: plain(form) or _within_api(form, inside)  # noqa: E731 - a def of the same name is an error
    if not varying:
        place = (lambda form: not among(form)) if negated else among
        if not denies:
            return place, lambda access: all(map(place, access.forms if negated else access.ends))
        return place, lambda access: any(map(place, access.forms))

    def found(access: Access, form: str) -> bool:
        if among(form):
            return not negated
        unknown = False
        for parts in varying:
            if (atoms := filled(parts, access.keys)) is None:
                unknown = True
            elif compile_pattern(atoms)(form):
                return not negated
        return negated and (denies or not unknown)

    if not denies:
        return None, lambda access: all(found(access, form) for form in (access.forms if negated else access.ends))
    return None, lambda access: any(found(access, form) for form in access.forms)


def _within_api(arn: str, inside: Test) -> bool:
    """Is what follows the API in a method's ARN (stage, verb and path) inside?"""
    place, slash, rest = arn.partition("/")
    return bool(slash) and place.startswith("arn:") and inside(rest)
