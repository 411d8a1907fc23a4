"""Lines of the phase trace, in the shape of API Gateway's execution log (reference 05 section 6, lines 6 to 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatewaykit.core.http import HeaderList, Request

__all__ = ["SECRET_HEADERS", "note_body", "note_headers"]

SECRET_HEADERS: Final = frozenset(
    b"authorization cookie proxy-authorization set-cookie x-amz-security-token x-api-key".split()
)
"""Headers whose values are shown as stars."""

_MOST_CHARACTERS = 1000


def note_headers(request: Request, phase: str, what: str, headers: HeaderList | Mapping[str, str]) -> None:
    """`{what}: {name=value, …}`, secrets masked. Costs nothing unless the request keeps a trace."""
    if request.events is None:
        return
    pairs = headers if isinstance(headers, list) else [(k.encode(), v.encode()) for k, v in headers.items()]
    shown = ", ".join(
        f"{name.decode('latin-1')}={'*' * len(value) if name.lower() in SECRET_HEADERS else value.decode('latin-1')}"
        for name, value in pairs
    )
    request.note(phase, f"{what}: {{{shown}}}")


def note_body(request: Request, phase: str, what: str, body: str | bytes) -> None:
    """`{what}: …`, binary bodies by their size, long ones cut."""
    if request.events is None:
        return
    if isinstance(body, bytes):
        try:
            body = body.decode()
        except UnicodeDecodeError:
            body = f"[Binary Data: {len(body)} bytes]"
    cut = body[:_MOST_CHARACTERS] + (" [TRUNCATED]" if len(body) > _MOST_CHARACTERS else "")
    request.note(phase, f"{what}: {cut}")
