"""A definition's security, resource policy and endpoint as the policies that enforce them."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, Identity, Reason, authenticate
from gatewaykit.definition.ledger import APPROXIMATED, ENFORCED
from tests.conformance.documents import document, lambda_uri, mock

CONTEXT = {"application/json": '{"who": "$context.authorizer.principalId", "plan": "$context.authorizer.plan"}'}
IN = mock(responseTemplates=CONTEXT)
API = "arn:aws:execute-api:us-east-1:123456789012:local/prod"


def scheme(**authorizer: Any) -> dict[str, Any]:
    return {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": authorizer,
    }  # fmt: skip


SCHEMES: dict[str, Any] = {
    "token": scheme(type="token", authorizerUri=lambda_uri("authorize")),
    "request": scheme(
        type="request", authorizerUri=lambda_uri("authorize"), identitySource="method.request.header.X-Who"
    ),
    "staged": scheme(type="token", authorizerUri=lambda_uri("${stageVariables.authorizer}")),
    "pools": scheme(
        type="cognito_user_pools", providerARNs=["arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abc"]
    ),
    "iam": {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "basic": {"type": "http", "scheme": "basic"},
}  # fmt: skip


def guarded(*names: str, **operation: Any) -> dict[str, Any]:
    security = [{name: []} for name in names]
    return {"security": security, "x-amazon-apigateway-integration": IN, **operation}


def policy(effect: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


class Authorizer:
    """A function that lets Ann in everywhere below /pets, and counts how often it is asked."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        self.events.append(event)
        who = event.get("authorizationToken") or event["headers"]["X-Who"]
        if who != "ann":
            raise Exception("Unauthorized")  # how a Lambda function says 401
        return {
            "principalId": who,
            "policyDocument": policy("Allow", f"{API}/*/pets*"),
            "context": {"plan": "gold"},
        }


def api(paths: dict[str, Any], *, root: dict[str, Any] | None = None, **options: Any) -> Gateway:
    spec = document(paths, components={"securitySchemes": SCHEMES}, **(root or {}))
    return Gateway.from_openapi(spec, **options)


@pytest.mark.parametrize(("name", "header"), [("token", "Authorization"), ("request", "X-Who")])
async def test_a_lambda_authorizer_decides(name: str, header: str) -> None:
    gateway = api({"/pets": {"get": guarded(name)}}, functions={"authorize": Authorizer()})

    without = gateway.decide("GET", "/pets")
    known = await gateway.invoke("GET", "/pets", headers={header: "ann"})
    unknown = gateway.decide("GET", "/pets", headers={header: "bob"})

    assert (without.status, without.reason) == (401, Reason.IDENTITY_SOURCE_MISSING)
    assert (known.status, known.body) == (200, b'{"who": "ann", "plan": "gold"}')
    assert unknown.status == 401


def test_methods_of_one_authorizer_share_its_answers_and_each_is_decided_by_the_policy() -> None:
    asked = Authorizer()
    paths = {path: {"get": guarded("token")} for path in ("/pets", "/pets/{id}", "/orders")}
    gateway = api(paths, functions={"authorize": asked})

    statuses = [
        gateway.decide("GET", path, headers={"Authorization": "ann"}).status for path in ("/pets", "/pets/7", "/orders")
    ]

    assert statuses == [None, None, 403]
    assert len(asked.events) == 1


def test_a_function_that_nobody_bound_closes_the_method_and_says_so() -> None:
    paths = {"/pets": {"get": guarded("token")}, "/open": {"get": IN}}
    gateway = api(paths, functions={"authorise": Authorizer()})

    decision = gateway.decide("GET", "/pets", headers={"Authorization": "ann"})

    assert (decision.status, decision.reason) == (500, Reason.AUTHORIZER_MISCONFIGURED)
    assert decision.detail == "authorizer token: no function 'authorize' is bound (did you mean 'authorise'?)"
    assert gateway.decide("GET", "/open").allowed


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"authorizer": "authorize"}, ""),
        ({}, "authorizer staged: Invalid Lambda function: the stage variable 'authorizer' is not set"),
    ],
    ids=["set", "not set"],
)
def test_stage_variables_name_the_function(variables: dict[str, str], told: str) -> None:
    paths = {"/pets": {"get": guarded("staged")}}
    gateway = api(paths, functions={"authorize": Authorizer()}, stage_variables=variables)

    assert gateway.decide("GET", "/pets", headers={"Authorization": "ann"}).detail == told


def test_a_method_that_asks_for_signatures_is_closed_without_credentials() -> None:
    gateway = api({"/pets": {"get": guarded("iam")}, "/cats": {"get": {**IN_AUTH}}})

    for path in ("/pets", "/cats"):
        decision = gateway.decide("GET", path)

        assert (decision.status, decision.reason) == (403, Reason.SIGNATURE_MISSING)


IN_AUTH: dict[str, Any] = {
    "x-amazon-apigateway-auth": {"type": "AWS_IAM"}, "x-amazon-apigateway-integration": IN, "responses": {},
}  # fmt: skip


def test_a_user_pool_asks_for_a_token() -> None:
    decision = api({"/pets": {"get": guarded("pools")}}).decide("GET", "/pets")

    assert (decision.status, decision.reason) == (401, Reason.TOKEN_MISSING)


def test_a_policy_may_stand_in_for_a_scheme() -> None:
    known = authenticate(lambda request: Identity(principal="stand-in"))
    gateway = api({"/pets": {"get": guarded("basic")}}, authorizers={"basic": known})

    decision = gateway.decide("GET", "/pets")

    assert decision.identity is not None
    assert decision.identity.principal == "stand-in"


ANYBODY = authenticate(lambda request: Identity(principal="stand-in"))


@pytest.mark.parametrize(
    ("paths", "options", "told"),
    [
        pytest.param(
            {"/pets": {"get": guarded("token", "iam")}}, {},
            "GET /pets asks for 'token', 'iam': on API Gateway a method has one authorizer, beside an API key",
            id="two authorizers",
        ),
        pytest.param(
            {"/pets": {"get": guarded("token")}}, {"authorizers": {"tokens": ANYBODY}},
            "authorizers[tokens]: no method asks for this security scheme (did you mean 'token'?)",
            id="a stand-in for nobody",
        ),
        pytest.param(
            {"/pets": {"get": guarded("basic")}}, {}, "'basic' protects the API and is not enforced",
            id="a scheme that nothing enforces",
        ),
    ],
)  # fmt: skip
def test_problems_at_the_start(paths: dict[str, Any], options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        api(paths, **options)

    assert told in str(raised.value)


def test_a_problem_of_an_authorizer_is_told_once_however_many_methods_it_guards() -> None:
    schemes = {"bad": scheme(type="cognito_user_pools", providerARNs=["${pool}"])}
    paths = {f"/{name}": {"get": guarded("bad"), "post": guarded("bad")} for name in "ab"}

    with pytest.raises(ConfigError) as caught:
        Gateway.from_openapi(document(paths, components={"securitySchemes": schemes}))

    assert [problem.what for problem in caught.value.problems] == [
        "cognito.user_pools: '${pool}' is neither the ARN of a user pool nor the address of an issuer"
    ]


def test_problems_of_an_authorizer_stand_at_its_scheme() -> None:
    broken = {"token": scheme(type="token", authorizerUri=lambda_uri("authorize"), authorizerResultTtlInSeconds=9999)}
    spec = document({"/pets": {"get": guarded("token")}}, components={"securitySchemes": broken})

    with pytest.raises(ConfigError) as raised:
        Gateway.from_openapi(spec, functions={"authorize": Authorizer()})

    (problem,) = raised.value.problems
    assert "/components/securitySchemes/token" in problem.where
    assert "9999" in problem.what


# ---------------------------------------------------------------------------------------------------- resource policies


def resource(effect: str, **more: Any) -> dict[str, Any]:
    return {"x-amazon-apigateway-policy": policy(effect, "execute-api:/*", Principal="*", **more)}


FROM_HOME = {"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}


@pytest.mark.parametrize(
    ("root", "address", "status"),
    [
        pytest.param(resource("Allow"), "127.0.0.1", None, id="allowed"),
        pytest.param(resource("Allow", **FROM_HOME), "192.0.2.7", None, id="allowed from an address"),
        pytest.param(resource("Allow", **FROM_HOME), "198.51.100.7", 403, id="silent"),
        pytest.param(resource("Deny"), "127.0.0.1", 403, id="denied"),
    ],
)
def test_a_resource_policy_alone_decides_for_methods_without_an_authorizer(
    root: dict[str, Any], address: str, status: int | None
) -> None:
    assert api({"/pets": {"get": IN}}, root=root).decide("GET", "/pets", address=address).status == status


@pytest.mark.parametrize(
    ("root", "path", "status", "asked"),
    [
        pytest.param(resource("Allow"), "/orders", None, 1, id="the resource policy allows what the function does not"),
        pytest.param(resource("Allow", **FROM_HOME), "/pets", None, 1, id="the function allows, the policy is silent"),
        pytest.param(resource("Allow", **FROM_HOME), "/orders", 403, 1, id="neither allows"),
        pytest.param(resource("Deny"), "/pets", 403, 0, id="a denial comes before the function"),
    ],
)
def test_with_a_lambda_authorizer_either_side_may_allow(
    root: dict[str, Any], path: str, status: int | None, asked: int
) -> None:
    function = Authorizer()
    paths = {each: {"get": guarded("token")} for each in ("/pets", "/orders")}
    gateway = api(paths, root=root, functions={"authorize": function})

    decision = gateway.decide("GET", path, headers={"Authorization": "ann"})

    assert (decision.status, len(function.events)) == (status, asked)


def test_beside_a_stand_in_the_resource_policy_has_to_allow() -> None:
    known = authenticate(lambda request: Identity(principal="stand-in"))
    paths = {"/pets": {"get": guarded("token")}}

    silent = api(paths, root=resource("Allow", **FROM_HOME), authorizers={"token": known})
    allowing = api(paths, root=resource("Allow"), authorizers={"token": known})

    assert (silent.decide("GET", "/pets").status, allowing.decide("GET", "/pets").status) == (403, None)


PRIVATE = {"x-amazon-apigateway-endpoint-configuration": {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"]}}


def test_a_private_api_without_a_policy_lets_nobody_in() -> None:
    gateway = api({"/pets": {"get": IN}}, root=PRIVATE)

    assert gateway.decide("GET", "/pets").status == 403
    assert api({"/pets": {"get": IN}}, root={**PRIVATE, **resource("Allow")}).decide("GET", "/pets").allowed


def test_mistakes_in_a_resource_policy_stop_the_start() -> None:
    root = resource("Allow", Condition={"IpAddres": {"aws:SourceIp": "192.0.2.0/24"}})

    with pytest.raises(ConfigError, match="did you mean 'IpAddress'"):
        api({"/pets": {"get": IN}}, root=root)


# ---------------------------------------------------------------------------------------------------- the report


def test_what_is_enforced_is_reported_so() -> None:
    paths = {
        "/a": {"get": guarded("token")}, "/b": {"get": guarded("request")}, "/c": {"get": guarded("pools")},
        "/d": {"get": guarded("iam")}, "/e": {"get": IN_AUTH},
    }  # fmt: skip
    gateway = api(paths, root={**PRIVATE, **resource("Allow")}, functions={"authorize": Authorizer()})

    assert gateway.report is not None
    unenforced = {entry.key for entry in gateway.report if entry.security and entry.status != ENFORCED}
    assert unenforced == set()


def test_scopes_count_for_user_pools_only() -> None:
    paths = {"/a": {"get": {**guarded(), "security": [{"token": ["pets/read"]}]}}}
    gateway = api(paths, functions={"authorize": Authorizer()})

    assert gateway.report is not None
    assert [entry.note for entry in gateway.report if entry.status == APPROXIMATED] == [
        "the authorizer is asked; only user pools look at scopes"
    ]
