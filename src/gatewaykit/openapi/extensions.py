"""The `x-amazon-apigateway-*` keys, one reader each. Developer guide, "OpenAPI extensions for API Gateway"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gatewaykit.definition.checks import BAD_COMPRESSION_SIZE
from gatewaykit.definition.model import GatewayResponse, Integration, IntegrationResponse, RequestValidator
from gatewaykit.openapi.document import Node
from gatewaykit.openapi.reading import CONTAINER, HTTP_API, OWN, READ, Known, Reader, Section, Table

__all__ = ["ANY_METHOD", "EXTENSIONS", "Extension", "extensions_of"]

ANY_METHOD: Final = "x-amazon-apigateway-any-method"

_SECURITY: Final = Known(security=True)
_METADATA: Final = Known("describes, does nothing", harmless=True)
_CORS: Final = Known("only HTTP APIs act on it; an OPTIONS method, or a cors policy, answers preflights here")
_INTEGRATIONS: Final = Known("only operations of HTTP APIs refer to integrations")
_BAD_TIMEOUT: Final = "timeoutInMillis has to be a whole number"
_TLS: Final = Known("the TLS policy is that of the server in front", security=True)

_INTEGRATION: Final[Table] = {
    "type": READ,
    "uri": READ,
    "httpMethod": READ,
    "requestParameters": READ,
    "requestTemplates": READ,
    "passthroughBehavior": READ,
    "contentHandling": READ,
    "timeoutInMillis": READ,
    "responses": CONTAINER,
    "credentials": Known("no AWS role is assumed"),
    "connectionType": READ,
    "connectionId": READ,
    "integrationTarget": Known("private links are not served"),
    "cacheNamespace": READ,
    "cacheKeyParameters": READ,
    "tlsConfig": READ,
    "responseTransferMode": READ,
    "payloadFormatVersion": Known("REST APIs always use version 1.0", harmless=True),
    "responseParameters": HTTP_API,
    "integrationSubtype": HTTP_API,
    "$ref": HTTP_API,
}
_INTEGRATION_RESPONSE: Final[Table] = {
    "statusCode": READ,
    "responseParameters": READ,
    "responseTemplates": READ,
    "contentHandling": READ,
}
_GATEWAY_RESPONSE: Final[Table] = {"statusCode": READ, "responseParameters": READ, "responseTemplates": READ}
_VALIDATOR: Final[Table] = {"validateRequestBody": READ, "validateRequestParameters": READ}


def read_integration(reader: Reader, node: Node) -> Integration:
    section = reader.section(node, "the integration", _INTEGRATION)
    version = section.entries.get("payloadFormatVersion")
    if version is not None and version.value not in ("1.0", 1):
        reader.http_api_only(version)
    type_ = section.text("type", "type")
    if "type" not in section.entries and isinstance(node.value, dict):
        reader.problem(node, "the integration has no type", mend="Valid are http, http_proxy, aws, aws_proxy and mock")
    timeout = section.take("timeoutInMillis", "timeout_ms")
    tls = section.take("tlsConfig", "tls_config")
    return Integration(
        type=type_.upper(),
        uri=section.text("uri", "uri"),
        http_method=section.text("httpMethod", "http_method").upper(),
        request_parameters=_request_parameters(section),
        request_templates=_templates(section, "requestTemplates", "request_templates"),
        passthrough_behavior=section.text("passthroughBehavior", "passthrough_behavior", "WHEN_NO_MATCH").upper(),
        content_handling=section.text("contentHandling", "content_handling").upper() or None,
        timeout_ms=29000 if timeout is None else _whole(reader, timeout, _BAD_TIMEOUT, 29000),
        responses=_integration_responses(reader, section),
        credentials=section.text("credentials", "credentials"),
        connection_type=section.text("connectionType", "connection_type", "INTERNET").upper(),
        connection_id=section.text("connectionId", "connection_id"),
        cache_namespace=section.text("cacheNamespace", "cache_namespace"),
        cache_key_parameters=section.texts("cacheKeyParameters", "cache_key_parameters"),
        tls_config={} if tls is None else _plain_mapping(reader, tls),
        response_transfer_mode=section.text("responseTransferMode", "response_transfer_mode", "BUFFERED").upper(),
        origin=section.origin(),
    )


def _request_parameters(section: Section) -> dict[str, str]:
    """Recorded row 129: a value that is not text is dropped with a warning, and the rest stands."""
    node = section.take("requestParameters", "request_parameters")
    if node is None or node.value is None:
        return {}
    reader, values = section.reader, {}
    for name, child in reader.mapping(node, "requestParameters").items():
        if isinstance(child.value, str):
            reader.note(child, READ)
            section.feeds("request_parameters", child.place)
            values[name] = child.value
        else:
            got = str(child.plain()).lower() if isinstance(child.value, bool) else child.plain()
            verb, path = _operation_of(section.node)
            warning = (
                f"Invalid format for 'requestParameters'. Expected type string for property '{name}' "
                f"of resource '{path}' and method '{verb}' but got '{got}'"
            )
            reader.warn(child, warning)
            reader.note(child, Known(warning))
    return values


def _operation_of(integration: Node) -> tuple[str, str]:
    operation = integration.parent
    if operation is None or operation.parent is None:
        return "", ""
    verb = "ANY" if operation.key == ANY_METHOD else operation.key.upper()
    return verb, operation.parent.key


def _templates(section: Section, key: str, field: str) -> dict[str, str]:
    """A mapping of templates; one left empty (null) is the empty template."""
    node = section.entries.get(key)
    if node is not None and isinstance(node.value, dict):
        for child in node.value.values():
            if child.value is None:
                child.value = ""
    return section.text_map(key, field)


def _integration_responses(reader: Reader, section: Section) -> tuple[IntegrationResponse, ...]:
    """The key of a response is its selection pattern; `default` has none."""
    node = section.take("responses", "responses")
    responses = []
    written = node is not None and node.value is not None
    for pattern, child in reader.mapping(node, "responses").items() if node and written else ():
        reader.note(child, READ)
        inner = reader.section(child, "the integration response", _INTEGRATION_RESPONSE)
        inner.feeds("selection_pattern", child.place)
        status = inner.take("statusCode", "status_code")
        if status is None and isinstance(child.value, dict):
            reader.problem(child, f"the integration response {pattern!r} has no statusCode")
        responses.append(
            IntegrationResponse(
                selection_pattern=None if pattern == "default" else pattern,
                status_code="200" if status is None else str(_status(reader, status, 200)),
                response_parameters=inner.text_map("responseParameters", "response_parameters"),
                response_templates=_templates(inner, "responseTemplates", "response_templates"),
                content_handling=inner.text("contentHandling", "content_handling").upper() or None,
                origin=inner.origin(),
            )
        )
    return tuple(responses)


def read_gateway_responses(reader: Reader, node: Node) -> tuple[GatewayResponse, ...]:
    responses = []
    for type_, child in reader.mapping(node, node.key).items():
        reader.note(child, READ)
        inner = reader.section(child, "the gateway response", _GATEWAY_RESPONSE)
        inner.feeds("type", child.place)
        status = inner.take("statusCode", "status_code")
        parameters = inner.text_map("responseParameters", "response_parameters")
        _note_without_effect(reader, inner)
        templates = _templates(inner, "responseTemplates", "response_templates")
        responses.append(
            GatewayResponse(
                type=type_,
                status_code=None if status is None or status.value is None else _status(reader, status, 500),
                response_parameters=parameters if "responseParameters" in inner.entries else None,
                response_templates=templates if "responseTemplates" in inner.entries else None,
                origin=inner.origin(),
            )
        )
    return tuple(responses)


def _note_without_effect(reader: Reader, section: Section) -> None:
    """A response has headers only; API Gateway takes parameters of the other two kinds, and nothing comes of them."""
    node = section.entries.get("responseParameters")
    for name, child in node.value.items() if node is not None and isinstance(node.value, dict) else ():
        if name.startswith(("gatewayresponse.path.", "gatewayresponse.querystring.")):
            section.withdraw("response_parameters", child.place)
            reader.note(child, Known("a response has no path and no query string"))


def read_request_validators(reader: Reader, node: Node) -> dict[str, RequestValidator]:
    validators = {}
    for name, child in reader.mapping(node, node.key).items():
        section = reader.section(child, "the request validator", _VALIDATOR)
        validators[name] = RequestValidator(
            name=name,
            validate_request_body=section.flag("validateRequestBody", "validate_request_body"),
            validate_request_parameters=section.flag("validateRequestParameters", "validate_request_parameters"),
            origin=section.origin(),
        )
    return validators


def read_validator_name(reader: Reader, node: Node) -> str:
    return reader.text(node, node.key)


def read_binary_media_types(reader: Reader, node: Node) -> tuple[str, ...]:
    return reader.texts(node, node.key)


def read_api_key_source(reader: Reader, node: Node) -> str:
    return reader.text(node, node.key).upper()


def read_minimum_compression_size(reader: Reader, node: Node) -> int | None:
    return None if node.value is None else _whole(reader, node, BAD_COMPRESSION_SIZE, None)


def read_policy(reader: Reader, node: Node) -> dict[str, Any]:
    return _plain_mapping(reader, node)


def read_endpoint_configuration(reader: Reader, node: Node) -> dict[str, Any]:
    """It protects an API only where it hides it: no default host, or a private network."""
    plain = _plain_mapping(reader, node)
    hides = bool(plain.get("disableExecuteApiEndpoint") or plain.get("vpcEndpointIds"))
    note = "there is no default host and no private network to bind"
    reader.note(node, Known(note, security=hides, harmless=not hides))
    return plain


def read_auth(reader: Reader, node: Node) -> str:
    """The kind of authorization an operation asks for: AWS_IAM, or "" for none."""
    kind = reader.mapping(node, node.key).get("type")
    text = "" if kind is None else reader.text(kind, "type").upper()
    if kind is None or text not in ("NONE", "AWS_IAM"):
        reader.problem(kind or node, f"the type of {node.key} is NONE or AWS_IAM", why=f"it is {text!r}")
    if text == "NONE":
        reader.note(node, Known("it asks for nothing", harmless=True))
    return text if text == "AWS_IAM" else ""


def read_own(reader: Reader, node: Node) -> dict[str, Any]:
    """Our own key. Each key inside it is an entry of the report."""
    for child in reader.mapping(node, node.key).values():
        reader.note(child, _SECURITY if child.key == "policies" else READ)
    return _plain_mapping(reader, node)


class Extension(NamedTuple):
    """Where a key may stand, what the report says of it, who reads it, and the field its value becomes."""

    places: tuple[str, ...]
    known: Known
    read: Callable[[Reader, Node], Any] | None = None
    field: str = ""


EXTENSIONS: Final[dict[str, Extension]] = {
    ANY_METHOD: Extension(("path",), CONTAINER),
    "x-amazon-apigateway-api-key-source": Extension(("root",), _SECURITY, read_api_key_source, "api_key_source"),
    "x-amazon-apigateway-auth": Extension(("operation",), _SECURITY, read_auth),
    "x-amazon-apigateway-authorizer": Extension(("scheme",), _SECURITY),
    "x-amazon-apigateway-authtype": Extension(("scheme",), _SECURITY),
    "x-amazon-apigateway-binary-media-types": Extension(("root",), READ, read_binary_media_types, "binary_media_types"),
    "x-amazon-apigateway-cors": Extension(("root",), _CORS),
    "x-amazon-apigateway-documentation": Extension(("root",), _METADATA),
    "x-amazon-apigateway-endpoint-access-mode": Extension(("root",), _TLS),
    "x-amazon-apigateway-endpoint-configuration": Extension(
        ("root", "server"), _SECURITY, read_endpoint_configuration, "endpoint_configuration"
    ),
    "x-amazon-apigateway-gateway-responses": Extension(
        ("root",), CONTAINER, read_gateway_responses, "gateway_responses"
    ),
    "x-amazon-apigateway-importexport-version": Extension(("root",), _METADATA),
    "x-amazon-apigateway-integration": Extension(("operation",), CONTAINER, read_integration, "integration"),
    "x-amazon-apigateway-integrations": Extension(("components",), _INTEGRATIONS),
    "x-amazon-apigateway-minimum-compression-size": Extension(
        ("root",), READ, read_minimum_compression_size, "minimum_compression_size"
    ),
    "x-amazon-apigateway-policy": Extension(("root",), _SECURITY, read_policy, "resource_policy"),
    "x-amazon-apigateway-request-validator": Extension(("root", "operation"), _SECURITY, read_validator_name),
    "x-amazon-apigateway-request-validators": Extension(("root",), CONTAINER, read_request_validators),
    "x-amazon-apigateway-security-policy": Extension(("root",), _TLS),
    "x-amazon-apigateway-tag-value": Extension(("tag",), _METADATA),
    OWN: Extension(("root", "operation"), CONTAINER, read_own, "extensions"),
}


def extensions_of(place: str) -> dict[str, Known]:
    """The part of a table that the extensions of one place make."""
    return {key: extension.known for key, extension in EXTENSIONS.items() if place in extension.places}


def _plain_mapping(reader: Reader, node: Node) -> dict[str, Any]:
    return {key: child.plain() for key, child in reader.mapping(node, node.key).items()}


def _whole(reader: Reader, node: Node, complaint: str, instead: Any) -> Any:
    """A number, which templates of deployments often write as text."""
    value = node.value
    if isinstance(value, str) and len(value) < 10 and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    reader.problem(node, complaint, why=f"it is {node.plain()!r:.60}")
    return instead


def _status(reader: Reader, node: Node, instead: int) -> int:
    """A status code, written as a number or as text (recorded row 132)."""
    value = node.value
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    reader.problem(node, "a status code is a number from 100 to 599", why=f"it is {node.plain()!r:.60}")
    return instead
