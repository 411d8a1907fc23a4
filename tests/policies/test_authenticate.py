"""Custom authorizers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit.core.http import Identity, Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.pipeline.decision import drive
from gatewaykit.policies.authenticate import authenticate
from gatewaykit.ports import Runtime

ALICE = Identity(principal="alice")


def answering(answer: object) -> Callable[[Request], object]:
    return lambda request: answer


def answering_later(answer: object) -> Callable[[Request], object]:
    async def authorizer(request: Request) -> object:
        return answer

    return authorizer


def ask(authorizer: Callable[[Request], Any], runtime: Runtime, **options: Any) -> tuple[Request, Request | Refusal]:
    hook = authenticate(authorizer, **options).bind(runtime).on_request
    assert hook is not None
    request = Request("GET", "/")
    answer = hook(request)
    answer = answer if isinstance(answer, (Request, Refusal)) else drive(answer)  # type: ignore[assignment, arg-type]  # by contract
    assert isinstance(answer, (Request, Refusal))
    return request, answer


SYNC_OR_ASYNC = pytest.mark.parametrize("make", [answering, answering_later], ids=["sync", "async"])


@SYNC_OR_ASYNC
def test_an_identity_comes_through(runtime: Runtime, make: Callable[[object], Any]) -> None:
    request, answer = ask(make(ALICE), runtime)

    assert answer is request
    assert request.identity is ALICE


@SYNC_OR_ASYNC
def test_a_refusal_is_handed_on_as_it_is(runtime: Runtime, make: Callable[[object], Any]) -> None:
    refusal = Refusal(Reason.FORBIDDEN, "not today")

    assert ask(make(refusal), runtime, challenge="Bearer")[1] is refusal


@SYNC_OR_ASYNC
@pytest.mark.parametrize(
    "answer", [None, True, "alice", {"principal": "alice"}], ids=["None", "True", "text", "mapping"]
)
def test_any_other_answer_lets_nobody_in(runtime: Runtime, make: Callable[[object], Any], answer: object) -> None:
    request, refusal = ask(make(answer), runtime)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.AUTHORIZER_MISCONFIGURED
    assert f"answered {type(answer).__name__}, not an Identity or a Refusal" in refusal.detail
    assert request.identity is None


def raising(request: Request) -> Identity:
    raise LookupError("the directory is down")


async def raising_later(request: Request) -> Identity:
    raise LookupError("the directory is down")


@pytest.mark.parametrize("authorizer", [raising, raising_later], ids=["sync", "async"])
def test_an_authorizer_that_raises_lets_nobody_in_and_keeps_the_traceback(runtime: Runtime, authorizer: Any) -> None:
    _, refusal = ask(authorizer, runtime)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.AUTHORIZER_FAILED
    assert refusal.detail.endswith("LookupError: the directory is down")
    assert isinstance(refusal.cause, LookupError)


@pytest.mark.parametrize(
    ("refusal", "headers"),
    [
        (Refusal(Reason.UNAUTHENTICATED), ((b"www-authenticate", b'Bearer realm="shop"'),)),
        (Refusal(Reason.FORBIDDEN, status=401), ((b"www-authenticate", b'Bearer realm="shop"'),)),
        (
            Refusal(Reason.UNAUTHENTICATED, headers=((b"WWW-Authenticate", b"Basic"),)),
            ((b"WWW-Authenticate", b"Basic"),),
        ),
        (Refusal(Reason.UNAUTHENTICATED, status=404), ()),
    ],
    ids=["401", "401 by status", "its own challenge", "no 401"],
)
def test_a_401_carries_the_challenge(
    runtime: Runtime, refusal: Refusal, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    _, answer = ask(answering(refusal), runtime, challenge='Bearer realm="shop"')

    assert isinstance(answer, Refusal)
    assert answer.headers == headers


async def hanging(request: Request) -> Identity:
    await asyncio.Event().wait()
    return ALICE


async def giving_up(request: Request) -> Identity:
    raise TimeoutError("of its own")


@pytest.mark.parametrize(
    ("authorizer", "detail"),
    [(hanging, "hanging: no answer in 0.001 s"), (giving_up, "giving_up: TimeoutError: of its own")],
)
async def test_an_authorizer_that_takes_too_long_lets_nobody_in(runtime: Runtime, authorizer: Any, detail: str) -> None:
    hook = authenticate(authorizer, timeout_s="1ms").bind(runtime).on_request
    assert hook is not None
    refusal = await hook(Request("GET", "/"))  # type: ignore[misc]  # awaitable here

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.detail) == (Reason.AUTHORIZER_FAILED, detail)


async def test_an_authorizer_in_time_comes_through(runtime: Runtime) -> None:
    hook = authenticate(answering_later(ALICE), timeout_s=30).bind(runtime).on_request
    assert hook is not None
    request = Request("GET", "/")

    assert await hook(request) is request  # type: ignore[misc]  # awaitable here


def test_a_timeout_needs_no_event_loop_where_nothing_waits(runtime: Runtime) -> None:
    request, answer = ask(answering_later(ALICE), runtime, timeout_s=1)

    assert answer is request


def test_an_object_with_a_call_is_an_authorizer(runtime: Runtime) -> None:
    class Directory:
        def __call__(self, request: Request) -> None:
            return None

    _, refusal = ask(Directory(), runtime)

    assert isinstance(refusal, Refusal)
    assert refusal.detail.startswith("test_an_object_with_a_call_is_an_authorizer.<locals>.Directory answered NoneType")


def test_the_body_is_read_when_asked_for(runtime: Runtime) -> None:
    assert authenticate(answering(ALICE)).bind(runtime).reads_body is False
    assert authenticate(answering(ALICE), reads_body=1000).bind(runtime).reads_body == 1000


@pytest.mark.parametrize(
    ("options", "where"),
    [
        pytest.param({"timeout_s": 0}, "authenticate.timeout_s", id="no time"),
        pytest.param({"reads_body": -1}, "authenticate.reads_body", id="less than nothing"),
        pytest.param({"reads_body": "yes"}, "authenticate.reads_body", id="a text"),
        pytest.param({"reads_body": float("nan")}, "authenticate.reads_body", id="NaN"),
        pytest.param({"challenge": None}, "authenticate.challenge", id="no challenge"),
    ],
)
def test_what_could_only_refuse_everybody_is_a_mistake(options: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        authenticate(answering(ALICE), **options)  # type: ignore[arg-type]  # users' mistakes

    assert [problem.where for problem in caught.value.problems] == [where]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        authenticate("alice", timeout_s="soon", challenge="Bearer\r\nx: y")  # type: ignore[arg-type]  # users' mistakes

    assert [problem.where for problem in caught.value.problems] == [
        "authenticate", "authenticate.timeout_s", "authenticate.challenge",
    ]  # fmt: skip
