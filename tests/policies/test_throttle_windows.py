"""Throttles that count in windows."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Head, Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.policies import by
from gatewaykit.policies.throttle import throttle
from gatewaykit.ports import Policy, Runtime

WINDOWS = ("fixed_window", "moving_window", "sliding_window")


def ask(bound: Policy) -> Request | Refusal:
    assert bound.on_request is not None
    answer = bound.on_request(Request("GET", "/"))
    assert isinstance(answer, (Request, Refusal))
    return answer


@pytest.mark.parametrize(
    ("algorithm", "retry_after"), [("fixed_window", 15), ("moving_window", 60), ("sliding_window", 45)], ids=WINDOWS
)
def test_the_period_of_the_rate_is_the_window(
    runtime: Runtime, clock: VirtualClock, algorithm: Any, retry_after: int
) -> None:
    bound = throttle(rate="2/minute", key=by.address, algorithm=algorithm, name="w", headers=True).bind(runtime)
    clock.advance(45)
    first, _, refusal = (ask(bound) for _ in range(3))

    assert isinstance(first, Request)
    head = Head(200, [])
    assert bound.on_head is not None
    bound.on_head(first, head)
    assert head.headers[0] == (b"ratelimit-policy", b'"w";q=2;w=60')
    assert head.headers[1][1].startswith(b'"w";r=1;t=')
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.THROTTLED
    assert refusal.headers == (
        (b"ratelimit-policy", b'"w";q=2;w=60'),
        (b"ratelimit", b'"w";r=0;t=%d' % retry_after),
        (b"retry-after", b"%d" % retry_after),
    )
    assert refusal.detail.startswith(f"w: over 2 requests in a {algorithm.partition('_')[0]} window of 60 s; next in ")
    clock.advance(retry_after)
    assert isinstance(ask(bound), Request)


@pytest.mark.parametrize(
    ("rate", "policy"),
    [
        (5, b'"w";q=5;w=1'),
        ("100/15 minutes", b'"w";q=100;w=900'),
        ("3/250ms", b'"w";q=3;w=1'),
        ("0/day", b'"w";q=0;w=86400'),
    ],
    ids=["a number is a second's", "several minutes", "less than a second", "none"],
)
def test_what_the_policy_field_says(runtime: Runtime, rate: Any, policy: bytes) -> None:
    bound = throttle(rate=rate, key=by.address, algorithm="moving_window", name="w").bind(runtime)
    answers = [ask(bound) for _ in range(101)]

    refusal = answers[-1]
    assert isinstance(refusal, Refusal)
    assert refusal.headers[0] == (b"ratelimit-policy", policy)


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"rate": 1}, ["throttle.burst: burst= is required: a token bucket holds the requests that may come at once"]),
        (
            {"rate": "100/minute", "burst": 10, "algorithm": "moving_window"},
            ["throttle.burst: a moving_window has no burst: all it allows in a window may come at once"],
        ),
        (
            {"rate": 1.5, "algorithm": "fixed_window"},
            ["throttle.rate: a fixed_window counts whole requests, not 1.5. Write a longer period"],
        ),
        (
            {"rate": "0.5/99999 days", "burst": 1, "algorithm": "sliding_window"},
            ["throttle.burst: a sliding_window", "throttle.rate: a sliding_window", "throttle.rate: a window is whole"],
        ),
        ({"rate": "5/week", "algorithm": "fixed_window"}, ["throttle.rate: '5/week' is not a rate"]),
        (
            {"rate": "5/s", "algorithm": "fixed_windw"},
            ["throttle.algorithm: 'fixed_windw' is no algorithm; it is one of token_bucket, fixed_window"],
        ),
        ({"rate": "5/s", "algorithm": 3}, ["throttle.algorithm: 3 is no algorithm"]),
    ],
    ids=["bucket, no burst", "burst", "no whole number", "all at once", "rate", "near miss", "no text"],
)
def test_what_is_wrong(options: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        throttle(**options, key=by.address)

    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == len(problems)
    assert all(each.startswith(start) for each, start in zip(found, problems)), found


def test_a_misspelt_algorithm_is_guessed() -> None:
    with pytest.raises(ConfigError) as caught:
        throttle(rate=1, key=by.address, algorithm="fixed_windw")  # type: ignore[arg-type]  # a user's mistake

    assert caught.value.problems[0].near == "fixed_window"
