"""Recorded rows over a real socket: what is sent in bytes, through the server, the gateway and a back end."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.documents import document, mock, proxy
from tests.conformance.served import Served, a_back_end, serving

HANDLERS = """\
import json

def echo(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}

def bare(event, context):
    return {"statusCode": 200}

def merged(event, context):
    return {"headers": {"TEST": "value-solo"}, "multiValueHeaders": {"Test": ["value-multi"]}}
"""


ROOT = {
    "x-amazon-apigateway-minimum-compression-size": 100,
    "x-amazon-apigateway-binary-media-types": ["image/png"],
}
RENAMED = ("Authorization", "Connection", "Content-Length", "Content-MD5", "Date", "Server", "Upgrade")
MAPPED = {f"method.response.header.{name}": "'mapped'" for name in (*RENAMED, "Transfer-Encoding", "Warn")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with a_back_end() as port:
        uri = f"http://127.0.0.1:{port}/echo"
        http: dict[str, Any] = {"httpMethod": "POST", "uri": uri}
        default = {"default": {"statusCode": "200"}}
        mirror = {"type": "http", "httpMethod": "POST", "uri": f"http://127.0.0.1:{port}/mirror", "responses": default}
        query = {
            "type": "http_proxy",
            "httpMethod": "POST",
            "uri": uri + "?testVar={pathVar}&testQs={qsVar}",
            "requestParameters": {
                "integration.request.path.pathVar": "method.request.header.foobar",
                "integration.request.path.qsVar": "method.request.querystring.testVar",
                "integration.request.querystring.testQs": "method.request.querystring.testQueryString",
                "integration.request.querystring.queryString": "method.request.querystring.testQueryString",
                "integration.request.querystring.testEmptyQs": "method.request.header.emptyheader",
            },
        }
        paths = {
            "/mock": {"get": mock()},
            "/hardcoded": {"any": proxy("echo")},
            "/{proxy+}": {"get": proxy("echo")},
            "/bare": {"get": proxy("bare")},
            "/merged": {"get": proxy("merged")},
            "/http": {"post": {"type": "http", **http, "responses": {"default": {"statusCode": "200"}}}},
            "/http-proxy": {"post": {"type": "http_proxy", **http}},
            "/mirror": {"post": mirror},
            "/mirror-to-text": {"post": {**mirror, "contentHandling": "CONVERT_TO_TEXT"}},
            "/mapped": {"get": mock(responseParameters=MAPPED)},
            "/query": {"post": query},
        }
        functions = [word for name in ("echo", "bare", "merged") for word in ("--function", f"{name}=handlers:{name}")]
        with serving(
            tmp_path_factory.mktemp("served"),
            document(paths, **ROOT),
            HANDLERS,
            "--stage",
            "dev",
            "--stage-prefix",
            *functions,
        ) as server:
            yield server


@pytest.mark.parametrize("line", [b"POST /dev/nowhere", b"POST /dev/mock"], ids=["row 1: no route", "row 2: no method"])
def test_what_fits_no_route(served: Served, line: bytes) -> None:
    answer = served.ask(line)

    assert (answer.status, answer.body) == (403, b'{"message":"Missing Authentication Token"}')
    assert answer.header("x-amzn-errortype") == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("path", [b"/dev/mock", b"/elsewhere"])
def test_row_6_every_answer_has_both_ids(served: Served, path: bytes) -> None:
    answer = served.ask(b"GET " + path)

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.header("x-amzn-requestid") or "")
    assert answer.header("x-amz-apigw-id")
    assert answer.header("x-amzn-trace-id") is None


@pytest.mark.parametrize(
    ("target", "path", "parameter", "context_path"),
    [
        pytest.param(
            b"/dev/proxy-value/", "/proxy-value/", "proxy-value", "/dev/proxy-value/", id="row 53: a slash at the end"
        ),
        pytest.param(b"/dev/a//b", "/a//b", "a//b", "/dev/a//b", id="row 54: two slashes inside"),
        pytest.param(b"//dev/a", "/a", "a", "/dev/a", id="row 55: before the stage"),
        pytest.param(b"/dev//a", "/a", "a", "/dev//a", id="row 56: behind the stage"),
        pytest.param(b"/dev//hardcoded", "/hardcoded", None, "/dev//hardcoded", id="row 56: to a literal"),
        pytest.param(
            b"/dev/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "/dev/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            id="row 57: nothing is decoded",
        ),
        pytest.param(b"http://api.example/dev/a", "/a", "a", "/dev/a", id="the absolute form"),
    ],
)
def test_the_path_of_an_event(
    served: Served, target: bytes, path: str, parameter: str | None, context_path: str
) -> None:
    event = served.ask(b"GET " + target).json()

    assert event["path"] == path
    assert event["pathParameters"] == (None if parameter is None else {"proxy": parameter})
    assert event["requestContext"]["path"] == context_path


def test_row_61_header_names_keep_their_casing_and_authorization_gets_one(served: Served) -> None:
    event = served.ask(b"GET /dev/x", b"tEsT-HEADeR: aValUE", b"aUThorization: x", b"tEsT-HEADeR: last").json()

    assert (event["headers"]["tEsT-HEADeR"], event["headers"]["Authorization"]) == ("last", "x")
    assert event["multiValueHeaders"]["tEsT-HEADeR"] == ["aValUE", "last"]
    assert "Connection" not in event["headers"]


def test_row_65_a_status_alone(served: Served) -> None:
    answer = served.ask(b"GET /dev/bare")

    assert (answer.status, answer.body) == (200, b"")
    assert (answer.header("content-type"), answer.header("content-length")) == ("application/json", "0")


def test_row_73_headers_of_the_same_name_are_merged(served: Served) -> None:
    assert served.ask(b"GET /dev/merged").header("test") == "value-multi, value-solo"


def test_row_79_http_sends_what_the_gateway_adds_and_nothing_of_the_clients(served: Served) -> None:
    received = served.ask(
        b"POST /dev/http", b"Accept: text/html", b"X-Own: 1", b"Content-Type: text/plain", body=b"hello"
    ).json()

    headers = dict(received["headers"])
    assert sorted(name.lower() for name in headers) == [
        "accept", "content-length", "content-type", "host", "user-agent", "x-amzn-apigateway-api-id", "x-amzn-trace-id",
    ]  # fmt: skip
    assert (headers["Accept"], headers["Content-Type"]) == ("application/json", "text/plain")
    assert headers["Host"].startswith("127.0.0.1:")
    assert (received["method"], received["target"], received["body"]) == ("POST", "/echo", "hello")


def test_row_80_http_proxy_forwards_the_clients_headers_in_their_casing(served: Served) -> None:
    received = served.ask(
        b"POST /dev/http-proxy", b"aCCept: text/html", b"X-oWN: 1", b"User-Agent: curl/8", body=b"hello"
    ).json()

    headers = dict(received["headers"])
    assert (headers["aCCept"], headers["X-oWN"], headers["User-Agent"]) == ("text/html", "1", "curl/8")
    assert {"X-Amzn-Apigateway-Api-Id", "X-Amzn-Trace-Id"} <= set(headers)
    assert received["body"] == "hello"


def test_row_81_http_proxy_renames_what_the_gateway_keeps_for_itself(served: Served) -> None:
    answer = served.ask(b"POST /dev/http-proxy")

    assert answer.header("x-amzn-remapped-connection") == "keep-alive"
    assert answer.header("x-amzn-remapped-content-length") == answer.header("content-length") == str(len(answer.body))
    assert (answer.header("x-amzn-remapped-server") or "").startswith("BaseHTTP/")
    assert answer.header("x-amzn-remapped-date")
    assert answer.header("x-amzn-remapped-x-amzn-requestid") == "theirs"
    assert answer.header("x-amzn-requestid") not in (None, "theirs")
    assert (answer.header("x-other"), answer.header("server")) == ("1", None)


@pytest.mark.parametrize("path", [b"POST /dev/http", b"POST /dev/http-proxy"])
def test_01_section_11_a_coded_body_is_decoded_for_the_back_end(served: Served, path: bytes) -> None:
    received = served.ask(path, b"Content-Encoding: gzip", body=gzip.compress(b"hello")).json()

    assert received["body"] == "hello"
    assert "content-encoding" not in {name.lower() for name, _ in received["headers"]}


@pytest.mark.parametrize(
    ("path", "coding", "decode"),
    [
        pytest.param(b"GET /dev/hardcoded", b"gzip", gzip.decompress, id="01 §11: a function, gzip"),
        pytest.param(b"POST /dev/http-proxy", b"deflate", zlib.decompress, id="01 §11: a back end, deflate"),
    ],
)
def test_an_answer_is_coded_as_the_client_asks(served: Served, path: bytes, coding: bytes, decode: Any) -> None:
    answer = served.ask(path, b"Accept-Encoding: " + coding)

    assert answer.header("content-encoding") == coding.decode()
    assert answer.header("content-length") in (None, str(len(answer.body)))
    assert decode(answer.body).startswith(b"{")


def test_row_86_query_values_of_the_uri_come_before_those_added(served: Served) -> None:
    received = served.ask(b"POST /dev/query?testQueryString=foo&testVar=bar", b"foobar: foobar").json()

    path, _, query = received["target"].partition("?")
    assert path == "/echo"
    assert query == "testVar=foobar&testVar=bar&testQs=bar&testQs=foo&testQueryString=foo&queryString=foo"


def test_row_93_mapped_response_headers_are_renamed_or_dropped(served: Served) -> None:
    answer = served.ask(b"GET /dev/mapped")

    names = [name.lower() for name, _ in answer.fields]
    assert {name for name in RENAMED if answer.header(f"x-amzn-remapped-{name}") == "mapped"} == set(RENAMED)
    assert answer.header("warn") == "mapped"
    assert "transfer-encoding" not in names
    assert "x-amzn-remapped-transfer-encoding" not in names
    assert names.count("content-length") == 1
    assert (answer.header("content-length"), answer.header("connection")) == ("0", "close")


R = gzip.compress(b"compressed", mtime=0)
REPLACED = R.decode("utf-8", "replace").encode()
E = base64.b64encode(R)


@pytest.mark.parametrize(
    ("path", "content_type", "accept", "received"),
    [
        pytest.param(b"/mirror", b"image/png", b"image/png", R, id="rows 105 and 113"),
        pytest.param(b"/mirror", b"image/png", b"text/plain", E, id="rows 105 and 115"),
        pytest.param(b"/mirror", b"text/plain", b"text/plain", REPLACED, id="rows 106 and 114"),
        pytest.param(b"/mirror-to-text", b"image/png", b"image/png", E, id="rows 107 and 113"),
        pytest.param(b"/mirror-to-text", b"image/png", b"text/plain", base64.b64encode(E), id="rows 107 and 115"),
    ],
)
def test_bytes_and_text_both_ways(
    served: Served, path: bytes, content_type: bytes, accept: bytes, received: bytes
) -> None:
    answer = served.ask(b"POST /dev" + path, b"Content-Type: " + content_type, b"Accept: " + accept, body=R)

    assert (answer.status, answer.body) == (200, received)
    assert answer.header("content-length") == str(len(received))
