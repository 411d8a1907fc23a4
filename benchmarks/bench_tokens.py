"""What a remembered answer of introspection, forward-auth or a SAML assertion adds to a request, and a first assertion.

    python -m benchmarks --only tokens

Our side is the hook of a bound policy: a Request goes in, and comes out with its identity. By hand is a dict from
digests of tokens to identities with their times, and signxml alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from benchmarks.inproc import measure
from benchmarks.report import Line, at_most, line, say
from gatewaykit import Policy, VirtualClock, by, forward_auth, introspection, saml_bearer
from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.http import HeaderList, Identity, Request
from gatewaykit.pipeline.decision import drive
from gatewaykit.ports import Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.testing import Reply, ScriptedTransport
from tests.peers.identity_provider import API, ISSUER, NOW, assertion, encoded, provider

__all__ = ["run"]

_TOKEN: Final = b"Bearer 0123456789abcdef0123456789abcdef"
_HEADERS: Final = [
    (b"host", b"api.example"), (b"user-agent", b"bench/1.0"), (b"accept", b"*/*"), (b"x-tenant", b"blue"),
    (b"accept-encoding", b"gzip"), (b"cookie", b"session=0123456789abcdef"),
]  # fmt: skip
_URL: Final = "http://auth.test/check"


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  a remembered answer on its request")
    idp = provider()
    credential = encoded(idp.sign(assertion()))
    said = Reply(body=json.dumps({"active": True, "sub": "ann", "scope": "pets:read"}).encode())
    named = Reply(headers=[(b"X-User", b"ann")])
    tokens = introspection("http://login.test/", client_id="gateway", client_secret="secret", scopes="pets:read")
    saml: dict[str, Any] = {"audience": API, "issuer": ISSUER, "idp_certificates": idp.pem}
    by_saml = (b"authorization", b"SAML " + credential.encode())
    cases = {
        "introspection": _ours(tokens, said, (b"authorization", _TOKEN)),
        "key": _ours(forward_auth(_URL, principal="x-user", ttl=60, key=by.header("cookie")), named),
        "few": _ours(forward_auth(_URL, principal="x-user", ttl=60, forward_headers=["cookie"]), named),
        "all": _ours(forward_auth(_URL, principal="x-user", ttl=60, copy_headers=["x-user"]), named),
        "saml": _ours(saml_bearer(**saml, one_time=False), named, by_saml, VirtualClock(NOW)),
        "hand": _by_hand(),
        "nothing": lambda: None,
    }
    times = measure(cases, rounds=21 if quick else 61)
    added = {name: times.added_us(name, "nothing") for name in cases}
    say("  a first assertion, against signxml alone")
    first = measure(
        {"ours": _first(idp, credential), "signxml": _signxml(idp)}, rounds=11 if quick else 31, slice_ms=20
    )
    return [
        line("tokens", "introspection, a remembered answer, added", added["introspection"], at_most(5), unit="us"),
        line("tokens", "introspection / a dict by hand", times.ratios("introspection", "hand")),
        line("tokens", "forward_auth by one header, remembered, added", added["key"], at_most(5), unit="us"),
        line("tokens", "forward_auth, one header sent, remembered, added", added["few"], at_most(5), unit="us"),
        line("tokens", "forward_auth, all sent and one copied, remembered, added", added["all"], at_most(5), unit="us"),
        line("tokens", f"saml_bearer, {len(credential)} characters again, added", added["saml"], at_most(5), unit="us"),
        line("tokens", "saml_bearer, a first assertion / signxml alone", first.ratios("ours", "signxml")),
    ]  # fmt: skip


def _ours(
    policy: Policy, reply: Reply, field: tuple[bytes, bytes] = (b"x-more", b"1"), clock: Clock = SYSTEM
) -> Callable[[], Any]:
    transport = ScriptedTransport(lambda _: reply)
    runtime = Runtime(clock=clock, throttles=MemoryThrottleStore(clock), transport=transport, entropy=os.urandom)
    hook: Any = policy.bind(runtime).on_request
    request = _request([field])
    fields, headers = request.header_list, request.headers

    def decide() -> Any:
        request.header_list, request.headers = fields, headers  # as they came: some are replaced
        return hook(request)

    first = decide()
    if (first if isinstance(first, Request) else drive(first)) is not request or decide() is not request:
        raise RuntimeError(f"{policy} does not decide as it should")
    if request.identity is None:
        raise RuntimeError(f"{policy} names nobody")
    return decide


def _by_hand() -> Callable[[], Any]:
    identity = Identity(principal="ann", kind="introspection", claims={"sub": "ann"}, scopes=("pets:read",))
    known = {sha256(_TOKEN[7:]).digest(): (identity, SYSTEM.wall() + 3600)}
    request = _request([(b"authorization", _TOKEN)])

    def decide() -> bool:
        value = request.headers.get(b"authorization", b"")
        if not value.startswith(b"Bearer "):
            return False
        found = known.get(sha256(value[7:]).digest())
        if found is None or SYSTEM.wall() >= found[1]:
            return False
        request.identity = found[0]
        return True

    return decide


def _first(idp: Any, credential: str) -> Callable[[], Any]:
    from gatewaykit.core.identity.saml import Asserted, SamlRules, verify

    rules, now_s = SamlRules(issuer=ISSUER, audience=(API,)), VirtualClock(NOW).wall()
    if not isinstance(verify(credential, [idp.certificate], rules, now_s), Asserted):
        raise RuntimeError("the assertion does not hold")
    return lambda: verify(credential, [idp.certificate], rules, now_s)


def _signxml(idp: Any) -> Callable[[], Any]:
    from datetime import datetime

    from signxml.verifier import SignatureConfiguration, XMLVerifier

    xml = idp.sign(assertion()).encode()
    configuration = SignatureConfiguration(verification_time=datetime.fromisoformat(NOW))
    return lambda: XMLVerifier().verify(xml, x509_cert=idp.certificate, expect_config=configuration)


def _request(more: HeaderList) -> Request:
    return Request("GET", "/pets/7", headers=[*_HEADERS, *more])
