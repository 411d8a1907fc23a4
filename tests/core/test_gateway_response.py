"""A refusal as API Gateway would send it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.gateway_response import Customised, compile_renderer
from gatewaykit.core.http import Request, Response
from gatewaykit.core.reasons import Reason, Refusal, ResponseType


def render(
    reason: Reason, customised: dict[str, Customised] | None = None, *, profile: str = "aws", request: Any = None,
    context: Any = None, **refusal: Any,
) -> Response:  # fmt: skip
    renderer = compile_renderer(customised, profile=profile, context=context)
    return renderer(request or Request("GET", "/"), Refusal(reason, **refusal))


def asking(path: str = "/", query: bytes = b"", **headers: str) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", path, headers=fields, query_string=query)


ROW_10 = {
    "ACCESS_DENIED": 403, "API_CONFIGURATION_ERROR": 500, "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500, "BAD_REQUEST_BODY": 400, "BAD_REQUEST_PARAMETERS": 400, "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 504, "INTEGRATION_TIMEOUT": 504, "INVALID_API_KEY": 403, "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403, "QUOTA_EXCEEDED": 429, "REQUEST_TOO_LARGE": 413, "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429, "UNAUTHORIZED": 401, "UNSUPPORTED_MEDIA_TYPE": 415, "WAF_FILTERED": 403,
}  # fmt: skip


@pytest.mark.parametrize(("name", "status"), ROW_10.items(), ids=[f"row 10: {name}" for name in ROW_10])
def test_default_statuses(name: str, status: int) -> None:
    assert ResponseType[name].status == status


@pytest.mark.parametrize(
    ("reason", "status", "body", "error_type"),
    [
        pytest.param(
            Reason.ROUTE_NOT_FOUND, 403, b'{"message":"Missing Authentication Token"}',
            "MissingAuthenticationTokenException", id="row 1",
        ),
        pytest.param(
            Reason.METHOD_NOT_FOUND, 403, b'{"message":"Missing Authentication Token"}',
            "MissingAuthenticationTokenException", id="row 2",
        ),
        pytest.param(
            Reason.ENDPOINT_INVALID, 500, b'{"message":"Internal server error"}', "InternalServerErrorException",
            id="row 13",
        ),
        pytest.param(
            Reason.INTERNAL_ERROR, 500, b'{"message":"Internal server error"}', "InternalFailureException",
            id="01 §4: an error of no type",
        ),
        pytest.param(
            Reason.BODY_MAPPING_INVALID, 400, b'{"message":"Bad Request"}', "BadRequestException",
            id="01 §4: a client's error of no type",
        ),
        pytest.param(
            Reason.BODY_INVALID, 400, b'{"message":"Invalid request body"}', "BadRequestException", id="row 18",
        ),
        pytest.param(
            Reason.FORBIDDEN, 403, b'{"Message":"User is not authorized to access this resource"}',
            "AccessDeniedException", id="a denial has a capital M",
        ),
        pytest.param(
            Reason.AUTHORIZER_MISCONFIGURED, 500, b'{"message":null}', "AuthorizerConfigurationException",
            id="no message is null",
        ),
        pytest.param(
            Reason.FUNCTION_FAILED, 502, b'{"message":"Internal server error"}', "InternalServerErrorException",
            id="a reason with a status of its own",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("profile", ["aws", "web"])
def test_a_default_answer_is(reason: Reason, status: int, body: bytes, error_type: str, profile: str) -> None:
    response = render(reason, profile=profile)

    assert (response.status, response.body) == (status, body)
    assert response.header("x-amzn-errortype") == error_type
    assert response.header("content-type") == "application/json"


def test_a_denial_in_the_words_of_an_http_api_has_no_capital() -> None:  # 02 §9
    refusal = Refusal(Reason.DENIED_IMPLICITLY, message="Forbidden", error_type="ForbiddenException")

    assert compile_renderer()(Request("GET", "/"), refusal).body == b'{"message":"Forbidden"}'


def test_answers_do_not_share_their_headers() -> None:
    renderer = compile_renderer()
    first = renderer(Request("GET", "/"), Refusal(Reason.FORBIDDEN))
    first.headers.append((b"x-amended", b"1"))

    assert renderer(Request("GET", "/"), Refusal(Reason.FORBIDDEN)).header("x-amended") is None


def test_a_refusal_may_bring_its_own_message_and_status() -> None:
    response = render(Reason.PARAMETERS_MISSING, message='Missing: ["a\n"]', status=418)

    assert (response.status, json.loads(response.body)) == (418, {"message": 'Missing: ["a\n"]'})


@pytest.mark.parametrize("profile", ["aws", "web"])
def test_a_body_over_the_limit_is_plain_text_whatever_was_customised(profile: str) -> None:
    customised = {"DEFAULT_4XX": Customised(status=499), "REQUEST_TOO_LARGE": Customised(status=498)}

    response = render(Reason.BODY_TOO_LARGE, customised, profile=profile)

    assert (response.status, response.header("content-type")) == (413, "text/plain")
    assert response.body == b"HTTP content length exceeded 10485760 bytes."


@pytest.mark.parametrize(
    ("customised", "reason", "status", "body"),
    [
        pytest.param(
            {"DEFAULT_5XX": Customised(status=599, templates={"application/json": "x"})}, Reason.INTEGRATION_TIMEOUT,
            599, b"x", id="row 11: an uncustomised type inherits",
        ),
        pytest.param(
            {"DEFAULT_5XX": Customised(status=599, templates={"application/json": "x"}),
             "AUTHORIZER_FAILURE": Customised(templates={"application/json": "own"})}, Reason.AUTHORIZER_FAILED,
            500, b"own", id="row 11: a customised type does not",
        ),
        pytest.param(
            {"DEFAULT_5XX": Customised(status=599)}, Reason.THROTTLED, 429, b'{"message":"Too Many Requests"}',
            id="5XX is not for 4XX",
        ),
        pytest.param(
            {"DEFAULT_4XX": Customised(status=499)}, Reason.THROTTLED, 499, b'{"message":"Too Many Requests"}',
            id="4XX with a status alone",
        ),
        pytest.param(
            {"MISSING_AUTHENTICATION_TOKEN": Customised(templates={"application/json": "t"})}, Reason.ROUTE_NOT_FOUND,
            403, b"t", id="row 12: a template alone keeps the status",
        ),
        pytest.param(
            {"MISSING_AUTHENTICATION_TOKEN": Customised(parameters={"gatewayresponse.header.x": "'1'"})},
            Reason.ROUTE_NOT_FOUND, 403, b'{"message":"Missing Authentication Token"}',
            id="row 12: parameters alone keep the template",
        ),
        pytest.param(
            {"ACCESS_DENIED": Customised(status=401)}, Reason.FORBIDDEN, 401,
            b'{"message":"User is not authorized to access this resource"}', id="a denial that was customised",
        ),
    ],
)  # fmt: skip
def test_customised_types(customised: dict[str, Customised], reason: Reason, status: int, body: bytes) -> None:
    response = render(reason, customised)

    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$context.error.message", "no"),
        ("$context.error.messageString", '"no"'),
        ("${context.error.message}!", "no!"),
        ("$context.error.responseType", "INVALID_API_KEY"),
        ("$context.error.validationErrorString", "why"),
        ("$context.requestId", "id-1"),
        ("$context.nowhere", ""),
        ("$context.error", ""),
        ("$context.flag", "true"),
        ("$context.nothing", ""),
        ("$stageVariables.tier", "gold"),
        ("${stageVariables.tier}", "gold"),
        ("method.request.header.x-a", "1"),
        ("method.request.querystring.q", "2"),
        ("method.request.querystring.z", ""),
        ("method.request.path.id", "7"),
        ("$method.request.path.id", "7"),
        ("${method.request.path.id}8", "78"),
        ("$method.request.header.x-a.", "1."),
        ("a.method.request.path.id", "a.method.request.path.id"),
        ("$input.body #if(true)", "$input.body #if(true)"),
        ("$context.requestId.", "id-1."),
    ],
)
def test_a_template_substitutes(template: str, text: str) -> None:
    request = asking("/", b"q=1&q=2", x_a="1")
    request.stage_variables, request.path_parameters = {"tier": "gold"}, {"id": "7"}

    response = render(
        Reason.API_KEY_MISSING,
        {"INVALID_API_KEY": Customised(templates={"application/json": template})},
        request=request, message="no", facts={"validationErrorString": "why"},
        context=lambda request, refusal: {"requestId": "id-1", "flag": True, "nothing": None},
    )  # fmt: skip

    assert response.body == text.encode()


def test_without_a_context_the_ids_are_known() -> None:
    request = Request("GET", "/")
    request.id = "id-2"

    response = render(
        Reason.THROTTLED, {"THROTTLED": Customised(templates={"text/plain": "$context.requestId"})}, request=request
    )

    assert (response.body, response.header("content-type")) == (b"id-2", "text/plain")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'static'", "static"),
        ("method.request.header.origin", "https://a"),
        ("method.request.header.absent", None),
        ("context.error.responseType", "THROTTLED"),
        ("stageVariables.absent", None),
        ("'", None),
    ],
)
def test_a_header_parameter_is(expression: str, value: str | None) -> None:
    parameters = {"gatewayresponse.header.x-a": expression, "method.response.header.x-b": "'ignored'"}

    response = render(
        Reason.THROTTLED, {"THROTTLED": Customised(parameters=parameters)}, request=asking(origin="https://a")
    )

    assert (response.header("x-a"), response.header("x-b")) == (value, None)


def test_a_header_parameter_replaces_what_the_gateway_would_send() -> None:
    parameters = {"gatewayresponse.header.Content-Type": "'text/x'", "gatewayresponse.header.x-amzn-ErrorType": "'Own'"}

    response = render(Reason.THROTTLED, {"DEFAULT_4XX": Customised(parameters=parameters)})

    assert response.headers == [(b"Content-Type", b"text/x"), (b"x-amzn-ErrorType", b"Own")]


@pytest.mark.parametrize("name", ["Transfer-Encoding", "Content-Length", "Connection", "a:b", "a b", "\u2603", ""])
def test_a_header_parameter_cannot_frame_the_message_or_be_no_header(name: str) -> None:
    parameters = {f"gatewayresponse.header.{name}": "'chunked'", "gatewayresponse.header.WWW-Authenticate": "'Basic'"}

    response = render(Reason.UNAUTHENTICATED, {"UNAUTHORIZED": Customised(parameters=parameters)})

    assert [key for key, _ in response.headers] == [b"content-type", b"x-amzn-errortype", b"WWW-Authenticate"]


@pytest.mark.parametrize("customised", [None, {"DEFAULT_4XX": Customised(status=418)}], ids=["default", "customised"])
def test_a_refusal_may_bring_its_own_error_type(customised: dict[str, Customised] | None) -> None:
    response = render(Reason.ROUTE_NOT_FOUND, customised, error_type="OtherException")

    assert response.header("x-amzn-errortype") == "OtherException"


@pytest.mark.parametrize("evil", ["a\r\nset-cookie: b", "a\nb", "a\0b"], ids=["CRLF", "LF", "NUL"])
def test_a_header_parameter_cannot_inject(evil: str) -> None:
    parameters = {"gatewayresponse.header.x-a": "method.request.querystring.q"}
    request = Request("GET", "/")
    request.query = {"q": [evil]}

    response = render(Reason.THROTTLED, {"THROTTLED": Customised(parameters=parameters)}, request=request)

    assert response.header("x-a") is None


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"), ("application/xml", "application/xml"),
        ("application/xml;q=1, a/b", "application/xml"),
        ("text/html", "application/json"),
    ],
)  # fmt: skip
def test_the_template_is_chosen_by_accept(accept: str | None, chosen: str) -> None:
    templates = {"application/xml": "<no/>", "application/json": "{}"}
    request = asking(**({} if accept is None else {"accept": accept}))

    response = render(Reason.THROTTLED, {"THROTTLED": Customised(templates=templates)}, request=request)

    assert response.header("content-type") == chosen


FIELDS = ((b"retry-after", b"1"),)


def test_headers_of_a_refusal_are_for_the_web_only() -> None:
    assert render(Reason.THROTTLED, profile="web", headers=FIELDS).header("retry-after") == "1"
    assert render(Reason.THROTTLED, profile="aws", headers=FIELDS).header("retry-after") is None
    customised = {"THROTTLED": Customised(status=420)}
    assert render(Reason.THROTTLED, customised, profile="web", headers=FIELDS).header("retry-after") == "1"


@pytest.mark.parametrize("reason", [Reason.THROTTLED, Reason.AUTHORIZER_FAILED], ids=lambda reason: reason.name)
def test_problem_details_are_for_the_web_on_request(reason: Reason) -> None:
    request = asking(accept="application/problem+json, */*")
    request.id = "8f14e45f-ceea-467f-9d2b-1a2b3c4d5e6f"

    web = render(reason, profile="web", request=request, headers=FIELDS)
    aws = render(reason, profile="aws", request=request)

    assert (web.header("content-type"), web.header("retry-after")) == ("application/problem+json", "1")
    assert json.loads(web.body) == {
        "type": "about:blank", "status": reason.status, "title": reason.message or "Error",
        "instance": "urn:uuid:8f14e45f-ceea-467f-9d2b-1a2b3c4d5e6f",
    }  # fmt: skip
    assert aws.header("content-type") == "application/json"


def test_problem_details_without_an_id_have_no_instance() -> None:
    request = asking(accept="application/problem+json")
    request.id = ""

    assert "instance" not in json.loads(render(Reason.THROTTLED, profile="web", request=request).body)


@given(st.text(max_size=80), st.text(max_size=40), st.sampled_from(["aws", "web"]))
def test_any_template_and_message_give_a_response(template: str, message: str, profile: str) -> None:
    response = render(
        Reason.FORBIDDEN, {"DEFAULT_4XX": Customised(templates={"application/json": template})},
        profile=profile, message=message,
    )  # fmt: skip

    assert isinstance(response.body, bytes)
