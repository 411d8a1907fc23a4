"""Functions and policies that raise, hang or exit: their own requests fail, closed and quietly; nobody else's do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, Policy, Request
from gatewaykit.core.http import Head, Response
from gatewaykit.errors import UpstreamError
from gatewaykit.testing import Client, Reply, ScriptedTransport
from gatewaykit.testing.client import Result
from tests.attacks.checks import ISE, SECRET, a_gateway, failures, http, leaks_nothing
from tests.conformance.documents import lambda_uri, mock, proxy


def aws(name: str = "f", **more: Any) -> dict[str, Any]:
    return {
        "type": "aws",
        "httpMethod": "POST",
        "uri": lambda_uri(name),
        "responses": {"default": {"statusCode": "200"}},
    } | more


class Unspeakable(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)


def raising(make: Callable[[], BaseException], kind: str) -> Callable[..., Any]:
    def raises(event: Any, context: Any) -> Any:
        raise make()

    async def raises_later(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        raise make()

    return raises if kind == "sync" else raises_later


ERRORS = [
    pytest.param(lambda: ValueError(SECRET), id="an exception"),
    pytest.param(lambda: TimeoutError(SECRET), id="a timeout of its own"),
    pytest.param(lambda: SystemExit(SECRET), id="SystemExit"),
    pytest.param(lambda: asyncio.CancelledError(SECRET), id="a cancellation of its own"),
    pytest.param(lambda: RecursionError(SECRET), id="RecursionError"),
    pytest.param(lambda: MemoryError(SECRET), id="MemoryError"),
    pytest.param(lambda: BaseExceptionGroup(SECRET, [ValueError(SECRET), SystemExit()]), id="a group"),
    pytest.param(lambda: Unspeakable(), id="one that cannot be printed"),
    pytest.param(lambda: ValueError("\ud800\r\n\x1b[31m"), id="one that is no text"),
]
KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


@KINDS
@pytest.mark.parametrize("make", ERRORS)
async def test_a_handler_that_raises_is_a_502_and_the_next_call_is_fine(
    kind: str, make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    handler = raising(make, kind)
    api = a_gateway(
        {"/x": {"get": proxy("f")}, "/y": {"get": proxy("g")}},
        functions={"f": handler, "g": lambda event, context: {"statusCode": 204}},
    )

    async with api:
        answers = [await Client(api, timeout_s=20).get("/x") for _ in range(12)]  # more than a function has workers
        after = await Client(api).get("/y")

    for answer in answers:
        leaks_nothing(answer)
        assert (answer.status, answer.body) == (502, ISE)
    assert failures(caplog) == ["FUNCTION_FAILED"] * 12
    assert after.status == 204


async def test_keyboard_interrupt_of_a_handler_on_a_thread_is_a_failure_of_that_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_gateway({"/x": {"get": proxy("f")}}, functions={"f": raising(KeyboardInterrupt, "sync")}) as api:
        answer = await Client(api).get("/x")

    assert (answer.status, failures(caplog, answer)) == (502, ["FUNCTION_FAILED"])


def test_keyboard_interrupt_in_an_async_handler_stops_the_program() -> None:
    """It runs on the main thread, where it may be the user's own."""
    script = """
        import asyncio
        from gatewaykit.testing import Client
        from tests.attacks.checks import a_gateway
        from tests.conformance.documents import proxy

        async def handler(event, context):
            raise KeyboardInterrupt

        asyncio.run(Client(a_gateway({"/x": {"get": proxy("f")}}, functions={"f": handler})).get("/x"))
    """

    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode != 0
    assert "KeyboardInterrupt" in ran.stderr


@KINDS
async def test_what_an_error_says_reaches_a_client_only_through_a_mapping_that_says_so(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = raising(lambda: ValueError("no such order"), kind)

    async with a_gateway({"/x": {"get": aws()}}, functions={"f": handler}) as api:
        answer = await Client(api).get("/x")

    leaks_nothing(answer)
    assert answer.json() == {
        "errorMessage": "no such order",
        "errorType": "ValueError",
        "requestId": answer.header("x-amzn-requestid"),
        "stackTrace": [],
    }


@KINDS
async def test_six_handlers_that_hang_delay_nobody_else(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    release, running = threading.Event(), threading.Semaphore(0)

    def hangs(event: Any, context: Any) -> Any:
        running.release()
        release.wait(30)
        return {"statusCode": 200}

    gate = asyncio.Event()

    async def hangs_inline(event: Any, context: Any) -> Any:
        running.release()
        await gate.wait()
        return {"statusCode": 200}

    paths = {
        "/hangs": {"get": proxy("hangs")},
        "/other": {"get": proxy("other")},
        "/mock": {"get": mock()},
        "/http": {"get": http("http://back.test/")},
    }
    functions = {
        "hangs": hangs if kind == "sync" else hangs_inline,
        "other": lambda event, context: {"statusCode": 201},
    }
    api = a_gateway(paths, functions=functions, transport=ScriptedTransport(lambda _: Reply()))
    client = Client(api)

    async with api:
        hanging = [asyncio.create_task(client.get("/hangs")) for _ in range(6)]
        for _ in range(6):
            assert await asyncio.to_thread(running.acquire, timeout=10)
        others = [(await client.get(path)).status for path in ("/other", "/mock", "/http", "/other")]
        unfinished = [task.done() for task in hanging]
        release.set()
        gate.set()
        answers = await asyncio.gather(*hanging)
        after = await client.get("/hangs")

    assert (others, unfinished) == ([201, 200, 200, 201], [False] * 6)
    assert [answer.status for answer in (*answers, after)] == [200] * 7
    assert failures(caplog) == []


@pytest.mark.parametrize("integration", ["aws", "aws_proxy"])
@KINDS
async def test_a_handler_that_hangs_times_out_and_is_well_again_afterwards(
    kind: str, integration: str, caplog: pytest.LogCaptureFixture
) -> None:
    release, first = threading.Event(), [True]

    def hangs(event: Any, context: Any) -> Any:
        if first:
            first.pop()
            release.wait(30)
        return {"statusCode": 200}

    async def hangs_inline(event: Any, context: Any) -> Any:
        if first:
            first.pop()
            await asyncio.Event().wait()
        return {"statusCode": 200}

    target = aws() if integration == "aws" else proxy("f")
    api = a_gateway(
        {"/x": {"get": {**target, "timeoutInMillis": 50}}}, functions={"f": hangs if kind == "sync" else hangs_inline}
    )

    try:
        async with api:
            answer, after = await Client(api).get("/x"), await Client(api).get("/x")
    finally:
        release.set()

    leaks_nothing(answer)
    assert (answer.status, answer.body) == (504, b'{"message":"Endpoint request timed out"}')
    assert (after.status, failures(caplog, answer)) == (200, ["INTEGRATION_TIMEOUT"])


async def test_when_every_worker_of_a_function_hangs_its_calls_fail_and_no_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()

    def hangs(event: Any, context: Any) -> Any:
        release.wait(30)
        return {"statusCode": 200}

    paths = {"/x": {"get": {**proxy("hangs"), "timeoutInMillis": 50}}, "/other": {"get": proxy("other")}}
    api = a_gateway(paths, functions={"hangs": hangs, "other": lambda event, context: {"statusCode": 201}})
    client = Client(api)

    try:
        async with api:
            ten = await asyncio.gather(*(client.get("/x") for _ in range(10)))
            busy, other = await client.get("/x"), await client.get("/other")
    finally:
        release.set()

    assert [answer.status for answer in ten] == [504] * 10
    assert (busy.status, busy.body, other.status) == (500, ISE, 201)
    assert failures(caplog) == ["INTEGRATION_TIMEOUT"] * 10 + ["FUNCTION_BUSY"]


# ------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize("integration", ["aws", "aws_proxy"])
async def test_a_function_that_is_not_bound(integration: str, caplog: pytest.LogCaptureFixture) -> None:
    target = aws("orders") if integration == "aws" else proxy("orders")

    answer = await Client(a_gateway({"/x": {"get": target}}, functions={"order": print})).get("/x")

    leaks_nothing(answer)
    assert (answer.status, answer.body) == (500, ISE)
    assert failures(caplog, answer) == ["CONFIGURATION"]
    assert "no function 'orders' is bound (did you mean 'order'?)" in caplog.text


@pytest.mark.parametrize("integration", ["aws", "aws_proxy", "http", "http_proxy"])
async def test_a_stage_variable_that_is_missing(integration: str, caplog: pytest.LogCaptureFixture) -> None:
    target = {
        "aws": aws("${stageVariables.function}"),
        "aws_proxy": proxy("${stageVariables.function}"),
        "http": http("http://${stageVariables.host}/"),
        "http_proxy": http("http://${stageVariables.host}/", "http_proxy"),
    }[integration]

    answer = await Client(a_gateway({"/x": {"get": target}})).get("/x")

    leaks_nothing(answer)
    assert (answer.status, answer.body) == (500, ISE)
    assert failures(caplog, answer) == ["CONFIGURATION" if "aws" in integration else "ENDPOINT_INVALID"]
    assert "the stage variable" in caplog.text


@pytest.mark.parametrize(
    "integration",
    [
        {"type": "aws_proxy", "httpMethod": "POST", "uri": "arn:aws:s3:::bucket"},
        {"type": "aws", "httpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q"},
        {"type": "http", "httpMethod": "GET", "uri": "ftp://back.test/"},
        {"type": "http", "httpMethod": "GET", "uri": "http://{host}/"},
        {"type": "http_proxy", "httpMethod": "GET", "uri": "http://user@back.test/"},
        {"type": "http_proxy", "httpMethod": "GET", "uri": "http://back.test:22/"},
        {"type": "http_proxy", "httpMethod": "GET", "uri": ""},
        {"type": "grpc", "httpMethod": "POST", "uri": "http://back.test/"},
    ],
    ids=["another service", "an unsupported service", "ftp", "a host to fill in", "a user", "a port", "none", "a type"],
)
def test_a_target_that_can_never_be_called_stops_the_start(integration: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        a_gateway({"/x": {"get": integration}})


# ------------------------------------------------------------------------------------------------- policies


class Breaks(Policy):
    """Raises in one hook."""

    name = "breaks"

    def __init__(self, hook: str) -> None:
        def breaks(*arguments: Any) -> Any:
            raise LookupError(SECRET)

        async def breaks_later(*arguments: Any) -> Any:
            raise LookupError(SECRET)

        def wrapper_breaks(*arguments: Any) -> Any:
            return breaks

        made = {"async on_request": breaks_later, "async on_body": breaks_later, "wrapper": wrapper_breaks}
        setattr(self, {"wrapper": "wrap_body"}.get(hook, hook.removeprefix("async ")), made.get(hook, breaks))


class Counts(Policy):
    name = "counts"

    def __init__(self) -> None:
        self.ended = 0
        self.on_end = self._on_end

    def _on_end(self, request: Request) -> None:
        self.ended += 1


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


LEAVES = {
    "mock": {"get": mock()},
    "http_proxy": {"get": http("http://back.test/", "http_proxy")},
    "app": {"get": {"x-gatewaykit": {"app": "hello"}}},
    "refused": {"get": mock('{"statusCode": "none"}')},
}


async def through(policies: list[Policy], leaf: str, chunks: Any = None) -> tuple[Result, ScriptedTransport]:
    transport = ScriptedTransport(lambda _: Reply(body=b"whole", chunks=chunks))
    api: Gateway = a_gateway({"/x": LEAVES[leaf]}, policies=policies, apps={"hello": hello}, transport=transport)
    async with api:
        return await Client(api).get("/x"), transport


@pytest.mark.parametrize("leaf", ["mock", "http_proxy"])
@pytest.mark.parametrize(
    "hook", ["on_request", "async on_request", "on_head", "on_body", "async on_body", "wrap_body", "wrapper"]
)
async def test_a_policy_that_raises_fails_the_request_closed(
    hook: str, leaf: str, caplog: pytest.LogCaptureFixture
) -> None:
    counts = Counts()

    answer, _ = await through([counts, Breaks(hook)], leaf)

    leaks_nothing(answer)
    assert (answer.status, answer.body) == (500, ISE)
    assert failures(caplog) == ["INTERNAL_ERROR"]
    assert (counts.ended, SECRET in caplog.text) == (1, True)


@pytest.mark.parametrize("hook", ["on_request", "on_head"])
async def test_a_policy_that_raises_what_cannot_be_printed(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    class Breaks(Policy):
        name = "breaks"

    def breaks(*arguments: Any) -> Any:
        raise Unspeakable

    setattr(Breaks, hook, staticmethod(breaks))
    answer, _ = await through([Breaks()], "mock")

    leaks_nothing(answer)
    assert (answer.status, answer.body, failures(caplog)) == (500, ISE, ["INTERNAL_ERROR"])


async def test_a_back_end_that_breaks_in_a_body_that_a_policy_wants_whole(caplog: pytest.LogCaptureFixture) -> None:
    class Whole(Policy):
        name = "whole"

        def on_body(self, request: Request, response: Response) -> Response:
            return response

    answer, _ = await through([Whole()], "http_proxy", chunks=[b"a", UpstreamError("reset", SECRET)])

    leaks_nothing(answer)
    assert (answer.status, answer.body) == (502, ISE)
    assert failures(caplog) == ["INTEGRATION_RESPONSE_INVALID"]


@pytest.mark.parametrize("hook", ["on_head", "on_body", "wrap_body"])
async def test_a_policy_that_raises_frees_the_back_end_it_will_not_read(
    hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, transport = await through([Breaks(hook)], "http_proxy", chunks=[b"a", b"b"])

    assert (answer.status, answer.body, failures(caplog)) == (500, ISE, ["INTERNAL_ERROR"])
    assert len(transport.given_up) == (0 if hook == "on_body" else 1)  # on_body had read it to its end


@pytest.mark.parametrize("hook", ["on_request", "async on_request"])
async def test_a_policy_that_raises_before_an_app_leaves_it_uncalled(
    hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, _ = await through([Breaks(hook)], "app")

    leaks_nothing(answer)
    assert (answer.status, answer.body, failures(caplog)) == (500, ISE, ["INTERNAL_ERROR"])


@pytest.mark.parametrize("leaf", LEAVES)
async def test_an_on_end_that_raises_spoils_nothing(leaf: str, caplog: pytest.LogCaptureFixture) -> None:
    counts = Counts()

    answer, _ = await through([counts, Breaks("on_end"), Counts()], leaf)

    assert answer.raised is None
    assert answer.complete
    assert answer.status == (500 if leaf == "refused" else 200)
    assert counts.ended == 1
    ours = [record for record in caplog.records if record.name == "gatewaykit"]
    assert [record.getMessage().endswith("failed after the response") for record in ours] == (
        [False, True] if leaf == "refused" else [True]
    )


@pytest.mark.parametrize(
    "answer_of_hook", [None, True, "ok", 200, object()], ids=["None", "True", "str", "int", "object"]
)
async def test_a_policy_that_forgets_to_answer_fails_closed(
    answer_of_hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgets(Policy):
        name = "forgets"

        def on_request(self, request: Request) -> Any:
            return answer_of_hook

    answer, _ = await through([Forgets()], "mock")

    leaks_nothing(answer)
    assert (answer.status, answer.body, failures(caplog)) == (500, ISE, ["INTERNAL_ERROR"])


async def test_an_on_head_that_raises_is_not_asked_about_the_failure_it_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Spoils(Policy):
        name = "spoils"

        def on_head(self, request: Request, head: Head) -> None:
            head.headers.append((b"x-secret", SECRET.encode()))
            raise LookupError(SECRET)

    answer, _ = await through([Spoils()], "mock")

    leaks_nothing(answer)
    assert (answer.status, failures(caplog)) == (500, ["INTERNAL_ERROR"])


async def test_a_policys_constant_answer_is_never_amended_in_place() -> None:
    constant = Response(200, [(b"x-own", b"1")], b"constant")

    class Answers(Policy):
        name = "answers"

        def on_request(self, request: Request) -> Response:
            return constant

    for _ in range(2):
        answer, _ = await through([Answers()], "mock")
        assert (answer.status, answer.body) == (200, b"constant")

    assert constant.headers == [(b"x-own", b"1")]
