"""Reference 02 sections 5 and 9, and 06 section 3: authorizers of HTTP APIs, and of WebSocket handshakes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gatewaykit import Decision, Policy, iam, jwt, lambda_authorizer
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Reply, ScriptedTransport, VirtualClock, decide, decider, make_request, sign
from tests.conformance.authorized import ALICE, API, SECRET, granting, raising
from tests.tokens import AUDIENCE, ISSUER, NOW_S, jwk, token

UNAUTHORIZED, FORBIDDEN = (401, b'{"message":"Unauthorized"}'), (403, b'{"message":"Forbidden"}')
BROKEN = (500, b'{"message":"Internal Server Error"}')


def issuer(request: UpstreamRequest) -> Reply:
    document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    if request.target == b"/keys":
        document = {"keys": [jwk("RSA", "k1"), jwk("ES256", "es")]}  # type: ignore[dict-item]
    return Reply(body=json.dumps(document).encode())


def asking(policy: Policy, headers: Mapping[str, str] | None = None, path: str = "/pets") -> Decision:
    request = make_request("GET", path, headers=headers or {})
    return decide(policy, request, clock=VirtualClock(NOW_S), transport=ScriptedTransport(issuer), profile="aws")


def said(decision: Decision) -> tuple[int, bytes] | None:
    return None if decision.response is None else (decision.response.status, bytes(decision.response.body))


def problem(description: str) -> str:
    return f'Bearer scope="" error="invalid_token" error_description="{description}"'


@pytest.mark.parametrize(
    ("text", "answer", "field"),
    [
        pytest.param(f"Bearer {token()}", None, None, id="02 §5: valid"),
        pytest.param(f"BEARER {token()}", None, None, id="02 §5: Bearer in any casing"),
        pytest.param(token(), None, None, id="02 §5: without Bearer"),
        pytest.param(None, UNAUTHORIZED, "Bearer", id="02 §5: no token"),
        pytest.param(
            "abc", UNAUTHORIZED, problem("token contains an invalid number of segments"), id="02 §5: segments"
        ),
        pytest.param(
            token(aud="x"), UNAUTHORIZED, problem("the token does not have a valid audience"), id="02 §5: aud"
        ),
        pytest.param(token(exp=NOW_S - 1), UNAUTHORIZED, problem("the token has expired"), id="02 §5: exp"),
        pytest.param(token(aud=None, client_id=AUDIENCE), None, None, id="02 §5: client_id in place of aud"),
        pytest.param(token(aud="x", client_id=AUDIENCE), UNAUTHORIZED, "error=", id="02 §5: client_id beside aud"),
        pytest.param(token(iss="https://other.example"), UNAUTHORIZED, "the issuer", id="02 §5: iss"),
        pytest.param(token(nbf=NOW_S + 60), UNAUTHORIZED, "error=", id="02 §5: nbf"),
        pytest.param(token(iat=NOW_S + 60), UNAUTHORIZED, "error=", id="02 §5: iat"),
        pytest.param(token(header={"kid": "k9"}), UNAUTHORIZED, "error=", id="02 §5: kid unknown"),
        pytest.param(token(header={"kid": None}), UNAUTHORIZED, "error=", id="02 §5: no kid"),
        pytest.param(token("ES256", header={"kid": "es"}), UNAUTHORIZED, "error=", id="02 §5: RSA only"),
    ],
)
def test_jwt_authorizers(text: str | None, answer: Any, field: str | None) -> None:
    policy = jwt(issuer=ISSUER, audience=AUDIENCE, http_api=True)

    decision = asking(policy, None if text is None else {"authorization": text})

    assert said(decision) == answer
    if field is not None:
        assert decision.response is not None
        assert field in (decision.response.header("www-authenticate") or "")


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        pytest.param({"scope": "a b"}, None, id="02 §5: scope, one of several"),
        pytest.param({"scp": "b"}, None, id="02 §5: scp"),
        pytest.param({"scope": "c"}, FORBIDDEN, id="02 §5: another scope"),
        pytest.param({}, FORBIDDEN, id="02 §5: no scope"),
    ],
)
def test_scopes_of_a_route(more: dict[str, Any], answer: Any) -> None:
    policy = jwt(issuer=ISSUER, audience=AUDIENCE, http_api=True, scopes=["b", "x"])

    decision = asking(policy, {"authorization": token(**more)})

    assert said(decision) == answer
    if answer is not None:
        assert decision.response is not None
        assert 'scope="b x" error="insufficient_scope"' in (decision.response.header("www-authenticate") or "")


def test_a_token_in_the_query() -> None:  # 02 §5: $request.querystring.x
    policy = jwt(issuer=ISSUER, audience=AUDIENCE, http_api=True, identity_source="$request.querystring.auth")

    assert asking(policy, path=f"/pets?auth={token()}").allowed
    assert said(asking(policy)) == UNAUTHORIZED


@pytest.mark.parametrize(
    ("answer", "options", "seen"),
    [
        pytest.param({"isAuthorized": True}, {"simple_responses": True}, None, id="02 §5: simple, true"),
        pytest.param({"isAuthorized": False}, {"simple_responses": True}, FORBIDDEN, id="02 §5: simple, false"),
        pytest.param({"isAuthorized": "yes"}, {"simple_responses": True}, BROKEN, id="02 §5: simple, no boolean"),
        pytest.param(granting(), {}, None, id="02 §5: a policy in 2.0"),
        pytest.param(granting("Deny"), {}, FORBIDDEN, id="02 §5: denied"),
        pytest.param(granting(context={"a": [{"b": 1}]}), {}, None, id="02 §5: nested context in 2.0"),
        pytest.param(
            granting(context={"a": [1]}), {"payload_format": "1.0"}, BROKEN, id="02 §5: nested context in 1.0"
        ),
        pytest.param(
            granting(context={"claims": "x"}), {"payload_format": "1.0"}, BROKEN, id="02 §5: claims is reserved in 1.0"
        ),
        pytest.param(
            raising("Unauthorized"), {"payload_format": "1.0"}, UNAUTHORIZED, id="02 §5: throws Unauthorized in 1.0"
        ),
        pytest.param("what", {}, BROKEN, id="02 §5: bad format"),
    ],
)
def test_lambda_authorizers_of_http_apis(answer: Any, options: dict[str, Any], seen: Any) -> None:
    function = answer if callable(answer) else lambda event, context: answer
    policy = lambda_authorizer(function, api="HTTP", **{"payload_format": "2.0", **options})

    assert said(asking(policy)) == seen


@pytest.mark.parametrize(
    ("source", "path", "headers", "asked"),
    [
        pytest.param("$request.header.X-Who", "/", {"x-WHO": "ann"}, True, id="02 §5: headers in any casing"),
        pytest.param("$request.header.X-Who", "/", {}, False, id="02 §5: a missing source"),
        pytest.param("$request.querystring.Who", "/?Who=ann", {}, True, id="02 §5: the query"),
        pytest.param("$request.querystring.Who", "/?who=ann", {}, False, id="02 §5: the query is case-sensitive"),
        pytest.param("$context.routeKey, $stageVariables.nope", "/", {}, False, id="02 §5: stage variables"),
    ],
)
def test_identity_sources_of_http_apis(source: str, path: str, headers: dict[str, str], asked: bool) -> None:
    events: list[Any] = []

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return granting()

    decision = asking(lambda_authorizer(function, api="HTTP", identity_source=source), headers, path)

    assert said(decision) == (None if asked else UNAUTHORIZED)
    assert bool(events) is asked


def test_answers_of_http_apis_are_not_cached_unless_told() -> None:  # 02 §5: default 0
    events: list[Any] = []

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return granting()

    for ttl_s, calls in ((None, 2), (60, 3)):
        policy = lambda_authorizer(function, api="HTTP", identity_source="$request.header.X-Who", ttl_s=ttl_s)
        ask = decider(policy, clock=VirtualClock(NOW_S))
        for path in ("/pets", "/cats"):  # one cache for all routes
            ask(make_request("GET", path, headers={"x-who": "ann"}))
        assert len(events) == calls


def test_the_event_of_format_2() -> None:  # 02 §5
    events: list[Any] = []

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return granting()

    policy = lambda_authorizer(
        function, api="HTTP", payload_format="2.0", identity_source="$request.header.X-Who,$request.querystring.a"
    )
    asking(policy, {"X-Who": "ann", "Cookie": "c=1; d=2"}, "/pets?a=1&a=2")

    [event] = events
    assert (event["version"], event["type"]) == ("2.0", "REQUEST")
    assert event["routeArn"].startswith("arn:aws:execute-api:us-east-1:123456789012:local/")
    assert event["routeArn"].endswith("/GET/pets")
    assert event["identitySource"] == ["ann", "1,2"]
    assert (event["rawPath"], event["rawQueryString"]) == ("/prod/pets", "a=1&a=2")
    assert (event["cookies"], event["queryStringParameters"]) == (["c=1", "d=2"], {"a": "1,2"})
    assert event["requestContext"]["http"].keys() == {"method", "path", "protocol", "sourceIp", "userAgent"}
    assert event["requestContext"].keys() == {
        "accountId", "apiId", "domainName", "domainPrefix", "http", "requestId", "routeKey", "stage", "time",
        "timeEpoch",
    }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="02 §2: HTTP API, no signature"),
        pytest.param(
            sign("GET", "/pets", access_key_id=ALICE, secret="other", clock=VirtualClock(NOW_S)),
            id="02 §2: HTTP API, a mismatch",
        ),
        pytest.param(
            sign("GET", "/pets", access_key_id=ALICE, secret=SECRET, clock=VirtualClock(NOW_S)),
            id="02 §2: HTTP API, no permission",
        ),
    ],
)
def test_every_iam_failure_of_an_http_api_is_forbidden(headers: dict[str, str]) -> None:
    alice = {"access_keys": [{"id": ALICE, "secret": SECRET}]}

    assert said(asking(iam({"users": {"alice": alice}}, http_api=True), headers)) == FORBIDDEN


@pytest.mark.parametrize(
    ("source", "path", "headers", "answer"),
    [
        pytest.param("route.request.header.X-Who", "/", {"x-who": "ann"}, None, id="06 §3: a header"),
        pytest.param("route.request.querystring.who", "/?who=ann", {}, None, id="06 §3: the query"),
        pytest.param("route.request.querystring.who", "/", {}, UNAUTHORIZED, id="06 §3: missing"),
        pytest.param("context.stage", "/", {}, None, id="06 §3: the context"),
    ],
)
def test_a_handshake(source: str, path: str, headers: dict[str, str], answer: Any) -> None:
    arns: list[str] = []

    def function(event: Any, context: Any) -> Any:
        arns.append(event["methodArn"])
        return granting()

    decision = asking(lambda_authorizer(function, api="WEBSOCKET", identity_source=source), headers, path)

    assert said(decision) == answer
    assert arns == ([] if answer else [f"{API.removesuffix('dev')}prod/$connect"])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(granting("Deny"), 403, id="06 §3: denied"),
        pytest.param(raising("Unauthorized"), 401, id="06 §3: Unauthorized"),
    ],
)
def test_a_handshake_that_is_refused(answer: Any, status: int) -> None:
    function = answer if callable(answer) else lambda event, context: answer

    assert asking(lambda_authorizer(function, api="WEBSOCKET")).status == status
