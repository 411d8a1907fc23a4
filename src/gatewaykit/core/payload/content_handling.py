"""Text or bytes: what `contentHandling` makes of a payload (reference 01 section 9, rows 104-118).

Text is a `str` and may enter templates; bytes may not.
"""

from __future__ import annotations

import base64
import binascii

from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["CONVERT_TO_BINARY", "CONVERT_TO_TEXT", "HANDLINGS", "convert_request", "convert_response", "decode_base64"]

CONVERT_TO_BINARY = "CONVERT_TO_BINARY"
CONVERT_TO_TEXT = "CONVERT_TO_TEXT"
HANDLINGS = (None, CONVERT_TO_BINARY, CONVERT_TO_TEXT)


def convert_request(
    body: bytes, content_type: str | None, handling: str | None, binary_types: BinaryTypes
) -> str | bytes | Refusal:
    """A request body on its way to the integration."""
    if binary_types.match(content_type):
        return base64.b64encode(body).decode() if handling == CONVERT_TO_TEXT else body
    return decode_base64(body) if handling == CONVERT_TO_BINARY else body.decode("utf-8", "replace")


def convert_response(
    body: bytes, content_type: str | None, accept: str | None, handling: str | None, binary_types: BinaryTypes
) -> str | bytes | Refusal:
    """A response body on its way to the client."""
    wants_binary = binary_types.match(accept)
    if binary_types.match(content_type):
        as_text = handling == CONVERT_TO_TEXT or (handling is None and not wants_binary)
        return base64.b64encode(body).decode() if as_text else body
    if handling == CONVERT_TO_BINARY or (handling is None and wants_binary):
        # A function that returns base64 returns a JSON string (long-standing practice; no recording).
        quoted = len(body) > 1 and body.startswith(b'"') and body.endswith(b'"')
        return decode_base64(body[1:-1] if quoted else body)
    return body.decode("utf-8", "replace")


def decode_base64(text: bytes | str) -> bytes | Refusal:
    """The bytes that base64 text stands for; a refusal (500, as recorded) when it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        return Refusal(Reason.MAPPING_FAILED, f"a body that is to become binary is no base64: {error}")
