"""Response bodies in the content coding that the client asks for (developer guide, "Receive an API response with a
compressed payload").

Errors that the gateway itself makes are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewaykit.core.body import MAX_LENGTH_DIGITS
from gatewaykit.core.http import Response, header_values
from gatewaykit.core.payload.compression import Deflater, answer_coding, is_compressible
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request
    from gatewaykit.ports import BodyWrapper

__all__ = ["Compress"]


class Compress(Policy):
    """Codes bodies of `minimum_bytes` and more. One whose length nobody knows counts as long enough."""

    name = phase = "compress"

    def __init__(self, minimum_bytes: int) -> None:
        self._minimum_bytes = minimum_bytes

    def wrap_body(self, request: Request, head: Head) -> BodyWrapper | None:
        if request.refusal is not None or request.method == "HEAD" or not is_compressible(head):
            return None
        length = _length(head)
        if length is not None and length < self._minimum_bytes:
            return None
        # A cache on the way has to know that another client would have got another answer.
        head.headers.append((b"vary", b"Accept-Encoding"))
        accepted = header_values(request.header_list, b"accept-encoding")
        coding = answer_coding(b",".join(accepted).decode("latin-1"))
        if not coding:
            return None
        head.headers.append((b"content-encoding", coding.encode()))
        return Deflater(coding)


def _length(head: Head) -> int | None:
    """The length of a body, where it is known before the body was seen."""
    if isinstance(head, Response) and isinstance(head.body, bytes):
        return len(head.body)
    lengths = header_values(head.headers, b"content-length")
    if len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > MAX_LENGTH_DIGITS:
        return None
    return int(lengths[0])
