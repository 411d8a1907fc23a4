"""moto's evaluator of IAM policies, where it is right: actions and resources with `*`, and which effect wins.

It knows no `?`, no casing of actions, no NotResource, and only a part of the conditions.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult

from gatewaykit.core.iam.access import Access
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy

_SAME = {
    PermissionResult.PERMITTED: Effect.ALLOW,
    PermissionResult.DENIED: Effect.DENY,
    PermissionResult.NEUTRAL: Effect.SILENT,
}
_ACTIONS = ["execute-api:Invoke", "execute-api:InvalidateCache", "s3:GetObject"]
_paths = st.text("ab/*", max_size=6).map("arn:aws:execute-api:us-east-1:123456789012:".__add__)
_statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Resource": _paths | st.lists(_paths, min_size=1, max_size=3)}
).flatmap(
    lambda each: st.sampled_from(["Action", "NotAction"]).flatmap(
        lambda name: st.sampled_from([*_ACTIONS, "*", "execute-api:*", "execute-api:Inv*e"]).map(
            lambda action: {**each, name: action}
        )
    )
)


@given(st.lists(_statements, min_size=1, max_size=4), st.sampled_from(_ACTIONS), st.text("ab/", max_size=6))
def test_statements_say_what_they_say_to_moto(statements: list[dict[str, Any]], action: str, path: str) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    resource = f"arn:aws:execute-api:us-east-1:123456789012:{path}x"  # not a slash at its end: a Deny is for both forms
    policy = compile_policy(document, name="p")
    assert isinstance(policy, CompiledPolicy)

    verdict = policy.evaluate(Access(action, resource))

    assert verdict.effect is _SAME[IAMPolicy({"policy_document": document}).is_action_permitted(action, resource)]
