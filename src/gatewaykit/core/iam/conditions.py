"""The Condition element: operators, `…IfExists`, `ForAllValues:` and `ForAnyValue:`, and Null.

IAM user guide, "Condition operators" and "Multivalued context keys". Operators and keys are joined by AND, the values
of one key by OR; a negated operator holds where none of its values fits. An absent key makes a negated operator true
and any other false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gatewaykit.core.iam import operands
from gatewaykit.core.iam.patterns import compile_patterns
from gatewaykit.core.iam.problems import Problems, shown
from gatewaykit.core.iam.variables import Part, Variable, filled, read_text

if TYPE_CHECKING:
    from gatewaykit.core.iam.access import Access

__all__ = ["OPERATORS", "Condition", "compile_conditions"]

Fits: TypeAlias = "Callable[[str], bool]"
"""Does one value of the request fit any value of the policy?"""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key. `text` names it: `IpAddress aws:SourceIp`."""

    text: str
    holds: Callable[[Access], bool]


class _Unreadable(ValueError):
    """A value of the policy that its operator cannot compare with."""


# ------------------------------------------------------------------------------------------------- families


def _texts(values: Sequence[str]) -> Fits:
    return frozenset(values).__contains__


def _folded(values: Sequence[str]) -> Fits:
    equal = frozenset(value.lower() for value in values)
    return lambda value: value.lower() in equal


def _comparing(read: Callable[[str], Any], what: str, compare: Callable[[Any, Any], bool]) -> Callable[..., Fits]:
    def make(values: Sequence[str]) -> Fits:
        wanted = [_readable(read, value, what) for value in values]

        def fits(value: str) -> bool:
            given = read(value)
            return given is not None and any(compare(given, each) for each in wanted)

        return fits

    return make


def _equal_by(read: Callable[[str], Any], what: str) -> Callable[..., Fits]:
    def make(values: Sequence[str]) -> Fits:
        wanted = frozenset(_readable(read, value, what) for value in values)
        return lambda value: (given := read(value)) is not None and given in wanted

    return make


def _networks(values: Sequence[str]) -> Fits:
    wanted = [_readable(operands.network, value, "address or network") for value in values]
    read = operands.address

    def fits(value: str) -> bool:
        if (given := read(value)) is None:
            return False
        version, number = given
        return any(version == of and number & mask == first for of, first, mask in wanted)

    return fits


def _readable(read: Callable[[str], Any], value: str, what: str) -> Any:
    if (given := read(value)) is None:
        raise _Unreadable(f"{shown(value)} is no {what}")
    return given


_INSTANT: Final = "date (ISO 8601, or seconds since 1970)"
_PLAIN: Final[Mapping[str, Callable[[Sequence[str]], Fits]]] = {
    "Bool": _equal_by(operands.boolean, "'true' or 'false'"),
    "BinaryEquals": _equal_by(operands.binary, "Base64"),
    "NumericEquals": _equal_by(operands.number, "number"),
    "NumericLessThan": _comparing(operands.number, "number", lt),
    "NumericLessThanEquals": _comparing(operands.number, "number", le),
    "NumericGreaterThan": _comparing(operands.number, "number", gt),
    "NumericGreaterThanEquals": _comparing(operands.number, "number", ge),
    "DateEquals": _equal_by(operands.instant, _INSTANT),
    "DateLessThan": _comparing(operands.instant, _INSTANT, lt),
    "DateLessThanEquals": _comparing(operands.instant, _INSTANT, le),
    "DateGreaterThan": _comparing(operands.instant, _INSTANT, gt),
    "DateGreaterThanEquals": _comparing(operands.instant, _INSTANT, ge),
    "IpAddress": _networks,
}
"""Operators whose values are fixed: no variables, no wildcards."""


def _literal_texts(values: Iterable[Sequence[Any]]) -> Fits:
    return _texts(["".join(parts) for parts in values])


def _literal_folded(values: Iterable[Sequence[Any]]) -> Fits:
    return _folded(["".join(parts) for parts in values])


def _arns(values: Iterable[Sequence[Any]]) -> Fits:
    tests = [_arn(parts) for parts in values]
    return lambda value: any(test(value) for test in tests)


def _arn(parts: Sequence[Any]) -> Fits:
    """An ARN pattern: each of the six parts on its own; a lone `*` is any ARN."""
    sections: list[list[Any]] = [[]]
    for part in parts:
        if isinstance(part, str):
            first, *others = part.split(":", 6 - len(sections))
            sections[-1] += [first] if first else []
            sections += [[other] if other else [] for other in others]
        else:
            sections[-1].append(part)
    if len(sections) == 1 and len(sections[0]) == 1 and compile_patterns(sections)("arn:"):
        return lambda value: operands.arn_parts(value) is not None
    if len(sections) != 6:
        return lambda value: False
    tests = [compile_patterns([section]) for section in sections]

    def fits(value: str) -> bool:
        given = operands.arn_parts(value)
        return given is not None and all(test(part) for test, part in zip(tests, given, strict=True))

    return fits


_TEXT: Final[Mapping[str, tuple[bool, Callable[[Iterable[Sequence[Any]]], Fits]]]] = {
    "StringEquals": (False, _literal_texts),
    "StringEqualsIgnoreCase": (False, _literal_folded),
    "StringLike": (True, compile_patterns),
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
OPERATORS: Final = (*_PLAIN, *_TEXT, *_NEGATED, _NULL)
"""The names of all operators, without `…IfExists` and the set prefixes."""

_BY_LOWER: Final = {name.lower(): name for name in OPERATORS}
_SETS: Final = {"forallvalues": "ForAllValues", "foranyvalue": "ForAnyValue"}
_IF_EXISTS: Final = "ifexists"


# ------------------------------------------------------------------------------------------------- compiling


def compile_conditions(block: object, where: str, problems: Problems, *, variables: bool) -> tuple[Condition, ...]:
    """The conditions of a statement; what is wrong with them goes to `problems`."""
    if not isinstance(block, Mapping):
        problems.add(where, "is no object", mend='Write {"StringEquals": {"key": "value"}}')
        return ()
    found: list[Condition] = []
    for written, keys in block.items():
        here = f"{where}.{written}"
        if (read := _operator(str(written))) is None:
            known = OPERATORS if ":" not in str(written) else [f"{s}:{o}" for s in _SETS.values() for o in OPERATORS]
            problems.add(
                here, "is no condition operator", word=written, known=known,
                mend="The guide lists them under 'Condition operators'",
            )  # fmt: skip
        elif not isinstance(keys, Mapping) or not keys:
            problems.add(here, "is no object of keys and values")
        else:
            found += _of_operator(read, str(written), keys, here, problems, variables)
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


def _of_operator(
    read: tuple[str, str, bool], written: str, keys: Mapping[Any, Any], where: str, problems: Problems, variables: bool
) -> Iterator[Condition]:
    for key, given in keys.items():
        here = f"{where}.{key}"
        if not isinstance(key, str) or not key:
            problems.add(here, "is no name of a condition key")
            continue
        if (values := _values(given)) is None:
            problems.add(here, "is neither a value nor a list of values", mend="Write a text, or a list of texts")
            continue
        try:
            yield Condition(f"{written} {key}", _compile(read, key.lower(), values, variables))
        except ValueError as error:
            problems.add(here, str(error))


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


def _compile(operator: tuple[str, str, bool], key: str, values: list[str], variables: bool) -> Callable[[Access], bool]:
    quantifier, name, if_exists = operator
    if name == _NULL:
        return _null(key, values)
    positive = _NEGATED.get(name, name)
    negated = positive is not name
    fits_of: Callable[[Access], Fits | None]
    if positive in _PLAIN:
        fits = _PLAIN[positive](values)
        return _fixed(key, fits, negated=negated, if_exists=if_exists, quantifier=quantifier)
    wildcards, make = _TEXT[positive]
    parts = [read_text(value, wildcards=wildcards, variables=variables) for value in values]
    if not any(isinstance(part, Variable) for each in parts for part in each):
        return _fixed(key, make(parts), negated=negated, if_exists=if_exists, quantifier=quantifier)
    fits_of = _filling(parts, make, negated=negated)

    def holds(access: Access) -> bool:
        fits = fits_of(access)
        if fits is None:
            return False
        return _fixed(key, fits, negated=negated, if_exists=if_exists, quantifier=quantifier)(access)

    return holds


def _filling(
    parts: Sequence[Sequence[Part]], make: Callable[[Iterable[Sequence[Any]]], Fits], *, negated: bool
) -> Callable[[Access], Fits | None]:
    """The test with its variables replaced. A value with a variable that has none fits nothing; where the operator is
    negated, that must not make the condition true, so there is no test at all."""

    def fits_of(access: Access) -> Fits | None:
        values = [filled(each, access) for each in parts]
        if negated and None in values:
            return None
        return make([value for value in values if value is not None])

    return fits_of


def _fixed(key: str, fits: Fits, *, negated: bool, if_exists: bool, quantifier: str) -> Callable[[Access], bool]:
    absent = if_exists or negated
    if quantifier == "forallvalues":
        if negated:
            return lambda access: not any(map(fits, access.keys[key]))
        return lambda access: all(map(fits, access.keys[key]))
    if quantifier == "foranyvalue":
        if negated:
            return lambda access: any(not fits(v) for v in access.keys[key]) or (if_exists and not access.keys[key])
        return lambda access: any(map(fits, access.keys[key])) or (if_exists and not access.keys[key])

    def holds(access: Access) -> bool:
        values = access.keys[key]
        if len(values) == 1:
            return fits(values[0]) is not negated
        return any(map(fits, values)) is not negated if values else absent

    return holds


def _null(key: str, values: Sequence[str]) -> Callable[[Access], bool]:
    wanted = {_readable(operands.boolean, value, "'true' or 'false'") for value in values}
    return lambda access: (not access.keys[key]) in wanted
