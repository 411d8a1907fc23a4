"""What a service is asked about a request, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Identity, Request, Response
from gatewaykit.core.identity.forward_auth import ForwardRules, LetIn, apply, digest, question, verdict
from gatewaykit.core.reasons import Reason, Refusal

USER = ForwardRules(
    copied=(b"x-user", b"x-groups"), principal=b"x-user", claims=((b"x-user", "user"), (b"x-role", "role"))
)
ABOUT = [
    (b"x-forwarded-method", b"PUT"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"shop.example"),
    (b"x-forwarded-uri", b"/api/pets/a%20b?x=1"),
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"x-original-method", b"PUT"),
    (b"x-original-uri", b"/api/pets/a%20b?x=1"),
]


def request(*headers: tuple[bytes, bytes], **more: Any) -> Request:
    return Request(
        "PUT", "/pets/a b", raw_path=b"/pets/a%20b", query_string=b"x=1", root_path="/api", scheme="https",
        headers=[(b"Host", b"shop.example"), *headers], client=("203.0.113.7", 4711), **more,
    )  # fmt: skip


def test_the_question_is_the_request_without_its_body() -> None:
    asked = question(request((b"Authorization", b"Bearer a"), (b"Content-Length", b"3"), body=b"abc"), ForwardRules())

    assert asked == [(b"Authorization", b"Bearer a"), *ABOUT]


@pytest.mark.parametrize(
    ("rules", "header", "sent"),
    [
        pytest.param(ForwardRules(), (b"Cookie", b"a=1"), True, id="any"),
        pytest.param(ForwardRules(forwarded=frozenset((b"cookie",))), (b"Cookie", b"a=1"), True, id="a listed one"),
        pytest.param(ForwardRules(forwarded=frozenset((b"cookie",))), (b"Accept", b"*/*"), False, id="one not listed"),
        pytest.param(ForwardRules(), (b"Connection", b"x"), False, id="of the hop"),
        pytest.param(ForwardRules(), (b"Transfer-Encoding", b"chunked"), False, id="of the body"),
        pytest.param(ForwardRules(), (b"X-Forwarded-For", b"127.0.0.1"), False, id="said by the client"),
        pytest.param(ForwardRules(), (b"X-Original-URL", b"/public"), False, id="said by the client in another way"),
        pytest.param(USER, (b"X-User", b"admin"), False, id="the service's own word"),
        pytest.param(USER, (b"X_User", b"admin"), False, id="the same to a CGI program"),
        pytest.param(ForwardRules(copied=(b"authorization",)), (b"Authorization", b"b"), True, id="a credential"),
        pytest.param(ForwardRules(), (b"X-A", b"a\r\nX-Forwarded-User: b"), False, id="a line break"),
        pytest.param(ForwardRules(), (b"X-A", b"a\0"), False, id="NUL"),
        pytest.param(ForwardRules(), (b"X A", b"a"), False, id="no name"),
    ],
)
def test_which_fields_are_sent(rules: ForwardRules, header: tuple[bytes, bytes], sent: bool) -> None:
    asked = question(request(header), rules)

    assert (header in asked) is sent


def test_what_the_client_calls_a_field_of_its_hop_is_sent_too() -> None:
    asked = question(request((b"Connection", b"close, X-Once"), (b"X-Once", b"1"), (b"X-Two", b"2")), ForwardRules())

    assert asked == [(b"X-Once", b"1"), (b"X-Two", b"2"), *ABOUT]


def test_a_host_that_cannot_be_sent_is_not() -> None:
    asked = question(Request("GET", "/", headers=[(b"host", b"a\r\nb")]), ForwardRules())

    assert b"x-forwarded-host" not in dict(asked)


def asked_alike(rules: ForwardRules, *headers: tuple[bytes, bytes], **more: Any) -> bool:
    """Whether a request with these headers has the digest of one with a cookie."""
    one, other = Request("GET", "/", headers=[(b"Cookie", b"a=1")]), Request("GET", "/", headers=list(headers), **more)
    return digest(one, rules) == digest(other, rules)


COOKIE = (b"Cookie", b"a=1")


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        pytest.param([(b"Cookie", b"a=2")], {}, id="another value"),
        pytest.param([(b"Cookie", b"a"), (b"Cookie", b"1")], {}, id="in two fields"),
        pytest.param([COOKIE, (b"Connection", b"cookie")], {}, id="not to be sent on"),
        pytest.param([COOKIE, (b"Host", b"shop")], {}, id="another host"),
        pytest.param([COOKIE], {"scheme": "https"}, id="another scheme"),
        pytest.param([COOKIE], {"query_string": b"x"}, id="another query"),
        pytest.param([COOKIE], {"root_path": "/x"}, id="another place"),
        pytest.param([COOKIE], {"client": ("10.0.0.1", 1)}, id="another address"),
    ],
)
@pytest.mark.parametrize("rules", [ForwardRules(), ForwardRules(forwarded=frozenset((b"cookie",)))], ids=["all", "one"])
def test_what_is_asked_otherwise_has_another_digest(
    rules: ForwardRules, headers: HeaderList, more: dict[str, Any]
) -> None:
    assert asked_alike(rules, COOKIE)
    assert not asked_alike(rules, *headers, **more)


def test_what_is_not_sent_changes_no_digest() -> None:
    assert asked_alike(ForwardRules(forwarded=frozenset((b"cookie",))), COOKIE, (b"Accept", b"*/*"))


# ---------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_2xx_lets_in(status: int) -> None:
    headers = [(b"X-User", b"alice"), (b"X-Role", b"vet"), (b"X-Groups", b"a"), (b"x-groups", b"b"), (b"X-Other", b"1")]

    let_in = verdict(status, headers, b"", USER)

    identity = Identity(principal="alice", kind="forward_auth", claims={"user": "alice", "role": "vet"})
    assert let_in == LetIn(identity, [(b"x-user", b"alice"), (b"x-groups", b"a"), (b"x-groups", b"b")], True)


@pytest.mark.parametrize("headers", [[], [(b"X-User", b"")]], ids=["none", "empty"])
def test_who_is_not_named_is_nobody(headers: HeaderList) -> None:
    let_in = verdict(200, headers, b"", USER)

    assert isinstance(let_in, LetIn)
    assert let_in.identity is None


@pytest.mark.parametrize(
    ("value", "name"), [("jürgen".encode(), "jürgen"), (b"j\xfcrgen", "jürgen")], ids=["UTF-8", "latin-1"]
)
def test_names_are_read_in_either_encoding(value: bytes, name: str) -> None:
    let_in = verdict(200, [(b"x-user", value)], b"", USER)

    assert isinstance(let_in, LetIn)
    assert let_in.identity is not None
    assert let_in.identity.principal == name


def test_an_answer_that_is_not_to_be_stored_is_not() -> None:
    let_in = verdict(200, [(b"Cache-Control", b"private, No-Store")], b"", USER)

    assert isinstance(let_in, LetIn)
    assert not let_in.may_be_kept


CHALLENGE = (b"www-authenticate", b'Basic realm="x"')
LOGIN = [
    (b"Location", b"https://login/"),
    (b"Set-Cookie", b"a=1"),
    (b"Content-Type", b"text/html"),
    (b"X-Secret", b"1"),
]


@pytest.mark.parametrize(
    ("status", "headers", "reason", "kept"),
    [
        pytest.param(401, [(b"WWW-Authenticate", CHALLENGE[1])], Reason.UNAUTHENTICATED, (CHALLENGE,), id="401"),
        pytest.param(403, [], Reason.FORBIDDEN, (), id="403"),
        pytest.param(302, LOGIN, Reason.AUTHORIZER_FAILED, (), id="a redirect"),
        pytest.param(304, [], Reason.AUTHORIZER_FAILED, (), id="304"),
        pytest.param(400, [], Reason.AUTHORIZER_FAILED, (), id="400"),
        pytest.param(404, [], Reason.AUTHORIZER_FAILED, (), id="404"),
        pytest.param(500, [], Reason.AUTHORIZER_FAILED, (), id="500"),
        pytest.param(101, [], Reason.AUTHORIZER_FAILED, (), id="101"),
        pytest.param(300, [], Reason.AUTHORIZER_FAILED, (), id="300"),
    ],
)
def test_any_other_answer_refuses(status: int, headers: HeaderList, reason: Reason, kept: Any) -> None:
    refusal = verdict(status, headers, b"no", USER)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.headers) == (reason, kept)


def test_the_body_of_a_401_is_relayed_when_asked_for() -> None:
    headers = [
        *LOGIN,
        (b"WWW-Authenticate", CHALLENGE[1]),
        (b"Content-Length", b"99"),
        (b"Transfer-Encoding", b"chunked"),
    ]

    answer = verdict(401, headers, b"log in", ForwardRules(relay_body=True))

    assert isinstance(answer, Response)
    kept = [(b"set-cookie", b"a=1"), (b"content-type", b"text/html"), CHALLENGE]
    assert (answer.status, answer.headers, answer.body) == (401, kept, b"log in")


def test_a_redirect_is_relayed_when_asked_for() -> None:
    answer = verdict(302, LOGIN, b"<a>", ForwardRules(relay_redirects=True))

    assert isinstance(answer, Response)
    assert (answer.status, answer.headers, answer.body) == (
        302, [(b"location", b"https://login/"), (b"set-cookie", b"a=1")], b"",
    )  # fmt: skip


def test_a_redirect_to_nowhere_is_none() -> None:
    assert isinstance(verdict(302, [], b"", ForwardRules(relay_redirects=True)), Refusal)


# ---------------------------------------------------------------------------------------------------- the request


def applied(rules: ForwardRules, *headers: tuple[bytes, bytes], said: HeaderList) -> Request:
    asking = request(*headers)
    asking.identity = Identity(principal="whoever was there before")
    apply(LetIn(None, said, True), asking, rules)
    return asking


def test_the_back_end_gets_what_the_service_said_and_nothing_else_under_its_names() -> None:
    smuggled = [(b"X-User", b"admin"), (b"X_USER", b"admin"), (b"x-Groups", b"root"), (b"x_groups", b"root")]

    asking = applied(USER, (b"Accept", b"*/*"), *smuggled, said=[(b"x-user", b"alice")])

    assert asking.header_list == [(b"Host", b"shop.example"), (b"Accept", b"*/*"), (b"x-user", b"alice")]
    assert asking.headers == {b"host": b"shop.example", b"accept": b"*/*", b"x-user": b"alice"}
    assert asking.identity is None


def test_a_client_that_smuggles_nothing_gets_the_same() -> None:
    asking = applied(USER, (b"Accept", b"*/*"), said=[(b"x-groups", b"a"), (b"x-groups", b"b")])

    assert asking.header_list[-3:] == [(b"Accept", b"*/*"), (b"x-groups", b"a"), (b"x-groups", b"b")]
    assert asking.headers == {b"host": b"shop.example", b"accept": b"*/*", b"x-groups": b"b"}


def test_the_client_cannot_have_the_next_hop_drop_what_the_service_said() -> None:
    asking = applied(USER, (b"Connection", b"keep-alive, X-User,x_groups"), said=[(b"x-user", b"alice")])

    assert asking.headers[b"connection"] == b"keep-alive"
    assert asking.headers[b"x-user"] == b"alice"


def test_where_nothing_is_copied_the_request_stays_as_it_is() -> None:
    asking = request((b"X-User", b"admin"))
    before = asking.header_list

    apply(LetIn(None, [], True), asking, ForwardRules())

    assert asking.header_list is before


FIELDS = st.lists(st.tuples(st.binary(min_size=1), st.binary()), max_size=5)


@given(FIELDS, st.sampled_from([ForwardRules(), USER]))
def test_any_fields_make_a_question_that_can_be_sent(fields: HeaderList, rules: ForwardRules) -> None:
    for name, value in question(Request("GET", "/", headers=fields), rules):
        assert b"\r" not in value
        assert b"\n" not in value
        assert name.strip() == name


@given(st.integers(100, 599), FIELDS, st.binary(), st.booleans())
def test_any_answer_is_a_verdict(status: int, fields: HeaderList, body: bytes, relays: bool) -> None:
    rules = ForwardRules(copied=(b"x-user",), principal=b"x-user", relay_body=relays, relay_redirects=relays)

    answer = verdict(status, fields, body, rules)

    assert isinstance(answer, LetIn) is (200 <= status <= 299)
