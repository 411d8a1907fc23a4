"""The transform policy: its steps read, and what they do around an app."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from gatewaykit import ConfigError, PolicyMiddleware, Reason, Request, TransformMiddleware, steps, transform
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.policies.step_reading import OPTIONS, steps_schema
from gatewaykit.ports import Runtime
from gatewaykit.testing import Client, Exchange, Result
from tests.asgi.apps import Deciding

CSV, JSON = {"content-type": "text/csv"}, {"content-type": "application/json"}


class App:
    """Answers with what it is told, and keeps what it was shown."""

    def __init__(
        self, body: bytes = b"", headers: Mapping[str, str] = JSON, status: int = 200, pieces: int | None = None
    ) -> None:
        self.answer, self.status, self.pieces = body, status, pieces
        self.fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        self.scope: Scope = {}
        self.body = b""
        self.called = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.called, self.scope = True, scope
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept", "headers": self.fields})
            await receive()
            return
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": self.status, "headers": self.fields})
        size = self.pieces or max(len(self.answer), 1)
        for at in range(0, max(len(self.answer), 1), size):
            piece, more = self.answer[at : at + size], at + size < len(self.answer)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    def header(self, name: str) -> str | None:
        return dict(self.scope["headers"]).get(name.encode(), b"\0").decode("latin-1").replace("\0", "") or None


def around(app: App, **options: Any) -> Client:
    return Client(TransformMiddleware(app, **options))


async def answered(app: App, method: str = "GET", **options: Any) -> Result:
    return await around(app, **options).request(method, "/")


# --------------------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("feed", ["whole", "bytes", "chunks"])
async def test_an_app_is_shown_json_for_csv(feed: str) -> None:
    app = App()
    client = around(app, request=[steps.csv_to_json(types={"n": "integer"}), steps.wrap("rows")])

    await client.post("/", headers={**CSV, "digest": "x"}, body='n,t\r\n1,"a\nb"\r\n', feed=feed)

    assert app.body == b'{"rows":[{"n":1,"t":"a\\nb"}]}'
    assert (app.header("content-type"), app.header("content-length")) == ("application/json", str(len(app.body)))
    assert app.header("digest") is None


async def test_an_app_is_shown_other_headers_and_another_query() -> None:
    app = App()
    client = around(
        app,
        request=[
            steps.set_headers({"X-Version": "2"}), steps.rename_headers({"x-user": "x-tenant"}),
            steps.remove_headers("cookie"), steps.set_query({"v": "2"}), steps.rename_query({"p": "page"}),
            steps.remove_query("debug"),
        ],
    )  # fmt: skip

    await client.get("/?p=1&debug", headers={"x-user": "a", "cookie": "c"})

    assert app.scope["headers"] == [(b"x-tenant", b"a"), (b"x-version", b"2")]
    assert app.scope["query_string"] == b"page=1&v=2"


async def test_a_later_policy_sees_what_the_steps_made() -> None:
    seen: list[Any] = []

    def look(request: Request) -> Request:
        seen.extend((request.header("x-v"), request.query, request.body))
        return request

    policies = [
        transform(request=[steps.set_headers({"x-v": "1"}), steps.set_query({"q": "2"}), steps.wrap("a")]),
        Deciding(look),
    ]
    await Client(PolicyMiddleware(App(), policies=policies)).post("/", headers=JSON, body=b"1")

    assert seen == ["1", {"q": ["2"]}, b'{"a":1}']


async def test_a_body_of_another_type_streams_through() -> None:
    app = App()
    started = asyncio.Event()

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        await app(scope, receive, send)

    client = Client(TransformMiddleware(watching, request=[steps.csv_to_json()]))
    async with client.open("POST", "/", headers={"content-type": "video/mp4", "content-length": "4"}) as exchange:
        exchange.feed(b"ab")
        async with asyncio.timeout(5):
            await started.wait()
        exchange.feed(b"cd", more=False)
        await exchange.result()

    assert app.body == b"abcd"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        pytest.param({}, b"", b"", id="no body"),
        pytest.param(JSON, b"", b"", id="JSON of nothing"),
        pytest.param(CSV, b"", b"", id="CSV of nothing"),
        pytest.param({}, b"1", b'{"a":1}', id="no type"),
        pytest.param({"content-type": "application/ld+json"}, b"1", b'{"a":1}', id="a type that is JSON too"),
        pytest.param({"content-type": "text/plain"}, b"1", b"1", id="another type"),
        pytest.param({"content-encoding": "identity", **JSON}, b"1", b'{"a":1}', id="no encoding"),
    ],
)
async def test_which_bodies_are_changed(headers: dict[str, str], body: bytes, expected: bytes) -> None:
    app = App()

    answer = await around(app, request=[steps.wrap("a")]).post("/", headers=headers, body=body)

    assert (answer.status, app.body) == (200, expected)


async def test_a_body_of_no_use_is_refused_unread() -> None:
    client = around(App(), request=[steps.wrap("a")])

    async with client.open("POST", "/", headers={**JSON, "content-encoding": "br", "content-length": "9"}) as exchange:
        answer = await exchange.result()  # none of its body has come

    assert answer.status == 415


async def test_a_body_without_a_length_is_read_too() -> None:
    app = App()

    await around(app, request=[steps.wrap("a")]).post("/", headers={"transfer-encoding": "chunked"}, feed=[b"[", b"]"])

    assert (app.body, app.header("transfer-encoding"), app.header("content-length")) == (b'{"a":[]}', None, "8")


REFUSED: Any = [
    pytest.param({}, JSON, b"{", Reason.BODY_NOT_TRANSFORMED, 400, id="no JSON"),
    pytest.param({}, CSV, b"a,b\n1", Reason.BODY_NOT_TRANSFORMED, 400, id="a ragged row"),
    pytest.param({}, {"content-type": "text/xml"}, b"<!DOCTYPE a><a/>", Reason.BODY_NOT_TRANSFORMED, 400, id="a DTD"),
    pytest.param({}, {**JSON, "content-encoding": "gzip"}, b"x", Reason.MEDIA_TYPE_UNSUPPORTED, 415, id="encoded"),
    pytest.param({}, {"content-type": "text/csv;charset=utf-16"}, b"x", Reason.MEDIA_TYPE_UNSUPPORTED, 415, id="UTF16"),
    pytest.param(
        {"strict": True}, {"content-type": "text/plain"}, b"x", Reason.MEDIA_TYPE_UNSUPPORTED, 415, id="strict"
    ),
    pytest.param({"max_body_bytes": 4}, JSON, b'"abc"', Reason.BODY_TOO_LARGE, 413, id="too large"),
    pytest.param({"max_body_bytes": 9}, JSON, b'"abcd"', Reason.BODY_TOO_LARGE, 413, id="too large when changed"),
    pytest.param({}, {**JSON, "content-length": "9" * 6000}, b"", Reason.BODY_TOO_LARGE, 413, id="announced as large"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "headers", "body", "reason", "status"), REFUSED)
@pytest.mark.parametrize("feed", ["whole", "bytes"])
async def test_a_body_that_cannot_be_changed_is_refused(
    options: dict[str, Any], headers: dict[str, str], body: bytes, reason: Reason, status: int, feed: str
) -> None:
    app = App()
    middleware = TransformMiddleware(
        app, request=[steps.csv_to_json(), steps.xml_to_json(), steps.wrap("a")], **options
    )

    answer = await Client(middleware).post("/", headers=headers, body=body, feed=feed)

    assert (answer.status, app.called) == (status, False)
    if body:
        decision = middleware.decide("POST", "/", headers=headers, body=body)
        assert decision.reason is reason
        assert decision.detail


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain", "content-length": "0"}], ids=["none", "empty"])
async def test_strict_lets_requests_without_a_body_pass(headers: dict[str, str]) -> None:
    answer = await around(App(), request=[steps.wrap("a")], strict=True).get("/", headers=headers)

    assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "strict", "status", "expected"),
    [(b"1", False, 200, b'{"a":1}'), (b"", False, 200, b""), (b"", True, 200, b""), (b"1", True, 200, b'{"a":1}')],
)
async def test_over_http_2_a_body_needs_no_length(body: bytes, strict: bool, status: int, expected: bytes) -> None:
    app = App()
    client = Client(TransformMiddleware(app, request=[steps.wrap("a")], strict=strict), http_version="2")

    async with client.open("POST", "/") as exchange:
        exchange.feed(body, more=False)
        answer = await exchange.result()

    assert (answer.status, app.body) == (status, expected)


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"x", 415)])
async def test_over_http_2_strict_refuses_what_turns_out_to_be_a_body(body: bytes, status: int) -> None:
    client = Client(TransformMiddleware(App(), request=[steps.csv_to_json()], strict=True), http_version="2")

    async with client.open("POST", "/") as exchange:
        exchange.feed(body, more=False)
        answer = await exchange.result()

    assert answer.status == status


async def test_a_client_that_leaves_in_its_body_ends_the_request() -> None:
    app = App()

    answer = await around(app, request=[steps.wrap("a")]).post("/", headers=JSON, body=b'"abc"', disconnect_after=2)

    assert (answer.started, app.called, answer.raised) == (False, False, None)


async def test_a_handshake_gets_its_headers_and_its_query() -> None:
    app = App(headers={"server": "x"})
    client = around(
        app,
        request=[steps.set_headers({"x-v": "1"}), steps.set_query({"q": "1"}), steps.wrap("a")],
        response=[steps.remove_headers("server"), steps.set_headers({"x-w": "1"}), steps.wrap("a")],
    )

    async with client.websocket("/") as socket:
        headers = socket.headers

    assert (app.header("x-v"), app.scope["query_string"]) == ("1", b"q=1")
    assert headers == [(b"x-w", b"1")]


# --------------------------------------------------------------------------------------------------- responses


@pytest.mark.parametrize("pieces", [None, 1, 3], ids=["whole", "byte by byte", "in pieces"])
@pytest.mark.parametrize(
    ("response", "headers", "body", "expected", "content_type"),
    [
        pytest.param(
            [steps.drop_fields("items[*].secret"), steps.rename_fields({"items": "list"})], JSON,
            b'{"items":[{"id":1,"secret":2}]}', b'{"list":[{"id":1}]}', "application/json", id="JSON",
        ),
        pytest.param(
            [steps.unwrap("data"), steps.pick_fields("[*].id"), steps.set_fields({"[*].v": 2})],
            {"content-type": "application/hal+json; x=y"}, b'{"data":[{"id":1,"b":2}]}', b'[{"id":1,"v":2}]',
            "application/hal+json; x=y", id="JSON of another name",
        ),
        pytest.param([steps.csv_to_json()], CSV, b"a\n1\n2\n", b'[{"a":"1"},{"a":"2"}]', "application/json", id="CSV"),
        pytest.param(
            [steps.json_to_csv(columns=["b"], delimiter=";")], JSON, b'[{"a":1,"b":2}]', b"b\r\n2\r\n",
            "text/csv; charset=utf-8", id="JSON to CSV",
        ),
        pytest.param(
            [steps.xml_to_json(lists=["b"])], {"content-type": "text/xml"}, b"<a><b>1</b></a>", b'{"a":{"b":["1"]}}',
            "application/json", id="XML",
        ),
        pytest.param([steps.wrap("a")], {"content-type": "text/plain"}, b"1", b"1", "text/plain", id="another type"),
        pytest.param([steps.wrap("a")], {}, b"1", b"1", None, id="no type"),
        pytest.param([steps.wrap("a")], JSON, b"", b"", "application/json", id="empty"),
    ],
)  # fmt: skip
async def test_a_client_gets_the_changed_body(
    response: list[Any],
    headers: dict[str, str],
    body: bytes,
    expected: bytes,
    content_type: str | None,
    pieces: int | None,
) -> None:
    answer = await answered(App(body, headers, pieces=pieces), response=response)

    assert (answer.status, answer.body, answer.header("content-type")) == (200, expected, content_type)


async def test_fields_about_the_old_bytes_do_not_stay() -> None:
    fields = {"etag": '"1"', "content-md5": "x", "content-length": "1", "accept-ranges": "bytes", "x-own": "1"}
    changed = await answered(App(b"1", {**JSON, **fields}), response=[steps.wrap("a")])
    same = await answered(App(b"1", {"content-type": "text/plain", **fields}), response=[steps.wrap("a")])

    assert sorted(name for name, _ in changed.headers) == [b"content-type", b"x-own"]
    assert {name.decode(): value.decode() for name, value in same.headers} == {"content-type": "text/plain", **fields}


async def test_header_steps_are_for_every_response_and_come_last() -> None:
    response = [steps.set_headers({"content-type": "text/x", "x-v": "1"}), steps.csv_to_json()]

    good = await answered(App(b"a\n", CSV), response=response)
    bad = await answered(App(b"a,a\n", CSV), response=response)

    assert (good.body, good.header("content-type"), good.header("x-v")) == (b"[]", "text/x", "1")
    assert (bad.status, bad.header("x-v")) == (502, "1")


@pytest.mark.parametrize(
    ("status", "errors", "expected"),
    [
        (200, False, b'{"a":1}'),
        (302, False, b'{"a":1}'),
        (404, False, b"1"),
        (404, True, b'{"a":1}'),
        (500, False, b"1"),
    ],
)
async def test_errors_keep_their_bodies_unless_it_is_said(status: int, errors: bool, expected: bytes) -> None:
    answer = await answered(App(b"1", status=status), response=[steps.wrap("a")], errors=errors)

    assert (answer.status, answer.body) == (status, expected)


@pytest.mark.parametrize("status", [204, 304])
async def test_a_response_that_has_no_body_stays_so(status: int) -> None:
    answer = await answered(App(b"", {**JSON, "etag": "1"}, status), response=[steps.wrap("a")], strict=True)

    assert (answer.status, answer.header("etag"), answer.body) == (status, "1", b"")


async def test_what_the_gateway_answers_itself_is_not_changed() -> None:
    middleware = TransformMiddleware(
        App(), request=[steps.csv_to_json()], response=[steps.pick_fields("nothing")], errors=True
    )

    answer = await Client(middleware).post("/", headers=CSV, body="a,a\n")

    assert answer.json() == {"message": "Invalid request body"}


async def test_a_head_has_the_fields_of_the_changed_body_and_no_length() -> None:
    app = App(b"", {**CSV, "content-length": "4", "etag": "1"})

    answer = await answered(app, "HEAD", response=[steps.csv_to_json()])

    assert (answer.header("content-type"), answer.header("etag"), answer.body) == ("application/json", None, b"")
    assert answer.header("content-length") is None


async def test_a_row_is_sent_before_the_app_has_made_the_next() -> None:
    goes_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})
        await send({"type": "http.response.body", "body": b"a\n1\n", "more_body": True})
        await goes_on.wait()
        await send({"type": "http.response.body", "body": b"2\n"})

    client = Client(TransformMiddleware(app, response=[steps.csv_to_json(), steps.wrap("r")]))
    async with client.open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        start, first = await exchange.next_message(), await exchange.next_message()
        goes_on.set()
        answer = await exchange.result()

    assert (start["status"], first["body"]) == (200, b'{"r":[{"a":"1"}')
    assert answer.json() == {"r": [{"a": "1"}, {"a": "2"}]}


BROKEN: Any = [
    pytest.param({}, JSON, b"{", 200, id="no JSON"),
    pytest.param({}, CSV, b"a\n1,2\n", 200, id="a ragged row"),
    pytest.param({}, {**JSON, "content-encoding": "gzip"}, b"x", 200, id="encoded all the same"),
    pytest.param({}, {"content-type": "text/csv; charset=utf-16"}, b"x", 200, id="charset"),
    pytest.param({}, JSON, b"1", 206, id="a part of it"),
    pytest.param({}, {"content-type": "multipart/byteranges; boundary=x"}, b"x", 206, id="parts of it"),
    pytest.param({"strict": True}, {"content-type": "text/plain"}, b"x", 200, id="strict"),
    pytest.param({"strict": True}, {}, b"x", 200, id="strict, and no type"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "headers", "body", "status"), BROKEN)
@pytest.mark.parametrize("pieces", [None, 1], ids=["whole", "byte by byte"])
async def test_a_response_that_cannot_be_changed_is_an_error_and_shows_nothing(
    options: dict[str, Any], headers: dict[str, str], body: bytes, status: int, pieces: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    app = App(body, {**headers, "x-secret": "1"}, status, pieces)

    answer = await answered(app, response=[steps.csv_to_json(), steps.drop_fields("secret")], **options)

    assert (answer.status, answer.json(), answer.header("x-secret")) == (
        502,
        {"message": "Internal server error"},
        None,
    )
    assert [record.reason for record in caplog.records] == ["INTEGRATION_RESPONSE_INVALID"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("headers", [JSON, {"content-type": "text/csv", "x": "1"}], ids=["JSON", "CSV"])
async def test_a_response_over_the_bound_is_a_500(headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    app = App(b'"' + b"a" * 300 + b'"\n1\n', headers)

    answer = await answered(app, response=[steps.csv_to_json(), steps.set_fields({"a": 1})], max_body_bytes=200)

    assert answer.status in (500, 502)
    assert len(caplog.records) == 1


async def read_to_the_end(exchange: Exchange) -> None:
    while (await exchange.next_message())["more_body"]:
        pass


async def test_a_response_that_breaks_off_in_the_middle_never_looks_whole(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    client = around(App(b"a\n1\n2,3\n", CSV, pieces=1), response=[steps.csv_to_json()])

    async with client.open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        await exchange.next_message()
        with pytest.raises(AssertionError, match="sent nothing more"):
            await read_to_the_end(exchange)

    assert ["row 3 has 2 fields, not 1" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("sent", ["gzip", "br, gzip;q=0.5", "identity"])
async def test_what_stands_behind_is_asked_for_no_encoding_where_its_body_is_to_be_changed(sent: str) -> None:
    changes, leaves = App(), App()

    await around(changes, response=[steps.wrap("a")]).get("/", headers={"accept-encoding": sent})
    await around(leaves, response=[steps.remove_headers("a")]).get("/", headers={"accept-encoding": sent})

    assert (changes.header("accept-encoding"), leaves.header("accept-encoding")) == ("identity", sent)


# --------------------------------------------------------------------------------------------------- hooks


@pytest.mark.parametrize(
    ("options", "hooks"),
    [
        pytest.param({"request": [steps.set_headers({"a": "1"})]}, {"on_request", "rewrites"}, id="request headers"),
        pytest.param({"request": [steps.wrap("a")]}, {"on_request", "rewrites"}, id="request body"),
        pytest.param({"response": [steps.set_headers({"a": "1"})]}, {"on_head"}, id="response headers"),
        pytest.param({"response": [steps.wrap("a")]}, {"on_request", "rewrites", "wrap_body"}, id="response body"),
    ],
)
def test_a_hook_with_nothing_to_do_is_not_there(runtime: Runtime, options: dict[str, Any], hooks: set[str]) -> None:
    bound = transform(**options).bind(runtime)

    assert {
        name for name in ("on_request", "on_head", "wrap_body", "on_body", "rewrites") if getattr(bound, name)
    } == hooks
    assert bound.reads_body is False


# --------------------------------------------------------------------------------------------------- configuration


PROBLEMS: Any = [
    pytest.param([], "transform: there are no steps", id="no steps"),
    pytest.param("wrap", "transform.request: 'wrap' is no list of steps", id="no list"),
    pytest.param([3], "transform.request[0]: 3 is no step", id="no step"),
    pytest.param([{"wrap": "a", "unwrap": "a"}], "transform.request[0]: {", id="two in one"),
    pytest.param(
        [{"drop_field": "a"}],
        "transform.request[0].drop_field: there is no step 'drop_field' (did you mean 'drop",
        id="near",
    ),
    pytest.param(
        [{"xyz": "a"}], "transform.request[0].xyz: there is no step 'xyz'. Known are rename_headers, ", id="not near"
    ),
    pytest.param(
        [steps.set_headers({"a": "b\r\nc: d"})],
        "transform.request[0].set_headers: 'b\\r\\nc: d' is no value",
        id="value",
    ),
    pytest.param(
        [steps.set_headers({"a\r\nb": "c"})], "transform.request[0].set_headers: 'a\\r\\nb' is no name", id="name"
    ),
    pytest.param(
        [steps.set_headers({"content-length": "1"})],
        "transform.request[0].set_headers: 'content-length' belongs",
        id="owned",
    ),
    pytest.param(
        [steps.rename_headers({"a": "b c"})], "transform.request[0].rename_headers: 'b c' is no name", id="new name"
    ),
    pytest.param(
        [steps.rename_headers("a")], "transform.request[0].rename_headers: 'a' is no mapping", id="no mapping"
    ),  # type: ignore[arg-type]
    pytest.param(
        [steps.set_headers("a")], "transform.request[0].set_headers: 'a' is no mapping", id="no mapping to set"
    ),  # type: ignore[arg-type]
    pytest.param([steps.remove_headers()], "transform.request[0].remove_headers: nothing is named", id="nothing named"),
    pytest.param([steps.remove_headers("a b")], "transform.request[0].remove_headers: 'a b' is no name", id="no name"),
    pytest.param([{"remove_headers": 3}], "transform.request[0].remove_headers: 3 is no list of texts", id="no names"),
    pytest.param([steps.set_query({"a": 1})], "transform.request[0].set_query: the value of 'a' is 1", id="no text"),  # type: ignore[dict-item]
    pytest.param([steps.remove_query("")], "transform.request[0].remove_query: '' is no name", id="no parameter"),
    pytest.param(
        [steps.drop_fields("a..b")], "transform.request[0].drop_fields: 'a..b' cannot be read from", id="path"
    ),
    pytest.param(
        [steps.rename_fields({"a[*]": "b"})],
        "transform.request[0].rename_fields: 'a[*]' leads to an element",
        id="element",
    ),
    pytest.param([steps.rename_fields({"a": 1})], "transform.request[0].rename_fields: 1 is no name", id="no new name"),  # type: ignore[dict-item]
    pytest.param(
        [steps.rename_fields({".": "b"})], "transform.request[0].rename_fields: '.' cannot be read", id="no old name"
    ),
    pytest.param(
        [steps.rename_fields(["a"])], "transform.request[0].rename_fields: ['a'] is no mapping", id="names in a list"
    ),  # type: ignore[arg-type]
    pytest.param(
        [steps.set_fields({"a": {1}})], "transform.request[0].set_fields: the value of 'a' cannot", id="no JSON"
    ),
    pytest.param(
        [steps.set_fields({"a": [float("nan")]})], "transform.request[0].set_fields: the value of 'a' cannot", id="NaN"
    ),
    pytest.param(
        [steps.set_fields({"a": {1: 1}})],
        "transform.request[0].set_fields: the value of 'a' cannot",
        id="a name that is no text",
    ),
    pytest.param(
        [steps.set_fields({"a.": 1})], "transform.request[0].set_fields: 'a.' cannot be read", id="no place to set"
    ),
    pytest.param([steps.set_fields(3)], "transform.request[0].set_fields: 3 is no mapping", id="nothing to set"),  # type: ignore[arg-type]
    pytest.param([steps.wrap(3)], "transform.request[0].wrap: 3 is no name", id="no wrapper"),  # type: ignore[arg-type]
    pytest.param(
        [steps.unwrap("a[*]")], "transform.request[0].unwrap: 'a[*]' leads to more than one", id="unwrap many"
    ),
    pytest.param([steps.unwrap("")], "transform.request[0].unwrap: '' is no path", id="unwrap nothing"),
    pytest.param(
        [steps.wrap("a"), steps.csv_to_json()],
        "transform.request[1].csv_to_json: csv_to_json stands after wrap",
        id="order",
    ),
    pytest.param(
        [steps.json_to_csv(), steps.wrap("a")],
        "transform.request[1].wrap: wrap stands after json_to_csv",
        id="order at the end",
    ),
    pytest.param(
        [steps.json_to_csv(), steps.json_to_csv()],
        "transform.request[1].json_to_csv: json_to_csv stands here twice",
        id="twice",
    ),
    pytest.param(
        [steps.csv_to_json(delimiter="ab")],
        "transform.request[0].csv_to_json.delimiter: 'ab' is not one",
        id="delimiter",
    ),
    pytest.param(
        [steps.csv_to_json(types={"a": "int"})],
        "transform.request[0].csv_to_json.types: 'int' of 'a' is no type",
        id="type",
    ),  # type: ignore[dict-item]
    pytest.param(
        [{"csv_to_json": {"types": ["a"]}}], "transform.request[0].csv_to_json.types: ['a'] is no mapping", id="types"
    ),
    pytest.param(
        [steps.csv_to_json(names=["count"], types={"conut": "integer"})],
        "transform.request[0].csv_to_json.types: there is no column 'conut' (did you mean 'count'?)",
        id="a type of no column",
    ),
    pytest.param(
        [steps.csv_to_json(names=["a", "a"])], "transform.request[0].csv_to_json.names: two columns", id="names"
    ),
    pytest.param(
        [steps.json_to_csv(columns=["a", "a"])], "transform.request[0].json_to_csv.columns: two columns", id="columns"
    ),
    pytest.param(
        [{"csv_to_json": {"delimeter": ";"}}],
        "transform.request[0].csv_to_json.delimeter: csv_to_json has no option 'delimeter' (did you",
        id="option",
    ),
    pytest.param(
        [{"csv_to_json": {"zz": ";"}}],
        "transform.request[0].csv_to_json.zz: csv_to_json has no option 'zz'. Known are names",
        id="no option",
    ),
    pytest.param([{"csv_to_json": 3}], "transform.request[0].csv_to_json: 3 is no mapping", id="no options"),
    pytest.param(
        [{"csv_to_json": {"quote": 3}}], "transform.request[0].csv_to_json.quote: 3 is no text", id="a number"
    ),
    pytest.param(
        [{"json_to_csv": {"header": "no"}}],
        "transform.request[0].json_to_csv.header: 'no' is not true or false",
        id="flag",
    ),
    pytest.param(
        [steps.csv_to_json(content_types=["excel"])],
        "transform.request[0].csv_to_json.content_types: 'excel' is no content type",
        id="content type",
    ),
    pytest.param(
        [{"xml_to_json": {"lists": 3}}], "transform.request[0].xml_to_json.lists: 3 is no list of texts", id="lists"
    ),
]


@pytest.mark.parametrize(("given", "problem"), PROBLEMS)
def test_what_is_wrong_with_steps(given: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        transform(request=given)

    assert [str(each)[: len(problem)] for each in caught.value.problems] == [problem]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        transform(
            request=[steps.wrap(1), steps.drop_fields("")],  # type: ignore[arg-type]  # a user's mistake
            response=[steps.set_query({"a": "1"}), steps.remove_query("a"), steps.rename_query({"a": "b"})],
            strict=1, errors="no", max_body_bytes=0,  # type: ignore[arg-type]  # users' mistakes
        )  # fmt: skip

    assert [problem.where for problem in caught.value.problems] == [
        "transform.request[0].wrap", "transform.request[1].drop_fields", "transform.response[0].set_query",
        "transform.response[1].remove_query", "transform.response[2].rename_query", "transform.strict",
        "transform.errors", "transform.max_body_bytes",
    ]  # fmt: skip


def test_steps_may_be_written_as_in_a_file() -> None:
    spelt = transform(
        request=["csv_to_json", {"xml_to_json": None}, {"drop_fields": "a"}, {"json_to_csv": {"columns": ["b"]}}],
        response=[{"remove_headers": ["server"]}],
    )
    called = transform(
        request=[
            steps.csv_to_json(), steps.xml_to_json(), steps.drop_fields("a"), steps.json_to_csv(columns=["b"]),
        ],
        response=[steps.remove_headers("server")],
    )  # fmt: skip

    assert spelt == called


def test_the_schema_of_a_file_has_every_step() -> None:
    names = {name for name in steps.__all__ if name != "Step"}

    schema = steps_schema("request")

    assert {name for each in schema["anyOf"] for name in each.get("properties", ())} == names
    assert set(OPTIONS) == set(schema["anyOf"][-1]["enum"])
    assert not any(
        "_query" in name for each in steps_schema("response")["anyOf"] for name in each.get("properties", ())
    )
