"""Reference 07: which authorizers, keys and policies a document's keys make."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway
from tests.conformance.authorized import (
    FORBIDDEN,
    POOL,
    RESOURCE,
    SCHEMES,
    TARGET,
    UNAUTHORIZED,
    api,
    asks,
    changed,
    clock,
    granting,
    guarded,
    id_token,
    policy,
    said,
)
from tests.conformance.documents import lambda_uri

OPEN, TOKEN, IAM, POOLS = 200, 401, 403, 401
GLOBAL = {"security": [{"token": []}]}


@pytest.mark.parametrize(
    ("operation", "root", "status"),
    [
        pytest.param({}, GLOBAL, 401, id="07: security at the root (row 133)"),
        pytest.param({"security": []}, GLOBAL, 200, id="07: a method's own security, empty"),
        pytest.param({"security": [{"iam": []}]}, GLOBAL, 403, id="07: a method's own security, another"),
        pytest.param({"x-amazon-apigateway-auth": {"type": "aws_iam"}}, {}, 403, id="07: auth in any casing"),
        pytest.param({"x-amazon-apigateway-auth": {"type": "none"}}, {}, 200, id="07: auth none"),
        pytest.param({"security": [{"key": []}]}, GLOBAL, 403, id="07: an API key alone, in place of the root's"),
    ],
)
async def test_which_authorizer_a_method_has(operation: dict[str, Any], root: dict[str, Any], status: int) -> None:
    got = await asks(api({**guarded(), **operation}, root=root))

    assert got.status == status


@pytest.mark.parametrize(
    ("authtype", "type_", "status"),
    [
        pytest.param("custom", "token", 401, id="07: custom"),
        pytest.param("oauth2", "token", 401, id="07: oauth2, free text"),
        pytest.param("Custom scheme with blanks", "TOKEN", 401, id="07: any text"),
        pytest.param(None, "token", 401, id="07: no authtype"),
        pytest.param("cognito_user_pools", "cognito_user_pools", 401, id="07: cognito_user_pools"),
        pytest.param("awsSigv4", None, 403, id="07: awsSigv4"),
        pytest.param("AWSSIGV4", None, 403, id="07: awsSigv4 in another casing"),
    ],
)
async def test_the_authtype_of_a_scheme(authtype: str | None, type_: str | None, status: int) -> None:
    settings: dict[str, Any] = {"type": type_, "authorizerUri": lambda_uri("authorize"), "providerARNs": [POOL]}
    own: dict[str, Any] = {"type": "apiKey", "name": "Authorization", "in": "header"}
    if authtype is not None:
        own["x-amazon-apigateway-authtype"] = authtype
    if type_ is not None:
        own["x-amazon-apigateway-authorizer"] = settings

    got = await asks(api(guarded("own"), schemes={"own": own}))

    assert got.status == status


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param("method.request.header.X-Who, method.request.querystring.room", id="07: a comma and a blank"),
        pytest.param("method.request.header.X-Who,method.request.querystring.room", id="07: a comma"),
        pytest.param(" method.request.header.X-Who ,  stageVariables.colour , context.stage ", id="07: blanks around"),
    ],
)
async def test_identity_sources_of_a_definition(sources: str) -> None:
    schemes = changed("request", identitySource=sources)
    gateway = api(guarded("request"), schemes=schemes, stage_variables={"colour": "blue"})

    assert (await asks(gateway, f"{TARGET}?room=7", x_who="ann")).status == 200
    assert said(await asks(gateway, f"{TARGET}?room=7")) == UNAUTHORIZED


async def test_the_header_of_the_scheme_is_the_source_where_none_is_named() -> None:  # 07
    gateway = api(guarded("token"), schemes={"token": {**SCHEMES["token"], "name": "X-Token"}})

    assert said(await asks(gateway, authorization="t")) == UNAUTHORIZED
    assert (await asks(gateway, x_token="t")).status == 200


@pytest.mark.parametrize(
    "ttl",
    [
        pytest.param(3601, id="07: over the maximum"),
        pytest.param(-1, id="07: below zero"),
        pytest.param("soon", id="07: a text"),
        pytest.param(True, id="07: a boolean"),
    ],
)
def test_a_time_to_live_that_is_none(ttl: object) -> None:
    with pytest.raises(ConfigError) as raised:
        api(guarded("token"), schemes=changed("token", authorizerResultTtlInSeconds=ttl))

    assert "/components/securitySchemes/token" in raised.value.problems[0].where


@pytest.mark.parametrize(("stage", "status"), [("dev", 200), ("prod", 403)], ids=["07: it fits", "07: it does not"])
async def test_variables_of_the_import_are_resolved(stage: str, status: int) -> None:
    resource = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*/" + f"{stage}/GET/*"
    gateway = api(guarded(), resource=[{**RESOURCE["Allow"], "Resource": resource}], region="eu-west-1")

    assert (await asks(gateway)).status == status


async def test_variables_of_the_import_name_a_user_pool() -> None:  # 07
    pool = "arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/us-east-1_abc"

    got = await asks(api(guarded("pools"), schemes=changed("pools", providerARNs=[pool])), authorization=id_token())

    assert got.status == 200


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"authorizerUri": ""}, id="07: no function"),
        pytest.param({"authorizerUri": "authorize"}, id="07: no ARN"),
        pytest.param(
            {"authorizerUri": lambda_uri("unbound"), "authorizerResultTtlInSeconds": 3601}, id="07: nobody bound it"
        ),
    ],
)
def test_mistakes_are_told_before_any_function_is_there(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        api(guarded("token"), schemes=changed("token", **settings))

    assert "/components/securitySchemes/token" in raised.value.problems[0].where


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        pytest.param("token", "authorizerUri", {"Fn::Sub": "arn"}, id="07: a function of CloudFormation"),
        pytest.param("token", "identitySource", 5, id="07: a number"),
        pytest.param("token", "identityValidationExpression", ["a"], id="07: a list"),
        pytest.param("pools", "providerARNs", "arn", id="07: a text for a list"),
        pytest.param("pools", "providerARNs", [{"Fn::GetAtt": ["Pool", "Arn"]}], id="07: a function in a list"),
    ],
)
def test_settings_of_an_authorizer_that_have_another_form(name: str, setting: str, value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        api(guarded(name), schemes=changed(name, **{setting: value}))

    assert f"/x-amazon-apigateway-authorizer/{setting}" in raised.value.problems[0].where


def test_a_resource_policy_that_is_wrong_is_told_once_with_its_place() -> None:  # 07
    with pytest.raises(ConfigError) as raised:
        api(guarded("token"), resource=[{**RESOURCE["Allow"], "Effect": "Alow"}])

    [problem] = raised.value.problems
    assert (problem.where, problem.near) == ("/x-amazon-apigateway-policy", "Allow")
    assert problem.what.startswith("Statement[0].Effect: ")


async def test_a_document_of_swagger_2() -> None:  # 07
    made = {
        "swagger": "2.0", "info": {"title": "rows", "version": "1"}, "securityDefinitions": SCHEMES,
        "security": [{"token": []}],
        "x-amazon-apigateway-policy": policy(
            {**RESOURCE["Deny"], "Resource": "execute-api:/*/GET/closed"}, RESOURCE["Allow"]
        ),
        "paths": {
            "/pets": {"get": {**guarded(), "responses": {}}},
            "/signed": {"get": {**guarded("iam"), "responses": {}}},
            "/keyed": {"get": {**guarded("key"), "responses": {}}},
            "/closed": {"get": {**guarded("token"), "responses": {}}},
        },
    }  # fmt: skip
    gateway = Gateway.from_openapi(
        made, stage="dev", stage_prefix=True, clock=clock(),
        functions={"authorize": lambda event, context: granting(), "echo": lambda event, context: {"statusCode": 200}},
    )  # fmt: skip

    seen = [(await asks(gateway, f"/dev/{name}", authorization="t")).status for name in ("pets", "closed")]
    assert seen == [200, 403]
    assert (await asks(gateway, "/dev/pets")).status == 401
    assert said(await asks(gateway, "/dev/signed"))[1] == "MissingAuthenticationTokenException"
    assert said(await asks(gateway, "/dev/keyed")) == FORBIDDEN
