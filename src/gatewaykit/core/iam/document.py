"""Policy documents: what is written, read into statements, or every problem with its path.

IAM user guide, "IAM JSON policy elements reference" and "Grammar of the IAM JSON policy language"; developer guide,
"API Gateway resource policies" for the short form of ARNs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.iam.conditions import compile_conditions
from gatewaykit.core.iam.patterns import any_text, compile_pattern, compile_patterns, read_pattern
from gatewaykit.core.iam.principals import ANYONE, PrincipalTest, compile_not_principal, compile_principal
from gatewaykit.core.iam.problems import Problems, shown
from gatewaykit.core.iam.variables import Part, Variable, filled, read_text

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.iam.access import Access
    from gatewaykit.core.iam.conditions import Condition
    from gatewaykit.errors import Problem

__all__ = ["MAX_RESOURCE_POLICY", "Statement", "read_document"]

MAX_RESOURCE_POLICY: Final = 8192
"""Characters of a resource policy, without the blanks between its parts (reference 02 section 6)."""

_VERSIONS: Final = ("2012-10-17", "2008-10-17")
_ELEMENTS: Final = ("Version", "Id", "Statement")
_STATEMENT: Final = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip
_ACTIONS: Final = ("execute-api:Invoke", "execute-api:InvalidateCache", "execute-api:ManageConnections")
_SHORT: Final = "execute-api:/"


class Statement:
    """One statement. `holds` says how the caller is named, or "" where the statement does not hold."""

    __slots__ = ("_action", "_conditions", "_principal", "_resource", "denies", "name", "why")

    def __init__(
        self,
        name: str,
        denies: bool,
        action: Callable[[str], bool],
        resource: Callable[[Access], bool],
        principal: PrincipalTest | None,
        conditions: Sequence[Condition],
    ) -> None:
        self.name, self.denies = name, denies
        self._action, self._resource, self._principal = action, resource, principal
        self._conditions = tuple(condition.holds for condition in conditions)
        self.why = " and ".join(condition.text for condition in conditions)

    def holds(self, access: Access) -> str:
        if not self._action(access.wanted) or not self._resource(access):
            return ""
        named = ANYONE if self._principal is None else self._principal(access)
        if named:
            for condition in self._conditions:
                if not condition(access):
                    return ""
        return named


def read_document(
    document: Mapping[str, Any] | str, *, resource_based: bool, facts: ApiFacts | None
) -> tuple[Statement, ...] | tuple[Problem, ...]:
    """The statements of a document, or its problems."""
    problems = Problems()
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError) as error:
            problems.add("", f"the policy is no JSON: {str(error)[:200]}")
            return problems.all()
    if not isinstance(document, Mapping):
        problems.add("", f"the policy is no object but {shown(document)}")
        return problems.all()
    for name in document:
        if name not in _ELEMENTS:
            problems.add(str(name), "is no element of a policy", word=name, known=_ELEMENTS)
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        problems.add("Version", f"{shown(version)} is no version of the language", word=version, known=_VERSIONS)
    if not isinstance(document.get("Id", ""), str):
        problems.add("Id", "is no text")
    reader = _Reader(problems, resource_based, version == "2012-10-17", facts)
    statements = tuple(reader.statements(document.get("Statement")))
    if resource_based and (size := _size(document)) > MAX_RESOURCE_POLICY:
        problems.add("", f"the policy has {size} characters; {MAX_RESOURCE_POLICY} are the most a resource policy may")
    return problems.all() or statements


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
                self._add(f"{where}.{name}", "is no element of a statement", word=name, known=_STATEMENT)
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
        principal = self._principal(given, where, denies)
        action = self._action(given, where)
        resource = self._resource(given, where, denies)
        conditions: tuple[Condition, ...] = ()
        if "Condition" in given:
            conditions = compile_conditions(
                given["Condition"], f"{where}.Condition", self._problems, variables=self._variables
            )
        return Statement(sid or f"statement {index + 1}", denies, action, resource, principal, conditions)

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

    def _action(self, given: Mapping[str, Any], where: str) -> Callable[[str], bool]:
        if (name := self._one_of(given, where, "Action")) is None:
            return any_text
        patterns = []
        for at, action in self._texts(given[name], f"{where}.{name}"):
            vendor, colon, called = action.partition(":")
            pattern = read_pattern(action.lower())
            if action != "*" and not (colon and vendor and called):
                self._add(at, f"{shown(action)} is no action", mend="Write service:action, such as execute-api:Invoke")
            elif vendor.lower() == "execute-api" and not any(map(_test(pattern), map(str.lower, _ACTIONS))):
                self._add(at, f"{shown(action)} is no action of API Gateway", word=action, known=_ACTIONS)
            else:
                patterns.append(pattern)
        test = compile_patterns(patterns)
        return test if name == "Action" else lambda action: not test(action)

    def _resource(self, given: Mapping[str, Any], where: str, denies: bool) -> Callable[[Access], bool]:
        if (name := self._one_of(given, where, "Resource")) is None:
            return lambda access: True
        fixed, short, varying = [], [], []
        for at, text in self._texts(given[name], f"{where}.{name}"):
            parts = self._resource_parts(text, at)
            if isinstance(parts, str):
                short.append(read_pattern(parts))
            elif any(isinstance(part, Variable) for part in parts):
                varying.append(parts)
            else:
                fixed.append(parts)
        matches = _resource_test(compile_patterns(fixed), compile_patterns(short) if short else None, varying)
        negated = name == "NotResource"
        if not denies:
            return lambda access: matches(access, access.resource) is not negated
        return lambda access: any(matches(access, form) is not negated for form in access.forms)

    def _resource_parts(self, text: str, where: str) -> Sequence[Part] | str:
        """The parts of a resource's pattern; a text is the short form's path within an API."""
        if text == "*":
            return read_pattern(text)
        if text.startswith(_SHORT) and self._resource_based:
            if (facts := self._facts) is None:
                return text.removeprefix(_SHORT)
            place = f"arn:aws:execute-api:{facts.region}:{facts.account_id}:{facts.api_id}/"
            text = place + text.removeprefix(_SHORT)
        elif not text.startswith("arn:"):
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


def _test(pattern: Sequence[Any]) -> Callable[[str], bool]:
    return compile_pattern(pattern)


def _resource_test(
    fixed: Callable[[str], bool], short: Callable[[str], bool] | None, varying: Sequence[Sequence[Part]]
) -> Callable[[Access, str], bool]:
    if short is None and not varying:
        return lambda access, form: fixed(form)

    def matches(access: Access, form: str) -> bool:
        if fixed(form) or (short is not None and short(_within_api(form))):
            return True
        for parts in varying:
            atoms = filled(parts, access)
            if atoms is not None and compile_pattern(atoms)(form):
                return True
        return False

    return matches


def _within_api(arn: str) -> str:
    """Stage, verb and path of a method's ARN."""
    return arn.partition("/")[2] if arn.startswith("arn:") else ""
