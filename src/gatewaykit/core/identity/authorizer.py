"""What a Lambda authorizer answered: who calls, what its policy allows, and what its failures amount to.

Developer guide, "Output from an API Gateway Lambda authorizer" and "Control access to HTTP APIs with AWS Lambda
authorizers"; reference 02 sections 3 and 5. Nothing but a whole answer lets anybody in: everything else is refused.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.http import Identity
from gatewaykit.core.iam.authorization import Combination, combine, denial
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, Verdict, compile_policy
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.core.iam.access import Access

__all__ = [
    "MAX_ANSWER", "MAX_METHOD_ARN", "AnswerForm", "Granted", "arn_too_long", "failed_call", "read_answer", "refused",
    "verdict_of",
]  # fmt: skip

MAX_ANSWER: Final = 65_536
"""Characters of an answer as JSON: a policy of thousands of statements is a mistake, or an attack on who reads it."""

MAX_METHOD_ARN: Final = 1600
MAX_RESOURCE: Final = 512
"""Characters of the ARN of a method, and of one resource in a policy (developer guide, "Lambda authorizer output")."""

USAGE_IDENTIFIER_KEY: Final = "usageIdentifierKey"
LATENCY: Final = "integrationLatency"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What an authorizer's answers look like, and whose words refusals have. `api` is REST, HTTP or WEBSOCKET."""

    api: str = "REST"
    payload_format: str = "1.0"
    simple: bool = False
    name: str = "lambda_authorizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A whole answer, as it is cached: it allows only what its policy allows. A simple one is true or false.

    `decided` keeps what the policy said of a method and a path; None where more than these decides.
    """

    principal: str
    claims: dict[str, Any]
    policy: CompiledPolicy | bool
    nested: bool = False
    decided: dict[tuple[str, bytes], Verdict] | None = None

    def identity(self) -> Identity:
        """The caller, with facts of its own: what a handler does with them reaches no other request."""
        claims = copy.deepcopy(self.claims) if self.nested else self.claims.copy()
        return Identity(principal=self.principal, kind="lambda", claims=claims)

    def after(self, latency_ms: int) -> Granted:
        """The same, as it came after a call of so long; 0 for one that came from the cache."""
        return replace(self, claims={**self.claims, LATENCY: latency_ms})


def read_answer(answer: object, form: AnswerForm) -> Granted | Refusal:
    """An answer (any JSON value), or the 500 that says what is wrong with it."""
    if isinstance(problem := _unfit(answer), str):
        return _misconfigured(problem, form)
    assert isinstance(answer, dict)  # _unfit has seen to it
    context = answer.get("context")
    if isinstance(problem := _context_problem(context, form), str):
        return _misconfigured(problem, form)
    claims = dict(context or {})
    nested = any(isinstance(value, (dict, list)) for value in claims.values())
    if form.simple:
        allowed = answer.get("isAuthorized")
        if not isinstance(allowed, bool):
            return _misconfigured(f"isAuthorized is {_kind(allowed)}, not true or false", form)
        principal = claims.get("principalId")
        return Granted(
            principal=principal if isinstance(principal, str) else "", claims=claims, policy=allowed, nested=nested
        )
    principal, key = answer.get("principalId"), answer.get(USAGE_IDENTIFIER_KEY)
    if not isinstance(principal, str) or not principal:
        told = "empty" if principal == "" else "missing" if principal is None else _kind(principal)
        return _misconfigured(f"principalId is {told}; it has to be a text", form)
    if key is not None and not isinstance(key, str):
        return _misconfigured(f"{USAGE_IDENTIFIER_KEY} is {_kind(key)}, not a text", form)
    if key:
        claims[USAGE_IDENTIFIER_KEY] = key
    document = answer.get("policyDocument")
    policy = _policy(document, form.name)
    if isinstance(policy, str):
        return _misconfigured(policy, form)
    decided: dict[tuple[str, bytes], Verdict] | None = {} if _looks_at_methods_only(document) else None
    return Granted(principal=principal, claims=claims, policy=policy, nested=nested, decided=decided)


def verdict_of(
    granted: Granted, request: Request, access: Callable[[Request], Access], resource: Verdict | None = None
) -> Verdict:
    """What a policy, and a resource policy where there is one, say together of this very request."""
    policy, decided = granted.policy, granted.decided
    if isinstance(policy, bool):
        return _SIMPLE[policy]
    if decided is None or len(request.raw_path) > _MOST_PATH:
        verdict = policy.evaluate(access(request))
    elif (known := decided.get(key := (request.method, request.raw_path))) is not None:
        verdict = known
    else:
        if len(decided) >= _MOST_DECIDED:
            decided.clear()
        verdict = decided[key] = policy.evaluate(access(request))
    return verdict if resource is None else combine(verdict, resource, Combination.EITHER)


def refused(verdict: Verdict, access: Access, api: str) -> Refusal:
    """The 403 of a verdict that does not allow."""
    refusal = denial(verdict, access, wording="authorizer")
    return refusal if api == "REST" else replace(refusal, message="Forbidden", error_type="ForbiddenException")


def failed_call(kind: str, told: str, message: str, form: AnswerForm, cause: BaseException | None = None) -> Refusal:
    """What a call without an answer amounts to. `kind` is what went wrong, `message` the function's own error message.

    A function says "nobody" by raising an error whose whole message is `Unauthorized`; format 2.0 has no such word.
    """
    if kind == "raised" and message == "Unauthorized" and form.payload_format == "1.0":
        return Refusal(Reason.UNAUTHENTICATED, f"{form.name} raised Unauthorized")
    if kind == "denied":
        return _misconfigured(f"Invalid permissions on Lambda function: {told}", form)
    return _worded(Refusal(Reason.AUTHORIZER_FAILED, f"{form.name}: {told}", cause=cause), form)


def arn_too_long(arn: str) -> Refusal:
    """The 414 of a path that no policy could name."""
    detail = f"the ARN of the method has {len(arn)} characters; {MAX_METHOD_ARN} are the most an authorizer is asked of"
    return Refusal(Reason.MALFORMED_REQUEST, detail, message="Request URI too long", status=414)


_MOST_DECIDED: Final = 16
_MOST_PATH: Final = 200
"""Bytes of a path that is kept: who has many tokens must not fill the memory with paths."""

_SIMPLE: Final = {
    True: Verdict(Effect.ALLOW, policy="the authorizer", statement="isAuthorized"),
    False: Verdict(Effect.SILENT, policy="the authorizer", statement="isAuthorized"),
}
_MOST_LEVELS: Final = 20
_SCALARS: Final = (str, int, float, bool, type(None))


def _misconfigured(problem: str, form: AnswerForm) -> Refusal:
    return _worded(Refusal(Reason.AUTHORIZER_MISCONFIGURED, f"{form.name}: {problem}"), form)


def _worded(refusal: Refusal, form: AnswerForm) -> Refusal:
    return refusal if form.api == "REST" else replace(refusal, message="Internal Server Error")


def _unfit(answer: object) -> str | None:
    """Why a value is no answer at all."""
    if not isinstance(answer, dict):
        return f"the answer is {_kind(answer)}, not an object"
    try:
        text = json.dumps(answer, ensure_ascii=False)
        text.encode()
    except RecursionError:
        return "the answer is nested too deeply"
    except UnicodeEncodeError:
        return "the answer has half of a surrogate pair, which is no text"
    if len(text) > MAX_ANSWER:
        return f"the answer has {len(text)} characters; {MAX_ANSWER} are the most"
    return None


def _context_problem(context: object, form: AnswerForm) -> str | None:
    if context is None:
        return None
    if not isinstance(context, dict):
        return f"context is {_kind(context)}, not an object"
    if form.payload_format == "2.0":
        return None if _is_flat(context, _MOST_LEVELS) else f"context has more than {_MOST_LEVELS} levels"
    for name, value in context.items():
        if not isinstance(value, _SCALARS):
            return f"context[{name!r}] is {_kind(value)}; only texts, numbers and booleans may stand there"
    if form.api == "HTTP" and "claims" in context:
        return "context has the key 'claims', which is reserved"
    return None


def _is_flat(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_flat(each, levels - 1) for each in inside)


def _policy(document: object, name: str) -> CompiledPolicy | str:
    if document is None:
        return "policyDocument is missing"
    if not isinstance(document, Mapping):
        return f"policyDocument is {_kind(document)}, not an object"
    compiled = compile_policy(document, name=name)
    if not isinstance(compiled, CompiledPolicy):
        return "Could not parse policy: " + "; ".join(f"{problem.where} {problem.what}" for problem in compiled[:3])
    lengths = [len(resource) for statement in _statements(document) for resource in _resources(statement)]
    longest = max(lengths, default=0)
    if longest > MAX_RESOURCE:
        return f"a resource of the policy has {longest} characters; {MAX_RESOURCE} are the most"
    return compiled


def _looks_at_methods_only(document: Any) -> bool:
    """Neither conditions nor variables: what it says of a method and a path once it says always."""
    return not any(
        "Condition" in statement or any("${" in resource for resource in _resources(statement))
        for statement in _statements(document)
    )


def _statements(document: Any) -> list[Any]:
    statements = document["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _resources(statement: Any) -> list[str]:
    """Of a policy without problems: a text, or a list of them."""
    resources = statement.get("Resource", statement.get("NotResource"))
    return resources if isinstance(resources, list) else [resources]


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "a text", list: "a list", dict: "an object"}.get(type(value), "a number")
