"""What an integration adds to the phase trace: lines 6 and 7 of API Gateway's execution log (reference 05 §6)."""

from __future__ import annotations

from gatewaykit.core.execution_log import java_map, masked
from gatewaykit.core.http import HeaderList, Request

__all__ = ["note_body", "note_headers"]

_MOST_CHARACTERS = 1100  # of a body: a log line is cut before that anyway


def note_headers(request: Request, phase: str, what: str, headers: HeaderList) -> None:
    """`{what}: {name=value, …}`, secrets masked. Costs nothing unless the request keeps a trace."""
    if request.events is not None:
        request.note(phase, f"{what}: {java_map(masked(headers))}")


def note_body(request: Request, phase: str, what: str, body: str | bytes) -> None:
    """`{what}: …`, a binary body by its size."""
    if request.events is None:
        return
    if isinstance(body, bytes):
        try:
            body = body.decode()
        except UnicodeDecodeError:
            body = f"[Binary Data: {len(body)} bytes]"
    request.note(phase, f"{what}: {body[:_MOST_CHARACTERS]}")
