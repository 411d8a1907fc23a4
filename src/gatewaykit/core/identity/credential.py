"""The one value of the header, or of the query parameter, that carries a credential.

A credential that was sent twice is refused: what is checked here and what a back end reads could be two different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gatewaykit.core.http import header_values
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.core.identity.token_source import TokenSource

__all__ = ["masked", "sole_value"]


def sole_value(source: TokenSource) -> Callable[[Request], str | Refusal | None]:
    """A function that gives the value that a request has there; None when it has none."""
    name, query = source.header, source.query
    twice = f"the {source} was sent more than once"

    def in_header(request: Request) -> str | Refusal | None:
        value = request.headers.get(name)
        if value is None:
            return None
        fields = request.header_list
        if len(fields) != len(request.headers) and len(header_values(fields, name)) > 1:
            return Refusal(Reason.MALFORMED_REQUEST, twice)
        return value.decode("latin-1")

    def in_query(request: Request) -> str | Refusal | None:
        values = request.query.get(query, ())
        return Refusal(Reason.MALFORMED_REQUEST, twice) if len(values) > 1 else values[0] if values else None

    return in_header if name else in_query


def masked(secret: str) -> str:
    """What may be told of a secret: its last characters, where they are few of many."""
    return f"****{secret[-4:]}" if len(secret) >= 16 else "****"
