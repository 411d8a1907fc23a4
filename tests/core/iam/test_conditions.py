"""Every operator, with values present, absent and repeated; what is wrong with conditions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.access import Keys
from gatewaykit.core.iam.conditions import OPERATORS, compile_conditions
from gatewaykit.core.iam.problems import Problems

ROLE = "arn:aws:iam::123456789012:role/ops/deploy"


def holds(block: Any, keys: dict[str, Any], *, denies: bool = False, variables: bool = True) -> bool:
    problems = Problems()
    conditions = compile_conditions(block, "Condition", problems, variables=variables, denies=denies)
    assert problems.all() == ()
    return all(condition.holds(Keys(keys, None, None, None)) for condition in conditions)


ONE_KEY = [
    # operator, the policy's values, the request's values, holds
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a*", "a*", True),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a", (), False),
    ("StringEquals", "a", ("b", "a"), True),
    ("StringEquals", True, "true", True),
    ("StringEquals", 7, "7", True),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", ["a", "b"], "c", True),
    ("StringNotEquals", "a", (), True),
    ("StringNotEquals", "a", ("b", "a"), False),
    ("StringEqualsIgnoreCase", "Straße", "STRAßE", True),
    ("StringEqualsIgnoreCase", "a", "b", False),
    ("StringNotEqualsIgnoreCase", "A", "a", False),
    ("StringNotEqualsIgnoreCase", "A", "b", True),
    ("StringLike", "*curl*", "a curl/8", True),
    ("StringLike", "?b", "ab", True),
    ("StringLike", "A*", "ab", False),
    ("StringLike", ["x", "a*"], "ab", True),
    ("StringLike", "*", (), False),
    ("StringNotLike", "a*", "ab", False),
    ("StringNotLike", "a*", "b", True),
    ("StringNotLike", "a*", (), True),
    ("NumericEquals", "10", "10.0", True),
    ("NumericEquals", ["1", "2"], "2", True),
    ("NumericEquals", 10, "x", False),
    ("NumericNotEquals", "10", "10", False),
    ("NumericNotEquals", "10", "11", True),
    ("NumericLessThan", "10", "9", True),
    ("NumericLessThan", "10", "10", False),
    ("NumericLessThan", ["10", "20"], "15", True),
    ("NumericLessThan", "10", "x", False),
    ("NumericLessThan", "10", (), False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericLessThanEquals", "10", "10.01", False),
    ("NumericGreaterThan", ["10", "20"], "15", True),
    ("NumericGreaterThan", "10", "10", False),
    ("NumericGreaterThanEquals", 1.5, "1.5", True),
    ("NumericGreaterThanEquals", 1.5, "1", False),
    ("DateEquals", "2026-01-01T00:00:00Z", "1767225600", True),
    ("DateEquals", "2026-01-01", "2026-01-02", False),
    ("DateNotEquals", "2026-01-01", "2026-01-02", True),
    ("DateNotEquals", "2026-01-01", "2026-01-01T00:00Z", False),
    ("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", True),
    ("DateLessThan", "2026-01-01", "2026-01-01", False),
    ("DateLessThanEquals", "2026-01-01", "2026-01-01", True),
    ("DateGreaterThan", "2026-01-01", "2026-01-01T00:00:01Z", True),
    ("DateGreaterThan", "2026-01-01", "x", False),
    ("DateGreaterThanEquals", "2026-01-01", "2026-01-01", True),
    ("Bool", "true", "TRUE", True),
    ("Bool", True, "true", True),
    ("Bool", "false", "true", False),
    ("Bool", "false", (), False),
    ("Bool", "true", "1", False),
    ("BinaryEquals", "aGk=", "aGk=", True),
    ("BinaryEquals", "aGk=", "aG8=", False),
    ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
    ("IpAddress", "10.0.0.0/8", "11.1.2.3", False),
    ("IpAddress", ["192.0.2.0/24", "2001:db8::/32"], "2001:db8::7", True),
    ("IpAddress", ["192.0.2.0/24", "2001:db8::/32"], "2001:db9::7", False),
    ("IpAddress", "10.0.0.0/8", "testclient", False),
    ("IpAddress", "0.0.0.0/0", (), False),
    ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
    ("NotIpAddress", ["10.0.0.0/8", "192.0.2.1"], "192.0.2.1", False),
    ("NotIpAddress", ["10.0.0.0/8", "192.0.2.1"], "192.0.2.2", True),
    ("NotIpAddress", "10.0.0.0/8", (), True),
    ("NotIpAddress", "10.0.0.0/8", "testclient", True),
    ("ArnEquals", "arn:aws:iam::*:role/ops/*", ROLE, True),
    ("ArnLike", ROLE, ROLE, True),
    ("ArnLike", "arn:aws:iam::123456789012:role/??/deploy", ROLE, False),
    ("ArnLike", "arn:aws:*:role/ops/deploy:x:y", ROLE, False),  # a * reaches into no other part
    ("ArnLike", ["arn:aws:iam::1:*", "arn:*:iam::123456789012:*"], ROLE, True),
    ("ArnLike", ["arn:aws:iam::1:*", "arn:*:iam::2:*"], ROLE, False),
    ("ArnLike", "arn:*:*:*:*:*", "no arn", False),
    ("ArnLike", "arn:*:*:*:*:*", "arn:aws:sns:us-east-1:1:a:b", True),
    ("ArnLike", "arn:*:*:*:*:*", (), False),
    ("ArnNotEquals", "arn:aws:iam::*:role/ops/*", ROLE, False),
    ("ArnNotLike", "arn:aws:iam::*:role/dev/*", ROLE, True),
    ("ArnNotLike", "arn:aws:iam::*:role/dev/*", (), True),
    ("Null", "true", (), True),
    ("Null", "true", "a", False),
    ("Null", "false", "a", True),
    ("Null", False, (), False),
    ("Null", ["true", "false"], (), True),
    ("StringEqualsIfExists", "a", (), True),
    ("StringEqualsIfExists", "a", "b", False),
    ("StringNotEqualsIfExists", "a", (), True),
    ("IpAddressIfExists", "10.0.0.0/8", (), True),
    ("IpAddressIfExists", "10.0.0.0/8", "11.0.0.1", False),
    ("BoolIfExists", "false", (), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("x", "b"), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("x", "y"), False),
    ("ForAnyValue:StringEquals", "a", (), False),
    ("ForAnyValue:StringEqualsIfExists", "a", (), True),
    ("ForAnyValue:StringNotEquals", "a", ("a", "b"), True),
    ("ForAnyValue:StringNotEquals", "a", ("a", "a"), False),
    ("ForAnyValue:StringNotEquals", "a", (), False),
    ("ForAnyValue:StringLike", "o-*/r-*/ou-1/*", ("o-1/r-1/ou-1/", "o-1/r-1/ou-2/"), True),
    ("ForAnyValue:NumericLessThan", "5", ("x", "4"), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("b", "a"), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("b", "c"), False),
    ("ForAllValues:StringEquals", "a", (), True),
    ("ForAllValues:StringLikeIfExists", "a*", (), True),
    ("ForAllValues:StringNotEquals", ["a", "b"], ("c", "d"), True),
    ("ForAllValues:StringNotEquals", ["a", "b"], ("c", "a"), False),
    ("ForAllValues:StringNotEquals", "a", (), True),
    ("forallvalues:stringequalsifexists", "a", "a", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "values", "given_", "expected"), ONE_KEY, ids=[f"{o} {v}-{g}" for o, v, g, _ in ONE_KEY]
)
def test_an_operator_holds_or_does_not(operator: str, values: Any, given_: Any, expected: bool) -> None:
    assert holds({operator: {"aws:Some": values}}, {"aws:some": given_}) is expected


def test_every_operator_stands_in_the_table() -> None:
    assert {row[0] for row in ONE_KEY} >= set(OPERATORS)


def test_operators_and_keys_are_joined_by_and() -> None:
    block = {"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}}

    assert holds(block, {"a": "1", "b": "2", "c": "true"})
    for missing in "abc":
        assert not holds(
            block, {name: value for name, value in zip("abc", ("1", "2", "true"), strict=True) if name != missing}
        )


VARIABLES = [
    ("StringEquals", "${who}", {"k": "ann", "who": "ann"}, True, True),
    ("StringEquals", "${who}", {"k": "bob", "who": "ann"}, False, False),
    ("StringEquals", "${who}", {"k": "bob"}, False, False),
    ("StringEquals", "${who, 'bob'}", {"k": "bob"}, True, True),
    ("StringEquals", ["${who}", "bob"], {"k": "bob"}, True, True),
    ("StringLike", "${who}/*", {"k": "ann/1", "who": "ann"}, True, True),
    ("StringLike", "${who}/*", {"k": "xyz/1", "who": "*"}, False, False),  # what a variable gives is literal
    ("StringLike", "a${*}", {"k": "a*"}, True, True),
    ("StringLike", "a${*}", {"k": "ab"}, False, False),
    ("StringLike", "a${?}${$}", {"k": "a?$"}, True, True),
    ("StringNotEquals", "${who}", {"k": "bob", "who": "ann"}, True, True),
    ("StringNotEquals", "${who}", {"k": "bob"}, False, True),  # nothing to compare with: the stricter reading
    ("ArnLike", "arn:aws:iam::${account}:role/*", {"k": ROLE, "account": "123456789012"}, True, True),
    ("ArnEquals", "${arn}", {"k": ROLE, "arn": ROLE}, True, True),
    ("ArnEquals", "${arn}", {"k": ROLE, "arn": "x"}, False, False),
    ("ForAllValues:StringEquals", "${who}", {"k": ("a", "a"), "who": "a"}, True, True),
    ("StringEquals", "${who}", {"k": "a", "who": ("a", "b")}, False, False),  # of several values, none is meant
]


@pytest.mark.parametrize(
    ("operator", "values", "keys", "allows", "denies"), VARIABLES, ids=[f"{o} {v} {k}" for o, v, k, _, _ in VARIABLES]
)
def test_variables_stand_for_condition_keys(
    operator: str, values: Any, keys: dict[str, Any], allows: bool, denies: bool
) -> None:
    assert holds({operator: {"k": values}}, keys) is allows
    assert holds({operator: {"k": values}}, keys, denies=True) is denies


def test_an_older_policy_has_no_variables() -> None:
    assert holds({"StringEquals": {"k": "${who}"}}, {"k": "${who}", "who": "ann"}, variables=False)


OPERATOR, KEYS = "is no condition operator", "is no object of keys and values"
VALUES, NULL = "is neither a value nor a list of values", "Null takes neither a set operator nor IfExists"
SHORT, OPEN = "is no ARN: it has less than six parts, and would fit nothing", "begins no variable: its '}' is missing"
NO_VARIABLE = "is no variable; write ${key} or ${key, 'default'}"
WRONG = [
    ("x", "Condition", "is no object", ""),
    ({"IpAddres": {"k": "::1"}}, "Condition.IpAddres", OPERATOR, "IpAddress"),
    ({"ForAnyValues:Bool": {"k": "a"}}, "Condition.ForAnyValues:Bool", OPERATOR, "ForAnyValue:Bool"),
    ({"NullIfExists": {"k": "true"}}, "Condition.NullIfExists", NULL, ""),
    ({"ForAnyValue:Null": {"k": "true"}}, "Condition.ForAnyValue:Null", NULL, ""),
    ({"Zzzzzzzzzzzz": {"k": "true"}}, "Condition.Zzzzzzzzzzzz", OPERATOR, ""),
    ({"StringEquals": "a"}, "Condition.StringEquals", KEYS, ""),
    ({"StringEquals": {}}, "Condition.StringEquals", KEYS, ""),
    ({"StringEquals": {"": "a"}}, "Condition.StringEquals.", "is no name of a condition key", ""),
    ({"StringEquals": {"k": {"a": 1}}}, "Condition.StringEquals.k", VALUES, ""),
    ({"StringEquals": {"k": None}}, "Condition.StringEquals.k", VALUES, ""),
    ({"StringEquals": {"k": []}}, "Condition.StringEquals.k", "has no values", ""),
    ({"NumericEquals": {"k": float("nan")}}, "Condition.NumericEquals.k", VALUES, ""),
    ({"NumericEquals": {"k": "ten"}}, "Condition.NumericEquals.k", "'ten' is no number", ""),
    (
        {"DateEquals": {"k": "soon"}},
        "Condition.DateEquals.k",
        "'soon' is no date (ISO 8601, or seconds since 1970)",
        "",
    ),
    ({"Bool": {"k": "yes"}}, "Condition.Bool.k", "'yes' is no 'true' or 'false'", ""),
    ({"Null": {"k": "yes"}}, "Condition.Null.k", "'yes' is no 'true' or 'false'", ""),
    ({"IpAddress": {"k": "10.0.0"}}, "Condition.IpAddress.k", "'10.0.0' is no address or network", ""),
    ({"BinaryEquals": {"k": "?"}}, "Condition.BinaryEquals.k", "'?' is no Base64", ""),
    ({"ArnLike": {"k": "*"}}, "Condition.ArnLike.k", f"'*' {SHORT}", ""),
    ({"StringLike": {"k": "${who"}}, "Condition.StringLike.k", f"'${{' at character 1 {OPEN}", ""),
    ({"StringLike": {"k": "${}"}}, "Condition.StringLike.k", f"${{}} {NO_VARIABLE}", ""),
]


@pytest.mark.parametrize(("block", "where", "what", "near"), WRONG, ids=[str(block) for block, *_ in WRONG])
def test_what_is_wrong_is_told_with_its_place(block: Any, where: str, what: str, near: str) -> None:
    problems = Problems()

    compile_conditions(block, "Condition", problems, variables=True, denies=False)

    (problem,) = problems.all()
    assert (problem.where, problem.what, problem.near) == (where, what, near)


@given(
    st.sampled_from([*OPERATORS, *(f"{o}IfExists" for o in OPERATORS if o != "Null"), "ForAnyValue:StringLike"]),
    st.lists(st.text(max_size=12), min_size=1, max_size=3),
    st.lists(st.text(max_size=12), max_size=3),
)
def test_any_values_give_an_answer_or_a_problem(operator: str, values: list[str], given_: list[str]) -> None:
    problems = Problems()

    conditions = compile_conditions({operator: {"k": values}}, "Condition", problems, variables=True, denies=True)

    assert len(conditions) + len(problems.all()) == 1
    for condition in conditions:
        assert condition.holds(Keys({"k": given_}, None, None, None)) in (True, False)


@given(
    st.sampled_from(["StringEquals", "StringLike", "StringEqualsIgnoreCase"]),
    st.text("ab*?", max_size=5),
    st.text("abAB", max_size=5),
)
def test_a_negated_operator_is_the_opposite_where_the_key_is_there(operator: str, value: str, given_: str) -> None:
    negated = operator.replace("String", "StringNot")

    assert holds({operator: {"k": value}}, {"k": given_}) is not holds({negated: {"k": value}}, {"k": given_})
