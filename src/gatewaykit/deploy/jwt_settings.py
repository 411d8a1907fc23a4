"""`jwt` and `cognito` as they are written in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from gatewaykit.deploy.settings import Duration, Raw, Scalar, setting

__all__ = ["CognitoSettings", "JwtSettings"]

Texts = tuple[str, ...]


def _claims(rules: object) -> Mapping[str, Any]:
    """Claims and their values: texts, numbers, true or false, or lists of them, any of which will do."""
    if not isinstance(rules, Mapping):
        raise ValueError("claims are a mapping from names to values")
    for name, rule in rules.items():
        for value in rule if isinstance(rule, list) else [rule]:
            if not isinstance(value, (str, int, float, bool)):
                raise ValueError(f"the claim {name!r} has to be compared with texts, numbers, true or false")
    return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSettings:
    issuer: str | None = setting("Who signs the tokens; its keys are found by its metadata", None)
    audience: Texts = setting("Whom the tokens are for; one of these has to be in aud", ())
    algorithms: Texts = setting("The algorithms that tokens may be signed with", ("RS256",))
    jwks: str | None = setting("The address of the key set, where the issuer's metadata does not name it", None)
    jwks_file: str | None = setting("A file with a key set, in place of published keys", None)
    keys: Texts = setting("Public keys or certificates in PEM, in place of published keys", ())
    secret: str | None = setting("The shared secret of the HS algorithms", None)
    scopes: Texts = setting("A token has to have one of these", ())
    claims: Annotated[Any, Scalar(_claims, {"type": "object"})] = setting(
        "Further claims, each with a value or a list of values that will do", None
    )
    leeway: Duration = setting("How far clocks may differ", 0.0)
    identity_source: str = setting("Where the token is: header:NAME or query:NAME", "header:authorization")
    http_api: bool = setting("Follow API Gateway's HTTP APIs to the letter", False)
    allow_http: bool = setting("Fetch keys without TLS, too", False)
    cached_tokens: int = setting("How many tokens are known again without checking their signature", 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class CognitoSettings:
    user_pools: Texts = setting("The ARNs of user pools, or the addresses of their issuers")
    scopes: Texts = setting("An access token has to have one of these; without any, ID tokens are taken", ())
    validation_expression: str | None = setting("A regular expression that the audience of ID tokens matches", None)
    identity_source: str = setting("Where the token is: header:NAME or query:NAME", "header:authorization")
    leeway: Duration = setting("How far clocks may differ", 0.0)
    issuers: Mapping[str, str] = setting("ARNs of pools that run elsewhere, and the addresses of those", factory=dict)
    resource_policy: Annotated[Any, Raw("policy_document")] = setting("The API's resource policy", None)
    allow_http: bool = setting("Fetch keys without TLS, too", False)
    cached_tokens: int = setting("How many tokens are known again without checking their signature", 4096)
