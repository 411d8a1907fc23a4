"""Access-log formats."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.access_log import AWS_FORMATS, WEB_FORMATS, Format, compile_format
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.core.identity.mtls import ClientCertificate
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import Problem


def a_request(**facts: object) -> Request:
    request = Request(
        "GET", "/pets/7", raw_path=b"/pets/%37", client=("192.0.2.1", 1),
        headers=[(b"Host", b"api.example"), (b"User-Agent", b"curl/8"), (b"X-Api-Key", b"0123456789abcdef")],
    )  # fmt: skip
    request.id, request.extended_id, request.stage, request.resource = "r-1", "x-1", "prod", "/pets/{id}"
    request.status, request.sent_bytes, request.received_s = 200, 12, 1_767_225_600.25
    for name, value in facts.items():
        setattr(request, name, value)
    return request


def a_format(text: str) -> Format:
    compiled = compile_format(text)
    assert isinstance(compiled, Format), compiled
    return compiled


def line(text: str, request: Request, took_s: float = 0.0125) -> str:
    return a_format(text).line(request, took_s)


_CERTIFICATE = ClientCertificate(
    pem="p\n", subject_dn="CN=a", issuer_dn="CN=b", serial_number="1", not_before="May 28", not_after="Aug  5"
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clf", '192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET /pets/{id} HTTP/1.1" 200 12 r-1 x-1'),
        (
            "json",
            '{"requestId":"r-1","extendedRequestId":"x-1","ip":"192.0.2.1","caller":"-","user":"-",'
            '"requestTime":"01/Jan/2026:00:00:00 +0000","httpMethod":"GET","resourcePath":"/pets/{id}","status":"200",'
            '"protocol":"HTTP/1.1","responseLength":"12"}',
        ),
        (
            "xml",
            '<request id="r-1"><extendedRequestId>x-1</extendedRequestId><ip>192.0.2.1</ip><caller>-</caller>'
            "<user>-</user><requestTime>01/Jan/2026:00:00:00 +0000</requestTime><httpMethod>GET</httpMethod>"
            "<resourcePath>/pets/{id}</resourcePath><status>200</status><protocol>HTTP/1.1</protocol>"
            "<responseLength>12</responseLength></request>",
        ),
        ("csv", "192.0.2.1,-,-,01/Jan/2026:00:00:00 +0000,GET,/pets/{id},HTTP/1.1,200,12,r-1,x-1"),
    ],
)
def test_the_named_formats_are_the_guide_s(name: str, expected: str) -> None:
    assert line(AWS_FORMATS[name], a_request()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clf", '192.0.2.1 - alice [01/Jan/2026:00:00:00 +0000] "GET /pets/%37 HTTP/1.1" 200 12 r-1 12'),
        ("csv", "192.0.2.1,-,alice,01/Jan/2026:00:00:00 +0000,GET,/pets/%37,HTTP/1.1,200,12,r-1,12"),
    ],
)
def test_around_an_app_they_show_the_path_the_caller_and_the_time_it_took(name: str, expected: str) -> None:
    assert line(WEB_FORMATS[name], a_request(identity=Identity(principal="alice"))) == expected


@pytest.mark.parametrize(
    ("variable", "facts", "expected"),
    [
        ("requestTimeEpoch", {}, "1767225600250"),
        ("responseLatency", {}, "12"),
        ("responseLength", {"sent_bytes": 0}, "0"),
        ("status", {"status": 0}, "-"),
        ("status", {"status": 1000}, "1000"),
        ("protocol", {"http_version": "9\n"}, "HTTP/9"),
        ("stage", {}, "prod"),
        ("domainName", {}, "api.example"),
        ("identity.userAgent", {}, "curl/8"),
        ("identity.apiKey", {"api_key": ApiKey(id="k", value="x")}, "**********abcdef"),
        ("identity.apiKey", {}, "-"),
        ("identity.apiKeyId", {"identity": Identity(principal="a", key_id="k-1")}, "k-1"),
        ("identity.apiKeyId", {}, "-"),
        ("identity.user", {"identity": Identity(principal="AIDA", kind="iam")}, "AIDA"),
        ("identity.user", {"identity": Identity(principal="alice")}, "-"),
        ("authorizer.principalId", {}, "-"),
        ("authorizer.claims.sub", {"identity": Identity(principal="a", claims={"sub": "s-1"})}, "s-1"),
        ("authorizer.claims.a:groups", {"identity": Identity(principal="a", claims={"a:groups": []})}, "[]"),
        ("authorizer.claims.none", {"identity": Identity(principal="a")}, "-"),
        ("authorizer.tenant", {}, "-"),
        ("error.message", {"refusal": Refusal(Reason.API_KEY_UNKNOWN)}, "Forbidden"),
        ("error.messageString", {"refusal": Refusal(Reason.API_KEY_UNKNOWN)}, '"Forbidden"'),
        ("error.messageString", {}, "-"),
        ("error.responseType", {"refusal": Refusal(Reason.API_KEY_UNKNOWN)}, "INVALID_API_KEY"),
        ("error.reason", {"refusal": Refusal(Reason.API_KEY_UNKNOWN)}, "API_KEY_UNKNOWN"),
        (
            "error.validationErrorString",
            {"refusal": Refusal(Reason.BODY_INVALID, facts={"validationErrorString": "[x]"})}, "[x]",
        ),
        ("error.reason", {}, "-"),
        ("integration.status", {"integration": {"status": 502, "error": ""}}, "502"),
        ("integrationErrorMessage", {"integration": {"status": 502, "error": ""}}, "-"),
        ("integrationLatency", {}, "-"),
        ("apiId", {"context": lambda request: {"apiId": "abc"}}, "abc"),
        ("apiId", {"context": lambda request: {"apiId": None}}, "-"),
        ("apiId", {}, "-"),
        ("identity.clientCert.clientCertPem", {"client_cert": _CERTIFICATE}, "p\\n"),
        ("identity.clientCert.subjectDN", {"client_cert": _CERTIFICATE}, "CN=a"),
        ("identity.clientCert.issuerDN", {"client_cert": _CERTIFICATE}, "CN=b"),
        ("identity.clientCert.serialNumber", {"client_cert": _CERTIFICATE}, "1"),
        ("identity.clientCert.validity.notBefore", {"client_cert": _CERTIFICATE}, "May 28"),
        ("identity.clientCert.validity.notAfter", {"client_cert": _CERTIFICATE}, "Aug  5"),
        ("identity.clientCert.subjectDN", {}, "-"),
        ("authorizer.latency", {"context": lambda request: {"authorizer": {"latency": 7}}}, "7"),
        ("xrayTraceId", {"trace_id": ""}, "-"),
        ("protocol", {"http_version": "2"}, "HTTP/2"),
        ("protocol", {"http_version": '1.1"\n'}, "HTTP/11"),
    ],
)  # fmt: skip
def test_a_variable(variable: str, facts: dict[str, object], expected: str) -> None:
    assert line(f"$context.{variable}", a_request(**facts)) == expected


def test_a_free_format_keeps_its_literals() -> None:
    request = a_request()

    assert (
        line("100% {braces} 'quotes' \\ $context.requestId, $context.status.", request)
        == "100% {braces} 'quotes' \\ r-1, 200."
    )
    assert (
        line('{\n  "id": "$context.requestId",\n\n  "s": $context.status\n}\n', request) == '{ "id": "r-1", "s": 200 }'
    )


def test_every_second_has_its_own_time() -> None:
    compiled = a_format("$context.requestTime")
    midnight = 1_767_225_600
    lines = [compiled.line(a_request(received_s=midnight + second + 0.5), 0.0) for second in range(200)]

    assert lines == [
        f"01/Jan/2026:00:{minute:02}:{second:02} +0000" for minute in range(4) for second in range(60)
    ][:200]  # fmt: skip


def test_a_variable_may_stand_twice() -> None:
    assert line("$context.requestId$context.requestId", a_request()) == "r-1r-1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "access_log.format: an empty format"),
        ("hello", "access_log.format: a format without variables"),
        (
            "$context.requestID",
            "$context.requestID is no variable of an access log (did you mean '$context.requestId'?)",
        ),
        ("$context.identity.sourceip $context.requestId", "did you mean '$context.identity.sourceIp'?"),
        ("$context.requestId.more", "$context.requestId.more is no variable"),
    ],
    ids=["empty", "no variables", "casing", "one of two", "part of a variable"],
)
def test_what_is_wrong_with_a_format(text: str, problem: str) -> None:
    compiled = compile_format(text)

    assert isinstance(compiled, tuple)
    assert problem in str(compiled[0])


def test_a_name_that_is_like_no_other_has_no_near_miss() -> None:
    assert compile_format("$context.zzzzqqqq") == (
        Problem(where="access_log.format", what="$context.zzzzqqqq is no variable of an access log"),
    )


HOSTILE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b'", "admin": "', b"\r\n1.2.3.4 - - [x]", b"</ip><ip>", b'a,"b', b"\\", b"\x7f\x85"]),
)
FREE = {
    "json": '{"ua":"$context.identity.userAgent","path":"$context.path","s":$context.status}',
    "xml": '<r a="$context.path">$context.identity.userAgent</r>',
    "text": '"$context.identity.userAgent" "$context.path" $context.status',
}


@given(HOSTILE, HOSTILE)
def test_no_client_can_forge_a_line(agent: bytes, path: bytes) -> None:
    request = Request("GET", "/", raw_path=path, headers=[(b"user-agent", agent)])
    request.id, request.status = "r-1", 200
    lines = {name: line(text, request) for name, text in FREE.items()}
    row = line(WEB_FORMATS["csv"], request)

    for text in (*lines.values(), row):
        assert text.splitlines() == [text]
        assert text.isprintable()
    assert json.loads(lines["json"]) == {
        "ua": agent.decode("latin-1") or "-", "path": path.decode("latin-1") or "-", "s": 200,
    }  # fmt: skip
    element = ElementTree.fromstring(lines["xml"])
    assert (element.tag, list(element.attrib), len(element)) == ("r", ["a"], 0)
    assert len(next(csv.reader(io.StringIO(row)))) == 11


@given(st.text(st.characters(exclude_characters="$", exclude_categories=["Z", "C"]), max_size=40))
def test_any_literal_is_written_as_it_is(literal: str) -> None:
    assert line(f"$context.requestId|{literal}|$context.status", a_request()) == f"r-1|{literal}|200"
