"""The keys of an issuer: one fetch for everybody, ahead of time, stale for a while, and never at an attacker's pace."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.errors import UpstreamError
from gatewaykit.ports import UpstreamRequest
from gatewaykit.upstream.jwks import KeyAddress, RemoteKeys, remote_keys
from gatewaykit.upstream.scripted import Reply, ScriptedTransport
from tests.tokens import ISSUER, jwk

METADATA = f"{ISSUER}/.well-known/openid-configuration"
KEYS = f"{ISSUER}/jwks"


def metadata(jwks_uri: str, issuer: str = ISSUER) -> Reply:
    return Reply(body=json.dumps({"issuer": issuer, "jwks_uri": jwks_uri}).encode())


def url(request: UpstreamRequest) -> str:
    return f"{request.scheme}://{request.host}{request.target.decode()}"


class Issuer:
    """What an issuer answers, address by address; an exception breaks the connection."""

    def __init__(self, **keys: str) -> None:
        self.answers: dict[str, Reply | UpstreamError] = {METADATA: metadata(KEYS)}
        self.publish("a")
        self.transport = ScriptedTransport(self._answer)
        self.clock = VirtualClock()

    def publish(self, *kids: str, cache_control: str = "max-age=600") -> None:
        body = json.dumps({"keys": [jwk(f"RSA/{kid}", kid) for kid in kids]}).encode()
        self.answers[KEYS] = Reply(body=body, headers=[(b"Cache-Control", cache_control.encode())])

    def break_down(self) -> None:
        self.answers[KEYS] = UpstreamError("refused", "nobody listens")

    @property
    def asked(self) -> list[str]:
        return [url(request).removeprefix(ISSUER) for request in self.transport.requests]

    def keys(self, **address: Any) -> RemoteKeys:
        return remote_keys(KeyAddress(**{"issuer": ISSUER, "url": KEYS, **address}), self.transport, self.clock)

    def _answer(self, request: UpstreamRequest) -> Reply | UpstreamError:
        return self.answers.get(url(request), Reply(status=404))


async def prepared(keys: RemoteKeys) -> str | None:
    """What there was to wait for: None for nothing, else the problem."""
    waiting = keys.prepare()
    return None if waiting is None else await waiting


def kids(keys: RemoteKeys) -> list[str | None]:
    return [] if keys.keys is None else [key.kid for key in keys.keys.keys]


async def settle() -> None:
    """Let what was started come to its end: nothing here waits for anything."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_first_request_waits_and_the_next_do_not() -> None:
    issuer = Issuer()
    keys = issuer.keys()

    assert issuer.clock.monotonic() >= keys.settled_s
    assert await prepared(keys) == ""
    assert kids(keys) == ["a"]
    assert issuer.clock.monotonic() < keys.settled_s
    assert await prepared(keys) is None
    assert issuer.asked == ["/jwks"]


async def test_many_at_once_make_one_fetch() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    hold = issuer.transport.hold()
    waiting = [asyncio.create_task(prepared(keys)) for _ in range(50)]
    await hold.reached()
    hold.release()

    assert await asyncio.gather(*waiting) == [""] * 50
    assert issuer.asked == ["/jwks"]


async def test_a_client_that_leaves_takes_the_fetch_from_nobody() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    hold = issuer.transport.hold()
    leaver, stayer = (asyncio.create_task(prepared(keys)) for _ in range(2))
    await hold.reached()
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    hold.release()

    assert await stayer == ""
    assert kids(keys) == ["a"]


async def test_keys_are_fetched_again_before_they_are_old_and_nobody_waits() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.publish("b")
    issuer.clock.advance(450)

    assert issuer.clock.monotonic() >= keys.settled_s
    assert [await prepared(keys) for _ in range(3)] == [None] * 3
    assert kids(keys) == ["a"]
    await settle()
    assert kids(keys) == ["b"]
    assert issuer.asked == ["/jwks"] * 2


async def test_keys_that_are_old_are_waited_for() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.publish("b")
    issuer.clock.advance(600)

    assert await prepared(keys) == ""
    assert kids(keys) == ["b"]


async def test_unchanged_keys_stay_the_same_object() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    before = keys.keys
    issuer.clock.advance(600)
    await prepared(keys)

    assert keys.keys is before


async def test_when_the_issuer_is_down_old_keys_serve_for_two_hours_and_then_none() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.break_down()
    issuer.clock.advance(600)

    assert "nobody listens" in str(await prepared(keys))
    assert kids(keys) == ["a"]
    issuer.clock.advance(6599)
    await prepared(keys)
    assert kids(keys) == ["a"]
    issuer.clock.advance(1)
    assert "nobody listens" in str(await prepared(keys))
    assert kids(keys) == []
    issuer.publish("b")
    issuer.clock.advance(30)
    assert await prepared(keys) == ""
    assert kids(keys) == ["b"]


async def test_a_failure_is_not_repeated_at_once_and_ever_later() -> None:
    issuer = Issuer()
    issuer.break_down()
    keys = issuer.keys()
    asked = []
    for _ in range(80):
        assert "nobody listens" in str(await prepared(keys))
        asked.append(len(issuer.asked))
        issuer.clock.advance(1)

    fetched_at = [second for second, count in enumerate(asked) if count > (asked[second - 1] if second else 0)]
    assert fetched_at == [0, 1, 3, 7, 15, 31, 61]


async def test_stale_keys_are_used_without_waiting_while_the_issuer_is_not_asked() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.break_down()
    issuer.clock.advance(700)
    await prepared(keys)

    assert await prepared(keys) is None
    assert kids(keys) == ["a"]


# ---------------------------------------------------------------------------------------------------- unknown keys


async def unknown(keys: RemoteKeys) -> str | None:
    waiting = keys.prepare_unknown()
    return None if waiting is None else await waiting


async def test_unknown_keys_are_asked_for_once_in_an_interval() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.publish("a", "b")

    assert [await unknown(keys) for _ in range(3)] == ["", None, None]
    assert kids(keys) == ["a", "b"]
    issuer.clock.advance(10)
    assert [await unknown(keys) for _ in range(3)] == ["", None, None]
    assert len(issuer.asked) == 3


async def test_many_unknown_keys_at_once_make_one_fetch() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    hold = issuer.transport.hold()
    first = asyncio.create_task(unknown(keys))
    await hold.reached()
    others = [asyncio.create_task(unknown(keys)) for _ in range(50)]
    await settle()
    hold.release()

    assert await asyncio.gather(first, *others) == [""] * 51
    assert len(issuer.asked) == 2


async def test_an_unknown_key_that_joined_a_fetch_may_ask_once_more() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.clock.advance(450)
    hold = issuer.transport.hold()
    await prepared(keys)
    await hold.reached()
    joined = asyncio.create_task(unknown(keys))
    await settle()
    hold.release()

    assert await joined == ""
    assert await unknown(keys) == ""
    assert await unknown(keys) is None


async def test_an_unknown_key_while_the_issuer_is_down_is_the_issuers_failure() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await prepared(keys)
    issuer.break_down()

    assert "nobody listens" in str(await unknown(keys))
    assert "nobody listens" in str(await unknown(keys))
    assert len(issuer.asked) == 2
    assert await prepared(keys) is None
    assert issuer.clock.monotonic() < keys.settled_s


# ---------------------------------------------------------------------------------------------------- discovery


async def test_the_metadata_of_the_issuer_says_where_the_keys_are() -> None:
    issuer = Issuer()
    keys = issuer.keys(url="")

    assert await prepared(keys) == ""
    assert issuer.asked == ["/.well-known/openid-configuration", "/jwks"]
    assert (b"accept", b"application/json") in issuer.transport.requests[0].headers


async def test_oauth_metadata_does_where_openid_has_none() -> None:
    issuer = Issuer()
    issuer.answers[f"{ISSUER}/.well-known/oauth-authorization-server"] = issuer.answers.pop(METADATA)
    keys = issuer.keys(url="")

    assert await prepared(keys) == ""
    assert issuer.asked[1] == "/.well-known/oauth-authorization-server"


@pytest.mark.parametrize(
    ("address", "answer", "told"),
    [
        (METADATA, Reply(status=302, headers=[(b"location", KEYS.encode())]), "status 302"),
        (METADATA, metadata("https://evil.example/", "https://evil.example"), "of the issuer"),
        (METADATA, metadata("http://issuer.example/jwks"), "https"),
        (METADATA, metadata("file:///etc/passwd"), "no https"),
        (METADATA, metadata("https://a b/"), "cannot be called"),
        (METADATA, Reply(body=b"[" * 100000), "deep"),
        (KEYS, Reply(status=500), "status 500"),
        (KEYS, Reply(status=204), "status 204"),
        (KEYS, Reply(body=b"<html>"), "no JSON"),
        (KEYS, Reply(body=b'{"keys":[]}'), "no usable key"),
        (KEYS, Reply(body=json.dumps({"keys": [jwk("RSA-1024")]}).encode()), "1024 bits"),
        (KEYS, Reply(body=b" " * 150_001), "over 150000 bytes"),
        (KEYS, UpstreamError("tls", "certificate has expired"), "certificate has expired"),
    ],
    ids=[
        "a redirect", "another issuer", "keys without TLS", "keys in a file", "no address", "deep JSON", "a failure",
        "no content", "HTML", "no keys", "weak keys", "a huge set", "no TLS",
    ],
)  # fmt: skip
async def test_what_an_issuer_answers_wrongly_gives_no_keys(address: str, answer: Reply, told: str) -> None:
    issuer = Issuer()
    issuer.answers[address] = answer
    keys = issuer.keys(url="")

    assert told in str(await prepared(keys))
    assert kids(keys) == []


async def test_one_bad_key_does_not_take_the_others_along() -> None:
    issuer = Issuer()
    issuer.answers[KEYS] = Reply(body=json.dumps({"keys": [{"kty": "RSA", "kid": "bad"}, jwk("RSA/a", "a")]}).encode())
    keys = issuer.keys()
    await prepared(keys)

    assert kids(keys) == ["a"]


async def test_an_issuer_that_does_not_answer_is_given_up_after_a_second_and_a_half() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    limits: list[float] = []

    async def send(request: UpstreamRequest, *, timeout_s: float) -> Any:
        limits.append(timeout_s)
        raise UpstreamError("timeout", "no answer")

    issuer.transport.send = send  # type: ignore[method-assign]  # what the transport is asked for
    await prepared(keys)

    assert limits == [1.5]


def test_without_an_event_loop_keys_are_fetched_but_not_ahead() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    run: Callable[[Any], Any] = _without_a_loop

    assert run(keys.prepare()) == ""
    issuer.clock.advance(450)
    assert keys.prepare() is None
    issuer.clock.advance(150)
    assert run(keys.prepare()) == ""
    assert issuer.asked == ["/jwks"] * 2


def _without_a_loop(waiting: Any) -> Any:
    steps = waiting.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


# ---------------------------------------------------------------------------------------------------- sharing


def test_the_same_address_is_shared_over_one_transport_and_let_go_with_its_last_user() -> None:
    issuer, other = Issuer(), Issuer()
    keys = issuer.keys()
    gone = weakref.ref(keys)

    assert issuer.keys() is keys
    assert issuer.keys(allow_http=True) is not keys
    assert other.keys() is not keys
    del keys
    gc.collect()
    assert gone() is None


def test_an_address_is_named_by_what_was_given() -> None:
    assert [str(KeyAddress(issuer="i")), str(KeyAddress(issuer="i", url="u"))] == ["i", "u"]
