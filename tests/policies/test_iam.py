"""The iam policy: who signed, and what policies let them do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from gatewaykit import IamMiddleware, PolicyMiddleware, VirtualClock, iam
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.iam.credentials import Credentials
from gatewaykit.core.iam.directory import compile_directory
from gatewaykit.core.iam.signing import Signer, signed_headers
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.deploy.configured_policies import build_policies
from gatewaykit.errors import ConfigError
from gatewaykit.pipeline.decision import drive
from gatewaykit.ports import Policy, Runtime
from gatewaykit.testing import Client, PolicyContract, presign, sign
from tests.attacks.checks import a_gateway
from tests.conformance.documents import mock
from tests.peers.crt import signed_for_regions

SECRET = "alice-secret-0123456789"
KEY = {"access_key_id": "AKIDALICE", "secret": SECRET}
ACCOUNT, OTHER = "123456789012", "210987654321"


def statement(effect: str = "Allow", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource, **more}


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def users(*statements: Mapping[str, Any], account: str = ACCOUNT) -> dict[str, Any]:
    policies = [document(*statements)] if statements else []
    alice = {"access_keys": [{"id": "AKIDALICE", "secret": SECRET}], "policies": policies}
    return {"account": account, "users": {"alice": alice}}


ALLOWED = users(statement())


def a_request(
    clock: VirtualClock, method: str = "GET", target: str = "/pets/1", body: bytes = b"", **more: Any
) -> Request:
    headers = sign(method, target, body=body, clock=clock, **{**KEY, **more})
    path, _, query = target.partition("?")
    return Request(
        method, path, headers=[(name.encode(), value.encode()) for name, value in headers.items()], body=body,
        query_string=query.encode(),
    )  # fmt: skip


def ask(policy: Policy, runtime: Runtime, request: Request) -> Request | Refusal:
    hook = policy.bind(runtime).on_request
    assert hook is not None
    answer = hook(request)
    return answer if isinstance(answer, (Request, Refusal)) else drive(answer)  # type: ignore[return-value, arg-type]  # by contract


class TestContract(PolicyContract):
    clock: ClassVar[Any] = VirtualClock("2026-01-01T12:00Z")
    path = "/pets?limit=2"
    headers = sign("POST", "/pets?limit=2", body=PolicyContract.body, clock=clock, **KEY)

    def make_policy(self) -> Policy:
        return iam(ALLOWED)


class TestContractWhileHidingSignatures(TestContract):
    def make_policy(self) -> Policy:
        return iam(ALLOWED, hide_signature=True, http_api=True)


def test_a_caller_comes_through_with_an_identity(runtime: Runtime, clock: VirtualClock) -> None:
    request = a_request(clock)

    assert ask(iam(ALLOWED), runtime, request) is request
    assert isinstance(request.identity, Identity)
    assert request.identity.principal == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert request.identity.claims["accessKey"] == "AKIDALICE"


# ---------------------------------------------------------------------------------------------------- policies


BOTH_SAY = "identity-based policy allows the execute-api:Invoke action"
ARN = "arn:aws:execute-api:us-east-1:123456789012:local/prod/GET/pets/1"
MASKED = "arn:aws:execute-api:us-east-1:********9012:local/prod/GET/pets/1"
ALLOW, DENY, NOTHING = [statement()], [statement("Deny")], [statement(resource="arn:aws:execute-api:other")]
ROWS = [
    ("allow", "allow", True, True), ("allow", "silent", True, False), ("allow", "deny", False, False),
    ("silent", "allow", True, False), ("silent", "silent", False, False), ("silent", "deny", False, False),
    ("deny", "allow", False, False), ("deny", "silent", False, False), ("deny", "deny", False, False),
]  # fmt: skip
SAYING = {"allow": ALLOW, "deny": DENY, "silent": NOTHING}


@pytest.mark.parametrize(("own", "resource", "within", "across"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
@pytest.mark.parametrize("account", [ACCOUNT, OTHER], ids=["02 s6 table A", "02 s6 table B"])
def test_both_sides_are_combined(
    runtime: Runtime, clock: VirtualClock, own: str, resource: str, within: bool, across: bool, account: str
) -> None:
    attached = document(*({**each, "Principal": "*"} for each in SAYING[resource]))
    policy = iam(users(*SAYING[own], account=account), resource_policy=attached)

    answer = ask(policy, runtime, a_request(clock))

    assert isinstance(answer, Request) == (within if account == ACCOUNT else across)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        pytest.param(NOTHING, f"because no {BOTH_SAY}", id="02 s2: no permission"),
        pytest.param([], f"because no {BOTH_SAY}", id="no policy at all"),
        pytest.param(DENY, "with an explicit deny in an identity-based policy", id="02 s2: explicit deny"),
    ],
)
def test_a_denial_is_told_as_iam_tells_it(
    runtime: Runtime, clock: VirtualClock, statements: list[Any], message: str
) -> None:
    answer = ask(iam(users(*statements)), runtime, a_request(clock))

    assert isinstance(answer, Refusal)
    assert answer.message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/alice is not authorized to perform: execute-api:Invoke on resource: "
        f"{MASKED} {message}"
    )


def test_policies_may_depend_on_the_time(runtime: Runtime, clock: VirtualClock) -> None:
    before = {"DateLessThan": {"aws:CurrentTime": "2026-01-15T13:00:00Z"}}
    policy = iam(users(statement(Condition=before)))

    in_time = ask(policy, runtime, a_request(clock))
    clock.advance("1h")
    too_late = ask(policy, runtime, a_request(clock))

    assert isinstance(in_time, Request)
    assert isinstance(too_late, Refusal)


def test_the_action_may_be_another(runtime: Runtime, clock: VirtualClock) -> None:
    data = users(statement(Action="execute-api:ManageConnections"))

    assert isinstance(ask(iam(data, action="execute-api:ManageConnections"), runtime, a_request(clock)), Request)
    assert isinstance(ask(iam(data), runtime, a_request(clock)), Refusal)


def test_without_authorization_whoever_signs_comes_in(runtime: Runtime, clock: VirtualClock) -> None:
    assert isinstance(ask(iam(users(), authorize=False), runtime, a_request(clock)), Request)
    assert isinstance(ask(iam(users(), authorize=False), runtime, Request("GET", "/")), Refusal)


# ---------------------------------------------------------------------------------------------------- signatures


def test_the_region_is_the_apis_own_unless_told(runtime: Runtime, clock: VirtualClock) -> None:
    runtime = replace(runtime, facts=ApiFacts(region="eu-central-1"))
    request, elsewhere = a_request(clock, region="eu-central-1"), a_request(clock, region="us-west-2")

    assert isinstance(ask(iam(ALLOWED), runtime, request), Request)
    assert isinstance(ask(iam(ALLOWED), runtime, elsewhere), Refusal)
    assert isinstance(ask(iam(ALLOWED, region="us-west-2"), runtime, elsewhere), Request)


def test_the_service_and_the_skew_may_be_others(runtime: Runtime, clock: VirtualClock) -> None:
    request = a_request(clock, service="shop")
    clock.advance("59s")
    policy = iam(ALLOWED, service="shop", skew="1m")

    assert isinstance(ask(policy, runtime, request), Request)
    clock.advance("2s")
    assert isinstance(ask(policy, runtime, request), Refusal)


@pytest.mark.parametrize("path", ["/a/../b", "/./b", "/b/.."])
def test_dot_segments_lead_nowhere(runtime: Runtime, clock: VirtualClock, path: str) -> None:
    answer = ask(iam(ALLOWED), runtime, a_request(clock, target=path))

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.SIGNATURE_INVALID


def test_dots_in_names_are_no_dot_segments(runtime: Runtime, clock: VirtualClock) -> None:
    assert isinstance(ask(iam(ALLOWED), runtime, a_request(clock, target="/.well-known/..x")), Request)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="no signature"), pytest.param({"authorization": "Bearer a"}, id="no key=value"),
        pytest.param({"secret": "x" * 16}, id="no match"), pytest.param({"access_key_id": "NOBODY"}, id="unknown"),
        pytest.param({"region": "x"}, id="region"), pytest.param({"denied": "1"}, id="denied"),
    ],
)  # fmt: skip
async def test_an_http_api_says_forbidden_and_no_more(change: dict[str, str]) -> None:
    clock = VirtualClock()
    data = users() if "denied" in change else ALLOWED
    signing = {name: value for name, value in change.items() if name in ("secret", "access_key_id", "region")}
    headers = sign("GET", "/", clock=clock, **{**KEY, **signing})
    if not change or "authorization" in change:
        headers = {"host": "testserver", **change}

    answer = await Client(IamMiddleware(_unreached, data, clock=clock, profile="aws", http_api=True)).get(
        "/", headers=headers
    )

    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    assert answer.header("x-amzn-errortype") == "ForbiddenException"


async def _unreached(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("the app was reached")


def test_sigv4a_is_taken_where_asked_for(runtime: Runtime, clock: VirtualClock) -> None:
    request = signed_for_regions("GET", "/pets", now_s=clock.wall(), **KEY)

    assert isinstance(ask(iam(ALLOWED, sigv4a=True), runtime, request), Request)
    assert isinstance(ask(iam(ALLOWED), runtime, request), Refusal)


# ---------------------------------------------------------------------------------------------------- bodies, mounts


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    seen = {name.decode(): value.decode() for name, value in scope["headers"]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    text = f"{seen.get('authorization', '-')[:4]} {scope['query_string'].decode()[:9]} {message['body'].decode()}"
    await send({"type": "http.response.body", "body": text.encode()})


@pytest.mark.parametrize("hide", [False, True])
async def test_the_body_is_replayed_and_the_signature_hidden_where_told(hide: bool) -> None:
    clock = VirtualClock()
    app = IamMiddleware(echo, ALLOWED, clock=clock, hide_signature=hide)

    answer = await Client(app).post("/", headers=sign("POST", "/", body="ping", clock=clock, **KEY), body="ping")
    address = presign("GET", "/?a=b", clock=clock, **KEY)
    presigned = await Client(app).get(address, headers={"host": "testserver"})

    assert answer.text == ("-  ping" if hide else "AWS4  ping")
    assert presigned.text == ("- a=b " if hide else "- a=b&X-Amz ")


async def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    clock = VirtualClock()
    app = PolicyMiddleware(echo, policies=[iam(ALLOWED)], clock=clock, max_body_bytes=10)
    headers = sign("POST", "/", body="x" * 11, clock=clock, **KEY)

    async with Client(app).open("POST", "/", headers={**headers, "content-length": "11"}) as exchange:
        declared = await exchange.result()
    streamed = await Client(app).post("/", headers={**headers, "transfer-encoding": "chunked"}, body="x" * 11)

    assert (declared.status, streamed.status) == (413, 413)


async def test_an_unsigned_payload_is_streamed_where_it_is_taken() -> None:
    clock = VirtualClock()
    app = PolicyMiddleware(echo, policies=[iam(ALLOWED, unsigned_payload=True)], clock=clock, max_body_bytes=2)
    signed = signed_headers(
        Signer(access_key_id="AKIDALICE", secret=SECRET), "POST", b"/", [(b"host", b"a")], b"", clock.wall(),
        unsigned_payload=True,
    )  # fmt: skip

    answer = await Client(app).post("/", headers=signed, body="longer than two")

    assert answer.text == "AWS4  longer than two"


@pytest.mark.parametrize("root_path", ["/api", "/a b"])
async def test_behind_a_mount_the_whole_path_is_signed(root_path: str) -> None:
    clock = VirtualClock()
    client = Client(IamMiddleware(echo, ALLOWED, clock=clock), root_path=root_path)
    whole = root_path.replace(" ", "%20") + "/pets"

    good = await client.get("/pets", headers=sign("GET", whole, clock=clock, **KEY))
    without = await client.get("/pets", headers=sign("GET", "/pets", clock=clock, **KEY))

    assert (good.status, without.status) == (200, 403)


async def test_without_a_raw_path_the_decoded_one_is_encoded() -> None:
    clock = VirtualClock()
    client = Client(IamMiddleware(echo, ALLOWED, clock=clock))

    answer = await client.get("/a b/\u00fc", headers=sign("GET", "/a%20b/%C3%BC", clock=clock, **KEY), raw_path=None)

    assert answer.status == 200


async def test_under_a_stage_the_whole_path_is_signed() -> None:
    clock = VirtualClock()
    gateway = a_gateway({"/pets": {"get": mock()}}, policies=[iam(ALLOWED)], clock=clock, stage_prefix=True)

    good = await Client(gateway).get("/prod/pets", headers=sign("GET", "/prod/pets", clock=clock, **KEY))
    without = await Client(gateway).get("/prod/pets", headers=sign("GET", "/pets", clock=clock, **KEY))
    decided = gateway.decide("GET", "/prod/pets", headers=sign("GET", "/prod/pets", clock=clock, **KEY))

    assert (good.status, without.status, decided.allowed) == (200, 403, True)


async def test_a_websocket_handshake_may_be_presigned() -> None:
    clock = VirtualClock()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    client = Client(IamMiddleware(app, ALLOWED, clock=clock))

    async with client.websocket(presign("GET", "/", clock=clock, **KEY), headers={"host": "testserver"}) as socket:
        assert socket.refusal is None
    async with client.websocket("/", headers={"host": "testserver"}) as socket:
        assert socket.refusal is not None
        assert socket.refusal.status == 403


# ---------------------------------------------------------------------------------------------------- providers


def alice() -> Credentials:
    found = compile_directory(ALLOWED)
    assert isinstance(found, dict)
    return found["AKIDALICE"]


async def later(answer: object) -> object:
    return answer


@pytest.mark.parametrize(
    ("give", "reason"),
    [
        pytest.param(lambda key_id: alice(), None, id="credentials"),
        pytest.param(lambda key_id: later(alice()), None, id="credentials later"),
        pytest.param(lambda key_id: None, Reason.ACCESS_KEY_UNKNOWN, id="nothing"),
        pytest.param(lambda key_id: later(None), Reason.ACCESS_KEY_UNKNOWN, id="nothing later"),
        pytest.param(lambda key_id: SECRET, Reason.AUTHORIZER_MISCONFIGURED, id="a text"),
        pytest.param(lambda key_id: later(True), Reason.AUTHORIZER_MISCONFIGURED, id="true later"),
        pytest.param(lambda key_id: {}["x"], Reason.AUTHORIZER_FAILED, id="raises"),
        pytest.param(lambda key_id: later({}).throw(OSError("down")), Reason.AUTHORIZER_FAILED, id="raises at once"),
    ],
)
def test_a_function_may_know_the_credentials(
    runtime: Runtime, clock: VirtualClock, give: Any, reason: Reason | None
) -> None:
    answer = ask(iam(give), runtime, a_request(clock))

    assert (answer.reason if isinstance(answer, Refusal) else None) is reason
    assert SECRET not in repr(answer)


def test_a_function_that_fails_later_lets_nobody_in(runtime: Runtime, clock: VirtualClock) -> None:
    async def fails(key_id: str) -> None:
        raise LookupError("the directory is down")

    answer = ask(iam(fails), runtime, a_request(clock))

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.AUTHORIZER_FAILED
    assert "LookupError: the directory is down" in answer.detail


def test_a_function_is_not_asked_for_what_is_no_access_key(runtime: Runtime, clock: VirtualClock) -> None:
    asked: list[str] = []

    answer = ask(iam(asked.append), runtime, a_request(clock, access_key_id="a key/../x".replace("/", "")))

    assert isinstance(answer, Refusal)
    assert asked == []


def test_what_was_found_is_told_with_the_key_masked(runtime: Runtime, clock: VirtualClock) -> None:
    request = a_request(clock)
    request.events = []

    ask(iam(ALLOWED), runtime, request)

    assert request.events == [
        ("credential", "an AWS signature in the header Authorization, by the access key …LICE"),
        ("authorization", f"statement 1 of user alice, policy 1 allows {ARN}"),
    ]


# ---------------------------------------------------------------------------------------------------- configuration


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        iam(3, region="a/b", service="", action="Invoke", skew="x", resource_policy={}, authorize=False)  # type: ignore[arg-type]  # on purpose

    places = [problem.where for problem in raised.value.problems]
    assert places[:5] == ["iam.credentials", "iam.skew", "iam.region", "iam.service", "iam.action"]
    assert all(place.startswith("iam.resource_policy") for place in places[5:])
    assert len(places) > 6


@pytest.mark.parametrize("more", [{}, {"hide_signature": True, "skew": "1m", "authorize": False}])
def test_it_may_be_written_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, more: dict[str, Any]) -> None:
    (tmp_path / "users.json").write_text(json.dumps(ALLOWED))
    monkeypatch.setenv("SHOP_KEYS", json.dumps(ALLOWED))
    monkeypatch.chdir(tmp_path)
    for credentials in (
        ALLOWED, "users.json", "env:SHOP_KEYS", "http://keys.test/{access_key_id}", "tests.policies.test_iam:give"
    ):  # fmt: skip
        (policy,) = build_policies([{"iam": {"credentials": credentials, **more}}], "policies", trusted=True)

        assert getattr(policy, "skew_s") == (60 if more else 300)  # noqa: B009 - it is no field of every policy


def give(key_id: str) -> None:
    """A function that a file may name."""


@pytest.mark.parametrize(
    ("credentials", "trusted", "problem"),
    [
        ("env:SHOP_NOTHING", True, "the environment variable is not set"),
        ("http://keys.test/", True, "does not say where {access_key_id} goes"),
        ("nowhere.yaml", True, "the credentials cannot be read"),
        ({"users": {"alice": {"keys": []}}}, True, "there is no setting 'keys'"),
        (ALLOWED, False, "cannot be written in a definition"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(credentials: Any, trusted: bool, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build_policies([{"iam": {"credentials": credentials}}], "policies", trusted=trusted)

    assert str(raised.value.problems[0]).startswith("policies[0].iam")
    assert problem in str(raised.value)
