"""The parts of an AWS signature, in the header `Authorization` or in the query; and what AWS says where some lack.

IAM user guide, "Create a signed AWS API request" and "Troubleshoot signed requests"; reference 01 section 1, 02
section 2. Where the references are silent, the words are those recorded from other AWS services.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from gatewaykit.core.iam.canonical import query_pairs
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["ECDSA", "HMAC", "IN_QUERY", "Parts", "header_parts", "incomplete_signature", "query_parts"]

HMAC: Final = b"AWS4-HMAC-SHA256"
ECDSA: Final = b"AWS4-ECDSA-P256-SHA256"
"""The algorithms: SigV4, and SigV4A for several regions."""

IN_QUERY: Final = frozenset(
    b"X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-Region-Set X-Amz-Security-Token X-Amz-Signature "
    b"X-Amz-SignedHeaders".split()
)
"""The parameters that a signature in the query is made of."""

_ALGORITHM: Final = b"AWS4-"
_HOW: Final = "with SHA-256 and encoded with Base64"
_PARAMETERS: Final = (b"Credential", b"Signature", b"SignedHeaders")
_REQUIRED: Final = (b"X-Amz-Algorithm", b"X-Amz-Credential", b"X-Amz-Signature", b"X-Amz-SignedHeaders", b"X-Amz-Date")
_BETWEEN: Final = re.compile(rb"[\s,]+")
_EXPIRES: Final = re.compile(rb"\d{1,6}")
_LONGEST_S: Final = 604800  # a week
_SHOWN: Final = 200  # characters of the client's own that are said back to it


@dataclass(slots=True, kw_only=True)
class Parts:
    """What a signature is made of, each part as sent. `expires_s` is None in a header."""

    algorithm: bytes
    credential: bytes
    signed_headers: bytes
    signature: bytes
    date: bytes | None
    token: bytes | None
    expires_s: int | None = None
    region_set: bytes | None = None
    presigned: bool = False


def header_parts(authorization: bytes, values: dict[bytes, list[bytes]]) -> Parts | Refusal:
    """The parts in an `Authorization` field; `values` are all fields of the request."""
    date = values.get(b"x-amz-date", values.get(b"date"))
    complaint = _header_complaint(authorization, dated=date is not None)
    if complaint is not None:
        return _incomplete(complaint)
    algorithm, *pieces = _BETWEEN.split(authorization.strip())
    given: dict[bytes, bytes] = {}
    for piece in filter(None, pieces):
        name, _, value = piece.partition(b"=")
        if name in given:
            return _incomplete(f"Authorization header has {_shown(name)!r} more than once.")
        given[name] = value
    last = {name: values[name][-1] for name in (b"x-amz-security-token", b"x-amz-region-set") if name in values}
    return Parts(
        algorithm=algorithm, credential=given[b"Credential"], signed_headers=given[b"SignedHeaders"],
        signature=given[b"Signature"], date=date[-1] if date else None, token=last.get(b"x-amz-security-token"),
        region_set=last.get(b"x-amz-region-set"),
    )  # fmt: skip


def query_parts(query: bytes) -> Parts | Refusal | None:
    """The parts in a query; None where it has no `X-Amz-Algorithm`, which is what makes it a signed one."""
    given: dict[bytes, bytes] = {}
    repeated = b""
    for name, value in query_pairs(query):
        if name in IN_QUERY:
            repeated = name if name in given else repeated
            given[name] = value
    if b"X-Amz-Algorithm" not in given:
        return None
    missing = [name.decode() for name in _REQUIRED if not given.get(name)]
    if missing:
        told = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
        return _incomplete(f"{told} Re-examine the query-string parameters.")
    if repeated:
        return _incomplete(f"The query-string parameter '{repeated.decode()}' is there more than once.")
    expires = given.get(b"X-Amz-Expires")
    if expires is not None:
        if not _EXPIRES.fullmatch(expires):
            return _incomplete("X-Amz-Expires must be a number of seconds, at most 604800")
        if not 1 <= int(expires) <= _LONGEST_S:
            return _incomplete("X-Amz-Expires must be at least 1 and at most 604800 seconds, which is a week")
    return Parts(
        algorithm=given[b"X-Amz-Algorithm"], credential=given[b"X-Amz-Credential"],
        signed_headers=given[b"X-Amz-SignedHeaders"], signature=given[b"X-Amz-Signature"], date=given[b"X-Amz-Date"],
        token=given.get(b"X-Amz-Security-Token"), expires_s=None if expires is None else int(expires),
        region_set=given.get(b"X-Amz-Region-Set"), presigned=True,
    )  # fmt: skip


def incomplete_signature(authorization: str, *, dated: bool) -> str | None:
    """The complaint about a header's value that is no AWS signature; None for what begins as one, and for no value.

    It is what a request gets for which no route fits. `dated` says whether it has an `X-Amz-Date` or a `Date` header.
    """
    value = authorization.encode("latin-1", "replace")
    if not value.strip() or value.split(None, 1)[0].startswith(_ALGORITHM):
        return None
    return _header_complaint(value, dated=dated)


def _header_complaint(authorization: bytes, *, dated: bool) -> str | None:
    words = authorization.split(None, 1)
    digest = base64.b64encode(sha256(authorization).digest()).decode()
    if len(words) < 2 and words[0].startswith(_ALGORITHM):
        pieces = []
    else:
        pieces = [piece for piece in _BETWEEN.split(words[-1]) if piece]
    if not all(b"=" in piece for piece in pieces):
        return f"Invalid key=value pair (missing equal-sign) in Authorization header (hashed {_HOW}): '{digest}'."
    given = {name: value for name, _, value in (piece.partition(b"=") for piece in pieces)}
    missing = [
        f"Authorization header requires '{name.decode()}' parameter." for name in _PARAMETERS if name not in given
    ]
    if not dated:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    return f"{' '.join(missing)} (Hashed {_HOW}) Authorization={digest}" if missing else None


def _incomplete(message: str) -> Refusal:
    return Refusal(Reason.SIGNATURE_INCOMPLETE, message, message=message)


def _shown(text: bytes) -> str:
    return text[:_SHOWN].decode("latin-1")
