"""The values templates work on, and how Java prints and compares them.

Strings are `str`, whole numbers `int` (Integer, Long or BigInteger by size), doubles `float`, booleans `bool`, maps
`dict` (or a subclass declared here), lists `list`; null and undefined are both None. A list that came from JSON is a
plain `list` and prints as JSON; one made by a template is a `JavaList` and prints as Java does. Whatever else a
template may touch is a `HostObject`, which says itself what can be called; no other Python attribute is reachable.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from json import encoder
from json.encoder import encode_basestring
from typing import Any, ClassVar, Final

__all__ = [
    "MAX_COMPARED", "MAX_TEXT", "MISSING_KEY", "ODD_KEYS", "PLAIN_LEAST", "PLAIN_MOST", "Char", "Entry", "Failure",
    "HostObject", "JavaIterator", "JavaList", "JavaSet", "MapKey", "OnceMap", "SilentMap", "from_key", "java_double",
    "java_equals", "key_of", "list_to_json", "put_inside", "text", "to_json",
]  # fmt: skip

MAX_TEXT: Final = 10 * 1024 * 1024
"""The longest text a template may make: a response may not be larger (developer guide, "Quotas")."""

MAX_CONTAINERS: Final = 1_000_000
"""Lists and maps in one value that is printed as JSON."""

MAX_COMPARED: Final = 200_000
"""Lists and maps in one value that is compared or hashed."""

PLAIN_LEAST: Final = 1e-3
PLAIN_MOST: Final = 1e7
"""Between them Java prints a double without an exponent, as Python does."""

NULL_IN_MAP: Final = ""
"""How a null value of a printed map looks. Not recorded; undefined references print empty as well."""


class Failure(Exception):
    """A template fails while it renders. Never leaves the template: it becomes a TemplateFailure."""


class Char(str):
    """One UTF-16 code unit, as `charAt` gives it: no string to Java, though it prints as one."""

    __slots__ = ()


class JavaList(list[Any]):
    """A list that a template made: prints as `[a, b]`."""


class JavaSet(JavaList):
    """What `keySet()`, `values()` and `entrySet()` give: prints as a list and has no order to ask for."""


class SilentMap(dict[Any, Any]):
    """A map that prints as nothing, as `$context.identity` does (reference 08 row 40)."""


class OnceMap(dict[Any, Any]):
    """A map whose entries may be set once: parameter overrides (developer guide, "Override a parameter mapping")."""


class HostObject:
    """An object of ours in a template. `methods` maps a name to a function of the object and its arguments.

    A function raises TypeError for arguments of types it does not take: Java would not find such a method. Those that
    have one argument, and take whatever it is, may be named in `takes_anything`.
    """

    __slots__ = ()
    methods: ClassVar[Mapping[str, Callable[..., object]]] = {}
    takes_anything: ClassVar[frozenset[str]] = frozenset()

    def template_property(self, name: str) -> object:
        return None

    def template_text(self) -> str:
        return ""


ODD_KEYS: Final[list[bool]] = []
"""Not empty once any template has made a MapKey. Before, what stands in a map is what a template sees as its keys."""


class MapKey:
    """A map key that Python would confuse with another: True is not 1, and 1.0 is not 1."""

    __slots__ = ("_identity", "shown", "value")

    def __init__(self, value: object) -> None:
        if not ODD_KEYS:
            ODD_KEYS.append(True)
        self.value = value
        self.shown = text(value)
        self._identity = (type(value), value if isinstance(value, (bool, float)) else self.shown)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapKey) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


class Entry(HostObject):
    """One entry of a map's `entrySet()`."""

    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        "getKey": lambda entry: entry.key,
        "getValue": lambda entry: entry.value,
        "equals": lambda entry, other: entry.is_equal(other),
    }

    def __init__(self, key: object, value: object) -> None:
        self.key = key
        self.value = value

    def is_equal(self, other: object) -> bool:
        return type(other) is Entry and java_equals(self.key, other.key) and java_equals(self.value, other.value)

    def template_property(self, name: str) -> object:
        return self.key if name == "key" else self.value if name == "value" else None

    def template_text(self) -> str:
        return f"{text(self.key)}={_in_map(self.value)}"


class JavaIterator(HostObject):
    """What `iterator()` gives. It goes over the list as it was."""

    __slots__ = ("_at", "_items")
    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        "hasNext": lambda iterator: iterator.has_next(),
        "next": lambda iterator: iterator.next(),
        "remove": lambda iterator: iterator.remove(),
    }

    def __init__(self, items: list[Any]) -> None:
        self._items = items
        self._at = 0

    def has_next(self) -> bool:
        return self._at < len(self._items)

    def next(self) -> object:
        if not self.has_next():
            raise Failure("next() of an iterator that is at its end")
        self._at += 1
        return self._items[self._at - 1]

    def remove(self) -> object:
        raise Failure("remove() of an iterator is not supported")

    def rest(self) -> list[Any]:
        """What is left, which is then no longer left."""
        left, self._at = self._items[self._at :], len(self._items)
        return left


class _Missing:
    """Marks a key that a map does not hold."""


MISSING_KEY: Final = _Missing()


def key_of(value: object) -> Any:
    """What stands for `value` as a key of a dict."""
    return value if type(value) is str or type(value) is int else MapKey(value)


def from_key(key: object) -> object:
    return key.value if type(key) is MapKey else key


# ---------------------------------------------------------------------------------------------------- printing


def text(value: object) -> str:
    """`toString()`; null and undefined are empty."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]  # mypy does not follow type(value) is str
    if kind is float and PLAIN_LEAST <= value < PLAIN_MOST:  # type: ignore[operator]  # nor this
        return repr(value)  # as java_double has it
    printer = _PRINTERS.get(kind)
    if printer is not None:
        return printer(value)
    if isinstance(value, HostObject):
        return value.template_text()
    return ""


def java_double(value: float) -> str:
    """`Double.toString`: plain between 0.001 and ten million, else with an exponent, and always with a fraction."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or PLAIN_LEAST <= abs(value) < PLAIN_MOST:
        shown = repr(value)
        return shown if "e" not in shown else f"{value:f}"
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    digits = digits.rstrip("0") or "0"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{power}"


def to_json(value: object) -> str:
    """Compact JSON, with doubles as Java prints them."""
    if type(value) is str:
        return encode_basestring(value)
    if type(value) is int:
        return str(value)
    try:
        shown = "".join(_PIECES(_weighed(value) if _SHARED else value, 0))
    except (ValueError, RecursionError):  # infinite, or it holds itself
        raise Failure("a value cannot be written as JSON") from None
    except TypeError:  # a key or a value that only a template can make
        return _json(value)
    return _json(value) if _may_hold_wide_double(shown) else shown


def list_to_json(items: list[object]) -> str:
    """As `to_json`, item by item, so that it ends at the limit: an open path may find one thing many times over."""
    shown, length = [], 1
    for item in items:
        shown.append(to_json(item))
        length += len(shown[-1]) + 1
        if length > MAX_TEXT:
            raise Failure(f"a text of more than {MAX_TEXT} characters")
    return f"[{','.join(shown)}]"


_SHARED: Final[list[bool]] = []
"""Not empty once any template has put a list, a map or much text into another. Before, each is as large as it came."""

SHORT: Final = 64
"""Characters of a text that is not much, however often a list holds it."""


def put_inside(value: object) -> object:
    """The value, on its way into a list or map of a template."""
    if not _SHARED and (type(value) in _CONTAINERS or (type(value) is str and len(value) > SHORT)):
        _SHARED.append(True)
    return value


def _weighed(value: object) -> object:
    """The value, unless it is larger than any text: a list that holds another one twice doubles it, and so on."""
    containers = [value] if type(value) in _CONTAINERS else []
    size = 0
    for seen, container in enumerate(containers):  # which grow on the way
        inner = container.values() if isinstance(container, dict) else container
        size += len(inner)  # type: ignore[arg-type]  # a container has a length
        for item in inner:  # type: ignore[attr-defined]  # as above
            if type(item) is str:
                size += len(item)
            elif type(item) in _CONTAINERS:
                containers.append(item)
        if seen > MAX_CONTAINERS or size > MAX_TEXT:
            raise Failure("a value is too large to be written as JSON")
    return value


_WIDE: Final = re.compile(r"\.(?:(?<=[0-9]{8}\.)|(?<=0\.)000)")
"""What is round the full stop of a double that Java writes with an exponent; begins with it to be found fast."""


def _may_hold_wide_double(shown: str) -> bool:
    """Whether JSON text may hold a double that Java prints differently; a string may look like one."""
    return "e+" in shown or "e-" in shown or ("." in shown and _WIDE.search(shown) is not None)


def _json(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join([f"{_ENCODE(_key(key))}:{_json(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    if type(value) is float:
        if math.isinf(value) or value != value:
            raise Failure("a value cannot be written as JSON")
        return java_double(value)
    if value is None or isinstance(value, (bool, int, str)):
        return _ENCODE(value)
    return _ENCODE(text(value))


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_ENCODE: Final = _ENCODER.encode
# what `encode` makes anew for every value; it does not look for a value that holds itself, which then is too deep
_MAKE_ENCODER: Final = getattr(encoder, "c_make_encoder", None)  # CPython's
_PIECES: Final[Callable[[object, int], Iterable[str]]] = (
    _MAKE_ENCODER(None, _ENCODER.default, encode_basestring, None, ":", ",", False, False, False)
    if _MAKE_ENCODER
    else lambda value, level: [_ENCODE(value)]
)


def _print_map(value: dict[object, object]) -> str:
    shown = ", ".join([f"{_key(key)}={_in_map(item)}" for key, item in value.items()])
    return _bounded(f"{{{shown}}}")


def _key(key: object) -> str:
    return key.shown if type(key) is MapKey else text(key)


def _in_map(value: object) -> str:
    return NULL_IN_MAP if value is None else text(value)


def _print_java_list(value: list[object]) -> str:
    return _bounded(f"[{', '.join(['null' if item is None else text(item) for item in value])}]")


def _bounded(shown: str) -> str:
    if len(shown) > MAX_TEXT:
        raise Failure(f"a text of more than {MAX_TEXT} characters")
    return shown


_CONTAINERS: Final = frozenset((dict, OnceMap, SilentMap, list, JavaList, JavaSet))

_PRINTERS: Final[dict[type, Callable[[Any], str]]] = {
    int: str,
    Char: str,
    float: java_double,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "",
    dict: _print_map,
    OnceMap: _print_map,
    SilentMap: lambda value: "",
    list: list_to_json,
    JavaList: _print_java_list,
    JavaSet: _print_java_list,
}


# --------------------------------------------------------------------------------------------------- comparing


def java_equals(left: object, right: object) -> bool:
    """`Object.equals`: of the same type, and equal all the way down."""
    if not isinstance(left, (dict, list)):
        return left is right if isinstance(left, HostObject) else type(left) is type(right) and left == right
    return _equals(left, right, [MAX_COMPARED])


def _equals(left: object, right: object, left_over: list[int]) -> bool:
    if left is right:
        return True
    if not isinstance(left, (dict, list)):
        return java_equals(left, right)
    left_over[0] -= 1
    if left_over[0] < 0:
        raise Failure("values that are too large to be compared")
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and len(left) == len(right)
            and all(_equals(value, right.get(key, MISSING_KEY), left_over) for key, value in left.items())
        )
    if isinstance(left, JavaSet) and isinstance(right, JavaSet):
        return sorted(map(text, left)) == sorted(map(text, right))
    if isinstance(left, JavaSet) or isinstance(right, JavaSet):
        return False
    return (
        isinstance(right, list)
        and len(left) == len(right)
        and all(_equals(one, other, left_over) for one, other in zip(left, right))
    )
