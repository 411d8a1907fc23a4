"""The validation policy."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.policies.validate import validate
from gatewaykit.ports import Policy, Runtime

ORDER = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}


def ask(bound: Policy, request: Request) -> object:
    assert bound.on_request is not None
    answer = bound.on_request(request)
    return answer.reason if isinstance(answer, Refusal) else answer


@pytest.mark.parametrize("name", ["query.page", "querystring.page", "method.request.querystring.page"])
def test_a_parameter_may_be_named_in_three_ways(runtime: Runtime, name: str) -> None:
    bound = validate(parameters=[name]).bind(runtime)
    request = Request("GET", "/", query_string=b"page=1")

    assert ask(bound, request) is request
    assert ask(bound, Request("GET", "/")) is Reason.PARAMETERS_MISSING
    assert bound.reads_body is False


def test_a_schema_is_for_bodies_of_every_type(runtime: Runtime) -> None:
    bound = validate(body=ORDER).bind(runtime)

    assert (
        ask(bound, Request("POST", "/", headers=[(b"content-type", b"text/plain")], body=b"{}")) is Reason.BODY_INVALID
    )
    assert bound.reads_body is True


def test_schemas_may_be_given_by_content_type(runtime: Runtime) -> None:
    bound = validate(body={"application/json": ORDER, "$default": False}, max_body_bytes=1000).bind(runtime)

    assert (
        ask(bound, Request("POST", "/", headers=[(b"content-type", b"text/plain")], body=b"{}")) is Reason.BODY_INVALID
    )
    assert isinstance(ask(bound, Request("POST", "/", body=b'{"sku":"a"}')), Request)
    assert bound.reads_body == 1000


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(
            parameters=["headers.x", "page"],
            body={"type": "text", "properties": {"a": {"nullable": True}}},
            max_body_bytes=0,
        )

    assert [problem.where for problem in caught.value.problems] == [
        "validate.parameters", "validate.parameters", "validate.max_body_bytes", "validate.body[$default]#/type",
    ]  # fmt: skip
    assert caught.value.problems[0].near == "header"


def test_a_keyword_that_would_not_be_enforced_is_a_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(body={"properties": {"a": {"nullable": True, "format": "int32"}}})

    assert [problem.where for problem in caught.value.problems] == [
        "validate.body[$default]#/properties/a/nullable", "validate.body[$default]#/properties/a/format",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({}, "validate: nothing to check", id="nothing"),
        pytest.param({"parameters": "query.page"}, "validate.parameters: one text, not a list", id="one text"),
        pytest.param({"body": True, "draft": 3}, "validate.draft: 3 is no draft. Write 4, 6 or 7", id="draft"),
        pytest.param({"body": True, "draft": "7"}, "validate.draft: '7' is no draft", id="draft as text"),
        pytest.param({"body": True, "max_body_bytes": "1"}, "validate.max_body_bytes: '1' is not", id="size as text"),
        pytest.param({"body": True, "max_body_bytes": float("nan")}, "validate.max_body_bytes: nan is", id="size NaN"),
    ],
)
def test_what_is_wrong_with_options(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(**options)  # type: ignore[arg-type]  # users' mistakes

    assert str(caught.value).startswith(problem)
