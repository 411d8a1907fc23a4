"""A document as a tree of nodes that know where they stand: from a file, a text, or values somebody parsed already.

Nothing but the named file is ever opened. Depth, size and the number of values are capped, so that no text can make
reading it costly (aliases multiply: a few hundred bytes of YAML can stand for billions of values).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeAlias

from gatewaykit.definition.model import Place
from gatewaykit.errors import ConfigError, Problem

__all__ = ["Builder", "MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "Node", "Value", "load", "pointer_token", "resolve"]

MAX_BYTES: Final = 6 * 1024 * 1024  # API Gateway's own limit for an import
MAX_DEPTH: Final = 100
MAX_VALUES: Final = 2_000_000

Value: TypeAlias = dict[str, "Node"] | list["Node"] | str | int | float | bool | None


class Node:
    """One value of a document. It stands where its key stands; an item of a list where it starts itself."""

    __slots__ = ("_place", "column", "file", "key", "line", "parent", "value")

    def __init__(self, value: Value, file: str, line: int, column: int, parent: Node | None, key: str) -> None:
        self.value, self.file, self.line, self.column = value, file, line, column
        self.parent, self.key = parent, key
        self._place: Place | None = None

    @property
    def place(self) -> Place:
        if self._place is None:
            pointer = f"{self.parent.place.pointer}/{pointer_token(self.key)}" if self.parent else ""
            self._place = Place(self.file, self.line, self.column, pointer)
        return self._place

    def plain(self) -> Any:
        """The value as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def pointer_token(key: str) -> str:
    """A key as it is written inside a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


class Builder:
    """Makes nodes, with the caps and the checks that hold for every source. `problems` are those one can read past."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._left = MAX_VALUES

    def node(self, value: Value, line: int, column: int, parent: Node | None, key: str) -> Node:
        """A node put under its parent. A key that is already there is a problem, and the first one stays."""
        self._left -= 1
        if self._left < 0:
            raise self.failure(line, column, f"the document stands for more than {MAX_VALUES} values")
        node = Node(value, self.file, line, column, parent, key)
        if parent is not None:
            if isinstance(parent.value, list):
                parent.value.append(node)
            elif isinstance(parent.value, dict):
                if key in parent.value:
                    first = parent.value[key]
                    at = f" on line {first.line}" if first.line else ""
                    self.problem(node, f"the key {key!r} is given twice", f"the first one stands{at}")
                else:
                    parent.value[key] = node
        if isinstance(value, str):
            if not value.isascii() and _has_surrogate(value):
                self.problem(node, "the text holds half of a surrogate pair, which is no character")
                node.value = ""
        elif isinstance(value, float) and not isfinite(value):
            self.problem(node, f"{value} is not a number that JSON has")
            node.value = 0
        if not key.isascii() and _has_surrogate(key):
            self.problem(node, "the key holds half of a surrogate pair, which is no character")
        return node

    def problem(self, node: Node, what: str, why: str = "") -> None:
        where = node.place
        if not where.line and _has_surrogate(where.pointer):
            where = Place(where.file, 0, 0, where.pointer.encode("utf-8", "replace").decode())
        self.problems.append(Problem(where=str(where), what=what, why=why))

    def failure(self, line: int, column: int, what: str, why: str = "", mend: str = "") -> ConfigError:
        """What to raise when nothing after this can be read."""
        where = str(Place(self.file, line, column))
        return ConfigError([*self.problems, Problem(where=where, what=what, why=why, mend=mend)])

    def too_deep(self, line: int, column: int) -> ConfigError:
        return self.failure(line, column, f"the document is nested deeper than {MAX_DEPTH} levels")


def load(source: str | Path | Mapping[str, Any], text: str | None = None) -> tuple[Node, list[Problem]]:
    """The root of a document, and the problems that did not stop reading it. Raises ConfigError for those that do.

    `source` is a path, a text (it has more than one line, or starts with `{`), or parsed values. With `text` given,
    `source` is only its name in problems.
    """
    if not isinstance(source, (str, Path)):
        return _from_values(source)
    if text is None and isinstance(source, str) and ("\n" in source or source.lstrip("\ufeff \t\r")[:1] == "{"):
        return _parse("<text>", source)
    if text is None:
        return _parse(str(source), _read(Path(source)))
    return _parse(str(source), text)


def resolve(root: Node, variables: Mapping[str, str]) -> None:
    """Put the values of variables into every text of a document (reference 07, "Import"); other `${…}` stay."""
    written = {f"${{{name}}}": value for name, value in variables.items()}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        value = node.value
        if isinstance(value, (dict, list)):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, str) and "${" in value:
            for name, text in written.items():
                value = value.replace(name, text)
            node.value = value


def _parse(file: str, text: str) -> tuple[Node, list[Problem]]:
    builder = Builder(file)
    if len(text) > MAX_BYTES:
        raise builder.failure(0, 0, f"the document is over {MAX_BYTES} bytes")
    text = text.removeprefix("\ufeff")
    suffix = Path(file).suffix.lower()
    if suffix == ".json" or (suffix not in (".yaml", ".yml") and text.lstrip()[:1] in ("{", "[")):
        from gatewaykit.openapi.json_text import parse_json as parse
    else:
        from gatewaykit.openapi.yaml_text import parse_yaml as parse
    return parse(text, builder), builder.problems


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(Problem(where=str(path), what="the file cannot be read", why=why)) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(Problem(where=str(path), what=f"the document is over {MAX_BYTES} bytes"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ConfigError(Problem(where=f"{path}:{line}:{column}", what="the file is not UTF-8 text")) from None


def _from_values(values: object) -> tuple[Node, list[Problem]]:
    builder = Builder("")
    above: set[int] = set()

    def build(value: object, parent: Node | None, key: str, depth: int) -> Node:
        if isinstance(value, (str, int, float)) or value is None:
            return builder.node(value, 0, 0, parent, key)
        if isinstance(value, (Mapping, list, tuple)):
            node = builder.node({} if isinstance(value, Mapping) else [], 0, 0, parent, key)
            if depth == MAX_DEPTH or id(value) in above:
                raise builder.too_deep(0, 0)
            above.add(id(value))
            if isinstance(value, Mapping):
                for name, item in value.items():
                    if isinstance(name, bool) or not isinstance(name, (str, int)):
                        builder.problem(node, f"the key {name!r} is not text", "keys of a document are text or numbers")
                    else:
                        build(item, node, str(name), depth + 1)
            else:
                for index, item in enumerate(value):
                    build(item, node, str(index), depth + 1)
            above.discard(id(value))
            return node
        node = builder.node(None, 0, 0, parent, key)
        kind = type(value).__name__
        what = f"a value of type {kind} cannot stand in a document"
        builder.problem(node, what, "it holds text, numbers, true, false and null")
        return node

    return build(values, None, "", 0), builder.problems


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
