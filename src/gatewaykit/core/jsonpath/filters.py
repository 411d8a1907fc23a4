"""Filter expressions of paths, `?(@.a == 'b' && …)`, as closures over an item and the search it is part of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from gatewaykit.core.jsonpath.comparisons import OPERATORS, Abandoned, Pattern
from gatewaykit.core.jsonpath.reader import Reader, Unreadable, read_json, read_path
from gatewaykit.core.jsonpath.steps import MISSING, Predicate, Search
from gatewaykit.core.vtl.java_regex import compile_java_regex

__all__ = ["read_filter"]

_Value: TypeAlias = "Callable[[Any, Search], Any]"


class _Operand(NamedTuple):
    """`of_item` says whether its value may differ from item to item."""

    value: _Value
    of_item: bool


def read_filter(reader: Reader) -> Predicate:
    """The parenthesised expression at the cursor. Raises Unreadable."""
    reader.expect("(")
    holds = _any_of(reader)
    reader.expect(")")

    def predicate(item: Any, search: Search) -> bool:
        try:
            return holds(item, search)
        except Abandoned:
            return False

    return predicate


def _any_of(reader: Reader) -> Predicate:
    reader.deeper()
    terms = [_all_of(reader)]
    while reader.accept("||"):
        terms.append(_all_of(reader))
    reader.depth -= 1
    return terms[0] if len(terms) == 1 else lambda item, search: any(term(item, search) for term in terms)


def _all_of(reader: Reader) -> Predicate:
    terms = [_term(reader)]
    while reader.accept("&&"):
        terms.append(_term(reader))
    return terms[0] if len(terms) == 1 else lambda item, search: all(term(item, search) for term in terms)


def _term(reader: Reader) -> Predicate:
    if reader.accept("!"):
        reader.blanks()
        if reader.next() in ("@", "$"):
            exists = _relation(reader, negated=True)
            return lambda item, search: not exists(item, search)
        reader.deeper()
        term = _term(reader)
        reader.depth -= 1
        return lambda item, search: not term(item, search)
    if reader.accept("("):
        inner = _any_of(reader)
        reader.expect(")")
        return inner
    return _relation(reader, negated=False)


def _relation(reader: Reader, *, negated: bool) -> Predicate:
    """A comparison, or a path alone, which asks whether it exists. Only the latter may have a `!` before it."""
    reader.blanks()
    start = reader.at
    left = _operand(reader)
    reader.blanks()
    operator = reader.match(_OPERATOR)
    if operator is None:
        return _exists(reader, start)
    if negated:
        raise Unreadable(start, "a comparison is negated as '!(…)'")
    compare = OPERATORS.get(operator[0].lower())
    if compare is None:
        raise Unreadable(operator.start(), f"there is no operator {operator[0]!r}")
    right = _operand(reader)

    def holds(item: Any, search: Search) -> bool:
        return compare(left.value(item, search), right.value(item, search), search)

    if left.of_item or right.of_item:
        return holds

    def for_all(search: Search) -> bool:
        return holds(None, search)

    return lambda item, search: bool(search.once(for_all))


def _exists(reader: Reader, start: int) -> Predicate:
    """The operand that begins at `start` has been read; here again as a path that is only asked whether it exists.

    Asked that, Jayway begins at the item even where the path begins with `$`.
    """
    end, reader.at = reader.at, start
    if reader.next() not in ("@", "$"):
        reader.at = end
        raise reader.unreadable("expected a comparison")
    reader.deeper()
    path = read_path(reader, "filter", strict=True)
    reader.depth -= 1
    return lambda item, search: path.within(item, search) is not MISSING


_OPERATOR: Final = re.compile(r"===|!==|==|!=|<=|>=|=~|<|>|[A-Za-z]+")
_NUMBER: Final = re.compile(r"-?(?:[0-9]{1,300}(?:\.[0-9]{0,300})?|\.[0-9]{1,300})(?:[eE][+-]?[0-9]{1,3})?")
_REGEX: Final = re.compile(r"/((?:[^/\\]|\\.)*)/([dimsuxU]*)")
_WORD: Final = re.compile(r"(?:true|false|null)\b")
_WORDS: Final = {"true": True, "false": False, "null": None}


def _operand(reader: Reader) -> _Operand:
    """A path from the item or the root, or a literal."""
    reader.blanks()
    if reader.next() in ("@", "$"):
        return _path(reader)
    value = _literal(reader)
    return _Operand(lambda item, search: value, False)


def _path(reader: Reader) -> _Operand:
    of_item = reader.next() == "@"
    reader.deeper()
    path = read_path(reader, "filter")
    reader.depth -= 1
    if of_item:
        return _Operand(path.within, True)

    def from_root(search: Search) -> Any:
        return path.within(search.root, search)

    return _Operand(lambda item, search: search.once(from_root), False)


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
        return Pattern(pattern)
    if reader.accept("["):
        return _list_literal(reader)
    if reader.next() == "{":
        return read_json(reader)
    raise reader.unreadable("expected '@', '$' or a literal")


def _list_literal(reader: Reader) -> list[Any]:
    reader.deeper()
    items = []
    if not reader.accept("]"):
        items.append(_literal_item(reader))
        while reader.accept(","):
            items.append(_literal_item(reader))
        reader.expect("]")
    reader.depth -= 1
    return items


def _literal_item(reader: Reader) -> Any:
    reader.blanks()
    return _literal(reader)
