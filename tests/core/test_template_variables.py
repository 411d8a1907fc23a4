"""`$input`, `$util`, `$context` and `$stageVariables` in templates, as recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.headers import NEVER_READABLE, readable_headers
from gatewaykit.core.template_variables import Params, escape_javascript, parse_json, variables
from gatewaykit.core.vtl import Template, TemplateFailure, compile_template

PARAMS = Params(
    path={"id": "7", "both": "path"},
    querystring={"q": "1", "both": "query", "Host": "query"},
    header=readable_headers(
        [(name, b"hidden") for name in NEVER_READABLE]
        + [(b"Host", b"api.example"), (b"X-Key", b"k"), (b"TE", b"trailers"), (b"Connection", b"close")]
        + [(b"both", b"header")]
    ),
)


def render(text: str, body: str = "", context: dict[str, Any] | None = None, **stage_variables: str) -> Any:
    template = compile_template(text)
    assert isinstance(template, Template), template
    given_context = {} if context is None else context
    made = variables(
        body=body, params=PARAMS, context=given_context, stage_variables=stage_variables,
        only_reads=template.only_reads,
    )  # fmt: skip
    return template.render(made)


@pytest.mark.parametrize(
    ("text", "body", "expected"),
    [
        ('#set($r=$input.path("$.json"))$r', {"json": {"foo": "bar"}}, "{foo=bar}"),
        ('#set($r=$input.path("$.json"))$r', {"json": {"foo": [{"nested": "bar"}]}}, '{foo=[{"nested":"bar"}]}'),
        (
            '#set($r=$input.path("$.json"))$r',
            {"json": {"bigger": "dict", "to": "test", "with": "separators"}},
            "{bigger=dict, to=test, with=separators}",
        ),
        ("$input.path('$.json')", {"json": [{"foo": "bar"}]}, '[{"foo":"bar"}]'),
        ("#set($r=$input.path('$.json'))$r[0]", {"json": [{"foo": "bar"}]}, "{foo=bar}"),
        ("#set($r=$input.path('$.json'))$r[0]", {"json": [[{"foo": "bar"}]]}, '[{"foo":"bar"}]'),
        ("$input.path('$.json').toString()", {"json": {"list": [{"foo": "bar"}]}}, '{list=[{"foo":"bar"}]}'),
        ("$input.path('$.nonExisting')", {"json": 1}, ""),
        ("#set($r=$input.path('$.nonExisting'))$r.nested", {"json": 1}, ""),
        ("#set($r=$input.path('$.no'))#if($r == $null)a#end#if($r == '')b#end", {"json": 1}, "ab"),
        ("#set($r=$input.path('$.json'))$r|$r.nested|#if($r == $null)a#end#if($r == '')b#end", {"json": []}, "[]||"),
        ("#set($r=$input.path('$.json'))$r|$r.nested|#if($r == $null)a#end#if($r == '')b#end", {"json": None}, "||ab"),
    ],
    ids=[
        "row 25 a map", "row 25 a list in a map is JSON", "row 25 three keys", "row 26 a list is JSON",
        "row 27 the first of a list", "row 27 the first of a list of lists", "row 28 toString",
        "row 29 nothing prints nothing", "row 29 nor does its property", "row 29 nothing is null and empty",
        "row 30 an empty list", "row 30 JSON null",
    ],
)  # fmt: skip
def test_what_a_path_finds_prints_as_recorded(text: str, body: Any, expected: str) -> None:
    assert render(text, json.dumps(body)) == expected


@pytest.mark.parametrize(
    ("text", "body", "expected"),
    [
        pytest.param("$input.body", "", "{}", id="row 31: an empty body"),
        pytest.param("$input.body", "some raw data", "some raw data", id="row 31: raw text"),
        pytest.param("$input.body", '{"some":  "value"}', '{"some":  "value"}', id="row 31: JSON byte for byte"),
        pytest.param("$input.body.testAccess", '{"testAccess": 1}', "", id="row 32: the body is a string"),
        pytest.param("$input.getBody()", "x", "x", id="the getter of the body"),
        pytest.param("$util.urlEncode($input.body)", "", "%7B%7D", id="row 33: nothing"),
        pytest.param(
            "$util.urlEncode($input.body)", '{"some": "value"}', "%7B%22some%22%3A+%22value%22%7D", id="row 33: JSON"
        ),
        pytest.param("$util.urlEncode($input.body)", "some raw data", "some+raw+data", id="row 33: raw text"),
        pytest.param("$util.urlEncode($undefined)", "x", "", id="row 33: undefined"),
        pytest.param("$input.params().path.id $input.params('id')", "", "7 7", id="row 34: parameters"),
        pytest.param("$input.params().path.id$input.params().path.id", "", "77", id="parameters twice"),
        pytest.param("$input.json('$.missing')", "{}", '""', id="json of nothing"),
        pytest.param("$input.json('$.a')", "not JSON", '""', id="json of what is not JSON"),
        pytest.param("$input.json('$')", "", "{}", id="json of an empty body"),
        pytest.param("$input.path('$').size()$input.path('$')", "", "0{}", id="path of an empty body"),
        pytest.param("$input.json('$.a')$input.path('$.a')", "", '""', id="nothing in an empty body"),
        pytest.param(
            "$input.json('$')",
            ' {"a": [1, 2.50, "é/\\"", null, true]} ',
            '{"a":[1,2.5,"é/\\"",null,true]}',
            id="compact",
        ),
        pytest.param("$input.json('$')", '"a"', '"a"', id="a string stays in quotes"),
        pytest.param("$input.json('$')", "17", "17", id="a whole number"),
        pytest.param("$input.json('$')", "true", "true", id="a boolean"),
        pytest.param("$input.json('$.a')", '{"a": null}', "null", id="JSON null is found"),
        pytest.param("$input.json('$.a')", '{"a": 12345678.5}', "1.23456785E7", id="a double prints as in Java"),
        pytest.param(
            "$input.json('$')", '{"a": [1e16, 0.0005, 1.0]}', '{"a":[1.0E16,5.0E-4,1.0]}', id="doubles inside"
        ),
        pytest.param("$input.json('$')", '{"a": [1e16, 1e-7]}', '{"a":[1.0E16,1.0E-7]}', id="doubles without a point"),
        pytest.param(
            "$input.json('$')", '{"a": "12345678.5"}', '{"a":"12345678.5"}', id="a string that looks like one"
        ),
        pytest.param("$input.path('$.a')", '{"a": 1e7}', "1.0E7", id="a printed double"),
        pytest.param("$input.json('$..a')", '{"a": 1, "b": {"a": 2}}', "[1,2]", id="an open path gives a list"),
        pytest.param("$input.json(5)$input.path($input)$input.params(5)", "{}", "", id="arguments that are no strings"),
        pytest.param("$input.nope$input.nope()$input", "{}", "", id="what is not offered"),
        pytest.param("$input.json('$.a')", ' {"a": 1} ', "1", id="blanks round the body"),
        pytest.param("$input.json('$')", '{"a": 1} x', '""', id="more than one value is not JSON"),
        pytest.param("$input.json('$')$input.path('$.*')", "NaN", '"NaN"[]', id="NaN is not JSON"),
        pytest.param("$input.json('$')", 'a=1&b="2"', '"a=1&b=\\"2\\""', id="a form is a text"),
        pytest.param("$input.path('$').split('&').size()", "a=1&b=2", "2", id="a form, to be taken apart"),
        pytest.param("$input.path('$')", "<a>\n</a>", "<a>\n</a>", id="XML is a text"),
        pytest.param("$input.json('$')$input.path('$')", "[1, 2", '""', id="a broken list is nothing"),
        pytest.param("$input.json('$')$input.path('$')", "{'a': 1}", '""', id="a broken object is nothing"),
        pytest.param("$input.json('$')$input.path('$')", " \n", '""', id="blanks are nothing"),
        pytest.param("$input.json('$.a.first()')", '{"a": [[1]]}', "[1]", id="a function gives one value"),
        pytest.param("$input.json('$')$input.path('$')", '"a\\nb"', '"a\\nb"a\nb', id="03 §2: a body that is a string"),
        pytest.param(
            "#set($x = $input.path('$'))#set($x.a = 1)$input.json('$')", "{}", '{"a":1}', id="one body for all calls"
        ),
    ],
)
def test_input_answers(text: str, body: str, expected: str) -> None:
    assert render(text, body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$input.params('both')", "path", id="path comes first"),
        pytest.param("$input.params('Host')", "query", id="then the query string"),
        pytest.param("$input.params('X-Key')", "k", id="then headers"),
        pytest.param("$input.params('x-key')", "k", id="in any casing, since servers write names in lower case"),
        pytest.param("$input.params('nope')", "", id="nothing is empty"),
        pytest.param("$input.params().header['X-Key']", "k", id="by kind"),
        pytest.param("$input.params().header.Host", "api.example", id="by kind, as a property"),
        pytest.param("$input.params('TE')$input.params('Connection')", "", id="row 89: invisible headers"),
        pytest.param(
            "#foreach($h in $input.params().header.keySet())$h #end", "Host X-Key both ", id="row 89: nor listed"
        ),
        pytest.param("#foreach($k in $input.params().keySet())$k #end", "path querystring header ", id="kinds"),
        pytest.param("$input.params().querystring.q", "1", id="query string"),
    ],
)
def test_parameters_are_found(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('$util.escapeJavaScript("it\'s")', "it\\'s", id="row 42: an apostrophe"),
        pytest.param('$util.escapeJavaScript("it\'s").replaceAll("\\\\\'","\'")', "it's", id="row 42: undone"),
        pytest.param("$util.escapeJavaScript('a\"b\\c/')", 'a\\"b\\\\c/', id="quotes and backslashes"),
        pytest.param('$util.escapeJavaScript("a\n\t\u0001")', "a\\n\\t\\u0001", id="control characters"),
        pytest.param("$util.escapeJavaScript('é𝄞')", "\\u00E9\\uD834\\uDD1E", id="beyond ASCII"),
        pytest.param("$util.escapeJavaScript(5)$util.escapeJavaScript(true)", "5true", id="03 §2: a number, a boolean"),
        pytest.param("[$util.escapeJavaScript('')$util.escapeJavaScript($undefined)]", "[]", id="03 §2: nothing"),
        pytest.param("$util.escapeJavaScript($input.params().path)", "{id=7, both=path}", id="03 §2: a map as text"),
        pytest.param('$util.parseJson(\'{"a": {"b": [1, 2]}}\').a.b[1]', "2", id="parseJson"),
        pytest.param("$util.urlEncode('a*~-_.é')", "a*%7E-_.%C3%A9", id="urlEncode as Java"),
        pytest.param("$util.urlDecode('a+b%20c%C3%A9')", "a b cé", id="urlDecode"),
        pytest.param("$util.base64Encode('é')", "w6k=", id="base64Encode"),
        pytest.param("$util.base64Decode('w6k=')$util.base64Decode('w6k')", "éé", id="base64Decode"),
        pytest.param("$util.toJson('x')$util.qr('x')", "", id="functions of other services do not exist"),
    ],
)
def test_util_answers(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("$util.parseJson('{')", "parseJson() of what is not JSON", id="parseJson"),
        pytest.param("$util.parseJson('NaN')", "parseJson() of what is not JSON", id="NaN is not JSON"),
        pytest.param("$util.base64Decode('a')", "base64Decode() of what is not base64", id="base64Decode"),
        pytest.param("$util.urlDecode('%zz')", "urlDecode() of a broken percent escape", id="urlDecode"),
        pytest.param("$input.json('$.[')", "the JSONPath '$.[': expected a name", id="a malformed path"),
        pytest.param("$input.json('$')", "a value cannot be written as JSON", id="a double beyond any"),
        pytest.param(
            "$input.path('$[0]')$input.path('$.a.b(')", "the JSONPath '$.a.b(': there is no", id="no function"
        ),
        pytest.param("$input.getBody(1)", "getBody() takes no arguments", id="arguments where there are none"),
    ],
)
def test_a_mistake_fails_the_template(text: str, reason: str) -> None:
    failure = render(text, "1e400")

    assert isinstance(failure, TemplateFailure)
    assert failure.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        pytest.param(
            '#set($context.requestOverride.header.X-Amz-Target = "AWSEvents.PutEvents")',
            {"header": {"X-Amz-Target": "AWSEvents.PutEvents"}, "querystring": {}, "path": {}},
            id="row 41: hyphens in a header name",
        ),
        pytest.param(
            '#set($n = "a")#set($context.requestOverride.querystring[$n] = "bar")',
            {"header": {}, "querystring": {"a": "bar"}, "path": {}},
            id="row 37: an index",
        ),
        pytest.param(
            '$context.requestOverride.querystring.put("a", "putBar")',
            {"header": {}, "querystring": {"a": "putBar"}, "path": {}},
            id="row 37: put",
        ),
        pytest.param(
            '#set($context["requestOverride"].querystring["k"] = "v")',
            {"header": {}, "querystring": {"k": "v"}, "path": {}},
            id="row 37: brackets",
        ),
        pytest.param(
            '#set($context.requestOverride.path.body = $input.path("$.id"))',
            {"header": {}, "querystring": {}, "path": {"body": 5}},
            id="row 35: a path parameter",
        ),
    ],
)
def test_overrides_are_left_in_the_context(text: str, overrides: dict[str, Any]) -> None:
    context: dict[str, Any] = {}

    assert render(text, '{"id": 5}', context) == ""
    assert context["requestOverride"] == overrides


@pytest.mark.parametrize(
    "text",
    [
        "$context.stage ${context.stage} $!{context.identity.sourceIp} $context.identity.nothing",
        "$context.stage.length() $context.authorizer.claims.sub",
        "#set($context.note = 'x')$context.identity.sourceIp.length()",
    ],
)
def test_a_context_that_is_only_read_by_name_is_left_as_it_is(text: str) -> None:
    context = {"stage": "prod", "identity": {"sourceIp": "192.0.2.1"}}

    render(text, context=context)

    assert {name: context[name] for name in context if name != "note"} == {
        "stage": "prod",
        "identity": {"sourceIp": "192.0.2.1"},
    }
    assert type(context["identity"]) is dict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$context", "{stage=prod, identity=, requestOverride=", id="all of it"),
        pytest.param("#foreach($k in $context.keySet())$k #end", "stage identity requestOverride ", id="its keys"),
        pytest.param("#set($c = $context)$c.requestOverride", "{header={}, ", id="another name"),
        pytest.param("${context.requestOverride}", "{header={}, ", id="braces"),
        pytest.param("$context['requestOverride']", "{header={}, ", id="brackets"),
        pytest.param("#set($n = 'requestOverride')$context[$n]", "{header={}, ", id="brackets with a name"),
        pytest.param("$context.get('responseOverride')", "{header={}}", id="get"),
        pytest.param("$context .requestOverride", "{stage=prod, identity=, requestOverride=", id="a blank"),
        pytest.param("$context.identity|", "|", id="row 40: identity"),
        pytest.param("${context.identity}|", "|", id="row 40: identity in braces"),
        pytest.param("$context.identity.toString()|", "|", id="row 40: identity as text"),
        pytest.param("#set($i = $context.identity)$i|", "|", id="row 40: identity by another name"),
        pytest.param("$context.identity .x", " .x", id="row 40: identity before a blank"),
        pytest.param("#set($m = {'a': $context.identity})$m", "{a=}", id="row 40: identity in a map"),
    ],
)
def test_a_template_that_reaches_further_finds_room_for_overrides(text: str, expected: str) -> None:
    context = {"stage": "prod", "identity": {"sourceIp": "192.0.2.1"}}

    rendered = render(text, context=context)

    assert rendered.startswith(expected)
    assert set(context) == {"stage", "identity", "requestOverride", "responseOverride"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("text", True, id="nothing"),
        pytest.param("$context.stage$context.identity.user", True, id="names"),
        pytest.param(
            "#if($context.stage == 'a')$context.authorizer.get('x')#end", True, id="a method of what is in it"
        ),
        pytest.param("## $context", True, id="a comment"),
        pytest.param("$input.path('$.context').requestOverride", True, id="something else of that name"),
        pytest.param(
            "$stageVariables.a $stageVariables['a'] $stageVariables.get('a')$stageVariables.keySet()",
            True,
            id="stage variables",
        ),
        pytest.param("#set($stageVariables.a = 1)", False, id="a stage variable that is written"),
        pytest.param("$stageVariables.put('a', 1)", False, id="or put"),
        pytest.param("#set($s = $stageVariables)$s.put('a', 1)", False, id="or put by another name"),
        pytest.param("#if($context)a#end", False, id="a condition"),
        pytest.param("#foreach($x in $context)a#end", False, id="a loop"),
        pytest.param('#set($x = "$context")', False, id="a string"),
        pytest.param("#set($x = {'a': [$context]})", False, id="a literal"),
        pytest.param("$util.urlEncode($context)$x[$context]", False, id="an argument"),
        pytest.param("#set($context.requestOverride.header.a = 1)", False, id="an override"),
        pytest.param("#set($context.responseOverride.status = 1)", False, id="an override of the response"),
        pytest.param("#set($context['a'] = 1)", False, id="what is written by a computed name"),
        pytest.param("#macro(m $x)$x#end#m($context)", False, id="a macro"),
        pytest.param("#define($x)$context#end$x", False, id="a block"),
        pytest.param("#evaluate($x)", False, id="a text that is evaluated"),
    ],
)
def test_a_template_says_whether_it_may_do_more_with_the_context_than_read_by_name(text: str, expected: bool) -> None:
    template = compile_template(text)

    assert getattr(template, "only_reads", None) is expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("text", set()),
        ("$context.stage #if($context.identity.user == '')$context.stage.length()#end", {"stage", "identity"}),
        ("$context.authorizer.claims.sub", {"authorizer"}),
        ("#set($context.stage = 'a')$context.stage", None),
        ("$context.identity", None),
        ("$context.stage$context", None),
    ],
)
def test_a_template_says_what_it_reads_of_the_context(text: str, names: set[str] | None) -> None:
    template = compile_template(text)

    assert isinstance(template, Template)
    assert template.context_names == names


def test_response_overrides_carry_over_to_the_response_template() -> None:  # row 36
    context: dict[str, Any] = {}
    render(
        '#set($context.responseOverride.status = 444)#set($context.responseOverride.header.foo = "bar")'
        '#set($context.responseOverride.custom = "x")',
        context=context,
    )

    assert context["responseOverride"] == {"status": 444, "header": {"foo": "bar"}, "custom": "x"}
    shown = render(
        "$context.responseOverride.status $context.responseOverride.header.foo $context.responseOverride.custom",
        context=context,
    )
    assert shown == "444 bar x"


@pytest.mark.parametrize(
    "text",
    [
        '#set($context.responseOverride.status = 1)\n#set($context.responseOverride.status = 2)',
        '#set($context.requestOverride.header.a = "1")\n$context.requestOverride.header.put("a", "2")',
    ],
)  # fmt: skip
def test_an_override_may_be_set_once(text: str) -> None:
    failure = render(text)

    assert isinstance(failure, TemplateFailure)
    assert failure.line == 2
    assert failure.reason.endswith("is overridden twice")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$context.stage $context.identity.sourceIp", "prod 192.0.2.1", id="properties"),
        pytest.param("[$context.get('identity')$context.identity]", "[]", id="row 40: identity itself prints nothing"),
        pytest.param("[$context.identity.user]", "[]", id="row 40: a null prints nothing"),
        pytest.param(
            "#foreach($k in $context.identity.keySet())$k #end", "sourceIp user ", id="row 40: its keys are there"
        ),
        pytest.param("#foreach($k in $context.authorizer.keySet())$k#end", "", id="row 40: no authorizer has no keys"),
        pytest.param("$context.nope.nope", "", id="undefined"),
        pytest.param("${stageVariables.backend}/x $stageVariables.version", "shop/x ", id="row 100: stage variables"),
    ],
)
def test_the_context_is_read(text: str, expected: str) -> None:
    context = {"stage": "prod", "identity": {"sourceIp": "192.0.2.1", "user": None}}

    assert render(text, context=context, backend="shop") == expected


def test_stage_variables_of_any_mapping_are_taken() -> None:
    from types import MappingProxyType

    made = variables(body="", params=Params(), context={}, stage_variables=MappingProxyType({"a": "b"}))

    assert made["stageVariables"] == {"a": "b"}


@pytest.mark.parametrize(
    "text",
    [
        "#set($stageVariables.a = 'x')$stageVariables",
        "#set($stageVariables['a'] = 'x')$stageVariables",
        "#set($s = $stageVariables.put('a', 'x'))$stageVariables",
        "#set($s = $stageVariables)#set($s.a = 'x')$s",
        "#macro(m $v)#set($v.a = 'x')$v#end#m($stageVariables)",
        "#evaluate('#set($stageVariables.a = ''x'')$stageVariables')",
        "#foreach($s in [$stageVariables])#set($s.a = 'x')$s#end",
    ],
    ids=["property", "index", "put", "another name", "macro", "evaluate", "loop"],
)
def test_what_a_template_writes_into_stage_variables_is_gone_with_it(text: str) -> None:
    of_the_stage = {"a": "b"}
    template = compile_template(text)
    assert isinstance(template, Template)
    made = variables(
        body="", params=Params(), context={}, stage_variables=of_the_stage, only_reads=template.only_reads
    )  # fmt: skip

    assert template.render(made) == "{a=x}"
    assert of_the_stage == {"a": "b"}


@given(st.text())
def test_escaped_javascript_is_ascii_and_can_be_undone(text: str) -> None:
    escaped = escape_javascript(text)

    assert escaped.isascii()
    assert json.loads('"' + escaped.replace("\\'", "'") + '"') == text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "surrogatepass"
    )


@given(st.text())
def test_any_body_is_json_or_missing(body: str) -> None:
    parse_json(body)


def test_a_body_nested_beyond_measure_is_no_json() -> None:
    assert not parse_json("[" * 100_000)


def test_a_map_that_holds_itself_cannot_be_written_as_json() -> None:
    failure = render("#set($m = $input.path('$'))#set($m.m = $m)$input.json('$')", "{}")

    assert isinstance(failure, TemplateFailure)
    assert failure.reason.endswith("be written as JSON")


@pytest.mark.parametrize("function", ["path", "json"])
def test_a_path_that_is_too_much_work_fails_the_template(function: str) -> None:
    failure = render(f"$input.{function}('$..*..*..*..*..*')", "[" * 300 + "]" * 300)

    assert isinstance(failure, TemplateFailure)
    assert failure.reason == "the JSONPath '$..*..*..*..*..*' is too much work for this body"


@given(st.text(st.characters(max_codepoint=0x2FF)))
def test_text_that_needs_no_escape_is_found_quickly_and_rightly(text: str) -> None:
    """The short way and the long way agree: escaping piece by piece, of which most take the short one."""
    assert escape_javascript(text) == "".join(escape_javascript(character) for character in text)
