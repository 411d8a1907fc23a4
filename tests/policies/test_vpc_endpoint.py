"""By which VPC endpoint a request came."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError, vpc_endpoint
from gatewaykit.core.http import Request
from gatewaykit.core.iam.access import VpcEndpoint
from gatewaykit.deploy.configured_policies import build_policies
from gatewaykit.ports import Policy, Runtime
from gatewaykit.testing.policy_contract import PolicyContract

NETWORKS = {"10.1.0.0/16": "vpce-wide", "10.1.2.0/24": "vpce-narrow", "2001:db8::/32": "vpce-six"}
VPCS = {"vpce-wide": "vpc-1", "vpce-header": "vpc-2"}


class TestVpcEndpoint(PolicyContract):
    def make_policy(self) -> Policy:
        return vpc_endpoint(NETWORKS, header="x-vpce-id", trusted=["127.0.0.1"])


FOUND: list[tuple[str, Any, str | None, VpcEndpoint | None]] = [
    ("10.1.9.9", "10.1.9.9", None, VpcEndpoint(id="vpce-wide", vpc="vpc-1")),
    ("the narrowest", "10.1.2.3", None, VpcEndpoint(id="vpce-narrow")),
    ("IPv6", "2001:db8::7", None, VpcEndpoint(id="vpce-six")),
    ("elsewhere", "203.0.113.9", None, None),
    ("no address", None, None, None),
    ("a name", "testclient", None, None),
    ("a trusted proxy's header", "192.0.2.7", "vpce-header", VpcEndpoint(id="vpce-header", vpc="vpc-2")),
    ("an endpoint without a VPC", "192.0.2.7", "vpce-other", VpcEndpoint(id="vpce-other")),
    ("anyone else's header", "203.0.113.9", "vpce-header", None),
    ("a client's own header", "10.1.9.9", "vpce-header", VpcEndpoint(id="vpce-wide", vpc="vpc-1")),
    ("a header without an address", None, "vpce-header", None),
    ("an empty header", "192.0.2.7", "", None),
]


@pytest.mark.parametrize(("peer", "header", "endpoint"), [each[1:] for each in FOUND], ids=[each[0] for each in FOUND])
def test_a_network_or_a_trusted_proxy_tells_the_endpoint(
    runtime: Runtime, peer: str | None, header: str | None, endpoint: VpcEndpoint | None
) -> None:
    policy = vpc_endpoint(NETWORKS, header="X-Vpce-Id", trusted=["192.0.2.0/28"], vpcs=VPCS).bind(runtime)
    headers = [] if header is None else [(b"x-vpce-id", header.encode())]
    request = Request("GET", "/", headers=headers, client=peer and (peer, 1))  # type: ignore[arg-type]  # or None

    assert policy.on_request is not None
    assert policy.on_request(request) is request
    assert request.vpc_endpoint == endpoint


def test_it_is_a_setting() -> None:
    settings = {"networks": NETWORKS, "vpcs": VPCS, "header": "x-vpce-id", "trusted": ["192.0.2.7"]}

    (policy,) = build_policies([{"vpc_endpoint": settings}], "policies")

    assert policy == vpc_endpoint(NETWORKS, vpcs=VPCS, header="x-vpce-id", trusted=["192.0.2.7"])


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", {}, ["networks"]),
    ("no mapping", {"networks": ["10.0.0.0/8"]}, ["networks"]),
    ("no network", {"networks": {"ten": "vpce-1"}}, ["networks"]),
    ("a number for a network", {"networks": {10: "vpce-1"}}, ["networks"]),
    ("no id", {"networks": {"10.0.0.0/8": ""}, "vpcs": {"vpce-1": 7}}, ["networks", "vpcs"]),
    ("a header that nobody sends", {"header": "x-vpce-id"}, ["header"]),
    ("proxies that send nothing", {"networks": {"::1": "v"}, "trusted": ["::1"]}, ["header"]),
    ("no header name", {"header": "x vpce", "trusted": ["::1"]}, ["header"]),
    ("a header that is no text", {"header": 7, "trusted": ["::1"]}, ["header"]),
    ("one proxy as text", {"header": "x", "trusted": "::1"}, ["trusted"]),
    ("a proxy that is none", {"header": "x", "trusted": ["proxy"]}, ["trusted"]),
]


@pytest.mark.parametrize(("options", "places"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_everything_wrong_is_told_at_once(options: dict[str, Any], places: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        vpc_endpoint(**options)

    assert [problem.where for problem in caught.value.problems] == [f"vpc_endpoint.{place}" for place in places]
