"""CORS decisions, by table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.cors import CorsRules, amending, deciding, rule_problems
from gatewaykit.core.http import Head, HeaderList, Request, Response
from gatewaykit.core.reasons import Reason, Refusal

SHOP = "https://shop.example"
ONE = CorsRules(origins=(SHOP,))
ANY = CorsRules(origins=("*",))
BY_PATTERN = CorsRules(origins=(SHOP,), origin_regex=r"https://[a-z]+\.shop\.example")


def a_request(method: str = "GET", **headers: str) -> Request:
    return Request(
        method, "/", headers=[(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    )


WANTED = "access_control_request_headers"


def a_preflight(origin: str = SHOP, method: str = "POST", **headers: str) -> Request:
    return a_request("OPTIONS", origin=origin, access_control_request_method=method, **headers)


def amended(rules: CorsRules, request: Request, headers: HeaderList | None = None) -> dict[str, list[str]]:
    """What the fields of a response are afterwards, by name."""
    head = Head(200, [] if headers is None else headers)
    amending(rules)(request, head)
    found: dict[str, list[str]] = {}
    for name, value in head.headers:
        found.setdefault(name.decode().lower(), []).append(value.decode())
    return found


def test_a_request_without_origin_goes_on_and_its_answer_still_varies() -> None:
    request = a_request()

    assert deciding(ONE)(request) is request
    assert amended(ONE, request) == {"vary": ["Origin"]}


@pytest.mark.parametrize(
    ("rules", "origin", "expected"),
    [
        (ONE, SHOP, {"vary": ["Origin"], "access-control-allow-origin": [SHOP]}),
        (ONE, "https://evil.example", {"vary": ["Origin"]}),
        (ONE, "http://shop.example", {"vary": ["Origin"]}),
        (ONE, "null", {"vary": ["Origin"]}),
        (ANY, SHOP, {"access-control-allow-origin": ["*"]}),
        (BY_PATTERN, "https://eu.shop.example", {"vary": ["Origin"], "access-control-allow-origin": ["https://eu.shop.example"]}),
        (BY_PATTERN, SHOP, {"vary": ["Origin"], "access-control-allow-origin": [SHOP]}),
        (BY_PATTERN, "https://eu.shop.example.evil.example", {"vary": ["Origin"]}),
        (BY_PATTERN, "https://" + "a" * 600 + ".shop.example", {"vary": ["Origin"]}),
        (
            CorsRules(origins=(SHOP,), credentials=True, expose=("X-Total", "ETag")), SHOP,
            {
                "vary": ["Origin"], "access-control-allow-origin": [SHOP], "access-control-allow-credentials": ["true"],
                "access-control-expose-headers": ["X-Total, ETag"],
            },
        ),
        (
            CorsRules(origins=("*",), expose=("X-Total",)), SHOP,
            {"access-control-allow-origin": ["*"], "access-control-expose-headers": ["X-Total"]},
        ),
    ],
    ids=[
        "a listed origin", "another origin", "another scheme", "the null origin", "any origin", "one that matches",
        "a listed origin beside a pattern", "a pattern matches whole origins", "an origin of absurd length",
        "credentials and exposed headers", "exposed to all",
    ],
)  # fmt: skip
def test_the_fields_of_a_simple_response(rules: CorsRules, origin: str, expected: dict[str, list[str]]) -> None:
    request = a_request(origin=origin)

    assert deciding(rules)(request) is request
    assert amended(rules, request) == expected


def test_with_any_origin_the_fields_are_the_same_for_everybody() -> None:
    assert amended(ANY, a_request()) == {"access-control-allow-origin": ["*"]}


@pytest.mark.parametrize("origin", ["https://a\r\nx-forged: 1", "https://a b", "https://\xe9"])
def test_a_pattern_cannot_let_a_forged_field_into_the_answer(origin: str) -> None:
    rules = CorsRules(origin_regex=r"https://[\s\S]*")
    request = Request("GET", "/", headers=[(b"origin", origin.encode("latin-1"))])

    assert amended(rules, request) == {"vary": ["Origin"]}


@pytest.mark.parametrize(
    ("sent", "vary"),
    [
        ([], ["Origin"]),
        ([(b"Vary", b"Accept-Encoding")], ["Accept-Encoding, Origin"]),
        ([(b"vary", b"accept, ORIGIN")], ["accept, ORIGIN"]),
        ([(b"vary", b"*")], ["*"]),
        ([(b"vary", b"Accept"), (b"vary", b"Cookie")], ["Accept", "Cookie, Origin"]),
        ([(b"vary", b"")], ["", "Origin"]),
        ([(b"date", b"now"), (b"vary", b"Origin"), (b"vary", b"Cookie")], ["Origin", "Cookie"]),
    ],
    ids=["none", "another", "named already", "everything", "two fields", "an empty field", "named in one of two"],
)
def test_vary_names_the_origin_once(sent: HeaderList, vary: list[str]) -> None:
    assert amended(ONE, a_request(origin=SHOP), sent)["vary"] == vary


def test_with_any_origin_what_an_app_sent_is_replaced_too() -> None:
    assert amended(ANY, a_request(), [(b"access-control-allow-origin", SHOP.encode()), (b"vary", b"Cookie")]) == {
        "access-control-allow-origin": ["*"], "vary": ["Cookie"],
    }  # fmt: skip


@pytest.mark.parametrize("origin", [SHOP, "https://evil.example"], ids=["allowed", "not allowed"])
def test_what_an_app_sent_of_its_own_is_replaced(origin: str) -> None:
    sent = [
        (b"Access-Control-Allow-Origin", b"*"), (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"X-Own"), (b"content-type", b"text/plain"),
    ]  # fmt: skip
    found = amended(ONE, a_request(origin=origin), sent)

    assert found.get("access-control-allow-origin") == ([SHOP] if origin == SHOP else None)
    assert "access-control-allow-credentials" not in found
    assert found["access-control-expose-headers"] == ["X-Own"]


def test_a_preflight_is_answered_whole() -> None:
    rules = CorsRules(
        origins=(SHOP,), methods=("get", "POST"), headers=("X-Api-Key",), credentials=True, expose=("ETag",)
    )
    request = a_preflight(access_control_request_headers="x-api-key, content-type")
    answer = deciding(rules)(request)

    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == [
        (b"access-control-allow-origin", SHOP.encode()),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"X-Api-Key"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin"),
    ]
    before = list(answer.headers)
    amending(rules)(request, Head(answer.status, answer.headers))
    assert answer.headers == before


def test_two_answers_to_preflights_share_nothing_that_can_change() -> None:
    decide = deciding(ONE)
    first, second = decide(a_preflight()), decide(a_preflight())

    assert isinstance(first, Response)
    assert isinstance(second, Response)
    first.headers.append((b"x-id", b"1"))
    assert (b"x-id", b"1") not in second.headers


@pytest.mark.parametrize(
    ("rules", "request_", "detail"),
    [
        (ONE, a_preflight("https://evil.example"), "preflight: origin 'https://evil.example' is not allowed"),
        (ONE, a_preflight(method="TRACE"), "preflight: method 'TRACE' is not allowed"),
        (ONE, a_preflight(method="post"), "preflight: method 'post' is not allowed"),
        (ONE, a_preflight(**{WANTED: "x-api-key,x-other"}), "preflight: header 'x-other' is not allowed"),
        (
            CorsRules(origins=(SHOP,), headers=("*",)), a_preflight(**{WANTED: "x-any,Authorization"}),
            "preflight: header 'authorization' is not allowed",
        ),
        (
            ONE, a_preflight(access_control_request_private_network="true"),
            "preflight: requests from public to private networks are not allowed",
        ),
    ],
    ids=["origin", "method", "methods have casing", "header", "the wildcard is not Authorization", "private network"],
)  # fmt: skip
def test_a_preflight_that_is_not_allowed_is_refused_with_what_failed(
    rules: CorsRules, request_: Request, detail: str
) -> None:
    answer = deciding(rules)(request_)

    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.detail) == (Reason.CORS_REFUSED, detail)


@pytest.mark.parametrize(
    ("rules", "request_"),
    [
        (ANY, a_preflight()),
        (CorsRules(origins=(SHOP,), methods=("*",)), a_preflight(method="PURGE")),
        (
            CorsRules(origins=(SHOP,), headers=("*", "Authorization")),
            a_preflight(access_control_request_headers="x-y, authorization"),
        ),
        (CorsRules(origins=(SHOP,), headers=()), a_preflight(access_control_request_headers="accept,")),
        (BY_PATTERN, a_preflight("https://eu.shop.example")),
    ],
    ids=["any origin", "any method", "any header and Authorization", "safelisted headers", "by pattern"],
)
def test_a_preflight_that_is_allowed(rules: CorsRules, request_: Request) -> None:
    decide = deciding(rules)

    assert isinstance(decide(request_), Response)
    assert isinstance(decide(request_), Response)  # the second time from memory


def test_a_private_network_may_be_opened() -> None:
    answer = deciding(CorsRules(origins=(SHOP,), private_network=True))(
        a_preflight(access_control_request_private_network="true")
    )

    assert isinstance(answer, Response)
    assert answer.header("access-control-allow-private-network") == "true"


def test_lists_of_headers_are_remembered_within_bounds() -> None:
    decide = deciding(ONE)
    for number in range(1000):
        assert isinstance(decide(a_preflight(access_control_request_headers="accept," * number)), Response)


@pytest.mark.parametrize(
    "headers", [{"origin": SHOP}, {"access_control_request_method": "POST"}], ids=["no method", "no origin"]
)
def test_other_options_requests_go_on(headers: dict[str, str]) -> None:
    request = a_request("OPTIONS", **headers)

    assert deciding(ONE)(request) is request


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": SHOP}, True),
        ({"origin": "https://evil.example", "host": "api.example"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://api.example:8443", "host": "API.example:8443"}, True),
    ],
    ids=["no origin", "listed", "another", "another, without Host", "the same host"],
)
def test_enforcing_refuses_other_origins(headers: dict[str, str], allowed: bool) -> None:
    request = a_request("POST", **headers)
    answer = deciding(CorsRules(origins=(SHOP,), enforce=True))(request)

    assert (answer is request) == allowed
    assert allowed or (isinstance(answer, Refusal) and answer.reason is Reason.CORS_REFUSED)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (CorsRules(), "cors.origins: no origin is allowed"),
        (CorsRules(origin_regex=""), "cors.origins: no origin is allowed"),
        (
            CorsRules(origins=("*",), credentials=True),
            "cors.origins: '*' with credentials=True: any site could then act",
        ),
        (CorsRules(origins=(SHOP,), methods=("*",), credentials=True), "cors.methods: '*' with credentials=True"),
        (CorsRules(origins=(SHOP,), headers=("*",), credentials=True), "cors.headers: '*' with credentials=True"),
        (CorsRules(origins=(SHOP,), expose=("*",), credentials=True), "cors.expose: '*' with credentials=True"),
        (CorsRules(origins=("*", SHOP)), "cors.origins: '*' allows every origin"),
        (CorsRules(origins=("*",), origin_regex="x"), "cors.origins: '*' allows every origin"),
        (CorsRules(origins=("*",), enforce=True), "cors.enforce: there is nothing to enforce"),
        (CorsRules(origins=("null",)), "cors.origins: 'null' is the origin of every sandboxed page"),
        (CorsRules(origins=(SHOP + "/",)), "(did you mean 'https://shop.example'?)"),
        (CorsRules(origins=(SHOP + "/app",)), "an origin is scheme://host[:port] and nothing after it (did you mean"),
        (CorsRules(origins=("shop.example",)), "'shop.example' is no origin"),
        (
            CorsRules(origins=("https://shop.example:443",)),
            "browsers leave the default port out (did you mean 'https://shop.example'?)",
        ),
        (CorsRules(origins=("https://*.shop.example/",)), "Give a pattern as origin_regex="),
        (CorsRules(origin_regex="("), "cors.origin_regex: not a regular expression"),
        (CorsRules(origins=(SHOP,), methods=("GET, POST",)), "cors.methods: 'GET, POST' is no HTTP token"),
        (CorsRules(origins=(SHOP,), max_age_s=-1), "cors.max_age_s: -1 is not a number of seconds"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rules_that_cannot_be_meant_are_problems(rules: CorsRules, problem: str) -> None:
    assert any(problem in str(found) for found in rule_problems(rules))


def test_a_star_inside_an_origin_is_no_pattern() -> None:
    (problem,) = rule_problems(CorsRules(origins=("*.shop.example",)))

    assert "origin_regex" in str(problem)


def test_origins_are_compared_in_lower_case() -> None:
    rules = CorsRules(origins=("HTTPS://Shop.Example",))

    assert list(rule_problems(rules)) == []
    assert amended(rules, a_request(origin=SHOP))["access-control-allow-origin"] == [SHOP]


@given(st.binary(max_size=40), st.binary(max_size=20), st.one_of(st.none(), st.binary(max_size=40)))
def test_any_header_bytes_give_an_answer_and_only_listed_origins_are_named(
    origin: bytes, method: bytes, wanted: bytes | None
) -> None:
    headers = [(b"origin", origin), (b"access-control-request-method", method)]
    if wanted is not None:
        headers.append((b"access-control-request-headers", wanted))
    request = Request("OPTIONS", "/", headers=headers)
    answer, head = deciding(BY_PATTERN)(request), Head(200, [])
    amending(BY_PATTERN)(request, head)

    assert isinstance(answer, (Response, Refusal))
    assert [value for name, value in head.headers if name == b"access-control-allow-origin"] in ([], [SHOP.encode()])


def test_a_field_that_is_as_short_as_vary_stays_and_ours_come_behind() -> None:
    found = amended(ONE, a_request(origin=SHOP), [(b"etag", b'"1"')])

    assert found == {"etag": ['"1"'], "vary": ["Origin"], "access-control-allow-origin": [SHOP]}
