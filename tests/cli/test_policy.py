"""`gatewaykit policy simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

RESOURCE = """\
Version: "2012-10-17"
Statement:
  - Sid: Office
    Effect: Allow
    Principal: "*"
    Action: execute-api:Invoke
    Resource: execute-api:/*
    Condition: {IpAddress: {aws:SourceIp: 203.0.113.0/24}}
  - Sid: NoAdmin
    Effect: Deny
    Principal: "*"
    Action: execute-api:Invoke
    Resource: execute-api:/*/*/admin/*
"""
IDENTITY = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow", "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:*:*:*/prod/GET/users/${aws:username}",
    },
}  # fmt: skip
TABLE = """\
- {request: GET /pets, keys: {aws:SourceIp: 203.0.113.7}, expect: allow}
- {request: GET /pets, keys: {aws:SourceIp: [198.51.100.1]}, expect: implicit deny}
- {request: GET /admin/x, keys: {aws:SourceIp: 203.0.113.7}, expect: explicit deny}
- {resource: "arn:aws:execute-api:us-east-1:123456789012:local/prod/GET/", action: execute-api:Invoke, expect: deny}
"""
CSV = """\
request,principal,aws:SourceIp,aws:X,expect
GET /pets,,203.0.113.7,a|b,allow
GET /admin/x,,203.0.113.7,,deny
"""
ANN = "arn:aws:iam::123456789012:user/ann"
INSIDE = ("--key", "aws:SourceIp=203.0.113.9")


@pytest.fixture
def files(here: Path) -> Path:
    (here / "resource.yaml").write_text(RESOURCE)
    (here / "identity.json").write_text(json.dumps(IDENTITY))
    (here / "nothing.json").write_text(json.dumps({"Statement": []}))
    (here / "broken.json").write_text(
        '{"Statement": [\n  {"Effect": "Allow", "Action": "*", "Resource": "*",\n'
        '   "Condition": {"IpAddres": {}}},\n  7]}'
    )
    (here / "table.yaml").write_text(TABLE)
    (here / "table.csv").write_text(CSV)
    (here / "api.yaml").write_text(
        'openapi: 3.0.1\nx-amazon-apigateway-policy: {Version: "2012-10-17", Statement: []}\npaths: {}\n'
    )
    (here / "wrong.yaml").write_text("- {request: GET /pets, expect: allow}\n- {request: GET /admin/x, expect: deny}\n")
    return here


ONE = [
    (
        "allowed",
        ["resource.yaml", "--request", "GET", "/pets", *INSIDE],
        0,
        "allow",
        "Office of resource.yaml: IpAddress aws:SourceIp for '203.0.113.9'",
    ),
    (
        "not allowed",
        ["resource.yaml", "--request", "GET", "/pets"],
        1,
        "deny",
        "no resource policy allows it; nearest is Office of resource.yaml: "
        "IpAddress aws:SourceIp does not hold without such a key",
    ),
    ("denied", ["resource.yaml", "--request", "GET", "/admin/x", *INSIDE], 1, "deny", "NoAdmin of resource.yaml"),
    (
        "by a principal",
        ["identity.json", "--request", "GET", "/users/ann", "--principal", ANN],
        0,
        "allow",
        "statement 1 of identity.json",
    ),
    (
        "by another principal",
        ["identity.json", "--request", "GET", "/users/bob", "--principal", ANN],
        1,
        "deny",
        "no identity policy allows it",
    ),
    (
        "within a boundary",
        ["identity.json", "boundary=nothing.json", "--request", "GET", "/users/ann", "--principal", ANN],
        1,
        "deny",
        "no boundary allows it",
    ),
    (
        "by a resource",
        ["identity.json", "--resource", "arn:aws:execute-api:x:1:a/prod/GET/users/ann", "--key", "aws:username=ann"],
        0,
        "allow",
        "statement 1 of identity.json",
    ),
    (
        "another action",
        ["identity.json", "--request", "GET", "/users/ann", "--action", "execute-api:InvalidateCache"],
        1,
        "deny",
        "no identity policy allows it",
    ),
    (
        "another stage",
        ["identity.json", "--request", "GET", "/users/ann", "--stage", "test", "--principal", ANN],
        1,
        "deny",
        "no identity policy allows it",
    ),
    ("a definition", ["api.yaml", "--request", "GET", "/pets"], 1, "deny", "no resource policy allows it"),
    (
        "all of one kind",
        ["nothing.json", "--kind", "scp", "--request", "GET", "/", "--principal", ANN],
        1,
        "deny",
        "no scp allows it",
    ),
]


@pytest.mark.parametrize(("words", "code", "outcome", "decided"), [each[1:] for each in ONE], ids=[e[0] for e in ONE])
def test_one_request_is_allowed_or_denied_by_a_statement(
    run: Run, files: Path, words: list[str], code: int, outcome: str, decided: str
) -> None:
    ran = run("policy", "simulate", *words)

    assert (ran.code, ran.err) == (code, "")
    _, row = ran.out.splitlines()
    assert row.split()[0] == outcome
    assert row.endswith("  " + decided)


def test_json_has_all_that_decided(run: Run, files: Path) -> None:
    ran = run("policy", "simulate", "resource.yaml", "--request", "GET", "/pets", *INSIDE, "--json")

    assert json.loads(ran.out) == {
        "outcome": "allow", "explicit": True, "action": "execute-api:Invoke",
        "resource": "arn:aws:execute-api:us-east-1:123456789012:local/prod/GET/pets", "principal": None,
        "policy": "resource.yaml", "kind": "resource", "statement": "Office",
        "why": "IpAddress aws:SourceIp for '203.0.113.9'", "expected": None, "as_expected": True,
    }  # fmt: skip


@pytest.mark.parametrize("table", ["table.yaml", "table.csv"])
def test_a_table_that_is_as_expected_is_fine(run: Run, files: Path, table: str) -> None:
    ran = run("policy", "simulate", "resource.yaml", "--table", table)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("\nAll are as expected\n")


def test_what_is_not_as_expected_is_marked_and_ends_with_1(run: Run, files: Path) -> None:
    ran = run("policy", "simulate", "resource.yaml", "--table", "wrong.yaml")

    assert ran.code == 1
    assert "deny, not allow  GET /pets     anonymous  no resource policy allows it" in ran.out
    assert ran.out.endswith("\n1 of 2 are not as expected\n")


def test_a_table_as_json_counts_its_mismatches(run: Run, files: Path) -> None:
    ran = run("policy", "simulate", "resource.yaml", "--table", "wrong.yaml", "--json")

    told = json.loads(ran.out)
    assert (ran.code, told["mismatches"]) == (1, 1)
    assert [(each["expected"], each["outcome"], each["as_expected"]) for each in told["results"]] == [
        ("allow", "deny", False), ("deny", "deny", True),
    ]  # fmt: skip


MISTAKES = [
    (
        "nothing asked",
        ["resource.yaml"],
        "nothing is asked. Give --request METHOD PATH, --resource ARN, or --table FILE",
    ),
    (
        "no such file",
        ["none.json", "--request", "GET", "/"],
        "none.json: the file cannot be read: No such file or directory",
    ),
    (
        "two questions",
        ["resource.yaml", "--request", "GET", "/", "--resource", "*"],
        "--request and --resource both say what is asked for; give one",
    ),
    (
        "a table and a question",
        ["resource.yaml", "--table", "table.yaml", "--key", "a=b"],
        "--table asks its own questions; leave out --key",
    ),
    (
        "a key without a value",
        ["resource.yaml", "--request", "GET", "/", "--key", "aws:SourceIp"],
        "--key 'aws:SourceIp' is no NAME=VALUE. Write --key aws:SourceIp=192.0.2.1",
    ),
    (
        "nobody",
        ["resource.yaml", "--request", "GET", "/", "--principal", "ann"],
        "'ann' names no principal. Write the ARN of a user, a role or a session, or an account id",
    ),
    (
        "a kind of nobody",
        ["resorce=resource.yaml", "--request", "GET", "/"],
        "resorce=resource.yaml: there is no kind 'resorce' of policy (did you mean 'resource'?)",
    ),
    ("a path without a slash", ["resource.yaml", "--request", "GET", "x"], "the path 'x' does not begin with a slash"),
    (
        "an option misspelt",
        ["resource.yaml", "--requst", "GET", "/"],
        "gatewaykit policy: unrecognized arguments: --requst GET / (did you mean '--request'?). "
        "Try: gatewaykit policy --help",
    ),
    (
        "a verb misspelt",
        [],
        "gatewaykit policy: the following arguments are required: POLICY. Try: gatewaykit policy --help",
    ),
]


@pytest.mark.parametrize(("words", "told"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES])
def test_a_mistake_is_one_line(run: Run, files: Path, words: list[str], told: str) -> None:
    ran = run("policy", "simulate", *words)

    assert (ran.code, ran.out, ran.err) == (2, "", told + "\n")


def test_problems_of_a_policy_stand_on_their_lines(run: Run, files: Path) -> None:
    ran = run("policy", "simulate", "broken.json", "--request", "GET", "/")

    assert ran.code == 2
    assert ran.err.splitlines() == [
        "broken.json:3:18: Statement[0].Condition.IpAddres: is no condition operator (did you mean 'IpAddress'?)",
        "broken.json:4:3: Statement[1]: is no object but 7",
        "2 problems",
    ]


def test_problems_of_a_definitions_policy_stand_on_their_lines(run: Run, here: Path) -> None:
    (here / "api.yaml").write_text('openapi: 3.0.1\nx-amazon-apigateway-policy:\n  Statement:\n    - {Effect: "no"}\n')

    ran = run("policy", "simulate", "api.yaml", "--request", "GET", "/")

    assert ran.err.splitlines()[0].startswith("api.yaml:4:8: Statement[0].Effect: 'no' is neither")


ROWS = [
    ("no list", "a: 1", 't.yaml: the table is no list. Write "- request: GET /pets" and so on'),
    ("no rows", "[]", "t.yaml: the table has no rows"),
    ("no mapping", "- x", "t.yaml:1:3: the row is no mapping"),
    (
        "an unknown field",
        "- {request: GET /, expect: allow, key: {}}",
        "t.yaml:1:3: a row has no 'key' (did you mean 'keys'?)",
    ),
    (
        "no outcome",
        "- {request: GET /}",
        "t.yaml:1:3: the row says not what to expect. Write allow, deny, explicit deny, implicit deny",
    ),
    ("another outcome", "- {request: GET /, expect: alow}", "t.yaml:1:3: 'alow' is no outcome (did you mean 'allow'?)"),
    ("nothing asked", "- {expect: allow}", "t.yaml:1:3: the row needs a request or a resource, one of them"),
    (
        "no path",
        "- {request: GET, expect: allow}",
        "t.yaml:1:3: the request 'GET' is no METHOD and path. Write \"GET /pets\"",
    ),
    (
        "keys that are none",
        "- {request: GET /, expect: allow, keys: [1]}",
        "t.yaml:1:3: keys is no mapping. Write {aws:SourceIp: 192.0.2.1}",
    ),
    (
        "a key that is none",
        "- {request: GET /, expect: allow, keys: {a: {}}}",
        "t.yaml:1:3: the key 'a' is neither a text nor a list of texts",
    ),
    ("a number", "- {request: GET /, expect: allow, principal: 7}", "t.yaml:1:3: principal is no text"),
    (
        "nobody",
        "- {request: GET /, expect: allow, principal: ann}",
        "t.yaml:1:3: 'ann' names no principal. Write the ARN of a user, a role or a session, or an account id",
    ),
]


@pytest.mark.parametrize(("text", "told"), [each[1:] for each in ROWS], ids=[each[0] for each in ROWS])
def test_a_mistake_in_a_table_is_told_with_its_line(run: Run, files: Path, text: str, told: str) -> None:
    (files / "t.yaml").write_text(text)

    ran = run("policy", "simulate", "resource.yaml", "--table", "t.yaml")

    assert (ran.code, ran.out, ran.err) == (2, "", told + "\n")


CELLS = [
    ("no file", None, "--table t.csv: No such file or directory"),
    ("no UTF-8", b"\xff", "--table t.csv is not UTF-8 text"),
    ("cells too many", b"request,expect\nGET /,allow,x\n", "t.csv:2: the row has more cells than the heading"),
    ("an open quote", b'request,expect\n"GET /,allow\n', "t.csv:1: no CSV: unexpected end of data"),
    ("a row", b"request,expect\nGET /,alow\n", "t.csv:2: 'alow' is no outcome (did you mean 'allow'?)"),
    ("nothing", b"", "t.csv: the table has no rows"),
]


@pytest.mark.parametrize(("content", "told"), [each[1:] for each in CELLS], ids=[each[0] for each in CELLS])
def test_a_mistake_in_csv_is_told_with_its_line(run: Run, files: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (files / "t.csv").write_bytes(content)

    ran = run("policy", "simulate", "resource.yaml", "--table", "t.csv")

    assert (ran.code, ran.out, ran.err) == (2, "", told + "\n")
