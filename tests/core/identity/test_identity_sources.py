"""What names a caller: the sources of the three kinds of API, what is missing, and what cannot be confused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.identity.identity_sources import (
    IdentitySources,
    Values,
    cache_key,
    compile_identity_sources,
    compile_token_check,
    joined,
)
from gatewaykit.core.reasons import Reason, Refusal

CONTEXT = {"stage": "prod", "requestTimeEpoch": 7, "identity": {"sourceIp": "192.0.2.1", "user": None}}


def context(request: Request) -> Mapping[str, Any]:
    return CONTEXT


def a_request(headers: HeaderList | None = None, query: bytes = b"") -> Request:
    request = Request("GET", "/", headers=headers or [], query_string=query)
    request.stage_variables = {"tenant": "blue", "nothing": ""}
    return request


def read(sources: str, request: Request, api: str = "REST") -> Values | Refusal:
    compiled = compile_identity_sources(sources, api)
    assert isinstance(compiled, IdentitySources), compiled
    return compiled.read(request, context)


@pytest.mark.parametrize(
    ("api", "sources", "values"),
    [
        ("REST", "method.request.header.Auth", (("t",),)),
        ("REST", "method.request.header.AUTH, method.request.querystring.q", (("t",), ("1",))),
        ("REST", "method.request.querystring.q,method.request.header.auth", (("1",), ("t",))),
        ("REST", "stageVariables.tenant,context.identity.sourceIp", (("blue",), ("192.0.2.1",))),
        ("REST", "context.requestTimeEpoch", (("7",),)),
        ("HTTP", "$request.header.aUTh,$request.querystring.Q", (("t",), ("2",))),
        ("HTTP", "$context.stage,$stageVariables.tenant", (("prod",), ("blue",))),
        ("WEBSOCKET", "route.request.header.Auth,route.request.querystring.q", (("t",), ("1",))),
        ("WEBSOCKET", "context.stage,stageVariables.tenant", (("prod",), ("blue",))),
        ("REST", "", ()),
    ],
)  # fmt: skip
def test_sources_are_read_in_their_order(api: str, sources: str, values: Values) -> None:
    assert read(sources, a_request([(b"Auth", b"t")], b"q=1&Q=2"), api) == values


@pytest.mark.parametrize(
    ("sources", "name", "how"),
    [
        ("method.request.header.auth,method.request.header.x", "method.request.header.x", "missing"),
        ("method.request.header.empty", "method.request.header.empty", "empty"),
        ("method.request.header.blank", "method.request.header.blank", "empty"),
        ("method.request.header.last", "method.request.header.last", "empty"),
        ("method.request.querystring.x", "method.request.querystring.x", "missing"),
        ("method.request.querystring.Q", "method.request.querystring.Q", "missing"),
        ("method.request.querystring.e", "method.request.querystring.e", "empty"),
        ("stageVariables.other", "stageVariables.other", "missing"),
        ("stageVariables.nothing", "stageVariables.nothing", "empty"),
        ("context.identity", "context.identity", "missing"),
        ("context.identity.user", "context.identity.user", "missing"),
        ("context.identity.sourceIp.more", "context.identity.sourceIp.more", "missing"),
    ],
)
def test_a_source_that_is_missing_or_empty_is_a_401(sources: str, name: str, how: str) -> None:
    headers = [(b"auth", b"t"), (b"empty", b""), (b"blank", b"  "), (b"last", b"t"), (b"last", b"")]

    refusal = read(sources, a_request(headers, b"q=1&e="))

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.reason.status) == (Reason.IDENTITY_SOURCE_MISSING, 401)
    assert refusal.detail == f"{name} is {how}; nobody was asked"


@pytest.mark.parametrize(
    ("api", "source"),
    [
        ("REST", "$request.header.X"),
        ("REST", "route.request.header.X"),
        ("REST", "method.request.header."),
        ("REST", "method.request.header.a b"),
        ("REST", "method.request.path.id"),
        ("REST", "method.request.querystring."),
        ("REST", "method.request.body"),
        ("REST", "header.X"),
        ("REST", "querystring.q"),
        ("REST", "stageVariables.a-b"),
        ("REST", "context."),
        ("REST", "context.a..b"),
        ("HTTP", "method.request.header.X"),
        ("HTTP", "context.stage"),
        ("HTTP", "$stageVariables"),
        ("WEBSOCKET", "method.request.header.X"),
    ],
)
def test_what_is_no_source_is_a_problem(api: str, source: str) -> None:
    problems = compile_identity_sources([source, "nonsense"], api)

    assert isinstance(problems, tuple)
    assert len(problems) == 2
    assert problems[0].startswith(f"{source!r} is none of ")


def test_a_source_that_is_named_twice_is_one() -> None:
    compiled = compile_identity_sources(" context.stage , context.stage ,", "REST")

    assert isinstance(compiled, IdentitySources)
    assert compiled.names == ("context.stage",)


BOTH = "method.request.header.a,method.request.header.b"


@pytest.mark.parametrize(
    ("ones", "others"),
    [
        ([(b"a", b"x,y"), (b"b", b"z")], [(b"a", b"x"), (b"b", b"y,z")]),
        ([(b"a", b"x,y"), (b"b", b"z")], [(b"a", b"x"), (b"a", b"y"), (b"b", b"z")]),
        ([(b"a", b"x"), (b"b", b"y")], [(b"a", b"y"), (b"b", b"x")]),
        ([(b"a", b"x"), (b"a", b"y"), (b"b", b"z")], [(b"a", b"y"), (b"b", b"z")]),
        ([(b"a", b"x"), (b"b", b"z")], [(b"a", b"X"), (b"b", b"z")]),
    ],
    ids=["separators in values", "repeated or joined", "swapped", "repeated or once", "casing"],
)
def test_two_callers_never_have_the_same_values(ones: HeaderList, others: HeaderList) -> None:
    assert read(BOTH, a_request(ones)) != read(BOTH, a_request(others))


@given(st.lists(st.binary(min_size=1), min_size=1), st.lists(st.binary(min_size=1), min_size=1))
def test_values_are_equal_only_where_the_headers_are(ones: list[bytes], others: list[bytes]) -> None:
    first, second = (
        read("method.request.header.a", a_request([(b"a", value) for value in some])) for some in (ones, others)
    )

    if not isinstance(first, Refusal) and not isinstance(second, Refusal):
        assert (first == second) == (ones == others)


@given(st.lists(st.lists(st.text())), st.lists(st.lists(st.text())), st.sampled_from(["", "x" * 2048]))
def test_keys_are_equal_only_where_the_values_are(ones: list[list[str]], others: list[list[str]], more: str) -> None:
    first, second = ((*map(tuple, some), (more,)) for some in (ones, others))

    assert (cache_key(first) == cache_key(second)) == (first == second)


def test_long_values_are_kept_as_a_digest() -> None:
    assert cache_key((("a",), ("b" * 2047,))) == (("a",), ("b" * 2047,))
    assert len(cache_key((("a",), ("b" * 2048,)))) == 32
    assert isinstance(cache_key((("\ud800" * 3000,),)), bytes)


def test_repeated_values_are_joined_by_commas_in_an_event() -> None:
    assert joined((("a", "b"), ("c",))) == ["a,b", "c"]


@given(st.one_of(st.text(), st.lists(st.text())), st.sampled_from(["REST", "HTTP", "WEBSOCKET"]))
def test_any_text_gives_sources_or_problems(sources: str | list[str], api: str) -> None:
    compiled = compile_identity_sources(sources, api)

    if isinstance(compiled, IdentitySources):
        assert isinstance(compiled.read(a_request(), context), (tuple, Refusal))
    else:
        assert all(isinstance(problem, str) for problem in compiled)


# ---------------------------------------------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("expression", "token", "fits"),
    [
        ("^Bearer [-0-9a-zA-Z._]*$", "Bearer abc", True),
        ("^Bearer [-0-9a-zA-Z._]*$", "bearer abc", False),
        ("^x-[a-z]+", "x-abc", True),
        ("^x-[a-z]+", "x-abc7", False),
        (r"\w+", "a b", False),
        ("(a+)+", "a" * 5000, True),
        ("(a+)+", "a" * 5000 + "b", False),
    ],
)
def test_the_whole_token_has_to_match(expression: str, token: str, fits: bool) -> None:
    check = compile_token_check(expression)
    assert not isinstance(check, str)
    refusal = check(token)

    assert (refusal is None) == fits
    assert refusal is None or refusal.reason is Reason.IDENTITY_SOURCE_INVALID


@pytest.mark.parametrize("expression", ["(", r"(a+)+\1", r"\G"], ids=["broken", "endless", "not supported"])
def test_an_expression_that_cannot_be_checked_in_time_is_a_problem(expression: str) -> None:
    assert isinstance(compile_token_check(expression), str)


def test_a_token_over_what_headers_may_hold_is_refused_unread() -> None:
    check = compile_token_check(".*")
    assert not isinstance(check, str)
    refusal = check("a" * 10_241)

    assert refusal is not None
    assert refusal.detail == "the token has more than 10240 characters"


def test_an_expression_that_takes_too_long_refuses() -> None:
    check = compile_token_check(r"(a*)b\1")
    assert not isinstance(check, str)
    refusal = check("a" * 10_000)

    assert refusal is not None
    assert "takes too long" in refusal.detail


@given(st.text(), st.text())
def test_any_expression_gives_a_check_or_a_problem(expression: str, token: str) -> None:
    check = compile_token_check(expression)

    assert isinstance(check, str) or isinstance(check(token), (Refusal, type(None)))
