"""What is chosen on the way through a non-proxy integration: reference 03 section 8, 01 section 10, 04 section 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit.testing import Client, Reply, ScriptedTransport
from gatewaykit.testing.client import Result
from tests.conformance.documents import gateway, lambda_uri, mock

JSON = "application/json"
ISE = b'{"message":"Internal server error"}'
UNSUPPORTED = b'{"message":"Unsupported Media Type"}'


def http(**more: Any) -> dict[str, Any]:
    default = {"default": {"statusCode": "200"}}
    return {"type": "http", "httpMethod": "POST", "uri": "http://back.test/", "responses": default, **more}


def responses(*pairs: tuple[str, int]) -> dict[str, Any]:
    return {pattern: {"statusCode": str(status)} for pattern, status in pairs}


async def answered(status: int, choices: dict[str, Any]) -> Result:
    """The answer where an HTTP back end answers with this status."""
    transport = ScriptedTransport([Reply(status=status, body=b"theirs")])
    return await Client(gateway({"/x": {"get": http(responses=choices)}}, transport=transport)).get("/dev/x")


async def failed(message: str | None, choices: dict[str, Any]) -> Result:
    """The answer where a function raises with this message, or does not."""

    def handler(event: Any, context: Any) -> Any:
        if message is not None:
            raise LookupError(message)
        return {"errorMessage": "only a field of a result"}

    integration = {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("f"), "responses": choices}
    async with gateway({"/x": {"get": integration}}, functions={"f": handler}) as api:
        return await Client(api).get("/dev/x")


# ------------------------------------------------------------------------------------------------- responses


@pytest.mark.parametrize(
    ("status", "chosen"),
    [
        pytest.param(200, 211, id="03 §8: no pattern fits"),
        pytest.param(404, 410, id="03 §8: the lowest status of two that fit"),
        pytest.param(418, 412, id="03 §8: one fits"),
        pytest.param(500, 510, id="03 §8: an alternative"),
    ],
)
async def test_the_status_of_a_back_end_chooses_the_response(status: int, chosen: int) -> None:
    choices = responses((r"4\d{2}", 412), ("404|405", 410), ("default", 211), ("5.0|zzz", 510), ("40", 201), ("2", 202))

    answer = await answered(status, choices)

    assert (answer.status, answer.body) == (chosen, b"theirs")


@pytest.mark.parametrize("pattern", [r"[\s\S]*Bad Request[\s\S]*", r".*(?i)bad request(?s).*", r"\p{Lu}[^\S\n]*.+\R.*"])
async def test_a_pattern_may_be_written_in_any_of_javas_ways(pattern: str) -> None:
    answer = await failed("A Bad Request\nof somebody", responses((pattern, 400), ("default", 200)))

    assert answer.status == 400


@pytest.mark.parametrize(
    ("message", "chosen"),
    [
        pytest.param(None, 211, id="03 §8: a result is no error, whatever its fields"),
        pytest.param("Malformed input", 400, id="03 §8: from its beginning to its end"),
        pytest.param("a Malformed input", 400, id="03 §8: in the middle"),
        pytest.param("first line\nMalformed input", 411, id="03 §8: a dot is no line end"),
        pytest.param("two\nlines", 411, id="03 §8: any character and line end"),
        pytest.param("exact", 404, id="03 §8: the lowest status of all that fit"),
        pytest.param("exactly", 411, id="03 §8: the whole message has to fit"),
    ],
)
async def test_the_message_of_an_error_chooses_the_response(message: str | None, chosen: int) -> None:
    choices = responses((r"(.|\n)*", 411), (".*Malformed.*", 400), ("exact", 404), ("", 211))

    assert (await failed(message, choices)).status == chosen


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        pytest.param(r"(a+)+c", 211, id="it comes to its end"),
        pytest.param(r"(a+)+\1c", 500, id="or is given up"),
    ],
)
async def test_a_pattern_that_backtracks_does_not_hold_up_the_rest(pattern: str, chosen: int) -> None:
    choices = responses((pattern, 400), ("default", 211))

    assert (await failed("a" * 60 + "b", choices)).status == chosen


@pytest.mark.parametrize("kind", ["http", "aws", "mock"])
async def test_without_a_match_and_a_default_the_answer_is_a_500(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    choices = responses(("no such", 400))

    if kind == "http":
        answer = await answered(200, choices)
    elif kind == "aws":
        answer = await failed("another", choices)
    else:
        answer = await Client(gateway({"/x": {"get": {**mock(), "responses": choices}}})).get("/dev/x")

    assert (answer.status, answer.body) == (500, ISE)
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"
    assert "no match for output mapping and no default output mapping configured" in caplog.text


# ------------------------------------------------------------------------------------------------- templates

EXAMPLES = {JSON: "json", "text/xml": "xml", "$default": "any"}


@pytest.mark.parametrize(
    ("content_type", "templates", "body"),
    [
        pytest.param(None, EXAMPLES, b"json", id="01 §10: none is JSON"),
        pytest.param("application/json; charset=utf-8", EXAMPLES, b"json", id="01 §10: parameters do not count"),
        pytest.param("Text/XML", EXAMPLES, b"xml", id="01 §10: in any casing"),
        pytest.param("text/csv", EXAMPLES, b"any", id="01 §10: $default for any other"),
        pytest.param(None, {"$default": "any"}, b"any", id="01 §10: $default for none"),
        pytest.param("text/csv", {JSON: "json"}, b"sent", id="01 §10: no template fits"),
        pytest.param("text/csv", {}, b"sent", id="01 §10: no template"),
    ],
)
async def test_the_content_type_chooses_the_request_template(
    content_type: str | None, templates: dict[str, str], body: bytes
) -> None:
    transport = ScriptedTransport([Reply()])
    headers = {"content-type": content_type} if content_type else {}
    api = gateway({"/x": {"post": http(requestTemplates=templates)}}, transport=transport)

    await Client(api).post("/dev/x", headers=headers, body=b"sent")

    assert transport.requests[0].body == body


XML_FIRST = {"text/xml": "xml", JSON: "json"}


@pytest.mark.parametrize(
    ("accept", "templates", "body"),
    [
        pytest.param(["text/xml"], EXAMPLES, "xml", id="01 §10: by Accept"),
        pytest.param(["Text/XML;q=0.9, application/json"], EXAMPLES, "xml", id="01 §10: its first type, no parameters"),
        pytest.param([], XML_FIRST, "json", id="01 §10: none is JSON"),
        pytest.param(["text/csv"], XML_FIRST, "json", id="01 §10: JSON where none fits"),
        pytest.param(["*/*"], XML_FIRST, "json", id="01 §10: a wildcard fits none"),
        pytest.param(["text/csv"], {"text/xml": "xml", "text/html": "html"}, "xml", id="01 §10: else the first"),
        pytest.param(["text/html", "text/xml"], EXAMPLES, "xml", id="01 §10: the last line of Accept"),
        pytest.param(["text/csv"], {}, "theirs", id="01 §10: no template"),
        pytest.param([], {"text/xml": "xml", JSON: ""}, "theirs", id="an empty template for JSON leaves it unmapped"),
        pytest.param(["text/xml"], {"text/xml": "", JSON: "json"}, "theirs", id="and so it does for another type"),
    ],
)
async def test_accept_chooses_the_response_template(accept: list[str], templates: dict[str, str], body: str) -> None:
    choices = {"default": {"statusCode": "200", "responseTemplates": templates}}
    transport = ScriptedTransport([Reply(body=b"theirs")])
    api = gateway({"/x": {"get": http(responses=choices)}}, transport=transport)

    answer = await Client(api).get("/dev/x", headers=[("accept", each) for each in accept])

    assert answer.text == body


FITTING, OTHER = {"text/plain": "mapped"}, {"text/xml": "mapped"}


@pytest.mark.parametrize("kind", ["http", "aws", "mock"])
@pytest.mark.parametrize(
    ("behaviour", "templates", "mapped"),
    [
        pytest.param("when_no_match", {}, False, id="01 §10: WHEN_NO_MATCH, no templates"),
        pytest.param("when_no_match", OTHER, False, id="01 §10: WHEN_NO_MATCH, none fits"),
        pytest.param("when_no_match", FITTING, True, id="01 §10: WHEN_NO_MATCH, one fits"),
        pytest.param("when_no_templates", {}, False, id="01 §10: WHEN_NO_TEMPLATES, no templates"),
        pytest.param("when_no_templates", OTHER, None, id="01 §10: WHEN_NO_TEMPLATES, none fits"),
        pytest.param("when_no_templates", FITTING, True, id="01 §10: WHEN_NO_TEMPLATES, one fits"),
        pytest.param("never", {}, None, id="01 §10: NEVER, no templates"),
        pytest.param("never", OTHER, None, id="01 §10: NEVER, none fits"),
        pytest.param("never", FITTING, True, id="01 §10: NEVER, one fits"),
    ],
)
async def test_the_three_passthrough_behaviours(
    kind: str, behaviour: str, templates: dict[str, str], mapped: bool | None
) -> None:
    seen: list[Any] = []
    sent, made = b'{"statusCode": 202}', '{"statusCode": 201}'
    integration: dict[str, Any] = {
        "requestTemplates": dict.fromkeys(templates, made),
        "passthroughBehavior": behaviour,
        "responses": responses(("201", 201), ("202", 202), ("default", 200)),
    }
    more: dict[str, dict[str, Any]] = {
        "http": {"type": "http", "httpMethod": "POST", "uri": "http://back.test/"},
        "aws": {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("f")},
        "mock": {"type": "mock"},
    }
    transport = ScriptedTransport(lambda request: seen.append(request.body) or Reply())  # type: ignore[func-returns-value]  # it appends first
    api = gateway(
        {"/x": {"post": {**integration, **more[kind]}}},
        transport=transport,
        functions={"f": lambda event, context: seen.append(event)},
    )

    async with api:
        answer = await Client(api).post("/dev/x", headers={"content-type": "text/plain"}, body=sent)

    if mapped is None:
        assert (answer.status, answer.body, seen) == (415, UNSUPPORTED, [])
        assert answer.header("x-amzn-errortype") == "BadRequestException"
    elif kind == "mock":
        assert answer.status == (201 if mapped else 202)
    else:
        given: dict[str, Any] = {
            "http": made.encode() if mapped else sent,
            "aws": {"statusCode": 201 if mapped else 202},
        }
        assert (answer.status, seen) == (200, [given[kind]])


# ------------------------------------------------------------------------------------------------- MOCK


@pytest.mark.parametrize(
    ("template", "status"),
    [
        pytest.param('{"statusCode": 200 ,, }', 200, id="04 §7: empty members"),
        pytest.param('{"statusCode": 200, "other": foo}: [ba r]}', 200, id="04 §7: junk in another member"),
        pytest.param('{"statusCode": 200, null: null}', 200, id="04 §7: null"),
        pytest.param('{"statusCode": 200, "": ""}', 200, id="04 §7: an empty name"),
        pytest.param('{"statusCode": 0}', 200, id="04 §7: zero, by the default response"),
        pytest.param('{"statusCode": -1}', 200, id="04 §7: a negative one"),
        pytest.param("{'statusCode\": 200}", 500, id="04 §7: quotes that do not match"),
        pytest.param('{"statusCode": 200', 500, id="04 §7: no closing brace"),
        pytest.param('{"statusCode": 200, {a}: 1}', 500, id="04 §7: a name that begins with a brace"),
        pytest.param('{"statusCode": 200, [a]: 1}', 500, id="04 §7: a name that begins with a bracket"),
        pytest.param("", 500, id="04 §7: nothing"),
    ],
)
async def test_a_mock_reads_its_status_as_loosely_as_recorded(template: str, status: int) -> None:
    answer = await Client(gateway({"/x": {"get": mock(f"## \n{template}")}})).get("/dev/x")

    assert answer.status == status


# ------------------------------------------------------------------------------------------------- functions and bytes

PNG = b"\x89PNG\xff"
PNG_BASE64 = "iVBOR/8="
ROOT = {"x-amazon-apigateway-binary-media-types": ["image/png"]}


def aws(**more: Any) -> dict[str, Any]:
    default = {"default": {"statusCode": "200"}}
    return {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("f"), "responses": default, **more}


async def of_function(integration: dict[str, Any], handler: Callable[..., Any], **options: Any) -> Result:
    async with gateway({"/x": {"post": integration}}, functions={"f": handler}, root=ROOT) as api:
        return await Client(api).post("/dev/x", **options)


@pytest.mark.parametrize(
    ("content_type", "handling", "event"),
    [
        pytest.param("image/png", "CONVERT_TO_TEXT", {"got": PNG_BASE64}, id="row 107: a function gets base64"),
        pytest.param("image/png", None, None, id="row 111: bytes cannot enter its template"),
        pytest.param("text/plain", None, {"got": "\ufffdPNG\ufffd"}, id="row 106: a function gets text"),
    ],
)
async def test_what_a_function_receives(content_type: str, handling: str | None, event: Any) -> None:
    integration = aws(requestTemplates={"$default": '{"got": "$input.body"}'})
    if handling:
        integration["contentHandling"] = handling

    answer = await of_function(
        integration, lambda event, context: event, headers={"content-type": content_type}, body=PNG
    )

    assert (answer.status, answer.json()) == (
        (500, {"message": "Internal server error"}) if event is None else (200, event)
    )


@pytest.mark.parametrize(
    ("handling", "accept", "body"),
    [
        pytest.param("CONVERT_TO_BINARY", JSON, PNG, id="row 117: what a function returns as base64"),
        pytest.param(None, "image/png", PNG, id="row 112: where the client wants it"),
        pytest.param(None, JSON, f'"{PNG_BASE64}"'.encode(), id="row 114: and else not"),
        pytest.param(
            "CONVERT_TO_TEXT", "image/png", f'"{PNG_BASE64}"'.encode(), id="row 116: nor where it is to be text"
        ),
    ],
)
async def test_base64_that_a_function_returns_becomes_bytes(handling: str | None, accept: str, body: bytes) -> None:
    default = {"statusCode": "200", **({"contentHandling": handling} if handling else {})}

    answer = await of_function(
        aws(responses={"default": default}), lambda event, context: PNG_BASE64, headers={"accept": accept}
    )

    assert (answer.status, answer.body) == (200, body)


async def test_a_result_that_is_no_base64_cannot_become_bytes() -> None:
    default = {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY"}

    answer = await of_function(aws(responses={"default": default}), lambda event, context: {"no": "base64"})

    assert (answer.status, answer.body) == (500, ISE)
