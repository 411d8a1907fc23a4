"""Attacks on caches: poisoning, deception, and the responses of one caller in the hands of another."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit import Gateway, Policy, PolicyMiddleware, VirtualClock, edge_cache, stage_cache
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.stores.cache_memory import MemoryCacheStore
from gatewaykit.testing import AsgiViolation, Client
from tests.conformance.documents import document, proxy
from tests.peers.redis import running

CACHES = pytest.mark.parametrize("cache", [edge_cache, stage_cache], ids=["edge", "stage"])
INTERLEAVINGS = int(os.environ.get("GATEWAYKIT_INTERLEAVINGS", "10000"))


class Reflecting:
    """An app that puts whatever it is told into its response, and says that it may be kept."""

    def __init__(self, *fields: tuple[bytes, bytes]) -> None:
        self.calls, self.fields = 0, fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        told = {"method": scope["method"], "path": scope["path"], "query": scope["query_string"].decode("latin-1"),
                "headers": headers}  # fmt: skip
        if "content-length" in headers:
            told["body"] = (await receive())["body"].decode("latin-1")
        await send({
            "type": "http.response.start", "status": 200,
            "headers": [(b"cache-control", b"max-age=60"), *self.fields],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def around(app: Any, *policies: Policy) -> Client:
    return Client(PolicyMiddleware(app, policies=policies, clock=VirtualClock()))


# --------------------------------------------------------------------------------------------------- poisoning


@CACHES
@pytest.mark.parametrize(
    "poison",
    [
        {"x-forwarded-host": "evil.example"}, {"x-host": "evil.example"}, {"forwarded": "host=evil.example"},
        {"x-original-url": "/evil"}, {"x-rewrite-url": "/evil"}, {"x-forwarded-scheme": "evil"},
        {"x-forwarded-prefix": "/evil"}, {"x-http-method-override": "EVIL"}, {"x-method-override": "EVIL"},
        {"host": "evil.example"},
    ],
    ids=lambda poison: next(iter(poison)),
)  # fmt: skip
async def test_a_header_that_steers_the_app_reaches_nobody_else(cache: Callable[[], Policy], poison: Any) -> None:
    client = around(Reflecting(), cache())

    poisoned = await client.get("/", headers=poison)
    served = await client.get("/")

    assert b"evil" in poisoned.body.lower()
    assert b"evil" not in served.body.lower()


@CACHES
async def test_a_get_with_a_body_reaches_nobody_else(cache: Callable[[], Policy]) -> None:
    client = around(Reflecting(), cache())

    await client.request("GET", "/", headers={"content-length": "4"}, body=b"evil")

    assert b"evil" not in (await client.get("/")).body


@CACHES
@pytest.mark.parametrize(
    "target",
    ["/?a=1&a=evil", "/?a=1;a=evil", "/?a=evil&a=1", "/?a=1&%61=evil", "/?a=1%26a=evil", "/?a=1&b=evil", "/?A=evil&a=1",
     "//?a=1", "/%2e?a=1", "/?a=1&"],
)  # fmt: skip
async def test_a_query_or_path_spelt_in_another_way_is_another_response(
    cache: Callable[[], Policy], target: str
) -> None:
    app = Reflecting()
    client = around(app, cache())

    await client.get(target)
    await client.get("/?a=1")

    assert app.calls == 2


@pytest.mark.parametrize("target", ["/?page=1&evil=x", "/?page=1;evil=x", "/?evil=x&page=1", "/?page=1&page%00=evil"])
async def test_parameters_that_do_not_count_do_not_reach_the_app(target: str) -> None:
    client = around(Reflecting(), edge_cache(query=["page"]))

    await client.get(target)

    assert json.loads((await client.get("/?page=1")).body)["query"] == "page=1"


@CACHES
async def test_a_response_split_into_a_header_is_not_kept(cache: Callable[[], Policy]) -> None:
    app = Reflecting((b"x-told", b"a\r\nset-cookie: sid=evil"))
    guarded = PolicyMiddleware(app, policies=[cache()], clock=VirtualClock())

    for _ in range(2):
        await ask(guarded, NOBODY, "/")

    assert app.calls == 2


async def test_a_head_beyond_measure_is_not_kept() -> None:
    app = Reflecting((b"x-large", b"x" * 70_000))
    client = around(app, edge_cache())

    for _ in range(2):
        await client.get("/")

    assert app.calls == 2


@CACHES
@pytest.mark.parametrize("field", [(b"set-cookie", b"sid=1"), (b"vary", b"*"), (b"vary", b"x, *"),
                                   (b"content-type", b"text/event-stream")],
                         ids=["Set-Cookie", "Vary *", "Vary with *", "an event stream"])  # fmt: skip
async def test_what_must_not_be_shared_is_not(cache: Callable[[], Policy], field: tuple[bytes, bytes]) -> None:
    app = Reflecting(field)
    client = around(app, cache())

    for _ in range(2):
        await client.get("/")

    assert app.calls == 2


class ForOne:
    """An app whose responses are each for one, with `%d` in a field; with 304 the first one is for all."""

    def __init__(self, status: int, control: bytes, *fields: tuple[bytes, bytes]) -> None:
        self.calls, self.status, self.control, self.fields = 0, status, control, fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        status, control, fields = self.status, self.control, [(name, value % self.calls) for name, value in self.fields]
        if status == 304 and self.calls == 1:
            status, control, fields = 200, b"max-age=60", []
        await asyncio.sleep(0)  # the others come meanwhile
        headers = [(b"etag", b'"1"'), (b"cache-control", control), *fields]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if status == 304 else b"page"})


@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "at once"])
@pytest.mark.parametrize(
    ("headers", "control"),
    [
        pytest.param([(b"set-cookie", b"sid=%d")], b"max-age=60", id="Set-Cookie"),
        pytest.param([(b"x-for", b"%d")], b"private, max-age=60", id="private"),
        pytest.param([(b"x-for", b"%d")], b"no-store", id="no-store"),
    ],
)
async def test_a_304_does_not_hand_what_is_for_one_to_all(
    headers: list[tuple[bytes, bytes]], control: bytes, together: bool
) -> None:
    app = ForOne(304, control, *headers)
    clock = VirtualClock()
    client = Client(PolicyMiddleware(app, policies=[edge_cache()], clock=clock))
    await client.get("/")
    clock.advance("70s")

    answers = (
        [await client.get("/") for _ in range(5)]
        if not together
        else await asyncio.gather(*(client.get("/") for _ in range(5)))
    )

    assert [answer.body for answer in answers] == [b"page"] * 5
    assert len({tuple(answer.header(name.decode()) for name, _ in headers) for answer in answers}) == 5


@CACHES
@pytest.mark.parametrize("status", [206, 500])
@pytest.mark.parametrize(
    ("header", "control"),
    [((b"set-cookie", b"sid=%d"), b""), ((b"x-for", b"%d"), b"private")],
    ids=["cookie", "private"],
)
async def test_who_waits_does_not_get_what_is_for_another(
    cache: Callable[[], Policy], status: int, header: tuple[bytes, bytes], control: bytes
) -> None:
    client = around(ForOne(status, control, header), cache())

    answers = await asyncio.gather(*(client.get("/", headers={"range": "bytes=0-3"}) for _ in range(5)))

    assert len({answer.header(header[0].decode()) for answer in answers}) == 5


@CACHES
async def test_a_page_that_was_cut_short_is_not_kept_as_a_whole_one(cache: Callable[[], Policy]) -> None:
    app = Reflecting((b"content-length", b"9999"))
    client = around(app, cache())

    for _ in range(2):
        with pytest.raises(AsgiViolation, match="9999"):
            await client.get("/")

    assert app.calls == 2


@pytest.mark.parametrize("condition", ["if-range", "if-match", "if-unmodified-since", "if-none-match"])
async def test_a_part_is_shared_only_by_those_who_ask_under_the_same_conditions(condition: str) -> None:
    app = ForOne(206, b"max-age=60")
    client = around(app, edge_cache())
    asked = [{"range": "bytes=0-3"}, {"range": "bytes=0-3", condition: '"old"'}]

    await asyncio.gather(*(client.get("/", headers=headers) for headers in asked))

    assert app.calls == 2


# --------------------------------------------------------------------------------------------------- deception


@CACHES
@pytest.mark.parametrize(
    "target",
    ["/account/x.css", "/account%2fx.css", "/account;x.css", "/account%3bx.css", "/account%00.css", "/account%23.css",
     "/account/..%2fx.css", "/account%3fx.css", "/account.css"],
)  # fmt: skip
async def test_a_page_of_somebody_is_not_kept_under_the_name_of_a_file(
    cache: Callable[[], Policy], target: str
) -> None:
    """The attacker sends the link, the victim opens it, the attacker asks for it."""
    client = around(Reflecting(), cache())

    await client.get(target, headers={"cookie": "sid=victim"})

    assert b"victim" not in (await client.get(target)).body


# --------------------------------------------------------------------------------------------------- clocks and stores


@CACHES
@pytest.mark.parametrize("start", ["2025-01-01T00:00Z", "2027-01-01T00:00Z"], ids=["back", "ahead"])
async def test_a_clock_that_jumps_makes_nothing_fresh(cache: Callable[..., Policy], start: str) -> None:
    app, store = Reflecting(), MemoryCacheStore(VirtualClock())
    for clock in (VirtualClock("2026-01-01T00:00Z"), VirtualClock(start)):
        await Client(PolicyMiddleware(app, policies=[cache(kept_in=store)], clock=clock)).get("/")

    assert app.calls == 2


async def test_a_million_distinct_keys_keep_within_the_budget() -> None:
    store = MemoryCacheStore(VirtualClock(), size=1_000_000)
    client = Client(PolicyMiddleware(Reflecting(), policies=[edge_cache(kept_in=store)], clock=VirtualClock()))

    for number in range(3000):
        await client.get(f"/{number}")
        assert store._bytes <= 1_000_000
    from gatewaykit.core.caching.entry import Entry

    space, entry = store.space("edge:edge"), Entry(200, [], b"x" * 100, 0.0)
    for number in range(1_000_000):  # as many as could matter
        space.put(b"%d" % number, entry, 3600)

    assert store._bytes <= 1_000_000
    assert len(store._small) + len(store._main) < 10_000


# --------------------------------------------------------------------------------------------------- cross-talk

NOBODY = "nobody"
CALLERS: dict[str, dict[str, str]] = {
    NOBODY: {},
    **{f"cookie {name}": {"cookie": f"sid={name}"} for name in ("alice", "bob")},
    **{f"token {name}": {"authorization": f"Bearer {name}"} for name in ("alice", "bob")},
    **{f"key {name}": {"x-api-key": name} for name in ("alice", "bob")},
    "certificate alice": {}, "certificate bob": {},
}  # fmt: skip


def told_of_caller(scope: Scope) -> str:
    headers = {name: value.decode() for name, value in scope["headers"]}
    if chain := (scope.get("extensions") or {}).get("tls", {}).get("client_cert_chain"):
        return f"certificate {chain[0]}"
    for name, kind in ((b"cookie", "cookie"), (b"authorization", "token"), (b"x-api-key", "key")):
        if name in headers:
            return f"{kind} {headers[name].removeprefix('sid=').removeprefix('Bearer ')}"
    return NOBODY


async def careless(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers each caller with their own page, takes its time, and says of all that they may be kept."""
    who = told_of_caller(scope)
    for _ in range(scope["query_string"].count(b"z")):
        await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
    for part in (who[:3], who[3:]):
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def ask(app: Any, who: str, target: str) -> str:
    """What a caller gets; a certificate is a fact of the connection, so the scope is written by hand."""
    path, _, query = target.partition("?")
    headers = [(name.encode(), value.encode()) for name, value in CALLERS[who].items()]
    tls = {"tls": {"client_cert_chain": [who.removeprefix("certificate ")]}} if who.startswith("cert") else {}
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("s", 443), "extensions": tls, "state": {},
    }  # fmt: skip
    body = b""

    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()  # as at a server: nobody leaves before the end

    async def send(message: Any) -> None:
        nonlocal body
        body += message.get("body", b"")

    await app(scope, receive, send)
    return body.decode()


async def test_no_caller_gets_the_page_of_another_in_any_interleaving() -> None:
    """Under the web profile, with both caches, an app that takes no care at all."""
    chance = random.Random(20260101)
    names = [*CALLERS]
    for number in range(INTERLEAVINGS):
        policies = (
            [edge_cache()] if number % 3 == 0 else [stage_cache()] if number % 3 == 1 else [edge_cache(), stage_cache()]
        )
        if number % 50 < 3:  # the same caches serve many rounds, and are renewed now and then
            apps = {}
        app = apps.setdefault(number % 3, PolicyMiddleware(careless, policies=policies, clock=VirtualClock()))
        asked = [(chance.choice(names), f"/{chance.randrange(3)}?{'z' * chance.randrange(4)}") for _ in range(4)]

        got = await asyncio.gather(*(ask(app, who, target) for who, target in asked))

        for (who, _), page in zip(asked, got, strict=True):
            assert page in (who, NOBODY), (number, asked, got)


async def test_on_aws_only_callers_with_equal_declared_parameters_share_a_response() -> None:
    def function(event: Any, context: Any) -> dict[str, Any]:
        sent = {name.lower(): value for name, value in event["headers"].items()}
        return {"statusCode": 200, "body": json.dumps([sent.get("cookie"), sent["x-tenant"]])}

    operation = {
        "parameters": [{"name": "X-Tenant", "in": "header", "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": proxy("echo", cacheKeyParameters=["method.request.header.X-Tenant"]),
    }
    api = Gateway.from_openapi(
        document({"/a": {"get": operation}}), functions={"echo": function}, stage_cache={}, account_limit=False,
        clock=VirtualClock(),
    )  # fmt: skip
    chance, client = random.Random(7), Client(api)
    for _ in range(200):
        asked = [(chance.choice("ab"), chance.choice("xyz")) for _ in range(5)]
        answers = await asyncio.gather(
            *(client.get("/a", headers={"cookie": who, "x-tenant": tenant}) for who, tenant in asked)
        )
        for (_, tenant), answer in zip(asked, answers, strict=True):
            assert json.loads(answer.body)[1] == tenant


# --------------------------------------------------------------------------------------------------- stampedes

HERD = """
import asyncio, sys
from gatewaykit import PolicyMiddleware, edge_cache, stage_cache
from gatewaykit.testing import Client

calls = 0

async def app(scope, receive, send):
    global calls
    calls += 1
    await asyncio.sleep(0.2)  # the others come meanwhile
    await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
    await send({"type": "http.response.body", "body": b"page"})

async def main():
    cache = {"edge": edge_cache, "stage": stage_cache}[sys.argv[1]]
    client = Client(PolicyMiddleware(app, policies=[cache(kept_in=sys.argv[2])]))
    answers = await asyncio.gather(*(client.get("/page") for _ in range(500)))
    assert {answer.body for answer in answers} == {b"page"}
    print(calls)

asyncio.run(main())
"""


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
@pytest.mark.parametrize("kind", ["edge", "stage"])
def test_a_thousand_misses_in_two_processes_are_one_call(kind: str) -> None:
    with running() as server:
        address = f"redis://127.0.0.1:{server.port}?gateway={kind}&timeout=20s"
        processes = [
            subprocess.Popen([sys.executable, "-c", HERD, kind, address], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        calls = [int(process.communicate(timeout=60)[0]) for process in processes]

    assert sum(calls) == 1


@pytest.mark.parametrize("kind", ["edge", "stage"])
def test_without_the_store_it_is_one_call_a_process_or_each_for_itself_but_never_a_failure(kind: str) -> None:
    address = "redis://127.0.0.1:1?connect_timeout=200ms"
    ran = subprocess.run([sys.executable, "-c", HERD, kind, address], capture_output=True, text=True, check=True)

    assert int(ran.stdout) >= 1
