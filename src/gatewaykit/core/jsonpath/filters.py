"""Filter expressions of paths, `?(@.a == 'b' && …)`, as closures over an item and the whole document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from gatewaykit.core.jsonpath.path import MISSING, Path, Reader, read_path
from gatewaykit.core.vtl.java_regex import compile_java_regex

__all__ = ["read_filter"]

Operand: TypeAlias = Callable[[Any, Any], Any]
Predicate: TypeAlias = Callable[[Any, Any], bool]


def read_filter(reader: Reader) -> Predicate:
    """The parenthesised expression at the cursor. Raises Unreadable."""
    reader.expect("(")
    predicate = _any_of(reader)
    reader.expect(")")
    return predicate


def _any_of(reader: Reader) -> Predicate:
    reader.deeper()
    terms = [_all_of(reader)]
    while reader.accept("||"):
        terms.append(_all_of(reader))
    reader.depth -= 1
    return terms[0] if len(terms) == 1 else lambda item, root: any(term(item, root) for term in terms)


def _all_of(reader: Reader) -> Predicate:
    terms = [_term(reader)]
    while reader.accept("&&"):
        terms.append(_term(reader))
    return terms[0] if len(terms) == 1 else lambda item, root: all(term(item, root) for term in terms)


def _term(reader: Reader) -> Predicate:
    if reader.accept("!"):
        reader.deeper()
        term = _term(reader)
        reader.depth -= 1
        return lambda item, root: not term(item, root)
    if reader.accept("("):
        inner = _any_of(reader)
        reader.expect(")")
        return inner
    left, path = _operand(reader)
    reader.blanks()
    operator = reader.match(_OPERATOR)
    if operator is None:
        if path is None:
            raise reader.unreadable("expected a comparison")
        return lambda item, root: _exists(left(item, root), path)
    compare = _OPERATORS.get(operator[0].lower())
    if compare is None:
        raise reader.unreadable(f"there is no operator {operator[0]!r}")
    right, _ = _operand(reader)
    return lambda item, root: compare(left(item, root), right(item, root))


def _exists(value: Any, path: Path) -> bool:
    return value is not MISSING and (path.is_definite or value != [])


_OPERATOR: Final = re.compile(r"===|!==|==|!=|<=|>=|=~|<|>|[A-Za-z]+")
_NUMBER: Final = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")
_REGEX: Final = re.compile(r"/((?:[^/\\]|\\.)*)/([a-zA-Z]*)")
_WORD: Final = re.compile(r"(?:true|false|null)\b")
_WORDS: Final = {"true": True, "false": False, "null": None}


def _operand(reader: Reader) -> tuple[Operand, Path | None]:
    """A path from the item or the root, or a literal."""
    reader.blanks()
    start = reader.rest()[:1]
    if start == "@" or start == "$":
        path = read_path(reader, until="filter")
        if start == "@":
            return lambda item, root: path.find(item, root), path
        return lambda item, root: path.find(root, root), path
    value = _literal(reader)
    return lambda item, root: value, None


def _literal(reader: Reader) -> Any:
    if (text := reader.quoted()) is not None:
        return text
    if found := reader.match(_WORD):
        return _WORDS[found[0]]
    if found := reader.match(_NUMBER):
        return int(found[0]) if found[0].lstrip("-").isdigit() else float(found[0])
    if found := reader.match(_REGEX):
        flags = f"(?{found[2]})" if found[2] else ""
        pattern = compile_java_regex(flags + found[1].replace("\\/", "/"))
        if isinstance(pattern, str):
            raise reader.unreadable(pattern)
        return pattern
    if reader.accept("["):
        reader.deeper()
        items = []
        if not reader.accept("]"):
            items.append(_literal_item(reader))
            while reader.accept(","):
                items.append(_literal_item(reader))
            reader.expect("]")
        reader.depth -= 1
        return items
    if reader.rest().startswith("{"):
        return _json_object(reader)
    raise reader.unreadable("expected '@', '$' or a literal")


def _literal_item(reader: Reader) -> Any:
    reader.blanks()
    return _literal(reader)


def _json_object(reader: Reader) -> Any:
    try:
        value, end = json.JSONDecoder().raw_decode(reader.text, reader.at)
    except (ValueError, RecursionError):
        raise reader.unreadable("malformed JSON") from None
    reader.at = end
    return value


# -------------------------------------------------------------------------------------------------- operators


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    """Numbers by value; anything else must be of one kind. What is missing equals only what is missing."""
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """An order among numbers and among strings, and nothing else."""

    def compare(left: Any, right: Any) -> bool:
        comparable = (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str))
        return comparable and holds(left, right)

    return compare


def _matches(left: Any, right: Any) -> bool:
    """A pattern on either side must match a whole string, number or boolean, or one item of a list."""
    pattern, value = (right, left) if isinstance(right, re.Pattern) else (left, right)
    if not isinstance(pattern, re.Pattern) or isinstance(value, re.Pattern):
        return False
    return any(pattern.fullmatch(_shown(item)) for item in (value if isinstance(value, list) else [value]))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else ""


def _contains(holder: Any, value: Any) -> bool:
    if isinstance(holder, str):
        return isinstance(value, str) and value in holder
    return isinstance(holder, list) and any(_equal(item, value) for item in holder)


def _in(value: Any, holder: Any) -> bool:
    return isinstance(holder, list) and _contains(holder, value)


def _all_in(values: Any, holder: Any) -> bool:
    return isinstance(values, list) and all(_in(value, holder) for value in values)


def _any_in(values: Any, holder: Any) -> bool:
    return isinstance(values, list) and any(_in(value, holder) for value in values)


def _none_in(values: Any, holder: Any) -> bool:
    return isinstance(values, list) and isinstance(holder, list) and not _any_in(values, holder)


def _has_size(value: Any, size: Any) -> bool:
    return isinstance(value, (str, list, dict)) and _is_number(size) and len(value) == size


def _is_empty(value: Any, empty: Any) -> bool:
    return isinstance(value, (str, list, dict)) and (not value) is empty


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": _equal,
    "===": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "!==": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: bool(left < right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
    "=~": _matches,
    "in": _in,
    "nin": lambda value, holder: not _in(value, holder),
    "contains": _contains,
    "all": lambda values, wanted: _all_in(wanted, values),
    "subsetof": _all_in,
    "anyof": _any_in,
    "noneof": _none_in,
    "size": _has_size,
    "empty": _is_empty,
}
