"""Signing requests with AWS Signature Version 4: in a header, or in the query (a presigned address).

IAM user guide, "Create a signed AWS API request". The headers that are signed are those that botocore signs: what a
proxy may change on the way is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from gatewaykit.core.http import HeaderList
from gatewaykit.core.iam.canonical import (
    UNSIGNED_PAYLOAD,
    canonical_headers,
    canonical_path,
    canonical_queries,
    encoded,
    header_values_of,
)
from gatewaykit.core.iam.signature_parts import HMAC
from gatewaykit.core.iam.signature_time import instant
from gatewaykit.core.iam.signing_key import SigningKey

__all__ = ["Signer", "presigned_target", "signed_headers"]

_NOT_SIGNED: Final = frozenset(
    b"authorization baggage connection expect keep-alive proxy-authenticate proxy-authorization te traceparent "
    b"tracestate trailer transfer-encoding upgrade user-agent x-amzn-trace-id".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs, and for where. Secrets never show in a repr."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    service: str = "execute-api"

    def scope(self, date: bytes) -> bytes:
        return b"%b/%b/%b/aws4_request" % (date[:8], self.region.encode(), self.service.encode())


def signed_headers(
    signer: Signer, method: str, target: bytes, headers: HeaderList, body: bytes, now_s: float,
    *, unsigned_payload: bool = False,
) -> HeaderList:  # fmt: skip
    """The headers of a request with its signature. `headers` hold the Host; `target` is path and query as sent."""
    date = instant(now_s)
    headers = [field for field in headers if field[0].lower() not in _REPLACED]
    headers.append((b"X-Amz-Date", date))
    if signer.session_token is not None:
        headers.append((b"X-Amz-Security-Token", signer.session_token.encode()))
    payload = UNSIGNED_PAYLOAD if unsigned_payload else _hash(body)
    if unsigned_payload or signer.service == "s3":
        headers.append((b"X-Amz-Content-SHA256", payload))
    names, block = _signed(headers)
    path, _, query = target.partition(b"?")
    canonical = _canonical(signer, method, path, canonical_queries(query)[0], block, names, payload)
    authorization = b"%b Credential=%b/%b, SignedHeaders=%b, Signature=%b" % (
        HMAC, signer.access_key_id.encode(), signer.scope(date), names, _signature(signer, date, canonical),
    )  # fmt: skip
    return [*headers, (b"Authorization", authorization)]


def presigned_target(
    signer: Signer, method: str, target: bytes, headers: HeaderList, now_s: float,
    *, expires_s: int = 3600, body: bytes = b"",
) -> bytes:  # fmt: skip
    """Path and query with the signature in the query. It holds for `expires_s` seconds, a week at most."""
    if not 1 <= expires_s <= 604800:
        raise ValueError(f"{expires_s} s: a presigned address holds for 1 to 604800 seconds, which is a week")
    date = instant(now_s)
    names, block = _signed(headers)
    path, _, query = target.partition(b"?")
    parameters = [
        (b"X-Amz-Algorithm", HMAC),
        (b"X-Amz-Credential", signer.access_key_id.encode() + b"/" + signer.scope(date)),
        (b"X-Amz-Date", date),
        (b"X-Amz-Expires", str(expires_s).encode()),
        (b"X-Amz-SignedHeaders", names),
    ]
    if signer.session_token is not None:
        parameters.append((b"X-Amz-Security-Token", signer.session_token.encode()))
    added = b"&".join(name + b"=" + encoded(value) for name, value in parameters)
    query = query + b"&" + added if query else added
    canonical = _canonical(signer, method, path, canonical_queries(query)[0], block, names, _hash(body))
    return b"%b?%b&X-Amz-Signature=%b" % (path, query, _signature(signer, date, canonical))


_REPLACED: Final = (b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256")


def _signed(headers: HeaderList) -> tuple[bytes, bytes]:
    """The names of the signed headers as one value, and their lines."""
    values = header_values_of(headers)
    names = sorted(name for name in values if name not in _NOT_SIGNED)
    if b"host" not in values:
        raise ValueError("a signature covers the Host, and there is no such header")
    return b";".join(names), canonical_headers(names, values)


def _canonical(
    signer: Signer, method: str, path: bytes, query: bytes, block: bytes, names: bytes, payload: bytes
) -> bytes:
    path = path if signer.service == "s3" else canonical_path(path)  # the one service that encodes the path once
    return b"\n".join((method.upper().encode(), path, query, block, names, payload))


def _signature(signer: Signer, date: bytes, canonical: bytes) -> bytes:
    scope = signer.scope(date)
    to_sign = b"\n".join((HMAC, date, scope, sha256(canonical).hexdigest().encode()))
    return SigningKey(signer.secret, scope).signature(to_sign)


def _hash(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()
