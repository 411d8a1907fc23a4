"""What a limit counts by, as it is written in a file."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError, Identity, Request
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.deploy.configured_policies import build_policies


def built(key: Any) -> Any:
    (policy,) = build_policies([{"concurrency": {"limit": 1, "key": key}}], "policies", trusted=True)
    return policy


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("network", "192.0.2.7"),
        ("network:24", "192.0.2.0/24"),
        ("network:16/56", "192.0.0.0/16"),
        ("authorizer_context:plan", "gold"),
        ("path_parameter: id ", "7"),
        (["api_key", "route"], "2:k111:GET /a/{id}"),
        (["api_key", ["address", "everyone"]], "2:k121:9:192.0.2.78:everyone"),
    ],
)
def test_what_is_written_is_what_counts(key: Any, expected: str) -> None:
    request = Request("GET", "/a/7", client=("192.0.2.7", 1))
    request.resource, request.path_parameters, request.api_key = "/a/{id}", {"id": "7"}, ApiKey(id="k1", value="v")
    request.identity = Identity(principal="ann", kind="lambda", claims={"plan": "gold"})

    assert built(key).key(request) == expected


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("network:33", "no length of a prefix"),
        ("network:24/200", "no length of a prefix"),
        ("network:x", "is no network"),
        ("path_parameter:", "says not what to count by"),
        (["api_key"], "two parts or more"),
        (["api_key", "rute"], "did you mean 'route'"),
        ({}, "says not what to count by"),
    ],
)
def test_mistakes(key: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        built(key)
