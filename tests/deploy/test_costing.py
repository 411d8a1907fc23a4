"""Costs as they are written in a file."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError
from gatewaykit.deploy.configured_policies import build_policies
from gatewaykit.policies.cost import RequestCost, SettledCost
from gatewaykit.policies.throttle import Throttle

LIMIT = {"rate": 1, "burst": 5, "key": "address"}


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (3, int),
        ({"header": "X-Cost"}, RequestCost),
        ({"header": "X-Cost", "default": None, "most": 7}, RequestCost),
        ({"response_header": "X-Used", "reserve": 4}, SettledCost),
        ({"response_json": "$.usage.total_tokens", "reserve": 100, "most": 5000}, SettledCost),
    ],
)
def test_a_cost_is_read(written: Any, kind: type) -> None:
    (policy,) = build_policies([{"throttle": {**LIMIT, "cost": written}}], "policies")

    assert isinstance(policy, Throttle)
    assert isinstance(policy.cost, kind)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("many", "is no cost"),
        (True, "is no cost"),
        (-3, "is no cost"),
        ({}, "says not where"),
        ({"header": "a", "response_header": "b"}, "says not where"),
        ({"header": "X", "mots": 5}, "did you mean 'most'"),
        ({"header": "X", "reserve": 5}, "no 'reserve'"),
        ({"response_json": "$.a"}, "needs reserve"),
        ({"response_json": "$.a[*]", "reserve": -1}, "no whole number.*several values"),
    ],
)
def test_what_is_no_cost_is_a_problem_at_its_place(written: Any, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        build_policies([{"throttle": {**LIMIT, "cost": written}}], "policies")

    assert [problem.where for problem in caught.value.problems] == ["policies[0].throttle.cost"]
