"""XML as a JSON value, by the parser of the standard library, with everything that makes XML dangerous turned off.

A document type declaration is refused where it begins: without one there are no entities to expand, and nothing outside
the document to fetch. What is left is elements, attributes and text:

* an element is an object under its name; attributes are `@name`, text beside other things is `#text`;
* an element that holds only text is that text, an empty one is null;
* elements of one name under one parent are a list; `lists` names those that are lists also when they are alone.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from gatewaykit.core.transform.unusable import Unusable

__all__ = ["parse_xml"]

_MAX_DEPTH: Final = 100


class _Refused(Exception):
    """Raised in a callback of the parser, which has no other way to stop it."""


def parse_xml(body: bytes, lists: Collection[str] = ()) -> Any:
    """The value of a document, or an Unusable."""
    from xml.parsers.expat import ExpatError, ParserCreate  # here, so that nobody else loads it

    tree = _Tree(lists)
    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    try:
        parser.Parse(body, True)
    except (ExpatError, ValueError, LookupError, _Refused) as error:  # ValueError, LookupError: of an odd encoding
        return Unusable(f"it is not valid XML: {error}")
    return tree.root


def _refuse_doctype(*_: object) -> None:
    raise _Refused("a document type declaration is not read")


class _Tree:
    """Builds the value from the parser's calls."""

    def __init__(self, lists: Collection[str]) -> None:
        self.root: dict[str, Any] = {}
        self._lists = frozenset(lists)
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == _MAX_DEPTH:
            raise _Refused(f"more than {_MAX_DEPTH} elements stand inside one another")
        self._open.append((name, {f"@{key}": value for key, value in attributes.items()}, []))

    def text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def end(self, name: str) -> None:
        _, content, texts = self._open.pop()
        text = "".join(texts)
        value: Any = content
        if not content:
            value = text if text.strip() else None
        elif text.strip():
            content["#text"] = text.strip()
        parent = self._open[-1][1] if self._open else self.root
        if name in parent:
            before = parent[name]
            if type(before) is list:
                before.append(value)
            else:
                parent[name] = [before, value]
        else:
            parent[name] = [value] if name in self._lists and self._open else value
