"""An app behind the two ids alone takes a short cut; both ways say the same."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from gatewaykit import Policy
from gatewaykit.testing import Client
from tests.asgi.apps import breaks_after, breaks_before, echo, hello
from tests.conformance.documents import gateway

ROUTES = {"/a": {"any": {"x-gatewaykit": {"app": "it"}}}}
REQUESTS: dict[str, tuple[str, dict[str, str], bytes]] = {
    "plain": ("GET", {}, b""),
    "a body": ("POST", {}, b"hello"),
    "its own id": ("GET", {"x-amzn-requestid": "11111111-2222-4333-8444-555555555555"}, b""),
    "another verb": ("POST", {"x-http-method-override": "PUT"}, b""),
}


def without_ids(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, b"" if name in (b"x-amzn-requestid", b"x-amz-apigw-id") else value) for name, value in headers]


@pytest.mark.parametrize("app", [hello, echo, breaks_before, breaks_after], ids=lambda app: app.__name__)
async def test_both_ways_say_the_same(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    short = Client(gateway(ROUTES, apps={"it": app}, stage_prefix=False))
    long = Client(gateway(ROUTES, apps={"it": app}, stage_prefix=False, policies=[Policy()]))

    for method, headers, body in REQUESTS.values():
        one = await short.request(method, "/a", headers=headers, body=body)
        other = await long.request(method, "/a", headers=headers, body=body)

        assert (one.started, one.complete) == (other.started, other.complete)
        assert type(one.raised) is type(other.raised)
        assert (one.status, one.body) == (other.status, other.body)
        assert without_ids(one.headers) == without_ids(other.headers)
        assert re.fullmatch(r"[0-9a-f-]{36}", one.header("x-amzn-requestid") or "")


async def test_the_client_may_choose_its_id() -> None:
    chosen = REQUESTS["its own id"][1]

    answer = await Client(gateway(ROUTES, apps={"it": hello}, stage_prefix=False)).get("/a", headers=chosen)

    assert answer.header("x-amzn-requestid") == chosen["x-amzn-requestid"]


@pytest.mark.parametrize("policies", [[], [Policy()]], ids=["short", "long"])
async def test_the_app_finds_the_view_and_it_is_gone_afterwards(policies: list[Policy]) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        view = scope["state"]["gatewaykit"]
        seen.update(id=view.request_id, address=view.address, identity=view.identity, limits=view.limits, scope=scope)
        await hello(scope, receive, send)

    client = Client(gateway(ROUTES, apps={"it": app}, stage_prefix=False, policies=policies))
    answer = await client.get("/a", client=("192.0.2.7", 1))

    assert answer.header("x-amzn-requestid") == seen["id"]
    assert (seen["address"], seen["identity"], seen["limits"]) == ("192.0.2.7", None, [])
    assert "gatewaykit" not in seen["scope"]["state"]


async def test_one_record_for_an_app_that_raises_names_the_id_of_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    answer = await Client(gateway(ROUTES, apps={"it": breaks_before}, stage_prefix=False)).get("/a")

    (record,) = caplog.records
    assert answer.status == 500
    assert record.request_id == answer.header("x-amzn-requestid")  # type: ignore[attr-defined]
