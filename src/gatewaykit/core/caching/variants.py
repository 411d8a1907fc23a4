"""Vary: by which request fields responses to one address differ, and when two requests agree in them (section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from gatewaykit.core.http import HeaderList, header_values

__all__ = ["STAR", "normal", "selecting", "variant_of", "vary_names"]

STAR: Final = (b"*",)
"""It differs by something that no header says: never reused."""

_MOST: Final = 16


def vary_names(headers: HeaderList) -> tuple[bytes, ...]:
    """The fields that Vary names: lower case, sorted, each once. STAR where one is `*`, or there are unduly many."""
    lines = header_values(headers, b"vary")
    if not lines:
        return ()
    names = sorted({name.strip().lower() for line in lines for name in line.split(b",")} - {b""})
    return STAR if b"*" in names or len(names) > _MOST else tuple(names)


def selecting(headers: HeaderList, names: Sequence[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """What a request says in these fields, in a form in which alike is equal. A field it has not is empty."""
    return tuple((name, normal(name, header_values(headers, name))) for name in names)


def variant_of(*parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The key of a variant: no two lists of fields have the same."""
    digest = blake2b(digest_size=16)
    for part in parts:
        for name, value in part:
            digest.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
        digest.update(b";")
    return digest.digest()


def normal(name: bytes, values: Sequence[bytes]) -> bytes:
    """Lines joined, no space around commas; of languages and codings, the order and casing that say nothing."""
    joined = b",".join([part.strip(b" \t") for part in b",".join(values).split(b",")]).strip(b",")
    if name == b"accept-encoding":
        return _preferred(joined, weights=False)
    if name == b"accept-language":
        return _preferred(joined, weights=True)
    return (b"=" + joined) if values else b""


def _preferred(joined: bytes, *, weights: bool) -> bytes:
    """What is accepted, by weight, then name. What has no weight above 0 counts only where `*` would have it."""
    accepted, refused = [], []
    for item in joined.lower().split(b","):
        name, _, rest = item.partition(b";")
        weight = _weight(rest.replace(b" ", b""))
        if name.strip() and weight > 0:
            accepted.append((weight if weights else 1.0, name.strip()))
        elif name.strip():
            refused.append((0.0, name.strip()))
    if refused and any(name == b"*" for _, name in accepted):
        accepted += refused
    accepted.sort(key=lambda each: (-each[0], each[1]))
    return b",".join(b"%b;q=%g" % (name, weight) if weight < 1 else name for weight, name in accepted)


def _weight(parameters: bytes) -> float:
    if not parameters.startswith(b"q="):
        return 1.0
    text = parameters[2:].partition(b";")[0]
    return float(text) if re.fullmatch(rb"[01](\.\d{0,3})?", text) else 1.0
