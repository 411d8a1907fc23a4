"""Attacks on what `transform` reads and writes: headers, CSV, XML and JSON of clients and back ends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, TransformMiddleware, steps, transform
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client, Reply, Result, ScriptedTransport
from tests.attacks.checks import failures, leaks_nothing
from tests.conformance.documents import document

MIB = 1024 * 1024
SECRET = {"user": "ann", "password": "hunter2"}
FILTER = [steps.drop_fields("password", "[*].password")]


def answering(body: bytes, headers: Mapping[str, str], status: int = 200) -> Any:
    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return app


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    "step",
    [
        steps.set_headers({"x": "a\r\nset-cookie: b=c"}), 
        steps.set_headers({"x\r\ny": "a"}), steps.set_headers({"x": "a\nb"}),
        steps.rename_headers({"x": "y: z\r\nw"}), steps.set_headers({"transfer-encoding": "chunked"}),
        steps.rename_headers({"x": "content-length"}), steps.set_headers({"x": "\0"}),
    ],
    ids=["value", "name", "line feed", "new name", "framing", "renamed to framing", "NUL"],
)  # fmt: skip
def test_a_header_that_would_be_two_stops_the_start(step: steps.Step) -> None:
    with pytest.raises(ConfigError):
        transform(response=[step])


async def test_a_line_end_in_what_an_app_sends_gets_no_new_name() -> None:
    app = answering(b"", {"x-old": "a\r\nset-cookie: b=c"})

    answer = await Client(TransformMiddleware(app, response=[steps.rename_headers({"x-old": "x-new"})])).get("/")

    assert answer.headers == []


async def test_a_value_in_a_query_stays_one_value() -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["query_string"])
        await answering(b"", {})(scope, receive, send)

    client = Client(TransformMiddleware(app, request=[steps.set_query({"a": "1&admin=true#x\r\ny"})]))
    await client.get("/?a=%0d%0a&admin=false")

    assert seen == [b"admin=false&a=1%26admin%3Dtrue%23x%0D%0Ay"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(gzip.compress(json.dumps(SECRET).encode()), {"content-encoding": "gzip"}, 200, id="compressed"),
        pytest.param(json.dumps(SECRET).encode()[:30], {"content-range": "bytes 0-29/42"}, 206, id="a part"),
        pytest.param(json.dumps(SECRET).encode() + b"x", {}, 200, id="no JSON at its end"),
        pytest.param(json.dumps(SECRET).encode("utf-16"), {}, 200, id="in another charset"),
        pytest.param(b'{"password": "hunter2", "password": ' + b"[" * 50000, {}, 200, id="nested without end"),
    ],
)
async def test_a_filter_that_cannot_see_the_body_lets_nothing_of_it_pass(
    body: bytes, headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = answering(body, {"content-type": "application/json", **headers}, status)

    answer = await Client(TransformMiddleware(app, response=FILTER)).get("/", headers={"range": "bytes=0-29"})

    assert answer.status == 502
    leaks_nothing(answer)
    assert failures(caplog) == ["INTEGRATION_RESPONSE_INVALID"]


async def test_a_field_that_stands_twice_is_filtered_twice() -> None:
    app = answering(b'{"password": 1, "a": 2, "password": 3}', {"content-type": "application/json"})

    answer = await Client(TransformMiddleware(app, response=FILTER)).get("/")

    assert answer.body == b'{"a":2}'


def bomb(levels: int = 12) -> bytes:
    entities = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10 if n else 'x' * 10}'>" for n in range(levels))
    return f"<!DOCTYPE a [{entities}]><a>&e{levels - 1};</a>".encode()


@pytest.mark.parametrize(
    "body",
    [
        bomb(), bomb().decode().encode("utf-16"),
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", b"<a>" * 100_000,
        b"<a " + b" ".join(b"a%d='1'" % n for n in range(50_000)),
    ],
    ids=["a bomb", "a bomb in UTF-16", "a file", "depth", "attributes without an end"],
)  # fmt: skip
async def test_xml_that_is_a_weapon_is_a_400(body: bytes) -> None:
    answer = await post(body, "application/xml", steps.xml_to_json())

    assert answer.status == 400
    leaks_nothing(answer)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"[" * 1_000_000, "application/json", 400, id="JSON without an end"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json", 400, id="JSON nested deeply"),
        pytest.param(b"9" * 100_000, "application/json", 400, id="a number of many digits"),
        pytest.param(b"a" * 256 + b"\n" + b"1\n" * 500_000, "text/csv", 413, id="CSV that grows a hundred times"),
        pytest.param(b"a" * 100_000 + b"\n1\n", "text/csv", 400, id="CSV with a long name"),
        pytest.param(b'a\n"' + b"\n" * (2 * MIB), "text/csv", 413, id="CSV with a row without an end"),
        pytest.param(b"," * 400_000, "text/csv", 400, id="CSV of many columns"),
        pytest.param(b"\xff\xfe" + "a\n1".encode("utf-16-le"), "text/csv", 400, id="CSV in another charset"),
    ],
)  # fmt: skip
async def test_a_body_that_is_a_weapon_is_refused(body: bytes, content_type: str, status: int) -> None:
    answer = await post(body, content_type, steps.csv_to_json(), steps.wrap("a"))

    assert answer.status == status
    leaks_nothing(answer)


async def post(body: bytes, content_type: str, *request: steps.Step) -> Result:
    client = Client(TransformMiddleware(echo, request=request))
    return await client.post("/", headers={"content-type": content_type}, body=body)


async def test_a_field_of_a_hundred_megabytes_from_a_back_end_is_given_up_early(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        yield b'a\n"'
        for _ in range(1600):
            taken += 65536
            yield b"x" * 65536

    transport = ScriptedTransport([Reply(headers=[(b"content-type", b"text/csv")], chunks=body())])
    api = Gateway.from_upstream(
        "http://back.test", transport=transport, policies=[transform(response=[steps.csv_to_json()])]
    )

    answer = await Client(api).get("/")

    assert (answer.status, failures(caplog)) == (500, ["INTEGRATION_RESPONSE_TOO_LARGE"])
    assert taken < 2 * MIB


@pytest.mark.parametrize("kind", ["sidecar", "http_proxy"])
@pytest.mark.parametrize(
    "step", [steps.set_headers({"X-User": "gateway"}), steps.rename_headers({"x-from": "X-User"})],
    ids=["set", "renamed"],
)  # fmt: skip
@pytest.mark.parametrize("connection", ["x-user", "close, X-USER ", "close,x-user,x-other"])
async def test_a_client_cannot_have_the_gateways_own_fields_dropped(kind: str, step: Any, connection: str) -> None:
    transport = ScriptedTransport(lambda _: Reply())
    policy = transform(request=[step])
    if kind == "sidecar":
        gateway = Gateway.from_upstream("http://back.test", transport=transport, policies=[policy])
    else:
        proxied = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://back.test/"}
        gateway = Gateway.from_openapi(document({"/": {"get": proxied}}), policies=[policy], transport=transport)

    await Client(gateway).get("/", headers={"connection": connection, "x-from": "gateway", "x-other": "1"})

    sent = {name.lower(): value for name, value in transport.requests[0].headers}
    assert sent[b"x-user"] == b"gateway"
    assert (b"x-other" in sent) == ("x-other" not in connection)  # what the client says of its own fields holds
