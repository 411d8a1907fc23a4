"""Extension keys that stand where no reader looks: in `info`, a schema, a response, a tag, a part that nothing uses.

API Gateway overlooks them there. A reader that never comes by cannot say so, so the whole document is looked through.
"""

from __future__ import annotations

from typing import Final

from gatewaykit.openapi.document import Node
from gatewaykit.openapi.extensions import ANY_METHOD, EXTENSIONS
from gatewaykit.openapi.reading import EXTENSION_PREFIX, Reader

__all__ = ["note_unread_extensions"]

_HOLDS_ANYTHING: Final = frozenset({"const", "default", "enum", "example", "examples"})
"""Keys whose values are data: what stands in them means nothing."""


def note_unread_extensions(reader: Reader) -> None:
    """Write down every `x-amazon-apigateway-…` key, and every one of our own, that no reader has come by."""
    waiting: list[Node] = [reader.root]
    while waiting:
        node = waiting.pop()
        if isinstance(node.value, list):
            waiting.extend(node.value)
        elif isinstance(node.value, dict):
            for key, child in node.value.items():
                ours = key in EXTENSIONS or key.lower().startswith(EXTENSION_PREFIX)
                if ours and id(child) not in reader.met:
                    _note(reader, child)
                if key == ANY_METHOD or (not key.startswith("x-") and key not in _HOLDS_ANYTHING):
                    waiting.append(child)


def _note(reader: Reader, node: Node) -> None:
    extension = EXTENSIONS.get(node.key)
    if extension is not None and "tag" in extension.places and node.place.pointer.startswith("/tags/"):
        reader.note(node, extension.known)
    else:
        reader.unknown(node, "this part of the document", {})
