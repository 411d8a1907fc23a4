"""Lambda authorizers as policies: who is asked, when, about what, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.iam.signing import Signer
from gatewaykit.core.reasons import Reason
from gatewaykit.errors import ConfigError, UpstreamError
from gatewaykit.pipeline.decision import Decision
from gatewaykit.policies.lambda_authorizer import lambda_authorizer
from gatewaykit.ports import Policy, Runtime
from gatewaykit.testing import PolicyContract, Reply, ScriptedTransport, decider

API = "arn:aws:execute-api:us-east-1:123456789012:local/prod"
PETS = f"{API}/GET/pets"
AUTHORIZATION = "method.request.header.Authorization"


def allowing(*resources: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": list(resources)}
    return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **more}


class Function:
    """A function that keeps what it was asked. It answers `answer`, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.events, self.contexts = answer, [], []  # type: ignore[var-annotated]  # filled by calls

    def __call__(self, event: Any, context: Any) -> Any:
        self.events.append(event)
        self.contexts.append(context)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(event) if callable(self.answer) else self.answer


def get(path: str = "/pets", *tokens: str, method: str = "GET", **headers: str) -> Request:
    sent = [(b"authorization", token.encode()) for token in tokens]
    path, _, query = path.partition("?")
    sent += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request(method, path, headers=sent, query_string=query.encode())
    request.id = "r-1"
    return request


def ask(policy: Policy, *requests: Request, **options: Any) -> list[Decision]:
    decide = decider(policy, **{"clock": VirtualClock(), **options})  # the system's would tell how long a call took
    return [decide(request) for request in requests]


def outcomes(decisions: list[Decision]) -> list[Reason | None]:
    return [decision.reason for decision in decisions]


# ---------------------------------------------------------------------------------------------------- the function


@pytest.mark.parametrize("kind", ["sync", "async", "sync that gives a coroutine", "object"])
def test_any_callable_is_a_function_and_needs_no_event_loop_to_be_tested(kind: str) -> None:
    async def later(event: Any, context: Any) -> Any:
        return allowing(PETS)

    functions: dict[str, Callable[..., Any]] = {
        "sync": lambda event, context: allowing(PETS), "async": later,
        "sync that gives a coroutine": lambda event, context: later(event, context), "object": Function(allowing(PETS)),
    }  # fmt: skip

    [decision] = ask(lambda_authorizer(functions[kind]), get())

    assert decision.allowed
    assert decision.identity == Identity(principal="ann", kind="lambda", claims={"integrationLatency": 0})


def test_the_event_and_the_context_are_lambdas() -> None:
    function = Function(allowing(PETS))
    ask(lambda_authorizer(function, type="TOKEN", name="who", timeout_s=3), get("/pets", "Bearer t"))
    ask(lambda_authorizer(function), get("/pets?a=1"))

    token, request = function.events
    assert token == {"type": "TOKEN", "authorizationToken": "Bearer t", "methodArn": PETS}
    assert (request["type"], request["methodArn"], request["queryStringParameters"]) == ("REQUEST", PETS, {"a": "1"})
    context = function.contexts[0]
    assert context.function_name == "who"
    assert context.get_remaining_time_in_millis() > 2000
    assert len(context.aws_request_id) == 36


def test_what_a_function_does_to_its_event_reaches_nobody() -> None:
    def spoils(event: Any) -> Any:
        event["headers"].clear()
        event["stageVariables"]["a"] = "b"
        return allowing("*")

    request = get("/pets", "t")
    [decision] = ask(lambda_authorizer(Function(spoils)), request)

    assert decision.allowed
    assert request.header("authorization") == "t"
    assert dict(request.stage_variables) == {}


def test_an_http_api_has_events_of_both_formats() -> None:
    function = Function(allowing("*"))
    for payload_format in ("1.0", "2.0"):
        policy = lambda_authorizer(
            function, api="HTTP", payload_format=payload_format, identity_source="$request.header.Authorization"
        )  # type: ignore[arg-type]  # each is one of the two
        ask(policy, get("/pets", "a", "b"))

    assert [event["version"] for event in function.events] == ["1.0", "2.0"]
    assert [event["identitySource"] for event in function.events] == ["a,b", ["a,b"]]


def test_a_handshake_is_authorized_for_its_route() -> None:
    function = Function(allowing(f"{API}/$connect"))

    [decision] = ask(lambda_authorizer(function, api="WEBSOCKET"), get("/any/path"))

    assert decision.allowed
    assert function.events[0]["methodArn"] == f"{API}/$connect"


# ---------------------------------------------------------------------------------------------------- before the call


REST_401 = b'{"message":"Unauthorized"}'


@pytest.mark.parametrize(
    ("options", "request_", "asked"),
    [
        ({"type": "TOKEN"}, get(), False),
        ({"type": "TOKEN"}, get("/pets", ""), False),
        ({"type": "TOKEN", "identity_source": "method.request.header.X-Auth"}, get("/pets", "t"), False),
        ({"type": "TOKEN", "identity_source": "method.request.header.X-Auth"}, get(x_auth="t"), True),
        ({"type": "TOKEN", "ttl_s": 0}, get(), False),
        ({"type": "TOKEN", "validation_expression": "Bearer [a-z]+"}, get("/pets", "Bearer 7"), False),
        ({"type": "TOKEN", "validation_expression": "Bearer [a-z]+"}, get("/pets", "Bearer x"), True),
        ({}, get(), True),
        ({"identity_source": AUTHORIZATION}, get(), False),
        ({"identity_source": AUTHORIZATION}, get("/pets", "t"), True),
        ({"identity_source": AUTHORIZATION, "ttl_s": 0}, get(), True),
        ({"identity_source": [AUTHORIZATION, "method.request.querystring.q"]}, get("/pets?q=", "t"), False),
        ({"identity_source": "$request.header.Authorization", "api": "HTTP"}, get(), False),
        ({"identity_source": "$context.routeKey", "api": "HTTP"}, get(), True),
        ({"api": "HTTP"}, get(), True),
        ({"identity_source": "route.request.querystring.q", "api": "WEBSOCKET"}, get(), False),
    ],
    ids=[
        "no token", "an empty token", "another header", "its own header", "without caching too", "no match", "a match",
        "a request without sources", "a request with caching", "a request with its source",
        "a request without caching is asked about regardless", "one of two is empty", "HTTP always", "HTTP context",
        "HTTP without sources", "a handshake always",
    ],
)  # fmt: skip
def test_a_missing_identity_source_is_a_401_and_nobody_is_asked(
    options: dict[str, Any], request_: Request, asked: bool
) -> None:
    function = Function(allowing("*"))
    [decision] = ask(lambda_authorizer(function, **options), request_, profile="aws")

    assert len(function.events) == asked
    assert decision.allowed == asked
    if not asked:
        assert decision.response is not None
        assert (decision.status, decision.response.body) == (401, REST_401)


def test_a_path_that_is_too_long_for_an_arn_is_a_414() -> None:
    function = Function(allowing("*"))
    decisions = ask(lambda_authorizer(function), get("/" + "a" * 1540), get("/" + "a" * 1000 + "/" * 700))

    assert [decision.status for decision in decisions] == [None, 414]
    assert len(function.events) == 1


# ---------------------------------------------------------------------------------------------------- caching


def test_an_answer_is_kept_for_its_time_and_no_longer() -> None:
    clock, function = VirtualClock(), Function(allowing(PETS))
    decide = decider(lambda_authorizer(function, type="TOKEN"), clock=clock)
    for advance in (0, 299.9, 0.1, 299.9):
        clock.advance(advance)
        assert decide(get("/pets", "t")).allowed

    assert len(function.events) == 2


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"type": "TOKEN"}, 1),
        ({"type": "TOKEN", "ttl_s": 0}, 2),
        ({"identity_source": AUTHORIZATION}, 1),
        ({}, 2),
        ({"api": "HTTP", "identity_source": "$request.header.Authorization"}, 2),
        ({"api": "HTTP", "identity_source": "$request.header.Authorization", "ttl_s": "5m"}, 1),
        ({"api": "WEBSOCKET", "identity_source": "route.request.header.Authorization"}, 2),
    ],
    ids=["TOKEN", "TOKEN, off", "REQUEST", "REQUEST without sources", "HTTP", "HTTP, on", "WEBSOCKET"],
)
def test_caching_has_the_defaults_of_api_gateway(options: dict[str, Any], calls: int) -> None:
    function = Function(allowing("*"))
    decisions = ask(lambda_authorizer(function, **options), get("/pets", "t"), get("/pets", "t"))

    assert all(decision.allowed for decision in decisions)
    assert len(function.events) == calls


def test_a_cached_policy_is_asked_anew_about_each_request() -> None:
    function = Function(allowing(PETS, f"{API}/GET/dogs/*"))
    paths = ["/pets", "/dogs/7", "/cats", "/pets", "/pets/"]
    decisions = ask(lambda_authorizer(function, type="TOKEN"), *(get(path, "t") for path in paths))
    [posted] = ask(lambda_authorizer(function, type="TOKEN"), get("/pets", "t", method="POST"))

    denied = Reason.DENIED_IMPLICITLY
    assert outcomes(decisions) == [None, None, denied, None, denied]
    assert posted.reason is denied
    assert len(function.events) == 2


def test_a_denial_is_cached_and_a_failure_is_not() -> None:
    denying, failing = Function(allowing("*", effect="Deny")), Function(Exception("Unauthorized"))
    denied = ask(lambda_authorizer(denying, type="TOKEN"), get("/pets", "t"), get("/pets", "t"))
    failed = ask(lambda_authorizer(failing, type="TOKEN"), get("/pets", "t"), get("/pets", "t"))

    assert outcomes(denied) == [Reason.DENIED_EXPLICITLY] * 2
    assert outcomes(failed) == [Reason.UNAUTHENTICATED] * 2
    assert (len(denying.events), len(failing.events)) == (1, 2)


def test_a_cached_answer_took_no_time() -> None:
    clock = VirtualClock()

    def slow(event: Any) -> Any:
        clock.advance("120ms")
        return allowing("*")

    decisions = ask(lambda_authorizer(Function(slow), type="TOKEN"), get("/", "t"), get("/", "t"), clock=clock)

    assert [each.identity and each.identity.claims["integrationLatency"] for each in decisions] == [120, 0]


async def test_concurrent_identical_requests_make_one_call() -> None:
    release, both, calls = asyncio.Event(), asyncio.Event(), []

    async def authorize(event: Any, context: Any) -> Any:
        calls.append(event["authorizationToken"])
        if len(calls) == 2:
            both.set()
        await release.wait()
        return allowing(PETS)

    hook: Any = lambda_authorizer(authorize, type="TOKEN").bind(_runtime()).on_request
    requests = [get("/pets", "a"), get("/pets", "a"), get("/cats", "a"), get("/pets", "b")]
    tasks = [asyncio.ensure_future(hook(request)) for request in requests]
    await both.wait()
    tasks[0].cancel()  # the caller whose request the event was made of leaves; the others still wait
    await asyncio.sleep(0)
    release.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert sorted(calls) == ["a", "b"]
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1] is requests[1]
    assert answers[2].reason is Reason.DENIED_IMPLICITLY
    assert answers[3] is requests[3]


async def test_without_a_cache_every_request_makes_a_call_of_its_own() -> None:
    calls = []

    async def authorize(event: Any, context: Any) -> Any:
        calls.append(event["path"])
        await asyncio.sleep(0)
        return allowing(f"{API}/GET{event['path']}")

    hook: Any = lambda_authorizer(authorize, identity_source=AUTHORIZATION, ttl_s=0).bind(_runtime()).on_request
    requests = [get("/a", "t"), get("/b", "t")]
    answers = await asyncio.gather(*map(hook, requests))

    assert answers == requests
    assert sorted(calls) == ["/a", "/b"]


def _runtime() -> Runtime:
    from gatewaykit.deploy.runtime import make_runtime

    return make_runtime(clock=VirtualClock())


# ---------------------------------------------------------------------------------------------------- outcomes

MESSAGE = "User is not authorized to access this resource"
DENIED = f"{MESSAGE} with an explicit deny in an identity-based policy"
TOLD = {"payload_format": "2.0", "simple_responses": True}
ISE = b'{"message":"Internal Server Error"}'


@pytest.mark.parametrize(
    ("answer", "reason", "status", "body"),
    [
        (allowing(PETS), None, None, b""),
        (allowing(PETS, effect="Deny"), Reason.DENIED_EXPLICITLY, 403, DENIED),
        (allowing(API), Reason.DENIED_IMPLICITLY, 403, MESSAGE),
        (Exception("Unauthorized"), Reason.UNAUTHENTICATED, 401, REST_401),
        (Exception("nope"), Reason.AUTHORIZER_FAILED, 500, b'{"message":null}'),
        (SystemExit("Unauthorized?"), Reason.AUTHORIZER_FAILED, 500, b'{"message":null}'),
        (None, Reason.AUTHORIZER_MISCONFIGURED, 500, b'{"message":null}'),
        (object(), Reason.AUTHORIZER_FAILED, 500, b'{"message":null}'),
        (allowing(PETS, context={"a": []}), Reason.AUTHORIZER_MISCONFIGURED, 500, b'{"message":null}'),
    ],
    ids=["allow", "deny", "neither", "Unauthorized", "raised", "exit", "nothing", "no JSON", "context"],
)  # fmt: skip
def test_the_outcome_table_of_rest_apis(answer: Any, reason: Reason | None, status: int | None, body: Any) -> None:
    [decision] = ask(lambda_authorizer(Function(answer), type="TOKEN"), get("/pets", "t"), profile="aws")

    assert (decision.reason, decision.status) == (reason, status)
    if decision.response is not None:
        assert decision.response.body == (
            body if isinstance(body, bytes) else json.dumps({"Message": body}, separators=(",", ":")).encode()
        )
        assert decision.identity is None


@pytest.mark.parametrize(
    ("answer", "options", "status", "body"),
    [
        (allowing(PETS), {}, None, b""),
        (allowing(PETS, effect="Deny"), {}, 403, b'{"message":"Forbidden"}'),
        (allowing(API), {}, 403, b'{"message":"Forbidden"}'),
        (Exception("Unauthorized"), {}, 401, REST_401),
        (Exception("Unauthorized"), {"payload_format": "2.0"}, 500, ISE),
        (Exception("nope"), {}, 500, ISE),
        ("yes", {}, 500, ISE),
        ({"isAuthorized": True}, {"payload_format": "2.0"}, 500, ISE),
        ({"isAuthorized": True}, TOLD, None, b""),
        ({"isAuthorized": False}, TOLD, 403, b'{"message":"Forbidden"}'),
        ({}, TOLD, 500, ISE),
        (allowing(PETS), TOLD, 500, ISE),
    ],
    ids=[
        "allow", "deny", "neither", "Unauthorized", "Unauthorized in 2.0", "raised", "garbage", "simple where not",
        "simple yes", "simple no", "simple nothing", "a policy where simple",
    ],
)  # fmt: skip
def test_the_outcome_table_of_http_apis(answer: Any, options: dict[str, Any], status: int | None, body: bytes) -> None:
    [decision] = ask(lambda_authorizer(Function(answer), api="HTTP", **options), get(), profile="aws")

    assert decision.status == status
    assert decision.response is None or decision.response.body == body


async def test_a_function_that_hangs_is_given_up() -> None:
    async def hangs(event: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    hook: Any = lambda_authorizer(hangs, type="TOKEN", timeout_s="1ms", name="slow").bind(_runtime()).on_request
    refusal = await hook(get("/pets", "t"))

    assert (refusal.reason, refusal.detail) == (
        Reason.AUTHORIZER_FAILED, "slow: Timeout: the function did not return within 0.001 s",
    )  # fmt: skip


async def a_turn() -> None:
    await asyncio.sleep(0)


async def a_timeout() -> None:
    async with asyncio.timeout(1):
        await asyncio.sleep(0)


@pytest.mark.parametrize("wait", [a_turn, a_timeout])
def test_a_function_that_has_to_wait_cannot_be_driven_without_an_event_loop(wait: Callable[[], Any]) -> None:
    async def waits(event: Any, context: Any) -> Any:
        await wait()
        return allowing("*")

    with pytest.raises(ConfigError, match="has to wait"):
        ask(lambda_authorizer(waits), get())


def test_ctrl_c_is_no_answer() -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(lambda_authorizer(Function(KeyboardInterrupt())), get())


# ---------------------------------------------------------------------------------------------------- resource policy


def resource_policy(effect: str, resource: str = "execute-api:/*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("policy", "answer", "asked", "reason"),
    [
        (resource_policy("Deny"), allowing("*"), 0, Reason.DENIED_EXPLICITLY),
        (resource_policy("Deny", "execute-api:/prod/POST/*"), allowing("*"), 1, None),
        (resource_policy("Allow"), allowing(API), 1, None),
        (resource_policy("Allow"), allowing("*", effect="Deny"), 1, Reason.DENIED_EXPLICITLY),
        (resource_policy("Allow", "execute-api:/other/*"), allowing(API), 1, Reason.DENIED_IMPLICITLY),
        (resource_policy("Allow", "execute-api:/other/*"), allowing("*"), 1, None),
        (json.dumps(resource_policy("Deny")), allowing("*"), 0, Reason.DENIED_EXPLICITLY),
    ],
    ids=["deny", "deny of others", "allow", "allow and deny", "both silent", "silent", "as text"],
)
def test_a_resource_policy_is_asked_first_and_combined_afterwards(
    policy: Any, answer: Any, asked: int, reason: Reason | None
) -> None:
    function = Function(answer)
    decisions = ask(lambda_authorizer(function, resource_policy=policy, type="TOKEN"), *[get("/pets", "t")] * 2)

    assert outcomes(decisions) == [reason] * 2
    assert len(function.events) == asked


def test_a_resource_policy_holds_for_a_cached_answer_too() -> None:
    policy = resource_policy("Deny", Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    inside, outside = get("/pets", "t"), get("/pets", "t")
    inside.address, outside.address = "192.0.2.1", "198.51.100.1"

    decisions = ask(lambda_authorizer(Function(allowing("*")), resource_policy=policy, type="TOKEN"), inside, outside)

    assert outcomes(decisions) == [None, Reason.DENIED_EXPLICITLY]


# ---------------------------------------------------------------------------------------------------- the caller


def test_the_context_and_the_key_are_the_callers() -> None:
    answer = allowing(
        "*", context={"tenant": "blue", "level": 3, "ok": True}, usageIdentifierKey="key-0123456789abcdef"
    )
    [decision] = ask(lambda_authorizer(Function(answer)), get())

    assert decision.identity is not None
    assert decision.identity.claims == {
        "tenant": "blue", "level": 3, "ok": True, "usageIdentifierKey": "key-0123456789abcdef", "integrationLatency": 0,
    }  # fmt: skip


def test_a_trace_tells_what_was_asked_and_answered_and_shows_no_secret() -> None:
    answer = allowing("*", usageIdentifierKey="key-0123456789abcdef")
    requests = [get("/pets", "top-secret-token") for _ in range(2)]
    decisions = ask(lambda_authorizer(Function(answer), type="TOKEN", name="who"), *requests)

    lines = [[text for phase, text in each.request.events or () if phase == "authorizer"] for each in decisions]
    beginnings = [
        "Starting authorizer: who for request: r-1", "Incoming identity: ************oken", "Endpoint request URI: a",
        "Endpoint request body after transformations: {", "Authorizer result body before parsing: {",
        "Using valid authorizer policy for principal: ********", "Successfully completed authorizer execution",
    ]  # fmt: skip
    for line, beginning in zip(lines[0], beginnings, strict=True):
        assert line.startswith(beginning)
    assert len(lines[1]) == 4
    assert "top-secret" not in str(lines)
    assert "key-0123" not in str(lines)
    assert decisions[0].credential == f"{AUTHORIZATION}: ************oken"
    assert decisions[0].authorization == f"statement 1 of who allows {PETS}"


def test_a_trace_of_an_answer_that_is_nested_too_deeply() -> None:
    nested: Any = []
    for _ in range(900):
        nested = [nested]

    [decision] = ask(lambda_authorizer(Function(nested)), get())

    assert decision.reason in (Reason.AUTHORIZER_MISCONFIGURED, Reason.AUTHORIZER_FAILED)


# ---------------------------------------------------------------------------------------------------- remote functions


def test_a_function_may_be_elsewhere() -> None:
    transport = ScriptedTransport([Reply(body=json.dumps(allowing(PETS)).encode())])
    [decision] = _remote(transport)

    assert decision.allowed
    [sent] = transport.requests
    assert (sent.method, sent.host, sent.port) == ("POST", "127.0.0.1", 3001)
    assert sent.target == b"/2015-03-31/functions/authorize/invocations"
    assert json.loads(sent.body) == {"type": "TOKEN", "authorizationToken": "t", "methodArn": PETS}  # type: ignore[arg-type]  # bytes, as a script keeps them


def _error(body: bytes) -> Reply:
    return Reply(headers=[(b"X-Amz-Function-Error", b"Unhandled")], body=body)


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (Reply(status=403, body=b"no"), Reason.AUTHORIZER_MISCONFIGURED, "Invalid permissions on Lambda function: "),
        (Reply(status=404), Reason.AUTHORIZER_MISCONFIGURED, "status 404"),
        (Reply(status=429), Reason.AUTHORIZER_FAILED, "status 429"),
        (Reply(status=500, body=b"{}"), Reason.AUTHORIZER_FAILED, "status 500"),
        (Reply(body=b"<html>"), Reason.AUTHORIZER_FAILED, "the function's answer is no JSON"),
        (Reply(body=b"NaN"), Reason.AUTHORIZER_FAILED, "NaN is no JSON"),
        (Reply(body=b"[" * 100_000), Reason.AUTHORIZER_FAILED, "the function's answer is no JSON"),
        (Reply(body=b"\xff"), Reason.AUTHORIZER_FAILED, "the function's answer is no JSON"),
        (Reply(body=b"null"), Reason.AUTHORIZER_MISCONFIGURED, "the answer is null"),
        (_error(b'{"errorMessage":"Unauthorized"}'), Reason.UNAUTHENTICATED, "raised Unauthorized"),
        (_error(b'{"errorMessage":"x"}'), Reason.AUTHORIZER_FAILED, "Error: x"),
        (_error(json.dumps(allowing("*")).encode()), Reason.AUTHORIZER_FAILED, "Error: "),
        (_error(b"null"), Reason.AUTHORIZER_FAILED, "Error: "),
        (UpstreamError("refused", "nobody listens"), Reason.AUTHORIZER_FAILED, "refused: nobody listens"),
        (UpstreamError("timeout", "too slow"), Reason.AUTHORIZER_FAILED, "timeout: too slow"),
    ],
    ids=[
        "403", "404", "429", "500", "no JSON", "NaN", "deep", "no text", "null", "Unauthorized", "an error",
        "an error with a policy", "an error of nothing", "unreachable", "timeout",
    ],
)  # fmt: skip
def test_a_function_elsewhere_that_gives_no_answer_lets_nobody_in(reply: Any, reason: Reason, detail: str) -> None:
    [decision] = _remote(ScriptedTransport([reply]))

    assert decision.reason is reason
    assert detail in decision.detail


def test_a_call_of_a_function_elsewhere_is_signed() -> None:
    transport = ScriptedTransport([Reply(body=json.dumps(allowing(PETS)).encode())])
    _remote(transport, signer=Signer(access_key_id="AKID", secret="a-secret-of-sixteen", region="eu-west-1"))

    [sent] = transport.requests
    fields = {name.lower(): value for name, value in sent.headers}
    assert fields[b"authorization"].startswith(
        b"AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/lambda/aws4_request, "
        b"SignedHeaders=content-type;host;x-amz-date;x-amz-invocation-type, Signature="
    )
    assert fields[b"host"] == b"127.0.0.1:3001"


def _remote(transport: ScriptedTransport, **options: Any) -> list[Decision]:
    policy = lambda_authorizer("authorize", endpoint="http://127.0.0.1:3001/", type="TOKEN", **options)
    return ask(policy, get("/pets", "t"), clock=VirtualClock(), transport=transport)


# ---------------------------------------------------------------------------------------------------- configuration


def answer(event: Any, context: Any) -> Any:
    return allowing("*")


@pytest.mark.parametrize(
    ("function", "options", "wheres"),
    [
        (None, {}, ["function"]),
        ("authorize", {}, ["endpoint"]),
        ("authorize", {"endpoint": "ftp://x"}, ["endpoint"]),
        ("authorize", {"endpoint": 7}, ["endpoint"]),
        (answer, {"endpoint": "http://x"}, ["endpoint"]),
        (answer, {"signer": Signer(access_key_id="a", secret="s")}, ["signer"]),
        ("authorize", {"endpoint": "http://x", "signer": "AKID"}, ["signer"]),
        (answer, {"type": "token", "api": "rest", "payload_format": "3.0"}, ["type", "api", "payload_format"]),
        (answer, {"type": "TOKEN", "api": "HTTP", "identity_source": "$request.header.X"}, ["type", "identity_source"]),
        (answer, {"type": "TOKEN", "identity_source": "method.request.querystring.q"}, ["identity_source"]),
        (answer, {"type": "TOKEN", "identity_source": [AUTHORIZATION, "method.request.header.b"]}, ["identity_source"]),
        (answer, {"identity_source": ["nonsense", "more"]}, ["identity_source", "identity_source"]),
        (answer, {"identity_source": [7]}, ["identity_source"]),
        (answer, {"identity_source": None}, ["identity_source"]),
        (answer, {"payload_format": "2.0"}, ["payload_format"]),
        (answer, {"simple_responses": True}, ["simple_responses"]),
        (answer, {"api": "HTTP", "resource_policy": {}}, ["resource_policy"]),
        (answer, {"resource_policy": {}}, ["resource_policy.Statement"]),
        (answer, {"validation_expression": ".*"}, ["validation_expression"]),
        (answer, {"type": "TOKEN", "validation_expression": "("}, ["validation_expression"]),
        (answer, {"timeout_s": 0}, ["timeout_s"]),
        (answer, {"timeout_s": "soon", "ttl_s": "later"}, ["timeout_s", "ttl_s", "ttl_s"]),
        (answer, {"type": "TOKEN", "ttl_s": 3601}, ["ttl_s"]),
        (answer, {"ttl_s": 60}, ["ttl_s"]),
        (answer, {"api": "WEBSOCKET", "identity_source": "context.stage", "ttl_s": 60}, ["ttl_s"]),
        (answer, {"name": 7}, ["name"]),
    ],
    ids=[
        "no function", "nowhere", "no endpoint", "an endpoint that is a number", "here and there",
        "a signer for nothing", "a signer that is none", "words",
        "TOKEN in HTTP", "TOKEN of a query", "TOKEN of two", "sources", "a source that is a number", "no source",
        "2.0", "simple",
        "policy in HTTP", "policy", "expression without token", "expression", "no time", "durations", "too long",
        "cached without sources", "cached handshakes", "name",
    ],
)  # fmt: skip
def test_every_mistake_is_reported(function: Any, options: dict[str, Any], wheres: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        lambda_authorizer(function, **options)

    assert [problem.where for problem in caught.value.problems] == [f"lambda_authorizer.{where}" for where in wheres]


class TestTokenAuthorizer(PolicyContract):
    headers: ClassVar = {"authorization": "t"}

    def make_policy(self) -> Policy:
        return lambda_authorizer(answer, type="TOKEN")


class TestRequestAuthorizer(PolicyContract):
    def make_policy(self) -> Policy:
        return lambda_authorizer(answer, identity_source="context.httpMethod,context.path")


class TestSimpleAuthorizer(PolicyContract):
    def make_policy(self) -> Policy:
        async def simple(event: Any, context: Any) -> Any:
            return {"isAuthorized": True}

        return lambda_authorizer(simple, api="HTTP", payload_format="2.0", simple_responses=True)


class TestHandshakeAuthorizer(PolicyContract):
    def make_policy(self) -> Policy:
        return lambda_authorizer(answer, api="WEBSOCKET")
