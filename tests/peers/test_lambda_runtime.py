"""A handler behaves the same in process and in AWS's own runtime, behind the Invoke API."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import Policy, PolicyMiddleware, lambda_authorizer
from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Reason
from gatewaykit.policies.lambda_authorizer import LambdaAuthorizer
from gatewaykit.testing import Client
from tests.peers.lambda_runtime import running

HANDLER = """
import decimal

def authorize(event, context):
    token = event["authorizationToken"]
    if token == "nobody":
        raise Exception("Unauthorized")
    if token == "broken":
        raise ValueError("the directory is down")
    if token == "nothing":
        return None
    if token == "no json":
        return {"principalId": {1, 2}}
    effect = "Deny" if token == "denied" else "Allow"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    return {
        "principalId": token,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"number": decimal.Decimal("1.5"), "function": context.function_name},
    }
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("function") / "who.py"
    path.write_text(HANDLER, "utf-8")
    return path


@pytest.fixture(scope="module")
def endpoint(module: Path) -> Iterator[str]:
    with running(module, "authorize") as endpoint:
        yield endpoint


def in_process(module: Path) -> Callable[[Any, Any], Any]:
    spec = importlib.util.spec_from_file_location("who", module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded.authorize  # type: ignore[no-any-return]  # written above


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("ann", None), ("denied", Reason.DENIED_EXPLICITLY), ("nobody", Reason.UNAUTHENTICATED),
        ("broken", Reason.AUTHORIZER_FAILED), ("nothing", Reason.AUTHORIZER_MISCONFIGURED),
        ("no json", Reason.AUTHORIZER_FAILED),
    ],
)  # fmt: skip
async def test_both_say_the_same(module: Path, endpoint: str, token: str, reason: Reason | None) -> None:
    authorizers = [
        lambda_authorizer(in_process(module), type="TOKEN", name="who"),
        lambda_authorizer("who", endpoint=endpoint, type="TOKEN", name="who", timeout_s=30),
    ]

    here, there = [await ending(authorizer, token) for authorizer in authorizers]

    assert here == there
    assert here[1] is reason
    assert here[2] == ({"number": 1.5, "function": "who"} if reason is None else None)


class Watching(Policy):
    """Keeps the request, which knows how it ended."""

    def on_end(self, request: Request) -> None:
        self.request = request


async def ending(authorizer: LambdaAuthorizer, token: str) -> tuple[int, Reason | None, Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    watching = Watching()
    async with PolicyMiddleware(app, policies=[watching, authorizer]) as middleware:
        answer = await Client(middleware).get("/", headers={"authorization": token})
    request, claims = watching.request, None
    if request.identity is not None:
        claims = {name: value for name, value in request.identity.claims.items() if name != "integrationLatency"}
    return answer.status, None if request.refusal is None else request.refusal.reason, claims
