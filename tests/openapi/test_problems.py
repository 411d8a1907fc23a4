"""Every problem of a document, with its place; and that nothing but a ConfigError comes out of any document."""

import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.errors import ConfigError
from gatewaykit.openapi import read_definition
from gatewaykit.openapi.document import load
from tests.openapi.documents import MOCK, integration, operation, paths, problems, read, root
from tests.openapi.golden_documents import DOCUMENTS

NO_MAPPING = "is no source of a mapping here"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the document
        pytest.param("paths: {}", "api.yaml:1:1: the document says neither 'openapi' nor 'swagger'", id="no version"),
        pytest.param("openapo: 3.0.1", "(did you mean 'openapi'?)", id="version key"),
        pytest.param("- a", "api.yaml:1:1: the document has to be a mapping: it is a list", id="a list"),
        pytest.param("openapi: 2.9", "api.yaml:1:1: openapi '2.9' is not supported", id="old version"),
        pytest.param("openapi: {}", "api.yaml:1:1: openapi '{}' is not supported", id="version of another shape"),
        pytest.param("swagger: 1.2", "api.yaml:1:1: swagger '1.2' is not supported", id="old swagger"),
        pytest.param("openapi: 3.0.1", "api.yaml:1:1: the document has no paths", id="no paths"),
        pytest.param(root("info: 3"), "api.yaml:3:1: info has to be a mapping: it is the number 3", id="info"),
        pytest.param(
            root("x-amazon-apigateway-api-key-source: HEADERS"),
            "api.yaml:3:1: the API key source 'HEADERS' is not known (did you mean 'HEADER'?)",
            id="key source",
        ),
        pytest.param(
            root("x-amazon-apigateway-binary-media-types: png"),
            "has to be a list: it is the text 'png'",
            id="binary types",
        ),
        pytest.param(
            root("x-amazon-apigateway-binary-media-types: [png]"),
            "api.yaml:3:1: 'png' is no media type",
            id="binary type",
        ),
        pytest.param(
            root("x-amazon-apigateway-minimum-compression-size: -1"),
            "api.yaml:3:1: Invalid minimum compression size, must be between 0 and 10485760",
            id="row 137: negative",
        ),
        pytest.param(
            root("x-amazon-apigateway-minimum-compression-size: x"),
            "api.yaml:3:1: Invalid minimum compression size, must be between 0 and 10485760",
            id="row 137: text",
        ),
        pytest.param(
            integration("$ref: '#/components/x-amazon-apigateway-integrations/a'"),
            "api.yaml:6:9: '$ref' belongs to HTTP APIs: this document is read as a REST API",
            id="shared integration",
        ),
        pytest.param(operation("security:"), "security has to be a list: it is empty", id="security left empty"),
        pytest.param(
            root("x-amazon-apigateway-gateway-responses: {THROTLED: {}}"),
            "api.yaml:3:41: the gateway response type 'THROTLED' is not known (did you mean 'THROTTLED'?)",
            id="gateway response type",
        ),
        pytest.param(
            root("x-amazon-apigateway-gateway-responses: {THROTTLED: {statusCode: 42}}"),
            "api.yaml:3:53: a status code is a number from 100 to 599",
            id="gateway response status",
        ),
        pytest.param(
            root(
                "x-amazon-apigateway-gateway-responses:\n"
                "  THROTTLED: {responseParameters: {'gatewayresponse.header.a:b': \"'y'\"}}"
            ),
            "api.yaml:4:36: 'gatewayresponse.header.a:b' is no target of a mapping here",
            id="gateway response header that is none",
        ),
        pytest.param(
            root("x-amazon-apigateway-gateway-responses: {THROTTLED: {responseParameters: {header.x: \"'y'\"}}}"),
            "api.yaml:3:74: 'header.x' is no target of a mapping here. Write gatewayresponse.header.name",
            id="gateway response target",
        ),
        pytest.param(
            root(
                "x-amazon-apigateway-gateway-responses:\n"
                "  THROTTLED: {responseParameters: {gatewayresponse.header.x: '*'}}"
            ),
            NO_MAPPING,
            id="gateway response source",
        ),
        pytest.param(
            root("x-amazon-apigateway-request-validators: {a: {validateRequestBody: 'true'}}"),
            "validateRequestBody has to be true or false: it is the text 'true'",
            id="validator flag",
        ),
        # security
        pytest.param(
            operation("security: [{kye: []}]", "components: {securitySchemes: {key: {type: http}}}"),
            "api.yaml:5:19: there is no security scheme 'kye' (did you mean 'key'?)",
            id="scheme",
        ),
        pytest.param(
            operation("security: {}"), "api.yaml:5:7: security has to be a list: it is a mapping", id="security"
        ),
        pytest.param(
            operation("security: [{a: b}]", "components: {securitySchemes: {a: {type: http}}}"),
            "the scopes of 'a' has to be a list",
            id="scopes",
        ),
        pytest.param(
            root("components: {securitySchemes: {a: {x-amazon-apigateway-authorizer: {type: tokn}}}}"),
            "the authorizer type 'tokn' is not known (did you mean 'token'?)",
            id="authorizer type",
        ),
        pytest.param(
            root("components: {securitySchemes: {a: {x-amazon-apigateway-authorizer: {type: jwt}}}}"),
            "belong to HTTP APIs",
            id="jwt",
        ),
        pytest.param(
            root(
                "components:\n"
                "  securitySchemes: {a: {x-amazon-apigateway-authorizer: {type: token, jwtConfiguration: {}}}}"
            ),
            "'jwtConfiguration' belongs to HTTP APIs",
            id="jwt settings",
        ),
        pytest.param(
            operation("x-amazon-apigateway-auth: {type: IAM}"),
            "the type of x-amazon-apigateway-auth is NONE or AWS_IAM: it is 'IAM'",
            id="auth type",
        ),
        pytest.param(
            operation("x-amazon-apigateway-auth: {}"),
            "api.yaml:5:7: the type of x-amazon-apigateway-auth is NONE or AWS_IAM",
            id="no auth type",
        ),
        # the resource tree
        pytest.param(
            paths("/{a}: {get: {}}\n/{b+}: {get: {}}"),
            "api.yaml:4:3: A sibling ({a}) of this resource already has a variable path part -- only one is allowed",
            id="row 134: sibling",
        ),
        pytest.param(
            paths("/{proxy+}: {get: {}}\n/{x}/y: {get: {}}"),
            "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed",
            id="row 134: sibling of a greedy one",
        ),
        pytest.param(
            paths("/{proxy+}/x: {get: {}}"),
            "api.yaml:3:3: Cannot create a child of a resource with a greedy path variable: {proxy+}",
            id="row 134: child of a greedy one",
        ),
        pytest.param(
            paths("/res{p}: {get: {}}"),
            "api.yaml:3:3: the path '/res{p}' has the invalid part 'res{p}': a variable is a whole part of the path",
            id="part of a part",
        ),
        pytest.param(paths("/{}: {get: {}}"), "the path '/{}' has the invalid part '{}'", id="no name"),
        pytest.param(paths("/a b: {get: {}}"), "has the invalid part 'a b': letters, digits", id="blank"),
        pytest.param(paths("/a//b: {get: {}}"), "the path '/a//b' has an empty part", id="empty part"),
        pytest.param(paths("a: {get: {}}"), "the path 'a' has to start with '/'", id="no slash"),
        pytest.param(
            paths("/{a}/{a}: {get: {}}"), "the path '/{a}/{a}' names the variable 'a' twice", id="variable twice"
        ),
        pytest.param(
            paths("/x: {get: {}}\n/x/: {get: {}}"),
            "api.yaml:4:3: GET /x is defined twice: a trailing slash makes no difference; the other one stands at",
            id="method twice",
        ),
        pytest.param(
            paths("/x: {trace: {}}"),
            "api.yaml:3:8: Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
            id="verb",
        ),
        pytest.param(paths("/x: []"), "api.yaml:3:3: the path has to be a mapping: it is a list", id="path"),
        # operations
        pytest.param(
            operation("parameters: [{name: a, in: query}, {name: a, in: header}]"),
            "Parameter names must be unique across querystring, header and path",
            id="row 24: one name in two places",
        ),
        pytest.param(
            operation("parameters: [{name: a, in: qurey}]"),
            "api.yaml:5:30: the parameter's 'in' is 'qurey': it is path, query or header (did you mean 'query'?)",
            id="parameter in",
        ),
        pytest.param(
            operation("parameters: [{name: a}]"), "api.yaml:5:20: the parameter has no 'in'", id="no parameter in"
        ),
        pytest.param(
            operation("parameters: [{in: query}]"), "api.yaml:5:20: the parameter has no name", id="no parameter name"
        ),
        pytest.param(
            operation("parameters: [{in: body, name: b}]"),
            "the parameter's 'in' is 'body'",
            id="swagger's body in openapi 3",
        ),
        pytest.param(operation("parameters: {}"), "parameters has to be a list", id="parameters"),
        pytest.param(
            operation("parameters: [{name: a, in: query, required: 'yes'}]"),
            "required has to be true or false",
            id="required",
        ),
        pytest.param(
            operation("x-amazon-apigateway-request-validator: al", "x-amazon-apigateway-request-validators: {all: {}}"),
            "api.yaml:5:7: there is no request validator 'al' (did you mean 'all'?)",
            id="validator",
        ),
        pytest.param(operation("isDefaultRoute: true"), "'isDefaultRoute' belongs to HTTP APIs", id="default route"),
        pytest.param(operation("x-gatewaykit: {policies: {}}"), "policies has to be a list", id="policies"),
        # integrations
        pytest.param(
            integration("uri: http://x"),
            "api.yaml:5:7: the integration has no type. Valid are http, http_proxy, aws, aws_proxy and mock",
            id="no type",
        ),
        pytest.param(
            integration("type: http_prox"),
            "api.yaml:6:9: the integration type 'HTTP_PROX' is not known (did you mean 'HTTP_PROXY'?)",
            id="type",
        ),
        pytest.param(
            integration("type: teapot"),
            "'TEAPOT' is not known. Valid are HTTP, HTTP_PROXY, AWS, AWS_PROXY, MOCK",
            id="type like no other",
        ),
        pytest.param(
            integration("type: [a]"), "api.yaml:6:9: type has to be text: it is a list", id="type of another shape"
        ),
        pytest.param(
            operation("x-amazon-apigateway-integration: mock"),
            "the integration has to be a mapping: it is the text 'mock'",
            id="integration",
        ),
        pytest.param(integration("$ref: '#/x'\ntype: mock"), "'$ref' belongs to HTTP APIs", id="reference"),
        pytest.param(
            integration("type: mock\npayloadFormatVersion: '2.0'"),
            "'payloadFormatVersion' belongs to HTTP APIs",
            id="payload version",
        ),
        pytest.param(
            integration("type: mock\nresponseParameters: {}"),
            "'responseParameters' belongs to HTTP APIs",
            id="response parameters",
        ),
        pytest.param(
            integration("type: http\nuri: http://x"),
            "Enumeration value for HttpMethod must be non-empty",
            id="row 135: no method",
        ),
        pytest.param(
            integration("type: http\nuri: http://x\nhttpMethod: GTE"),
            "api.yaml:8:9: httpMethod 'GTE' is not known (did you mean 'GET'?)",
            id="method",
        ),
        pytest.param(
            integration("type: http\nhttpMethod: GET\nuri: ftp://x"),
            "api.yaml:8:9: Invalid HTTP endpoint specified for URI: it is 'ftp://x'",
            id="row 135: scheme",
        ),
        pytest.param(
            integration("type: http\nhttpMethod: GET\nuri: http://x /y"),
            "Invalid HTTP endpoint specified for URI",
            id="row 135: blank in the uri",
        ),
        pytest.param(
            integration("type: http_proxy\nhttpMethod: GET"),
            "Invalid HTTP endpoint specified for URI: it is ''",
            id="row 135: no uri",
        ),
        pytest.param(
            integration("type: http\nhttpMethod: GET\nuri: {'Fn::Sub': x}"),
            "uri has to be text: it is a mapping. Render the template first",
            id="template function",
        ),
        pytest.param(
            integration("type: aws_proxy\nhttpMethod: POST\nuri: http://x"),
            "Invalid ARN specified in the request",
            id="row 135: no ARN",
        ),
        pytest.param(
            integration("type: aws\nhttpMethod: POST\nuri: 'arn:aws:lambda:eu-west-1:1:function:f'"),
            "AWS ARN for integration must contain path or action",
            id="row 135: no path or action",
        ),
        pytest.param(
            integration("type: aws_proxy\nhttpMethod: POST\nuri: 'arn:aws:apigateway:eu-west-1:s3:path/b/k'"),
            "'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.: the ARN names s3",
            id="row 135: no function",
        ),
        pytest.param(
            integration("type: mock\ntimeoutInMillis: 49"),
            "api.yaml:7:9: timeoutInMillis has to be from 50 to 29000: it is 49",
            id="short timeout",
        ),
        pytest.param(
            integration("type: mock\ntimeoutInMillis: 29001"),
            "timeoutInMillis has to be from 50 to 29000",
            id="long timeout",
        ),
        pytest.param(
            integration("type: mock\ntimeoutInMillis: 1.5"),
            "api.yaml:7:9: timeoutInMillis has to be a whole number: it is 1.5",
            id="timeout",
        ),
        pytest.param(
            integration("type: mock\npassthroughBehavior: when_no_mach"),
            "passthrough behavior 'WHEN_NO_MACH' is not known (did you mean 'WHEN_NO_MATCH'?)",
            id="passthrough",
        ),
        pytest.param(
            integration("type: mock\ncontentHandling: CONVERT"),
            "content handling 'CONVERT' is not known",
            id="content handling",
        ),
        pytest.param(
            integration("type: mock\nconnectionType: VPN"), "connection type 'VPN' is not known", id="connection type"
        ),
        pytest.param(
            integration("type: mock\nresponseTransferMode: STEAM"),
            "response transfer mode 'STEAM' is not known (did you mean 'STREAM'?)",
            id="transfer mode",
        ),
        pytest.param(
            integration("type: mock\nrequestParameters:\n  integration.request.headers.a: \"'x'\""),
            "api.yaml:8:11: 'integration.request.headers.a' is no target of a mapping here. Write integration.req",
            id="target",
        ),
        pytest.param(
            integration("type: mock\nrequestParameters:\n  integration.request.header.a: x"),
            "'x' is no source of a mapping here: for 'integration.request.header.a'. Put static text in single quotes",
            id="source",
        ),
        pytest.param(
            integration("type: mock\nrequestParameters:\n  integration.request.header.a: method.request.cookie.a"),
            NO_MAPPING,
            id="source of another kind",
        ),
        pytest.param(
            integration(
                "type: mock\nresponses:\n"
                "  default: {statusCode: 200, responseParameters: {method.response.body: \"'x'\"}}"
            ),
            "api.yaml:8:59: 'method.response.body' is no target of a mapping here. Write method.response.header.name",
            id="response target",
        ),
        pytest.param(
            integration(
                "type: mock\nresponses:\n  default:\n    statusCode: 200\n"
                "    responseParameters: {method.response.header.a: method.request.header.a}"
            ),
            NO_MAPPING,
            id="response source",
        ),
        pytest.param(
            integration("type: mock\nresponses: {default: {}}"),
            "api.yaml:7:21: the integration response 'default' has no statusCode",
            id="no status",
        ),
        pytest.param(
            integration("type: mock\nresponses: {default: {statusCode: 2xx}}"),
            "api.yaml:7:31: a status code is a number from 100 to 599: it is '2xx'",
            id="status",
        ),
        pytest.param(
            integration("type: mock\nresponses: {default: {statusCode: 200, contentHandling: TEXT}}"),
            "content handling 'TEXT' is not known",
            id="response content handling",
        ),
        pytest.param(
            integration("type: mock\nrequestTemplates: {application/json: 3}"),
            "requestTemplates 'application/json' has to be text: it is the number 3",
            id="template",
        ),
        pytest.param(
            integration("type: mock\nrequestTemplates: x"), "requestTemplates has to be a mapping", id="templates"
        ),
        # models
        pytest.param(root("components: {schemas: {A: []}}"), "a schema has to be a mapping: it is a list", id="schema"),
        pytest.param(
            root("components: {schemas: {A: true}}"),
            "a schema has to be a mapping: it is true",
            id="a flag for a model",
        ),
        pytest.param(
            root("components: {schemas: {A: {properties: []}}}"),
            "'properties' of a schema holds no schemas",
            id="properties",
        ),
        pytest.param(
            root("components: {schemas: {A: {$ref: '#/components/schemas/A'}}}"),
            "api.yaml:3:24: the schema refers to itself without going into a property or an item: A -> A",
            id="itself",
        ),
        pytest.param(
            root(
                "components:\n"
                "  schemas:\n    A: {allOf: [{$ref: '#/components/schemas/B'}]}\n"
                "    B: {not: {$ref: '#/components/schemas/A'}}"
            ),
            "the schema refers to itself",
            id="each other",
        ),
        pytest.param(
            root(
                "components: {schemas: {Pet: {}, B: {$ref: 'https://apigateway.amazonaws.com/restapis/x/models/Pett'}}}"
            ),
            "there is no model 'Pett' (did you mean 'Pet'?)",
            id="row 21: address of no model",
        ),
        pytest.param(
            root("components: {schemas: {A: {items: {$ref: '#/openapi'}}}}"),
            "the reference '#/openapi' leads to something that is no schema",
            id="a reference to text",
        ),
        pytest.param(
            operation("requestBody: {content: {a/b: {schema: 3}}}"),
            "a schema has to be a mapping: it is the number 3",
            id="body schema",
        ),
        # references
        pytest.param(
            operation(
                "parameters: [{$ref: '#/components/parameters/Al'}]",
                "components: {parameters: {All: {name: a, in: query}}}",
            ),
            "the reference '#/components/parameters/Al' leads nowhere: #/components/parameters has no 'Al' "
            "(did you mean '#/components/parameters/All'?)",
            id="missing",
        ),
        pytest.param(
            operation("parameters: [{$ref: '#/paths/~1pets/get/parameters/1'}]"),
            "leads nowhere",
            id="missing in a list",
        ),
        pytest.param(
            operation("parameters: [{$ref: '#/paths/~1pets/get/parameters/0'}]"),
            "the reference of the parameter leads back to itself",
            id="to itself",
        ),
        pytest.param(
            operation("parameters: [{$ref: '#/a'}]", "a: {$ref: '#/b'}\nb: {$ref: '#/a'}"),
            "leads back to itself",
            id="in a circle",
        ),
        pytest.param(operation("parameters: [{$ref: 3}]"), "$ref has to be text", id="no text"),
        pytest.param(
            operation("parameters: [{$ref: '#'}]"), "the reference '#' is no JSON pointer", id="whole document"
        ),
    ],
)
def test_a_problem_of_a_document_is_told_with_its_place(text: str, expected: str) -> None:
    found = problems(text)

    assert any(expected in problem for problem in found), found


def test_all_problems_come_at_once_in_the_order_of_the_document() -> None:
    found = problems(
        """
        openapi: 3.0.1
        paths:
          /a{b}:
            get:
              security: [{none: []}]
              x-amazon-apigateway-integration: {type: teapot, timeoutInMillis: 1}
          /c:
            get:
              parameters: [{$ref: 'other.yaml#/x'}]
              x-amazon-apigateway-integration: {type: mock, timeoutInMillis: 1}
        x-amazon-apigateway-request-validator: none
        x-amazon-apigateway-request-validator: none
        """
    )

    lines = [int(problem.split(":")[1]) for problem in found]
    assert lines == sorted(lines)
    assert sorted(set(lines)) == [4, 6, 7, 10, 11, 12, 13]


def test_a_problem_that_many_operations_share_is_told_once() -> None:
    text = paths("/a: {get: {}, put: {}}\n/b: {get: {}}") + "\nx-amazon-apigateway-request-validator: none\n"

    assert problems(text) == ["api.yaml:5:1: there is no request validator 'none'"]


def test_a_reference_that_leads_nowhere_is_told_at_each_place() -> None:
    found = problems(operation("parameters: [{$ref: '#/a'}]\nrequestBody: {$ref: '#/a'}"))

    assert [problem.split(": ")[0] for problem in found] == ["api.yaml:5:21", "api.yaml:6:21"]


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "./secret.yaml#/a",
        "secret.yaml",
        "/etc/passwd",
        "http://127.0.0.1:1/x",
        "https://example.com/a.yaml#/b",
        "//host/x",
        "data:,x",
        "",
    ],
)
@pytest.mark.parametrize(
    "document",
    [
        operation("parameters: [{$ref: 'TARGET'}]"),
        operation("requestBody: {$ref: 'TARGET'}"),
        operation("responses: {200: {$ref: 'TARGET'}}"),
        operation("requestBody: {content: {a/b: {schema: {items: {$ref: 'TARGET'}}}}}"),
        paths("/x: {$ref: 'TARGET'}"),
        root("components: {schemas: {A: {$ref: 'TARGET'}}}"),
        root("components: {securitySchemes: {A: {$ref: 'TARGET'}}}"),
    ],
    ids=["parameter", "body", "response", "schema", "path", "model", "scheme"],
)
def test_a_reference_that_leaves_the_document_is_refused_and_nothing_is_opened(
    document: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.yaml").write_text("a: the-secret")
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []
    monkeypatch.setattr("builtins.open", lambda *args, **_: opened.append(str(args[0])))
    monkeypatch.setattr("io.open", lambda *args, **_: opened.append(str(args[0])))
    monkeypatch.setattr(os, "open", lambda *args, **_: opened.append(str(args[0])))
    monkeypatch.setattr("socket.socket.connect", lambda *args: opened.append(str(args[1:])))

    found = problems(document.replace("TARGET", target))

    assert opened == []
    assert [f"the reference {target!r} leaves the document" in problem for problem in found] == [True]
    assert "secret-" not in "".join(found)


# ---------------------------------------------------------------------------------------------------- size


def test_work_grows_with_the_document_and_not_with_its_square() -> None:
    """Many operations, models in a chain, and as many mistakes as there are operations."""
    count = 2_000
    schemas = {f"M{n}": {"properties": {"next": {"$ref": f"#/components/schemas/M{n + 1}"}}} for n in range(count)}
    items = {
        f"/r{n}": {
            "get": {
                "security": [{f"scheme{n}": []}],
                "parameters": [{"$ref": f"#/components/parameters/P{n}"}],
                "requestBody": {"content": {"a/b": {"schema": {"$ref": f"#/components/schemas/M{n}"}}}},
                "x-amazon-apigateway-integration": {"type": "mock", f"timeoutInMilis{n}": n},
            }
        }
        for n in range(count)
    }
    started = perf_counter()

    with pytest.raises(ConfigError) as caught:
        read_definition({"openapi": "3.0.1", "paths": items, "components": {"schemas": schemas}})

    assert len(caught.value.problems) > 2 * count
    assert perf_counter() - started < 60  # a guard against a hang on any machine; seconds are usual


def test_twenty_thousand_operations_load() -> None:
    text = "openapi: 3.0.1\npaths:\n" + "".join(f"  /r{n}: {{get: {{{MOCK}}}}}\n" for n in range(20_000))

    reading = read(text)

    assert len(reading.definition.methods) == 20_000
    assert len(reading.ledger.report().entries) == 60_001


# ---------------------------------------------------------------------------------------------------- properties

VALID = [load(path)[0].plain() for path in DOCUMENTS]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["#/paths", "object", "{a}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "type", "in", "name", "schema", "x-gatewaykit"]) | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def spots(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a tree with each of its keys."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from spots(tree[key])


def outcome_of(tree: Any) -> Sequence[object]:
    """The keys of what a document became, or its problems."""
    try:
        return read_definition(tree).ledger.report().entries
    except ConfigError as error:
        return error.problems


@given(st.data())
def test_any_change_of_a_valid_document_gives_a_definition_or_problems(data: st.DataObject) -> None:
    tree = copy.deepcopy(data.draw(st.sampled_from(VALID)))
    for _ in range(data.draw(st.integers(1, 4))):
        all_spots = list(spots(tree))
        container, key = all_spots[data.draw(st.integers(0, len(all_spots) - 1))]
        change = data.draw(st.sampled_from(["replace", "delete", "rename", "copy"]))
        if change == "replace":
            container[key] = data.draw(VALUES)
        elif change == "copy":
            other, from_key = all_spots[data.draw(st.integers(0, len(all_spots) - 1))]
            container[key] = copy.deepcopy(other[from_key])
        elif isinstance(container, dict):
            value = container.pop(key)
            if change == "rename":
                container[data.draw(st.text(max_size=8) | st.sampled_from(["$ref", "/x", "get", key + "s"]))] = value
        else:
            del container[key]

    assert outcome_of(tree)


@given(VALUES)
def test_any_value_for_a_document_gives_a_definition_or_problems(value: Any) -> None:
    for tree in ([value], {"openapi": "3.1.0", "paths": value}, {"swagger": "2.0", "paths": {"/x": value}}):
        assert outcome_of(tree)
