"""A Lambda function behind an HTTP endpoint: Lambda's own, an emulator's, or a runtime interface emulator's.

Lambda API reference, "Invoke". The events go over the gateway's own transport.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gatewaykit.core.http import HeaderList
from gatewaykit.core.iam.signing import Signer, signed_headers
from gatewaykit.errors import UpstreamError, words_of
from gatewaykit.upstream.fetch import Call, Fetched, call_to, fetch
from gatewaykit.upstream.functions import MAX_RESULT_BYTES, Failure
from gatewaykit.upstream.request_head import host_field

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.ports import Transport
    from gatewaykit.upstream.lambda_context import LambdaContext

__all__ = ["RemoteFunction", "invoke_call"]


def invoke_call(endpoint: str, function: str) -> Call:
    """The call that invokes a function. Raises ValueError, saying what is wrong with the endpoint."""
    path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
    return call_to(endpoint.rstrip("/") + path, method="POST", max_bytes=MAX_RESULT_BYTES)


class RemoteFunction:
    """Invokes one function, as a `FunctionRunner` runs one. Requests are signed where there is a signer."""

    __slots__ = ("_call", "_clock", "_signer", "_transport")

    def __init__(self, call: Call, transport: Transport, clock: Clock, signer: Signer | None = None) -> None:
        self._call, self._transport, self._clock = call, transport, clock
        self._signer = None if signer is None else replace(signer, service="lambda")

    async def call(self, event: object, context: LambdaContext, timeout_s: float) -> object:
        """The function's result as a JSON value, or a Failure."""
        body = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")
        headers: HeaderList = [(b"content-type", b"application/json"), (b"x-amz-invocation-type", b"RequestResponse")]
        if self._signer is not None:
            call, now_s = self._call, self._clock.wall()
            host = host_field(call.scheme, call.host, call.port).partition(b":")[2].strip()
            headers.append((b"host", host))
            headers = signed_headers(self._signer, call.method, call.target.encode("ascii"), headers, body, now_s)
        try:
            answer = await fetch(self._transport, replace(self._call, timeout_s=timeout_s), headers, body)
        except UpstreamError as error:
            return Failure("timeout" if error.kind == "timeout" else "transport", "Network", words_of(error), error)
        return _result(answer)

    async def aclose(self) -> None:
        """Nothing of its own is open."""


def _result(answer: Fetched) -> object:
    if answer.status in (401, 403, 404):
        return Failure("denied", f"status {answer.status}", _start_of(answer.body))
    if not 200 <= answer.status < 300:
        return Failure("transport", f"status {answer.status}", _start_of(answer.body))
    try:
        value: Any = json.loads(answer.body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Failure("result", "Runtime.MarshalError", f"the function's answer is no JSON: {words_of(error)}")
    if answer.header(b"x-amz-function-error") is None:
        return value
    told = value if isinstance(value, dict) else {}
    return Failure("raised", str(told.get("errorType", "Error")), str(told.get("errorMessage", "")))


def _start_of(body: bytes) -> str:
    return body[:300].decode("utf-8", "replace")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
