"""The runner by itself: policies around an endpoint, with no ASGI anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit import Head, Policy, Reason, Refusal, Request, Response, StoreError
from gatewaykit.core.body import BodyRefused, BodyTooLarge, ClientGone
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.pipeline.chain import Chain, collect
from gatewaykit.testing import make_request
from tests.asgi.apps import Deciding, Noting, OnBody, Picky, ReadsBody, WrapsBody, refuse


class Ends:
    """An endpoint."""

    def __init__(self, answer: Any, reads_body: bool | int = False) -> None:
        self.answer, self.reads_body = answer, reads_body
        self.closed = 0

    def __call__(self, request: Request) -> Any:
        return self.answer(request) if callable(self.answer) else self.answer

    async def aclose(self) -> None:
        self.closed += 1


def chain(*policies: Policy, answer: Any = None, reads_body: bool | int = False, limit: int = 100) -> Chain:
    endpoint = Ends(answer or (lambda request: Response(200, [], b"hello")), reads_body)
    return Chain(policies, endpoint, compile_renderer(), limit)


async def run(made: Chain, request: Request | None = None) -> Response:
    return await made.run(request or make_request("GET", "/"))


async def test_a_request_goes_through_the_policies_to_the_endpoint_and_back() -> None:
    notes: list[str] = []

    response = await run(chain(Noting("a", notes), Noting("b", notes)))

    assert (response.status, response.body) == (200, b"hello")
    assert notes == ["a request", "b request", "b head 200", "a head 200"]


async def test_hooks_of_responses_run_in_the_order_of_their_kinds() -> None:
    response = await run(chain(WrapsBody(), OnBody()))

    assert response.body == b"[HELLO]."


async def test_a_streamed_body_is_collected_for_whom_wants_it_whole_and_its_source_closed() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    answer = Response(200, [(b"content-length", b"5")], stream(b"he", b"llo"), close)

    response = await run(chain(OnBody(), answer=lambda request: answer))

    assert (response.body, closed) == (b"HELLO", ["closed"])


async def test_a_streamed_body_is_wrapped_chunk_by_chunk() -> None:
    answer = Response(200, [(b"content-length", b"5")], stream(b"he", b"llo"))

    response = await run(chain(WrapsBody(), answer=lambda request: answer))

    assert not isinstance(response.body, bytes)
    assert [chunk async for chunk in response.body] == [b"[he]", b"[llo]", b"[]."]
    assert response.header("content-length") is None


async def test_a_wrapper_may_swallow_chunks() -> None:
    class Swallows(Policy):
        def wrap_body(self, request: Request, head: Head) -> Any:
            return lambda chunk, more: b""

    streamed = await run(chain(Swallows(), answer=lambda request: Response(200, [], stream(b"a"))))

    assert not isinstance(streamed.body, bytes)
    assert [chunk async for chunk in streamed.body] == []


async def test_a_wrapper_may_decline() -> None:
    class Declines(Policy):
        def wrap_body(self, request: Request, head: Head) -> Any:
            return None

    assert (await run(chain(Declines()))).body == b"hello"


@pytest.mark.parametrize("holds_head", [True, False])
async def test_a_wrapper_may_refuse_a_whole_body(holds_head: bool, caplog: pytest.LogCaptureFixture) -> None:
    request = make_request("GET", "/")
    notes: list[str] = []
    loud = Response(200, [(b"x-own", b"1")], b"a!")

    response = await run(chain(Noting("a", notes), Picky(holds_head=holds_head), answer=lambda _: loud), request)

    assert (response.status, response.header("x-own"), response.header("x-seen-by")) == (502, None, "a")
    assert request.refusal is not None
    assert request.refusal.detail == "too loud"
    assert [record.reason for record in caplog.records] == ["INTEGRATION_RESPONSE_INVALID"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("chunks", [(b"!",), (b" ", b" !")], ids=["at once", "after chunks that gave nothing"])
async def test_a_wrapper_that_holds_the_head_may_refuse_a_stream(
    chunks: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    response = await run(
        chain(Picky(holds_head=True), answer=lambda request: Response(200, [], stream(*chunks, b"rest"), close))
    )

    assert (response.status, closed) == (502, ["closed"])
    assert "too loud" in caplog.text


@pytest.mark.parametrize("chunks", [(b"a ", b" ", b"b"), (b" ", b" a", b"b"), (b" ",), ()])
async def test_a_stream_whose_head_was_held_loses_nothing(chunks: tuple[bytes, ...]) -> None:
    response = await run(chain(Picky(holds_head=True), answer=lambda request: Response(200, [], stream(*chunks))))

    assert not isinstance(response.body, bytes)
    assert b"".join([chunk async for chunk in response.body]) == b"".join(chunks).replace(b" ", b"")


async def test_a_stream_that_is_refused_in_the_middle_breaks_off() -> None:
    request = make_request("GET", "/")
    response = await run(
        chain(Picky(holds_head=True), answer=lambda request: Response(200, [], stream(b"a", b"!"))), request
    )
    assert not isinstance(response.body, bytes)
    chunks = aiter(response.body)

    first = await anext(chunks)

    assert first == b"a"
    with pytest.raises(BodyRefused, match="too loud"):
        await anext(chunks)


async def test_a_streamed_body_over_the_limit_is_a_500_and_its_source_closed(caplog: Any) -> None:
    request = make_request("GET", "/")

    response = await run(
        chain(OnBody(), answer=lambda request: Response(200, [], stream(b"abc", b"def")), limit=4), request
    )

    assert response.status == 500
    assert request.refusal is not None
    assert request.refusal.reason is Reason.INTEGRATION_RESPONSE_TOO_LARGE


async def test_an_awaited_body_hook_changes_the_response() -> None:
    class Waits(Policy):
        async def on_body(self, request: Request, response: Response) -> Response:  # type: ignore[override]  # a method
            return Response(201, [], b"changed")

    response = await run(chain(Waits()))

    assert (response.status, response.body) == (201, b"changed")


async def test_a_response_hook_that_raises_is_a_500_without_half_of_it(caplog: Any) -> None:
    class Breaks(Policy):
        def on_head(self, request: Request, head: Head) -> None:
            head.headers.append((b"x-half", b"1"))
            raise LookupError("no")

    response = await run(chain(Breaks()))

    assert (response.status, response.header("x-half")) == (500, None)
    assert "LookupError" in caplog.text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(BodyTooLarge(10), Reason.BODY_TOO_LARGE, id="a body over the limit"),
        pytest.param(ClientGone("left"), Reason.CLIENT_GONE, id="a client that left"),
        pytest.param(StoreError("down"), Reason.STORE_FAILED, id="a store that cannot answer"),
        pytest.param(LookupError("secret"), Reason.INTERNAL_ERROR, id="anything else"),
    ],
)
@pytest.mark.parametrize("where", ["hook", "awaited hook", "endpoint", "awaited endpoint"])
async def test_an_exception_amounts_to(error: Exception, reason: Reason, where: str, caplog: Any) -> None:
    def raises(request: Request) -> Any:
        raise error

    async def raises_later(request: Request) -> Any:
        raise error

    hook = raises_later if "awaited" in where else raises
    made = chain(answer=hook) if "endpoint" in where else chain(Deciding(hook))
    request = make_request("GET", "/")

    response = await run(made, request)

    assert request.refusal is not None
    assert (request.refusal.reason, response.status) == (reason, reason.status)
    assert b"secret" not in response.body
    logged = [record for record in caplog.records if record.reason == reason.name]
    assert len(logged) == (reason.status >= 500)


@pytest.mark.parametrize(
    ("readers", "endpoint", "reads"),
    [
        pytest.param([], False, 0, id="nobody"),
        pytest.param([True], False, 1, id="a policy"),
        pytest.param([True, True], True, 1, id="two policies and the endpoint"),
        pytest.param([], True, 1, id="the endpoint"),
    ],
)
async def test_a_body_is_read_once_and_only_where_it_is_wanted(readers: list[bool], endpoint: bool, reads: int) -> None:
    source = Source(b"abc")

    await run(chain(*map(ReadsBody, readers), reads_body=endpoint), reading(source))

    assert source.reads == [100] * reads


async def test_the_smallest_limit_counts() -> None:
    source = Source(b"abc")

    await run(chain(ReadsBody(50), ReadsBody(7), reads_body=60), reading(source))

    assert source.reads == [7]


async def test_a_body_that_could_not_be_read_reaches_nobody() -> None:
    policy = ReadsBody()

    response = await run(chain(policy), reading(Source(Refusal(Reason.BODY_TOO_LARGE))))

    assert (response.status, policy.bodies) == (413, [])


async def test_a_body_that_is_there_already_is_bounded_too() -> None:
    response = await run(chain(ReadsBody(2)), make_request("POST", "/", body=b"abc"))

    assert response.status == 413


async def test_every_end_hook_runs_innermost_first_though_one_raises(caplog: Any) -> None:
    class Breaks(Policy):
        def on_end(self, request: Request) -> None:
            raise LookupError("no")

    notes: list[str] = []
    made = chain(Noting("a", notes), Breaks(), Noting("b", notes))

    made.end(make_request("GET", "/"))

    assert notes == ["b end 0", "a end 0"]
    assert "failed after the response" in caplog.text


async def test_closing_closes_policies_and_endpoint() -> None:
    made = chain(Policy())

    await made.aclose()
    await Chain([Policy()], None, compile_renderer(), 1).aclose()

    assert made.endpoint.closed == 1  # type: ignore[union-attr]  # the fake above


async def test_the_same_policies_may_stand_around_another_endpoint() -> None:
    made = chain(refuse()).ending(Ends(Response(200)))

    assert (await run(made)).status == 403
    assert isinstance(made.endpoint, Ends)


async def test_a_log_record_is_one_line_whatever_the_path(caplog: Any) -> None:
    await run(chain(refuse(Reason.INTERNAL_ERROR, "a\nb")), make_request("GET", "/a%0Ab"))

    assert [record.getMessage().count("\n") for record in caplog.records] == [0]


@pytest.mark.parametrize(("limit", "whole"), [(6, b"abcdef"), (5, None)])
async def test_a_stream_is_collected_up_to_a_limit(limit: int, whole: bytes | None) -> None:
    assert await collect(stream(b"abc", b"def"), limit) == whole


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class Source:
    """A body source that notes the limits it was read with."""

    def __init__(self, body: bytes | Refusal) -> None:
        self.body = body
        self.reads: list[int] = []

    async def read(self, limit: int) -> bytes | Refusal:
        self.reads.append(limit)
        return self.body


def reading(source: Source) -> Request:
    request = make_request("POST", "/")
    request.source, request.body = source, None
    return request


def _cancelled(request: Request) -> Any:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.cancel()
    return future


@pytest.mark.parametrize(
    "made",
    [lambda: chain(Deciding(_cancelled)), lambda: chain(answer=_cancelled)],
    ids=["by a policy", "by the endpoint"],
)
async def test_a_cancellation_of_something_waited_for_is_a_failure(made: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = await run(made())

    assert response.status == 500
    assert "something it waited for was cancelled" in caplog.text


@pytest.mark.parametrize("kind", ["policy", "endpoint"])
async def test_a_cancellation_of_the_request_itself_goes_on(kind: str) -> None:
    reached = asyncio.Event()

    async def waits(request: Request) -> Any:
        reached.set()
        await asyncio.Event().wait()

    made = chain(Deciding(waits)) if kind == "policy" else chain(answer=waits)
    running = asyncio.ensure_future(run(made))
    await reached.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
