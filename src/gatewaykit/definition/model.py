"""A REST API as frozen data: what a document says, with the place each part stands at.

Field names are API Gateway's, in snake_case. Readers (`openapi/`) make these values; `deploy/` compiles them through a
`Ledger` view, so that what no compiler looked at is known to be ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Definition", "GatewayResponse", "Integration", "IntegrationResponse", "Method", "Model", "Origin", "Place",
    "RequestValidator", "SecurityRequirement", "SecurityScheme",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file, a 1-based line and column, and a JSON pointer."""

    file: str = ""
    line: int = 0
    column: int = 0
    pointer: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else (self.pointer or self.file)


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of an object and of each of its fields (field name -> the places of the keys it was read from).

    `inner` has the places inside its `x-gatewaykit`, by JSON pointer from there: those values are checked later.
    """

    place: Place = field(default_factory=Place)
    fields: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    inner: Mapping[str, Place] = field(default_factory=dict)

    def locate(self, path: Sequence[str | int]) -> Place:
        """Where a value inside `x-gatewaykit` stands, or the nearest thing around it."""
        for end in range(len(path), -1, -1):
            pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path[:end])
            if pointer in self.inner:
                return self.inner[pointer]
        return self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationResponse:
    """`selection_pattern` is None for the default response, else a Java regular expression (full match)."""

    selection_pattern: str | None = None
    status_code: str = "200"
    response_parameters: Mapping[str, str] = field(default_factory=dict)
    response_templates: Mapping[str, str] = field(default_factory=dict)
    content_handling: str | None = None
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """`type` is HTTP, HTTP_PROXY, AWS, AWS_PROXY or MOCK; `passthrough_behavior` and `content_handling` upper case."""

    type: str
    uri: str = ""
    http_method: str = ""
    request_parameters: Mapping[str, str] = field(default_factory=dict)
    request_templates: Mapping[str, str] = field(default_factory=dict)
    passthrough_behavior: str = "WHEN_NO_MATCH"
    content_handling: str | None = None
    timeout_ms: int = 29000
    responses: tuple[IntegrationResponse, ...] = ()
    credentials: str = ""
    connection_type: str = "INTERNET"
    connection_id: str = ""
    cache_namespace: str = ""
    cache_key_parameters: tuple[str, ...] = ()
    tls_config: Mapping[str, Any] = field(default_factory=dict)
    response_transfer_mode: str = "BUFFERED"
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestValidator:
    name: str
    validate_request_body: bool = False
    validate_request_parameters: bool = False
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A self-contained JSON schema: its `$ref`s point into its own `#/definitions/…`.

    `$schema` says the draft. Parts are shared between models, so nobody may change them.
    """

    name: str
    schema: Mapping[str, Any]
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityScheme:
    """`kind`: API_KEY, AWS_IAM, LAMBDA_TOKEN, LAMBDA_REQUEST, COGNITO_USER_POOLS, JWT or UNSUPPORTED."""

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityRequirement:
    """One scheme a method asks for, with the scopes beside it."""

    scheme: SecurityScheme
    scopes: tuple[str, ...] = ()
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayResponse:
    """A customised gateway response; a None means: keep the type's default."""

    type: str
    status_code: int | None = None
    response_parameters: Mapping[str, str] | None = None
    response_templates: Mapping[str, str] | None = None
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One verb (or ANY) of one resource.

    `request_parameters` maps `method.request.{path|querystring|header}.name` to whether it is required;
    `request_models` maps a content type to the model of its bodies.
    """

    path: str
    verb: str
    operation_id: str = ""
    api_key_required: bool = False
    security: tuple[SecurityRequirement, ...] = ()
    request_parameters: Mapping[str, bool] = field(default_factory=dict)
    request_models: Mapping[str, Model] = field(default_factory=dict)
    request_validator: RequestValidator | None = None
    integration: Integration | None = None
    method_responses: Mapping[str, Any] = field(default_factory=dict)
    policies: tuple[Mapping[str, Any], ...] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)  # its `x-gatewaykit` object, without `policies`
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole API. `api_type` is REST (HTTP and WEBSOCKET come as types of their own)."""

    api_type: str = "REST"
    name: str = ""
    version: str = ""
    methods: tuple[Method, ...] = ()
    models: Mapping[str, Model] = field(default_factory=dict)
    security_schemes: Mapping[str, SecurityScheme] = field(default_factory=dict)
    gateway_responses: tuple[GatewayResponse, ...] = ()
    binary_media_types: tuple[str, ...] = ()
    api_key_source: str = "HEADER"
    minimum_compression_size: int | None = None
    resource_policy: Mapping[str, Any] | None = None
    endpoint_configuration: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)  # the root `x-gatewaykit` object
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)
