"""The `X-Amzn-Trace-Id` header: recorded rows 6-8; reference 05 section 7."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FRESH_BYTES", "event_trace", "trace_header"]

FRESH_BYTES: Final = 24
"""What a fresh trace needs: seconds since 1970 (4 bytes, big endian), then randomness for root (12) and parent (8)."""

_ROOT = re.compile(r"1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}")
_FIELD = re.compile(r"[A-Za-z0-9]{1,32}=[A-Za-z0-9:-]{1,128}")
_MOST_FIELDS = 8


def trace_header(client_value: str | None, fresh: bytes) -> str:
    """The trace of this request: the client's where it sent a usable one, with a parent where it named none."""
    root, parent = _fresh_root(fresh), fresh[16:24].hex()
    fields = _fields(client_value)
    if fields is None:
        return f"Root={root};Parent={parent};Sampled=0"
    if "Parent" in fields:
        return ";".join(f"{name}={value}" for name, value in fields.items())
    rest = {name: value for name, value in fields.items() if name not in ("Root", "Sampled")}
    sampled = fields.get("Sampled", "0")
    return ";".join(
        [f"Root={fields['Root']}", f"Parent={parent}", f"Sampled={sampled}"] + [f"{k}={v}" for k, v in rest.items()]
    )


def event_trace(client_value: str | None, trace: str) -> str:
    """The trace as a Lambda event shows it: only the root, unless the client sent a trace of its own."""
    return trace if _fields(client_value) is not None else trace.partition(";")[0]


def _fresh_root(fresh: bytes) -> str:
    return f"1-{fresh[:4].hex()}-{fresh[4:16].hex()}"


def _fields(value: str | None) -> dict[str, str] | None:
    """The fields of a usable trace header in the client's order, or None."""
    if not value:
        return None
    parts = [part.strip() for part in value.split(";", _MOST_FIELDS)]
    if len(parts) > _MOST_FIELDS or not all(_FIELD.fullmatch(part) for part in parts if part):
        return None
    fields = dict(part.split("=", 1) for part in parts if part)
    return fields if _ROOT.fullmatch(fields.get("Root", "")) else None
