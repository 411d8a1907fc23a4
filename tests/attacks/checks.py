"""What every attack and every fault has in common: a whole answer, nothing leaked, one record for a failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gatewaykit import Gateway
from gatewaykit.testing.client import Result
from tests.conformance.documents import document

__all__ = ["ISE", "SECRET", "a_gateway", "failures", "http", "leaks_nothing", "message"]

SECRET = "hunter2"
"""What every exception in these tests carries; it must never reach a client."""

ISE = b'{"message":"Internal server error"}'

_LEAKS = (SECRET, "Traceback", 'File "', ".py", "Error:", "gatewaykit", "/src/", "127.0.0.1")


def a_gateway(
    paths: Mapping[str, Mapping[str, Any]], *, root: Mapping[str, Any] | None = None, **options: Any
) -> Gateway:
    """A gateway at the root, with the system's clock and transport unless told otherwise."""
    return Gateway.from_openapi(document(paths, **(root or {})), **options)


def http(uri: str, kind: str = "http", **more: Any) -> dict[str, Any]:
    """An HTTP integration; `http` has one default response."""
    responses = {"responses": {"default": {"statusCode": "200"}}} if kind == "http" else {}
    return {"type": kind, "httpMethod": "ANY", "uri": uri, **responses, **more}


def leaks_nothing(answer: Result) -> None:
    """No exception, traceback, path or address of ours is in the answer."""
    shown = answer.body.decode("utf-8", "replace") + repr(answer.headers)
    assert [leak for leak in _LEAKS if leak in shown] == [], shown
    assert answer.raised is None


def failures(caplog: pytest.LogCaptureFixture, answer: Result | None = None) -> list[str]:
    """The reasons in the log, one per record, each with the id of the request that got `answer`."""
    records: list[Any] = [record for record in caplog.records if record.name == "gatewaykit"]
    if answer is not None:
        assert {record.request_id for record in records} <= {answer.header("x-amzn-requestid")}
        assert all(record.request_id in record.getMessage() for record in records)
    return [record.reason for record in records]


def message(text: str) -> bytes:
    """The body of a gateway response with this message."""
    return b'{"message":"%b"}' % text.encode()
