"""What generated code calls: members, assignment, loops, and the operators. None is null."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from gatewaykit.core.vtl.growth import MAX_ITERATIONS, MAX_STEPS, Pieces
from gatewaykit.core.vtl.java_numbers import int_value
from gatewaykit.core.vtl.java_strings import is_int
from gatewaykit.core.vtl.methods import METHODS, NOT_OFFERED
from gatewaykit.core.vtl.operators import (
    add,
    divide,
    equal,
    greater,
    greater_or_equal,
    is_number,
    less,
    less_or_equal,
    modulo,
    multiply,
    subtract,
)
from gatewaykit.core.vtl.values import (
    MAX_TEXT,
    ODD_KEYS,
    Char,
    Failure,
    HostObject,
    JavaIterator,
    JavaList,
    JavaSet,
    OnceMap,
    key_of,
    put_inside,
    text,
)

__all__ = ["NAMESPACE", "Loop", "items"]

_VARARGS: Final = 0x04  # inspect.CO_VARARGS; inspect is slow to import


_ANY_OBJECT: Final[Mapping[str, Callable[..., object]]] = {
    "equals": lambda value, other: value is other,
    "toString": text,
}


def _of_map(name: str) -> Callable[..., object]:
    """A method of the map that a loop is, too."""
    method = METHODS[dict][name]
    return lambda loop, *arguments: method(
        loop.entries, *[argument.entries if isinstance(argument, Loop) else argument for argument in arguments]
    )


class Loop(HostObject):
    """`$foreach`: the innermost loop. It is a map too: a template may keep values in it."""

    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        **{name: _of_map(name) for name in METHODS[dict]},
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

    def __init__(self, outer: object, last: int, site: object = None) -> None:
        self.index = -1
        self.last = last
        self.site = site  # which #foreach it is
        self._outer = outer
        self.parent = outer if isinstance(outer, Loop) else None
        self.entries: dict[object, object] = {}

    def topmost(self) -> Loop:
        return self.parent.topmost() if self.parent else self

    def replaced(self) -> object:
        """What was `$foreach` before there was a loop."""
        return self.parent.replaced() if self.parent else self._outer

    def stored(self, key: object) -> object:
        if key in self.entries:
            return self.entries[key]
        return self.parent.stored(key) if self.parent else None

    def store(self, key: object, value: object) -> object:
        before = self.entries.get(key)
        self.entries[key] = value
        return before

    def template_property(self, name: str) -> object:
        method = self._PROPERTIES.get(name)
        return self.methods[method](self) if method else self.stored(name)

    def template_text(self) -> str:
        return text(self.entries)


# ------------------------------------------------------------------------------------------------------ members


def member(owner: object, name: str) -> object:
    """`owner.name`."""
    if isinstance(owner, dict):
        return owner.get(name)
    if isinstance(owner, HostObject):
        return owner.template_property(name)
    if name == "empty" and isinstance(owner, (str, list)) and type(owner) is not Char:
        return not owner
    return None


def index(owner: object, key: object) -> object:
    """`owner[key]`."""
    if owner is None:
        return None
    if isinstance(owner, dict):
        return owner.get(key_of(_from_end(owner, key)))
    if isinstance(owner, Loop):
        return owner.stored(key_of(_from_end(owner.entries, key)))
    if isinstance(owner, list) and not isinstance(owner, JavaSet) and type(key) is int:
        at = _from_end(owner, key)
        if not 0 <= at < len(owner):
            if not is_int(key):
                return None
            raise Failure(f"index {key} of a list of {len(owner)}")
        return owner[at]
    if _is_negative(key) and not isinstance(owner, list):
        raise Failure(f"index {key} of what has no size")
    return call(owner, "get", key)


def _from_end(owner: dict[Any, Any] | list[Any], key: Any) -> Any:
    return len(owner) + key if _is_negative(key) else key


def _is_negative(key: object) -> bool:
    """Whether an index counts from the end: an Integer below zero, but no Long."""
    return type(key) is int and -(2**31) <= key < 0


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


def one_argument(owner: object, name: str) -> Callable[[object, object], object]:
    """What does as `call_one` does with this owner and name, for calls that loops make again and again."""
    if isinstance(owner, HostObject) and name in owner.takes_anything:
        return owner.methods[name]
    return lambda owner, argument: call_one(owner, name, argument)


def _refuse_arguments(method: Callable[..., Any], name: str, arguments: int) -> None:
    """Java would not find a method for such arguments, but Velocity takes one that has no parameters, and fails."""
    code = method.__code__
    if arguments and code.co_argcount == 1 and not code.co_flags & _VARARGS:
        raise Failure(f"{name}() takes no arguments") from None


def _method(owner: object, name: str) -> Callable[..., Any] | None:
    """The method of a value or an object. Raises Failure for one that Java has and templates may not call."""
    kind = type(owner)
    if kind not in METHODS and isinstance(owner, HostObject):
        METHODS[kind] = {**_ANY_OBJECT, **owner.methods}
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
        owner[key] = put_inside(value)
    elif isinstance(owner, list) and not isinstance(owner, JavaSet) and is_int(key):
        at = _from_end(owner, key)
        if not 0 <= at < len(owner):
            raise Failure(f"index {key} of a list of {len(owner)}")
        owner[at] = put_inside(value)
    elif isinstance(owner, Loop):
        owner.store(key_of(_from_end(owner.entries, key)), value)
    elif owner is not None and _is_negative(key) and not isinstance(owner, list):
        raise Failure(f"index {key} of what has no size")


# -------------------------------------------------------------------------------------------------------- loops


def range_of(first: object, last: object) -> object:
    if not (is_number(first) and is_number(last)):
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
    elif isinstance(value, JavaIterator):
        found = value.rest()
    else:
        return None
    if len(found) > MAX_ITERATIONS:
        raise Failure(f"#foreach over {len(found)} items; {MAX_ITERATIONS} is the most")
    return found


def given(value: object) -> object:
    """What has no value is the empty string where a value is needed."""
    return "" if value is None else value


def bounded(shown: str) -> str:
    if len(shown) > MAX_TEXT:
        raise Failure(f"a text of more than {MAX_TEXT} characters")
    return shown


def joined(values: tuple[object, ...]) -> str:
    """Values put together as a string; each may be as long as a text may be."""
    shown, length = [], 0
    for value in values:
        shown.append(text(value))
        length += len(shown[-1])
        if length > MAX_TEXT:
            raise Failure(f"a text of more than {MAX_TEXT} characters")
    return "".join(shown)


NAMESPACE: Final[dict[str, object]] = {
    "JavaList": JavaList,
    "Loop": Loop,
    "Pieces": Pieces,
    "empty": "",
    "dict": dict,
    "enumerate": enumerate,
    "float": float,
    "int": int,
    "join": "".join,
    "len": len,
    "str": str,
    "type": type,
    "call": call,
    "call_bare": call_bare,
    "call_one": call_one,
    "one_argument": one_argument,
    "index": index,
    "member": member,
    "odd_keys": ODD_KEYS,
    "key_of": key_of,
    "text": text,
    "bounded": bounded,
    "given": given,
    "joined": joined,
    "assign_index": assign_index,
    "assign_property": assign_property,
    "items": items,
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
