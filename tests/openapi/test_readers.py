"""What each part of a document becomes. Recorded facts name their row."""

from typing import Any

import fastjsonschema
import pytest

from gatewaykit.definition.model import Method
from gatewaykit.openapi import read_definition
from tests.openapi.documents import integration, operation, paths, read, root

LAMBDA = (
    "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:1:function:f/invocations"
)


def method(text: str) -> Method:
    return read(text).definition.methods[0]


# ---------------------------------------------------------------------------------------------------- root


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        pytest.param("x-amazon-apigateway-api-key-source: authorizer", "api_key_source", "AUTHORIZER", id="key source"),
        pytest.param("info: {title: T}", "api_key_source", "HEADER", id="key source when absent"),
        pytest.param(
            "x-amazon-apigateway-binary-media-types: ['*/*']", "binary_media_types", ("*/*",), id="binary types"
        ),
        pytest.param(
            "x-amazon-apigateway-minimum-compression-size: 0", "minimum_compression_size", 0, id="compression"
        ),
        pytest.param(
            "x-amazon-apigateway-minimum-compression-size:", "minimum_compression_size", None, id="no compression"
        ),
        pytest.param(
            "x-amazon-apigateway-policy: {Version: 2012-10-17}",
            "resource_policy",
            {"Version": "2012-10-17"},
            id="policy",
        ),
        pytest.param(
            "servers: [{url: /, x-amazon-apigateway-endpoint-configuration: {vpcEndpointIds: [v]}}]",
            "endpoint_configuration",
            {"vpcEndpointIds": ["v"]},
            id="endpoint configuration in servers",
        ),
        pytest.param(
            "x-gatewaykit: {cors: {origins: [a]}}", "extensions", {"cors": {"origins": ["a"]}}, id="our own key"
        ),
        pytest.param("info: {title: Shop, version: 1}", "name", "Shop", id="name"),
        pytest.param("info: {title: Shop, version: 1}", "version", "1", id="version"),
    ],
)
def test_a_key_at_the_root_becomes_a_field(text: str, field: str, value: object) -> None:
    assert getattr(read(root(text)).definition, field) == value


@pytest.mark.parametrize(
    "text",
    [
        "openapi: 3.0.3\npaths: {}",
        "openapi: 3.1.0\npaths: {}",
        "openapi: 3.0\npaths: {}",
        "swagger: 2.0\npaths: {}",
        "swagger: '2.0'\npaths: {}",
    ],
)
def test_the_version_is_read_as_text_or_number(text: str) -> None:
    assert read(text).definition.methods == ()


def test_gateway_responses_keep_what_is_absent_apart_from_what_is_empty() -> None:
    text = root(
        """
        x-amazon-apigateway-gateway-responses:
          UNAUTHORIZED: {}
          THROTTLED: {statusCode: '420', responseParameters: {}, responseTemplates: {application/json: null}}
          DEFAULT_5XX: {responseParameters: {gatewayresponse.header.X: "'y'"}}
        """
    )

    first, second, third = read(text).definition.gateway_responses

    assert (first.type, first.status_code, first.response_parameters, first.response_templates) == (
        "UNAUTHORIZED",
        None,
        None,
        None,
    )
    assert (second.status_code, second.response_parameters, second.response_templates) == (
        420,
        {},
        {"application/json": ""},
    )
    assert third.response_parameters == {"gatewayresponse.header.X": "'y'"}


# ---------------------------------------------------------------------------------------------------- integrations


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param(
            "type: mock\npassthroughBehavior: when_no_templates",
            {"type": "MOCK", "passthrough_behavior": "WHEN_NO_TEMPLATES"},
            id="row 131: upper case",
        ),
        pytest.param(
            "type: mock",
            {"passthrough_behavior": "WHEN_NO_MATCH", "timeout_ms": 29000, "connection_type": "INTERNET"},
            id="row 121: defaults",
        ),
        pytest.param("type: MOCK\ntimeoutInMillis: 50", {"timeout_ms": 50}, id="shortest timeout"),
        pytest.param(
            "type: http\nhttpMethod: get\nuri: http://x", {"http_method": "GET", "uri": "http://x"}, id="http"
        ),
        pytest.param(
            "type: http_proxy\nhttpMethod: ANY\nuri: https://${stageVariables.h}/x",
            {"type": "HTTP_PROXY"},
            id="row 99: stage variable",
        ),
        pytest.param(
            "type: http_proxy\nhttpMethod: ANY\nuri: ${stageVariables.url}",
            {"type": "HTTP_PROXY"},
            id="a stage variable for the whole uri",
        ),
        pytest.param(
            f"type: aws_proxy\nhttpMethod: POST\nuri: {LAMBDA}", {"type": "AWS_PROXY", "uri": LAMBDA}, id="function"
        ),
        pytest.param(
            "type: aws\nhttpMethod: POST\nuri: 'arn:${AWS::Partition}:apigateway:${AWS::Region}:sqs:action/Send'",
            {"type": "AWS"},
            id="pseudo parameters",
        ),
        pytest.param(
            "type: mock\ncontentHandling: convert_to_binary",
            {"content_handling": "CONVERT_TO_BINARY"},
            id="content handling",
        ),
        pytest.param(
            "type: mock\ncacheNamespace: n\ncacheKeyParameters: [a, b]",
            {"cache_namespace": "n", "cache_key_parameters": ("a", "b")},
            id="cache keys",
        ),
        pytest.param(
            "type: mock\ntlsConfig: {insecureSkipVerification: true}",
            {"tls_config": {"insecureSkipVerification": True}},
            id="tls",
        ),
        pytest.param("type: mock\nresponseTransferMode: stream", {"response_transfer_mode": "STREAM"}, id="streaming"),
        pytest.param(
            "type: mock\ncredentials: r\nconnectionType: vpc_link\nconnectionId: c",
            {"credentials": "r", "connection_type": "VPC_LINK", "connection_id": "c"},
            id="connection",
        ),
        pytest.param(
            "type: mock\nrequestTemplates: {application/json: }",
            {"request_templates": {"application/json": ""}},
            id="empty template",
        ),
    ],
)
def test_a_member_of_an_integration_becomes_a_field(text: str, fields: dict[str, Any]) -> None:
    found = method(integration(text)).integration

    assert {name: getattr(found, name) for name in fields} == fields


def test_integration_responses_are_selected_by_their_key_and_default_has_none() -> None:
    text = integration(
        "type: mock\nresponses: {default: {statusCode: 200}, '4\\d{2}': {statusCode: '400'}, '': {statusCode: 201}}"
    )
    found = method(text).integration
    assert found is not None

    selected = [(response.selection_pattern, response.status_code) for response in found.responses]

    assert selected == [(None, "200"), ("4\\d{2}", "400"), ("", "201")]  # row 132: status codes are text


@pytest.mark.parametrize("value", ["true", "{a: 1}", "7"])
def test_row_129_a_request_parameter_that_is_no_text_is_dropped_with_a_warning(value: str) -> None:
    reading = read(
        integration(
            "type: mock\n"
            f"requestParameters: {{integration.request.header.a: {value}, integration.request.header.b: \"'x'\"}}"
        )
    )

    found = reading.definition.methods[0].integration
    assert found is not None
    assert found.request_parameters == {"integration.request.header.b": "'x'"}
    (warning,) = reading.warnings
    assert str(warning).startswith(
        "api.yaml:7:29: Invalid format for 'requestParameters'. Expected type string for property "
        "'integration.request.header.a' of resource '/pets' and method 'GET' but got '"
    )


# ---------------------------------------------------------------------------------------------------- operations


def test_parameters_of_path_and_operation_are_joined_and_the_operation_wins() -> None:
    text = paths(
        """
        /pets/{id}:
          parameters:
            - {name: id, in: path}
            - {name: q, in: query, required: true}
            - $ref: '#/components/parameters/Trace'
          get:
            parameters:
              - {name: q, in: query, required: false}
              - {name: sid, in: cookie, required: true}
        components: {}
        """
    ).replace("  components: {}", "components: {parameters: {Trace: {name: X-Trace, in: header, required: true}}}")

    assert method(text).request_parameters == {
        "method.request.path.id": True,  # row 133: path parameters always are
        "method.request.querystring.q": False,
        "method.request.header.X-Trace": True,
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/pets", "/pets"),
        ("/pets/", "/pets"),
        ("/{proxy+}", "/{proxy+}"),
        ("/a/{b}/c.d,e:f_g-h", "/a/{b}/c.d,e:f_g-h"),
    ],
)
def test_a_path_is_kept_without_its_trailing_slash(path: str, expected: str) -> None:
    assert method(paths(f"'{path}': {{get: {{}}}}")).path == expected


def test_row_131_any_method_is_the_verb_any() -> None:
    assert method(paths("/x: {x-amazon-apigateway-any-method: {}}")).verb == "ANY"


def test_a_path_may_be_a_reference() -> None:
    found = read(paths("/a: {get: {operationId: a}}\n/b: {$ref: '#/paths/~1a'}")).definition.methods

    assert [(each.path, each.operation_id) for each in found] == [("/a", "a"), ("/b", "a")]


VALIDATORS = """
x-amazon-apigateway-request-validators: {body: {validateRequestBody: true}, all: {validateRequestParameters: true}}
"""


@pytest.mark.parametrize(
    ("own", "whole", "expected"),
    [
        pytest.param("", "", None, id="none"),
        pytest.param("", "body", "body", id="that of the API"),
        pytest.param("all", "body", "all", id="the operation's own"),
        pytest.param("all", "", "all", id="only the operation's"),
    ],
)
def test_an_operation_takes_its_own_validator_or_that_of_the_api(own: str, whole: str, expected: str | None) -> None:
    key = "x-amazon-apigateway-request-validator: "
    found = method(operation(key + own if own else "summary: x", f"{VALIDATORS}\n{key + whole if whole else ''}"))

    assert (found.request_validator.name if found.request_validator else None) == expected


SCHEMES = """
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Api-Key}
    other_key: {type: apiKey, in: header, name: X-Other}
    query_key: {type: apiKey, in: query, name: x-api-key}
    basic: {type: http, scheme: basic}
    iam: {type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authtype: awsSigv4}
    token:
      {type: apiKey, in: header, name: A, x-amazon-apigateway-authtype: custom,
       x-amazon-apigateway-authorizer: {type: TOKEN}}
    request: {type: apiKey, in: header, name: Unused, x-amazon-apigateway-authorizer: {type: request}}
    pools: {type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authorizer: {type: cognito_user_pools}}
    alias: {$ref: '#/components/securitySchemes/iam'}
"""


@pytest.mark.parametrize(
    ("own", "whole", "key_required", "kinds"),
    [
        pytest.param(None, "[]", False, [], id="nothing asked for"),
        pytest.param("[{key: []}]", "[]", True, [], id="row 122: an API key"),
        pytest.param(None, "[{key: []}]", True, [], id="row 133: the API's list"),
        pytest.param("[{basic: []}]", "[{key: []}]", False, ["UNSUPPORTED"], id="row 133: the operation's list wins"),
        pytest.param("[]", "[{key: []}]", False, [], id="an empty list switches it off"),
        pytest.param("[{key: []}, {token: []}]", "[]", True, ["LAMBDA_TOKEN"], id="alternatives are both asked for"),
        pytest.param("[{key: [], request: []}]", "[]", True, ["LAMBDA_REQUEST"], id="two in one"),
        pytest.param("[{}, {key: []}]", "[]", True, [], id="an empty one makes nothing optional"),
        pytest.param("[{pools: [a/b]}]", "[]", False, ["COGNITO_USER_POOLS"], id="user pools"),
        pytest.param("[{iam: []}]", "[]", False, ["AWS_IAM"], id="signature"),
        pytest.param("[{alias: []}]", "[]", False, ["AWS_IAM"], id="a reference"),
        pytest.param("[{other_key: []}]", "[]", False, ["UNSUPPORTED"], id="a key in another header"),
        pytest.param("[{query_key: []}]", "[]", False, ["UNSUPPORTED"], id="a key in the query"),
    ],
)
def test_security_becomes_a_key_or_requirements(
    own: str | None, whole: str, key_required: bool, kinds: list[str]
) -> None:
    found = method(operation(f"security: {own}" if own else "summary: x", f"security: {whole}\n{SCHEMES}"))

    assert found.api_key_required is key_required
    assert [requirement.scheme.kind for requirement in found.security] == kinds


def test_scopes_stand_with_the_requirement() -> None:
    (requirement,) = method(operation("security: [{pools: [a/b, c]}]", SCHEMES)).security

    assert requirement.scopes == ("a/b", "c")


@pytest.mark.parametrize(("kind", "kinds"), [("aws_iam", ["AWS_IAM"]), ("NONE", [])])
def test_the_auth_extension_asks_for_a_signature(kind: str, kinds: list[str]) -> None:
    found = method(operation(f"x-amazon-apigateway-auth: {{type: {kind}}}"))

    assert [requirement.scheme.kind for requirement in found.security] == kinds


def test_our_own_key_gives_policies_and_extensions() -> None:
    found = method(operation("x-gatewaykit: {policies: [{throttle: {rate: 1}}], app: catalog}"))

    assert (found.policies, found.extensions) == (({"throttle": {"rate": 1}},), {"app": "catalog"})


def test_responses_give_headers_and_model_names() -> None:
    text = operation(
        """
        responses:
          200:
            headers: {X-A: {}}
            content: {text/plain: {schema: {type: string}}, a/b: {schema: {$ref: '#/components/schemas/P'}}}
          default: {$ref: '#/components/responses/R'}
        """,
        "components: {schemas: {P: {}}, responses: {R: {description: r}}}",
    )

    assert method(text).method_responses == {
        "200": {"response_parameters": {"method.response.header.X-A": False}, "response_models": {"a/b": "P"}},
        "default": {"response_parameters": {}, "response_models": {}},
    }


# ---------------------------------------------------------------------------------------------------- models


def body(schema: str, schemas: str = "{}", version: str = "3.0.1") -> dict[str, Any]:
    text = operation(
        f"requestBody: {{content: {{application/json: {{schema: {schema}}}}}}}", f"components: {{schemas: {schemas}}}"
    )
    return dict(method(text.replace("3.0.1", version)).request_models["application/json"].schema)


DRAFT_4 = {"$schema": "http://json-schema.org/draft-04/schema#"}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
EMPTY = {"title": "Empty Schema", "type": "object"}
ERROR = {"title": "Error Schema", "type": "object", "properties": {"message": {"type": "string"}}}
INLINE = "paths._1pets.get.requestBody.content.application_1json.schema"


@pytest.mark.parametrize(
    ("schema", "schemas", "expected"),
    [
        pytest.param("{type: object}", "{}", {"type": "object"}, id="inline"),
        pytest.param("{}", "{}", {}, id="empty"),
        pytest.param("{$ref: '#/components/schemas/A'}", "{A: {type: string}}", {"type": "string"}, id="named"),
        pytest.param(
            "{$ref: '#/components/schemas/A'}",
            "{A: {items: {$ref: '#/components/schemas/B'}}, B: {type: string}, C: {}}",
            {"items": {"$ref": "#/definitions/B"}, "definitions": {"B": {"type": "string"}}},
            id="with what it refers to and no more",
        ),
        pytest.param(
            "{$ref: '#/components/schemas/A'}",
            "{A: {properties: {b: {$ref: '#/components/schemas/B'}}}, "
            "B: {properties: {a: {$ref: '#/components/schemas/A'}}}}",
            {
                "properties": {"b": {"$ref": "#/definitions/B"}},
                "definitions": {
                    "A": {"properties": {"b": {"$ref": "#/definitions/B"}}},
                    "B": {"properties": {"a": {"$ref": "#/definitions/A"}}},
                },
            },
            id="row 22: circular",
        ),
        pytest.param(
            "{oneOf: [{type: 'null'}, {$ref: 'https://apigateway.amazonaws.com/restapis/abc/models/A'}]}",
            "{A: {}}",
            {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/A"}], "definitions": {"A": {}}},
            id="row 21: the address of a model",
        ),
        pytest.param(
            "{items: {$ref: 'https://apigateway.amazonaws.com/restapis/abc/models/Empty'}}",
            "{}",
            {"items": {"$ref": "#/definitions/Empty"}, "definitions": {"Empty": EMPTY}},
            id="01 §8: the model Empty",
        ),
        pytest.param(
            "{items: [{$ref: 'https://apigateway.amazonaws.com/restapis/abc/models/Error'}, "
            "{$ref: 'https://apigateway.amazonaws.com/restapis/abc/models/Error'}]}",
            "{}",
            {
                "items": [{"$ref": "#/definitions/Error"}, {"$ref": "#/definitions/Error"}],
                "definitions": {"Error": ERROR},
            },
            id="01 §8: the model Error",
        ),
        pytest.param(
            "{items: {$ref: 'https://apigateway.amazonaws.com/restapis/abc/models/Empty'}}",
            "{Empty: {type: string}}",
            {"items": {"$ref": "#/definitions/Empty"}, "definitions": {"Empty": {"type": "string"}}},
            id="the document's own Empty",
        ),
        pytest.param(
            "{items: {$ref: '#/definitions/A'}}",
            "{A: {type: string}}",
            {"items": {"$ref": "#/definitions/A"}, "definitions": {"A": {"type": "string"}}},
            id="01 §8: a model under definitions",
        ),
        pytest.param(
            "{definitions: {A: {type: integer}}, not: {items: {$ref: '#/definitions/A'}}}",
            "{A: {type: string}}",
            {
                "not": {"items": {"$ref": f"#/definitions/{INLINE}.definitions.A"}},
                "definitions": {f"{INLINE}.definitions.A": {"type": "integer"}},
            },
            id="definitions of its own",
        ),
        pytest.param(
            "{id: a, not: {id: b, minLength: 1}, properties: {id: {id: c}}}",
            "{}",
            {"not": {"minLength": 1}, "properties": {"id": {}}},
            id="an id means nothing",
        ),
        pytest.param(
            "{items: {$ref: '#/components/schemas/A/properties/x'}}",
            "{A: {properties: {x: {type: string}}}}",
            {
                "items": {"$ref": "#/definitions/components.schemas.A.properties.x"},
                "definitions": {"components.schemas.A.properties.x": {"type": "string"}},
            },
            id="inside another",
        ),
        pytest.param(
            "{items: {$ref: '#/components/schemas/A%20b'}}",
            "{'A b': {type: string}}",
            {"items": {"$ref": "#/definitions/A_b"}, "definitions": {"A_b": {"type": "string"}}},
            id="a name that needs escapes",
        ),
        pytest.param(
            "{properties: {$ref: {type: string}, id: {type: string}, definitions: {$ref: '#/components/schemas/A'}}}",
            "{A: {}}",
            {
                "properties": {
                    "$ref": {"type": "string"},
                    "id": {"type": "string"},
                    "definitions": {"$ref": "#/definitions/A"},
                },
                "definitions": {"A": {}},
            },
            id="properties that are called like keywords",
        ),
        pytest.param(
            "{enum: [{$ref: 'http://x/y'}]}", "{}", {"enum": [{"$ref": "http://x/y"}]}, id="values are no schemas"
        ),
        pytest.param(
            "{$id: 'http://x/y', definitions: {a: {}}, not: {$id: z}}",
            "{}",
            {"not": {}},
            id="nothing moves the base of references",
        ),
        pytest.param(
            "{items: {$ref: '#/components/schemas/A', minLength: 3}}",
            "{A: {}}",
            {"items": {"$ref": "#/definitions/A"}, "definitions": {"A": {}}},
            id="nothing counts beside a reference",
        ),
        pytest.param(
            "{additionalProperties: false, dependencies: {a: [b], c: {minLength: 1}}}",
            "{}",
            {"additionalProperties": False, "dependencies": {"a": ["b"], "c": {"minLength": 1}}},
            id="flags and names",
        ),
        pytest.param(
            "{$schema: 'http://json-schema.org/draft-06/schema#', items: [{}, {type: string}]}",
            "{}",
            {"$schema": "http://json-schema.org/draft-06/schema#", "items": [{}, {"type": "string"}]},
            id="a draft of its own",
        ),
    ],
)
def test_a_model_is_a_schema_of_its_own(schema: str, schemas: str, expected: dict[str, Any]) -> None:
    assert body(schema, schemas) == DRAFT_4 | expected


def test_row_22_circular_models_are_checked_at_every_depth() -> None:
    schemas = (
        "{Person: {type: object, required: [name], properties: {house: {$ref: '#/components/schemas/House'}}}, "
        "House: {type: object, properties: {owner: {$ref: '#/components/schemas/Person'}}}}"
    )
    check = fastjsonschema.compile(body("{$ref: '#/components/schemas/Person'}", schemas))

    check({"name": "a", "house": {"owner": {"name": "b"}}})
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        check({"name": "a", "house": {"owner": {"house": {}}}})


def test_in_openapi_3_1_what_stands_beside_a_reference_counts() -> None:
    found = body("{items: {$ref: '#/components/schemas/A', minLength: 3}}", "{A: {}}", "3.1.0")

    assert found == DRAFT_7 | {
        "items": {"allOf": [{"$ref": "#/definitions/A"}, {"minLength": 3}]},
        "definitions": {"A": {}},
    }


def test_an_inline_model_is_named_after_its_method_and_no_name_is_given_twice() -> None:
    content = "content: {a/b: {schema: {type: string}}, c/d: {schema: {type: number}}}"
    definition = read(operation(f"requestBody: {{{content}}}", "components: {schemas: {GetPets: {}}}")).definition

    assert list(definition.models) == ["GetPets", "GetPets_2", "GetPets_3"]


@pytest.mark.parametrize(
    ("own", "whole", "expected"),
    [
        ("", "", ["application/json"]),
        ("", "[a/b, c/d]", ["a/b", "c/d"]),
        ("[e/f]", "[a/b]", ["e/f"]),
        ("[]", "", ["application/json"]),
    ],
)
def test_swagger_bodies_have_the_media_types_that_the_operation_consumes(
    own: str, whole: str, expected: list[str]
) -> None:
    text = operation(
        f"parameters: [{{in: body, name: x, schema: {{type: object}}}}]\n{'consumes: ' + own if own else ''}",
        f"consumes: {whole}" if whole else "",
    ).replace("openapi: 3.0.1", "swagger: '2.0'")

    assert list(method(text).request_models) == expected


# ---------------------------------------------------------------------------------------------------- the ledger


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            root("x-amazon-apigateway-polcy: {}"),
            ("unknown", "x-amazon-apigateway-policy", True),
            id="a typing mistake of a security key",
        ),
        pytest.param(
            root("x-amazon-apigateway-binary-media-type: []"),
            ("unknown", "x-amazon-apigateway-binary-media-types", False),
            id="a typing mistake",
        ),
        pytest.param(
            root("X-Amazon-Apigateway-Policy: {}"),
            ("unknown", "x-amazon-apigateway-policy", True),
            id="extension keys are case-sensitive",
        ),
        pytest.param(root("x-amazon-apigateway-teleport: {}"), ("unknown", "", False), id="nothing like it"),
        pytest.param(
            root("x-amazon-apigateway-always-reauthenticate: {}"), ("unknown", "", True), id="it sounds of security"
        ),
        pytest.param(root("x-gatwaykit: {}"), ("unknown", "x-gatewaykit", False), id="a typing mistake of our own"),
        pytest.param(
            root("x-amazon-apigateway-authorizer: {}"), ("unknown", "", True), id="a known key in the wrong place"
        ),
        pytest.param(paths("/pets: {x-gatewaykit: {app: a}}"), ("unknown", "", False), id="our own key in a path"),
        pytest.param(
            paths("/pets: {x-gatewaykit: {policies: []}}"), ("unknown", "", True), id="policies that nothing reads"
        ),
        pytest.param(root("sevrers: []"), ("unknown", "servers", False), id="a plain key"),
        pytest.param(root("x-codegen-package: y"), ("ignored", "", False), id="another tool's extension"),
        pytest.param(root("x-amazon-apigateway-security-policy: TLS_1_2"), ("ignored", "", True), id="TLS policy"),
        pytest.param(root("x-amazon-apigateway-endpoint-access-mode: STRICT"), ("ignored", "", True), id="access mode"),
        pytest.param(root("x-amazon-apigateway-policy: {}"), ("ignored", "", True), id="resource policy"),
        pytest.param(root("x-amazon-apigateway-documentation: {}"), ("ignored", "", False), id="documentation"),
        pytest.param(root("x-amazon-apigateway-cors: {maxAge: 1}"), ("ignored", "", False), id="07: CORS of HTTP APIs"),
        pytest.param(
            root("components: {x-amazon-apigateway-integrations: {}}"),
            ("ignored", "", False),
            id="07: integrations of HTTP APIs",
        ),
        pytest.param(
            root("x-amazon-apigateway-importexport-version: '1.0'"), ("ignored", "", False), id="export version"
        ),
        pytest.param(
            root("x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: true}"),
            ("ignored", "", True),
            id="no default host",
        ),
        pytest.param(
            root("x-amazon-apigateway-endpoint-configuration: {types: [EDGE]}"),
            ("ignored", "", False),
            id="an endpoint that hides nothing",
        ),
        pytest.param(
            root("components: {securitySchemes: {a: {type: http, scheme: basic}}}"),
            ("ignored", "", False),
            id="a scheme nobody asks for",
        ),
        pytest.param(
            root("security: [{a: []}]\ncomponents: {securitySchemes: {a: {type: http}}}"),
            ("ignored", "", False),
            id="root security without operations",
        ),
        pytest.param(
            operation("x-amazon-apigateway-auth: {type: AWS_IAM}"), ("ignored", "", True), id="a signature asked for"
        ),
        pytest.param(
            operation("x-amazon-apigateway-auth: {type: NONE}"), ("ignored", "", False), id="nothing asked for"
        ),
        pytest.param(
            operation("security: [{a: []}]", "components: {securitySchemes: {a: {type: http}}}"),
            ("ignored", "", True),
            id="a scheme in use",
        ),
        pytest.param(integration("type: mock\nuris: x"), ("unknown", "uri", False), id="an integration member"),
        pytest.param(
            root("x-amazon-apigateway-api-key-source: HEADER"),
            ("ignored", "", False),
            id="a key source where no operation asks for a key",
        ),
        pytest.param(
            root(VALIDATORS + "x-amazon-apigateway-request-validator: all"),
            ("ignored", "", False),
            id="a validator no operation takes",
        ),
        pytest.param(paths("x-codegen: 1"), ("ignored", "", False), id="an extension among the paths"),
        pytest.param(operation("responses: {x-codegen: 1}"), ("ignored", "", False), id="an extension among responses"),
        pytest.param(root("servers: [{x-codegen: 1}]"), ("ignored", "", False), id="an extension in a server"),
        pytest.param(
            root("components: {securitySchemes: {a: {x-amazon-apigateway-authorise: 1}}}"),
            ("ignored", "", False),
            id="a typing mistake in a scheme nobody asks for",
        ),
        pytest.param(
            root("components: {schemas: {A: {items: {$ref: '#/components/schemas/B', minLength: 1}}, B: {}}}"),
            ("ignored", "", False),
            id="a keyword beside a reference",
        ),
    ],
)
def test_the_report_says_of_each_key_what_it_is(text: str, expected: tuple[str, str, bool]) -> None:
    entries = [entry for entry in read(text).ledger.report() if entry.key not in ("openapi", "/pets", "get", "type")]

    assert (entries[0].status, entries[0].near, entries[0].security) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(root("info: {KEY: {}}"), id="info"),
        pytest.param(root("info: {contact: {KEY: {}}}"), id="deeper"),
        pytest.param(root("tags: [{name: a, KEY: {}}]"), id="a tag"),
        pytest.param(root("components: {schemas: {A: {properties: {b: {KEY: 1}}}}}"), id="a schema"),
        pytest.param(root("components: {responses: {A: {KEY: 1}}}"), id="a response nobody refers to"),
        pytest.param(root("components: {securitySchemes: {A: {flows: {KEY: 1}}}}"), id="inside a scheme"),
        pytest.param(operation("responses: {200: {KEY: 1}}"), id="a response"),
        pytest.param(operation("responses: {200: {headers: {a: {KEY: 1}}}}"), id="a header"),
        pytest.param(operation("servers: [{KEY: 1}]"), id="a server of an operation"),
        pytest.param(paths("/a: {x-amazon-apigateway-any-method: {responses: {200: {KEY: 1}}}}"), id="any method"),
    ],
)
@pytest.mark.parametrize(
    ("key", "security"),
    [
        ("x-amazon-apigateway-policy", True),
        ("x-amazon-apigateway-binary-media-types", False),
        ("X-Amazon-Apigateway-Policy", True),
        ("x-gatewaykit", False),
    ],
)
def test_an_extension_key_where_nothing_reads_it_is_told(text: str, key: str, security: bool) -> None:
    entries = {entry.key: entry for entry in read(text.replace("KEY", key)).ledger.report()}

    assert (entries[key].status, entries[key].security) == ("unknown", security)


def test_what_stands_in_examples_and_in_keys_of_other_tools_is_no_extension() -> None:
    text = root("x-template: {x-amazon-apigateway-policy: {}}\ninfo: {example: {x-amazon-apigateway-policy: {}}}")

    assert "x-amazon-apigateway-policy" not in {entry.key for entry in read(text).ledger.report()}


def test_a_tag_value_describes() -> None:
    (entry,) = [
        each for each in read(root("tags: [{x-amazon-apigateway-tag-value: a}]")).ledger.report() if "value" in each.key
    ]

    assert (entry.status, entry.harmless) == ("ignored", True)


def test_sections_left_empty_are_sections_that_are_not_there() -> None:
    text = operation(
        """
        parameters:
        responses:
        x-amazon-apigateway-integration:
          type: mock
          requestParameters:
          requestTemplates:
          responses:
        """,
        "x-amazon-apigateway-gateway-responses: {THROTTLED: {responseParameters: , responseTemplates: }}",
    )

    definition = read(text).definition

    (found,) = definition.methods
    assert found.integration is not None
    assert (found.request_parameters, found.method_responses, found.integration.responses) == ({}, {}, ())
    assert (found.integration.request_parameters, found.integration.request_templates) == ({}, {})
    (customised,) = definition.gateway_responses
    assert (customised.response_parameters, customised.response_templates) == ({}, {})


def test_a_number_may_be_written_as_text() -> None:  # as row 132 for status codes
    text = integration("type: mock\ntimeoutInMillis: '3000'") + "\nx-amazon-apigateway-minimum-compression-size: '10'\n"

    definition = read(text).definition

    assert definition.methods[0].integration is not None
    assert (definition.methods[0].integration.timeout_ms, definition.minimum_compression_size) == (3000, 10)


def test_gateway_response_parameters_that_are_no_headers_are_said_to_do_nothing() -> None:
    reading = read(
        root(
            """
            x-amazon-apigateway-gateway-responses:
              THROTTLED:
                responseParameters: {gatewayresponse.path.a: "'1'", gatewayresponse.header.b: "'2'"}
            """
        )
    )
    assert [each.response_parameters for each in reading.ledger.view(reading.definition).gateway_responses]

    statuses = {entry.key: (entry.status, entry.note) for entry in reading.ledger.report()}

    assert statuses["gatewayresponse.path.a"] == ("ignored", "a response has no path and no query string")
    assert statuses["gatewayresponse.header.b"] == ("enforced", "")


def test_what_stands_beside_a_reference_is_in_the_report() -> None:
    text = paths("/a: {get: {}}\n/b: {$ref: '#/paths/~1a', post: {}}")

    entries = {entry.place.pointer: entry for entry in read(text).ledger.report()}

    assert entries["/paths/~1b/post"].note == "nothing counts beside a $ref"


def test_a_compiler_that_reads_everything_leaves_no_security_key_unenforced() -> None:
    text = operation("security: [{key: []}, {token: []}]", "x-amazon-apigateway-policy: {a: b}\n" + SCHEMES)
    reading = read(text)
    assert {problem.what.split("'")[1] for problem in reading.ledger.report().unenforced_security()} == {
        "key", "token", "x-amazon-apigateway-authtype", "x-amazon-apigateway-authorizer", "x-amazon-apigateway-policy",
    }  # fmt: skip

    view = reading.ledger.view(reading.definition)
    assert view.resource_policy
    assert view.methods[0].api_key_required
    assert [(need.scheme.kind, need.scheme.settings, need.scopes) for need in view.methods[0].security]

    assert reading.ledger.report().unenforced_security() == []


def test_a_model_counts_as_enforced_with_all_it_refers_to_once_a_method_checks_it() -> None:
    text = operation(
        "requestBody: {content: {a/b: {schema: {$ref: '#/components/schemas/A'}}}}",
        "components: {schemas: {A: {items: {$ref: '#/components/schemas/B'}}, B: {}, C: {}}}",
    )
    reading = read(text)

    for found in reading.ledger.view(reading.definition).methods:
        assert [model.schema for model in found.request_models.values()]

    statuses = {entry.key: entry.status for entry in reading.ledger.report()}
    assert (statuses["A"], statuses["B"], statuses["C"], statuses["schema"]) == (
        "enforced",
        "enforced",
        "ignored",
        "enforced",
    )


def test_a_parsed_mapping_has_pointers_for_places() -> None:
    reading = read_definition({"openapi": "3.0.1", "paths": {"/x": {"get": {"responses": {200: {}}}}}})

    assert [str(entry.place) for entry in reading.ledger.report()] == [
        "/openapi",
        "/paths/~1x",
        "/paths/~1x/get",
        "/paths/~1x/get/responses/200",
    ]
