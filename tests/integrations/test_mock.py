"""MOCK integrations: rows 34 to 39, and what every non-proxy integration does with templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.integrations.compile import compile_integration
from tests.integrations.making import PNG, a_request, deps_for, endpoint, response

OK = {"application/json": '{"statusCode": 200}'}
JSON = (b"content-type", b"application/json")


def answer_of(request: Request | None = None, **fields: object) -> Response:
    """What a MOCK integration answers, at once."""
    fields.setdefault("request_templates", OK)
    fields.setdefault("responses", (response(),))
    answer = endpoint("MOCK", deps_for(stage_variables={"v": "1"}), **fields)(request or a_request())
    assert isinstance(answer, Response), answer
    return answer


def refusal_of(request: Request | None = None, types: tuple[str, ...] = (), **fields: object) -> Refusal:
    fields.setdefault("request_templates", OK)
    fields.setdefault("responses", (response(),))
    refusal = endpoint("MOCK", deps_for(binary_media_types=types), **fields)(request or a_request())
    assert isinstance(refusal, Refusal), refusal
    return refusal


def test_a_mock_without_response_templates_answers_with_an_empty_body() -> None:  # row 39
    answer = answer_of()

    assert (answer.status, answer.headers, answer.body) == (200, [JSON], b"")


def test_no_trace_is_made_for_a_mock() -> None:  # row 6
    request = a_request()
    answer_of(request)

    assert request.trace_id == ""


def test_a_response_template_may_read_the_requests_parameters() -> None:  # row 34
    answer = answer_of(
        a_request(query=b"data=x+y", path_parameters={"id": "a%20b"}),
        responses=(response(response_templates={"application/json": "$input.params().path.id $input.params('data')"}),),
    )

    assert answer.body == b"a b x y"


def test_a_response_template_sees_what_the_request_template_overrode() -> None:  # row 35
    answer = answer_of(
        request_templates={
            "application/json": '#set($context.requestOverride.path.body = "carried"){"statusCode": 200}'
        },
        responses=(response(response_templates={"application/json": "$context.requestOverride.path.body"}),),
    )

    assert answer.body == b"carried"


@pytest.mark.parametrize("template", [None, "$context.responseOverride.status $context.responseOverride.header.foo"])
def test_a_request_template_may_override_the_response(template: str | None) -> None:  # row 36
    answer = answer_of(
        request_templates={
            "application/json": "#set($context.responseOverride.status = 444)"
            '#set($context.responseOverride.header.foo = "bar"){"statusCode": 200}'
        },
        responses=(response(response_templates={"application/json": template} if template else {}),),
    )

    assert (answer.status, answer.header("foo")) == (444, "bar")
    assert answer.body == (b"444 bar" if template else b"")


def test_a_response_template_may_override_the_status() -> None:  # row 97
    answer = answer_of(
        responses=(
            response(
                "200", "201", response_templates={"application/json": "#set($context.responseOverride.status = 202)"}
            ),
            response(),
        )
    )

    assert answer.status == 202


@pytest.mark.parametrize("written", ['"444"', "true", "99", "600", "4.5", '{"a": 1}'])
def test_an_overridden_status_that_is_none_is_ignored(written: str) -> None:
    template = f'#set($context.responseOverride.status = {written}){{"statusCode": 200}}'

    assert answer_of(request_templates={"application/json": template}).status == 200


def test_an_overridden_header_replaces_a_mapped_one_and_is_renamed_like_it() -> None:
    answer = answer_of(
        request_templates={
            "application/json": '#set($context.responseOverride.header.x-a = "over")'
            '#set($context.responseOverride.header.Date = "d"){"statusCode": 200}'
        },
        responses=(response(response_parameters={"method.response.header.X-A": "'mapped'"}),),
    )

    assert answer.headers == [(b"x-a", b"over"), (b"x-amzn-Remapped-Date", b"d"), JSON]


@pytest.mark.parametrize("spoilt", ['"text"', "{}", '{"header": "text", "status": "text"}', "[]"])
def test_overrides_that_a_template_spoils_do_no_harm(spoilt: str) -> None:
    template = f'#set($context.responseOverride = {spoilt}){{"statusCode": 200}}'

    answer = answer_of(request_templates={"application/json": template})

    assert (answer.status, answer.headers) == (200, [JSON])


def test_a_template_sees_the_recorded_context() -> None:  # row 40
    template = "#foreach($k in $context.keySet())$k #end|#foreach($k in $context.identity.keySet())$k #end"

    body = answer_of(responses=(response(response_templates={"application/json": template}),)).body

    assert isinstance(body, bytes)
    keys, identity = (part.split() for part in body.decode().split("|"))
    assert sorted(keys) == [
        "accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod",
        "identity", "path", "protocol", "requestId", "requestOverride", "requestTime", "requestTimeEpoch",
        "resourceId", "resourcePath", "responseOverride", "stage",
    ]  # fmt: skip
    assert len(identity) == 12


def test_an_override_may_be_set_once_only() -> None:
    again = "#set($context.responseOverride.status = 201)"

    refusal = refusal_of(
        request_templates={"application/json": again + '{"statusCode": 200}'},
        responses=(response(response_templates={"application/json": again}),),
    )

    assert refusal.reason is Reason.MAPPING_FAILED


def test_an_override_with_null_is_none() -> None:
    written = """$util.parseJson('{"header": {"x": null}, "status": null}')"""
    template = f'#set($context.responseOverride = {written}){{"statusCode": 200}}'

    assert answer_of(request_templates={"application/json": template}).headers == [JSON]


def test_an_override_with_a_line_break_is_refused() -> None:
    template = '#set($context.responseOverride.header.x = $input.params("q")){"statusCode": 200}'

    refusal = refusal_of(a_request(query=b"q=a%0d%0ab"), request_templates={"application/json": template})

    assert refusal.reason is Reason.MAPPING_FAILED


def test_response_headers_are_mapped_from_constants_and_context() -> None:
    answer = answer_of(
        responses=(
            response(
                response_parameters={
                    "method.response.header.Access-Control-Allow-Origin": "'*'",
                    "method.response.header.Content-Type": "'text/plain'",
                    "method.response.header.X-Stage": "context.stage",
                    "method.response.header.X-V": "stageVariables.v",
                }
            ),
        )
    )

    assert answer.headers == [
        (b"Access-Control-Allow-Origin", b"*"), (b"Content-Type", b"text/plain"), (b"X-Stage", b"dev"), (b"X-V", b"1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "chosen"),
    [
        pytest.param(200, 201, id="exact"),
        pytest.param(404, 400, id="pattern"),
        pytest.param(4040, 299, id="a pattern has to match the whole status"),
        pytest.param(500, 299, id="default"),
        pytest.param(503, 501, id="the lowest status where several match"),
        pytest.param(0, 299, id="zero"),
    ],
)
def test_the_mocked_status_selects_the_response(status: int, chosen: int) -> None:
    answer = answer_of(
        request_templates={"application/json": f'{{"statusCode": {status}}}'},
        responses=(
            response("503", "502"), response("200", "201"), response(r"4\d{2}", "400"), response("503", "501"),
            response("", "299"),
        ),
    )  # fmt: skip

    assert answer.status == chosen


def test_no_matching_response_is_a_500() -> None:
    refusal = refusal_of(responses=(response("404", "404"),))

    assert refusal.reason is Reason.NO_INTEGRATION_RESPONSE
    assert refusal.reason.status == 500


@pytest.mark.parametrize("rendered", ["", "{}", '{"statusCode": "200"}', "no"])
def test_a_template_without_a_status_is_a_500(rendered: str) -> None:
    refusal = refusal_of(request_templates={"application/json": f"## \n{rendered}"})

    assert (refusal.reason.status, refusal.reason.message) == (500, "Internal server error")
    assert "Unable to parse statusCode" in refusal.detail


def test_without_any_template_the_default_response_answers() -> None:
    assert answer_of(request_templates={}, responses=(response("200", "201"), response(None, "299"))).status == 299


def test_a_body_passed_through_may_name_the_status() -> None:
    answer = answer_of(
        a_request("POST", headers=[(b"content-type", b"text/plain")], body=b'{"statusCode": 404}'),
        responses=(response("404", "404"), response()),
    )

    assert answer.status == 404


@pytest.mark.parametrize(
    ("behaviour", "templates", "outcome"),
    [
        pytest.param("WHEN_NO_MATCH", {}, 200, id="WHEN_NO_MATCH without templates"),
        pytest.param("WHEN_NO_MATCH", {"text/xml": "x"}, 200, id="WHEN_NO_MATCH, none fits"),
        pytest.param("WHEN_NO_TEMPLATES", {}, 200, id="WHEN_NO_TEMPLATES without templates"),
        pytest.param("WHEN_NO_TEMPLATES", {"text/xml": "x"}, 415, id="WHEN_NO_TEMPLATES, none fits"),
        pytest.param("NEVER", {}, 415, id="NEVER without templates"),
        pytest.param("NEVER", {"text/xml": "x"}, 415, id="NEVER, none fits"),
        pytest.param("NEVER", {"$default": '{"statusCode": 200}'}, 200, id="$default fits everything"),
        pytest.param("NEVER", {"text/plain": '{"statusCode": 200}'}, 200, id="parameters of the type do not count"),
        pytest.param("NEVER", {"text/plain": ""}, 415, id="an empty template fits nothing"),
        pytest.param("WHEN_NO_MATCH", {"text/plain": ""}, 200, id="and passes the body where that is allowed"),
    ],
)
def test_passthrough_behaviours(behaviour: str, templates: dict[str, str], outcome: int) -> None:
    request = a_request("POST", headers=[(b"content-type", b"Text/Plain; charset=utf-8")], body=b'{"statusCode": 200}')
    mock = endpoint(
        "MOCK",
        request_templates=templates,
        passthrough_behavior=behaviour,
        responses=(response("200"), response(None, "599")),
    )

    answer = mock(request)

    assert (answer.status if isinstance(answer, Response) else answer.reason.status) == outcome  # type: ignore[union-attr]  # a mock answers at once


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param(None, b"json", id="none: JSON"),
        pytest.param(b"text/xml", b"xml", id="by Accept"),
        pytest.param(b"text/html, text/xml", b"json", id="only the first type of Accept"),
        pytest.param(b"*/*", b"json", id="else JSON"),
    ],
)
def test_a_response_template_is_chosen_by_accept(accept: bytes | None, body: bytes) -> None:
    headers: HeaderList = [] if accept is None else [(b"accept", accept)]
    templates = {"text/xml": "xml", "application/json": "json"}

    assert answer_of(a_request(headers=headers), responses=(response(response_templates=templates),)).body == body


def test_the_first_template_serves_where_none_fits() -> None:
    assert answer_of(responses=(response(response_templates={"text/xml": "xml", "text/csv": "csv"}),)).body == b"xml"


def test_a_failing_template_is_a_500_that_names_its_place() -> None:
    refusal = refusal_of(request_templates={"application/json": "#foreach($i in [1..2000])$i#end"})

    assert refusal.reason is Reason.MAPPING_FAILED
    assert "line 1" in refusal.detail


def test_a_failing_response_template_is_a_500() -> None:
    templates = {"application/json": "#foreach($i in [1..2000])$i#end"}

    assert refusal_of(responses=(response(response_templates=templates),)).reason is Reason.MAPPING_FAILED


def test_a_binary_body_cannot_enter_a_template() -> None:  # rows 111 and 118
    templates = {"application/json": '{"statusCode": 200}'}
    everything = ("*/*",)

    assert refusal_of(types=everything, request_templates=templates).reason.status == 500
    converted = {"content_handling": "CONVERT_TO_TEXT", "request_templates": templates}
    bytes_back = (response(response_templates=templates, content_handling="CONVERT_TO_BINARY"),)
    assert refusal_of(types=everything, responses=bytes_back, **converted).reason.status == 500


def test_a_body_that_is_no_base64_cannot_become_binary() -> None:  # row 110
    request = a_request("POST", headers=[(b"content-type", b"text/plain")], body=b"!")

    assert refusal_of(request, types=PNG, content_handling="CONVERT_TO_BINARY").reason.status == 500


def test_every_problem_of_an_integration_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        endpoint(
            "MOCK",
            request_templates={"application/json": "#if(", "text/plain": "#foreach($a in"},
            passthrough_behavior="SOMETIMES",
            content_handling="CONVERT",
            responses=(
                response(
                    "(", "abc", response_parameters={"x": "y"}, response_templates={"a/b": "#if("}, content_handling="X"
                ),
                response(None, "600"),
            ),
        )

    texts = [problem.what for problem in raised.value.problems]
    assert len(texts) == 10
    assert all(text.startswith("the MOCK integration of ANY /pets: ") for text in texts)
    assert "requestTemplates['application/json'], line 1" in texts[0]


def test_an_unknown_type_is_a_problem() -> None:
    with pytest.raises(
        ConfigError, match="integration type 'LAMBDA' is none of AWS, AWS_PROXY, HTTP, HTTP_PROXY, MOCK"
    ):
        endpoint("LAMBDA")


async def test_a_mock_has_nothing_to_close() -> None:
    await endpoint("MOCK").aclose()
    assert callable(compile_integration)


@given(
    st.binary(), st.binary(), st.binary(max_size=40), st.sampled_from([None, "CONVERT_TO_TEXT", "CONVERT_TO_BINARY"])
)
def test_any_request_gets_a_response_or_a_refusal(
    body: bytes, header: bytes, query: bytes, handling: str | None
) -> None:
    mock = endpoint(
        "MOCK",
        deps_for(binary_media_types=PNG),
        content_handling=handling,
        request_templates={"application/json": '{"statusCode": 200, $input.body $input.params()}'},
        responses=(response(response_templates={"application/json": "$input.params('q')"}, content_handling=handling),),
    )
    request = a_request(
        "POST", body=body, query=query, headers=[(b"accept", header), (b"content-type", header), (header, header)]
    )

    answer = mock(request)

    assert isinstance(answer, (Response, Refusal))


@pytest.mark.parametrize(
    ("asked", "answered", "body"),
    [
        ("#set($a = $context.stage)", "$context.stage", b"dev"),  # each reads a part
        ("#set($context.stage = 'x')", "$context.stage", b"x"),  # what one writes, the other reads
        ("#set($context.mine = 'x')", "$context.mine", b"x"),
        ("#set($a = $context)", "$context.stage", b"dev"),
        ("#set($a = $context)#set($a.mine = 'x')", "$context.mine", b"x"),
        ("#set($a = $context.stage)", "$context.stage$context.mine", b"dev"),
    ],
)
def test_two_templates_see_one_context(asked: str, answered: str, body: bytes) -> None:
    answer = answer_of(
        request_templates={"application/json": asked + '{"statusCode": 200}'},
        responses=(response(response_templates={"application/json": answered}),),
    )

    assert answer.body == body
