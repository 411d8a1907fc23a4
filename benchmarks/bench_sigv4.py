"""Verifying an AWS signature: against a straight-line verifier, and against signing the request again with botocore.

    python -m benchmarks --only sigv4

Both sides get the same signed POST (ten headers of which four are signed, a query of two parameters, a small body),
know its secret, and have derived the key of the day before. The straight line splits the header, builds the canonical
request and compares; it checks no time, no scope, and no header that was added. Signing again is what a verifier does
that has only botocore: sign a copy of the request at its own date, and compare the two headers.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any, Final
from unittest import mock
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from benchmarks.inproc import measure
from benchmarks.report import Line, at_least, at_most, line, say
from gatewaykit import iam
from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.iam.signing import Signer, signed_headers
from gatewaykit.core.iam.signing_key import SigningKey, SigningKeys
from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed, verify
from gatewaykit.ports import Policy, Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.upstream.scripted import ScriptedTransport

__all__ = ["run"]

_KEY_ID, _SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_CLOCK: Final = VirtualClock("2026-01-15T12:00Z")
_TARGET: Final = b"/prod/pets/42/toys?color=red&limit=10"
_BODY: Final = b'{"name":"ball","price":12}'
_SIGNED: Final[HeaderList] = [
    (b"host", b"abc123.execute-api.us-east-1.amazonaws.com"), (b"content-type", b"application/json"),
    (b"x-tenant", b"acme"),
]  # fmt: skip
_OTHERS: Final[HeaderList] = [
    (b"user-agent", b"bench/1.0"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip, deflate"),
    (b"content-length", b"%d" % len(_BODY)), (b"connection", b"keep-alive"),
]  # fmt: skip

Verify = Callable[[], bool]


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  one signed POST, with the key of the day derived before")
    makers: dict[str, Callable[[Request], Verify]] = {
        "ours": _ours, "straight": _straight, "again": _again, "policy": _policy(authorize=False), "all": _policy(),
    }  # fmt: skip
    for name, make in makers.items():
        if not make(_request())() or make(_request(_BODY + b" "))():
            raise RuntimeError(f"{name} does not verify as it should")
    times = measure({name: make(_request()) for name, make in makers.items()}, rounds=21 if quick else 61)
    micro = [nanoseconds / 1000 for nanoseconds in times.rounds["ours"]]
    what = "verifying a signature"
    return [
        line("sigv4", f"{what}, warm", micro, unit="us"),
        line("sigv4", f"{what} / a straight line without checks", times.ratios("ours", "straight"), at_most(1.25)),
        line("sigv4", f"{what}, signing again with botocore / ours", times.ratios("again", "ours"), at_least(3.3)),
        line("sigv4", "the hook of iam(authorize=False) / a straight line", times.ratios("policy", "straight")),
        line(
            "sigv4", "the hook of iam, with one policy to ask / a straight line", times.ratios("all", "straight"),
            note="it also proves an identity",
        ),
    ]  # fmt: skip


def _request(body: bytes = _BODY) -> Request:
    signer = Signer(access_key_id=_KEY_ID, secret=_SECRET)
    signed = signed_headers(signer, "POST", _TARGET, _SIGNED, _BODY, _CLOCK.wall())
    path, _, query = _TARGET.partition(b"?")
    headers = [*((name.lower(), value) for name, value in signed), *_OTHERS]
    return Request("POST", path.decode(), query_string=query, headers=headers, body=body)


def _ours(request: Request) -> Verify:
    read = SignatureReader(SignatureRules(region="us-east-1")).read
    key_of = SigningKeys(lambda key_id, secret, scope: SigningKey(secret, scope)).of
    secrets, wall = {_KEY_ID: _SECRET}, _CLOCK.wall

    def verified() -> bool:
        signed = read(request, wall())
        if not isinstance(signed, Signed):
            return False
        key = key_of(signed.key_id, secrets[signed.key_id], signed.scope)
        return verify(signed, key, request.body or b"") is None

    return verified


def _straight(request: Request) -> Verify:
    secrets, derived = {_KEY_ID: _SECRET}, dict[tuple[str, str], bytes]()

    def verified() -> bool:
        headers = request.headers
        pieces = headers[b"authorization"].decode().partition(" ")[2].split(",")
        parts = dict(piece.strip().split("=", 1) for piece in pieces)
        key_id, scope = parts["Credential"].split("/", 1)
        names = parts["SignedHeaders"]
        block = "".join(f"{name}:{' '.join(headers[name.encode()].decode().split())}\n" for name in names.split(";"))
        query = "&".join(sorted(request.query_string.decode().split("&")))
        path, hashed = quote(request.raw_path, safe="/~"), sha256(request.body or b"").hexdigest()
        canonical = f"{request.method}\n{path}\n{query}\n{block}\n{names}\n{hashed}"
        date, digest = headers[b"x-amz-date"].decode(), sha256(canonical.encode()).hexdigest()
        key = derived.get((key_id, scope))
        if key is None:
            key = derived[key_id, scope] = _derived(secrets[key_id], scope)
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}".encode(), "sha256").hex()
        return hmac.compare_digest(signature, parts["Signature"])

    return verified


def _derived(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _again(request: Request) -> Verify:
    auth = SigV4Auth(BotoCredentials(_KEY_ID, _SECRET), "execute-api", "us-east-1")
    sent = {name.decode(): value.decode() for name, value in request.header_list}
    names = sent["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    url = f"https://{sent['host']}{_TARGET.decode()}"
    moment = datetime.fromtimestamp(_CLOCK.wall(), timezone.utc).replace(tzinfo=None)

    def verified() -> bool:
        headers = {name: sent[name] for name in names if name != "x-amz-date"}
        copy = AWSRequest(request.method, url, headers, request.body)
        auth.add_auth(copy)
        return hmac.compare_digest(copy.headers["Authorization"], sent["authorization"])

    patch = mock.patch("botocore.auth.get_current_datetime", return_value=moment)
    patch.start()  # for as long as the process lives: nothing else of it asks botocore for the time
    return verified


def _policy(**options: Any) -> Callable[[Request], Verify]:
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*/prod/*"}
    alice = {
        "access_keys": [{"id": _KEY_ID, "secret": _SECRET}],
        "policies": [{"Version": "2012-10-17", "Statement": [statement]}],
    }

    def make(request: Request) -> Verify:
        runtime = Runtime(
            clock=_CLOCK, throttles=MemoryThrottleStore(_CLOCK), transport=ScriptedTransport(), entropy=os.urandom
        )
        policy: Policy = iam({"users": {"alice": alice}}, **options)
        hook = policy.bind(runtime).on_request
        assert hook is not None
        return lambda: isinstance(hook(request), Request)

    return make
