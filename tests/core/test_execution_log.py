"""The lines of test-invoke: one idea a line, secrets masked, nothing that breaks a line."""

from __future__ import annotations

import pytest

from gatewaykit.core.execution_log import execution_log, java_map, masked
from gatewaykit.core.http import Request, Response
from gatewaykit.core.reasons import Reason, Refusal


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ((b"X-Api-Key", b"0123456789abcdef"), "************cdef"),
        ((b"authorization", b"short"), "********"),
        ((b"Cookie", b""), ""),
        ((b"Accept", b"*/*"), "*/*"),
    ],
    ids=["the last four stay", "a short one not even", "empty", "no secret"],
)
def test_secrets_are_masked(field: tuple[bytes, bytes], shown: str) -> None:
    assert list(masked([field]).values()) == [shown]


def test_a_map_is_printed_as_java_does() -> None:
    assert java_map({"a": "1", "b": "2"}) == "{a=1, b=2}"


def log(request: Request, response: Response, *, api_key_required: bool = False) -> list[str]:
    lines = execution_log(request, response, api_key_required=api_key_required, wall_s=0)
    assert all(line.startswith("Thu Jan 01 00:00:00 UTC 1970 : ") for line in lines[1:])
    return [line.partition(" : ")[2] for line in lines[1:]]


def test_a_request_without_a_route_has_neither_plan_nor_method() -> None:
    request = Request("GET", "/nowhere")
    request.refusal = Refusal(Reason.ROUTE_NOT_FOUND, "no resource fits /nowhere")

    lines = log(request, Response(403, [], b"{}"))

    assert not any(line.startswith(("Verifying", "HTTP Method")) for line in lines)
    assert "Execution failed due to no resource fits /nowhere" in lines
    assert lines[-1] == "Method completed with status: 403"


def test_a_failure_is_a_configuration_error_and_a_client_error_is_none() -> None:
    request = Request("GET", "/a")
    request.resource, request.refusal = "/a", Refusal(Reason.ENDPOINT_INVALID)

    lines = log(request, Response(500, [], b""))

    assert "Execution failed due to configuration error: invalid endpoint address" in lines


def test_without_a_key_needed_the_plan_lets_everybody_pass() -> None:
    request = Request("GET", "/a")
    request.resource = "/a"

    assert any("does not require API Key" in line for line in log(request, Response(200, [], b"ok")))
    assert not any("does not require" in line for line in log(request, Response(), api_key_required=True))


def test_what_a_client_sent_stays_one_line_and_is_cut() -> None:
    request = Request("POST", "/a", body=b"x\r\ny" + b"z" * 2000)
    request.resource = "/a"

    body = next(line for line in log(request, Response()) if line.startswith("Method request body"))

    assert "\n" not in body
    assert "x\\r\\ny" in body
    assert body.endswith(" [TRUNCATED]")


async def test_a_streamed_body_is_not_shown() -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        yield b"secret"

    request = Request("GET", "/a")

    assert "secret" not in "".join(log(request, Response(200, [], chunks())))
