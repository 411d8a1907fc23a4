"""AWS_PROXY and AWS with a Lambda URI: a Python callable `(event, context)`.

Reference 04 sections 1 and 3; rows 53-76, 92 and 95-97b.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.context import context_of
from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.integration_request import IntegrationRequest
from gatewaykit.core.integration_response import IntegrationResponses
from gatewaykit.core.parameter_mapping import RequestMapping, compile_request_mappings
from gatewaykit.core.payload.lambda_proxy import masked_event, parse_result, proxy_event
from gatewaykit.core.payload.log_lines import note_body
from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.core.payload.uri import InvalidUri, interpolate
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.integrations.shape import compile_shape, timeout_s
from gatewaykit.ports import Outcome
from gatewaykit.upstream.functions import MAX_EVENT_BYTES, Failure, FunctionRunner
from gatewaykit.upstream.lambda_context import LambdaContext, lambda_context, log_stream

if TYPE_CHECKING:
    from gatewaykit.definition.model import Integration
    from gatewaykit.integrations.deps import IntegrationDeps

__all__ = [
    "AwsLambda", "FunctionName", "LambdaProxy", "compile_aws", "compile_lambda_proxy", "function_named",
    "parse_function_uri",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function as an ARN names it."""

    name: str
    qualifier: str = ""


def parse_function_uri(uri: str) -> str | None:
    """The function part of an invocation ARN, stage variables not yet filled in; None when it is no such ARN.

    The guide's older examples have two slashes behind `path`, which API Gateway takes.
    """
    match = _INVOCATION.fullmatch(uri)
    return match["function"] if match else None


def function_named(function: str, stage_variables: Mapping[str, str]) -> FunctionName | str:
    """The name in a function ARN, or why there is none (row 100: stage variables may be part of it)."""
    filled = interpolate(function, stage_variables)
    if isinstance(filled, InvalidUri):
        return f"Invalid Lambda function: {filled.reason}"
    if match := _ARN.fullmatch(filled):
        return FunctionName(match["name"], match["qualifier"] or "")
    if match := _LOGICAL.fullmatch(filled):
        return FunctionName(match["name"])
    return f"Invalid Lambda function: {filled!r} is no function ARN"


class LambdaProxy:
    """An AWS_PROXY integration. Templates and mapped values do not change the event (row 76)."""

    __slots__ = ("_binary_types", "_deps", "_mapping", "_target")

    reads_body: bool | int = True

    def __init__(self, target: _Target, mapping: RequestMapping, deps: IntegrationDeps) -> None:
        self._target, self._mapping, self._deps = target, mapping, deps
        self._binary_types = BinaryTypes(deps.binary_media_types)

    @property
    def function_name(self) -> str | None:
        """The function this calls; None when its name needs a stage variable that is not set."""
        return self._target.function_name

    async def __call__(self, request: Request, /) -> Outcome:
        target, deps = self._target, self._deps
        # A mapping changes nothing here, but one to an illegal header still fails the request (row 92).
        mapped = self._mapping.apply(request, context_of(request, deps.facts) if self._mapping.needs_context else {})
        if isinstance(mapped, Refusal):
            return mapped
        runner = target.runner()
        if isinstance(runner, Refusal):
            return runner
        request.trace_id = deps.trace(request)
        event = proxy_event(request, deps.facts, deps.stage_variables, self._binary_types)
        if len(request.body or b"") > MAX_EVENT_BYTES // _MOST_ESCAPED and (
            refusal := _oversized(len(_as_json(event)))
        ):
            return refusal
        if request.events is not None:
            target.note(request, masked_event(event))
        result = await target.call(runner, request, event)
        if isinstance(result, Failure):
            return _FAILURES[result.kind](result)
        if request.events is not None:
            note_body(request, "integration", "Endpoint response body before transformations", json.dumps(result))
        return parse_result(result, request.header("accept"), self._binary_types)

    async def aclose(self) -> None:
        await self._target.aclose()


class AwsLambda:
    """An AWS (non-proxy) integration with a Lambda URI: templates make the event and the answer."""

    __slots__ = ("_deps", "_request", "_responses", "_target")

    reads_body: bool | int = True

    def __init__(
        self, target: _Target, request: IntegrationRequest, responses: IntegrationResponses, deps: IntegrationDeps
    ) -> None:
        self._target, self._request, self._responses, self._deps = target, request, responses, deps

    @property
    def function_name(self) -> str | None:
        """The function this calls; None when its name needs a stage variable that is not set."""
        return self._target.function_name

    async def __call__(self, request: Request, /) -> Outcome:
        target = self._target
        exchange = self._request.shape(request)
        if isinstance(exchange, Refusal):
            return exchange
        runner = target.runner()
        if isinstance(runner, Refusal):
            return runner
        if refusal := _oversized(len(exchange.body)):
            return refusal
        request.trace_id = self._deps.trace(request)
        try:
            event = json.loads(exchange.body or b"{}")
        except (ValueError, RecursionError) as error:
            # Lambda itself refuses such a payload; its message is what the default response carries.
            message = f"Could not parse request body into json: {error}"
            return self._finish(exchange, None, {"Type": "User", "message": message})
        invocation = {name.lower(): value for name, value in exchange.mapped.headers.items()}.get(
            "x-amz-invocation-type"
        )
        if invocation == "Event":
            target.fire(runner, request, event)
            return self._responses.finish(exchange, None, _JSON, b"")
        if request.events is not None:
            target.note(request, event)
        result = await target.call(runner, request, event)
        if not isinstance(result, Failure):
            return self._finish(exchange, None, result)
        if result.kind in ("timeout", "busy"):
            return _FAILURES[result.kind](result)
        # As the Lambda runtime reports it, but for the stack trace: that is the operator's, not the client's.
        error_payload = {
            "errorMessage": result.message,
            "errorType": result.error_type,
            "requestId": request.id,
            "stackTrace": [],
        }
        return self._finish(exchange, result.message, error_payload)

    def _finish(self, exchange: Any, error_message: str | None, payload: object) -> Outcome:
        body = _as_json(payload)
        note_body(exchange.request, "integration", "Endpoint response body before transformations", body)
        return self._responses.finish(exchange, error_message, _JSON, body)

    async def aclose(self) -> None:
        await self._target.aclose()


def compile_lambda_proxy(integration: Integration, deps: IntegrationDeps) -> LambdaProxy | list[str]:
    """Compile an AWS_PROXY integration, or say everything that is wrong with it."""
    problems: list[str] = []
    uri, method = integration.uri, integration.http_method
    function = parse_function_uri(uri)
    if function is None:
        problems.append(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations; "
            f"{uri!r} is no Lambda function's invocation ARN"
        )
    mapping = compile_request_mappings(integration.request_parameters, deps.stage_variables, "AWS_PROXY")
    seconds = timeout_s(integration, problems)
    if function is None or isinstance(mapping, list) or problems:
        return [*problems, *(mapping if isinstance(mapping, list) else ())]
    return LambdaProxy(_Target(function, method, seconds, deps), mapping, deps)


def compile_aws(integration: Integration, deps: IntegrationDeps) -> AwsLambda | list[str]:
    """Compile an AWS integration with a Lambda URI, or say everything that is wrong with it."""
    problems: list[str] = []
    uri, method = integration.uri, integration.http_method
    function = parse_function_uri(uri)
    if function is None:
        problems.append(f"AWS integrations other than Lambda functions are not supported; the URI is {uri!r}")
    seconds = timeout_s(integration, problems)
    shape = compile_shape(integration, deps, "AWS", parameters=integration.request_parameters)
    if function is None or isinstance(shape, list) or problems:
        return [*problems, *(shape if isinstance(shape, list) else ())]
    return AwsLambda(_Target(function, method, seconds, deps), *shape, deps)


_INVOCATION = re.compile(
    r"arn:.+:lambda:path//?[0-9]{4}-[0-9]{2}-[0-9]{2}/functions/(?P<function>.+)/invocations", re.DOTALL
)
_ARN = re.compile(r"arn:.+:function:(?P<name>[A-Za-z0-9_-]+)(?::(?P<qualifier>[A-Za-z0-9_$-]+))?")
_LOGICAL = re.compile(r"\$\{(?P<name>[A-Za-z0-9_-]+)(?:\.Arn|\.Alias)?\}")
"""A function by its name in the template that deploys it, as infrastructure tools leave it in a definition."""

_MOST_ESCAPED: Final = 6  # bytes that JSON makes of one byte of a body: \u0000
_JSON: Final[HeaderList] = [(b"Content-Type", b"application/json")]

_FAILURES: Final[dict[str, Callable[[Failure], Refusal]]] = {
    "raised": lambda failure: Refusal(
        Reason.FUNCTION_FAILED, f"{failure.error_type}: {failure.message}", cause=failure.cause
    ),
    "result": lambda failure: Refusal(Reason.INTEGRATION_RESPONSE_INVALID, failure.message),
    "timeout": lambda failure: Refusal(Reason.INTEGRATION_TIMEOUT, failure.message),
    "busy": lambda failure: Refusal(Reason.FUNCTION_BUSY, failure.message),
}


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _oversized(payload_bytes: int) -> Refusal | None:
    """Lambda takes less than the gateway does; the client reads that its request was too long (reference 01 §2)."""
    if payload_bytes <= MAX_EVENT_BYTES:
        return None
    return Refusal(Reason.FUNCTION_EVENT_TOO_LARGE, f"Request must be smaller than {MAX_EVENT_BYTES} bytes")


class _Target:
    """The function that one integration calls, looked up when it is called."""

    __slots__ = ("_deps", "_log_stream", "_method", "_name", "_timeout_s")

    def __init__(self, function: str, method: str, seconds: float, deps: IntegrationDeps) -> None:
        self._method, self._timeout_s, self._deps = method.upper(), seconds, deps
        self._name: FunctionName | str = function_named(function, deps.stage_variables)
        self._log_stream = ""
        if isinstance(name := self._name, FunctionName):
            self._log_stream = log_stream(name.name, name.qualifier, deps.clock.wall())

    @property
    def function_name(self) -> str | None:
        return self._name.name if isinstance(self._name, FunctionName) else None

    def runner(self) -> FunctionRunner | Refusal:
        """What runs the function; the runners of a deployment are shared by name."""
        if self._method != "POST":
            return Refusal(
                Reason.CONFIGURATION, f"a Lambda function is invoked by POST, not {self._method or 'nothing'} (row 64)"
            )
        name, deps = self._name, self._deps
        if isinstance(name, str):
            return Refusal(Reason.CONFIGURATION, name)
        if (runner := deps.runners.get(name.name)) is not None:
            return runner
        if (handler := deps.functions.get(name.name)) is None:
            near = difflib.get_close_matches(name.name, deps.functions, 1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            return Refusal(
                Reason.CONFIGURATION,
                f"Invalid permissions on Lambda function: no function {name.name!r} is bound{meant}",
            )
        runner = deps.runners[name.name] = FunctionRunner(name.name, handler, deps.workers_per_function)
        return runner

    def note(self, request: Request, event: object) -> None:
        """The lines of the phase trace that precede a call."""
        arn = self._context().invoked_function_arn
        request.note("integration", f"Endpoint request URI: {arn}")
        note_body(request, "integration", "Endpoint request body after transformations", json.dumps(event))
        request.note("integration", f"Sending request to {arn}")

    async def call(self, runner: FunctionRunner, request: Request, event: object) -> object:
        """The function's result or Failure, with what access logs want to know about it."""
        clock = self._deps.clock
        context = self._context()
        started = clock.monotonic()
        result = await runner.call(event, context, self._timeout_s)
        latency_ms = round((clock.monotonic() - started) * 1000)
        error = f"{result.error_type}: {result.message}" if isinstance(result, Failure) else ""
        request.integration = {"status": 200, "latency_ms": latency_ms, "error": error}
        if isinstance(result, Failure) and result.kind in ("timeout", "busy"):
            request.integration["status"] = 0
            return result
        request.note("integration", f"Received response. Status: 200, Integration latency: {latency_ms} ms")
        if error:
            request.note(
                "integration",
                f"Lambda execution failed with status 200 due to customer function error: {error}. "
                f"Lambda request id: {context.aws_request_id}",
            )
        return result

    def fire(self, runner: FunctionRunner, request: Request, event: object) -> None:
        runner.fire(event, self._context())
        request.integration = {"status": 202, "latency_ms": 0, "error": ""}

    def _context(self) -> LambdaContext:
        deps, name = self._deps, self._name
        assert isinstance(name, FunctionName)  # runner() has answered for it
        random = deps.entropy(16).hex()
        request_id = f"{random[:8]}-{random[8:12]}-{random[12:16]}-{random[16:20]}-{random[20:]}"
        return lambda_context(
            name.name, name.qualifier, request_id, deps.facts, deps.clock.monotonic, self._timeout_s, self._log_stream
        )

    async def aclose(self) -> None:
        name = self.function_name
        if name is not None and (runner := self._deps.runners.pop(name, None)) is not None:
            await runner.aclose()
