"""Lambda authorizers that fail in every way, and callers that try to pass for others: always closed, never open."""

from __future__ import annotations

import asyncio
import functools
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit import Gateway, PolicyMiddleware, VirtualClock, lambda_authorizer, rule
from gatewaykit.policies import authorizing
from gatewaykit.ports import Policy
from gatewaykit.testing import Client
from gatewaykit.testing.client import Result
from tests.attacks.checks import SECRET, failures, leaks_nothing
from tests.conformance.documents import document, mock

ALL = "arn:aws:execute-api:*:*:*"
API = "arn:aws:execute-api:us-east-1:123456789012:local/prod"


def policy(*resources: str, effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": list(resources)}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allowing(*resources: str, principal: str = "ann", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"principalId": principal, "policyDocument": policy(*resources or (ALL,), effect=effect), **more}


class App:
    """What must not be reached; it keeps who reached it."""

    def __init__(self) -> None:
        self.callers: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.callers.append(scope["state"]["gatewaykit"].identity.principal)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.callers[-1].encode()})


def guarded(function: Callable[..., Any], **options: Any) -> tuple[App, Client]:
    app = App()
    options = {"identity_source": "method.request.header.authorization", **options}
    return app, Client(PolicyMiddleware(app, policies=[lambda_authorizer(function, **options)], profile="aws"))


async def asking(function: Callable[..., Any], **options: Any) -> tuple[App, Result]:
    app, client = guarded(function, **options)
    return app, await client.get("/pets", headers={"authorization": "t"})


def gives(answer: Callable[[], Any], kind: str) -> Callable[..., Any]:
    def authorize(event: Any, context: Any) -> Any:
        return answer()

    async def authorize_later(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return answer()

    return authorize if kind == "sync" else authorize_later


def raises(make: Callable[[], BaseException]) -> Any:
    raise make()


KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


class Unspeakable(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)


# ---------------------------------------------------------------------------------------------------- failures


@KINDS
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ValueError(SECRET), id="an exception"),
        pytest.param(lambda: TimeoutError(SECRET), id="a timeout of its own"),
        pytest.param(lambda: SystemExit(SECRET), id="SystemExit"),
        pytest.param(lambda: SystemExit(0), id="SystemExit without a word"),
        pytest.param(lambda: asyncio.CancelledError(SECRET), id="a cancellation of its own"),
        pytest.param(lambda: RecursionError(SECRET), id="RecursionError"),
        pytest.param(lambda: BaseExceptionGroup(SECRET, [SystemExit()]), id="a group"),
        pytest.param(lambda: Unspeakable(), id="one that cannot be printed"),
        pytest.param(lambda: ValueError("\ud800\r\n\x1b[31m"), id="one that is no text"),
    ],
)
async def test_an_authorizer_that_raises_lets_nobody_in(
    kind: str, make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    app, answer = await asking(gives(functools.partial(raises, make), kind))

    assert (answer.status, answer.body) == (500, b'{"message":null}')
    assert app.callers == []
    assert failures(caplog) == ["AUTHORIZER_FAILED"]
    leaks_nothing(answer)


async def test_an_authorizer_that_hangs_lets_nobody_in_and_delays_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()

    def hangs(event: Any, context: Any) -> Any:
        release.wait(30)
        return allowing()

    async def hangs_later(event: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    try:
        for function in (hangs, hangs_later):
            app, answer = await asking(function, timeout_s="20ms")

            assert (answer.status, app.callers) == (500, [])
        _, client = guarded(lambda event, context: allowing())
        assert (await client.get("/", headers={"authorization": "t"})).status == 200
    finally:
        release.set()
    assert failures(caplog) == ["AUTHORIZER_FAILED"] * 2


async def test_what_comes_after_the_time_is_over_opens_nothing() -> None:
    release, asked = threading.Event(), threading.Semaphore(0)

    def late(event: Any, context: Any) -> Any:
        asked.release()
        release.wait(30)
        return allowing()

    _, client = guarded(late, timeout_s="20ms")
    first = await client.get("/", headers={"authorization": "t"})
    release.set()
    asked.acquire()
    second = await client.get("/", headers={"authorization": "t"})

    assert first.status == 500
    assert asked.acquire(blocking=False), "the late answer was served from the cache"
    assert second.status == 200


async def test_a_caller_who_leaves_ends_a_call_that_nobody_else_waits_for() -> None:
    ended, asked = asyncio.Event(), asyncio.Event()

    async def hangs(event: Any, context: Any) -> Any:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app, client = guarded(hangs)
    leaving = asyncio.ensure_future(client.get("/", headers={"authorization": "t"}))
    await asked.wait()
    leaving.cancel()
    await asyncio.wait([leaving])

    await asyncio.wait_for(ended.wait(), 10)
    assert app.callers == []


# ---------------------------------------------------------------------------------------------------- answers


def circle() -> Any:
    inside: list[Any] = []
    inside.append(inside)
    return allowing(context={"a": inside})


def deep() -> Any:
    inside: Any = {}
    for _ in range(10_000):
        inside = [inside]
    return allowing(context={"a": inside})


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in allowing().items() if name != key}


GARBAGE: dict[str, Callable[[], Any]] = {
    "None": lambda: None, "True": lambda: True, "a number": lambda: 1, "NaN": lambda: float("nan"),
    "a text": lambda: "Allow", "bytes": lambda: b"{}", "a list": lambda: [allowing()], "a set": lambda: {"Allow"},
    "an object": lambda: object(), "a class": lambda: dict, "a function": lambda: allowing,
    "a generator": lambda: (each for each in [allowing()]), "an exception": lambda: Exception("Unauthorized"),
    "an answer to a request": lambda: {"statusCode": 200, "body": ""}, "an event": lambda: {"isAuthorized": True},
    "nothing in it": dict, "no principal": lambda: without("principalId"),
    "no policy": lambda: without("policyDocument"), "an empty principal": lambda: allowing(principal=""),
    "a principal that is a list": lambda: {**allowing(), "principalId": ["ann"]},
    "a policy that is a text": lambda: {**allowing(), "policyDocument": "Allow"},
    "a policy that is a list": lambda: {**allowing(), "policyDocument": [policy(ALL)]},
    "a policy that is empty": lambda: {**allowing(), "policyDocument": {}},
    "Allow in lower case": lambda: {**allowing(), "policyDocument": policy(ALL, effect="allow")},
    "an effect that is true": lambda: {**allowing(), "policyDocument": policy(ALL, effect=True)},  # type: ignore[arg-type]  # an attack
    "a statement too many": lambda: {**allowing(), "policyDocument": {"Statement": [*policy(ALL)["Statement"], None]}},
    "an unknown operator": lambda: _with_condition({"StringEqual": {"aws:SourceIp": "x"}}),
    "a condition that is a text": lambda: _with_condition("always"),
    "an address that is none": lambda: _with_condition({"NotIpAddress": {"aws:SourceIp": "anywhere"}}),
    "a resource that is long": lambda: allowing(ALL + "*" * 5000),
    "10000 statements": lambda: {**allowing(), "policyDocument": {"Statement": policy(ALL)["Statement"] * 10_000}},
    "a megabyte of context": lambda: allowing(context={"a": "x" * 1_000_000}),
    "seven megabytes": lambda: allowing(context={"a": "x" * 7_000_000}),
    "a context that is a text": lambda: allowing(context="admin"),
    "a context with a list": lambda: allowing(context={"a": ["b"]}),
    "a context that is a circle": circle, "a context that is deep": deep,
    "a lone surrogate": lambda: allowing(principal="\ud800"),
    "a lone surrogate in the context": lambda: allowing(context={"\udfff": 1}),
    "a key that is no text": lambda: allowing(usageIdentifierKey=1),
}  # fmt: skip


def _with_condition(condition: Any) -> dict[str, Any]:
    document = policy(ALL)
    document["Statement"][0]["Condition"] = condition
    return {**allowing(), "policyDocument": document}


@KINDS
@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_lets_nobody_in(kind: str, answer: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    app, result = await asking(gives(answer, kind))

    assert (result.status, result.body) == (500, b'{"message":null}')
    assert app.callers == []
    assert failures(caplog)[0] in ("AUTHORIZER_FAILED", "AUTHORIZER_MISCONFIGURED")
    assert result.header("x-amzn-errortype") in ("AuthorizerFailureException", "AuthorizerConfigurationException")
    leaks_nothing(result)


@pytest.mark.parametrize(
    "answer",
    [None, True, {}, {"isAuthorized": "true"}, {"isAuthorized": 1}, {"isAuthorized": [True]}, {"IsAuthorized": True},
     {"isAuthorized": False}, allowing()],
    ids=["None", "True", "empty", "a text", "a number", "a list", "casing", "no", "a policy"],
)  # fmt: skip
async def test_a_simple_answer_that_is_not_true_lets_nobody_in(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    app, result = await asking(
        lambda event, context: answer, api="HTTP", payload_format="2.0", simple_responses=True,
        identity_source="$request.header.authorization",
    )  # fmt: skip

    assert result.status in (403, 500)
    assert failures(caplog) in ([], ["AUTHORIZER_MISCONFIGURED"])
    assert app.callers == []


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    | st.fixed_dictionaries({"principalId": inner, "policyDocument": inner}),
    max_leaves=20,
))  # fmt: skip
def test_any_value_lets_nobody_in(answer: Any) -> None:
    app = App()
    middleware = PolicyMiddleware(app, policies=[lambda_authorizer(lambda event, context: answer)])

    decision = middleware.decide("GET", "/pets")

    assert not decision.allowed
    assert decision.status == 500


# ---------------------------------------------------------------------------------------------------- confusion


def naming(event: Any, context: Any) -> Any:
    """Names the caller by all that the function was shown of the credential."""
    if event["type"] == "TOKEN":
        return allowing(principal=event["authorizationToken"])
    seen = [event["multiValueHeaders"].get(name) for name in ("Authorization", "x-tenant")]
    return allowing(principal=repr([*seen, event["multiValueQueryStringParameters"]]))


A, B, C = ("authorization", "a"), ("authorization", "b"), ("x-tenant", "c")
A_AND_B_JOINED = ("authorization", "a,b")
BOTH = "method.request.header.authorization,method.request.header.x-tenant"


@pytest.mark.parametrize(
    ("ones", "others"),
    [
        ([A_AND_B_JOINED, C], [A, ("x-tenant", "b,c")]),
        ([("authorization", "a"), ("x-tenant", "b")], [("authorization", "b"), ("x-tenant", "a")]),
        ([A, B, C], [B, C]),
        ([A, B, C], [A_AND_B_JOINED, C]),
        ([("authorization", "a\x1fb"), C], [A, ("x-tenant", "b\x1fc")]),
        ([A, ("x-tenant", "\u00e9")], [A, ("x-tenant", "e")]),
    ],
    ids=["separators", "swapped", "repeated and once", "repeated and joined", "control characters", "accents"],
)  # fmt: skip
async def test_nobody_is_taken_for_somebody_else(ones: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    app, client = guarded(naming, identity_source=BOTH)
    for headers in (ones, others, ones, others):
        assert (await client.get("/", headers=headers)).status == 200

    first, second, *again = app.callers
    assert first != second
    assert again == [first, second]


async def test_a_token_that_is_sent_twice_is_one_token_for_both_sides() -> None:
    """What the function is shown is what its answer is kept under, so a first header changes nothing."""
    app, client = guarded(naming, type="TOKEN")
    for headers in (
        [("authorization", "eve"), ("authorization", "ann")],
        [("authorization", "ann")],
        [("authorization", "eve")],
    ):
        await client.get("/", headers=headers)

    assert app.callers == ["ann", "ann", "eve"]


@pytest.mark.parametrize("options", [{"type": "TOKEN"}, {}, {"identity_source": BOTH}], ids=["TOKEN", "one", "two"])
@pytest.mark.parametrize(
    "headers", [[], [("authorization", "")], [("authorization", " ")]], ids=["absent", "empty", "blank"]
)
async def test_no_credential_is_no_key(options: dict[str, Any], headers: list[tuple[str, str]]) -> None:
    app, client = guarded(lambda event, context: allowing(), **options)
    await client.get("/", headers={"authorization": "t", "x-tenant": "blue"})
    app.callers.clear()

    answer = await client.get("/", headers=[*headers, ("x-tenant", "blue")])

    assert (answer.status, app.callers) == (401, [])


async def test_a_cached_narrow_policy_opens_nothing_else() -> None:
    app, client = guarded(lambda event, context: allowing(f"{API}/GET/pets"), type="TOKEN")
    headers = {"authorization": "t"}
    asked = [("GET", "/pets"), ("POST", "/pets"), ("GET", "/pets/7"), ("GET", "/admin"), ("GET", "/pets/../admin"),
             ("HEAD", "/pets"), ("GET", "/PETS"), ("GET", "/pets%2F..%2Fadmin"), ("GET", "/pets")]  # fmt: skip

    answers = [await client.request(method, path, headers=headers) for method, path in asked]

    assert [answer.status for answer in answers] == [200, *[403] * 7, 200]
    assert app.callers == ["ann", "ann"]


async def test_two_authorizers_with_the_same_source_share_nothing() -> None:
    app = App()
    source = "method.request.header.authorization"
    policies = [
        rule("/ann", lambda_authorizer(lambda event, context: allowing(principal="ann"), identity_source=source)),
        rule("/eve", lambda_authorizer(lambda event, context: policy(), identity_source=source)),
    ]
    client = Client(PolicyMiddleware(app, policies=policies))

    answers = [await client.get(path, headers={"authorization": "t"}) for path in ("/ann", "/eve", "/ann", "/eve")]

    assert [answer.status for answer in answers] == [200, 500, 200, 500]


async def test_an_answer_for_one_stage_does_not_serve_another() -> None:
    asked = []

    def authorize(event: Any, context: Any) -> Any:
        asked.append(event["methodArn"])
        return allowing(event["methodArn"])

    authorizer: Policy = lambda_authorizer(authorize, type="TOKEN")
    apis = [
        Gateway.from_openapi(document({"/pets": {"get": mock()}}), stage=stage, policies=[authorizer])
        for stage in ("dev", "prod")
    ]

    answers = [await Client(api).get("/pets", headers={"authorization": "t"}) for api in apis * 2]

    assert [answer.status for answer in answers] == [200] * 4
    assert asked == [f"{API.removesuffix('prod')}{stage}/GET/pets" for stage in ("dev", "prod")]


async def test_what_a_handler_does_to_its_caller_reaches_no_other_request() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        claims = scope["state"]["gatewaykit"].identity.claims
        seen.append(dict(claims))
        claims["role"] = "admin"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    authorizer = lambda_authorizer(lambda event, context: allowing(context={"role": "user"}), type="TOKEN")
    client = Client(PolicyMiddleware(app, policies=[authorizer]))
    for _ in range(3):
        await client.get("/", headers={"authorization": "t"})

    assert [claims["role"] for claims in seen] == ["user"] * 3


async def test_answers_expire_on_time_also_for_whoever_keeps_asking() -> None:
    clock, revoked = VirtualClock(), False

    def authorize(event: Any, context: Any) -> Any:
        if revoked:
            raise Exception("Unauthorized")
        return allowing()

    app = App()
    client = Client(PolicyMiddleware(app, policies=[lambda_authorizer(authorize, type="TOKEN", ttl_s=60)], clock=clock))
    statuses = []
    for _ in range(4):
        statuses.append((await client.get("/", headers={"authorization": "t"})).status)
        revoked = True
        clock.advance(25)

    assert statuses == [200, 200, 200, 401]


# ---------------------------------------------------------------------------------------------------- floods


async def test_a_flood_of_callers_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizing, "MOST_CACHED", 10)
    asked = []

    def authorize(event: Any, context: Any) -> Any:
        asked.append(event["authorizationToken"])
        return allowing()

    _, client = guarded(authorize, type="TOKEN")
    for number in (*range(100), 99, 0):
        await client.get("/", headers={"authorization": f"t{number}"})

    assert len(asked) == 101, "the newest is kept, the oldest is not"


async def test_huge_tokens_and_paths_are_not_kept() -> None:
    """Each of these callers is denied, and remembered; what is remembered must be small."""
    _, client = guarded(lambda event, context: allowing(ALL, effect="Deny"), type="TOKEN")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(100):
        for path in range(16):
            headers = {"authorization": f"{number:05}" * 5_000}
            assert (await client.get(f"/{path:03}" * 370, headers=headers)).status == 403
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert kept < 100 * 12_000


async def test_an_expression_and_a_token_made_for_each_other_do_not_hold_the_gateway_up() -> None:
    app, client = guarded(lambda event, context: allowing(), type="TOKEN", validation_expression=r"(a+)+$")

    answer = await client.get(
        "/",
        headers={"authorization": "a" * 5_000 + "!"},
    )

    assert (answer.status, app.callers) == (401, [])
