"""HTTP and HTTP_PROXY: rows 13, 79 to 87, 94, 99 and the failures of a back end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gatewaykit.core.body import BodyTooLarge
from gatewaykit.core.http import HeaderList, Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, UpstreamError
from gatewaykit.upstream.scripted import Reply, ScriptedTransport
from tests.integrations.making import PNG, a_request, call, deps_for, endpoint, received, response

TRACE = b"Root=1-00000000-000102030405060708090a0b;Parent=0c0d0e0f10111213;Sampled=0"
SENT = [
    (b"Accept", b"application/json"), (b"User-Agent", b"AmazonAPIGateway_abc"), (b"X-Amzn-Apigateway-Api-Id", b"abc"),
    (b"X-Amzn-Trace-Id", TRACE),
]  # fmt: skip
JSON = (b"content-type", b"application/json")
URI = "http://b.example/base"


def answering(*replies: Reply | UpstreamError) -> ScriptedTransport:
    return ScriptedTransport(replies)


class Streamed:
    """A body that has not been read yet."""

    def __init__(self, *chunks: bytes, limit: int | None = None) -> None:
        self._chunks, self.limit = chunks, limit

    async def stream(self, limit: int) -> AsyncIterator[bytes]:
        self.limit = limit
        for chunk in self._chunks:
            if chunk == b"too much":
                raise BodyTooLarge(10)
            yield chunk


def unread(method: str, headers: HeaderList, *chunks: bytes) -> Request:
    return a_request(method, headers=headers, body=None, source=Streamed(*chunks))


async def test_http_sends_only_what_is_its_own() -> None:  # row 79
    transport = answering(Reply())
    target = endpoint("HTTP", deps_for(transport), uri=URI, responses=(response(),))
    request = a_request("POST", headers=[(b"x-client", b"1"), (b"accept", b"a/b")], query=b"q=1", body=b"body")

    await call(target, request)

    (sent,) = transport.requests
    assert (sent.method, sent.scheme, sent.host, sent.port, sent.target) == ("POST", "http", "b.example", 80, b"/base")
    assert sent.headers == [*SENT, (b"Content-Type", b"application/json")]
    assert sent.body == b"body"


async def test_http_drops_the_back_ends_headers_unless_they_are_mapped() -> None:  # row 82
    transport = answering(Reply(headers=[(b"X-A", b"1"), (b"X-B", b"2"), (b"Server", b"s")], body=b'{"a": 7}'))
    mapped = {
        "method.response.header.A": "integration.response.header.x-a",
        "method.response.header.Server": "integration.response.header.Server",
        "method.response.header.Seven": "integration.response.body.a",
    }
    target = endpoint("HTTP", deps_for(transport), uri=URI, responses=(response(response_parameters=mapped),))

    answer = await received(await call(target, a_request()))

    assert answer == (200, [(b"A", b"1"), (b"x-amzn-Remapped-Server", b"s"), (b"Seven", b"7"), JSON], b'{"a": 7}')


@pytest.mark.parametrize(("kind", "status"), [("HTTP", 200), ("HTTP_PROXY", 400)])
async def test_only_http_proxy_hands_on_the_back_ends_status(kind: str, status: int) -> None:  # row 83
    transport = answering(Reply(status=400, body=b"why"))
    target = endpoint(kind, deps_for(transport), uri=URI, responses=(response(),))

    answer = await received(await call(target, a_request()))

    assert (answer[0], answer[2]) == (status, b"why")


@pytest.mark.parametrize(("back_end", "status"), [(404, 400), (201, 200)])
async def test_the_back_ends_status_selects_the_response(back_end: int, status: int) -> None:  # row 84
    responses = (response(r"4\d{2}", "400"), response())
    target = endpoint("HTTP", deps_for(answering(Reply(status=back_end))), uri=URI, responses=responses)

    assert (await received(await call(target, a_request())))[0] == status


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize(("http_method", "sent"), [("POST", "POST"), ("ANY", "PUT"), ("", "PUT"), ("get", "GET")])
async def test_the_integrations_verb_is_sent(kind: str, http_method: str, sent: str) -> None:  # row 85
    transport = answering(Reply())
    target = endpoint(kind, deps_for(transport), uri=URI, http_method=http_method, responses=(response(),))

    await call(target, a_request("PUT"))

    assert transport.requests[0].method == sent


@pytest.mark.parametrize("verb", ["GET", "HEAD", "OPTIONS"])
async def test_http_sends_no_body_with_verbs_that_have_none(verb: str) -> None:
    transport = answering(Reply())
    target = endpoint("HTTP", deps_for(transport), uri=URI, http_method=verb, responses=(response(),))

    await call(target, a_request("POST", body=b"body"))

    assert transport.requests[0].body == b""


async def test_http_proxy_merges_query_parameters_by_name() -> None:  # row 86
    transport = answering(Reply())
    target = endpoint(
        "HTTP_PROXY",
        deps_for(transport),
        uri="http://b?testVar={pathVar}&testQs={qsVar}",
        request_parameters={
            "integration.request.path.pathVar": "method.request.header.foobar",
            "integration.request.path.qsVar": "method.request.querystring.testVar",
            "integration.request.querystring.testQs": "method.request.querystring.testQueryString",
            "integration.request.querystring.queryString": "method.request.querystring.testQueryString",
            "integration.request.querystring.testEmptyQs": "method.request.header.missing",
        },
    )

    await call(target, a_request(query=b"testQueryString=foo&testVar=bar", headers=[(b"foobar", b"foobar")]))

    assert sorted(transport.requests[0].target.partition(b"?")[2].split(b"&")) == [
        b"queryString=foo", b"testQs=bar", b"testQs=foo", b"testQueryString=foo", b"testVar=bar", b"testVar=foobar",
    ]  # fmt: skip


async def test_a_mapped_header_replaces_the_clients() -> None:  # row 87
    transport = answering(Reply())
    parameters = {"integration.request.header.headerVar": "context.stage"}
    target = endpoint("HTTP_PROXY", deps_for(transport), uri=URI, request_parameters=parameters)

    await call(target, a_request(headers=[(b"headerVar", b"client")]))

    assert [value for name, value in transport.requests[0].headers if name.lower() == b"headervar"] == [b"dev"]


async def test_http_proxy_ignores_response_mappings() -> None:  # row 94
    responses = (response(status="500", response_parameters={"method.response.header.x": "'y'"}),)
    target = endpoint("HTTP_PROXY", deps_for(answering(Reply(body=b"b"))), uri=URI, responses=responses)

    assert await received(await call(target, a_request())) == (200, [JSON], b"b")


async def test_stage_variables_fill_the_address() -> None:  # row 99
    transport = answering(Reply())
    deps = deps_for(transport, stage_variables={"host": "v.example:8443", "path": "p", "query": "a=b"})
    uri = "https://${stageVariables.host}/${stageVariables.path}?${stageVariables.query}"

    await call(endpoint("HTTP_PROXY", deps, uri=uri), a_request())

    (sent,) = transport.requests
    assert (sent.scheme, sent.host, sent.port, sent.target) == ("https", "v.example", 8443, b"/p?a=b")


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_an_unset_stage_variable_is_an_invalid_endpoint(kind: str) -> None:  # row 13
    target = endpoint(kind, uri="https://${stageVariables.host}/", responses=(response(),))

    refusal = await call(target, a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.ENDPOINT_INVALID
    assert (refusal.reason.status, refusal.reason.message) == (500, "Internal server error")
    assert "Invalid endpoint address" in refusal.detail


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
def test_what_is_wrong_with_an_integration_is_reported_at_once(kind: str) -> None:
    with pytest.raises(ConfigError) as raised:
        endpoint(kind, uri="ftp://b", timeout_ms=10, request_parameters={"x": "y"})

    assert len(raised.value.problems) == 3


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        pytest.param("a/b", b"/base/a/b", id="greedy"),
        pytest.param("..a/b..", b"/base/..a/b..", id="dots that are no dot segment"),
        pytest.param("%2F%2Fevil.example%2F", b"/base/%2F%2Fevil.example%2F", id="encoded slashes stay encoded"),
        pytest.param("//evil.example", b"/base///evil.example", id="double slashes stay in the path"),
        pytest.param("@evil.example:80", b"/base/@evil.example:80", id="an authority is only text"),
        pytest.param("x?y#z", b"/base/x%3Fy%23z", id="no query, no fragment"),
        pytest.param("a%0d%0aHost:%20evil", b"/base/a%0D%0AHost:%20evil", id="no line"),
    ],
)
async def test_a_path_parameter_stays_in_its_place(raw: str, target: bytes) -> None:
    transport = answering(Reply())
    parameters = {"integration.request.path.proxy": "method.request.path.proxy"}
    proxy = endpoint("HTTP_PROXY", deps_for(transport), uri=f"{URI}/{{proxy}}", request_parameters=parameters)

    await call(proxy, a_request(path_parameters={"proxy": raw}))

    (sent,) = transport.requests
    assert (sent.host, sent.port, sent.target) == ("b.example", 80, target)


FAILURES = [
    pytest.param("timeout", Reason.INTEGRATION_TIMEOUT, 504, "Endpoint request timed out", id="timeout"),
    *(
        pytest.param(kind, Reason.INTEGRATION_UNREACHABLE, 504, "Network error communicating with endpoint", id=kind)
        for kind in ("refused", "unresolved", "unreachable", "tls", "connect_timeout")
    ),
    pytest.param("reset", Reason.INTEGRATION_BROKE_OFF, 504, "Network error communicating with endpoint", id="reset"),
    pytest.param("invalid", Reason.INTEGRATION_RESPONSE_INVALID, 502, "Internal server error", id="invalid"),
    pytest.param("too_large", Reason.INTEGRATION_RESPONSE_TOO_LARGE, 500, "Internal server error", id="too large"),
    pytest.param("address", Reason.ENDPOINT_INVALID, 500, "Internal server error", id="address"),
]


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize(("failure", "reason", "status", "message"), FAILURES)
async def test_a_failing_back_end_has_its_own_answer(
    kind: str, failure: str, reason: Reason, status: int, message: str
) -> None:
    target = endpoint(kind, deps_for(answering(UpstreamError(failure, "why"))), uri=URI, responses=(response(),))
    request = a_request()

    refusal = await call(target, request)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.reason.status, refusal.reason.message) == (reason, status, message)
    assert "why" in refusal.detail
    assert request.integration == {"status": 0, "latency_ms": 0, "error": f"{failure}: why"}


async def test_http_refuses_a_response_over_the_limit() -> None:
    deps = deps_for(answering(Reply(chunks=[b"123", b"456"])), max_body_bytes=5)

    refusal = await call(endpoint("HTTP", deps, uri=URI, responses=(response(),)), a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INTEGRATION_RESPONSE_TOO_LARGE


async def test_http_bounds_the_whole_answer_by_its_timeout() -> None:
    transport = answering(Reply())
    transport.hold()
    target = endpoint("HTTP", deps_for(transport), uri=URI, timeout_ms=50, responses=(response(),))

    refusal = await call(target, a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INTEGRATION_TIMEOUT


async def test_http_passes_binary_bodies_as_content_handling_says() -> None:  # rows 105 and 113
    transport = answering(Reply(headers=[(b"content-type", b"image/png")], body=b"\x89\xff"))
    deps = deps_for(transport, binary_media_types=PNG)
    target = endpoint("HTTP", deps, uri=URI, responses=(response(),))
    headers = [(b"content-type", b"image/png"), (b"accept", b"image/png")]

    answer = await received(await call(target, a_request("POST", headers=headers, body=b"\x89\xfe")))

    assert transport.requests[0].body == b"\x89\xfe"
    assert answer[2] == b"\x89\xff"


async def test_templates_shape_both_ways_and_overrides_win() -> None:  # row 37
    transport = answering(Reply(body=b'{"name": "rex"}'))
    template = (
        '#set($context.requestOverride.header.X-Over = "h")#set($context.requestOverride.header.mapped = "over")'
        '#set($n = "k")#set($context.requestOverride.querystring[$n] = "q")'
        '#set($context.requestOverride.path.id = "a b")#set($context.requestOverride.header.Via = "dropped")'
        '{"got": $input.json("$.a")}'
    )
    target = endpoint(
        "HTTP",
        deps_for(transport),
        uri=f"{URI}/{{id}}",
        request_templates={"application/json": template},
        request_parameters={"integration.request.header.Mapped": "'m'", "integration.request.querystring.k": "'m'"},
        responses=(response(response_templates={"application/json": "$input.path('$.name')"}),),
    )

    answer = await received(await call(target, a_request("POST", body=b'{"a": [1]}')))

    (sent,) = transport.requests
    assert sent.target == b"/base/a%20b?k=q"
    assert sent.headers[-2:] == [(b"X-Over", b"h"), (b"mapped", b"over")]
    assert sent.body == b'{"got": [1]}'
    assert answer[2] == b"rex"


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
async def test_an_override_must_not_frame_the_message(name: str) -> None:
    template = f'#set($context.requestOverride.header.{name} = "1")'
    target = endpoint("HTTP", uri=URI, request_templates={"application/json": template}, responses=(response(),))

    refusal = await call(target, a_request("POST"))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


async def test_a_get_that_is_sent_on_as_a_post_has_no_content_type_of_its_own() -> None:  # recorded with row 90
    transport = answering(Reply())
    target = endpoint("HTTP", deps_for(transport), uri=URI, http_method="POST", responses=(response(),))

    await call(target, a_request("GET", headers=[(b"content-type", b"application/json")]))

    assert (transport.requests[0].method, transport.requests[0].headers) == ("POST", SENT)


async def test_overrides_that_a_template_spoils_do_no_harm() -> None:
    transport = answering(Reply())
    template = '#set($context.requestOverride.header = "x")#set($context.requestOverride.path = [])'
    target = endpoint(
        "HTTP", deps_for(transport), uri=URI, request_templates={"application/json": template}, responses=(response(),)
    )

    await call(target, a_request("POST"))

    assert transport.requests[0].headers == [*SENT, (b"Content-Type", b"application/json")]


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize("query", [b"q=a%0d%0aX-Evil:%201", b"q=a%0aset-cookie:b", b"q=a%00"])
async def test_a_value_with_a_line_break_never_becomes_a_header(kind: str, query: bytes) -> None:
    parameters = {"integration.request.header.x": "method.request.querystring.q"}
    target = endpoint(kind, uri=URI, request_parameters=parameters, responses=(response(),))

    refusal = await call(target, a_request(query=query))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


async def test_a_line_break_of_the_back_end_never_becomes_a_header() -> None:
    mapped = {"method.response.header.x": "integration.response.body"}
    deps = deps_for(answering(Reply(body=b"a\r\nset-cookie: b")))
    target = endpoint("HTTP", deps, uri=URI, responses=(response(response_parameters=mapped),))

    refusal = await call(target, a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


async def test_a_response_mapping_that_needs_json_refuses_what_is_none() -> None:
    mapped = {"method.response.header.x": "integration.response.body.a"}
    target = endpoint(
        "HTTP", deps_for(answering(Reply(body=b"{"))), uri=URI, responses=(response(response_parameters=mapped),)
    )

    refusal = await call(target, a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


async def test_a_body_that_is_no_base64_cannot_become_binary() -> None:  # row 117
    converted = (response(content_handling="CONVERT_TO_BINARY"),)
    target = endpoint("HTTP", deps_for(answering(Reply(body=b"!"))), uri=URI, responses=converted)

    refusal = await call(target, a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_a_mapping_that_fails_stops_the_request(kind: str) -> None:
    parameters = {"integration.request.header.Content-Length": "'1'"}
    target = endpoint(kind, uri=URI, request_parameters=parameters, responses=(response(),))

    refusal = await call(target, a_request())

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


async def test_the_trace_belongs_to_http_but_not_to_http_proxy() -> None:  # row 6
    http, proxy = a_request(), a_request()
    await call(endpoint("HTTP", deps_for(answering(Reply())), uri=URI, responses=(response(),)), http)
    await call(endpoint("HTTP_PROXY", deps_for(answering(Reply())), uri=URI), proxy)

    assert (http.trace_id, proxy.trace_id) == (TRACE.decode(), "")


# ---------------------------------------------------------------------------------------------------- streaming


async def test_http_proxy_streams_a_body_of_known_length() -> None:
    transport = answering(Reply())
    request = unread("POST", [(b"content-length", b"6")], b"abc", b"def")

    await call(endpoint("HTTP_PROXY", deps_for(transport, max_body_bytes=9), uri=URI), request)

    (sent,) = transport.requests
    assert sent.body == b"abcdef"
    assert (b"Content-Length", b"6") in sent.headers
    assert request.source.limit == 9


@pytest.mark.parametrize(
    ("headers", "http_version", "body"),
    [
        pytest.param([(b"transfer-encoding", b"chunked")], "1.1", b"abc", id="chunked"),
        pytest.param([], "2", b"abc", id="HTTP/2 needs no length"),
        pytest.param([], "1.1", b"", id="no framing, no body"),
        pytest.param([(b"content-length", b"0")], "1.1", b"", id="no bytes"),
    ],
)
async def test_http_proxy_streams_a_body_of_unknown_length(headers: HeaderList, http_version: str, body: bytes) -> None:
    transport = answering(Reply())
    request = unread("POST", headers, b"abc")
    request.http_version = http_version

    await call(endpoint("HTTP_PROXY", deps_for(transport), uri=URI), request)

    assert transport.requests[0].body == body


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        pytest.param(b"10", Reason.BODY_TOO_LARGE, id="over the limit"),
        pytest.param(b"9" * 5000, Reason.BODY_TOO_LARGE, id="more digits than a number may have"),
        pytest.param(b"-1", Reason.MALFORMED_REQUEST, id="negative"),
        pytest.param(b"x", Reason.MALFORMED_REQUEST, id="no number"),
    ],
)
async def test_http_proxy_refuses_a_body_by_its_length_before_it_calls(length: bytes, reason: Reason) -> None:
    transport = answering()
    target = endpoint("HTTP_PROXY", deps_for(transport, max_body_bytes=9), uri=URI)

    refusal = await call(target, unread("POST", [(b"content-length", length)], b"abc"))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert transport.requests == []


async def test_a_body_that_turns_out_too_large_ends_the_call() -> None:
    target = endpoint("HTTP_PROXY", deps_for(answering()), uri=URI)

    with pytest.raises(BodyTooLarge):  # the runner answers it with a 413
        await call(target, unread("POST", [(b"transfer-encoding", b"chunked")], b"too much"))


async def test_http_proxy_reads_the_body_first_only_for_a_mapping() -> None:
    parameters = {"integration.request.header.x": "method.request.body.a"}

    assert endpoint("HTTP_PROXY", uri=URI).reads_body is False
    assert endpoint("HTTP_PROXY", uri=URI, request_parameters=parameters).reads_body is True


async def test_a_response_is_streamed_and_can_be_given_up() -> None:
    transport = answering(Reply(chunks=[b"a", b"b"]))

    answer = await call(endpoint("HTTP_PROXY", deps_for(transport), uri=URI), a_request())

    assert isinstance(answer, Response)
    assert not isinstance(answer.body, bytes)
    assert await anext(answer.body) == b"a"
    assert answer.close is not None
    await answer.close()
    assert len(transport.given_up) == 1


# ---------------------------------------------------------------------------------------------------- trace


async def test_the_phase_trace_has_the_lines_of_the_execution_log() -> None:  # row 138
    transport = answering(Reply(headers=[(b"Content-Type", b"text/plain")], body=b"pong"))
    target = endpoint("HTTP", deps_for(transport), uri=URI, responses=(response(),))
    request = a_request("POST", body=b"ping", events=[])

    await call(target, request)

    assert [text.partition(":")[0] for _, text in request.events or ()] == [
        "Endpoint request URI", "Endpoint request headers", "Endpoint request body after transformations",
        "Sending request to http", "Received response. Status", "Endpoint response headers",
        "Endpoint response body before transformations",
    ]  # fmt: skip
    assert ("integration", "Received response. Status: 200, Integration latency: 0 ms") in (request.events or ())
    assert request.integration == {"status": 200, "latency_ms": 0, "error": ""}


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_closing_leaves_the_transport_to_its_owner(kind: str) -> None:
    transport = answering(Reply())
    target = endpoint(kind, deps_for(transport), uri=URI, responses=(response(),))
    await target.aclose()

    assert isinstance(await call(target, a_request()), Response)
