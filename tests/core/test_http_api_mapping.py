"""Parameter mappings of HTTP APIs: reference 03 section 7; the examples are the developer guide's."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.http_api_mapping import (
    MOST_BODY_BYTES,
    RequestParameters,
    ResponseParameters,
    Rewritten,
    compile_request_parameters,
    compile_response_parameters,
    is_reserved,
)
from gatewaykit.core.reasons import Reason, Refusal

CONTEXT = {"requestId": "id-1", "identity": {"sourceIp": "1.2.3.4"}, "authorizer": {"claims": None}}
VARIABLES = {"environmentId": "env-1"}
BODY = b'{"a": {"b": [1, {"c": "d"}]}, "s": "text", "n": null}'
HEADERS: HeaderList = [(b"Header1", b"value1"), (b"X-Kept", b"k"), (b"header1", b"value2")]


def a_request(body: bytes = BODY, path: str = "/pets/7", **parameters: str) -> Request:
    request = Request("POST", path, headers=list(HEADERS), query_string=b"q=1&q=2&Q=3", body=body)
    request.path_parameters = parameters or {"petId": "a%2Fb%20c"}
    return request


def rewritten(mappings: Mapping[str, str], request: Request | None = None) -> Rewritten | Refusal:
    compiled = compile_request_parameters(mappings, VARIABLES)
    assert isinstance(compiled, RequestParameters), compiled
    request = request or a_request()
    return compiled.apply(request, CONTEXT, request.header_list, request.query)


def sent(mappings: Mapping[str, str], request: Request | None = None) -> Rewritten:
    result = rewritten(mappings, request)
    assert isinstance(result, Rewritten), result
    return result


def problems_of(key: str, value: str = "x") -> list[str]:
    compiled = compile_request_parameters({key: value}, VARIABLES)
    return compiled if isinstance(compiled, list) else []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("static value", "static value", id="static"),
        pytest.param("", "", id="nothing"),
        pytest.param("costs 5$", "costs 5$", id="a dollar in a text"),
        pytest.param("$context.requestId", "id-1", id="context"),
        pytest.param("$context.identity.sourceIp", "1.2.3.4", id="nested context"),
        pytest.param("$context.none", None, id="context that is not there"),
        pytest.param("$context.authorizer.claims", None, id="context that is null"),
        pytest.param("$stageVariables.environmentId", "env-1", id="a stage variable"),
        pytest.param("$stageVariables.none", None, id="a stage variable that is not set"),
        pytest.param("$request.header.Header1", "value1,value2", id="every value of a header"),
        pytest.param("$request.header.hEADER1", "value1,value2", id="in any casing"),
        pytest.param("$request.header.none", None, id="a missing header"),
        pytest.param("$request.querystring.q", "1,2", id="every value of a query parameter"),
        pytest.param("$request.querystring.Q", "3", id="query names by their casing"),
        pytest.param("$request.querystring.none", None, id="a missing query parameter"),
        pytest.param("$request.path", "/pets/7", id="the path"),
        pytest.param("$request.path.petId", "a/b c", id="a path parameter is decoded"),
        pytest.param("$request.path.none", None, id="a missing path parameter"),
        pytest.param("$request.body", BODY.decode(), id="the whole body"),
        pytest.param("$request.body.s", "text", id="a text in the body"),
        pytest.param("$request.body.a.b", '[1,{"c":"d"}]', id="a list in the body"),
        pytest.param("$request.body.a.b[1].c", "d", id="an index"),
        pytest.param("$request.body.a.b[*].c", '["d"]', id="a wildcard"),
        pytest.param("$request.body.n", None, id="null"),
        pytest.param("$request.body.none", None, id="a path that finds nothing"),
        pytest.param("${request.path.petId}-${context.requestId}", "a/b c-id-1", id="two variables"),
        pytest.param("<${request.header.none}>", "<>", id="a missing one in a text is empty"),
        pytest.param("${request.header.none}", None, id="a missing one alone in braces"),
        pytest.param("${stageVariables.environmentId}", "env-1", id="in braces"),
    ],
)
def test_a_value_as_a_header_and_as_a_query_parameter(value: str, text: str | None) -> None:
    result = sent({"append:header.out": value, "append:querystring.out": value})

    assert [v for k, v in result.headers if k == b"out"] == ([] if text is None else [text.encode()])
    assert result.query.get("out") == (None if text is None else [text])


HEADER_CASES = [
    pytest.param({"append:header.HEADER1": "new"}, [*HEADERS, (b"HEADER1", b"new")], id="append"),
    pytest.param({"overwrite:header.header1": "new"}, [HEADERS[1], (b"header1", b"new")], id="overwrite"),
    pytest.param({"overwrite:header.own": "new"}, [*HEADERS, (b"own", b"new")], id="overwrite what is not there"),
    pytest.param({"overwrite:header.header1": "$request.header.none"}, HEADERS, id="overwrite with nothing is skipped"),
    pytest.param({"remove:header.HEADER1": ""}, [HEADERS[1]], id="remove"),
    pytest.param({"remove:header.header1": "''"}, [HEADERS[1]], id="remove, as the guide writes it"),
    pytest.param({"remove:header.none": ""}, HEADERS, id="remove what is not there"),
    pytest.param(
        {"append:header.header2": "$request.header.header1", "remove:header.header1": "''"},
        [HEADERS[1], (b"header2", b"value1,value2")],
        id="rename",
    ),
    pytest.param(
        {"remove:header.header1": "''", "append:header.header2": "$request.header.header1"},
        [HEADERS[1], (b"header2", b"value1,value2")],
        id="rename, removed first",
    ),
    pytest.param(
        {"overwrite:header.a": "1", "append:header.a": "2"}, [*HEADERS, (b"a", b"1"), (b"a", b"2")], id="in their order"
    ),
]


@pytest.mark.parametrize(("mappings", "headers"), HEADER_CASES)
def test_headers_are_appended_overwritten_and_removed(mappings: dict[str, str], headers: HeaderList) -> None:
    assert sent(mappings).headers == headers


@pytest.mark.parametrize(
    ("mappings", "query"),
    [
        pytest.param({"append:querystring.q": "3"}, {"q": ["1", "2", "3"], "Q": ["3"]}, id="append"),
        pytest.param({"overwrite:querystring.q": "3"}, {"q": ["3"], "Q": ["3"]}, id="overwrite"),
        pytest.param({"remove:querystring.q": "''"}, {"Q": ["3"]}, id="remove"),
        pytest.param({"remove:querystring.none": ""}, {"q": ["1", "2"], "Q": ["3"]}, id="remove what is not there"),
        pytest.param(
            {"append:querystring.new": "$request.querystring.q"},
            {"q": ["1", "2"], "Q": ["3"], "new": ["1,2"]},
            id="joined",
        ),
    ],
)  # fmt: skip
def test_the_query_is_appended_to_overwritten_and_removed_from(
    mappings: dict[str, str], query: dict[str, list[str]]
) -> None:
    assert sent(mappings).query == query


def test_what_came_in_stays_as_it_was() -> None:
    request = a_request()

    sent({"remove:header.header1": "", "append:querystring.q": "3", "overwrite:path": "/x"}, request)

    assert request.header_list == HEADERS
    assert request.query == {"q": ["1", "2"], "Q": ["3"]}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param("/static/path", "/static/path", id="static"),
        pytest.param("static", "/static", id="without its slash"),
        pytest.param("//other.example/x", "/other.example/x", id="no authority"),
        pytest.param("/a b?c#d", "/a%20b%3Fc%23d", id="no query and no fragment"),
        pytest.param("$request.path", "/pets/7", id="the path that came"),
        pytest.param("/v2/${request.path.petId}/x", "/v2/a%2Fb%20c/x", id="an encoded slash stays encoded"),
        pytest.param("/$request.path", "/$request.path", id="text, not a variable"),
        pytest.param("$request.header.none", None, id="nothing leaves the path alone"),
    ],
)
def test_the_path_is_overwritten(value: str, path: str | None) -> None:
    assert sent({"overwrite:path": value}).path == path


@pytest.mark.parametrize("parameter", ["..", "%2e%2e", "a%2f..%2Fb", "..%5c"])
def test_dot_segments_of_a_client_do_not_get_into_the_path(parameter: str) -> None:
    refusal = rewritten({"overwrite:path": "/v2/${request.path.petId}"}, a_request(petId=parameter))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize("body", [b"", b"{", b"no JSON", b"[" * 100_000], ids=["empty", "broken", "text", "deep"])
def test_a_path_finds_nothing_in_what_is_no_json(body: bytes) -> None:
    result = sent({"append:header.a": "$request.body.s", "append:header.b": "<${request.body.s}>"}, a_request(body))

    assert result.headers == [*HEADERS, (b"b", b"<>")]


@pytest.mark.parametrize(
    ("size", "text"), [(MOST_BODY_BYTES, "found"), (MOST_BODY_BYTES + 1, None)], ids=["100 KB", "a byte more"]
)
def test_a_path_looks_at_100_kb_of_a_body(size: int, text: str | None) -> None:
    body = b'{"a": "found", "b": "' + b"x" * (size - 23) + b'"}'
    assert len(body) == size

    result = sent(
        {"append:querystring.a": "$request.body.a", "append:querystring.all": "$request.body"}, a_request(body)
    )

    assert result.query.get("a") == (None if text is None else [text])
    assert result.query["all"] == [body.decode()]


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0"])
def test_a_value_of_more_than_one_line_is_refused(value: str) -> None:
    refusal = rewritten({"append:header.out": "$request.body.v"}, a_request(json.dumps({"v": value}).encode()))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


RESERVED = [
    "Access-Control-Allow-Origin", "apigw-requestid", "Authorization", "Connection", "Content-Encoding",
    "Content-Length", "Content-Location", "Forwarded", "Keep-Alive", "Origin", "Proxy-Authenticate",
    "Proxy-Authorization", "TE", "Trailers", "Transfer-Encoding", "Upgrade", "x-amz-date", "X-Amzn-Trace-Id",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via",
]  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("verb", ["append", "overwrite", "remove"])
def test_reserved_headers_cannot_be_mapped(name: str, verb: str) -> None:
    mappings = {f"{verb}:header.{name}": ""}

    found = [
        compile_request_parameters(mappings, {}),
        compile_response_parameters({"200": mappings}, {}),
    ]

    assert is_reserved(name)
    assert all(isinstance(each, list) and "reserved" in each[0] for each in found)


@pytest.mark.parametrize("name", ["Host", "Accept", "X-Forwarded", "Cookie", "amz-date", "Content-Type"])
def test_other_headers_can_be_mapped(name: str) -> None:
    assert not is_reserved(name)
    assert problems_of(f"overwrite:header.{name}") == []


@pytest.mark.parametrize(
    "key",
    [
        "header.x", "replace:header.x", "append:cookie.x", "append:path", "remove:path", "overwrite:path.x",
        "overwrite:statuscode", "append:header.", "append:header.a b", "append:header.a:b", "append:querystring.", "",
        "integration.request.header.x",
    ],
)  # fmt: skip
def test_a_target_that_is_none_is_a_problem(key: str) -> None:
    (problem,) = problems_of(key)

    assert repr(key) in problem


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param("$request.cookie.x", "no variable 'request.cookie.x'", id="a place that is none"),
        pytest.param("$request.header", "no variable", id="no name"),
        pytest.param("$response.header.x", "no variable", id="the response in a request"),
        pytest.param("$response.body.x", "no variable", id="its body too"),
        pytest.param("$context.a-b", "no variable", id="a hyphen in a context variable"),
        pytest.param("$stageVariables.a.b", "no variable", id="a dot in a stage variable"),
        pytest.param("$request.body..name", "recursive descent", id="recursive descent"),
        pytest.param("${request.body.a[?(@.b)]}", "filter", id="a filter"),
        pytest.param("$request.body.a[", "is no JSONPath", id="no JSONPath"),
        pytest.param("a ${nothing} b", "no variable 'nothing'", id="in a text"),
        pytest.param("${}", "no variable ''", id="empty braces"),
    ],
)
def test_a_value_that_is_none_is_a_problem(value: str, told: str) -> None:
    (problem,) = problems_of("append:header.x", value)

    assert told in problem


def test_what_is_removed_takes_no_value() -> None:
    (problem,) = problems_of("remove:header.x", "value")

    assert "takes no value" in problem


def test_every_problem_is_reported() -> None:
    found = compile_request_parameters({"a": "", "append:header.via": "", "append:header.x": "$no"}, {})

    assert isinstance(found, list)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("mappings", "body", "context"),
    [
        ({"append:header.x": "static"}, False, False),
        ({"append:header.x": "$request.body.a"}, True, False),
        ({"append:querystring.x": "a ${context.requestId}"}, False, True),
    ],
    ids=["neither", "the body", "the context"],
)
def test_mappings_know_what_they_look_at(mappings: dict[str, str], body: bool, context: bool) -> None:
    compiled = compile_request_parameters(mappings, {})
    assert isinstance(compiled, RequestParameters)

    assert (compiled.needs_body, compiled.needs_context) == (body, context)


# ------------------------------------------------------------------------------------------------- responses


def answered(
    parameters: Mapping[str, Mapping[str, str]], status: int, body: bytes = b'{"message": "no", "code": 404}'
) -> tuple[int, HeaderList] | Refusal:
    compiled = compile_response_parameters(parameters, VARIABLES)
    assert isinstance(compiled, ResponseParameters), compiled
    return compiled.apply(a_request(), CONTEXT, status, list(HEADERS), body)


GUIDE = {
    "500": {"append:header.header1": "$context.requestId", "overwrite:statuscode": "403"},
    "404": {"append:header.error": "$stageVariables.environmentId"},
}


@pytest.mark.parametrize(
    ("status", "becomes", "headers"),
    [
        pytest.param(500, 403, [*HEADERS, (b"header1", b"id-1")], id="500"),
        pytest.param(404, 404, [*HEADERS, (b"error", b"env-1")], id="404"),
        pytest.param(200, 200, HEADERS, id="a status without mappings"),
    ],
)
def test_responses_are_mapped_by_their_exact_status(status: int, becomes: int, headers: HeaderList) -> None:
    assert answered(GUIDE, status) == (becomes, headers)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("$response.header.HEADER1", b"value1,value2", id="a header"),
        pytest.param("${response.body.message}!", b"no!", id="the body"),
        pytest.param("$response.body", b'{"message": "no", "code": 404}', id="the whole body"),
        pytest.param("$request.path.petId", b"a/b c", id="the request"),
        pytest.param("$response.header.none", None, id="nothing"),
    ],
)
def test_a_value_of_a_response(value: str, text: bytes | None) -> None:
    result = answered({"200": {"overwrite:header.out": value, "remove:header.x-kept": ""}}, 200)

    assert result == (200, [HEADERS[0], HEADERS[2], *([] if text is None else [(b"out", text)])])


@pytest.mark.parametrize(
    ("value", "status"),
    [
        pytest.param("$response.body.code", 404, id="from the body"),
        pytest.param("$response.body.none", 200, id="nothing leaves it alone"),
        pytest.param("$response.body.message", None, id="no status"),
    ],
)
def test_the_status_may_be_a_variable(value: str, status: int | None) -> None:
    result = answered({"200": {"overwrite:statuscode": value}}, 200)

    if status is None:
        assert isinstance(result, Refusal)
        assert result.reason is Reason.MAPPING_FAILED
    else:
        assert result == (status, HEADERS)


def test_a_response_value_of_more_than_one_line_is_refused() -> None:
    result = answered({"200": {"append:header.x": "$response.body.a"}}, 200, b'{"a": "b\\r\\nc: d"}')

    assert isinstance(result, Refusal)


def test_responses_know_which_statuses_look_at_the_body() -> None:
    compiled = compile_response_parameters({"200": {"append:header.x": "$response.body.a"}, "201": {}}, {})
    assert isinstance(compiled, ResponseParameters)

    assert [compiled.needs_body(status) for status in (200, 201, 404)] == [True, False, False]
    assert (compiled.needs_request_body, compiled.needs_context) == (False, False)


def test_responses_know_what_they_look_at_before_there_is_a_status() -> None:
    mappings = {"append:header.x": "$request.body", "append:header.y": "$context.requestId"}
    compiled = compile_response_parameters({"200": {}, "500": mappings}, {})
    assert isinstance(compiled, ResponseParameters)

    assert (compiled.needs_request_body, compiled.needs_context) == (True, True)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"199": {}}, "'199' is no status of 200 to 599"),
        ({"600": {}}, "'600' is no status"),
        ({"default": {}}, "'default' is no status"),
        ({"2xx": {}}, "'2xx' is no status"),
        ({"200": {"overwrite:path": "/"}}, "200: 'overwrite:path' is no target"),
        ({"200": {"append:querystring.x": "1"}}, "200: 'append:querystring.x' is no target"),
        ({"200": {"overwrite:statuscode": "1000"}}, "'1000' is no status of 200 to 599"),
        ({"200": {"overwrite:statuscode": "teapot"}}, "'teapot' is no status"),
        ({"200": {"append:header.x": "$no"}}, "200: 'append:header.x': there is no variable"),
    ],
    ids=["199", "600", "default", "2xx", "the path", "the query", "a status that is none", "no number", "no variable"],
)
def test_a_response_mapping_that_is_none_is_a_problem(parameters: dict[str, dict[str, str]], told: str) -> None:
    found = compile_response_parameters(parameters, {})

    assert isinstance(found, list)
    assert told in found[0]


# ------------------------------------------------------------------------------------------------- any text

KEYS = st.text() | st.builds(
    "{}:{}".format,
    st.sampled_from(["append", "overwrite", "remove"]),
    st.sampled_from(["path", "statuscode"])
    | st.text().map("header.{}".format)
    | st.text().map("querystring.{}".format),
)
VALUES = st.text() | st.lists(
    st.text(max_size=5)
    | st.sampled_from(
        ["$request.path", "${request.body}", "${request.body.a}", "${response.header.x}", "$", "${", "}"]
    ),
    max_size=4,
).map("".join)


@given(KEYS, VALUES, st.binary(), st.text())
def test_any_mapping_gives_a_value_or_a_problem(key: str, value: str, body: bytes, parameter: str) -> None:
    request = a_request(body, petId=parameter)

    compiled = compile_request_parameters({key: value}, VARIABLES)
    responses = compile_response_parameters({"200": {key: value}}, VARIABLES)

    if isinstance(compiled, RequestParameters):
        outcome = compiled.apply(request, CONTEXT, request.header_list, request.query)
        assert isinstance(outcome, (Rewritten, Refusal))
        if isinstance(outcome, Rewritten) and outcome.path is not None:
            assert outcome.path.startswith("/")
            assert outcome.path.isascii()
            assert outcome.path.isprintable()
    if isinstance(responses, ResponseParameters):
        assert isinstance(responses.apply(request, CONTEXT, 200, request.header_list, body), (tuple, Refusal))
