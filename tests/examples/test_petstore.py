"""The petstore in process: its definition alone, its configuration, and what it answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, Reason, VirtualClock
from gatewaykit.testing import Client, Reply, Result, ScriptedTransport

PETSTORE = Path(__file__).parent.parent.parent / "examples" / "petstore"
KEY = {"x-api-key": "demo-key-for-local-use-only"}


def adopt(event: Any, context: Any) -> Any:
    return {"statusCode": 201, "body": event["pathParameters"]["id"]}


def make_gateway(**options: Any) -> Gateway:
    return Gateway.from_openapi(PETSTORE / "api.yaml", functions={"adopt": adopt}, **options)


async def ask(gateway: Gateway, method: str, path: str, **options: Any) -> Result:
    return await Client(gateway).request(method, path, **options)


async def test_what_needs_nobody_else_is_answered() -> None:
    gateway = make_gateway()

    status = await ask(gateway, "GET", "/status")
    adoption = await ask(gateway, "POST", "/pets/7/adoption", headers=KEY)

    assert (status.status, status.json()) == (200, {"status": "up", "stage": "prod", "caller": "127.0.0.1"})
    assert (adoption.status, adoption.text) == (201, "7")


async def test_a_page_may_ask_before_it_sends_a_key() -> None:
    for path in ("/pets", "/pets/1/adoption"):
        answer = await ask(make_gateway(), "OPTIONS", path)

        assert (answer.status, answer.header("access-control-allow-origin")) == (204, "*")
        assert answer.header("access-control-allow-headers") == "content-type,x-api-key,x-request-source"


def test_refusals_have_their_reasons() -> None:
    gateway = make_gateway(clock=VirtualClock())
    source = {**KEY, "x-request-source": "test", "content-type": "application/json"}

    assert gateway.decide("POST", "/pets").reason is Reason.API_KEY_MISSING
    assert gateway.decide("POST", "/pets", headers=KEY).reason is Reason.PARAMETERS_MISSING
    assert gateway.decide("POST", "/pets", headers=source, body='{"name": "x"}').reason is Reason.BODY_INVALID
    assert gateway.decide("POST", "/pets", headers=source, body='{"name": "x", "kind": "cat"}').allowed
    assert gateway.decide("PATCH", "/pets").reason is Reason.METHOD_NOT_FOUND
    assert gateway.decide("GET", "/dragons").reason is Reason.ROUTE_NOT_FOUND


def test_a_key_may_call_five_times_at_once_and_then_once_a_second() -> None:
    clock = VirtualClock()
    gateway = make_gateway(clock=clock)

    allowed = [gateway.decide("POST", "/pets/1/adoption", headers=KEY).allowed for _ in range(6)]
    clock.advance("1s")

    assert allowed == [True] * 5 + [False]
    assert gateway.decide("POST", "/pets/1/adoption", headers=KEY).allowed


@pytest.mark.parametrize(
    ("variables", "called"),
    [({}, "127.0.0.1:9000"), ({"backend": "pets.example:8081"}, "pets.example:8081")],
    ids=["the document's default", "another"],
)
async def test_the_back_end_is_a_stage_variable(variables: dict[str, str], called: str) -> None:
    transport = ScriptedTransport([Reply(body=b"[]")])

    answer = await ask(make_gateway(stage_variables=variables, transport=transport), "GET", "/pets")

    assert (answer.status, answer.json()) == (200, [])
    assert [f"{request.host}:{request.port}" for request in transport.requests] == [called]


@pytest.mark.parametrize("variables", ["[]", "text", "{backend: 9000}"])
def test_defaults_of_stage_variables_are_texts(variables: str) -> None:
    document = (PETSTORE / "api.yaml").read_text("utf-8")
    wrong = re.sub(r"stage_variables:\n.*\n", f"stage_variables: {variables}\n", document)

    with pytest.raises(ConfigError, match="stage_variables is no mapping"):
        Gateway.from_openapi(wrong)


def test_every_security_key_of_the_definition_is_enforced() -> None:
    report = make_gateway().report

    assert report is not None
    assert [entry for entry in report if entry.security and entry.status != "enforced"] == []


def test_the_demo_tries_everything_with_success() -> None:
    command = [sys.executable, str(PETSTORE / "demo.py"), "--check"]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (result.returncode, result.stderr) == (0, "")
    assert "FAIL" not in result.stdout
    assert result.stdout.count("ok ") == 12
