"""Requests signed with AWS access keys, for tests of `iam(...)`.

headers = sign("GET", "/pets?limit=2", access_key_id="AKIDALICE", secret=SECRET, clock=clock)
answer = await client.get("/pets?limit=2", headers=headers)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gatewaykit.clock import SYSTEM
from gatewaykit.core.iam.signing import Signer, presigned_target, signed_headers

if TYPE_CHECKING:
    from gatewaykit.clock import Clock

__all__ = ["presign", "sign"]


def sign(
    method: str,
    target: str,
    *,
    access_key_id: str,
    secret: str,
    session_token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    region: str = "us-east-1",
    service: str = "execute-api",
    clock: Clock = SYSTEM,
) -> dict[str, str]:
    """The headers of a signed request. `target` is its path and query as sent; a Host stands in where none is given."""
    signer = Signer(
        access_key_id=access_key_id, secret=secret, session_token=session_token, region=region, service=service
    )
    data = body.encode() if isinstance(body, str) else body
    made = signed_headers(signer, method, target.encode(), _fields(headers), data, clock.wall())
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in made}


def presign(
    method: str,
    target: str,
    *,
    access_key_id: str,
    secret: str,
    session_token: str | None = None,
    headers: Mapping[str, str] | None = None,
    expires_s: int = 3600,
    region: str = "us-east-1",
    service: str = "execute-api",
    clock: Clock = SYSTEM,
) -> str:
    """The target of a request with its signature in the query, for the Host in `headers` (`testserver` without one)."""
    signer = Signer(
        access_key_id=access_key_id, secret=secret, session_token=session_token, region=region, service=service
    )
    made = presigned_target(signer, method, target.encode(), _fields(headers), clock.wall(), expires_s=expires_s)
    return made.decode()


def _fields(headers: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    given = {"host": "testserver", **{name.lower(): value for name, value in (headers or {}).items()}}
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]
