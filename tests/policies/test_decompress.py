"""Bodies without their coding: what the policy does to a request, and what it leaves alone."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from gatewaykit import Gateway, Reason
from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Refusal
from gatewaykit.policies.decompress import Decompress
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import document, mock

BODY = b'{"statusCode": 200}'
GZIP = [(b"Content-Encoding", b"gzip")]
POLICY = Decompress(1000)


class Source:
    """A body that has not been read yet."""

    def __init__(self, body: bytes | Refusal) -> None:
        self.body, self.reads, self.asked_for_the_end = body, 0, 0

    async def read(self, limit: int) -> bytes | Refusal:
        self.reads += 1
        return self.body

    async def gone(self) -> None:
        self.asked_for_the_end += 1


def unread(body: bytes | Refusal) -> tuple[Request, Source]:
    request, source = Request("POST", "/", headers=GZIP, body=None), Source(body)
    request.source = source
    return request, source


@pytest.mark.parametrize("headers", [[], [(b"content-encoding", b"identity")]], ids=["none", "identity"])
def test_a_body_without_a_coding_is_left_alone(headers: Any) -> None:
    request = Request("POST", "/", headers=headers, body=None)
    request.source = source = Source(BODY)

    assert POLICY.on_request(request) is request
    assert request.source is source


async def test_a_body_is_decoded_when_it_is_read_and_not_before() -> None:
    request, source = unread(gzip.compress(BODY))

    assert POLICY.on_request(request) is request
    assert source.reads == 0
    assert await request.source.read(1000) == BODY


@pytest.mark.parametrize(
    ("limit", "body", "reason"),
    [
        pytest.param(len(BODY) - 1, gzip.compress(BODY), Reason.BODY_TOO_LARGE, id="over the limit of who reads it"),
        pytest.param(1000, b"plain", Reason.BODY_CODING_UNUSABLE, id="not in its coding"),
        pytest.param(1000, Refusal(Reason.CLIENT_GONE), Reason.CLIENT_GONE, id="what the source refuses"),
    ],
)
async def test_a_body_that_cannot_be_had_is_refused(limit: int, body: bytes | Refusal, reason: Reason) -> None:
    request, _ = unread(body)
    POLICY.on_request(request)

    refusal = await request.source.read(limit)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_policies_behind_meet_no_coding_and_templates_still_do() -> None:
    request, _ = unread(gzip.compress(BODY))

    POLICY.on_request(request)

    assert (request.header("content-encoding"), request.header_list) == ("identity", GZIP)


async def test_a_header_that_is_required_is_still_there() -> None:
    operation = {
        "x-amazon-apigateway-request-validator": "v",
        "parameters": [{"name": "Content-Encoding", "in": "header", "required": True, "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": mock(),
    }
    validators = {"x-amazon-apigateway-request-validators": {"v": {"validateRequestParameters": True}}}
    client = Client(Gateway.from_openapi(document({"/x": {"post": operation}}, **validators)))

    coded = await client.post("/x", headers={"content-encoding": "gzip"}, body=gzip.compress(BODY))
    plain = await client.post("/x", body=BODY)

    assert (coded.status, plain.status) == (200, 400)


async def test_a_client_that_leaves_is_still_noticed() -> None:
    request, source = unread(b"")
    POLICY.on_request(request)

    await request.source.gone()

    assert source.asked_for_the_end == 1


@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        pytest.param(gzip.compress(BODY), BODY, id="coded"),
        pytest.param(b"", b"", id="empty"),
        pytest.param(gzip.compress(bytes(1001)), Reason.BODY_TOO_LARGE, id="over the limit"),
        pytest.param(b"plain", Reason.BODY_CODING_UNUSABLE, id="not in its coding"),
    ],
)
def test_a_body_that_is_here_already(body: bytes, becomes: bytes | Reason) -> None:
    request = Request("POST", "/", headers=GZIP, body=body)

    answer = POLICY.on_request(request)

    assert (request.body if answer is request else answer.reason) == becomes  # type: ignore[union-attr]  # a Refusal, else


async def test_a_refused_request_leaves_its_body_unread() -> None:
    operation = {"security": [{"key": []}], "x-amazon-apigateway-integration": mock()}
    schemes = {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}
    api = Gateway.from_openapi(document({"/x": {"post": operation}}, components={"securitySchemes": schemes}))

    async with Client(api).open("POST", "/x", headers={"content-encoding": "gzip"}) as exchange:
        result = await asyncio.wait_for(exchange.result(), 10)  # although no body was ever sent

    assert result.status == 403


async def test_a_client_that_leaves_cancels_the_call_that_its_coded_body_began() -> None:
    transport = ScriptedTransport(lambda _: Reply())
    hold = transport.hold()
    integration = {"type": "http_proxy", "httpMethod": "POST", "uri": "http://back.test/"}
    api = Gateway.from_openapi(document({"/x": {"post": integration}}), transport=transport)

    async with Client(api).open("POST", "/x", headers={"content-encoding": "gzip"}) as exchange:
        exchange.feed(gzip.compress(BODY), more=False)
        await asyncio.wait_for(hold.reached(), 10)
        exchange.leave()
        result = await asyncio.wait_for(exchange.result(), 10)

    assert (result.started, len(transport.given_up)) == (False, 1)


@pytest.mark.parametrize(
    ("coding", "steps"),
    [("br", [("decompress", "refused")]), ("gzip", [])],
    ids=["a coding that is refused is told of", "one that is not is not"],
)
def test_explain_tells_of_it_only_where_it_refuses(coding: str, steps: list[tuple[str, str]]) -> None:
    api = Gateway.from_openapi(document({"/x": {"post": mock()}}))

    explanation = api.explain("POST", "/x", headers={"content-encoding": coding}, body=gzip.compress(BODY))

    assert [(step.policy, step.verdict) for step in explanation.steps] == steps
    assert [route.policies for route in api.routes] == [()]
