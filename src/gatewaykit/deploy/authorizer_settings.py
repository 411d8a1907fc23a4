"""The settings of the ready-made authorizers: `introspection`, `forward_auth`, `saml_bearer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from gatewaykit.deploy.counting import CountedBy
from gatewaykit.deploy.settings import Duration, Scalar, setting

__all__ = ["ForwardAuthSettings", "IntrospectionSettings", "SamlBearerSettings"]

Texts = tuple[str, ...]
_VALUE = {"type": ["string", "number", "boolean", "array"]}
ClaimRules = Annotated[Any, Scalar(lambda value: value, {"type": "object", "additionalProperties": _VALUE})]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionSettings:
    endpoint: str = setting("The introspection endpoint of the issuer")
    client_id: str = setting("Who the gateway is to the issuer")
    client_secret: str = setting("Its secret; for private_key_jwt its private key, in PEM")
    auth_method: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = setting(
        "How the gateway authenticates itself", "client_secret_basic"
    )
    audience: Texts = setting("Of these audiences the token has to name one", ())
    scopes: Texts = setting("Of these scopes the token has to hold one", ())
    issuer: str | None = setting("Who has to have issued the token", None)
    claims: ClaimRules = setting("Claims with the value, or a list of values, that each may have", None)
    ttl: Duration = setting("How long the issuer's word is remembered; never beyond the token's exp", 30.0)
    negative_ttl: Duration = setting("How long it is remembered that a token is not valid", 5.0)
    timeout: Duration = setting("How long the issuer may take to answer", 5.0)
    leeway: Duration = setting("How far nbf and iat may lie ahead", 10.0)
    identity_source: str = setting("Where the token is: header:NAME or query:NAME", "header:authorization")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardAuthSettings:
    url: str = setting("The service that is asked")
    method: str = setting("The method it is asked with", "GET")
    forward_headers: Texts | None = setting("The client's headers that are sent; all where not given", None)
    copy_headers: Texts = setting("Headers of its answer that the back end gets, in place of any the client sent", ())
    principal: str | None = setting("The header of its answer that names the caller", None)
    claims: Mapping[str, str] | None = setting("Headers of its answer, and the claims they become", None)
    relay_body: bool = setting("Give the client the body of a 401 or 403 too", False)
    relay_redirects: bool = setting("Give the client the service's redirects, to a login page", False)
    timeout: Duration = setting("How long the service may take to answer", 5.0)
    ttl: Duration = setting("How long an answer that lets in is remembered for the same question", 0.0)
    key: CountedBy = setting("What alone the answer depends on, such as header:Cookie; needs a ttl", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlBearerSettings:
    audience: Texts = setting("Of these audiences the assertion has to name one")
    issuer: str | None = setting("Whose assertions count; by default who the metadata describe", None)
    idp_certificates: str | None = setting("The provider's certificates, in PEM", None)
    idp_metadata: str | None = setting("A file with the provider's metadata", None)
    recipient: str | None = setting("The address that the assertion has to be confirmed for", None)
    leeway: Duration = setting("How far clocks may differ", 60.0)
    one_time: bool = setting("Let an assertion in once only", True)
    principal: str | None = setting("The attribute that names the caller, in place of the NameID", None)
    attributes: Mapping[str, str] | None = setting("Names of attributes, and of the claims they become", None)
    identity_source: str = setting("Where the assertion is: header:NAME or query:NAME", "header:authorization")
