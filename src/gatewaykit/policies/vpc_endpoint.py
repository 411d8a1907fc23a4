"""`vpc_endpoint(...)`: by which VPC endpoint a request came, for the resource policies of private APIs.

Developer guide, "Private REST APIs in API Gateway" and "AWS condition keys that can be used in API Gateway resource
policies". Outside AWS nothing tells by itself; so it is said here, by the client's network, or by a trusted proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gatewaykit.core.iam.access import VpcEndpoint
from gatewaykit.core.iam.operands import address, network
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Runtime

__all__ = ["VpcEndpointPolicy", "vpc_endpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcEndpointPolicy(Policy):
    """Where requests come in from a VPC; made by `vpc_endpoint`."""

    phase = "address"

    networks: Mapping[str, str] = field(default_factory=dict)
    vpcs: Mapping[str, str] = field(default_factory=dict)
    header: str = ""
    trusted: Sequence[str] = ()

    def bind(self, runtime: Runtime) -> Policy:
        return Bound("vpc_endpoint", on_request=_finding(self))


def vpc_endpoint(
    networks: Mapping[str, str] | None = None,
    *,
    header: str = "",
    trusted: Sequence[str] = (),
    vpcs: Mapping[str, str] | None = None,
) -> VpcEndpointPolicy:
    """Say by which VPC endpoint a request came: `request.vpc_endpoint`, and the condition keys of resource policies.

    `networks` maps addresses and networks to endpoint ids: a client there came by that endpoint; the narrowest counts.
    `header` is one in which a proxy at a `trusted` address names the endpoint; from anyone else it counts for nothing.
    `vpcs` maps endpoint ids to the VPCs they are in. List this policy before the one that needs it.

    Behind it, `aws:SourceVpce`, `aws:SourceVpc` and `aws:VpcSourceIp` (the client's address) are there, and
    `aws:SourceIp` is not, as on AWS. A request that came by no known endpoint has none of the three.

    >>> from gatewaykit import vpc_endpoint
    >>> inside = vpc_endpoint({"10.1.0.0/16": "vpce-0a1b2c3d"}, vpcs={"vpce-0a1b2c3d": "vpc-11aa22bb"})
    """
    problems = []

    def problem(option: str, what: str, mend: str = "") -> None:
        problems.append(Problem(where=f"vpc_endpoint.{option}", what=what, mend=mend))

    for option, given in (("networks", networks), ("vpcs", vpcs)):
        if not isinstance(given or {}, Mapping):
            problem(option, f"{given!r} is no mapping")
            continue
        for name, value in (given or {}).items():
            if option == "networks" and (not isinstance(name, str) or network(name) is None):
                problem(option, f"{name!r} is no address or network")
            if not isinstance(value, str) or not value:
                problem(option, f"{value!r} is no id", mend='Write a text, such as "vpce-0a1b2c3d"')
    if not isinstance(header, str) or not header.isascii() or not (header.replace("-", "") or "x").isalnum():
        problem("header", f"{header!r} is no header name")
    if isinstance(trusted, str) or not all(isinstance(each, str) and network(each) for each in trusted):
        problem("trusted", f"{trusted!r} is no list of addresses and networks")
    if bool(header) != bool(trusted):
        problem("header", "a header and the trusted proxies that send it go together")
    if not networks and not header:
        problem("networks", "nothing says which endpoint a request came by", mend="Give networks, or a header")
    if problems:
        raise ConfigError(problems)
    return VpcEndpointPolicy(networks=networks or {}, vpcs=vpcs or {}, header=header.lower(), trusted=tuple(trusted))


def _finding(config: VpcEndpointPolicy) -> Callable[[Request], Request]:
    known = {
        name: VpcEndpoint(id=name, vpc=config.vpcs.get(name, "")) for name in (*config.networks.values(), *config.vpcs)
    }
    ranges: list[tuple[Any, VpcEndpoint]] = [(network(name), known[id]) for name, id in config.networks.items()]
    ranges.sort(key=lambda each: -each[0][1])  # the greatest mask first
    proxies: list[Any] = [network(name) for name in config.trusted]
    header = config.header.encode()

    def on_request(request: Request) -> Request:
        if header and (named := request.headers.get(header)):
            peer = address(request.client[0]) if request.client else None
            if peer is not None and any(peer & mask == first for first, mask in proxies):
                name = named.decode("latin-1").strip()
                request.vpc_endpoint = known.get(name) or VpcEndpoint(id=name)
                return request
        if (client := address(request.address)) is not None:
            for (first, mask), endpoint in ranges:
                if client & mask == first:
                    request.vpc_endpoint = endpoint
                    break
        return request

    return on_request
