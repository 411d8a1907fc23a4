"""A policy that calls what is behind it by itself: from a chain with an endpoint, and around an app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from gatewaykit import Policy, PolicyMiddleware, Reason, Refusal, Request, Response
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.pipeline.chain import Chain
from gatewaykit.pipeline.decision import decide
from gatewaykit.ports import Behind, Hook
from gatewaykit.testing import Client, make_request
from tests.asgi.apps import Noting, breaks_after, breaks_before, hello


class Twice(Policy):
    """Calls what is behind it as often as it is told, for a copy of the request, and answers with all the bodies."""

    name = "twice"

    def __init__(self, times: int = 2) -> None:
        self.times = times
        self.refusals: list[Refusal | None] = []

    def around(self, behind: Behind) -> Hook:
        def hook(request: Request) -> Awaitable[Response] | Request:
            return self.all(behind, request) if self.times else request

        return hook

    async def all(self, behind: Behind, request: Request) -> Response:
        body = b""
        for number in range(self.times):
            copy = request.detached()
            copy.header_list = [(b"x-call", b"%d" % number)]
            response = await behind(copy)
            self.refusals.append(copy.refusal)
            try:
                body += (
                    response.body if isinstance(response.body, bytes) else b"".join([c async for c in response.body])
                )
            finally:
                if response.close is not None:
                    await response.close()
        return Response(response.status, response.headers, body)


class Ends:
    reads_body = False

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(self, request: Request) -> Any:
        return self.answer(request)

    async def aclose(self) -> None:
        """Nothing is open."""


def chain(*policies: Policy, answer: Any) -> Chain:
    return Chain(policies, Ends(answer), compile_renderer(), 100)


async def test_each_call_runs_the_policies_behind_it_and_no_others() -> None:
    notes: list[str] = []
    made = chain(Noting("a", notes), Twice(), Noting("b", notes), answer=lambda request: Response(200, [], b"hello"))
    request = make_request("GET", "/")

    response = await made.run(request)
    made.end(request)

    assert response.body == b"hellohello"
    assert notes == [
        "a request",
        "b request", "b head 200", "b end 200", "b request", "b head 200", "b end 200",
        "a head 200", "b end 200", "a end 200",
    ]  # fmt: skip


async def test_the_copy_is_what_the_endpoint_sees_and_the_request_stays_as_it_is() -> None:
    request = make_request("GET", "/", headers={"x-own": "1"})
    made = chain(Twice(), answer=lambda request: Response(200, [], request.header_list[0][1]))

    response = await made.run(request)

    assert response.body == b"01"
    assert request.header_list == [(b"x-own", b"1")]


async def test_a_refusal_behind_it_is_a_response_and_stands_on_the_copy() -> None:
    twice = Twice(1)
    request = make_request("GET", "/")

    response = await chain(twice, answer=lambda request: Refusal(Reason.INTEGRATION_TIMEOUT)).run(request)

    assert (response.status, twice.refusals[0].reason if twice.refusals[0] else None) == (
        504, Reason.INTEGRATION_TIMEOUT,
    )  # fmt: skip
    assert request.refusal is None


async def test_a_policy_that_lets_a_request_pass_costs_it_nothing() -> None:
    notes: list[str] = []

    response = await chain(Twice(0), Noting("b", notes), answer=lambda request: Response(200, [], b"x")).run(
        make_request("GET", "/")
    )

    assert (response.body, notes) == (b"x", ["b request", "b head 200"])


def test_who_only_asks_calls_nothing_behind_it() -> None:
    def unreachable(request: Request) -> Response:
        raise AssertionError("called")

    assert decide(chain(Twice(), answer=unreachable), make_request("GET", "/")).allowed


async def test_the_end_of_a_call_follows_the_close_of_its_stream() -> None:
    notes: list[str] = []

    async def chunks() -> Any:
        yield b"he"
        yield b"llo"

    class Lazy(Twice):
        async def all(self, behind: Behind, request: Request) -> Response:
            response = await behind(request.detached())
            notes.append("answered")
            assert response.close is not None
            await response.close()
            return Response(204)

    await chain(Lazy(), Noting("b", notes), answer=lambda request: Response(200, [], chunks())).run(
        make_request("GET", "/")
    )

    assert notes == ["b request", "b head 200", "answered", "b end 200"]


async def test_a_call_that_is_cancelled_ends() -> None:
    notes: list[str] = []
    called = asyncio.Event()

    async def waits(request: Request) -> Response:
        called.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    made = chain(Twice(), Noting("b", notes), answer=waits)
    task = asyncio.create_task(made.run(make_request("GET", "/")))
    await called.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes == ["b request", "b end 0"]


# ------------------------------------------------------------------------------------------------- around an app


async def test_around_an_app_the_app_is_called_with_the_copy() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        assert (await receive())["body"] == b""
        await hello(scope, receive, send)

    answer = await Client(PolicyMiddleware(app, policies=[Twice()])).get("/x?y=1", headers={"x-own": "1"})

    assert answer.body == b"hellohello"
    assert [scope["headers"] for scope in seen] == [[(b"x-call", b"0")], [(b"x-call", b"1")]]
    assert {(scope["path"], scope["query_string"]) for scope in seen} == {("/x", b"y=1")}
    assert all("gatewaykit" not in scope["state"] for scope in seen)


async def test_an_app_that_breaks_before_its_response_is_a_500() -> None:
    answer = await Client(PolicyMiddleware(breaks_before, policies=[Twice(1)])).get("/")

    assert answer.status == 500


async def test_an_app_that_breaks_in_the_middle_breaks_the_reader() -> None:
    twice = Twice(1)

    answer = await Client(PolicyMiddleware(breaks_after, policies=[twice])).get("/")

    assert answer.status == 500  # nothing had gone out yet


async def test_an_app_that_goes_on_after_its_response_is_left_to_it() -> None:
    done = asyncio.Event()
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await going.wait()
        done.set()

    answer = await Client(PolicyMiddleware(app, policies=[Twice(1)])).get("/")
    going.set()
    await done.wait()

    assert answer.body == b"hello"


async def test_an_app_whose_response_nobody_wants_any_more_is_cancelled() -> None:
    left = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            left.set()

    class Leaves(Twice):
        async def all(self, behind: Behind, request: Request) -> Response:
            response = await behind(request.detached())
            assert response.close is not None
            await response.close()
            return Response(204)

    answer = await Client(PolicyMiddleware(endless, policies=[Leaves()])).get("/")

    assert (answer.status, left.is_set()) == (204, True)


async def test_an_app_that_answers_nothing_is_a_500() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """Forgets to answer."""

    assert (await Client(PolicyMiddleware(silent, policies=[Twice(1)])).get("/")).status == 500
