"""Policies around an app: rules, stacking, the client's address, decisions without a server."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import (
    ConfigError,
    Identity,
    Policy,
    PolicyMiddleware,
    Reason,
    Request,
    Response,
    VirtualClock,
    by,
    rule,
    throttle,
)
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client
from tests.asgi.apps import Deciding, Noting, ReadsBody, Recorder, hello, refuse


def marking(name: str) -> Policy:
    """A policy that says on the response that it ran."""
    return Noting(name, [])


async def ran(client: Client, method: str, path: str, **options: Any) -> str:
    answer = await client.request(method, path, **options)
    return answer.header("x-seen-by") or ""


@pytest.mark.parametrize(
    ("target", "method", "path", "applies"),
    [
        pytest.param("/items", "GET", "/items", True, id="any verb"),
        pytest.param("/items", "PURGE", "/items", True, id="a verb nobody has heard of"),
        pytest.param("POST /items", "POST", "/items", True, id="its verb"),
        pytest.param("POST /items", "post", "/items", True, id="its verb in lower case"),
        pytest.param("POST /items", "GET", "/items", False, id="another verb"),
        pytest.param("GET /items", "HEAD", "/items", True, id="HEAD is a GET"),
        pytest.param("HEAD /items", "GET", "/items", False, id="but GET is no HEAD"),
        pytest.param("/items", "GET", "/items/", True, id="a slash at the end"),
        pytest.param("/items", "GET", "//items", True, id="a slash before"),
        pytest.param("/a/b", "GET", "/a///b", True, id="slashes between"),
        pytest.param("/items", "GET", "/Items", True, id="another casing, as some routers have it"),
        pytest.param("/items", "GET", "/items/1", False, id="deeper"),
        pytest.param("/items", "GET", "/%69tems", True, id="percent-encoded"),
        pytest.param("/items/{id}", "GET", "/items/1", True, id="a parameter"),
        pytest.param("/items/{id}", "GET", "/items", False, id="a parameter needs a segment"),
        pytest.param("/items/{id}", "GET", "/items/1/2", False, id="a parameter is one segment"),
        pytest.param("/items/{proxy+}", "GET", "/items/1/2", True, id="a greedy one takes the rest"),
        pytest.param("/items/{proxy+}", "GET", "/items", False, id="a greedy one needs something"),
        pytest.param("/", "GET", "/", True, id="the root"),
        pytest.param("/", "GET", "/x", False, id="the root alone"),
    ],
)
async def test_a_rule_holds_where_its_target_fits(target: str, method: str, path: str, applies: bool) -> None:
    client = Client(PolicyMiddleware(hello, policies=[rule(target, marking("r"))]))

    assert await ran(client, method, path) == ("r" if applies else "")


async def test_all_rules_that_fit_apply_in_listed_order() -> None:
    policies = [rule("/a/{x}", marking("1")), marking("2"), rule("GET /a/b", marking("3")), rule("/c", marking("4"))]
    client = Client(PolicyMiddleware(hello, policies=policies))

    assert await ran(client, "GET", "/a/b") == "3, 2, 1"
    assert await ran(client, "GET", "/a/c") == "2, 1"
    assert await ran(client, "GET", "/c") == "4, 2"
    assert await ran(client, "GET", "/") == "2"


async def test_a_route_without_policies_is_the_app_itself() -> None:
    app = Recorder()

    await Client(PolicyMiddleware(app, policies=[rule("/a", refuse())])).get("/b")

    assert "gatewaykit" not in app.scopes[0]["state"]


async def test_a_rule_gives_its_path_parameters() -> None:
    seen: list[Any] = []

    def note(request: Request) -> Request:
        seen.append(dict(request.path_parameters))
        return request

    client = Client(PolicyMiddleware(hello, policies=[rule("/a/{x}/{rest+}", Deciding(note)), rule("/a/{y}/c/d")]))
    await client.get("/a/b/c/d")

    assert seen == [{"x": "b", "rest": "c/d", "y": "b"}]


async def test_a_preflight_is_answered_by_the_cross_origin_policy_of_the_verb_it_asks_for() -> None:
    class CrossOrigin(Policy):
        answers_preflight = True

        def on_request(self, request: Request) -> Any:
            return Response(204) if request.method == "OPTIONS" else request

    policies = [rule("PUT /a", CrossOrigin(), refuse()), rule("OPTIONS /a", marking("own"))]
    client = Client(PolicyMiddleware(hello, policies=policies))

    asked = await client.options("/a", headers={"access-control-request-method": "PUT"})
    other = await client.options("/a", headers={"access-control-request-method": "GET"})
    plain = await client.options("/a")

    assert (asked.status, other.status, plain.status) == (204, 200, 200)
    assert other.header("x-seen-by") == "own"


@pytest.mark.parametrize("target", ["items", "FETCH /items", "/a/{b}c", "/{a+}/b", "", "GET"])
def test_a_malformed_target_is_a_configuration_error(target: str) -> None:
    with pytest.raises(ConfigError):
        rule(target, refuse())


def test_a_policy_in_several_rules_that_fit_acts_once() -> None:
    limit = throttle(rate="1/minute", burst=2, key=by.everyone)
    middleware = PolicyMiddleware(
        hello, policies=[rule("/a", limit), rule("/{x}", limit), limit], clock=VirtualClock("2026-01-01T00:00Z")
    )

    verdicts = [middleware.decide("GET", path).allowed for path in ("/a", "/b", "/a")]

    assert verdicts == [True, True, False]


def test_a_rule_inside_a_rule_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="a rule stands inside a rule"):
        rule("/items", rule("/items/{id}", refuse()))  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("store", [None, 5, "memory", object()], ids=["None", "number", "text", "object"])
def test_what_is_no_store_is_a_configuration_error(store: object) -> None:
    with pytest.raises(ConfigError, match=r"is no (store|kind of store)|names no server"):
        PolicyMiddleware(hello, store=store)  # type: ignore[arg-type]  # the mistake under test


def test_all_problems_of_the_settings_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        PolicyMiddleware(hello, store="memcached://nowhere", profile="azure", max_body_bytes=-1)

    assert {problem.where for problem in caught.value.problems} == {"store", "profile", "max_body_bytes"}


class NeverReturns(Policy):
    def bind(self, runtime: Any) -> Policy:
        self.on_end = None
        return None  # type: ignore[return-value]  # the mistake under test


class Misspelt(Policy):
    def on_requests(self, request: Request) -> Request:
        return request


class HasItsOwn(Policy):
    def on_shop_closed(self, request: Request) -> Request:
        return request


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        pytest.param(Misspelt(), "Misspelt: 'on_requests' is no hook: .* .did you mean 'on_request'", id="misspelt"),
        pytest.param(Misspelt, "Misspelt is a class, not a policy", id="a class"),
        pytest.param(NeverReturns(), "NeverReturns: bind.. gave None", id="bind without a return"),
    ],
)
def test_a_policy_that_would_never_be_asked_is_a_configuration_error(policy: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        PolicyMiddleware(hello, policies=[policy])


def test_a_policy_may_have_methods_that_look_like_no_hook() -> None:
    assert PolicyMiddleware(hello, policies=[HasItsOwn()]).decide("GET", "/").allowed


def test_what_is_no_policy_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        PolicyMiddleware(hello, policies=[refuse(), lambda request: request, rule("/", "throttle")])  # type: ignore[list-item, arg-type]  # the mistake under test

    assert [problem.where for problem in caught.value.problems] == ["policies[1]", "policies[2]"]


# --------------------------------------------------------------------------------------------------- stacking


async def test_stacked_middlewares_merge_into_one_hop_with_the_outer_first() -> None:
    inner = PolicyMiddleware(hello, policies=[marking("inner"), rule("/a", marking("rule"))])
    outer = PolicyMiddleware(inner, policies=[marking("outer")])

    assert outer._app is hello
    assert await ran(Client(outer), "GET", "/a") == "rule, inner, outer"


@pytest.mark.parametrize("difference", [{"profile": "aws"}, {"max_body_bytes": 2}], ids=["profile", "limit"])
async def test_middlewares_of_different_manners_stay_apart(difference: Any) -> None:
    inner = PolicyMiddleware(hello, policies=[marking("inner"), ReadsBody()], **difference)
    outer = PolicyMiddleware(inner, policies=[marking("outer")])

    answer = await Client(outer).request("POST", "/", body=b"abc")

    assert answer.header("x-seen-by") == "inner, outer"
    assert answer.status == (413 if "max_body_bytes" in difference else 200)


async def test_one_setting_of_trusted_proxies_serves_the_whole_stack() -> None:
    seen: list[str] = []

    def note(request: Request) -> Request:
        seen.append(request.address)
        return request

    inner = PolicyMiddleware(hello, policies=[Deciding(note)], trusted_proxies=["10.0.0.0/8"])
    outer = PolicyMiddleware(inner, policies=[Deciding(note)])

    await Client(outer, client=("10.0.0.1", 1)).get("/", headers={"x-forwarded-for": "192.0.2.7"})

    assert seen == ["192.0.2.7", "192.0.2.7"]


def test_two_different_settings_of_trusted_proxies_are_refused() -> None:
    inner = PolicyMiddleware(hello, trusted_proxies=["10.0.0.0/8"])

    with pytest.raises(ConfigError, match="trust different proxies"):
        PolicyMiddleware(inner, trusted_proxies=["192.168.0.0/16"])


async def test_a_stack_with_another_middleware_between_shares_what_was_learned() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        view = scope["state"]["gatewaykit"]
        seen.append((view.identity, view.address, view.request_id, [limit.name for limit in view.limits]))
        await hello(scope, receive, send)

    def learn(request: Request) -> Request:
        request.identity = Identity(principal="alice")
        request.limits.append(limit("outer"))
        seen.append(request.id)
        return request

    def limited(request: Request) -> Request:
        request.limits.append(limit("inner"))
        return request

    inner = PolicyMiddleware(app, policies=[Deciding(limited)])

    async def between(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)
        seen.append(scope["state"]["gatewaykit"].identity)

    outer = PolicyMiddleware(between, policies=[Deciding(learn)], trusted_proxies=["127.0.0.1"])

    await Client(outer).get("/", headers={"x-forwarded-for": "192.0.2.7"})

    alice = Identity(principal="alice")
    assert seen[1:] == [(alice, "192.0.2.7", seen[0], ["outer", "inner"]), alice]


async def test_closing_a_stack_closes_every_policy_of_it() -> None:
    notes: list[str] = []

    class Closing(Policy):
        async def aclose(self) -> None:
            notes.append("closed")

    async with PolicyMiddleware(PolicyMiddleware(hello, policies=[Closing()]), policies=[rule("/", Closing())]):
        pass

    assert notes == ["closed", "closed"]


# --------------------------------------------------------------------------------------------------- the address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        pytest.param("192.0.2.1", [], "192.0.2.1", id="the peer"),
        pytest.param("192.0.2.1", ["198.51.100.9"], "192.0.2.1", id="a client that writes the field itself"),
        pytest.param("10.0.0.1", ["198.51.100.9"], "198.51.100.9", id="behind the proxy"),
        pytest.param("10.0.0.1", ["127.0.0.1, 198.51.100.9"], "198.51.100.9", id="spoofed before the proxy's entry"),
        pytest.param("10.0.0.1", ["127.0.0.1", "198.51.100.9"], "198.51.100.9", id="spoofed in a field of its own"),
        pytest.param("10.0.0.1", ["198.51.100.9, 10.0.0.2"], "198.51.100.9", id="two proxies"),
        pytest.param("10.0.0.1", ["198.51.100.9, nonsense"], "10.0.0.1", id="malformed"),
    ],
)
async def test_one_setting_decides_the_clients_address(peer: str, forwarded: list[str], address: str) -> None:
    seen: list[str] = []

    def note(request: Request) -> Request:
        seen.append(request.address)
        return request

    middleware = PolicyMiddleware(hello, policies=[Deciding(note)], trusted_proxies=["10.0.0.0/8"])
    await Client(middleware, client=(peer, 1)).get("/", headers=[("x-forwarded-for", each) for each in forwarded])

    assert seen == [address]


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", ["example.com"], ["10.0.0.0/99"]], ids=str)
def test_a_setting_that_names_no_network_is_a_configuration_error(trusted: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        PolicyMiddleware(hello, trusted_proxies=trusted)

    assert caught.value.problems[0].where == "trusted_proxies"


# --------------------------------------------------------------------------------------------------- decisions


def test_decide_needs_no_server_and_no_event_loop() -> None:
    middleware = PolicyMiddleware(hello, policies=[rule("POST /a", refuse(detail="because"))])

    refused = middleware.decide("POST", "/a")
    allowed = middleware.decide("GET", "/a")

    assert (refused.allowed, refused.reason, refused.detail, refused.status) == (
        False, Reason.FORBIDDEN, "because", 403,
    )  # fmt: skip
    assert (allowed.allowed, allowed.reason, allowed.status) == (True, None, None)


def limit(name: str) -> Any:
    from gatewaykit.core.http import LimitState

    return LimitState(name, 5, 4, 1.0)
