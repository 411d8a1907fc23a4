"""`lambda_authorizer(...)`: a Lambda function says who is calling, and what they may do.

Developer guide, "Use API Gateway Lambda authorizers" and "Control access to HTTP APIs with AWS Lambda authorizers";
reference 02 sections 3, 5 and 6.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from gatewaykit.core.execution_log import last_four
from gatewaykit.core.expiring import Expiring
from gatewaykit.core.iam.access import Access, access_of, method_arn
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, Verdict, compile_policy
from gatewaykit.core.identity.authorizer import (
    MAX_METHOD_ARN,
    AnswerForm,
    Granted,
    arn_too_long,
    failed_call,
    read_answer,
    refused,
    verdict_of,
)  # fmt: skip
from gatewaykit.core.identity.identity_sources import (
    IdentitySources,
    Values,
    compile_identity_sources,
    compile_token_check,
    joined,
)  # fmt: skip
from gatewaykit.core.payload.authorizer_event import (
    authorizer_context,
    masked_authorizer_event,
    request_event,
    token_event,
)  # fmt: skip
from gatewaykit.core.reasons import Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.arrival import note_arrival
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Answer, Runtime
    from gatewaykit.upstream.functions import FunctionRunner
    from gatewaykit.upstream.remote_function import RemoteFunction, Sign

__all__ = ["LambdaAuthorizer", "lambda_authorizer"]

MOST_CACHED: Final = 10_000
"""Answers that one authorizer keeps; who falls out is asked about again."""

_MAX_TTL_S: Final = 3600
_WORKERS: Final = 10  # threads of a function that is not async
_CHOICES: Final = {"type": ("TOKEN", "REQUEST"), "api": ("REST", "HTTP", "WEBSOCKET"), "payload_format": ("1.0", "2.0")}


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaAuthorizer(Policy):
    """A Lambda authorizer; made by `lambda_authorizer`. Bound once, it has one cache, whatever routes it stands on."""

    phase = "authenticate"

    function: Callable[..., Any] | str
    endpoint: str
    sign: Sign | None
    is_token: bool
    sources: IdentitySources | None  # None where nothing is looked at before the function is asked
    check: Callable[[str], Refusal | None] | None
    ttl_s: float
    timeout_s: float
    form: AnswerForm
    resource_policy: Mapping[str, Any] | str | None

    def bind(self, runtime: Runtime) -> Policy:
        return _Authorizing(self, runtime)


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
    name: str = "",
) -> LambdaAuthorizer:
    """Ask `function(event, context)` who is calling: the events, the answers and the errors are API Gateway's.

    `function` is a callable, sync (it runs on a thread) or async; or, with `endpoint="http://…"`, the name of a
    function that is invoked there. `api` says whose rules hold: those of REST APIs, of HTTP APIs, or of a WebSocket's
    `$connect`.

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
    _check_function(function, endpoint, problem)
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
    title = name or (function if isinstance(function, str) else str(getattr(function, "__name__", "lambda_authorizer")))
    return LambdaAuthorizer(
        function=function, endpoint=endpoint, sign=None, is_token=is_token, sources=sources, check=check, ttl_s=ttl,
        timeout_s=timeout, resource_policy=resource_policy,
        form=AnswerForm(api=api, payload_format=payload_format, simple=simple_responses, name=title),
    )  # fmt: skip


_Report = Callable[..., None]


def _check_function(function: object, endpoint: object, problem: _Report) -> None:
    from gatewaykit.upstream.remote_function import invoke_call

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
    if not isinstance(given, str) and not all(isinstance(each, str) for each in given):
        problem("identity_source", f"{given!r} is no list of texts")
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


class _Authorizing(Bound):
    """The hook, with its cache, its calls under way, and what runs the function."""

    def __init__(self, config: LambdaAuthorizer, runtime: Runtime) -> None:
        super().__init__("lambda_authorizer", on_request=self._decide)
        self._config, self._form = config, config.form
        self._runtime, self._clock = runtime, runtime.clock
        self._cache: Expiring[Any, Granted] | None = Expiring(MOST_CACHED) if config.ttl_s else None
        self._flights: SingleFlight[Granted | Refusal] = SingleFlight()
        self._target = _target(config, runtime)
        self._resource: CompiledPolicy | None = None
        if config.resource_policy is not None:
            compiled = compile_policy(
                config.resource_policy, name="resource policy", kind="resource", facts=runtime.facts
            )
            if isinstance(compiled, tuple):
                raise ConfigError(compiled)
            self._resource = compiled

    async def aclose(self) -> None:
        await self._target.aclose()

    # ------------------------------------------------------------------------------------------------ deciding

    def _decide(self, request: Request) -> Answer | Awaitable[Answer]:
        config, resource = self._config, None
        if len(request.raw_path) > MAX_METHOD_ARN // 2 and len(arn := self._arn(request)) > MAX_METHOD_ARN:
            return arn_too_long(arn)
        if self._resource is not None:
            access = self._access(request)
            resource = self._resource.evaluate(access)
            if resource.effect is Effect.DENY:
                return refused(resource, access, self._form.api)
        values: Values = ()
        if config.sources is not None:
            found = config.sources.read(request, self._context)
            if isinstance(found, Refusal):
                return found
            values = found
            if config.is_token:
                token = found[0][-1]  # all that the function gets to see, so all that its answer may depend on
                values = ((token,),)
                if config.check is not None and (refusal := config.check(token)) is not None:
                    return refusal
        if request.events is not None:
            self._note_start(request, values)
        if self._cache is not None:
            granted = self._cache.get((request.stage, values), self._clock.monotonic())
            if granted is not None:
                return self._settle(request, granted, resource)
        return self._ask(request, values, resource)

    async def _ask(self, request: Request, values: Values, resource: Verdict | None) -> Answer:
        if self._cache is None:
            granted = await self._call(request, values)
        else:
            granted = await self._flights.run((request.stage, values), lambda: self._call(request, values))
        return granted if isinstance(granted, Refusal) else self._settle(request, granted, resource)

    def _settle(self, request: Request, granted: Granted, resource: Verdict | None) -> Answer:
        """Apply an answer, cached or not, to this very request."""
        verdict = verdict_of(granted, request, self._access, resource)
        if verdict.effect is not Effect.ALLOW:
            return refused(verdict, self._access(request), self._form.api)
        request.identity = granted.identity()
        if request.events is not None:
            request.note("authorizer", f"Using valid authorizer policy for principal: {last_four(granted.principal)}")
            request.note("authorizer", "Successfully completed authorizer execution")
            why = f": {verdict.why}" if verdict.why else ""
            request.note("authorization", f"{verdict.statement} of {verdict.policy} allows {self._arn(request)}{why}")
        return request

    # ------------------------------------------------------------------------------------------------ calling

    async def _call(self, request: Request, values: Values) -> Granted | Refusal:
        from gatewaykit.upstream.functions import Failure
        from gatewaykit.upstream.lambda_context import lambda_context

        config, runtime, form, arn = self._config, self._runtime, self._form, self._arn(request)
        event = (
            token_event(values[0][0], arn)
            if config.is_token
            else request_event(request, runtime.facts, arn, values, api=form.api, payload_format=form.payload_format)
        )
        clock = self._clock
        random = runtime.entropy(16).hex()
        request_id = f"{random[:8]}-{random[8:12]}-{random[12:16]}-{random[16:20]}-{random[20:]}"
        context = lambda_context(form.name, "", request_id, runtime.facts, clock.monotonic, config.timeout_s)
        if request.events is not None:
            request.note("authorizer", f"Endpoint request URI: {context.invoked_function_arn}")
            shown = json.dumps(masked_authorizer_event(event))
            request.note("authorizer", f"Endpoint request body after transformations: {shown}")
        started = clock.monotonic()
        answer = await self._target.call(event, context, config.timeout_s)
        took_ms = round((clock.monotonic() - started) * 1000)
        if isinstance(answer, Failure):
            told = f"{answer.error_type}: {answer.message}"
            return failed_call(answer.kind, told, answer.message, form, answer.cause)
        if request.events is not None:
            request.note("authorizer", f"Authorizer result body before parsing: {_shown(answer)}")
        granted = read_answer(answer, form)
        if isinstance(granted, Refusal):
            return granted
        if self._cache is not None:
            self._cache.put((request.stage, values), granted.after(0), clock.monotonic() + config.ttl_s)
        return granted.after(took_ms)

    # ------------------------------------------------------------------------------------------------ facts

    def _arn(self, request: Request) -> str:
        arn = method_arn(request, self._runtime.facts)
        if self._form.api == "WEBSOCKET":
            return "/".join([*arn.split("/", 2)[:2], "$connect"])
        return arn

    def _access(self, request: Request) -> Access:
        note_arrival(request, self._runtime.clock)
        resource = self._arn(request) if self._form.api == "WEBSOCKET" else None
        return access_of(request, self._runtime.facts, resource=resource)

    def _context(self, request: Request) -> Mapping[str, Any]:
        return authorizer_context(request, self._runtime.facts, self._form.api)

    def _note_start(self, request: Request, values: Values) -> None:
        masked = ", ".join(last_four(text) for text in joined(values))
        request.note("authorizer", f"Starting authorizer: {self._form.name} for request: {request.id}")
        request.note("authorizer", f"Incoming identity: {masked}")
        if self._config.sources is not None:
            request.note("credential", f"{', '.join(self._config.sources.names)}: {masked}")


def _target(config: LambdaAuthorizer, runtime: Runtime) -> FunctionRunner | RemoteFunction:
    """What runs the function. Threads, sockets and asyncio are for those who have an authorizer."""
    from gatewaykit.upstream.functions import FunctionRunner
    from gatewaykit.upstream.remote_function import RemoteFunction, invoke_call

    if isinstance(config.function, str):
        return RemoteFunction(invoke_call(config.endpoint, config.function), runtime.transport, config.sign)
    return FunctionRunner(config.form.name, config.function, _WORKERS)


def _shown(answer: object) -> str:
    """An answer as a trace may show it: the API key in it is a secret."""
    if isinstance(answer, dict) and isinstance(key := answer.get("usageIdentifierKey"), str):
        answer = {**answer, "usageIdentifierKey": last_four(key)}
    try:
        return json.dumps(answer)
    except RecursionError:
        return "nested too deeply to be shown"
