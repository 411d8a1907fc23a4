"""`lambda_authorizer(...)`: a Lambda function says who is calling, and what they may do.

Developer guide, "Use API Gateway Lambda authorizers" and "Control access to HTTP APIs with AWS Lambda authorizers";
reference 02 sections 3, 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from gatewaykit.core.iam.policy import compile_policy
from gatewaykit.core.identity.authorizer import AnswerForm
from gatewaykit.core.identity.identity_sources import (
    IdentitySources,
    compile_identity_sources,
    compile_token_check,
)
from gatewaykit.core.reasons import Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.authorizing import Authorizing
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from gatewaykit.core.iam.signing import Signer
    from gatewaykit.ports import Runtime

__all__ = ["LambdaAuthorizer", "lambda_authorizer"]

_MAX_TTL_S: Final = 3600
_CHOICES: Final = {"type": ("TOKEN", "REQUEST"), "api": ("REST", "HTTP", "WEBSOCKET"), "payload_format": ("1.0", "2.0")}


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaAuthorizer(Policy):
    """A Lambda authorizer; made by `lambda_authorizer`. Bound once, it has one cache, whatever routes it stands on."""

    phase = "authenticate"

    function: Callable[..., Any] | str
    endpoint: str
    signer: Signer | None
    is_token: bool
    sources: IdentitySources | None  # None where nothing is looked at before the function is asked
    check: Callable[[str], Refusal | None] | None
    ttl_s: float
    timeout_s: float
    form: AnswerForm
    resource_policy: Mapping[str, Any] | str | None

    def bind(self, runtime: Runtime) -> Policy:
        return Authorizing(self, runtime)


def lambda_authorizer(
    function: Callable[[Any, Any], Any] | str,
    *,
    type: Literal["TOKEN", "REQUEST"] = "REQUEST",
    identity_source: str | Sequence[str] = (),
    validation_expression: str | None = None,
    ttl_s: str | float | None = None,
    payload_format: Literal["1.0", "2.0"] = "1.0",
    simple_responses: bool = False,
    timeout_s: str | float = 10,
    resource_policy: Mapping[str, Any] | str | None = None,
    api: Literal["REST", "HTTP", "WEBSOCKET"] = "REST",
    endpoint: str = "",
    signer: Signer | None = None,
    name: str = "",
) -> LambdaAuthorizer:
    """Ask `function(event, context)` who is calling: the events, the answers and the errors are API Gateway's.

    `function` is a callable, sync (it runs on a thread) or async; or, with `endpoint="http://…"`, the name of a
    function that is invoked there, in requests that `signer` signs. `api` says whose rules hold: those of REST APIs,
    of HTTP APIs, or of a WebSocket's `$connect`.

    `identity_source` names what of a request tells callers apart (`method.request.header.X`,
    `method.request.querystring.Y`, `stageVariables.Z`, `context.V`; for HTTP APIs `$request.header.X` and so on). A
    TOKEN authorizer has one header, `Authorization` unless told otherwise. Where one is missing the answer is 401, and
    the function is not asked; so it is where a token does not match `validation_expression`.

    An answer is cached under these values for `ttl_s`: 300 seconds for REST APIs that have identity sources, else not
    at all; what its policy allows is decided anew for each request. A function that raises, takes longer than
    `timeout_s`, or answers anything else lets nobody in.

    >>> from gatewaykit import lambda_authorizer
    >>> def authorize(event, context):
    ...     if event["authorizationToken"] != "allow-me":
    ...         raise Exception("Unauthorized")
    ...     allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    ...     return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [allow]}}
    >>> policy = lambda_authorizer(authorize, type="TOKEN")
    """
    problems: list[Problem] = []

    def problem(option: str, what: str, why: str = "", mend: str = "", near: str = "") -> None:
        where = f"lambda_authorizer.{option}"
        problems.append(Problem(where=where, what=what, why=why, mend=mend, near=near))

    for option, value in (("type", type), ("api", api), ("payload_format", payload_format)):
        if value not in _CHOICES[option]:
            listed = " or ".join(_CHOICES[option])
            problem(option, f"{value!r} is not {listed}", near=near_miss(str(value), _CHOICES[option]))
    if problems:
        raise ConfigError(problems)
    _check_function(function, endpoint, signer, problem)
    is_token = type == "TOKEN"
    if is_token and api != "REST":
        problem("type", f"there are no TOKEN authorizers in {api} APIs", mend="Write type='REQUEST'")
    if payload_format == "2.0" and api != "HTTP":
        problem("payload_format", "2.0 is for HTTP APIs", mend="Write api='HTTP'")
    if simple_responses and payload_format != "2.0":
        problem("simple_responses", "simple responses belong to payload format 2.0", mend="Write payload_format='2.0'")
    if resource_policy is not None and api != "REST":
        problem("resource_policy", f"{api} APIs have no resource policy")
    elif resource_policy is not None:
        found = compile_policy(resource_policy, name="resource policy", kind="resource")
        for each in found if isinstance(found, tuple) else ():
            problem(f"resource_policy.{each.where}", each.what, each.why, each.mend, each.near)
    sources = _sources(identity_source, is_token, api, problem)
    check = None
    if validation_expression is not None:
        made = compile_token_check(validation_expression) if is_token else "only a TOKEN authorizer has one"
        if isinstance(made, str):
            problem("validation_expression", made)
        else:
            check = made
    timeout = _duration(timeout_s, "timeout_s", problem)
    if timeout == 0:
        problem("timeout_s", "0 leaves no time for any answer")
    ttl = (300.0 if api == "REST" and sources else 0.0) if ttl_s is None else _duration(ttl_s, "ttl_s", problem)
    if ttl > _MAX_TTL_S:
        problem("ttl_s", f"{ttl:g} seconds; {_MAX_TTL_S} are the most")
    if ttl and api == "WEBSOCKET":
        problem("ttl_s", "what is said of $connect is not cached", why="it holds for its connection")
    elif ttl and not sources:
        why, mend = "nothing says whose answer is whose", "Name an identity_source, or write ttl_s=0"
        problem("ttl_s", "answers cannot be cached without an identity source", why, mend)
    if not isinstance(name, str):
        problem("name", f"{name!r} is no text")
    if problems:
        raise ConfigError(problems)
    if api == "REST" and not is_token and not ttl:
        sources = None  # reference 02 section 3: without caching the function is called regardless
    title = name or (function if isinstance(function, str) else str(getattr(function, "__name__", "")))
    if title in ("", "<lambda>"):
        title = "lambda_authorizer"
    return LambdaAuthorizer(
        function=function, endpoint=endpoint, signer=signer, is_token=is_token, sources=sources, check=check, ttl_s=ttl,
        timeout_s=timeout, resource_policy=resource_policy,
        form=AnswerForm(api=api, payload_format=payload_format, simple=simple_responses, name=title),
    )  # fmt: skip


_Report = Callable[..., None]


def _check_function(function: object, endpoint: object, signer: object, problem: _Report) -> None:
    from gatewaykit.core.iam.signing import Signer
    from gatewaykit.upstream.remote_function import invoke_call

    if signer is not None and not (isinstance(signer, Signer) and endpoint):
        problem("signer", "a signer is a Signer, and signs what is sent to an endpoint")
    if not isinstance(endpoint, str):
        problem("endpoint", f"{endpoint!r} is no address")
    elif not isinstance(function, str):
        if not callable(function):
            problem("function", f"{function!r} cannot be called")
        if endpoint:
            problem("endpoint", "the function is here, not at an endpoint", mend="Give the name of a function")
    elif not endpoint:
        problem(
            "endpoint", f"nothing says where the function {function!r} is", mend="Give the function, or an endpoint"
        )
    else:
        try:
            invoke_call(endpoint, function)
        except ValueError as error:
            problem("endpoint", str(error))


def _sources(given: str | Sequence[str], is_token: bool, api: str, problem: _Report) -> IdentitySources | None:
    if is_token and not given:
        given = "method.request.header.Authorization"
    if not isinstance(given, str) and not (
        isinstance(given, (list, tuple)) and all(isinstance(each, str) for each in given)
    ):
        problem("identity_source", f"{given!r} is neither a text nor a list of texts")
        return None
    compiled = compile_identity_sources(given, api)
    if isinstance(compiled, tuple):
        for what in compiled:
            problem("identity_source", what)
        return None
    if is_token and (len(compiled.names) != 1 or not compiled.names[0].startswith("method.request.header.")):
        problem("identity_source", "a TOKEN authorizer has exactly one source, a header")
    return compiled if compiled.names else None


def _duration(value: str | float, option: str, problem: _Report) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        problem(option, str(error))
        return 1.0
