"""AWS_PROXY and AWS with a Python callable: rows 64, 68 to 76, 92 and 95 to 97b."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
import threading
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.integrations.lambda_ import AwsLambda, LambdaProxy, parse_function_uri
from gatewaykit.ports import Endpoint
from gatewaykit.upstream.lambda_context import LambdaContext
from tests.integrations.making import PNG, a_request, call, deps_for, endpoint, received, response

JSON = (b"content-type", b"application/json")


def uri_of(function: str) -> str:
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"


ORDERS = uri_of("arn:aws:lambda:us-east-1:123456789012:function:orders")


def bound(handler: Any, kind: str = "AWS_PROXY", *, deps: dict[str, Any] | None = None, **fields: Any) -> Endpoint:
    """An integration that calls `handler` as the function `orders`."""
    fields = {"uri": ORDERS, "http_method": "POST", "responses": (response(),), **fields}
    return endpoint(kind, deps_for(functions={"orders": handler}, **(deps or {})), **fields)


async def refused(target: Endpoint, **request: Any) -> Refusal:
    refusal = await call(target, a_request(**request))
    assert isinstance(refusal, Refusal), refusal
    return refusal


def hello(event: Any, context: LambdaContext) -> Any:
    return {"statusCode": 200, "body": "hello"}


async def hello_async(event: Any, context: LambdaContext) -> Any:
    return hello(event, context)


class HelloObject:
    async def __call__(self, event: Any, context: LambdaContext) -> Any:
        return hello(event, context)


@pytest.mark.parametrize("handler", [hello, hello_async, HelloObject()], ids=["sync", "async", "async object"])
async def test_a_handler_answers(handler: Any) -> None:
    request = a_request()

    assert await received(await call(bound(handler), request)) == (200, [JSON], b"hello")
    assert request.integration == {"status": 200, "latency_ms": 0, "error": ""}
    assert request.trace_id.startswith("Root=1-")


@pytest.mark.parametrize("kind", ["AWS_PROXY", "AWS"])
@pytest.mark.parametrize("verb", ["GET", "ANY", ""])
async def test_a_function_is_invoked_by_post_only(kind: str, verb: str) -> None:  # row 64
    refusal = await refused(bound(hello, kind, http_method=verb))

    assert (refusal.reason.status, refusal.reason.message) == (500, "Internal server error")


@pytest.mark.parametrize(
    ("function", "variables", "name", "arn"),
    [
        pytest.param("arn:aws:lambda:us-east-1:1:function:orders", {}, "orders", "orders", id="name"),
        pytest.param("arn:aws:lambda:us-east-1:1:function:orders:live", {}, "orders", "orders:live", id="alias"),
        pytest.param("arn:aws:lambda:eu-1:1:function:orders:$LATEST", {}, "orders", "orders:$LATEST", id="version"),
        pytest.param(
            "arn:aws:lambda:us-east-1:1:function:${stageVariables.fn}", {"fn": "orders:live"}, "orders", "orders:live",
            id="row 100",
        ),
        pytest.param("arn:aws:lambda:${AWS::Region}:1:function:orders", {}, "orders", "orders", id="unresolved region"),
        pytest.param("${orders.Arn}", {}, "orders", "orders", id="logical name"),
    ],
)  # fmt: skip
async def test_a_function_is_found_by_its_name(function: str, variables: dict[str, str], name: str, arn: str) -> None:
    seen: list[LambdaContext] = []
    target = bound(
        lambda event, context: seen.append(context) or {}, uri=uri_of(function), deps={"stage_variables": variables}
    )

    await received(await call(target, a_request()))

    assert isinstance(target, LambdaProxy)
    assert target.function_name == seen[0].function_name == name
    assert seen[0].invoked_function_arn == f"arn:aws:lambda:us-east-1:123456789012:function:{arn}"


@pytest.mark.parametrize(
    ("function", "detail"),
    [
        pytest.param("arn:aws:lambda:us-east-1:1:function:order", "did you mean 'orders'?", id="near miss"),
        pytest.param("arn:aws:lambda:us-east-1:1:function:payments", "no function 'payments' is bound", id="not bound"),
        pytest.param(
            "arn:aws:lambda:us-east-1:1:function:${stageVariables.fn}", "'fn' is not set", id="unset variable"
        ),
        pytest.param("orders", "no function ARN", id="no ARN"),
    ],
)
@pytest.mark.parametrize("kind", ["AWS_PROXY", "AWS"])
async def test_a_function_that_is_not_there_is_a_500(kind: str, function: str, detail: str) -> None:
    refusal = await refused(bound(hello, kind, uri=uri_of(function)))

    assert (refusal.reason.status, refusal.reason.message) == (500, "Internal server error")
    assert detail in refusal.detail


@pytest.mark.parametrize("kind", ["AWS_PROXY", "AWS"])
def test_other_uris_are_problems(kind: str) -> None:  # row 135
    with pytest.raises(ConfigError) as raised:
        bound(
            hello, kind, uri="arn:aws:apigateway:us-east-1:s3:path/b/k", timeout_ms=30000, request_parameters={"x": "y"}
        )

    assert len(raised.value.problems) == 3
    assert "Lambda function" in raised.value.problems[0].what


def test_an_invocation_arn_names_its_function() -> None:
    assert parse_function_uri(ORDERS) == "arn:aws:lambda:us-east-1:123456789012:function:orders"
    assert (
        parse_function_uri(ORDERS.replace("path/", "path//")) == "arn:aws:lambda:us-east-1:123456789012:function:orders"
    )
    assert parse_function_uri(ORDERS.replace("path/", "path///")) is None
    assert parse_function_uri("http://b") is None


async def test_the_context_of_a_call_is_that_of_lambda() -> None:
    seen: list[Any] = []

    async def handler(event: Any, context: LambdaContext) -> Any:
        seen.extend([context, context.get_remaining_time_in_millis()])
        return {}

    deps = deps_for(functions={"orders": handler})
    await call(endpoint("AWS_PROXY", deps, uri=ORDERS, http_method="POST", timeout_ms=500), a_request())
    context, remaining = seen
    deps.clock.advance("1s")  # type: ignore[attr-defined]  # the clock of these tests is a virtual one

    assert (remaining, context.get_remaining_time_in_millis()) == (500, 0)
    assert context.aws_request_id == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert (context.function_version, context.memory_limit_in_mb, context.client_context) == ("$LATEST", "128", None)
    assert (context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id) == (None, None)
    assert context.log_group_name == "/aws/lambda/orders"
    assert re.fullmatch(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/\[\$LATEST\][0-9a-f]{32}", context.log_stream_name)


@pytest.mark.parametrize(
    ("qualifier", "version"), [("", "$LATEST"), (":7", "7"), (":live", "$LATEST")], ids=["none", "version", "alias"]
)
async def test_the_context_names_the_version_that_was_asked_for(qualifier: str, version: str) -> None:
    seen: list[LambdaContext] = []

    await call(
        bound(lambda event, context: seen.append(context), uri=ORDERS.replace(":orders", f":orders{qualifier}")),
        a_request(),
    )

    assert seen[0].function_version == version
    assert f"[{version}]" in seen[0].log_stream_name


async def test_a_handler_may_log_and_keep_things_on_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    def handler(event: Any, context: Any) -> Any:
        context.of_the_frameworks_own = "kept"
        context.log("read me")
        return {"body": context.of_the_frameworks_own}

    assert (await received(await call(bound(handler), a_request())))[2] == b"kept"
    assert capsys.readouterr().out == "read me\n"


async def test_a_sync_handler_finds_an_event_loop_as_on_lambda() -> None:
    async def answer() -> str:
        await asyncio.sleep(0)
        return "from a loop"

    def handler(event: Any, context: LambdaContext) -> Any:
        return {"body": asyncio.get_event_loop().run_until_complete(answer())}

    def with_a_loop_of_its_own(event: Any, context: LambdaContext) -> Any:
        asyncio.run(answer())
        return {}

    target = bound(lambda event, context: handlers[event["httpMethod"]](event, context))
    handlers = {"GET": handler, "PUT": with_a_loop_of_its_own}

    bodies = [(await received(await call(target, a_request(verb))))[2] for verb in ("GET", "PUT", "GET")]

    assert bodies == [b"from a loop", b"", b"from a loop"]


async def test_an_async_handler_behind_a_sync_decorator_is_awaited() -> None:
    def decorated(event: Any, context: LambdaContext) -> Any:
        return hello_async(event, context)

    assert (await received(await call(bound(decorated), a_request())))[2] == b"hello"


@pytest.mark.parametrize(
    ("value", "body"),
    [
        pytest.param(Decimal(7), b"7", id="whole"),
        pytest.param(Decimal("7.00"), b"7", id="whole with decimals"),
        pytest.param(Decimal("3.25"), b"3.25", id="fraction"),
        pytest.param(Decimal(2**60), b"1152921504606846976", id="more than a float holds"),
        pytest.param(Decimal("1E+300"), b"1e+300", id="large"),
    ],
)
async def test_a_decimal_is_a_number_as_the_lambda_runtime_has_it(value: Decimal, body: bytes) -> None:
    assert (await received(await call(bound(lambda event, context: value, "AWS"), a_request())))[2] == body


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+400"), datetime(2026, 1, 1)])
async def test_what_cannot_be_marshalled_is_a_function_error_in_the_runtimes_words(value: object) -> None:
    answer = await received(await call(bound(lambda event, context: value, "AWS"), a_request()))

    error = json.loads(answer[2])
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"].startswith("Unable to marshal response: ")


@pytest.mark.parametrize(
    ("size", "content_type", "fits"),
    [
        pytest.param(6 * 1024 * 1024 - 5000, b"text/plain", True, id="under 6 MB"),
        pytest.param(6 * 1024 * 1024, b"text/plain", False, id="over it with the rest of the event"),
        pytest.param(5 * 1024 * 1024, b"image/png", False, id="over it in base64"),
    ],
)
async def test_an_event_over_what_lambda_takes_is_a_request_too_long(  # 01 §2
    size: int, content_type: bytes, fits: bool
) -> None:
    request = a_request("POST", headers=[(b"content-type", content_type)], body=b"x" * size)

    outcome = await call(bound(hello, deps={"binary_media_types": PNG}), request)

    if fits:
        assert (await received(outcome))[2] == b"hello"
    else:
        assert isinstance(outcome, Refusal)
        assert outcome.reason is Reason.FUNCTION_EVENT_TOO_LARGE
        assert (outcome.reason.status, outcome.reason.message) == (413, "Request Too Long")


async def test_a_non_proxy_event_over_what_lambda_takes_is_a_request_too_long() -> None:  # 01 §2
    refusal = await refused(bound(hello, "AWS"), method="POST", body=b'"' + b"x" * 6 * 1024 * 1024 + b'"')

    assert refusal.reason is Reason.FUNCTION_EVENT_TOO_LARGE


@pytest.mark.parametrize("kind", ["AWS_PROXY", "AWS"])
async def test_a_result_over_what_lambda_gives_is_a_function_error(kind: str) -> None:
    outcome = await call(bound(lambda event, context: {"body": "x" * 6_291_556}, kind), a_request())

    if kind == "AWS_PROXY":
        assert isinstance(outcome, Refusal)
        assert (outcome.reason.status, outcome.reason.message) == (502, "Internal server error")
    else:
        assert json.loads((await received(outcome))[2])["errorType"] == "Function.ResponseSizeTooLarge"


async def test_mappings_and_templates_do_not_change_the_event() -> None:  # row 76
    target = bound(
        lambda event, context: {"body": json.dumps([event["headers"].get("x"), event["body"]])},
        request_parameters={"integration.request.header.x": "context.stage"},
        request_templates={"application/json": "template"},
    )

    answer = await received(await call(target, a_request("POST", body=b"sent")))

    assert answer[2] == b'[null, "sent"]'


async def test_a_mapped_body_may_be_anything() -> None:
    target = bound(hello, request_parameters={"integration.request.header.x": "method.request.body"})

    assert (await received(await call(target, a_request("POST", body=b"\r\n"))))[0] == 200


@pytest.mark.parametrize("name", ["Authorization", "TE", "Content-Length"])
async def test_an_illegal_mapping_still_fails_the_request(name: str) -> None:  # rows 91 and 92
    refusal = await refused(bound(hello, request_parameters={f"integration.request.header.{name}": "'x'"}))

    assert refusal.reason.status == 500


def raises(event: Any, context: LambdaContext) -> Any:
    raise KeyError("secret")


async def raises_async(event: Any, context: LambdaContext) -> Any:
    raise KeyError("secret")


async def raises_timeout(event: Any, context: LambdaContext) -> Any:
    raise TimeoutError("of its own")


def exits(event: Any, context: LambdaContext) -> Any:
    raise SystemExit(3)


async def exits_async(event: Any, context: LambdaContext) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("handler", "detail"),
    [
        (raises, "KeyError: 'secret'"),
        (raises_async, "KeyError: 'secret'"),
        (raises_timeout, "TimeoutError: of its own"),
        (exits, "SystemExit: 3"),
        (exits_async, "SystemExit: 3"),
    ],
)
async def test_a_handler_that_raises_is_a_502_and_only_the_operator_learns_why(
    handler: Any, detail: str
) -> None:  # row 70
    refusal = await refused(bound(handler))

    assert refusal.reason is Reason.FUNCTION_FAILED
    assert (refusal.reason.status, refusal.reason.message, refusal.detail) == (502, "Internal server error", detail)
    assert type(refusal.cause).__name__ == detail.partition(":")[0]


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"body": b"bytes"}, id="bytes"),
        pytest.param(object(), id="object"),
        pytest.param({"statusCode": float("nan")}, id="not a number"),
        pytest.param(LOOP, id="loop"),
        pytest.param({(1, 2): 3}, id="key"),
        pytest.param("text", id="row 69"),
        pytest.param(None, id="null"),
    ],
)
async def test_a_result_that_is_no_response_is_a_502(result: Any) -> None:
    refusal = await refused(bound(lambda event, context: result))

    assert refusal.reason is Reason.INTEGRATION_RESPONSE_INVALID
    assert refusal.reason.status == 502


async def test_a_handler_shares_nothing_with_the_gateway() -> None:
    answer = {"statusCode": 200, "headers": {"x": "1"}}
    deps = deps_for(functions={"orders": lambda event, context: event["stageVariables"].clear() or answer})
    deps.stage_variables = {"a": "b"}
    target = endpoint("AWS_PROXY", deps, uri=ORDERS, http_method="POST")

    await call(target, a_request())
    answer["headers"] = {"x": "2"}

    assert (await received(await call(target, a_request())))[1][0] == (b"x", b"2")
    assert deps.stage_variables == {"a": "b"}


async def test_a_binary_result_is_decoded_for_a_client_that_accepts_it() -> None:  # row 75
    target = bound(lambda event, context: {"body": "aGk=", "isBase64Encoded": True}, deps={"binary_media_types": PNG})

    assert (await received(await call(target, a_request(headers=[(b"accept", b"image/png")]))))[2] == b"hi"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_result_gives_a_response_or_a_refusal(result: Any) -> None:
    async def handler(event: Any, context: LambdaContext) -> Any:
        return result

    for kind in ("AWS_PROXY", "AWS"):
        outcome = asyncio.run(call(bound(handler, kind), a_request()))

        assert isinstance(outcome, (Response, Refusal))


# ---------------------------------------------------------------------------------------------------- time and threads


async def test_an_async_handler_that_hangs_times_out() -> None:
    cancelled = asyncio.Event()

    async def hangs(event: Any, context: LambdaContext) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    request = a_request()
    refusal = await call(bound(hangs, timeout_ms=50), request)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason.status, refusal.reason.message) == (504, "Endpoint request timed out")
    assert cancelled.is_set()
    assert request.integration["status"] == 0


@pytest.fixture
def release() -> Any:
    """An event that hung handlers wait for; they are let go when the test ends."""
    event = threading.Event()
    yield event
    event.set()


async def test_handlers_that_hang_fill_only_their_own_function(release: threading.Event) -> None:
    deps = deps_for(functions={"slow": lambda e, c: release.wait() and {}, "orders": hello}, workers_per_function=6)
    slow = endpoint(
        "AWS_PROXY", deps, uri=uri_of("arn:aws:lambda:r:1:function:slow"), http_method="POST", timeout_ms=50
    )
    orders = endpoint("AWS_PROXY", deps, uri=ORDERS, http_method="POST", timeout_ms=29000)

    hung = await asyncio.gather(*(refused(slow) for _ in range(6)))
    busy = await refused(slow)

    assert {refusal.reason for refusal in hung} == {Reason.INTEGRATION_TIMEOUT}
    assert busy.reason is Reason.FUNCTION_BUSY
    assert (await received(await call(orders, a_request())))[2] == b"hello"


async def test_a_worker_counts_as_busy_until_its_handler_returns(release: threading.Event) -> None:
    began: list[int] = []

    def handler(event: Any, context: LambdaContext) -> Any:
        began.append(1)
        if len(began) == 1:
            release.wait()
        return {}

    deps = deps_for(functions={"orders": handler}, workers_per_function=1)
    brief = endpoint("AWS_PROXY", deps, uri=ORDERS, http_method="POST", timeout_ms=50)
    patient = endpoint("AWS_PROXY", deps, uri=ORDERS, http_method="POST")

    assert (await refused(brief)).reason is Reason.INTEGRATION_TIMEOUT
    assert (await refused(brief)).reason is Reason.FUNCTION_BUSY
    waiting = asyncio.ensure_future(call(patient, a_request()))
    release.set()

    assert (await received(await waiting))[0] == 200
    assert len(began) == 2  # the call that gave up in the line never began


async def test_a_request_that_is_cancelled_leaves_the_line(release: threading.Event) -> None:
    began: list[str] = []

    def handler(event: Any, context: LambdaContext) -> Any:
        began.append(event["requestContext"]["requestId"])
        return release.wait() and {}

    target = bound(handler, deps={"workers_per_function": 1})
    first = asyncio.ensure_future(call(target, a_request(id="first")))
    second = asyncio.ensure_future(call(target, a_request(id="second")))
    third = asyncio.ensure_future(call(target, a_request(id="third")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()
    await asyncio.gather(first, third)

    assert began == ["first", "third"]


async def test_context_variables_reach_a_handler_on_its_thread() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("outside")

    def handler(event: Any, context: LambdaContext) -> Any:
        seen = variable.get()
        variable.set("inside")
        return {"body": seen}

    assert (await received(await call(bound(handler), a_request())))[2] == b"outside"
    assert variable.get() == "outside"


async def test_calls_use_an_idle_worker_again() -> None:
    threads: set[int] = set()
    target = bound(lambda event, context: threads.add(threading.get_ident()) or {})
    for _ in range(5):
        await call(target, a_request())

    assert len(threads) == 1


async def test_a_closed_function_starts_again_when_it_is_called() -> None:
    target = bound(hello)
    await call(target, a_request())
    await target.aclose()
    await target.aclose()

    assert (await received(await call(target, a_request())))[2] == b"hello"
    await target.aclose()


async def test_closing_a_function_that_has_no_name_is_harmless() -> None:
    await bound(hello, uri=uri_of("nothing")).aclose()


def test_a_result_that_comes_after_the_loop_has_closed_is_dropped(release: threading.Event) -> None:
    finished = threading.Event()

    def handler(event: Any, context: LambdaContext) -> Any:
        release.wait()
        threading.Timer(0, finished.set).start()
        return {}

    refusal = asyncio.run(call(bound(handler, timeout_ms=50), a_request()))
    release.set()

    assert isinstance(refusal, Refusal)
    assert finished.wait(30)


# ---------------------------------------------------------------------------------------------------- non-proxy


def picks(event: Any, context: LambdaContext) -> Any:
    if event.get("raise"):
        raise ValueError(event["raise"])
    return event


PATTERNS = (response("", "200"), response(".*four hundred.*", "405"), response(".+", "502"), response("200", "504"))


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param("", 200, id="success"),
        pytest.param("error four hundred here", 405, id="first match"),
        pytest.param("other", 502, id="any error"),
    ],
)
async def test_the_error_message_selects_the_response(message: str, status: int) -> None:  # row 95
    target = bound(picks, "AWS", responses=PATTERNS)

    answer = await received(await call(target, a_request("POST", body=json.dumps({"raise": message}).encode())))

    assert answer[0] == status
    if message:
        assert json.loads(answer[2]) == {
            "errorMessage": message,
            "errorType": "ValueError",
            "requestId": "11111111-2222-3333-4444-555555555555",
            "stackTrace": [],
        }


async def test_a_body_passes_through_without_a_template() -> None:  # row 96
    answer = await received(await call(bound(picks, "AWS"), a_request("POST", body=b'{"a": [1, "x"]}')))

    assert answer == (200, [JSON], b'{"a": [1, "x"]}')


async def test_templates_make_the_event_and_the_answer() -> None:  # row 97
    target = bound(
        picks,
        "AWS",
        request_templates={"application/json": '{"id": "$input.params(\'id\')"}'},
        responses=(
            response(
                response_templates={
                    "application/json": "#set($context.responseOverride.status = 202)got $input.path('$.id')"
                },
                response_parameters={"method.response.header.X": "integration.response.body.id"},
            ),
        ),
    )

    answer = await received(await call(target, a_request(query=b"id=7")))

    assert answer == (202, [(b"X", b"7"), JSON], b"got 7")


@pytest.mark.parametrize("body", [b"not json", b"[" * 100000])
async def test_an_event_that_is_no_json_is_answered_as_lambda_does(body: bytes) -> None:
    answer = await received(await call(bound(picks, "AWS"), a_request("POST", body=body)))

    assert answer[0] == 200
    assert json.loads(answer[2])["message"].startswith("Could not parse request body into json")


async def test_an_empty_body_is_an_empty_event() -> None:
    assert (await received(await call(bound(lambda event, context: event, "AWS"), a_request())))[2] == b"{}"


async def started_async(handler_called: asyncio.Event) -> Endpoint:
    async def handler(event: Any, context: LambdaContext) -> Any:
        handler_called.set()
        await asyncio.Event().wait()

    parameters = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    return bound(handler, "AWS", request_parameters=parameters)


async def test_an_event_invocation_answers_at_once() -> None:  # row 97b
    called = asyncio.Event()
    target = await started_async(called)
    request = a_request("POST", body=b"{}")

    answer = await received(await call(target, request))

    assert answer == (200, [JSON], b"")
    assert request.integration["status"] == 202
    await called.wait()
    await target.aclose()


async def test_an_event_invocation_of_a_sync_handler_runs_on_its_own() -> None:  # row 97b
    called = threading.Event()
    parameters = {"integration.request.header.x-amz-invocation-type": "'Event'"}
    target = bound(lambda event, context: called.set(), "AWS", request_parameters=parameters)

    assert (await received(await call(target, a_request())))[2] == b""
    assert await asyncio.to_thread(called.wait, 30)


@pytest.mark.parametrize("reason", [Reason.INTEGRATION_TIMEOUT, Reason.FUNCTION_BUSY])
async def test_a_non_proxy_function_that_hangs_has_the_same_answers(reason: Reason, release: threading.Event) -> None:
    target = bound(lambda e, c: release.wait(), "AWS", timeout_ms=50, deps={"workers_per_function": 1})

    refusals = [(await refused(target)).reason for _ in range(2)]

    assert reason in refusals


async def test_a_context_value_may_start_an_asynchronous_call() -> None:
    parameters = {"integration.request.header.X-Amz-Invocation-Type": "method.request.header.InvocationType"}
    called = threading.Event()
    target = bound(lambda event, context: called.set(), "AWS", request_parameters=parameters)

    await received(await call(target, a_request(headers=[(b"InvocationType", b"Event")])))

    assert await asyncio.to_thread(called.wait, 30)


async def test_a_failing_mapping_or_missing_function_stops_a_non_proxy_call() -> None:
    refusal = await refused(bound(hello, "AWS", request_parameters={"integration.request.header.TE": "'x'"}))

    assert refusal.reason is Reason.MAPPING_FAILED


async def test_a_result_that_is_no_json_selects_by_its_message() -> None:
    responses = (response("Unable to marshal response: .*", "500"), response())
    answer = await received(await call(bound(lambda e, c: object(), "AWS", responses=responses), a_request()))

    assert answer[0] == 500


# ---------------------------------------------------------------------------------------------------- trace


@pytest.mark.parametrize(
    ("handler", "kind", "lines"),
    [
        pytest.param(
            hello, "AWS_PROXY",
            ["Endpoint request URI", "Endpoint request body after transformations", "Sending request to arn",
             "Received response. Status", "Endpoint response body before transformations"], id="proxy",
        ),
        pytest.param(
            raises, "AWS_PROXY",
            ["Endpoint request URI", "Endpoint request body after transformations", "Sending request to arn",
             "Received response. Status",
             "Lambda execution failed with status 200 due to customer function error"], id="raised",
        ),
        pytest.param(
            hello, "AWS",
            ["Endpoint request URI", "Endpoint request body after transformations", "Sending request to arn",
             "Received response. Status", "Endpoint response body before transformations"], id="non-proxy",
        ),
    ],
)  # fmt: skip
async def test_the_phase_trace_has_the_lines_of_the_execution_log(handler: Any, kind: str, lines: list[str]) -> None:
    request = a_request(events=[])

    await call(bound(handler, kind), request)

    assert [text.partition(":")[0] for _, text in request.events or ()] == lines


async def test_the_phase_trace_shows_no_secrets() -> None:
    request = a_request(
        headers=[(b"Authorization", b"Bearer-very-secret"), (b"X-Api-Key", b"key-also-secret")], events=[]
    )

    await call(bound(hello), request)

    shown = "".join(text for _, text in request.events or ())
    assert "multiValueHeaders" in shown
    assert "very-sec" not in shown
    assert "also-sec" not in shown


def test_both_kinds_tell_which_function_they_call() -> None:
    for kind, expected in (("AWS", AwsLambda), ("AWS_PROXY", LambdaProxy)):
        target = bound(hello, kind)
        assert isinstance(target, expected)
        assert target.function_name == "orders"
        missing = bound(hello, kind, uri=uri_of("x"))
        assert isinstance(missing, expected)
        assert missing.function_name is None
