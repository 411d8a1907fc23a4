"""What API Gateway says of an `Authorization` header that holds no AWS signature, where it looks for one.

It looks for one where no route fits: the request falls through to the check of IAM signatures (reference 01 section 1,
02 section 2).
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

__all__ = ["INCOMPLETE_SIGNATURE", "incomplete_signature"]

INCOMPLETE_SIGNATURE: Final = "IncompleteSignatureException"
"""The `x-amzn-ErrorType` of these answers."""

_ALGORITHM = "AWS4-"
_HOW = "with SHA-256 and encoded with Base64"


def incomplete_signature(authorization: str, *, dated: bool) -> str | None:
    """The complaint about a header's value; None for what begins as a signature does, and for no value at all.

    `dated` says whether the request has an `X-Amz-Date` or a `Date` header.
    """
    words = authorization.split(None, 1)
    if not words or words[0].startswith(_ALGORITHM):
        return None
    digest = base64.b64encode(sha256(authorization.encode("latin-1", "replace")).digest()).decode()
    if not all("=" in pair for pair in words[-1].split(",")):
        return f"Invalid key=value pair (missing equal-sign) in Authorization header (hashed {_HOW}): '{digest}'."
    missing = [f"Authorization header requires '{name}' parameter." for name in _parameters(words[-1])]
    if not dated:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    return f"{' '.join(missing)} (Hashed {_HOW}) Authorization={digest}"


def _parameters(pairs: str) -> list[str]:
    """The parameters of a signature that these pairs lack."""
    given = {pair.partition("=")[0].strip() for pair in pairs.split(",")}
    return [name for name in ("Credential", "Signature", "SignedHeaders") if name not in given]
