"""The gateway app made from a definition: what is bound, what is refused at the start, and what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewaykit import (
    ApiKey,
    ConfigError,
    Gateway,
    Policy,
    PolicyMiddleware,
    Reason,
    Request,
    access_log,
    by,
    cors,
    quota,
    rule,
    steps,
    throttle,
    transform,
)
from gatewaykit.clock import VirtualClock
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.asgi.apps import Recorder, echo, hello
from tests.conformance.documents import document, gateway, mock, proxy

KEY = "a-key-of-more-than-twenty-characters"
KEYED: dict[str, Any] = {
    "security": [{"key": []}],
    "x-amazon-apigateway-integration": mock(responseTemplates={"application/json": "in"}),
}
SCHEME = {"components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}}}


def keyed(**options: Any) -> Gateway:
    return gateway({"/x": {"get": KEYED}, "/open": {"get": mock()}}, root=SCHEME, stage_prefix=False, **options)


# ---------------------------------------------------------------------------------------------------------- stage


@pytest.mark.parametrize("stage", ["", "a/b", "a b", "$default", "x" * 129])
def test_a_stage_has_a_name_that_can_stand_in_a_path(stage: str) -> None:  # 01 §1
    with pytest.raises(ConfigError, match="is no name of a stage: a stage is named by letters, digits, _ and -"):
        gateway({"/x": {"get": mock()}}, stage=stage)


@pytest.mark.parametrize("value", [1, None, True])
def test_a_stage_variable_is_text(value: Any) -> None:
    http = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://b.test/${stageVariables.tier}"}

    with pytest.raises(ConfigError, match=f"the value of 'tier' is {type(value).__name__}, not text. Write it in quot"):
        gateway({"/x": {"get": http}}, stage_variables={"tier": value})


# ------------------------------------------------------------------------------------------------------- API keys


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({}, Reason.API_KEY_MISSING, id="row 122: no key"),
        pytest.param({"x-api-key": "b" * 30}, Reason.API_KEY_UNKNOWN, id="unknown"),
        pytest.param({"x-api-key": "c" * 30}, Reason.API_KEY_DISABLED, id="row 122: disabled"),
        pytest.param({"X-API-Key": KEY}, None, id="row 122: a valid key"),
    ],
)
def test_a_method_that_needs_a_key(headers: dict[str, str], reason: Reason | None) -> None:
    api = keyed(
        api_keys=[ApiKey(id="1", name="good", value=KEY), ApiKey(id="2", name="off", value="c" * 30, enabled=False)]
    )

    decision = api.decide("GET", "/x", headers=headers)

    assert decision.reason is reason
    if decision.response is not None:
        assert (decision.status, decision.response.body) == (403, b'{"message":"Forbidden"}')


def test_without_any_key_bound_every_call_is_refused() -> None:
    assert keyed().decide("GET", "/x", headers={"x-api-key": KEY}).reason is Reason.API_KEY_UNKNOWN
    assert keyed().decide("GET", "/x").reason is Reason.API_KEY_MISSING


def test_a_limit_by_api_key_holds_only_where_a_key_is_needed() -> None:
    api = keyed(api_keys={"good": KEY}, policies=[throttle(rate=1, burst=1, key=by.api_key)])
    headers = {"x-api-key": KEY}

    assert [api.decide("GET", "/x", headers=headers).reason for _ in range(2)] == [None, Reason.THROTTLED]
    assert [api.decide("GET", "/open").reason for _ in range(2)] == [None, None]


def test_the_documents_own_keys_and_policies_hold() -> None:
    own = {"keys": {"demo": KEY}, "policies": [{"throttle": {"rate": 1, "burst": 1, "key": "api_key"}}]}
    api = gateway({"/x": {"get": KEYED}}, root={**SCHEME, "x-gatewaykit": own}, stage_prefix=False)

    assert api.decide("GET", "/x", headers={"x-api-key": KEY}).allowed
    assert api.decide("GET", "/x", headers={"x-api-key": KEY}).reason is Reason.THROTTLED


def test_a_methods_own_policies_hold_for_it_alone() -> None:
    once = {"policies": [{"throttle": {"rate": 1, "burst": 1, "key": "everyone"}}]}
    limited = {"x-amazon-apigateway-integration": mock(), "x-gatewaykit": once}
    api = gateway({"/x": {"get": limited}, "/y": {"get": mock()}}, stage_prefix=False)

    assert [api.decide("GET", path).reason for path in ("/x", "/x", "/y", "/y")] == [
        None, Reason.THROTTLED, None, None,
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------- refused at the start


def test_every_problem_is_told_at_once() -> None:
    paths = {"/a": {"get": {"x-gatewaykit": {"app": "shop"}}}, "/b": {"get": {}}}

    with pytest.raises(ConfigError) as raised:
        gateway(paths, apps={"shops": hello}, root={"x-gatewaykit": {"polices": []}}, trusted_proxies=["nowhere"])

    told = str(raised.value)
    assert "served by the app 'shop', which is not bound (did you mean 'shops'?)" in told
    assert "GET /b has no integration" in told
    assert "unknown key 'polices' (did you mean 'policies'?)" in told
    assert "nowhere" in told


LOCKED: dict[str, Any] = {"components": {"securitySchemes": {"lock": {"type": "http", "scheme": "basic"}}}}


def test_an_unenforced_security_key_stops_the_start_unless_it_is_accepted() -> None:
    paths = {"/x": {"get": {"security": [{"lock": []}], "x-amazon-apigateway-integration": mock()}}}

    with pytest.raises(ConfigError) as raised:
        gateway(paths, root=LOCKED)
    names = {problem.what.split("'")[1] for problem in raised.value.problems}
    api = gateway(paths, root=LOCKED, accept=names)

    assert names == {"lock"}
    assert api.decide("GET", "/dev/x").allowed


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"profile": "gcp"}, "profile"),
        ({"store": "memcached://x"}, "store"),
        ({"max_body_bytes": -1}, "max_body_bytes"),
    ],
    ids=["profile", "store", "limit"],
)
def test_options_that_mean_nothing_are_refused(option: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        gateway({"/x": {"get": mock()}}, **option)


# ------------------------------------------------------------------------------------------------------- time and order


def test_time_is_a_value() -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    api = Gateway.from_openapi(
        document({"/x": {"get": mock()}}), clock=clock, policies=[quota(limit=1, period="DAY", key=by.everyone)]
    )

    assert api.decide("GET", "/x").allowed
    assert api.decide("GET", "/x").reason is Reason.QUOTA_EXCEEDED
    clock.advance("1d")
    assert api.decide("GET", "/x").allowed


def test_phases_run_in_the_order_of_api_gateway_whatever_the_list_says() -> None:
    operation = {
        **KEYED,
        "x-amazon-apigateway-request-validator": "v",
        "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
    }
    root = {**SCHEME, "x-amazon-apigateway-request-validators": {"v": {"validateRequestParameters": True}}}
    api = gateway(
        {"/x": {"get": operation}},
        root=root,
        stage_prefix=False,
        api_keys={"good": KEY},
        policies=[throttle(rate=0, burst=0, key=by.everyone), cors(["https://shop.example"])],
    )
    phases = {"cors": 0, "api_key": 1, "throttle": 2, "validate": 3}

    (route,) = api.routes
    order = [phases[name.split("-")[0]] for name in route.policies]

    assert order == sorted(order)
    assert api.decide("GET", "/x").reason is Reason.API_KEY_MISSING
    assert api.decide("GET", "/x", headers={"x-api-key": KEY}).reason is Reason.THROTTLED


async def test_errors_carry_the_cross_origin_headers() -> None:
    api = gateway({"/x": {"get": mock()}}, policies=[cors(["https://shop.example"])])

    answer = await Client(api).get("/dev/nowhere", headers={"origin": "https://shop.example"})

    assert (answer.status, answer.header("access-control-allow-origin")) == (403, "https://shop.example")


async def test_a_preflight_of_a_rules_verb_is_answered_where_the_api_has_no_options() -> None:
    api = gateway(
        {"/x": {"post": mock()}}, stage_prefix=False, policies=[rule("POST /x", cors(["https://shop.example"]))]
    )

    answer = await Client(api).request(
        "OPTIONS", "/x", headers={"origin": "https://shop.example", "access-control-request-method": "POST"}
    )

    assert answer.header("access-control-allow-origin") == "https://shop.example"


# --------------------------------------------------------------------------------------------------- explain, invoke


def test_explain_says_why_and_takes_nothing() -> None:
    api = keyed(api_keys={"good": KEY}, policies=[throttle(rate=1, burst=1, key=by.api_key)])

    denied = str(api.explain("GET", "/x"))
    for _ in range(3):
        api.explain("GET", "/x", headers={"x-api-key": KEY})

    assert denied.startswith("denied: this method needs an API key (header x-api-key); the route is fine")
    assert api.decide("GET", "/x", headers={"x-api-key": KEY}).allowed
    explained = api.explain("GET", "/x", headers={"x-api-key": KEY})
    assert explained.decision.reason is Reason.THROTTLED
    assert [step.verdict for step in explained.steps] == ["passed", "refused"]


@pytest.mark.parametrize(
    ("method", "path", "near", "why"),
    [
        ("DELETE", "/pets/1", "/pets/{id}", "it has GET but no DELETE"),
        ("GET", "/pets/1/toys", "/pets/{id}", "the path goes on with 'toys'"),
        ("GET", "/pet", "/pets", "it is spelt otherwise"),
    ],
    ids=["another verb", "too long", "misspelt"],
)
def test_explain_names_near_misses(method: str, path: str, near: str, why: str) -> None:
    api = gateway({"/pets": {"get": mock()}, "/pets/{id}": {"get": mock()}}, stage_prefix=False)

    explained = api.explain(method, path)

    assert explained.route is None
    assert (near, why) in [(miss.resource, miss.failed_on) for miss in explained.near_misses]
    assert near in str(explained)


async def test_invoke_gives_the_execution_log_in_order_with_secrets_masked() -> None:
    transport = ScriptedTransport([Reply(status=201, headers=[(b"Content-Type", b"text/plain")], body=b"made")])
    operation = {
        "security": [{"key": []}],
        "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "POST", "uri": "http://back.test/pets"},
    }
    api = gateway(
        {"/pets": {"post": operation}}, root=SCHEME, stage_prefix=False, transport=transport, api_keys={"good": KEY}
    )

    run = await api.invoke("POST", "/pets?a=1", headers={"x-api-key": KEY}, body=b"{}")

    lines = [line.partition(" : ")[2] for line in run.log[1:]]
    marks = [
        "Extended Request Id: ", "Verifying Usage Plan for request: ", "Starting execution for request: ",
        "HTTP Method: POST, Resource Path: /pets", "Method request path: {}", "Method request query string: {a=1}",
        "Method request headers: ", "Method request body before transformations: {}",
        "Endpoint request URI: http://back.test/pets", "Sending request to http://back.test/pets",
        "Received response. Status: 201", "Method response headers: ", "Successfully completed execution",
        "Method completed with status: 201",
    ]  # fmt: skip
    found = [next(at for at, line in enumerate(lines) if line.startswith(mark)) for mark in marks]
    assert found == sorted(found)
    assert (run.status, run.body, run.refusal) == (201, b"made", None)
    assert KEY not in "\n".join(run.log)


async def test_invoke_runs_an_app_in_process() -> None:
    api = gateway({"/{proxy+}": {"any": {"x-gatewaykit": {"app": "shop"}}}}, stage_prefix=False, apps={"shop": echo})

    run = await api.invoke("POST", "/a/b", body=b"hello")

    assert (run.status, run.body) == (200, b"hello")


# --------------------------------------------------------------------------------------------------- apps


async def test_a_route_that_is_an_app_streams_through_it_with_its_policies() -> None:
    api = gateway(
        {"/{proxy+}": {"any": {"x-gatewaykit": {"app": "shop"}}}},
        stage_prefix=False,
        apps={"shop": echo},
        policies=[throttle(rate=0, burst=1, key=by.everyone)],
    )

    first = await Client(api).request("POST", "/a", body=b"body", feed="bytes")
    second = await Client(api).request("POST", "/a", body=b"body")

    assert (first.status, first.body, second.status) == (200, b"body", 429)
    assert first.header("x-amzn-requestid")


async def test_a_bare_route_of_the_web_profile_is_the_app_itself() -> None:
    recorder = Recorder()
    api = gateway(
        {"/a": {"get": {"x-gatewaykit": {"app": "r"}}}}, stage_prefix=False, profile="web", apps={"r": recorder}
    )

    await Client(api).get("/a")

    assert "gatewaykit" not in recorder.scopes[0]["state"]


async def test_the_lifespans_of_bound_apps_run_inside_the_gateways() -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for _ in range(2):
            kind = (await receive())["type"]
            events.append(kind)
            await send({"type": f"{kind}.complete"})

    async def none(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no lifespan here")

    api = gateway({"/a": {"get": {"x-gatewaykit": {"app": "a"}}}}, apps={"a": app, "none": none})
    sent: list[str] = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(asked)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await api({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert events == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_websocket_to_an_integration_is_denied() -> None:
    client = Client(gateway({"/x": {"get": mock()}}, stage_prefix=False))

    async with client.websocket("/x") as socket:
        assert socket.refusal is not None
        assert socket.refusal.status == 403


# --------------------------------------------------------------------------------------------------- transform


ORDERS = transform(
    request=[
        steps.csv_to_json(),
        steps.wrap("rows"),
        steps.set_headers({"X-V": "2"}),
        steps.rename_query({"p": "page"}),
    ],
    response=[steps.unwrap("data"), steps.json_to_csv()],
)
CSV = {"content-type": "text/csv"}


@pytest.mark.parametrize("kind", ["http", "http_proxy"])
async def test_an_integration_is_sent_what_the_steps_made(kind: str) -> None:
    reply = Reply(headers=[(b"Content-Type", b"application/json")], body=b'{"data":[{"a":1}]}')
    transport = ScriptedTransport(lambda request: reply)
    responses = {"responses": {"default": {"statusCode": "200"}}} if kind == "http" else {}
    integration = {"type": kind, "httpMethod": "POST", "uri": "http://back.test/", **responses}
    paths = {"/x": {"post": {"x-amazon-apigateway-integration": integration}}}
    api = gateway(paths, transport=transport, policies=[ORDERS], stage_prefix=False)

    answer = await Client(api).post("/x?p=1", headers=CSV, body="n\n1\n")

    (sent,) = transport.requests
    names = {name.lower(): value for name, value in sent.headers}
    assert sent.body == b'{"rows":[{"n":"1"}]}'
    if kind == "http_proxy":
        assert (names[b"x-v"], names[b"content-type"], sent.target) == (b"2", b"application/json", b"/?page=1")
    assert (answer.status, answer.body, answer.header("content-type")) == (
        200,
        b"a\r\n1\r\n",
        "text/csv; charset=utf-8",
    )


async def test_what_is_validated_is_what_the_client_sent() -> None:
    document = {
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestParameters": True}},
        "x-amazon-apigateway-request-validator": "all",
    }
    parameters = [{"name": "p", "in": "query", "required": True, "schema": {"type": "string"}}]
    operation = {"parameters": parameters, "x-amazon-apigateway-integration": mock()}
    api = gateway({"/x": {"post": operation}}, root=document, policies=[ORDERS], stage_prefix=False)

    assert api.decide("POST", "/x?p=1").request.query == {"page": ["1"]}
    assert api.decide("POST", "/x?page=1").reason is Reason.PARAMETERS_MISSING
    assert [(step.policy, step.verdict) for step in api.explain("POST", "/x?p=1").steps] == [
        ("validate", "passed"), ("transform", "passed"),
    ]  # fmt: skip


def test_explain_says_why_a_body_was_not_changed() -> None:
    api = Gateway.from_upstream("http://back.test", policies=[ORDERS])

    explained = str(api.explain("POST", "/x", headers=CSV, body="a,a"))

    assert "BODY_NOT_TRANSFORMED" in explained
    assert "two columns have the name 'a'" in explained


async def test_a_sidecar_streams_rows_and_leaves_the_rest_alone() -> None:
    replies = [
        Reply(headers=[(b"content-type", b"text/csv")], chunks=[b"a\n1\n", b"2\n"]),
        Reply(headers=[(b"content-type", b"video/mp4"), (b"content-length", b"3")], body=b"abc"),
        Reply(headers=[(b"content-type", b"text/csv"), (b"content-length", b"3")], body=b""),
    ]
    transport = ScriptedTransport(replies)
    api = Gateway.from_upstream(
        "http://back.test", transport=transport, policies=[transform(response=[steps.csv_to_json()])]
    )
    client = Client(api)

    answers = [
        await client.request(method, "/", headers={"accept-encoding": "gzip"}) for method in ("GET", "GET", "HEAD")
    ]

    assert [answer.body for answer in answers] == [b'[{"a":"1"},{"a":"2"}]', b"abc", b""]
    assert [answer.header("content-length") for answer in answers] == [None, "3", None]
    assert answers[2].header("content-type") == "application/json"
    assert [dict(sent.headers)[b"accept-encoding"] for sent in transport.requests] == [b"identity"] * 3


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        pytest.param(b"2,3\n", "INTEGRATION_RESPONSE_INVALID", "row 3 has 2 fields", id="ragged"),
        pytest.param(b"x" * 1_100_000, "INTEGRATION_RESPONSE_TOO_LARGE", "row 3 has more than", id="too large"),
    ],
)
async def test_a_sidecar_whose_rows_go_wrong_in_the_middle_breaks_off(
    row: bytes, reason: str, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ScriptedTransport([Reply(headers=[(b"content-type", b"text/csv")], chunks=[b"a\n1\n", row])])
    api = Gateway.from_upstream(
        "http://back.test", transport=transport, policies=[transform(response=[steps.csv_to_json()])]
    )

    answer = await Client(api).get("/")

    assert (answer.status, answer.complete, answer.body) == (200, False, b'[{"a":"1"}')
    assert [record.reason for record in caplog.records] == [reason]  # type: ignore[attr-defined]
    assert detail in caplog.text


# --------------------------------------------------------------------------------------------------- sidecar


async def test_a_sidecar_forwards_everything_but_what_belongs_to_one_hop() -> None:
    headers = [(b"Connection", b"x-secret"), (b"X-Secret", b"1"), (b"Server", b"back"), (b"Set-Cookie", b"a=1")]
    transport = ScriptedTransport([Reply(status=404, headers=headers, body=b"none")])
    api = Gateway.from_upstream("http://back.test:9000", transport=transport)

    answer = await Client(api).request(
        "PATCH",
        "/a%2Fb//c?x=%20",
        headers={"host": "shop.example", "te": "trailers", "x-forwarded-for": "6.6.6.6"},
        body=b"{}",
    )

    (sent,) = transport.requests
    names = {name.lower(): value for name, value in sent.headers}
    assert (answer.status, answer.body) == (404, b"none")
    assert [name for name, _ in answer.headers] == [b"server", b"set-cookie", b"content-length"]
    assert (sent.method, sent.host, sent.port, sent.target) == ("PATCH", "back.test", 9000, b"/a%2Fb//c?x=%20")
    assert names[b"host"] == b"shop.example"
    assert names[b"x-forwarded-for"] == b"127.0.0.1"
    assert b"te" not in names
    assert sent.body == b"{}"


async def test_a_sidecar_with_a_base_path_is_not_left_by_dot_segments() -> None:
    transport = ScriptedTransport(lambda request: Reply())
    api = Gateway.from_upstream("http://back.test/base", transport=transport)

    inside = await Client(api).get("/a")
    outside = await Client(api).get("/%2e%2e/admin")

    assert (inside.status, transport.requests[0].target) == (200, b"/base/a")
    assert (outside.status, len(transport.requests)) == (400, 1)


def test_a_sidecar_runs_its_policies_in_their_order() -> None:
    class Marks(Policy):
        name = "marks"

        def on_request(self, request: Request) -> Request:
            return request

    api = Gateway.from_upstream("http://back.test", policies=[throttle(rate=0, burst=1, key=by.everyone), Marks()])

    assert [api.decide("GET", "/").reason for _ in range(2)] == [None, Reason.THROTTLED]
    assert api.routes[0].policies[-1] == "marks"
    assert api.explain("GET", "/").route is not None


def test_a_sidecars_upstream_may_be_at_any_port() -> None:
    assert Gateway.from_upstream("http://127.0.0.1:81").routes[0].integration == "PROXY http://127.0.0.1:81"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://a/?q=1", "http://u@h/", "http://h:0/", "http://h:70000"])
def test_what_is_no_upstream_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is no upstream"):
        Gateway.from_upstream(url)


async def test_functions_are_called_by_name() -> None:
    api = gateway({"/x": {"get": proxy("orders")}}, functions={"orders": lambda event, context: {"body": "made"}})

    async with api:
        answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.text) == (200, "made")


def test_problems_inside_our_own_key_have_their_line_and_column(tmp_path: Path) -> None:
    text = """\
openapi: 3.0.1
info: {title: x, version: "1"}
x-gatewaykit:
  keyz: {}
  policies:
    - throttle: {rate: "5/fortnight", burst: 1, key: everyone}
paths:
  /a:
    get:
      x-gatewaykit:
        policies: [{thottle: {rate: 1}}]
      x-amazon-apigateway-integration: {type: mock}
"""
    (tmp_path / "api.yaml").write_text(text)

    with pytest.raises(ConfigError) as raised:
        Gateway.from_openapi(tmp_path / "api.yaml")

    lines = sorted(int(problem.where.split(":")[-2]) for problem in raised.value.problems)
    assert lines == [4, 6, 11]


def test_a_limit_by_route_counts_by_the_rule_around_an_app_and_by_the_resource_in_a_gateway() -> None:
    limit = throttle(rate=1, burst=1, key=by.route)
    around = PolicyMiddleware(hello, policies=[rule("/items/{id}", limit)])
    routed = gateway({"/items/{id}": {"get": mock()}}, stage_prefix=False, policies=[rule("/items/{proxy+}", limit)])

    for api in (around, routed):
        assert [api.decide("GET", path).reason for path in ("/items/1", "/items/2")] == [None, Reason.THROTTLED]
    assert routed.decide("GET", "/items/7").request.path_parameters == {"id": "7"}


async def test_access_logs_know_what_the_deployment_knows() -> None:
    lines: list[str] = []
    log = access_log("$context.requestId $context.apiId $context.accountId $context.resourceId", sink=lines.append)
    api = gateway({"/x": {"get": mock()}}, policies=[log], api_id="abc123", account_id="999999999999")

    await Client(api).get("/dev/x")
    await api.aclose()

    (line,) = "".join(lines).splitlines()
    assert line.split()[1:3] == ["abc123", "999999999999"]
    assert len(line.split()[3]) == 6


@pytest.mark.parametrize(
    ("integration", "key", "status"),
    [
        ({"type": "http_proxy", "connectionType": "INTERNET"}, "connectionType", "enforced"),
        ({"type": "http", "connectionType": "VPC_LINK", "connectionId": "abc"}, "connectionType", "approximated"),
        ({"type": "http_proxy", "connectionType": "VPC_LINK", "connectionId": "abc"}, "connectionId", "approximated"),
        ({"type": "http_proxy", "responseTransferMode": "STREAM"}, "responseTransferMode", "enforced"),
        ({"type": "http_proxy", "responseTransferMode": "BUFFERED"}, "responseTransferMode", "approximated"),
        ({"type": "http", "responseTransferMode": "STREAM"}, "responseTransferMode", "ignored"),
    ],
)
def test_the_report_says_where_acting_on_a_key_falls_short(integration: dict[str, str], key: str, status: str) -> None:
    api = gateway({"/x": {"get": {"httpMethod": "GET", "uri": "http://b.test/", **integration}}})

    assert api.report is not None
    assert [entry.status for entry in api.report if entry.key == key] == [status]


def test_the_report_names_what_means_nothing_in_a_model() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "format": "int32", "nullable": True}}}
    operation = {
        "x-amazon-apigateway-request-validator": "v",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "x-amazon-apigateway-integration": mock(),
    }
    root = {"x-amazon-apigateway-request-validators": {"v": {"validateRequestBody": True}}}

    api = gateway({"/x": {"post": operation}}, root=root)

    assert api.report is not None
    (entry,) = [entry for entry in api.report if entry.key == "schema"]
    assert entry.status == "approximated"
    assert "/properties/n/format" in entry.note
    assert "/properties/n/nullable" in entry.note
