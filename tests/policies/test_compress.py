"""Answers in the coding that the client asks for: the hook, around an app and in a definition."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from gatewaykit import Gateway, Policy, PolicyMiddleware, Request, Response, cors
from gatewaykit.core.http import Head, HeaderList
from gatewaykit.policies.compress import Compress
from gatewaykit.testing import Client
from tests.conformance.documents import document, mock

LONG = b"some text " * 100


def asking(method: str = "GET", accept: bytes = b"gzip") -> Request:
    return Request(method, "/", headers=[(b"Accept-Encoding", accept)])


@pytest.mark.parametrize(
    ("headers", "coded"),
    [
        pytest.param([], True, id="no length"),
        pytest.param([(b"Content-Length", b"1000")], True, id="as long as it takes"),
        pytest.param([(b"content-length", b"999")], False, id="shorter"),
        pytest.param([(b"content-length", b"x")], True, id="a length that is none"),
        pytest.param([(b"content-length", b"1" * 19)], True, id="a length beyond all lengths"),
        pytest.param([(b"content-length", b"1"), (b"content-length", b"1")], True, id="two lengths"),
    ],
)
def test_the_length_of_a_body_that_nobody_has_seen(headers: HeaderList, coded: bool) -> None:
    wrapper = Compress(1000).wrap_body(asking(), Head(200, headers))

    assert (wrapper is not None) is coded


@pytest.mark.parametrize(("size", "coded"), [(999, False), (1000, True)])
def test_the_length_of_a_whole_body_is_its_own(size: int, coded: bool) -> None:
    response = Response(200, [(b"content-length", b"5000")], bytes(size))

    assert (Compress(1000).wrap_body(asking(), response) is not None) is coded


def test_several_lines_of_accept_encoding_are_one_list() -> None:
    request = Request("GET", "/", headers=[(b"accept-encoding", b"br;q=0.1"), (b"accept-encoding", b"deflate")])
    head = Head(200, [])

    Compress(0).wrap_body(request, head)

    assert head.headers == [(b"vary", b"Accept-Encoding"), (b"content-encoding", b"deflate")]


async def test_other_policies_see_the_body_before_it_is_coded() -> None:
    class Shouts(Policy):
        name = "shouts"

        def on_body(self, request: Request, response: Response) -> Response:
            assert isinstance(response.body, bytes)
            response.body = response.body.upper()
            return response

        def wrap_body(self, request: Request, head: Head) -> Any:
            return lambda chunk, more: chunk + b"!"

    root = {"x-amazon-apigateway-minimum-compression-size": 0}
    integration = mock(responseTemplates={"application/json": "hello"})
    policies = [Shouts(), cors(["https://shop.example"])]
    api = Gateway.from_openapi(document({"/x": {"get": integration}}, **root), policies=policies)

    answer = await Client(api).get("/x", headers={"accept-encoding": "gzip", "origin": "https://shop.example"})

    assert gzip.decompress(answer.body) == b"HELLO!"
    assert answer.header("access-control-allow-origin") == "https://shop.example"
    assert {word.strip() for word in (answer.header("vary") or "").split(",")} == {"Accept-Encoding", "Origin"}
    assert [route.policies for route in api.routes] == [("compress", "cors", "shouts")]


async def test_an_app_is_wrapped_like_anything_else() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": LONG})

    client = Client(PolicyMiddleware(app, policies=[Compress(1000)]))

    coded = await client.get("/", headers={"accept-encoding": "gzip"})
    plain = await client.get("/")

    assert (coded.header("content-encoding"), gzip.decompress(coded.body)) == ("gzip", LONG)
    assert (plain.header("content-encoding"), plain.header("content-length"), plain.body) == (None, "1000", LONG)
