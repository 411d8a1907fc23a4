"""An authorizer's cached answer, applied to a request: what it adds, and against the same by hand.

    python -m benchmarks --only authorizers

Our side is the hook of a bound `lambda_authorizer(...)`: a Request goes in, and comes out with its identity. The answer
is in the cache; that it allows this very request is decided anew each time, as API Gateway does. By hand is what
somebody writes who knows the one policy: a dict of answers by token, and a regular expression over the method's ARN.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, Final

from benchmarks.inproc import measure
from benchmarks.report import Line, at_most, line, say
from gatewaykit import Policy, lambda_authorizer
from gatewaykit.clock import SYSTEM
from gatewaykit.core.http import Identity, Request
from gatewaykit.pipeline.decision import drive
from gatewaykit.ports import Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.upstream.scripted import ScriptedTransport

__all__ = ["run"]

_TOKEN: Final = b"Bearer 0123456789abcdef0123456789abcdef"
_HEADERS: Final = [
    (b"host", b"api.example"), (b"user-agent", b"bench/1.0"), (b"accept", b"*/*"), (b"x-tenant", b"blue"),
    (b"authorization", _TOKEN), (b"accept-encoding", b"gzip"),
]  # fmt: skip
_API: Final = "arn:aws:execute-api:us-east-1:123456789012:local/prod"
_RESOURCE_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {
            "Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "10.0.0.0/8"]}},
        },
    ],
}  # fmt: skip


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  a cached answer on its request")
    two = "method.request.header.Authorization,method.request.header.X-Tenant"
    cases = {
        "token": _ours(lambda_authorizer(_authorize, type="TOKEN")),
        "request": _ours(lambda_authorizer(_authorize, identity_source=two)),
        "simple": _ours(
            lambda_authorizer(
                _simple, api="HTTP", payload_format="2.0", simple_responses=True, ttl_s=300,
                identity_source="$request.header.Authorization",
            )
        ),
        "resource": _ours(lambda_authorizer(_authorize, type="TOKEN", resource_policy=_RESOURCE_POLICY)),
        "hand": _by_hand(),
        "nothing": lambda: None,
    }  # fmt: skip
    times = measure(cases, rounds=21 if quick else 61)
    added = {name: times.added_us(name, "nothing") for name in cases}
    return [
        line("authorizers", "TOKEN, a cached answer, added", added["token"], at_most(5), unit="us"),
        line("authorizers", "REQUEST by two headers, a cached answer, added", added["request"], at_most(5), unit="us"),
        line("authorizers", "a cached simple answer, added", added["simple"], at_most(5), unit="us"),
        line("authorizers", "TOKEN with a resource policy, a cached answer, added", added["resource"], unit="us"),
        line("authorizers", "TOKEN, a cached answer / a dict and a pattern by hand", times.ratios("token", "hand")),
    ]


def _authorize(event: Any, context: Any) -> Any:
    statements = [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": [f"{_API}/GET/pets/*", f"{_API}/POST/orders"]},
        {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": f"{_API}/*/admin/*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    return {"principalId": "ann", "policyDocument": policy, "context": {"tenant": "blue", "level": 3}}


def _simple(event: Any, context: Any) -> Any:
    return {"isAuthorized": True, "context": {"tenant": "blue", "level": 3}}


def _ours(policy: Policy) -> Callable[[], Any]:
    runtime = Runtime(
        clock=SYSTEM, throttles=MemoryThrottleStore(SYSTEM), transport=ScriptedTransport(), entropy=os.urandom
    )
    hook: Any = policy.bind(runtime).on_request
    request = _request()
    if drive(hook(request)) is not request or hook(request) is not request or request.identity is None:
        raise RuntimeError("the authorizer does not decide as it should")
    return lambda: hook(request)


def _by_hand() -> Callable[[], Any]:
    allowed = re.compile(re.escape(_API) + r"/(GET/pets/.*|POST/orders)").fullmatch
    denied = re.compile(re.escape(_API) + r"/[^/]*/admin/.*").fullmatch
    answers = {_TOKEN: ("ann", {"tenant": "blue", "level": 3}, SYSTEM.monotonic() + 3600)}
    request = _request()

    def decide() -> bool:
        found = answers.get(request.headers.get(b"authorization", b""))
        if found is None or SYSTEM.monotonic() > found[2]:
            return False
        arn = f"{_API}/{request.method}/{request.raw_path.decode('ascii').lstrip('/')}"
        if denied(arn) or not allowed(arn):
            return False
        request.identity = Identity(principal=found[0], kind="lambda", claims=dict(found[1]))
        return True

    if not decide():
        raise RuntimeError("the hand-written authorizer does not decide as it should")
    return decide


def _request() -> Request:
    return Request("GET", "/pets/7", headers=list(_HEADERS))
