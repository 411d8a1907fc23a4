"""What a bound `lambda_authorizer` does with a request: the credential, the cache, the call, the verdict.

Reference 02 section 3 has the order, and the lines of the log.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.execution_log import last_four
from gatewaykit.core.expiring import Expiring
from gatewaykit.core.iam.access import Access, access_of, method_arn
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, Verdict, compile_policy
from gatewaykit.core.identity.authorizer import (
    MAX_METHOD_ARN,
    Granted,
    arn_too_long,
    failed_call,
    read_answer,
    refused,
    verdict_of,
)
from gatewaykit.core.identity.identity_sources import Values, cache_key, joined
from gatewaykit.core.payload.authorizer_event import (
    authorizer_context,
    masked_authorizer_event,
    request_event,
    token_event,
)
from gatewaykit.core.reasons import Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.policies.arrival import note_arrival
from gatewaykit.policies.bound import Bound
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.policies.lambda_authorizer import LambdaAuthorizer
    from gatewaykit.ports import Answer, Runtime
    from gatewaykit.upstream.functions import FunctionRunner
    from gatewaykit.upstream.remote_function import RemoteFunction

__all__ = ["MOST_CACHED", "Authorizing"]

MOST_CACHED: Final = 10_000
"""Answers that one authorizer keeps; who falls out is asked about again."""

_WORKERS: Final = 10  # threads of a function that is not async


class Authorizing(Bound):
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
            if request.events is not None:
                masked = ", ".join(map(last_four, joined(values)))
                request.note("credential", f"{', '.join(config.sources.names)}: {masked}")
            if config.is_token:
                token = found[0][-1]  # all that the function gets to see, so all that its answer may depend on
                values = ((token,),)
                if config.check is not None and (refusal := config.check(token)) is not None:
                    return refusal
        if request.events is not None:
            self._note_start(request, values)
        if self._cache is not None:
            granted = self._cache.get((request.stage, cache_key(values)), self._clock.monotonic())
            if granted is not None:
                return self._settle(request, granted, resource)
        return self._ask(request, values, resource)

    async def _ask(self, request: Request, values: Values, resource: Verdict | None) -> Answer:
        if self._cache is None:
            granted = await self._call(request, values)
        else:
            key = request.stage, cache_key(values)
            granted = await self._flights.run(key, lambda: self._call(request, values))
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
            self._cache.put((request.stage, cache_key(values)), granted.after(0), clock.monotonic() + config.ttl_s)
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


def _target(config: LambdaAuthorizer, runtime: Runtime) -> FunctionRunner | RemoteFunction:
    """What runs the function. Threads, sockets and asyncio are for those who have an authorizer."""
    from gatewaykit.upstream.functions import FunctionRunner
    from gatewaykit.upstream.remote_function import RemoteFunction, invoke_call

    if isinstance(config.function, str):
        call = invoke_call(config.endpoint, config.function)
        return RemoteFunction(call, runtime.transport, runtime.clock, config.signer)
    return FunctionRunner(config.form.name, config.function, _WORKERS)


def _shown(answer: object) -> str:
    """An answer as a trace may show it: the API key in it is a secret."""
    if isinstance(answer, dict) and isinstance(key := answer.get("usageIdentifierKey"), str):
        answer = {**answer, "usageIdentifierKey": last_four(key)}
    try:
        return json.dumps(answer)
    except RecursionError:
        return "nested too deeply to be shown"
