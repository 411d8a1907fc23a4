"""Signed requests that were changed, moved, kept or forged: each has to be refused at the door."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gatewaykit import IamMiddleware, VirtualClock, iam
from gatewaykit.core.iam.signing_key import SigningKey, SigningKeys
from gatewaykit.testing import Client, presign, sign
from gatewaykit.testing.client import Result
from tests.attacks.checks import a_gateway, leaks_nothing
from tests.conformance.documents import mock

NOW = "2026-01-01T12:00Z"
SECRET, OTHER = "alice-secret-0123456789", "robot-secret-0123456789"
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
USERS: dict[str, Any] = {
    "users": {
        "alice": {"access_keys": [{"id": "AKIDALICE", "secret": SECRET}], "policies": [ALLOW]},
        "bob": {"access_keys": [{"id": "AKIDBOB", "secret": OTHER}], "policies": [ALLOW]},
    },
    "roles": {
        "robot": {
            "policies": [ALLOW],
            "sessions": [
                {"name": "one", "id": "ASIDONE", "secret": OTHER, "token": "token-one", "expires": "2026-01-01T13:00Z"},
                {"name": "two", "id": "ASIDTWO", "secret": OTHER, "token": "token-two", "expires": "2026-01-01T11:00Z"},
            ],
        }
    },
}
BODY = b'{"name":"rex"}'
TARGET = "/pets/42?color=red&limit=10"
FORBIDDEN = b'{"message":"Forbidden"}'
Headers = list[tuple[bytes, bytes]]


class Door:
    """An app behind `iam`, and what came through to it."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock(NOW)
        self.seen: list[str] = []
        middleware = IamMiddleware(self._app, USERS, clock=self.clock, profile="aws", **options)
        self.client = Client(middleware)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        caller = scope["state"]["gatewaykit"].identity
        self.seen.append(caller.principal)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": caller.principal.encode()})

    def signed(self, method: str = "POST", target: str = TARGET, body: bytes = BODY, **more: Any) -> dict[str, str]:
        given = {"access_key_id": "AKIDALICE", "secret": SECRET, "clock": self.clock, **more}
        return sign(method, target, body=body, **given)

    def presigned(self, target: str = TARGET, method: str = "GET", **more: Any) -> str:
        given = {"access_key_id": "AKIDALICE", "secret": SECRET, "clock": self.clock, **more}
        return presign(method, target, **given)

    async def ask(
        self, headers: Mapping[str, str] | Headers, target: str = TARGET, body: bytes = BODY, method: str = "POST",
        **scope: Any,
    ) -> Result:  # fmt: skip
        return await self.client.request(method, target, headers=headers, body=body, **scope)


def refused(door: Door, answer: Result, error_type: str | None = None) -> None:
    assert answer.status == 403, answer
    assert door.seen == []
    leaks_nothing(answer)
    assert SECRET not in answer.text
    if error_type is not None:
        assert answer.header("x-amzn-errortype") == error_type


def altered(headers: Mapping[str, str], old: str, new: str | Callable[[re.Match[str]], str]) -> dict[str, str]:
    """The same with something else in Authorization."""
    assert re.search(old, headers["Authorization"])
    return {**headers, "Authorization": re.sub(old, new, headers["Authorization"], count=1)}


async def test_what_was_signed_comes_through() -> None:
    door = Door()

    answer = await door.ask(door.signed())

    assert (answer.status, answer.text) == (200, "arn:aws:iam::123456789012:user/alice")


Change = Callable[[dict[str, str]], dict[str, str] | Headers]


def as_list(headers: Mapping[str, str], *more: tuple[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in (*headers.items(), *more)]


CHANGED: dict[str, Change] = {
    "a header added that AWS has signed": lambda sent: {**sent, "x-amz-meta-role": "admin"},
    "a session token added": lambda sent: {**sent, "x-amz-security-token": "stolen"},
    "a signed header removed": lambda sent: {name: value for name, value in sent.items() if name != "x-tenant"},
    "a signed header changed": lambda sent: {**sent, "x-tenant": "b"},
    "a signed header repeated": lambda sent: as_list(sent, ("x-tenant", "b")),
    "the host repeated": lambda sent: as_list(sent, ("host", "testserver")),
    "the host changed": lambda sent: {**sent, "host": "other.test"},
    "the date changed": lambda sent: {**sent, "X-Amz-Date": "20260101T120001Z"},
    "the date repeated": lambda sent: as_list(sent, ("x-amz-date", sent["X-Amz-Date"])),
    "a hash of another body declared": lambda sent: {**sent, "x-amz-content-sha256": "0" * 64},
    "names in another order": lambda sent: altered(sent, "host;x-amz-date;x-tenant", "x-tenant;x-amz-date;host"),
    "a name listed twice": lambda sent: altered(sent, "host;", "host;host;"),
    "a name taken off the list": lambda sent: altered(sent, ";x-tenant", ""),
    "names in capitals": lambda sent: altered(sent, "host;", "Host;"),
    "the host not signed": lambda sent: altered(sent, "host;", ""),
    "no names": lambda sent: altered(sent, "SignedHeaders=[^,]*", "SignedHeaders="),
    "a name without a header": lambda sent: altered(sent, ";x-tenant", ";x-tenant;x-zone"),
    "another region": lambda sent: altered(sent, "us-east-1", "eu-west-1"),
    "another service": lambda sent: altered(sent, "execute-api", "lambda"),
    "another day": lambda sent: altered(sent, "20260101", "20260102"),
    "another terminator": lambda sent: altered(sent, "aws4_request", "aws5_request"),
    "a longer scope": lambda sent: altered(sent, "aws4_request", "aws4_request/aws4_request"),
    "another caller's key": lambda sent: altered(sent, "AKIDALICE", "AKIDBOB"),
    "nobody's key": lambda sent: altered(sent, "AKIDALICE", "AKIDNOBODY"),
    "a signature in capitals": lambda sent: altered(sent, "[0-9a-f]{64}", lambda found: found[0].upper()),
    "a signature cut short": lambda sent: altered(sent, ".$", ""),
    "a signature that is longer": lambda sent: altered(sent, "$", "0"),
    "no signature": lambda sent: altered(sent, "Signature=.*", "Signature="),
    "a signature of zeros": lambda sent: altered(sent, "Signature=.*", "Signature=" + "0" * 64),
    "a signature that is no ASCII": lambda sent: altered(sent, "Signature=.*", "Signature=" + "\xe9" * 64),
    "two signatures": lambda sent: altered(sent, "$", ", Signature=" + "0" * 64),
    "another algorithm": lambda sent: altered(sent, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
    "no algorithm": lambda sent: altered(sent, "AWS4-HMAC-SHA256 ", ""),
    "two headers": lambda sent: as_list(sent, ("authorization", sent["Authorization"])),
    "a bearer token beside it": lambda sent: as_list(sent, ("authorization", "Bearer abc")),
    "a NUL in a signed header": lambda sent: {**sent, "x-tenant": "a\x00"},
    "a line break in a signed header": lambda sent: {**sent, "x-tenant": "a\nx-role:admin"},
    "a byte that is no ASCII": lambda sent: {**sent, "x-tenant": "\xe9"},
    "a huge header": lambda sent: {**sent, "Authorization": sent["Authorization"] + "," + "a=b," * 20000},
    "a huge list of names": lambda sent: altered(sent, "host;", "a;" * 20000 + "host;"),
    "a huge access key": lambda sent: altered(sent, "AKIDALICE", "A" * 60000),
    "an empty header": lambda sent: {**sent, "Authorization": " "},
    "no header": lambda sent: {name: value for name, value in sent.items() if name != "Authorization"},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
@pytest.mark.parametrize("warm", [False, True], ids=["at first", "after one that was good"])
async def test_a_signed_request_that_was_changed_is_refused(change: Change, warm: bool) -> None:
    door = Door()
    sent = door.signed(headers={"x-tenant": "a"})
    if warm:
        assert (await door.ask(sent)).status == 200
        door.seen.clear()

    answer = await door.ask(change(sent))

    refused(door, answer)


@pytest.mark.parametrize("value", ["a, b", " a,b", "a,b  "], ids=["a blank inside", "a blank before", "blanks behind"])
async def test_a_repeated_header_is_one_list_and_no_other(value: str) -> None:
    door = Door()
    sent = door.signed(headers={"x-tenant": "a,b"})
    one = {**sent, "x-tenant": value}
    two = [field for field in as_list(sent) if field[0] != b"x-tenant"]

    answers = [
        await door.ask(one),
        await door.ask([*two, (b"x-tenant", b"a"), (b"x-tenant", b"b")]),
        await door.ask([*two, (b"x-tenant", b"b"), (b"x-tenant", b"a")]),
    ]

    expected = 403 if value == "a, b" else 200
    assert [answer.status for answer in answers] == [expected, 200, 403]


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        pytest.param("PUT", TARGET, BODY, id="another verb"),
        pytest.param("POST", TARGET, b'{"name":"max"}', id="another body"),
        pytest.param("POST", TARGET, b"", id="no body"),
        pytest.param("POST", TARGET, BODY + b" ", id="a longer body"),
        pytest.param("POST", "/pets/43?color=red&limit=10", BODY, id="another path"),
        pytest.param("POST", "/pets/42/?color=red&limit=10", BODY, id="a slash at the end"),
        pytest.param("POST", "/pets/%34%32?color=red&limit=10", BODY, id="a path in another encoding"),
        pytest.param("POST", "/pets%2F42?color=red&limit=10", BODY, id="an encoded slash"),
        pytest.param("POST", "/pets/x/../42?color=red&limit=10", BODY, id="dot segments"),
        pytest.param("POST", "/./pets/42?color=red&limit=10", BODY, id="a dot segment"),
        pytest.param("POST", "/pets/42?color=blue&limit=10", BODY, id="another value"),
        pytest.param("POST", "/pets/42?color=red", BODY, id="a parameter less"),
        pytest.param("POST", "/pets/42?color=red&limit=10&admin=1", BODY, id="a parameter more"),
        pytest.param("POST", "/pets/42?color=red&limit=10&limit=10", BODY, id="a parameter twice"),
        pytest.param("POST", "/pets/42?color=red&limit=10&limit=99", BODY, id="a parameter with another value too"),
        pytest.param("POST", "/pets/42?color=red;limit=10;x", BODY, id="a parameter behind a semicolon"),
        pytest.param("POST", "/pets/42?color=red%26limit=10", BODY, id="parameters run together"),
        pytest.param("POST", "/pets/42", BODY, id="no query"),
    ],
)  # fmt: skip
async def test_a_signature_for_another_request_is_refused(method: str, target: str, body: bytes) -> None:
    door = Door()

    answer = await door.ask(door.signed(), target, body, method)

    refused(door, answer, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("signed_query", "sent_query"),
    [
        pytest.param("q=a%20b", "q=a%2Bb", id="a blank for a plus"),
        pytest.param("q=a%2Bb", "q=a+b", id="a plus for an encoded plus"),
        pytest.param("q=a%3Bb%3D1", "q=a;b=1", id="a semicolon for an encoded one"),
        pytest.param("q=a%26b%3D1", "q=a&b=1", id="an ampersand for an encoded one"),
    ],
)
async def test_another_spelling_is_no_way_to_another_meaning(signed_query: str, sent_query: str) -> None:
    door = Door()

    answer = await door.ask(door.signed(target=f"/pets?{signed_query}"), f"/pets?{sent_query}")

    refused(door, answer, "InvalidSignatureException")


@pytest.mark.parametrize("minutes", [-5, 5])
async def test_a_signature_holds_for_five_minutes_about_its_time(minutes: int) -> None:
    door = Door()
    sent = door.signed(clock=VirtualClock(door.clock.wall() - minutes * 60))
    beyond = door.signed(clock=VirtualClock(door.clock.wall() - minutes * 60 - minutes / abs(minutes)))

    at_the_edge, over_it = await door.ask(sent), await door.ask(beyond)

    assert (at_the_edge.status, over_it.status) == (200, 403)


async def test_a_captured_request_cannot_be_replayed_later() -> None:
    door = Door()
    sent = door.signed()
    door.clock.advance("301s")

    answer = await door.ask(sent)

    refused(door, answer, "InvalidSignatureException")
    assert answer.json()["message"] == (
        "Signature expired: 20260101T120000Z is now earlier than 20260101T120001Z (20260101T120501Z - 5 min.)"
    )


async def test_a_captured_request_is_not_renewed_by_another_date() -> None:
    door = Door()
    sent = door.signed()
    door.clock.advance("1h")

    answer = await door.ask({**sent, "X-Amz-Date": "20260101T130000Z", "Date": "Thu, 01 Jan 2026 13:00:00 GMT"})

    refused(door, answer, "InvalidSignatureException")


PRESIGNED: dict[str, Callable[[str], str]] = {
    "a longer life": lambda target: target.replace("X-Amz-Expires=3600", "X-Amz-Expires=604800"),
    "a second life": lambda target: target + "&X-Amz-Expires=604800",
    "a life of more than a week": lambda target: target.replace("X-Amz-Expires=3600", "X-Amz-Expires=604801"),
    "a life of nothing": lambda target: target.replace("X-Amz-Expires=3600", "X-Amz-Expires=0"),
    "a negative life": lambda target: target.replace("X-Amz-Expires=3600", "X-Amz-Expires=-1"),
    "a life that is no number": lambda target: target.replace("X-Amz-Expires=3600", "X-Amz-Expires=1e5"),
    "no life": lambda target: target.replace("&X-Amz-Expires=3600", ""),
    "another date": lambda target: target.replace("T120000Z", "T120001Z"),
    "another access key": lambda target: target.replace("AKIDALICE", "AKIDBOB"),
    "a parameter more": lambda target: target + "&admin=1",
    "a parameter changed": lambda target: target.replace("limit=10", "limit=99"),
    "another signature": lambda target: re.sub("Signature=.*", "Signature=" + "0" * 64, target),
    "two signatures": lambda target: target + "&X-Amz-Signature=" + "0" * 64,
    "a second signature, encoded": lambda target: target + "&X%2DAmz%2DSignature=" + "0" * 64,
    "a signature in capitals": lambda target: re.sub("Signature=.*", lambda found: found[0].upper(), target),
    "the host not signed": lambda target: target.replace("SignedHeaders=host", "SignedHeaders=date"),
    "a token added": lambda target: target + "&X-Amz-Security-Token=stolen",
    "lower-case names": lambda target: target.replace("X-Amz-", "x-amz-"),
    "no signature": lambda target: re.sub("&X-Amz-Signature=.*", "", target),
    "no algorithm": lambda target: re.sub("X-Amz-Algorithm=[^&]*&", "", target),
}


@pytest.mark.parametrize("change", PRESIGNED.values(), ids=PRESIGNED.keys())
async def test_a_presigned_address_that_was_changed_is_refused(change: Callable[[str], str]) -> None:
    door = Door()
    target = door.presigned()
    assert change(target) != target

    answer = await door.ask({"host": "testserver"}, change(target), b"", "GET")

    refused(door, answer)


async def test_a_presigned_address_holds_until_its_end() -> None:
    door = Door()
    target = door.presigned(expires_s=60)

    door.clock.advance("60s")
    at_the_end = await door.ask({"host": "testserver"}, target, b"", "GET")
    door.seen.clear()
    door.clock.advance("1s")
    after_it = await door.ask({"host": "testserver"}, target, b"", "GET")

    assert at_the_end.status == 200
    refused(door, after_it, "InvalidSignatureException")


async def test_a_presigned_address_is_for_its_verb_host_and_body() -> None:
    door = Door()
    target = door.presigned()

    answers = [
        await door.ask({"host": "testserver"}, target, b"", "DELETE"),
        await door.ask({"host": "other.test"}, target, b"", "GET"),
        await door.ask({"host": "testserver"}, target, b"body", "GET"),
        await door.ask({"host": "testserver", "x-amz-target": "other"}, target, b"", "GET"),
    ]

    for answer in answers:
        refused(door, answer, "InvalidSignatureException")


async def test_two_signatures_at_once_are_none() -> None:
    door = Door()
    target = door.presigned(method="POST")

    answer = await door.ask(door.signed(target=target), target)

    refused(door, answer, "InvalidSignatureException")
    assert answer.json()["message"] == (
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    )


TOKENS = {
    "swapped": ("ASIDONE", "token-two"), "missing": ("ASIDONE", None), "empty": ("ASIDONE", ""),
    "longer": ("ASIDONE", "token-one1"), "for a key without one": ("AKIDBOB", "token-one"),
    "empty, for a key without one": ("AKIDBOB", ""),
}  # fmt: skip


@pytest.mark.parametrize(("key_id", "token"), TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("where", ["header", "query"])
async def test_a_session_token_is_the_keys_own(key_id: str, token: str | None, where: str) -> None:
    door = Door()
    own: dict[str, Any] = {"access_key_id": key_id, "secret": OTHER, "session_token": token}

    if where == "header":
        answer = await door.ask(door.signed(**own))
    else:
        answer = await door.ask({"host": "testserver"}, door.presigned(**own), b"", "GET")

    refused(door, answer, "UnrecognizedClientException")
    assert answer.body == b'{"message":"The security token included in the request is invalid."}'


async def test_a_session_ends() -> None:
    door = Door()

    answer = await door.ask(door.signed(access_key_id="ASIDTWO", secret=OTHER, session_token="token-two"))

    refused(door, answer, "ExpiredTokenException")


async def test_a_session_token_has_to_be_signed() -> None:
    door = Door()
    sent = door.signed(access_key_id="ASIDONE", secret=OTHER, session_token=None)

    answers = [
        await door.ask({**sent, "x-amz-security-token": "token-one"}),
        await door.ask({"host": "testserver", "x-amz-security-token": "token-one"},
                       door.presigned(access_key_id="ASIDONE", secret=OTHER), b"", "GET"),
    ]  # fmt: skip

    for answer in answers:
        refused(door, answer, "InvalidSignatureException")


async def test_what_is_wrong_with_a_token_is_told_to_nobody_without_the_secret() -> None:
    door = Door()

    answers = [
        await door.ask(door.signed(access_key_id="ASIDONE", secret=SECRET, session_token="guess")),
        await door.ask(door.signed(access_key_id="ASIDTWO", secret=SECRET, session_token="token-two")),
    ]

    for answer in answers:
        refused(door, answer, "InvalidSignatureException")


async def test_unknown_and_wrong_keys_go_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, object]] = []
    derive, verify = SigningKeys.of, SigningKey.verifies

    def derived(self: Any, key_id: str, secret: str, scope: bytes) -> Any:
        steps.append(("derive", scope))
        return derive(self, key_id, secret, scope)

    def verified(self: Any, text: bytes, signature: bytes) -> bool:
        steps.append(("verify", text))
        return verify(self, text, signature)

    monkeypatch.setattr(SigningKeys, "of", derived)
    monkeypatch.setattr(SigningKey, "verifies", verified)
    door = Door(http_api=True)

    unknown = await door.ask(door.signed(access_key_id="AKIDNOBODY", secret="x" * 40))
    of_unknown, steps = steps, []
    wrong = await door.ask(door.signed(secret="x" * 40))

    assert [step for step, _ in of_unknown] == ["derive", "verify"] == [step for step, _ in steps]
    assert of_unknown == steps
    assert (unknown.status, unknown.body, unknown.headers) == (wrong.status, wrong.body, wrong.headers)
    assert unknown.body == FORBIDDEN


@pytest.mark.parametrize("key_id", ["AKIDNOBODY", "AKIDALICE"])
async def test_a_body_is_read_for_unknown_keys_as_for_known_ones(key_id: str) -> None:
    door = Door(http_api=True)
    headers = door.signed(access_key_id=key_id, secret="x" * 40)

    async with door.client.open("POST", TARGET, headers=headers) as exchange:
        exchange.feed(BODY, more=False)
        answer = await exchange.result()

    refused(door, answer)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda sent: {**sent, "Authorization": "Bearer abc"}, id="no signature"),
        pytest.param(lambda sent: altered(sent, "us-east-1", "eu-west-1"), id="another region"),
        pytest.param(lambda sent: {**sent, "X-Amz-Date": "20250101T120000Z"}, id="another time"),
        pytest.param(lambda sent: {**sent, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, id="an unsigned payload"),
    ],
)
async def test_what_needs_no_body_is_refused_before_it_comes(change: Change) -> None:
    door = Door()
    headers = change(door.signed())

    async with door.client.open("POST", TARGET, headers=headers) as exchange:  # the body never comes
        answer = await exchange.result()

    refused(door, answer)


async def test_an_unsigned_payload_is_not_taken() -> None:
    door = Door()
    sent = door.signed(headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})

    refused(door, await door.ask({**sent, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}), "InvalidSignatureException")


async def test_a_verb_that_overrides_is_the_one_that_has_to_be_signed() -> None:

    clock = VirtualClock(NOW)
    gateway = a_gateway({"/pets": {"get": mock(), "delete": mock()}}, policies=[iam(USERS)], clock=clock)
    sent = sign("GET", "/pets", access_key_id="AKIDALICE", secret=SECRET, clock=clock)

    good = await Client(gateway).get("/pets", headers=sent)
    overridden = await Client(gateway).get("/pets", headers={**sent, "X-HTTP-Method-Override": "DELETE"})

    assert (good.status, overridden.status) == (200, 403)
