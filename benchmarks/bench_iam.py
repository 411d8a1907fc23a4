"""Evaluating IAM policies: twenty statements with conditions, and what a request adds to them.

    python -m benchmarks --only iam

The policy is one that a private API could have: who may do what, from where, until when. The last statement decides,
so that all twenty are looked at. Two answers are timed: one that allows, and one where a condition of each statement
fails. The yardstick is a small loop in Python over prepared tests, with none of the language's rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from benchmarks.inproc import measure
from benchmarks.report import Line, at_most, line, say
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import Request
from gatewaykit.core.iam.access import Access, Principal, access_of
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy

__all__ = ["run"]

_FACTS: Final = ApiFacts()
_PLACE: Final = "arn:aws:execute-api:us-east-1:123456789012:local/prod"
_CALLER: Final = Principal(
    arn="arn:aws:sts::123456789012:assumed-role/orders/session-1", account="123456789012", kind="AssumedRole",
    role_arn="arn:aws:iam::123456789012:role/orders", user_id="AROAEXAMPLEEXAMPLE:session-1", org_id="o-a1b2c3d4e5",
    tags={"team": "orders"},
)  # fmt: skip
_CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "198.51.100.0/24"]}},
    {"StringEquals": {"aws:PrincipalTag/team": ["billing", "support"]}},
    {"StringLike": {"aws:UserAgent": "*Mozilla/4*"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ops/*"}},
    {"NumericLessThan": {"aws:EpochTime": "1000000000"}},
)


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  a policy of twenty statements")
    policy = _compiled(_document())
    allowed, silent = _request("203.0.113.9"), _request("203.0.114.9")
    for request, effect in ((allowed, Effect.ALLOW), (silent, Effect.SILENT)):
        if policy.evaluate(_access(request)).effect is not effect:
            raise RuntimeError(f"the policy does not say {effect}")
    cases: dict[str, Callable[[], Any]] = {
        "access": lambda: _access(allowed),
        "allow": lambda: policy.evaluate(_access(allowed)),
        "silent": lambda: policy.evaluate(_access(silent)),
        "plain": _plain_loop(_access(allowed)),
    }
    times = measure(cases, rounds=21 if quick else 61)
    note = "each statement with an action, a resource and a condition"
    return [
        line(
            "iam", "20 statements, the last allows", times.added_us("allow", "access"), at_most(15), unit="us",
            note=note,
        ),
        line("iam", "20 statements, none allows", times.added_us("silent", "access"), at_most(15), unit="us"),
        line("iam", "making the access of a request", [each / 1000 for each in times.rounds["access"]], unit="us"),
        line(
            "iam", "20 statements / a loop of prepared tests by hand", times.added_ratios("allow", "plain", "access"),
            note="one regular expression and one set of texts, twenty times",
        ),
    ]  # fmt: skip


def _document() -> dict[str, Any]:
    statements = [
        {
            "Sid": f"S{number}",
            "Effect": "Deny" if number % 3 == 0 else "Allow",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": f"{_PLACE}/*/orders/*" if number % 2 else f"{_PLACE}/GET/*",
            "Condition": _CONDITIONS[number % len(_CONDITIONS)],
        }
        for number in range(19)
    ]
    last = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    statements.append({**statements[1], "Sid": "Last", "Condition": last})
    return {"Version": "2012-10-17", "Statement": statements}


def _compiled(document: dict[str, Any]) -> CompiledPolicy:
    policy = compile_policy(document, name="benchmark", kind="resource")
    if not isinstance(policy, CompiledPolicy):
        raise RuntimeError(str(policy))
    return policy


def _request(address: str) -> Request:
    request = Request("GET", "/orders/7", headers=[(b"user-agent", b"Mozilla/5.0")], client=(address, 50000))
    request.received_s = 1_800_000_000.0
    return request


def _access(request: Request) -> Access:
    return access_of(request, _FACTS, _CALLER)


def _plain_loop(access: Access) -> Callable[[], Any]:
    """Twenty times: is it the action, is it the resource (a regular expression), is a value among some?"""
    resource = re.compile(re.escape(f"{_PLACE}/") + "[^/]*/orders/.*").fullmatch
    rows = [("execute-api:invoke", resource, "aws:principaltag/team", {"billing", "support"}) for _ in range(20)]

    def evaluate() -> bool:
        asked = access_of(_request_made, _FACTS, _CALLER)
        allowed = False
        for action, fits, key, values in rows:
            if action == asked.wanted and fits(asked.resource) and asked.keys[key][0] in values:
                allowed = True
        return allowed

    _request_made = _request("203.0.113.9")
    return evaluate
