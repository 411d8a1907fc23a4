"""`resource_policy` and `vpc_endpoint` as they are written in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from gatewaykit.deploy.settings import Raw, setting

__all__ = ["ResourcePolicySettings", "VpcEndpointSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicySettings:
    document: Annotated[Any, Raw("policy_document")] = setting("The policy, as a mapping or as JSON text")
    private: bool = setting("The API is reached by VPC endpoints only", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcEndpointSettings:
    networks: Mapping[str, str] = setting(
        "Addresses and networks of clients, each with its endpoint's id", factory=dict
    )
    header: str = setting("A header in which a trusted proxy names the endpoint", "")
    trusted: tuple[str, ...] = setting("The addresses and networks of the proxies whose header counts", ())
    vpcs: Mapping[str, str] = setting("The VPC of each endpoint, by its id", factory=dict)
