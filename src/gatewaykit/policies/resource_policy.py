"""`resource_policy(...)`: the policy of an API itself, where no authorizer decides with it.

Developer guide, "Control access to a REST API with API Gateway resource policies" and "How API Gateway resource
policies affect authorization workflow": without an authorizer, a request needs an Allow, and no Deny.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gatewaykit.core.iam.access import access_of
from gatewaykit.core.iam.authorization import denial, reason
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.arrival import note_arrival
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Runtime

__all__ = ["ResourcePolicy", "resource_policy"]

_NAME = "resource policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy(Policy):
    """A resource policy that decides alone; made by `resource_policy`."""

    phase = "resource_policy"

    document: Mapping[str, Any] | str
    private: bool = False

    def bind(self, runtime: Runtime) -> Policy:
        policy = compile_policy(self.document, name=_NAME, kind="resource", facts=runtime.facts)
        assert isinstance(policy, CompiledPolicy)  # `resource_policy` has seen to it
        return Bound("resource_policy", on_request=_deciding(policy, runtime, self.private))


def resource_policy(document: Mapping[str, Any] | str | None, *, private: bool = False) -> ResourcePolicy:
    """Let in the requests that a resource policy allows, and refuse all others (403).

    `document` is the policy, as JSON text or what such text holds. `execute-api:/stage/VERB/path` stands for this API.
    `private` is for APIs of the endpoint type PRIVATE: they are reached by VPC endpoints only, so `aws:SourceIp` is
    absent, and None for the document, no policy at all, refuses everything. `vpc_endpoint` says by which endpoint a
    request came; where it does not, the keys `aws:SourceVpce`, `aws:SourceVpc` and `aws:VpcSourceIp` are absent.

    >>> from gatewaykit import resource_policy
    >>> office = resource_policy(
    ...     {
    ...         "Version": "2012-10-17",
    ...         "Statement": {
    ...             "Effect": "Allow",
    ...             "Principal": "*",
    ...             "Action": "execute-api:Invoke",
    ...             "Resource": "execute-api:/*",
    ...             "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    ...         },
    ...     }
    ... )
    """
    problems = []
    if not isinstance(private, bool):
        problems.append(Problem(where="resource_policy.private", what=f"{private!r} is neither true nor false"))
    if document is None and private is True:
        document = {"Version": "2012-10-17", "Statement": []}
    elif document is None:
        what, mend = "there is no policy", "Only a private API may do without one: it is closed then"
        problems.append(Problem(where="resource_policy.document", what=what, mend=mend))
    if document is not None and isinstance(found := compile_policy(document, name=_NAME, kind="resource"), tuple):
        problems += [placed(each, "resource_policy.document") for each in found]
    if problems or document is None:
        raise ConfigError(problems)
    return ResourcePolicy(document=document, private=private)


def placed(problem: Problem, where: str) -> Problem:
    """A problem of a policy document, where the document is an option."""
    at = f"{where}.{problem.where}" if problem.where else where
    return Problem(where=at, what=problem.what, why=problem.why, mend=problem.mend, near=problem.near)


def _deciding(policy: CompiledPolicy, runtime: Runtime, private: bool) -> Callable[[Request], Any]:
    facts, clock = replace(runtime.facts, private=private or runtime.facts.private), runtime.clock

    def on_request(request: Request) -> Any:
        note_arrival(request, clock)
        access = access_of(request, facts)
        verdict = policy.evaluate(access)
        if verdict.effect is not Effect.ALLOW:
            return denial(verdict, access, wording="anonymous")
        if request.events is not None:
            why = f": {reason(verdict, access)}" if verdict.why else ""
            request.note("authorization", f"{verdict.statement} of {_NAME} allows {access.resource}{why}")
        return request

    return on_request
