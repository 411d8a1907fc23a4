"""The stage cache: of a definition, under the aws profile, and around an app, under the web profile."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, PolicyMiddleware, Reason, VirtualClock, stage_cache
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.gateway.configured import build_gateways, load_config
from gatewaykit.stores.cache_memory import MemoryCacheStore
from gatewaykit.testing import Client
from gatewaykit.testing.policy_contract import PolicyContract
from tests.conformance import authorized
from tests.conformance.documents import document, proxy

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="
PAGE = [{"name": "page", "in": "query", "schema": {"type": "string"}}]


class Function:
    """A Lambda function that counts its calls."""

    def __init__(self, **answer: Any) -> None:
        self.calls, self.answer = 0, answer

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        self.calls += 1
        return {"statusCode": 200, "body": str(self.calls), **self.answer}


def operation(*parameters: str, verb: str = "get", **integration: Any) -> dict[str, Any]:
    keyed = {"cacheKeyParameters": [*parameters]} if parameters else {}
    return {verb: {"parameters": PAGE, "x-amazon-apigateway-integration": proxy("count", **keyed, **integration)}}


def gateway(function: Function, paths: Any = None, **options: Any) -> Gateway:
    given = {"stage_cache": {}, "clock": VirtualClock(), "account_limit": False, **options}
    paths = paths or {"/pets": operation("method.request.querystring.page")}
    return Gateway.from_openapi(document(paths), functions={"count": function}, **given)


class TestContract(PolicyContract):
    def make_policy(self) -> Any:
        return stage_cache()


async def bodies(client: Client, *targets: str, **options: Any) -> list[bytes]:
    return [(await client.get(target, **options)).body for target in targets]


# --------------------------------------------------------------------------------------------------- what is kept


async def test_a_response_is_kept_for_five_minutes_by_its_declared_parameters_and_nothing_else() -> None:
    clock, function = VirtualClock(), Function()
    client = Client(gateway(function, clock=clock))

    assert await bodies(client, "/pets", "/pets?page=1", "/pets?page=1&other=2", "/pets?page=2") == [
        b"1", b"2", b"2", b"3",
    ]  # fmt: skip
    clock.advance("299s")
    assert await bodies(client, "/pets") == [b"1"]
    clock.advance("1s")
    assert await bodies(client, "/pets") == [b"4"]


async def test_without_declared_parameters_a_method_has_one_entry_whatever_stands_in_the_path() -> None:
    client = Client(gateway(Function(), {"/pets/{id}": operation(), "/cats": operation()}))

    assert await bodies(client, "/pets/1", "/pets/2", "/cats") == [b"1", b"1", b"2"]


async def test_methods_of_one_namespace_share_entries() -> None:
    paths = {"/a": operation(cacheNamespace="n"), "/b": operation(cacheNamespace="n"), "/c": operation()}

    assert await bodies(Client(gateway(Function(), paths)), "/a", "/b", "/c") == [b"1", b"1", b"2"]


async def test_a_parameter_of_the_integration_request_counts_as_it_is_mapped() -> None:
    integration = {
        "cacheKeyParameters": ["integration.request.querystring.p", "integration.request.header.fixed",
                               "integration.request.header.who"],
        "requestParameters": {"integration.request.querystring.p": "method.request.querystring.page",
                              "integration.request.header.fixed": "'x'",
                              "integration.request.header.who": "context.httpMethod"},
    }  # fmt: skip
    paths = {"/a": {"get": {"parameters": PAGE, "x-amazon-apigateway-integration": proxy("count", **integration)}}}

    assert await bodies(Client(gateway(Function(), paths)), "/a?page=1", "/a?page=2", "/a?page=1&x=1") == [
        b"1", b"2", b"1",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [201, 204], ids=str)
async def test_other_successes_are_kept(status: int) -> None:
    function = Function(statusCode=status)

    await bodies(Client(gateway(function)), "/pets", "/pets")

    assert function.calls == 1


@pytest.mark.parametrize("answer", [{"statusCode": 404}, {"statusCode": 500}, {"statusCode": 302}, {"statusCode": "x"}],
                         ids=["404", "500", "302", "no response at all"])  # fmt: skip
async def test_what_is_no_success_is_not_kept(answer: dict[str, Any]) -> None:
    function = Function(**answer)

    await bodies(Client(gateway(function)), "/pets", "/pets")

    assert function.calls == 2


async def test_a_body_over_one_mebibyte_is_not_kept() -> None:
    for length, calls in ((1_048_576, 1), (1_048_577, 2)):
        function = Function(body="x" * length)
        await bodies(Client(gateway(function)), "/pets", "/pets")
        assert function.calls == calls


async def test_on_aws_what_the_response_says_of_caching_does_not_count() -> None:
    function = Function(headers={"Cache-Control": "no-store", "Set-Cookie": "a=b", "Vary": "*"})

    await bodies(Client(gateway(function)), "/pets", "/pets")

    assert function.calls == 1


async def test_only_get_is_kept_unless_a_method_says_so_itself() -> None:
    paths = {"/a": {**operation(), **operation(verb="post")}, "/b": operation(verb="post")}
    settings = {"methods": {"*/*": {}, "/b/POST": {}}}
    client = Client(gateway(Function(), paths, stage_cache=settings))

    answers = [(await client.request("POST", target, body=b"x")).body for target in ("/a", "/a", "/b", "/b")]

    assert answers == [b"1", b"2", b"3", b"3"]


async def test_settings_of_a_method_take_the_place_of_those_of_all() -> None:
    paths = {"/on": operation(), "/off": operation(), "/zero": operation(), "/short": operation()}
    settings = {
        "methods": {
            "*/*": {"cache_ttl_in_seconds": 60}, "/off/GET": {"caching_enabled": False},
            "/zero/GET": {"cache_ttl_in_seconds": 0}, "GET /short": {"cache_ttl_in_seconds": 5},
        }
    }  # fmt: skip
    clock = VirtualClock()
    client = Client(gateway(Function(), paths, stage_cache=settings, clock=clock))

    assert await bodies(client, "/on", "/on", "/off", "/off", "/zero", "/zero", "/short", "/short") == [
        b"1", b"1", b"2", b"3", b"4", b"5", b"6", b"6",
    ]  # fmt: skip
    clock.advance("5s")
    assert await bodies(client, "/on", "/short") == [b"1", b"7"]


async def test_a_get_with_a_body_passes_by() -> None:
    function = Function()
    client = Client(gateway(function))

    for _ in range(2):
        await client.request("GET", "/pets", headers={"content-length": "1"}, body=b"x")

    assert function.calls == 2


async def test_a_thousand_misses_at_once_are_one_call() -> None:
    function = Function()
    client = Client(gateway(function))

    answers = await asyncio.gather(*(client.get("/pets") for _ in range(1000)))

    assert ({answer.body for answer in answers}, function.calls) == ({b"1"}, 1)


async def test_the_stage_is_flushed() -> None:
    api = gateway(Function())
    client = Client(api)
    await bodies(client, "/pets", "/pets?page=1")

    await api.flush_stage_cache()

    assert await bodies(client, "/pets", "/pets?page=1") == [b"3", b"4"]


async def test_a_hit_still_needs_its_key() -> None:
    keyed = {"security": [{"key": []}], **operation()["get"]}
    root = {"components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}}}
    api = Gateway.from_openapi(
        document({"/pets": {"get": keyed}}, **root), functions={"count": Function()}, stage_cache={},
        api_keys={"acme": "k" * 20},
    )  # fmt: skip
    client = Client(api)

    statuses = [(await client.get("/pets", headers=headers)).status for headers in ({"x-api-key": "k" * 20}, {})]

    assert statuses == [200, 403]


# --------------------------------------------------------------------------------------------------- made anew

NEW = {"cache-control": "max-age=0"}
INVALIDATE = {"Effect": "Allow", "Action": "execute-api:InvalidateCache", "Resource": "*"}
INVOKE = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}


async def test_anybody_may_have_a_response_made_anew_where_that_needs_no_authorization() -> None:
    settings = {"methods": {"*/*": {"require_authorization_for_cache_control": False}}}
    client = Client(gateway(Function(), stage_cache=settings))

    assert await bodies(client, "/pets", "/pets") == [b"1", b"1"]
    assert await bodies(client, "/pets", headers=NEW) == [b"2"]
    assert await bodies(client, "/pets") == [b"2"]


@pytest.mark.parametrize(
    ("strategy", "status", "warned"),
    [
        ("FAIL_WITH_403", 403, False), ("SUCCEED_WITH_RESPONSE_HEADER", 200, True),
        ("SUCCEED_WITHOUT_RESPONSE_HEADER", 200, False),
    ],
)  # fmt: skip
async def test_who_may_not_gets_what_the_strategy_says(strategy: str, status: int, warned: bool) -> None:
    settings = {"methods": {"*/*": {"unauthorized_cache_control_header_strategy": strategy}}}
    client = Client(gateway(Function(), stage_cache=settings))
    await client.get("/pets")

    answer = await client.get("/pets", headers=NEW)
    missed = await client.get("/pets?page=9", headers=NEW)

    assert (answer.status, answer.header("warning") is not None) == (status, warned)
    assert (missed.status, missed.header("warning") is not None) == (status, warned)
    if status == 200:
        assert answer.body == b"1"


@pytest.mark.parametrize(
    ("statements", "account", "anew"),
    [
        ([INVOKE, INVALIDATE], authorized.ACCOUNT, True),
        ([INVOKE], authorized.ACCOUNT, False),
        ([INVOKE, INVALIDATE, {**INVALIDATE, "Effect": "Deny"}], authorized.ACCOUNT, False),
        ([INVOKE, {**INVALIDATE, "Resource": "arn:aws:execute-api:*:*:*/dev/GET/cats"}], authorized.ACCOUNT, False),
    ],
    ids=["may", "may not", "denied", "another method"],
)
async def test_a_caller_may_where_iam_allows_to_invalidate_the_cache(
    statements: list[dict[str, Any]], account: str, anew: bool
) -> None:
    function = Function()
    api = authorized.api(
        authorized.guarded("iam", **{"x-amazon-apigateway-integration": proxy("count")}), statements=statements,
        account=account, stage_cache={}, functions={"count": function},
    )  # fmt: skip
    client = Client(api)
    for more in ({}, NEW):
        headers = authorized.by_alice(headers=more) | more
        assert (await client.get(authorized.TARGET, headers=headers)).status == 200

    assert function.calls == (2 if anew else 1)


# --------------------------------------------------------------------------------------------------- encrypted


async def test_entries_are_encrypted_at_rest_and_another_key_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    store = MemoryCacheStore(clock)
    function = Function(body="a secret of somebody", headers={"X-Secret": "of its head"})

    async def around(key: str) -> bytes:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            function.calls += 1
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-secret", b"of its head")]})
            await send({"type": "http.response.body", "body": b"a secret of somebody"})

        policy = stage_cache(encryption_key=key, kept_in=store)
        client = Client(PolicyMiddleware(app, policies=[policy], clock=clock))
        return (await client.get("/")).body

    assert [await around(KEY), await around(KEY), function.calls] == [b"a secret of somebody"] * 2 + [1]
    (entry,) = (item.entry for space in store._spaces.values() for item in space._all())
    assert b"secret" not in entry.body
    assert entry.headers == []

    await around(KEY[::-1].strip("=") + "==")
    assert (function.calls, "cannot be decrypted" in caplog.text) == (2, True)


async def test_a_definition_asks_for_encryption_and_the_deployment_has_the_key() -> None:
    methods = {"*/*": {"cache_data_encrypted": True}}
    function = Function()

    await bodies(Client(gateway(function, stage_cache={"methods": methods, "encryption_key": KEY})), "/pets", "/pets")
    assert function.calls == 1

    with pytest.raises(ConfigError, match="no encryption_key"):
        gateway(function, stage_cache={"methods": methods})


# --------------------------------------------------------------------------------------------------- settings

WRONG = [
    pytest.param({"methods": {"*/*": {"cache_ttl_in_seconds": 3601}}}, "3601 is not from 0 to 3600", id="too long"),
    pytest.param({"methods": {"pets": {}}}, "names no method", id="no method"),
    pytest.param({"methods": {"/pets/PUT": {}}}, "has no such method", id="a method that is not there"),
    pytest.param({"methods": {"*/*": {"ttl": 5}}}, "ttl", id="no such setting"),
    pytest.param({"encryption_key": "short"}, "encryption_key", id="no key"),
    pytest.param({"kept_in": "ftp://x"}, "no responses can be kept", id="no store"),
    pytest.param({"kept_in": "memory://?size=much"}, "is no size", id="no size"),
]


@pytest.mark.parametrize(("settings", "told"), WRONG)
def test_wrong_settings(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gateway(Function(), stage_cache=settings)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("integration", "told"),
    [
        ({"cacheKeyParameters": ["method.request.querystring.nope"]}, "no declared parameter of GET /pets"),
        ({"cacheKeyParameters": ["method.request.path.id"]}, "no declared parameter of GET /pets"),
        ({"cacheKeyParameters": ["nonsense"]}, "no parameter of a request"),
        ({"cacheKeyParameters": ["integration.request.header.x"]}, "maps nothing to it"),
        ({"cacheKeyParameters": ["integration.request.header.x"],
          "requestParameters": {"integration.request.header.x": "method.request.body.a"}}, "made of the body"),
    ],
    ids=["not declared", "not in the path", "nonsense", "not mapped", "of the body"],
)  # fmt: skip
def test_keys_that_cannot_be(integration: dict[str, Any], told: str) -> None:
    paths = {"/pets": {"get": {"parameters": PAGE, "x-amazon-apigateway-integration": proxy("count", **integration)}}}

    with pytest.raises(ConfigError) as caught:
        gateway(Function(), paths)

    assert told in str(caught.value)


def test_a_definition_may_not_name_where_responses_are_kept_or_with_which_key() -> None:
    for name in ("kept_in", "encryption_key"):
        made = document({"/pets": operation()}, **{"x-gatewaykit": {"stage_cache": {name: "x"}}})
        with pytest.raises(ConfigError, match="a definition may not say this"):
            Gateway.from_openapi(made, functions={"count": Function()})


async def test_the_definitions_own_settings_and_over_them_those_of_the_deployment() -> None:
    own = {"stage_cache": {"methods": {"*/*": {"cache_ttl_in_seconds": 5}, "/b/GET": {"caching_enabled": False}}}}
    made = document({"/a": operation(), "/b": operation()}, **{"x-gatewaykit": own})
    clock = VirtualClock()
    for given, expected in (
        (None, [b"1", b"1", b"2", b"3"]),
        ({"methods": {"/b/GET": {}}}, [b"1", b"1", b"2", b"2"]),
        ({"enabled": False}, [b"1", b"1", b"2", b"3"]),
    ):
        api = Gateway.from_openapi(made, functions={"count": Function()}, stage_cache=given, clock=clock)
        assert await bodies(Client(api), "/a", "/a", "/b", "/b") == expected


async def test_a_file_switches_it_on(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(document({"/pets": {"get": {"type": "mock", **MOCK}}})), "utf-8")
    text = "apis: {pets: {definition: api.json, stage_cache: {methods: {'*/*': {cache_ttl_in_seconds: 9}}}}}"
    (tmp_path / "gateway.yaml").write_text(text, "utf-8")

    (api,) = build_gateways(load_config(tmp_path / "gateway.yaml")).values()

    assert "stage_cache" in api.routes[0].policies


MOCK: dict[str, Any] = {
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200"}},
}


def test_the_keys_of_the_integration_are_enforced_where_there_is_a_cache_only() -> None:
    paths = {"/pets": operation("method.request.querystring.page", cacheNamespace="n")}
    for given, status in (({}, "enforced"), (None, "ignored")):
        report = gateway(Function(), paths, stage_cache=given).report
        assert report is not None
        found = {entry.key: entry.status for entry in report if entry.key.startswith("cache")}
        assert found == {"cacheNamespace": status, "cacheKeyParameters": status}


# --------------------------------------------------------------------------------------------------- mixed callers


def cautioned(integration: dict[str, Any], *, secured: bool = False, **operation_: Any) -> list[str]:
    security = {"security": [{"key": []}]} if secured else {}
    root = {"components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}}}
    made = document(
        {"/pets": {"get": {**security, **operation_, "x-amazon-apigateway-integration": integration}}}, **root
    )
    api = Gateway.from_openapi(
        made, functions={"count": Function()}, stage_cache={}, api_keys={"acme": "k" * 20} if secured else None
    )
    return [str(caution) for caution in api.cautions]


AUTH = [{"name": "Authorization", "in": "header", "schema": {"type": "string"}}]


def test_a_cache_that_can_mix_callers_is_told_of() -> None:
    reads = {"type": "mock", **MOCK, "requestTemplates": {"application/json": "$context.identity.sourceIp"}}
    mapped = {
        **proxy("count"),
        "requestParameters": {"integration.request.header.a": "method.request.header.Authorization"},
    }

    assert "can depend on who asks" in cautioned(proxy("count"), secured=True)[0]
    assert "reads $context.identity" in cautioned(reads)[0]
    assert "mapped from method.request.header.Authorization" in cautioned(mapped, parameters=AUTH)[0]


def test_and_one_that_cannot_is_not() -> None:
    keyed = proxy("count", cacheKeyParameters=["method.request.header.Authorization"])

    assert cautioned(proxy("count")) == []
    assert cautioned({"type": "mock", **MOCK}, secured=True) == []
    assert cautioned(keyed, secured=True, parameters=AUTH) == []


# --------------------------------------------------------------------------------------------------- around an app


class App:
    def __init__(self, *fields: tuple[str, str]) -> None:
        self.calls, self.fields = 0, fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        headers = [(name.encode(), value.encode()) for name, value in self.fields]
        body = b"%d" % self.calls
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def around(app: App, **options: Any) -> Client:
    return Client(PolicyMiddleware(app, policies=[stage_cache(**options)], clock=VirtualClock()))


async def test_around_an_app_path_host_and_query_always_count() -> None:
    client = around(App())

    assert await bodies(client, "/a", "/a", "/b", "/a?x=1", "/a?x=2") == [b"1", b"1", b"2", b"3", b"4"]
    assert await bodies(client, "/a", headers={"host": "other"}) == [b"5"]


async def test_and_headers_that_are_named() -> None:
    client = around(App(), key=["method.request.header.X-Tenant"])

    answers = [(await client.get("/", headers={"x-tenant": tenant})).body for tenant in ("a", "b", "a")]

    assert answers == [b"1", b"2", b"1"]


SOMEBODY = [{"authorization": "x"}, {"cookie": "a=b"}, {"x-api-key": "k"}]


@pytest.mark.parametrize("headers", SOMEBODY, ids=["Authorization", "a cookie", "an API key"])
async def test_a_response_to_somebody_is_not_kept_unless_it_is_public_or_who_asks_is_in_the_key(
    headers: dict[str, str],
) -> None:
    (name,) = headers
    for client, expected in (
        (around(App()), [b"1", b"2"]),
        (around(App(("cache-control", "public"))), [b"1", b"1"]),
        (around(App(), key=[f"method.request.header.{name}"]), [b"1", b"1"]),
    ):
        assert await bodies(client, "/", "/", headers=headers) == expected


@pytest.mark.parametrize(
    "field",
    [("cache-control", "no-store"), ("cache-control", "private"), ("set-cookie", "a=b"), ("vary", "*"),
     ("vary", "Accept-Language")],
    ids=["no-store", "private", "a cookie", "Vary *", "Vary by what is not in the key"],
)  # fmt: skip
async def test_what_a_response_says_of_itself_counts(field: tuple[str, str]) -> None:
    assert await bodies(around(App(field)), "/", "/") == [b"1", b"2"]


async def test_headers_that_steer_frameworks_pass_by() -> None:
    app = App()
    client = around(app)

    await bodies(client, "/", headers={"x-forwarded-host": "evil"})

    assert await bodies(client, "/", "/") == [b"2", b"2"]


def test_who_only_asks_is_told() -> None:
    app = PolicyMiddleware(App(), policies=[stage_cache(key=["method.request.path.id"])])

    assert app.decide("GET", "/").request.events == [("cache", "is looked up by method.request.path.id")]
    assert app.decide("PUT", "/").request.events == [("cache", "passes by: PUT is not cached")]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"ttl": "2h"}, "stage_cache.ttl"), ({"key": ["query.page"]}, "stage_cache.key"),
        ({"methods": []}, "stage_cache.methods"), ({"unauthorized": "IGNORE"}, "stage_cache.unauthorized"),
        ({"encryption_key": b"short"}, "stage_cache.encryption_key"),
        ({"encryption_key": "***"}, "stage_cache.encryption_key"), ({"kept_in": 5}, "stage_cache.kept_in"),
        ({"may_invalidate": True}, "stage_cache.may_invalidate"),
        ({"require_authorization": 1}, "stage_cache.require_authorization"),
    ],
)  # fmt: skip
def test_wrong_options(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        stage_cache(**options)

    assert where in [problem.where for problem in caught.value.problems]


async def test_a_function_may_say_who_may_have_a_response_made_anew() -> None:
    client = around(App(), may_invalidate=lambda request: request.header("x-admin") == "yes")
    await client.get("/")

    assert await bodies(client, "/", headers=NEW) == [b"1"]
    assert await bodies(client, "/", headers={**NEW, "x-admin": "yes"}) == [b"2"]


def test_the_reason_of_a_refused_invalidation() -> None:
    assert Reason.CACHE_INVALIDATION_DENIED.status == 403
