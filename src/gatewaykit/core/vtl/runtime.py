"""What generated code calls: members, assignment, arithmetic, comparison, loops. None is null."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import add as _plus
from operator import mul as _times
from operator import sub as _minus
from typing import Any, ClassVar, Final

from gatewaykit.core.vtl.java_strings import is_int
from gatewaykit.core.vtl.methods import METHODS, NOT_OFFERED, int_value
from gatewaykit.core.vtl.values import (
    MAX_TEXT,
    Block,
    Failure,
    HostObject,
    JavaList,
    JavaSet,
    MapKey,
    OnceMap,
    Stopped,
    java_equals,
    key_of,
    text,
)

__all__ = ["NAMESPACE", "TURN"]  # fmt: skip

MAX_ITERATIONS: Final = 1000
"""Iterations of one #foreach (developer guide, "Quotas")."""

MAX_STEPS: Final = 250_000
"""Iterations of all #foreach of one rendering: nested loops multiply, and a request may not hold up the rest."""

MAX_INTEGER_BITS: Final = 4096

TURN: Final = 16
"""Iterations between two looks at how much there is; a power of two."""


_VARARGS: Final = 0x04  # inspect.CO_VARARGS; inspect is slow to import


class Loop(HostObject):
    """`$foreach`: the innermost loop. It is a map too: a template may keep values in it."""

    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        "getIndex": lambda loop: loop.index,
        "getCount": lambda loop: loop.index + 1,
        "hasNext": lambda loop: loop.index < loop.last,
        "getHasNext": lambda loop: loop.index < loop.last,
        "isFirst": lambda loop: loop.index < 1,
        "isLast": lambda loop: loop.index >= loop.last,
        "getParent": lambda loop: loop.parent,
        "getTopmost": lambda loop: loop.topmost(),
        "get": lambda loop, key: loop.stored(key_of(key)),
        "put": lambda loop, key, value: loop.store(key_of(key), value),
    }
    _PROPERTIES: Final = {
        "index": "getIndex",
        "count": "getCount",
        "hasNext": "hasNext",
        "first": "isFirst",
        "last": "isLast",
        "parent": "getParent",
        "topmost": "getTopmost",
    }

    def __init__(self, outer: object, last: int) -> None:
        self.index = -1
        self.last = last
        self.outer = outer
        self.parent = outer if isinstance(outer, Loop) else None
        self._stored: dict[object, object] = {}

    def topmost(self) -> Loop:
        return self.parent.topmost() if self.parent else self

    def stored(self, key: object) -> object:
        if key in self._stored:
            return self._stored[key]
        return self.parent.stored(key) if self.parent else None

    def store(self, key: object, value: object) -> object:
        before = self._stored.get(key)
        self._stored[key] = value
        return before

    def template_property(self, name: str) -> object:
        method = self._PROPERTIES.get(name)
        return self.methods[method](self) if method else self.stored(name)

    def template_text(self) -> str:
        return text(self._stored)


# ------------------------------------------------------------------------------------------------------ members


def member(owner: object, name: str) -> object:
    """`owner.name`."""
    if isinstance(owner, dict):
        return owner.get(name)
    if isinstance(owner, HostObject):
        return owner.template_property(name)
    if name == "empty" and isinstance(owner, (str, list)):
        return not owner
    return None


def index(owner: object, key: object) -> object:
    """`owner[key]`."""
    if isinstance(owner, dict):
        return owner.get(key_of(_from_end(owner, key)))
    if isinstance(owner, list) and not isinstance(owner, JavaSet) and type(key) is int:
        at = _from_end(owner, key)
        if not 0 <= at < len(owner):
            if not is_int(key):
                return None
            raise Failure(f"index {key} of a list of {len(owner)}")
        return owner[at]
    if type(key) is int and key < 0 and not isinstance(owner, list):
        raise Failure(f"index {key} of what has no size")
    return call(owner, "get", key)


def _from_end(owner: dict[Any, Any] | list[Any], key: Any) -> Any:
    return len(owner) + key if type(key) is int and -(2**31) <= key < 0 else key


def call(owner: object, name: str, *arguments: object) -> object:
    """`owner.name(arguments)`. A method that there is not, or not with such arguments, gives null."""
    method = _method(owner, name)
    if method is None:
        return None
    try:
        return method(owner, *arguments)
    except TypeError:  # the wrong number of arguments, or of the wrong types
        _refuse_arguments(method, name, len(arguments))
        return None


def call_bare(owner: object, name: str) -> object:
    """`call` without arguments, quicker."""
    try:
        method = METHODS[type(owner)][name]
    except KeyError:
        return call(owner, name)
    try:
        return method(owner)
    except TypeError:
        return None


def call_one(owner: object, name: str, argument: object) -> object:
    """`call` with one argument, quicker."""
    try:
        method = METHODS[type(owner)][name]
    except KeyError:
        return call(owner, name, argument)
    try:
        return method(owner, argument)
    except TypeError:
        _refuse_arguments(method, name, 1)
        return None


def _refuse_arguments(method: Callable[..., Any], name: str, arguments: int) -> None:
    """Java would not find a method for such arguments, but Velocity takes one that has no parameters, and fails."""
    code = method.__code__
    if arguments and code.co_argcount == 1 and not code.co_flags & _VARARGS:
        raise Failure(f"{name}() takes no arguments") from None


def _method(owner: object, name: str) -> Callable[..., Any] | None:
    """The method of a value or an object. Raises Failure for one that Java has and templates may not call."""
    kind = type(owner)
    if kind not in METHODS and isinstance(owner, HostObject):
        METHODS[kind] = owner.methods
    if name in METHODS.get(kind, ()):
        return METHODS[kind][name]
    if name in NOT_OFFERED.get(kind, ()):
        raise Failure(f"the method {name}() is not supported")
    return None


def assign_property(owner: object, name: str, value: object) -> None:
    """`#set($owner.name = value)`; quietly nothing where there is no such property."""
    assign_index(owner, name, value) if isinstance(owner, (dict, Loop)) else None


def assign_index(owner: object, key: object, value: object) -> None:
    """`#set($owner[key] = value)`."""
    if isinstance(owner, dict):
        key = key_of(_from_end(owner, key))
        if type(owner) is OnceMap and key in owner:
            raise Failure(f"{text(key)} is overridden twice")
        owner[key] = value
    elif isinstance(owner, list) and not isinstance(owner, JavaSet) and is_int(key):
        at = _from_end(owner, key)
        if not 0 <= at < len(owner):
            raise Failure(f"index {key} of a list of {len(owner)}")
        owner[at] = value
    elif isinstance(owner, Loop):
        owner.store(key_of(key), value)
    elif owner is not None and type(key) is int and key < 0 and not isinstance(owner, list):
        raise Failure(f"index {key} of what has no size")


# --------------------------------------------------------------------------------------------------- arithmetic


def _number(value: object) -> bool:
    kind = type(value)
    return kind is int or kind is float


def add(left: Any, right: Any, left_literal: str, right_literal: str) -> object:
    """Numbers are added, anything else is put together when one side is a string; otherwise null."""
    if type(left) is str or type(right) is str:
        left = left_literal if left is None else text(left)
        right = right_literal if right is None else text(right)
        if len(left) + len(right) > MAX_TEXT:
            raise Failure(f"a text of more than {MAX_TEXT} characters")
        return left + right
    return _computed(_plus, left, right)


def subtract(left: Any, right: Any) -> object:
    return _computed(_minus, left, right)


def multiply(left: Any, right: Any) -> object:
    return _computed(_times, left, right)


def divide(left: Any, right: Any) -> object:
    """Whole numbers are divided towards zero; by zero gives null."""
    return None if right == 0 else _computed(_quotient, left, right)


def modulo(left: Any, right: Any) -> object:
    """The remainder has the sign of the left side; by zero gives null."""
    return None if right == 0 else _computed(_remainder, left, right)


def _computed(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> object:
    """Null unless both sides are numbers."""
    if not (_number(left) and _number(right)):
        return None
    try:
        result = operation(left, right)
    except OverflowError:  # a double and a whole number beyond any double
        raise Failure("a number is too large") from None
    if type(result) is int and result.bit_length() > MAX_INTEGER_BITS:
        raise Failure("a number is too large")
    return result


def _quotient(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _remainder(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return math.nan if math.isinf(left) else math.fmod(left, right)


def equal(left: object, right: object) -> bool:
    """`==`: numbers by value, the same kind by content, anything else by how it prints."""
    if type(left) is str and type(right) is str:
        return left == right
    if _number(left) and _number(right):
        return left == right
    if left is None or right is None:
        return left is right
    if type(left) is type(right) or _same_kind(left, right):
        return java_equals(left, right)
    return text(left) == text(right)


def _same_kind(left: object, right: object) -> bool:
    if isinstance(left, list):
        return isinstance(right, list) and not isinstance(left, JavaSet) and not isinstance(right, JavaSet)
    return isinstance(left, dict) and isinstance(right, dict)


def less(left: Any, right: Any) -> bool:
    return _number(left) and _number(right) and bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    return _number(left) and _number(right) and bool(left <= right)


def greater(left: Any, right: Any) -> bool:
    return _number(left) and _number(right) and bool(left > right)


def greater_or_equal(left: Any, right: Any) -> bool:
    return _number(left) and _number(right) and bool(left >= right)


# -------------------------------------------------------------------------------------------------------- loops


def range_of(first: object, last: object) -> object:
    if not (_number(first) and _number(last)):
        return None
    start, end = int_value(first), int_value(last)
    if abs(start - end) >= MAX_STEPS:
        raise Failure(f"a range of more than {MAX_STEPS} numbers")
    return JavaList(range(start, end + 1) if start < end else range(start, end - 1, -1))


def items(value: object) -> list[Any] | None:
    """What a #foreach goes over, or None when it is nothing to go over. A copy: the body may change the list."""
    if type(value) is JavaSet:
        found: list[Any] = value  # which nothing changes
    elif isinstance(value, dict):
        found = [*value.values()]
    elif isinstance(value, list):
        found = [*value]
    else:
        return None
    if len(found) > MAX_ITERATIONS:
        raise Failure(f"#foreach over {len(found)} items; {MAX_ITERATIONS} is the most")
    return found


def keys_of(owner: object) -> list[Any] | None:
    """What a #foreach over `owner.keySet()` goes over."""
    if type(owner) is dict and len(owner) <= MAX_ITERATIONS and MapKey not in map(type, owner):
        return [*owner]
    return items(call_bare(owner, "keySet"))


class Counted:
    """One rendering of a template with loops: how many iterations there were, over all its loops."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0

    def pieces(self) -> Pieces:
        return Pieces(self)


class Pieces(list[str]):
    """Output that grows in loops. Each loop calls `enter`, and then `look` now and then: nothing grows unseen."""

    __slots__ = ("_counted", "_length", "_rendering")

    def __init__(self, rendering: Counted) -> None:
        self._rendering = rendering
        self._counted = self._length = 0

    def enter(self, items: list[Any]) -> int:
        """The last index of what a loop will go over."""
        count = len(items)
        rendering = self._rendering
        rendering.steps += count
        if rendering.steps > MAX_STEPS:
            raise Failure(f"more than {MAX_STEPS} iterations")
        if len(self) - self._counted > TURN * 4:
            self.look()
        return count - 1

    def look(self) -> None:
        self._length += sum(map(len, self[self._counted :]))
        self._counted = len(self)
        if self._length > MAX_TEXT:
            raise Failure(f"an output of more than {MAX_TEXT} characters")


def show(value: object, literal: str) -> str:
    """How a reference prints where it may be a block: as it was written when the block is inside itself."""
    if type(value) is Block:
        shown = value.rendered()
        return literal if shown is None else shown
    return text(value)


def show_in_string(value: object, literal: str) -> str:
    """The same inside a string: what was put out when the template stops is lost with the string."""
    try:
        return show(value, literal)
    except Stopped:
        raise Stopped from None


NAMESPACE: Final[dict[str, object]] = {
    "Block": Block,
    "JavaList": JavaList,
    "Loop": Loop,
    "Counted": Counted,
    "list": list,
    "Stopped": Stopped,
    "empty": "",
    "dict": dict,
    "enumerate": enumerate,
    "float": float,
    "int": int,
    "join": "".join,
    "len": len,
    "repr": repr,
    "str": str,
    "type": type,
    "call": call,
    "call_bare": call_bare,
    "call_one": call_one,
    "index": index,
    "member": member,
    "key_of": key_of,
    "show": show,
    "show_in_string": show_in_string,
    "text": text,
    "assign_index": assign_index,
    "assign_property": assign_property,
    "items": items,
    "keys_of": keys_of,
    "range_of": range_of,
    "add": add,
    "divide": divide,
    "modulo": modulo,
    "multiply": multiply,
    "subtract": subtract,
    "equal": equal,
    "greater": greater,
    "less": less,
    "greater_or_equal": greater_or_equal,
    "less_or_equal": less_or_equal,
}
"""The globals of generated code, which has no builtins."""
