"""Usage plans and the throttling hierarchy: the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.usage_plan import (
    UNTOUCHED,
    ApiStage,
    UsagePlan,
    levels,
    method_key,
    method_limit,
    plan_problems,
    plans_of_stage,
    stage_problems,
)

ONE, TWO, THREE, FOUR = (Bucket(float(rate), rate) for rate in (1, 2, 3, 4))
DAILY = Quota(100, "DAY")


def test_the_levels_stand_in_the_order_of_the_developer_guide() -> None:
    at = ApiStage("shop", "prod", {"GET /pets": ONE})
    plan = UsagePlan("basic", throttle=TWO, quota=DAILY, stages=(at,))

    found = levels((plan, at), "shop/prod", "GET /pets", THREE, ("123/us-east-1", FOUR))

    assert [(level.name, level.limit, level.per_key) for level in found] == [
        ("plan basic GET /pets", ONE, True), ("plan basic", TWO, True), ("plan basic quota", DAILY, True),
        ("method GET /pets", THREE, False), ("account", FOUR, False),
    ]  # fmt: skip
    assert [level.store_name for level in found] == [
        "plan:basic:shop/prod/GET /pets", "plan:basic", "plan:basic", "stage:shop/prod/GET /pets",
        "account:123/us-east-1",
    ]  # fmt: skip


def test_what_is_not_limited_is_no_level() -> None:
    at = ApiStage()

    assert levels((UsagePlan("free", stages=(at,)), at), "shop/prod", "GET /pets", None, None) == ()
    assert levels(None, "shop/prod", "GET /pets", None, None) == ()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"*/*": ONE}, ONE),
        ({"*/*": ONE, "GET /pets": TWO}, TWO),
        ({"GET /other": TWO}, None),
    ],
    ids=["none", "every method's", "its own", "another's"],
)
def test_a_methods_own_settings_take_the_place_of_every_methods(
    settings: dict[str, Bucket], expected: Bucket | None
) -> None:
    assert method_limit(settings, "GET /pets") == expected


def test_an_untouched_method_has_the_limit_of_row_119() -> None:
    assert Bucket(10000.0, 5000) == UNTOUCHED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/pets/{id}/GET", "GET /pets/{id}"),
        ("pets/get", "GET /pets"),
        ("/~1pets~1{petId}/GET", "GET /pets/{petId}"),
        ("~1pets/GET", "GET /pets"),
        ("/a~0b/GET", "GET /a~b"),
        ("//GET", "GET /"),
        ("/GET", "GET /"),
        ("GET /pets/{id}", "GET /pets/{id}"),
        ("get pets", "GET /pets"),
        ("*/*", "*/*"),
        ("/*/*", "*/*"),
        ("", None),
        ("pets", None),
        ("/pets/", None),
        ("/pets/GET POST", None),
    ],
)
def test_how_methods_are_named(text: str, expected: str | None) -> None:
    assert method_key(text) == expected


@given(st.text())
def test_any_text_names_a_method_or_none(text: str) -> None:
    key = method_key(text)

    assert key is None or key == "*/*" or key.partition(" ")[2].startswith("/")


def test_a_stage_finds_the_plans_that_hold_it() -> None:
    here, anywhere, other = ApiStage("shop", "prod"), ApiStage(), ApiStage("shop", "dev")
    plans = [UsagePlan("a", stages=(here,)), UsagePlan("b", stages=(other, anywhere)), UsagePlan("c", stages=(other,))]

    assert plans_of_stage(plans, "shop", "prod") == [(plans[0], here), (plans[1], anywhere)]


def test_what_is_wrong_with_plans() -> None:
    many = {f"GET /{number}": ONE for number in range(21)}
    plans = [
        UsagePlan("twice", stages=(ApiStage("a", "b"), ApiStage("a", "b"))),
        UsagePlan("many", stages=(ApiStage("a", "b", many),)),
        *(UsagePlan(f"p{number}", keys=("k", "k")) for number in range(12)),
    ]

    assert [(path, problem.what) for path, problem in plan_problems(plans)] == [
        (("twice", "stages", 1), "plan 'twice' holds the stage 'b' twice"),
        (("many", "stages", 0, "throttle"), "plan 'many' limits 21 methods of stage 'b'; 20 may be"),
        (("p10", "keys"), "key 'k' is in more than 10 plans"),
    ]


def test_a_stage_sees_one_plan_of_a_key() -> None:
    plans = [
        UsagePlan("a", stages=(ApiStage("shop", "prod"),), keys=("k", "x")),
        UsagePlan("b", stages=(ApiStage(),), keys=("k", "y")),
        UsagePlan("c", stages=(ApiStage("shop", "dev"),), keys=("k",)),
    ]

    assert [problem.what for problem in stage_problems(plans, "shop", "prod")] == [
        "key 'k' is in the plans 'a' and 'b', and both hold the stage 'prod'"
    ]
    assert list(stage_problems(plans[::2], "shop", "prod")) == []
