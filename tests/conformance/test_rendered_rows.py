"""Recorded rows 25 to 33 and 42 to 51: what a mapping template makes of a request, through a whole gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import gateway

JSON = "application/json"


async def sent_by(template: str, body: bytes, response: str | None = None) -> tuple[bytes, str]:
    """What the back end is sent, and what the client gets of a back end that says the same."""
    transport = ScriptedTransport(lambda request: Reply(body=bytes(request.body)))  # type: ignore[arg-type]  # the scripted one keeps it whole
    default = {"statusCode": "200", **({} if response is None else {"responseTemplates": {JSON: response}})}
    integration = {
        "type": "http",
        "httpMethod": "POST",
        "uri": "http://back.test/echo",
        "requestTemplates": {JSON: template},
        "responses": {"default": default},
    }
    api = gateway({"/x": {"post": integration}}, transport=transport)

    answer = await Client(api).post("/dev/x", headers={"content-type": JSON}, body=body)

    assert answer.status == 200, answer
    (request,) = transport.requests
    assert isinstance(request.body, bytes)
    return request.body, answer.text


RESULT = '#set($r = $input.path("$.json"))'
BOTH_TESTS = '|#if($r == $null)null#end|#if($r == "")empty#end'


@pytest.mark.parametrize(
    ("value", "template", "expected"),
    [
        pytest.param({"foo": "bar"}, "$r", "{foo=bar}", id="row 25: a map"),
        pytest.param({"foo": [{"nested": "bar"}]}, "$r", '{foo=[{"nested":"bar"}]}', id="row 25: a list in a map"),
        pytest.param(
            {"bigger": "dict", "to": "test", "with": "separators"},
            "$r",
            "{bigger=dict, to=test, with=separators}",
            id="row 25: three keys",
        ),
        pytest.param([{"foo": "bar"}], "$r", '[{"foo":"bar"}]', id="row 26: a list is JSON"),
        pytest.param([{"foo": "bar"}], "$r[0]", "{foo=bar}", id="row 27: the first of maps"),
        pytest.param([[{"foo": "bar"}]], "$r[0]", '[{"foo":"bar"}]', id="row 27: the first of lists"),
        pytest.param({"list": [{"foo": "bar"}]}, "$r.toString()", '{list=[{"foo":"bar"}]}', id="row 28: toString"),
        pytest.param([], f"$r|$r.nested{BOTH_TESTS}", "[]|||", id="row 30: an empty list"),
        pytest.param(None, f"$r|$r.nested{BOTH_TESTS}", "||null|empty", id="row 30: JSON null"),
    ],
)
async def test_what_a_path_finds_prints_as_recorded(value: Any, template: str, expected: str) -> None:
    body, _ = await sent_by(RESULT + template, json.dumps({"json": value}).encode())

    assert body.decode() == expected


async def test_row_29_a_path_that_finds_nothing_is_null_and_empty() -> None:
    template = f'#set($r = $input.path("$.nonExisting"))$r|$r.nested{BOTH_TESTS}'

    body, _ = await sent_by(template, b'{"json": 1}')

    assert body == b"||null|empty"


@pytest.mark.parametrize(
    ("template", "body", "expected"),
    [
        pytest.param("$input.body", b"", b"{}", id="row 31: an empty body"),
        pytest.param("$input.body", b"some raw data", b"some raw data", id="row 31: raw text"),
        pytest.param("$input.body", b'{"some":  "value"}', b'{"some":  "value"}', id="row 31: JSON byte for byte"),
        pytest.param("$util.urlEncode($input.body)", b"", b"%7B%7D", id="row 33: nothing"),
        pytest.param(
            "$util.urlEncode($input.body)", b'{"some": "value"}', b"%7B%22some%22%3A+%22value%22%7D", id="row 33: JSON"
        ),
        pytest.param("$util.urlEncode($input.body)", b"some raw data", b"some+raw+data", id="row 33: raw text"),
        pytest.param("$util.urlEncode($nothing)", b"x", b"", id="row 33: undefined"),
    ],
)
async def test_the_body_is_text_as_it_was_sent(template: str, body: bytes, expected: bytes) -> None:
    sent, _ = await sent_by(template, body)

    assert sent == expected


async def test_row_32_the_body_has_no_properties_and_a_template_may_render_to_nothing() -> None:
    sent, answered = await sent_by("$input.body.testAccess", b'{"testAccess": 1}', "$input.body")

    assert (sent, answered) == (b"", "{}")


async def test_row_42_an_escaped_apostrophe_is_json_again_once_it_is_undone() -> None:
    template = (
        '{"Detail": "$util.escapeJavaScript($input.body)", '
        '"Undone": "$util.escapeJavaScript($input.body).replaceAll("\\\\\'","\'")"}'
    )

    sent, _ = await sent_by(template, b'{"a": "it\'s"}')

    assert b"it\\'s" in sent.partition(b'"Undone"')[0]
    assert json.loads(b'{"Undone"' + sent.partition(b'"Undone"')[2]) == {"Undone": '{"a": "it\'s"}'}


V = '#set($v = $input.path("$.v"))'


@pytest.mark.parametrize(
    ("template", "body", "expected"),
    [
        pytest.param("Hello $name", "{}", "Hello ", id="row 43: an undefined reference prints nothing"),
        pytest.param("#if($undefined)a#{else}b#end", "{}", "a", id="row 44: what is undefined is true"),
        pytest.param("#if($a.b.c)yes!#end", "{}", "yes!", id="row 44: and so it is further down"),
        pytest.param(f"{V}#if($v)shown#end", '{"v": false}', "", id="row 45: JSON false is false"),
        pytest.param(f"{V}#if($v)hide me#end", '{"v": null}', "hide me", id="row 45: JSON null is true"),
        pytest.param(
            "#foreach($i in [1,2,3])$i. #if($velocityHasNext)yes#end, #end", "{}", "1. yes, 2. yes, 3. , ", id="row 46"
        ),
        pytest.param('#set($d={})#set($d["$key"]="foo")$d.toString()', "{}", "{=foo}", id="row 47"),
        pytest.param("hello #stop world", "{}", "hello ", id="row 48"),
        pytest.param("#define($hello)hi#end$hello()$hello()", "{}", "hi()hi()", id="row 49"),
        pytest.param(
            '#set($user = $input.path("$.user"))$user.name',
            '{"user": {"items": "1;2;3"}}',
            "",
            id="row 50: no such key",
        ),
        pytest.param("#set($a=1) \t #set($b=2)|", "{}", "|", id="row 51: blanks before #set belong to it"),
    ],
)
async def test_a_template_renders_as_recorded(template: str, body: str, expected: str) -> None:
    sent, _ = await sent_by(template, body.encode())

    assert sent.decode() == expected
