"""Policy documents: everything wrong with one at once, each with its path; and what no document can do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.iam.access import Access, Principal
from gatewaykit.core.iam.document import MAX_RESOURCE_POLICY
from gatewaykit.core.iam.policy import KINDS, CompiledPolicy, Effect, compile_policy

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2/prod/GET/pets"


def statement(**changes: Any) -> dict[str, Any]:
    whole = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*", **changes}
    return {name: value for name, value in whole.items() if value is not None}


def document(*statements: Any, **changes: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **changes}


def resource(**changes: Any) -> dict[str, Any]:
    return statement(Principal="*", **changes)


WRONG: list[tuple[str, Any, str, list[tuple[str, str, str]]]] = [
    (
        "no JSON",
        "{",
        "identity",
        [
            (
                "",
                "the policy is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
                "",
            )
        ],
    ),
    ("no object", "[]", "identity", [("", "the policy is no object but []", "")]),
    ("a null", None, "identity", [("", "the policy is no object but None", "")]),
    (
        "an unknown element",
        document(statement(), Statment=[]),
        "identity",
        [("Statment", "is no element of a policy", "Statement")],
    ),
    (
        "another version",
        document(statement(), Version="2012-10-16"),
        "identity",
        [("Version", "'2012-10-16' is no version of the language", "2012-10-17")],
    ),
    ("an Id that is no text", document(statement(), Id=7), "identity", [("Id", "is no text", "")]),
    ("no statement", {}, "identity", [("Statement", "is missing", "")]),
    (
        "a statement that is text",
        {"Statement": "x"},
        "identity",
        [("Statement", "is neither an object nor a list of objects", "")],
    ),
    ("a statement in a list that is text", document("x"), "identity", [("Statement[0]", "is no object but 'x'", "")]),
    (
        "an unknown part",
        document(statement(Actions="*")),
        "identity",
        [("Statement[0].Actions", "is no element of a statement", "Action")],
    ),
    ("no effect", document(statement(Effect=None)), "identity", [("Statement[0].Effect", "is missing", "")]),
    (
        "another effect",
        document(statement(Effect="allow")),
        "identity",
        [("Statement[0].Effect", "'allow' is neither 'Allow' nor 'Deny'", "Allow")],
    ),
    ("a Sid that is no text", document(statement(Sid=1)), "identity", [("Statement[0].Sid", "is no text", "")]),
    (
        "a Sid twice",
        document(statement(Sid="a"), statement(Sid="a")),
        "identity",
        [("Statement[1].Sid", "two statements have the Sid 'a'", "")],
    ),
    (
        "no action",
        document(statement(Action=None)),
        "identity",
        [("Statement[0]", "has neither Action nor NotAction", "")],
    ),
    (
        "both action forms",
        document(statement(NotAction="*")),
        "identity",
        [("Statement[0]", "has both Action and NotAction", "")],
    ),
    (
        "an empty list of actions",
        document(statement(Action=[])),
        "identity",
        [("Statement[0].Action", "is an empty list", "")],
    ),
    (
        "an action that is no text",
        document(statement(Action=[7])),
        "identity",
        [("Statement[0].Action[0]", "7 is no text", "")],
    ),
    (
        "an action without a service",
        document(statement(Action="Invoke")),
        "identity",
        [("Statement[0].Action", "'Invoke' is no action", "")],
    ),
    (
        "an action there is not",
        document(statement(Action="execute-api:Invok")),
        "identity",
        [("Statement[0].Action", "'execute-api:Invok' is no action of API Gateway", "execute-api:Invoke")],
    ),
    (
        "no resource",
        document(statement(Resource=None)),
        "identity",
        [("Statement[0]", "has neither Resource nor NotResource", "")],
    ),
    (
        "a resource that is no ARN",
        document(statement(Resource="/pets")),
        "identity",
        [("Statement[0].Resource", "'/pets' is no ARN", "")],
    ),
    (
        "a short ARN in an identity policy",
        document(statement(Resource="execute-api:/*")),
        "identity",
        [("Statement[0].Resource", "'execute-api:/*' is no ARN", "")],
    ),
    (
        "a variable too early",
        document(statement(Resource="arn:aws:execute-api:${aws:x}:1:a/b")),
        "identity",
        [("Statement[0].Resource", "a variable stands before the fifth colon", "")],
    ),
    (
        "a variable that is open",
        document(statement(Resource="arn:aws:execute-api:r:1:a/${b")),
        "identity",
        [("Statement[0].Resource", "'${' at character 27 begins no variable: its '}' is missing", "")],
    ),
    (
        "no principal",
        document(statement()),
        "resource",
        [("Statement[0]", "has neither Principal nor NotPrincipal", "")],
    ),
    (
        "a principal where none belongs",
        document(resource()),
        "identity",
        [("Statement[0].Principal", "only a resource policy names principals", "")],
    ),
    (
        "a condition that is none",
        document(statement(Condition=[])),
        "identity",
        [("Statement[0].Condition", "is no object", "")],
    ),
    (
        "a statement that is an object",
        {"Statement": statement(Effect="no")},
        "identity",
        [("Statement.Effect", "'no' is neither 'Allow' nor 'Deny'", "")],
    ),
    (
        "many things",
        document(resource(Effect="Alow", Action=["x"], Resource="y", Condition={"IpAddres": {"k": "::"}})),
        "resource",
        [
            ("Statement[0].Effect", "'Alow' is neither 'Allow' nor 'Deny'", "Allow"),
            ("Statement[0].Condition.IpAddres", "is no condition operator", "IpAddress"),
            ("Statement[0].Resource", "'y' is no ARN", ""),
            ("Statement[0].Action[0]", "'x' is no action", ""),
        ],
    ),
    (
        "names that stand twice",
        '{"Statement": [], "Statement": [], "Statement": []}',
        "identity",
        [("", "'Statement' stands twice in one object", "")] * 2,
    ),
    (
        "a path that cannot be printed",
        document(statement(**{"\x1b[2J" * 50: 1})),
        "identity",
        [("Statement[0]." + repr("\x1b[2J" * 50)[:100] + "…", "is no element of a statement", "")],
    ),
]


@pytest.mark.parametrize(("given_", "kind", "expected"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_everything_wrong_is_told_with_its_path(given_: Any, kind: Any, expected: list[tuple[str, str, str]]) -> None:
    problems = compile_policy(given_, name="p", kind=kind)

    assert isinstance(problems, tuple)
    assert [(each.where, each.what, each.near) for each in problems] == expected


def test_of_very_many_problems_a_hundred_are_told() -> None:
    problems = compile_policy(document(*[{}] * 500), name="p")

    assert isinstance(problems, tuple)
    assert (len(problems), problems[-1].what) == (101, "and 1400 more problems")


def test_a_resource_policy_has_a_size_that_blanks_do_not_count_in() -> None:
    fits = [resource(Resource=ARN)] * 50
    padded = json.dumps(document(*fits), indent=40)

    assert len(padded) > MAX_RESOURCE_POLICY
    assert isinstance(compile_policy(padded, name="p", kind="resource"), CompiledPolicy)
    problems = compile_policy(document(*fits, *fits), name="p", kind="resource")
    assert isinstance(problems, tuple)
    assert [each.what for each in problems] == [
        f"the policy has 14038 characters; a resource policy may have {MAX_RESOURCE_POLICY}"
    ]
    assert isinstance(compile_policy(document(*[statement()] * 100), name="p"), CompiledPolicy)


def test_a_document_that_cannot_be_measured_is_told_by_its_own_problems() -> None:
    circle: dict[str, Any] = document(resource())
    circle["Id"] = circle

    problems = compile_policy(circle, name="p", kind="resource")

    assert isinstance(problems, tuple)
    assert [each.where for each in problems] == ["Id"]


MATCHES: list[tuple[str, dict[str, Any], str, str, bool]] = [
    ("any casing of an action", {"Action": "EXECUTE-API:INVOKE"}, "execute-api:Invoke", ARN, True),
    ("another action", {"Action": "execute-api:Invoke"}, "execute-api:InvalidateCache", ARN, False),
    ("a wildcard in an action", {"Action": ["execute-api:Inv*"]}, "execute-api:InvalidateCache", ARN, True),
    ("an action of no API", {"Action": "s3:Get*"}, "s3:GetObject", ARN, True),
    ("every action", {"Action": "*"}, "s3:GetObject", ARN, True),
    ("NotAction", {"Action": None, "NotAction": "execute-api:Invoke"}, "execute-api:InvalidateCache", ARN, True),
    ("NotAction of it", {"Action": None, "NotAction": "execute-api:*"}, "execute-api:Invoke", ARN, False),
    ("the very resource", {"Resource": ARN}, "execute-api:Invoke", ARN, True),
    ("any casing of a resource", {"Resource": ARN.upper().replace("ARN:", "arn:")}, "execute-api:Invoke", ARN, False),
    ("a run across slashes and colons", {"Resource": "arn:aws:*pets"}, "execute-api:Invoke", ARN, True),
    ("one of several", {"Resource": ["arn:aws:s3:::x", f"{ARN[:-4]}????"]}, "execute-api:Invoke", ARN, True),
    ("NotResource", {"Resource": None, "NotResource": f"{ARN}/*"}, "execute-api:Invoke", ARN, True),
    ("NotResource of it", {"Resource": None, "NotResource": f"{ARN[:-2]}*"}, "execute-api:Invoke", ARN, False),
    ("a variable", {"Resource": ARN[:-4] + "${aws:username}"}, "execute-api:Invoke", ARN, True),
    (
        "a variable among others",
        {"Resource": ["arn:aws:s3:::x", ARN[:-4] + "${aws:username}"]},
        "execute-api:Invoke",
        ARN,
        True,
    ),
    ("a variable of another value", {"Resource": ARN[:-4] + "${aws:userid}"}, "execute-api:Invoke", ARN, False),
    ("a variable with a default", {"Resource": ARN[:-4] + "${aws:x, 'pets'}"}, "execute-api:Invoke", ARN, True),
    ("a variable without a value", {"Resource": ARN[:-4] + "${aws:x}"}, "execute-api:Invoke", ARN, False),
    (
        "NotResource and a variable",
        {"Resource": None, "NotResource": ARN[:-4] + "${aws:userid}"},
        "execute-api:Invoke",
        ARN,
        True,
    ),
    (
        "NotResource and a variable of it",
        {"Resource": None, "NotResource": ARN[:-4] + "${aws:username}"},
        "execute-api:Invoke",
        ARN,
        False,
    ),
    (
        "NotResource and no value",
        {"Resource": None, "NotResource": ARN[:-4] + "${aws:x}"},
        "execute-api:Invoke",
        ARN,
        False,
    ),
    (
        "NotResource of it and no value",
        {"Resource": None, "NotResource": [ARN, ARN + "${aws:x}"]},
        "execute-api:Invoke",
        ARN,
        False,
    ),
]


@pytest.mark.parametrize(
    ("changes", "action", "where", "expected"), [each[1:] for each in MATCHES], ids=[each[0] for each in MATCHES]
)
def test_a_statement_is_about_actions_and_resources(
    changes: dict[str, Any], action: str, where: str, expected: bool
) -> None:
    pets = Principal(arn="arn:aws:iam::123456789012:user/pets", account="123456789012", name="pets", user_id="AIDAX")
    policy = compile_policy(document(statement(**changes)), name="p")
    assert isinstance(policy, CompiledPolicy)

    verdict = policy.evaluate(Access(action, where, pets))

    assert (verdict.effect is Effect.ALLOW) is expected


SHORT = [
    ("execute-api:/*", ARN, True, True),
    ("execute-api:/prod/GET/pets", ARN, True, True),
    ("execute-api:/prod/*/pets", ARN, True, True),
    ("execute-api:/test/*", ARN, False, False),
    ("execute-api:/*", ARN.replace("a1b2", "c3d4"), False, True),
    ("execute-api:/prod/GET/x", ARN.replace("pets", "prod/GET/x"), False, False),  # the stage inside a path is no stage
    ("execute-api:/*", "no arn/x", False, False),
]


@pytest.mark.parametrize(
    ("short", "where", "known", "unknown"), SHORT, ids=[f"{each[0]} {each[1][36:]}" for each in SHORT]
)
def test_the_short_form_stands_for_this_api_or_where_it_is_not_known_for_any(
    short: str, where: str, known: bool, unknown: bool
) -> None:
    for facts, expected in ((ApiFacts(api_id="a1b2"), known), (None, unknown)):
        policy = compile_policy(document(resource(Resource=[short])), name="p", kind="resource", facts=facts)
        assert isinstance(policy, CompiledPolicy)

        assert (policy.evaluate(Access("execute-api:Invoke", where)).effect is Effect.ALLOW) is expected


@pytest.mark.parametrize(("effect", "expected"), [("Allow", Effect.ALLOW), ("Deny", Effect.DENY)])
def test_a_statement_may_say_who_is_not_meant(effect: str, expected: Effect) -> None:
    nobody = {"AWS": "arn:aws:iam::123456789012:user/ann"}
    policy = compile_policy(document(statement(Effect=effect, NotPrincipal=nobody)), name="p", kind="resource")
    assert isinstance(policy, CompiledPolicy)

    assert policy.evaluate(Access("execute-api:Invoke", ARN)).effect is expected


def test_without_a_version_dollars_are_dollars() -> None:
    policy = compile_policy({"Statement": statement(Resource="arn:aws:s3:::${x}")}, name="p")
    assert isinstance(policy, CompiledPolicy)

    assert policy.evaluate(Access("execute-api:Invoke", "arn:aws:s3:::${x}")).effect is Effect.ALLOW


_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("*"))
_names = st.one_of(
    st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Principal", "Condition", "AWS", "Null"]),
    st.text(max_size=4),
)
_json = st.recursive(
    _scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=4))
)


@given(st.one_of(_json, st.builds(lambda s: {"Version": "2012-10-17", "Statement": s}, _json)), st.sampled_from(KINDS))
def test_any_json_gives_a_policy_or_problems(given_: Any, kind: Any) -> None:
    found = compile_policy(given_, name="p", kind=kind)

    if isinstance(found, CompiledPolicy):
        assert found.evaluate(Access("execute-api:Invoke", ARN)).effect in Effect
    else:
        assert found
        assert all(str(problem).isprintable() or "\n" not in problem.where for problem in found)


@given(st.text())
def test_any_text_gives_a_policy_or_problems(text: str) -> None:
    assert compile_policy(text, name="p")


@pytest.mark.timeout(60)
def test_ten_thousand_statements_are_read_and_asked_in_linear_time() -> None:
    path = "*a" * 20 + "?b" * 20
    many = [statement(Resource=f"arn:aws:execute-api:*:*:*/{number}{path}") for number in range(10_000)]
    policy = compile_policy(json.dumps(document(*many)), name="p")
    assert isinstance(policy, CompiledPolicy)

    verdict = policy.evaluate(Access("execute-api:Invoke", "arn:aws:execute-api:r:1:a/9999" + "a" * 1500))

    assert verdict.effect is Effect.SILENT


@pytest.mark.timeout(10)
def test_nesting_without_end_is_no_policy() -> None:
    assert isinstance(compile_policy('{"Statement":' * 100_000, name="p"), tuple)
