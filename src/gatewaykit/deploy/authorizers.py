"""What a definition asks of callers, as the policies that ask it: one authorizer a method, and the resource policy.

Reference 02; developer guide, "How API Gateway resource policies affect authorization workflow". An authorizer is made
once, however many methods name it, so that they share what it remembers; a resource policy stands alone only where a
method has no authorizer, and is part of the authorizer's decision everywhere else. The policies are imported by those
who ask for them: they bring cryptography.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.integrations.lambda_ import function_named, parse_function_uri
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.definition.ledger import Ledger
    from gatewaykit.definition.model import Definition, Method, SecurityRequirement, SecurityScheme
    from gatewaykit.ports import CredentialsProvider

__all__ = ["Authorizers", "Sources", "is_private"]

_ONE_EACH: Final = "on API Gateway a method has one authorizer, beside an API key"
_AN_URI: Final = "Write arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations"
_NO_SCOPES: Final = "the authorizer is asked; only user pools look at scopes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a deployment brings that a definition only names.

    `authorizers` stand in for security schemes, by their names; `issuers` are addresses of user pools, by their ARNs.
    """

    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    authorizers: Mapping[str, Policy] = field(default_factory=dict)
    credentials: CredentialsProvider | Mapping[str, Any] | str | None = None
    issuers: Mapping[str, str] = field(default_factory=dict)


class Authorizers:
    """The authorizing policies of one definition."""

    def __init__(
        self,
        api: Definition,
        ledger: Ledger,
        sources: Sources,
        stage_variables: Mapping[str, str],
        made: dict[Any, Policy],
    ) -> None:
        self._ledger, self._sources, self._stage_variables, self._made = ledger, sources, stage_variables, made
        self._resource_policy, self.problems = _checked(api)
        self._is_private = is_private(api.endpoint_configuration)
        self._used: set[str] = set()

    def of(self, method: Method) -> list[Policy]:
        """What stands before a method. Raises ConfigError."""
        requirements = list({requirement.scheme.name: requirement for requirement in method.security}.values())
        if len(requirements) > 1:
            names = ", ".join(repr(requirement.scheme.name) for requirement in requirements)
            what = f"{method.verb} {method.path} asks for {names}"
            raise ConfigError(Problem(where=str(method.origin.place), what=what, why=_ONE_EACH, mend="Name one"))
        if requirements:
            return self._authorizer(method, requirements[0])
        return self._alone()

    def shown(self, method: Method) -> str:
        """The authorizer of a method as a person wants to see it."""
        for requirement in method.security[:1]:
            scheme = requirement.scheme
            if scheme.name in self._sources.authorizers:
                return f"{scheme.name} ({self._sources.authorizers[scheme.name].name or 'given'})"
            settings = scheme.settings.get("authorizer", {})
            return " ".join(filter(None, (scheme.name, f"({scheme.kind})", settings.get("authorizerUri", ""))))
        return ""

    def unused(self) -> list[Problem]:
        """What was given in `authorizers` and no method asks for."""
        return [
            Problem(
                where=f"authorizers[{name}]", what="no method asks for this security scheme",
                near=near_miss(name, self._used),
            )
            for name in self._sources.authorizers
            if name not in self._used
        ]  # fmt: skip

    def _authorizer(self, method: Method, requirement: SecurityRequirement) -> list[Policy]:
        scheme = requirement.scheme
        name, kind = scheme.name, scheme.kind
        self._used.add(name)
        if (given := self._sources.authorizers.get(name)) is not None:
            _ = requirement.scopes, scheme.settings  # whoever stands in answers for all of it
            return [*self._alone(), given]
        make = _MAKERS.get(kind)
        if make is None:
            why = "nothing enforces this scheme; a policy given in authorizers may stand in for it"
            for view, fields in ((requirement, ("scheme", "scopes")), (scheme, ("kind", "settings"))):
                for each in fields:
                    self._ledger.ignore(view, each, why)
            return self._alone()
        scopes = requirement.scopes if kind == "COGNITO_USER_POOLS" else ()
        if kind != "COGNITO_USER_POOLS" and requirement.scopes:
            self._ledger.approximate(requirement, "scopes", _NO_SCOPES)
        where = str(scheme.origin.place)

        def made() -> Policy:
            try:
                return make(self, scheme, scopes)
            except ConfigError as error:
                raise ConfigError(problem.moved(where) for problem in error.problems) from None

        # A private API without a policy is closed, whoever calls; where there is one, the authorizer decides with it.
        closed = self._alone() if self._resource_policy is None else []
        return [*closed, self._once((name, scopes), made)]

    def _alone(self) -> list[Policy]:
        """The resource policy where no authorizer decides with it."""
        needed = self._resource_policy is not None or self._is_private
        return [self._once("resource policy", self._standalone)] if needed else []

    def _once(self, key: Any, make: Callable[[], Policy]) -> Policy:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _standalone(self) -> Policy:
        from gatewaykit.policies.resource_policy import resource_policy

        return resource_policy(self._resource_policy, private=self._is_private)

    def iam(self, scheme: SecurityScheme, scopes: tuple[str, ...]) -> Policy:
        from gatewaykit.policies.iam import iam

        # A definition carries no credentials of its own: without any, what asks for a signature is closed.
        credentials = self._sources.credentials
        given = _nobody if credentials is None else credentials
        return iam(given, resource_policy=self._resource_policy, hide_signature=True)

    def function(self, scheme: SecurityScheme, scopes: tuple[str, ...]) -> Policy:
        from gatewaykit.policies.lambda_authorizer import lambda_authorizer

        settings = scheme.settings.get("authorizer", {})
        uri = str(settings.get("authorizerUri", ""))
        if not uri.startswith(("arn:", "${")):
            raise ConfigError(Problem(where="authorizerUri", what=f"{uri!r} is no ARN of a function", mend=_AN_URI))
        unusable, handler = "", None
        named = function_named(parse_function_uri(uri) or uri, self._stage_variables)
        if isinstance(named, str):
            unusable = named
        elif (handler := self._sources.functions.get(named.name)) is None:
            near = near_miss(named.name, self._sources.functions)
            unusable = f"no function {named.name!r} is bound" + (f" (did you mean {near!r}?)" if near else "")
        made = lambda_authorizer(  # also where nothing can be called: what is wrong with its settings is told
            handler or _nobody,
            name=scheme.name,
            type="TOKEN" if scheme.kind == "LAMBDA_TOKEN" else "REQUEST",
            identity_source=settings.get("identitySource") or _header_of(scheme),
            validation_expression=settings.get("identityValidationExpression"),
            ttl_s=settings.get("authorizerResultTtlInSeconds"),
            resource_policy=self._resource_policy,
        )
        return _Unusable(scheme.name, unusable) if unusable else made

    def cognito(self, scheme: SecurityScheme, scopes: tuple[str, ...]) -> Policy:
        from gatewaykit.policies.cognito import cognito

        settings = scheme.settings.get("authorizer", {})
        return cognito(
            settings.get("providerARNs") or (),
            scopes=scopes,
            identity_source=settings.get("identitySource") or _header_of(scheme),
            validation_expression=settings.get("identityValidationExpression"),
            issuers=self._sources.issuers,
            resource_policy=self._resource_policy,
        )


_MAKERS: Final[dict[str, Callable[[Authorizers, SecurityScheme, tuple[str, ...]], Policy]]] = {
    "AWS_IAM": Authorizers.iam,
    "LAMBDA_TOKEN": Authorizers.function,
    "LAMBDA_REQUEST": Authorizers.function,
    "COGNITO_USER_POOLS": Authorizers.cognito,
}


def _header_of(scheme: SecurityScheme) -> str:
    """The identity source where the authorizer names none: the header of the scheme itself, as on import."""
    settings = scheme.settings
    if settings.get("in") == "header" and settings.get("name") and scheme.kind != "LAMBDA_REQUEST":
        return f"method.request.header.{settings['name']}"
    return ""


def _checked(api: Definition) -> tuple[Mapping[str, Any] | None, tuple[Problem, ...]]:
    """The resource policy, and what is wrong with it, once: in its place an empty one is asked then."""
    policy = api.resource_policy
    if policy is None:
        return None, ()
    from gatewaykit.core.iam.policy import compile_policy

    compiled = compile_policy(policy, name="resource policy", kind="resource")
    if not isinstance(compiled, tuple):
        return policy, ()
    places = api.origin.fields.get("resource_policy", (api.origin.place,))
    return {"Version": "2012-10-17", "Statement": []}, tuple(each.moved(str(places[0])) for each in compiled)


def _nobody(*anything: Any) -> None:
    """The credentials of a gateway that was given none, and the function that nobody bound."""


def is_private(endpoint: Mapping[str, Any]) -> bool:
    """Is it reached by VPC endpoints alone?"""
    return bool(endpoint.get("vpcEndpointIds")) or "PRIVATE" in (endpoint.get("types") or ())


class _Unusable(Policy):
    """Stands where an authorizer cannot be called: closed, with the reason for the operator."""

    phase = "authenticate"

    def __init__(self, name: str, why: str) -> None:
        self.name, self._detail = "lambda_authorizer", f"authorizer {name}: {why}"

    def on_request(self, request: Request) -> Refusal:
        return Refusal(Reason.AUTHORIZER_MISCONFIGURED, self._detail)
