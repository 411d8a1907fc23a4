"""The one value of the header that carries a credential.

A credential that was sent twice is refused: what is checked here and what a back end reads could be two different ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewaykit.core.http import header_values
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["masked", "sole_value"]


def sole_value(request: Request, name: bytes) -> str | Refusal | None:
    """The value of a header that may be sent once only; None when it was not sent. `name` in lower case."""
    value = request.headers.get(name)
    if value is None:
        return None
    fields = request.header_list
    if len(fields) != len(request.headers) and len(header_values(fields, name)) > 1:
        return Refusal(Reason.MALFORMED_REQUEST, f"the header {name.decode('latin-1')} was sent more than once")
    return value.decode("latin-1")


def masked(secret: str) -> str:
    """What may be told of a secret: its last characters, where they are few of many."""
    return f"****{secret[-4:]}" if len(secret) >= 16 else "****"
