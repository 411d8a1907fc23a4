"""Functions where no event loop runs: here and now, with the same results and failures. (Loops: test_lambda.)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from gatewaykit.core.context import ApiFacts
from gatewaykit.pipeline.decision import drive
from gatewaykit.upstream.functions import Failure, FunctionRunner
from gatewaykit.upstream.lambda_context import lambda_context

CONTEXT = lambda_context("f", "", "r-1", ApiFacts(), lambda: 0.0, 10)


def sync(answer: Callable[[], Any]) -> Callable[..., Any]:
    return lambda event, context: answer()


def later(answer: Callable[[], Any]) -> Callable[..., Any]:
    async def handler(event: Any, context: Any) -> Any:
        return answer()

    return handler


def raising(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


KINDS = pytest.mark.parametrize("kind", [sync, later], ids=["sync", "async"])


def call(handler: Callable[..., Any]) -> object:
    return drive(FunctionRunner("f", handler, 1).call({}, CONTEXT, 10))


@KINDS
def test_a_result_is_the_json_value_it_stands_for(kind: Callable[..., Any]) -> None:
    assert call(kind(lambda: {"a": (1, Decimal("1.5"))})) == {"a": [1, 1.5]}


@KINDS
@pytest.mark.parametrize(
    "error",
    [ValueError("no"), SystemExit(1), asyncio.CancelledError("no"), BaseExceptionGroup("no", [SystemExit()])],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_handler_raises_is_a_failure(kind: Callable[..., Any], error: BaseException) -> None:
    failure = call(kind(raising(error)))

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.error_type, failure.cause) == ("raised", type(error).__name__, error)


@KINDS
def test_what_cannot_be_json_is_a_failure(kind: Callable[..., Any]) -> None:
    failure = call(kind(lambda: {1, 2}))

    assert isinstance(failure, Failure)
    assert failure.kind == "result"


@KINDS
def test_whoever_sits_at_the_keyboard_may_interrupt(kind: Callable[..., Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        call(kind(raising(KeyboardInterrupt())))
