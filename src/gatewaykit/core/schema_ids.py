"""What a `$ref` of a JSON schema (drafts 4, 6 and 7) points to within its document, ids taken into account.

An `id` (`$id` from draft 6 on) gives the schema it stands in an address, and is the base of the references in it; one
that is only a fragment names the schema. Beside a `$ref` it means nothing, like everything there, unless it is that of
the whole document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urljoin

__all__ = ["Ids", "escape_step"]

MAX_DEPTH: Final = 200
MAX_SUBSCHEMAS: Final = 20_000

_ONE: Final = frozenset((
    "additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
))  # fmt: skip
_MANY: Final = frozenset(("allOf", "anyOf", "items", "oneOf"))
_NAMED: Final = frozenset(("$defs", "definitions", "dependencies", "patternProperties", "properties"))


class Ids:
    """The addresses of a document's schemas."""

    def __init__(self, root: object, draft: int) -> None:
        self._keyword = "id" if draft == 4 else "$id"
        self._pointers: dict[str, str] = {}  # address, without an empty fragment -> pointer
        self._bases: dict[str, str] = {"": ""}  # pointer of a schema with an id -> the base within it
        waiting: list[tuple[str, Any, str, int]] = [("", root, "", 0)]
        count = 0
        while waiting and count < MAX_SUBSCHEMAS:
            pointer, schema, base, depth = waiting.pop()
            count += 1
            if isinstance(schema, Mapping) and ("$ref" not in schema or not pointer) and depth < MAX_DEPTH:
                base = self._learn(schema.get(self._keyword), pointer, base)
                waiting.extend((f"{pointer}{step}", inner, base, depth + 1) for step, inner in _subschemas(schema))
        self._pointers.setdefault(self._bases[""], "")

    def target(self, reference: str, at: str) -> str | None:
        """The pointer that a reference means which stands in the schema at the pointer `at`; None outside."""
        while at not in self._bases:
            at = at.rpartition("/")[0]
        address = _join(self._bases[at], reference)
        if (named := self._pointers.get(address)) is not None:
            return named
        document, _, fragment = address.partition("#")
        start = self._pointers.get(document)
        return None if start is None or fragment[:1] not in ("", "/") else start + unquote(fragment)

    def _learn(self, own: object, pointer: str, base: str) -> str:
        """Note a schema's id; gives the base within the schema."""
        if not isinstance(own, str):
            return base
        address = _join(base, own)
        self._pointers.setdefault(address, pointer)
        if own.startswith("#"):
            return base
        self._bases[pointer] = address
        return address


def _join(base: str, reference: str) -> str:
    if reference.startswith("#"):
        joined = base.partition("#")[0] + reference
    else:
        try:
            joined = urljoin(base, reference)
        except ValueError:  # http://[
            joined = reference
    return joined.removesuffix("#")


def _subschemas(schema: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, Mapping):
            for name, inner in value.items():
                yield f"/{keyword}/{escape_step(str(name))}", inner
        elif keyword in _MANY and isinstance(value, list):
            for index, inner in enumerate(value):
                yield f"/{keyword}/{index}", inner
        elif keyword in _ONE:
            yield f"/{keyword}", value


def escape_step(step: str) -> str:
    """A step of a JSON pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")
