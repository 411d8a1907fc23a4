"""`iam` as it is written in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from gatewaykit.deploy.callables import load_callable
from gatewaykit.deploy.settings import Duration, Raw, Scalar, setting
from gatewaykit.errors import ConfigError

__all__ = ["CredentialsGiven", "IamSettings"]


def _credentials(given: object) -> object:
    """Users and roles as they are; else where they come from: env:NAME, an address, module:callable, or a file."""
    if isinstance(given, Mapping) or not isinstance(given, str):
        return given
    from gatewaykit.policies.credentials import credentials_env, credentials_lookup

    try:
        if given.startswith("env:"):
            return credentials_env(given.removeprefix("env:"))
        if given.startswith(("http://", "https://")):
            return credentials_lookup(given)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return load_callable(given) if ":" in given else given


CredentialsGiven = Annotated[Any, Scalar(_credentials, {"type": ["object", "string"]})]


@dataclass(frozen=True, slots=True, kw_only=True)
class IamSettings:
    credentials: CredentialsGiven = setting(
        "Users, groups and roles; or a file with them, env:NAME, an address with {access_key_id}, or module:callable"
    )
    region: str | None = setting("The region that signatures are for; the API's own where none is given", None)
    service: str = setting("The service that signatures are for", "execute-api")
    action: str = setting("The action that policies are asked about", "execute-api:Invoke")
    resource_policy: Annotated[Any, Raw("policy_document")] = setting("The API's resource policy", None)
    skew: Duration = setting("How far clocks may be apart", 300.0)
    sigv4a: bool = setting("Take signatures for several regions (SigV4A) too", False)
    unsigned_payload: bool = setting("Take UNSIGNED-PAYLOAD in place of the body's hash", False)
    authorize: bool = setting("Ask policies what the caller may do; without it, whoever signs comes in", True)
    http_api: bool = setting("Answer every refusal as HTTP APIs do: Forbidden", False)
    hide_signature: bool = setting("Take the signature off the request before it goes on", False)
