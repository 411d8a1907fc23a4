"""Lines of access logs, read back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewaykit.core.access_log import AWS_FORMATS, WEB_FORMATS, Format, compile_format
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.log_lines import LogLine, read_line

AT = 1_767_225_600.0
COMBINED = '203.0.113.9 - ann [01/Jan/2026:00:00:00 +0000] "GET /pets/7?x=1 HTTP/1.1" 200 5 "-" "curl/8"'


def read(text: str) -> LogLine:
    line = read_line(text)
    assert isinstance(line, LogLine), line
    return line


@pytest.mark.parametrize("form", ["clf", "json", "xml", "csv"])
@pytest.mark.parametrize("formats", [AWS_FORMATS, WEB_FORMATS], ids=["aws", "web"])
@given(user=st.text(min_size=1).filter(lambda text: text.strip() == text and text != "-"))
@example(user="0 [")
@example(user='a "b", <c> & [d] \\ \u00e9\u2028')
def test_a_line_that_we_write_is_read_back(form: str, formats: dict[str, str], user: str) -> None:
    request = Request("GET", "/pets/7", raw_path=b"/pets/7", client=("192.0.2.1", 1))
    request.id, request.extended_id, request.stage, request.resource = "r-1", "x-1", "prod", "/pets/{id}"
    request.status, request.received_s = 429, AT + 0.25
    request.identity = Identity(kind="iam", principal=user)
    compiled = compile_format(formats[form])
    assert isinstance(compiled, Format)

    line = read(compiled.line(request))

    path = "/pets/{id}" if formats is AWS_FORMATS else "/pets/7"
    assert (line.at_s, line.fine, line.address, line.method, line.path, line.status) == (
        AT, False, "192.0.2.1", "GET", path, "429",
    )  # fmt: skip
    assert line.user


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(COMBINED, (AT, "203.0.113.9", "ann", "", "GET", "/pets/7", "200"), id="combined"),
        pytest.param(
            '2001:db8::1 - - [01/Jan/2026:01:00:00 +0100] "GET / HTTP/2.0" 304 -',
            (AT, "2001:db8::1", "", "", "GET", "/", "304"), id="common, another zone",
        ),
        pytest.param(
            '10.0.0.1 - a b [01/Jan/2026:00:00:00 +0000] "\\x16\\x03" 400 0',
            (AT, "10.0.0.1", "a b", "", "\\x16\\x03", "", "400"), id="a request that was none, and a name with a space",
        ),
        pytest.param(
            '10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /a\\"b" 200 0',
            (AT, "10.0.0.1", "", "", "GET", '/a\\"b', "200"), id="an escaped quote, and no protocol",
        ),
        pytest.param(
            '{"requestTimeEpoch":"1767225600250","ip":"192.0.2.1","apiKeyId":"k1","httpMethod":"GET",'
            '"resourcePath":"/a","status":200}',
            (AT + 0.25, "192.0.2.1", "", "k1", "GET", "/a", "200"), id="milliseconds and an API key",
        ),
        pytest.param(
            '{"msec":"1767225600.250","remote_addr":"192.0.2.1","request_uri":"/a?b","status":"200"}',
            (AT + 0.25, "192.0.2.1", "", "", "", "/a", "200"), id="nginx",
        ),
        pytest.param(
            '{"time":"2026-01-01T00:00:00.5Z","ip":"-","status":true}', (AT + 0.5, "", "", "", "", "", ""),
            id="ISO 8601; a dash and a flag are no value",
        ),
        pytest.param('{"ts":1767225600250000}', (AT + 0.25, "", "", "", "", "", ""), id="microseconds"),
        pytest.param('{"ts":1767225600000000000}', (AT, "", "", "", "", "", ""), id="nanoseconds"),
        pytest.param(
            "<r><requestTime>01/Jan/2026:00:00:00 +0000</requestTime><user>a &amp; b</user></r>",
            (AT, "", "a & b", "", "", "", ""), id="XML",
        ),
        pytest.param(
            '192.0.2.1,-,"a,""b""",01/Jan/2026:00:00:00 +0000,GET,/a,HTTP/1.1,200,5,r-1,x-1',
            (AT, "192.0.2.1", 'a,"b"', "", "GET", "/a", "200"), id="CSV",
        ),
    ],
)  # fmt: skip
def test_what_a_line_says(text: str, expected: tuple[object, ...]) -> None:
    line = read(text)

    assert (line.at_s, line.address, line.user, line.key, line.method, line.path, line.status) == expected


def test_any_field_of_a_json_line_can_be_read() -> None:
    line = read('{"ts":1767225600.5,"tenant":"acme","n":7,"none":null}')

    assert [line.field(name) for name in ("tenant", "n", "none", "other")] == ["acme", "7", "", ""]
    assert line.fine


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("hello", "no line of an access log", id="anything"),
        pytest.param('"a', "no line of an access log", id="an open quote"),
        pytest.param('a,"' + "x" * 140_000 + '"', "no line of an access log", id="a cell beyond what csv reads"),
        pytest.param('{"ip":', "no JSON", id="half a JSON line"),
        pytest.param('{"ts":' + "9" * 5000 + "}", "no JSON", id="too many digits"),
        pytest.param("<request", "no elements that can be read", id="no XML"),
        pytest.param('{"ip":"192.0.2.1"}', "no time", id="no time"),
        pytest.param('{"ts":"soon"}', "a time that is none", id="a time in words"),
        pytest.param('{"ts":"9999-12-31T00:00Z"}', "a time that is none", id="beyond the calendar"),
        pytest.param('{"ts":"0001-01-01T00:00+23:59"}', "a time that is none", id="before the calendar"),
        pytest.param(COMBINED.replace("Jan", "Foo"), "a time that is none", id="a month that is none"),
    ],
)
def test_what_is_wrong_with_a_line(text: str, what: str) -> None:
    assert read_line(text) == what


@given(
    st.text() | st.text().map(lambda text: "{" + text) | st.text(st.sampled_from('{}[]":,<>/- 019Z+abT'), max_size=80)
)
def test_any_text_is_a_line_or_a_complaint(text: str) -> None:
    line = read_line(text)

    assert isinstance(line, LogLine | str)
