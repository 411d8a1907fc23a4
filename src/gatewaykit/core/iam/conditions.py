"""The Condition element: operators, `…IfExists`, `ForAllValues:` and `ForAnyValue:`, and Null.

IAM user guide, "Condition operators" and "Multivalued context keys". Operators and keys are joined by AND, the values
of one key by OR; a negated operator holds where none of its values fits. An absent key makes a negated operator true
and any other false. A value whose variable stands for nothing fits nothing; of a negated operator the guide does not
say what that makes it, so it holds in a Deny and not in an Allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gatewaykit.core.iam import operands
from gatewaykit.core.iam.patterns import any_text, compile_patterns
from gatewaykit.core.iam.problems import Problems, shown
from gatewaykit.core.iam.variables import Part, Variable, filled, read_text

if TYPE_CHECKING:
    from gatewaykit.core.iam.access import Keys

__all__ = ["OPERATORS", "Condition", "compile_conditions"]

Holds: TypeAlias = "Callable[[Keys], bool]"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key (lower case). `text` names both as they are written: `IpAddress aws:SourceIp`."""

    text: str
    key: str
    holds: Holds


@dataclass(frozen=True, slots=True)
class _Fit:
    """Whether a value of the request fits one of the policy's: what is read from it (None: nothing), and the check."""

    check: Callable[[Any], bool]
    read: Callable[[str], Any] | None = None

    def __call__(self, value: str) -> bool:
        if self.read is None:
            return self.check(value)
        given = self.read(value)
        return given is not None and self.check(given)


# ------------------------------------------------------------------------------------------------- families


def _among(values: Sequence[Any]) -> Callable[[Any], bool]:
    return frozenset(values).__contains__


def _before(values: Sequence[Any]) -> Callable[[Any], bool]:
    return partial(gt, max(values))


def _until(values: Sequence[Any]) -> Callable[[Any], bool]:
    return partial(ge, max(values))


def _after(values: Sequence[Any]) -> Callable[[Any], bool]:
    return partial(lt, min(values))


def _since(values: Sequence[Any]) -> Callable[[Any], bool]:
    return partial(le, min(values))


def _inside(networks: Sequence[tuple[int, int]]) -> Callable[[int], bool]:
    if len(networks) == 1:
        ((first, mask),) = networks
        return lambda address: address & mask == first

    def check(address: int) -> bool:
        for first, mask in networks:  # noqa: SIM110 - any() costs more than what it asks
            if address & mask == first:
                return True
        return False

    return check


_TIMES: Final = (operands.instant, operands.instant, "date (ISO 8601, or seconds since 1970)")
_NUMBERS: Final = (operands.number, operands.number, "number")
_Reader: TypeAlias = "Callable[[str], Any]"

_TYPED: Final[Mapping[str, tuple[tuple[_Reader, _Reader, str], Callable[[Sequence[Any]], Callable[[Any], bool]]]]] = {
    "Bool": ((operands.boolean, operands.boolean, "'true' or 'false'"), _among),
    "BinaryEquals": ((operands.binary, operands.binary, "Base64"), _among),
    "NumericEquals": (_NUMBERS, _among),
    "NumericLessThan": (_NUMBERS, _before),
    "NumericLessThanEquals": (_NUMBERS, _until),
    "NumericGreaterThan": (_NUMBERS, _after),
    "NumericGreaterThanEquals": (_NUMBERS, _since),
    "DateEquals": (_TIMES, _among),
    "DateLessThan": (_TIMES, _before),
    "DateLessThanEquals": (_TIMES, _until),
    "DateGreaterThan": (_TIMES, _after),
    "DateGreaterThanEquals": (_TIMES, _since),
    "IpAddress": ((operands.address, operands.network, "address or network"), _inside),
}
"""Operators whose values have a type, so no variables or wildcards: how values of the request and of the policy are
read, what the latter are called, and the check they make. A number is below any of several if below the greatest."""


def _texts(values: Iterable[Sequence[Any]]) -> _Fit:
    return _Fit(_among(["".join(parts) for parts in values]))


def _folded(values: Iterable[Sequence[Any]]) -> _Fit:
    return _Fit(_among(["".join(parts).lower() for parts in values]), str.lower)


def _likes(values: Iterable[Sequence[Any]]) -> _Fit:
    return _Fit(compile_patterns(values))


def _arns(values: Iterable[Sequence[Any]]) -> _Fit:
    checks = [_arn(parts) for parts in values]
    one = checks[0] if len(checks) == 1 else lambda given: any(check(given) for check in checks)
    return _Fit(one, operands.arn_parts)


def _arn(parts: Sequence[Any]) -> Callable[[Sequence[str]], bool]:
    """An ARN pattern: each of the six parts on its own, so that no wildcard reaches from one into another."""
    sections: list[list[Any]] = [[]]
    for part in parts:
        if isinstance(part, str):
            first, *others = part.split(":", 6 - len(sections))
            sections[-1].append(first)
            sections += [[other] for other in others]
        else:
            sections[-1].append(part)
    if len(sections) != 6:
        return lambda given: False
    tests = []
    for index in (5, 4, 3, 2, 1, 0):  # the last tells most
        test = compile_patterns([[atom for atom in sections[index] if atom != ""]])
        if test is not any_text:
            tests.append((index, test))

    def check(given: Sequence[str]) -> bool:
        for index, test in tests:  # noqa: SIM110 - all() costs more than what it asks
            if not test(given[index]):
                return False
        return True

    return check


_TEXT: Final[Mapping[str, tuple[bool, Callable[[Iterable[Sequence[Any]]], _Fit]]]] = {
    "StringEquals": (False, _texts),
    "StringEqualsIgnoreCase": (False, _folded),
    "StringLike": (True, _likes),
    "ArnEquals": (True, _arns),
    "ArnLike": (True, _arns),
}
"""Operators whose values may hold variables: whether they may hold wildcards, and the test they make."""

_NEGATED: Final = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}

_NULL: Final = "Null"
OPERATORS: Final = (*_TYPED, *_TEXT, *_NEGATED, _NULL)
"""The names of all operators, without `…IfExists` and the set prefixes."""

_BY_LOWER: Final = {name.lower(): name for name in OPERATORS}
_SETS: Final = {"forallvalues": "ForAllValues", "foranyvalue": "ForAnyValue"}
_IF_EXISTS: Final = "ifexists"
_LISTED: Final = "The IAM user guide lists them under 'Condition operators'"


# ------------------------------------------------------------------------------------------------- compiling


def compile_conditions(
    block: object, where: str, problems: Problems, *, variables: bool, denies: bool
) -> tuple[Condition, ...]:
    """The conditions of a statement; what is wrong with them goes to `problems`."""
    if not isinstance(block, Mapping):
        problems.add(where, "is no object", mend='Write {"StringEquals": {"key": "value"}}')
        return ()
    found: list[Condition] = []
    for written, keys in block.items():
        here = problems.path(where, written)
        if (read := _operator(str(written))) is None:
            known = OPERATORS if ":" not in str(written) else [f"{s}:{o}" for s in _SETS.values() for o in OPERATORS]
            if str(written).lower().removesuffix(_IF_EXISTS).rpartition(":")[2] == _NULL.lower():
                problems.add(here, "Null takes neither a set operator nor IfExists")
            else:
                problems.add(here, "is no condition operator", word=written, known=known, mend=_LISTED)
        elif not isinstance(keys, Mapping) or not keys:
            problems.add(here, "is no object of keys and values")
        else:
            for key, given in keys.items():
                at = problems.path(here, key)
                if not isinstance(key, str) or not key:
                    problems.add(at, "is no name of a condition key")
                elif (values := _values(given)) is None:
                    problems.add(at, "is neither a value nor a list of values", mend="Write a text, or a list of texts")
                else:
                    try:
                        holds = _compile(read, key.lower(), values, variables, denies)
                    except ValueError as error:
                        problems.add(at, str(error))
                    else:
                        found.append(Condition(f"{written} {key}", key.lower(), holds))
    return tuple(found)


def _operator(written: str) -> tuple[str, str, bool] | None:
    """Set prefix, name and IfExists of an operator as it is written, in any casing."""
    prefix, colon, name = written.lower().rpartition(":")
    if colon and prefix not in _SETS:
        return None
    if_exists = name.endswith(_IF_EXISTS)
    known = _BY_LOWER.get(name.removesuffix(_IF_EXISTS) if if_exists else name)
    if known is None or (known == _NULL and (colon or if_exists)):
        return None
    return prefix, known, if_exists


def _values(given: object) -> list[str] | None:
    """The values of a key as texts. Numbers and booleans may stand without quotes."""
    values = []
    for value in given if isinstance(given, (list, tuple)) else (given,):
        if isinstance(value, bool):
            values.append(str(value).lower())
        elif isinstance(value, str):
            values.append(value)
        elif isinstance(value, (int, float)) and -1e300 < value < 1e300:
            values.append(repr(value))
        else:
            return None
    return values


def _compile(operator: tuple[str, str, bool], key: str, values: list[str], variables: bool, denies: bool) -> Holds:
    quantifier, name, if_exists = operator
    if name == _NULL:
        wanted = _read(values, operands.boolean, "'true' or 'false'")
        return lambda keys: (not keys[key]) in wanted
    if not values:
        raise ValueError("has no values")
    positive = _NEGATED.get(name, name)
    negated = positive is not name
    if positive in _TYPED:
        (read, read_policy, what), make_check = _TYPED[positive]
        fit = _Fit(make_check(_read(values, read_policy, what)), read)
        return _holding(key, fit, negated, if_exists, quantifier)
    wildcards, make = _TEXT[positive]
    texts = [read_text(value, wildcards=wildcards, variables=variables) for value in values]
    if make is _arns:
        for value, parts in zip(values, texts, strict=True):
            if value.count(":") < 5 and not _varies(parts):
                raise ValueError(f"{shown(value)} is no ARN: it has less than six parts, and would fit nothing")
    if not any(map(_varies, texts)):
        return _holding(key, make(texts), negated, if_exists, quantifier)

    def holds(keys: Keys) -> bool:
        found = [filled(parts, keys) for parts in texts]
        if negated and None in found:
            return denies
        fit = make([atoms for atoms in found if atoms is not None])
        return _holding(key, fit, negated, if_exists, quantifier)(keys)

    return holds


def _varies(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Variable) for part in parts)


def _read(values: Sequence[str], read: _Reader, what: str) -> list[Any]:
    found = []
    for value in values:
        if (given := read(value)) is None:
            raise ValueError(f"{shown(value)} is no {what}")
        found.append(given)
    return found


def _holding(key: str, fit: _Fit, negated: bool, if_exists: bool, quantifier: str) -> Holds:
    if quantifier == "forallvalues":
        if negated:
            return lambda keys: not any(map(fit, keys[key]))
        return lambda keys: all(map(fit, keys[key]))
    if quantifier == "foranyvalue":
        return lambda keys: any(fit(value) is not negated for value in keys[key]) or (if_exists and not keys[key])
    if negated:
        return lambda keys: not any(map(fit, keys[key]))
    check, read = fit.check, fit.read
    if read is None:

        def holds(keys: Keys) -> bool:
            values = keys[key]
            for value in values:
                if check(value):
                    return True
            return if_exists and not values

    else:

        def holds(keys: Keys) -> bool:
            values = keys[key]
            for value in values:
                if (given := read(value)) is not None and check(given):
                    return True
            return if_exists and not values

    return holds
