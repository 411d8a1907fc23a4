"""The Date of a response: the server's, unless the response has one, as one from a cache or a back end has.

RFC 9110 section 6.6.1: it says when the message was made, so who passes it on leaves it as it is.
"""

from __future__ import annotations

__all__ = ["DefaultFields"]


class DefaultFields(list[tuple[bytes, bytes]]):
    """What uvicorn puts before the fields of a response; no Date before fields that have one."""

    def __add__(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:  # type: ignore[override]  # of fields only
        for name, _ in fields:
            if name == b"date":
                return [field for field in self if field[0] != b"date"] + fields
        return [*self, *fields]
