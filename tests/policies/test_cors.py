"""The CORS policy: its options and its hooks."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import Head, Request, Response
from gatewaykit.errors import ConfigError
from gatewaykit.policies.cors import cors
from gatewaykit.ports import Runtime


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        cors(origins=["*", "https://shop.example/"], credentials=True, max_age_s=-1)

    assert [problem.where for problem in caught.value.problems] == [
        "cors.origins", "cors.origins", "cors.origins", "cors.max_age_s",
    ]  # fmt: skip


def test_one_text_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(ConfigError, match=r"Write \['https://shop.example'\]"):
        cors(origins="https://shop.example")


def test_a_response_made_by_anyone_is_amended(runtime: Runtime) -> None:
    policy = cors(["https://shop.example"]).bind(runtime)
    request = Request("GET", "/", headers=[(b"origin", b"https://shop.example")])
    head = Head(500, [])
    assert policy.on_request is not None
    assert policy.on_head is not None

    assert policy.on_request(request) is request
    policy.on_head(request, head)
    assert (b"access-control-allow-origin", b"https://shop.example") in head.headers


def test_a_preflight_is_answered(runtime: Runtime) -> None:
    policy = cors(["https://shop.example"]).bind(runtime)
    headers = [(b"origin", b"https://shop.example"), (b"access-control-request-method", b"PUT")]
    assert policy.on_request is not None

    assert isinstance(policy.on_request(Request("OPTIONS", "/", headers=headers)), Response)
