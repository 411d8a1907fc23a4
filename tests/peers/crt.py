"""AWS's own C runtime as a signer, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from io import BytesIO

from awscrt import auth, http, io

from gatewaykit.core.http import HeaderList, Request

__all__ = ["signed_for_regions"]


def signed_for_regions(
    method: str,
    path: str,
    *,
    access_key_id: str,
    secret: str,
    now_s: float,
    session_token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    regions: str = "*",
    expires_s: int | None = None,
) -> Request:
    """A request signed with SigV4A: in a header, or in the query where it is told when it expires."""
    fields = http.HttpHeaders([("host", "api.test"), *(headers or {}).items()])
    request = http.HttpRequest(method, path, fields, io.InputStream(BytesIO(body)))
    in_query = auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4_ASYMMETRIC,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS if expires_s is None else in_query,
        credentials_provider=auth.AwsCredentialsProvider.new_static(access_key_id, secret, session_token),
        region=regions,
        service="execute-api",
        date=datetime.fromtimestamp(now_s, timezone.utc),
        expiration_in_seconds=expires_s,
    )
    made = auth.aws_sign_request(request, config).result(10)
    signed: HeaderList = [(name.encode(), value.encode()) for name, value in made.headers]
    target, _, query = made.path.partition("?")
    return Request(method, target, query_string=query.encode(), headers=signed, body=body)
