"""Paths and operations to methods: parameters, bodies, responses, and the extensions that stand in an operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gatewaykit.definition.model import (
    Method,
    Model,
    Origin,
    Place,
    RequestValidator,
    SecurityRequirement,
    SecurityScheme,
)  # fmt: skip
from gatewaykit.openapi.document import Node
from gatewaykit.openapi.extensions import (
    ANY_METHOD,
    extensions_of,
    read_auth,
    read_integration,
    read_own,
    read_validator_name,
)
from gatewaykit.openapi.reading import CONTAINER, DESCRIBES, HTTP_API, OWN, READ, Known, Reader, Section, Table
from gatewaykit.openapi.schemas import Models
from gatewaykit.openapi.security import Security

__all__ = ["Operations"]

_VERBS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_SERVERS: Final = Known("the servers are not part of the routes", harmless=True)
_NOT_CHECKED: Final = Known("API Gateway checks only that required parameters are there", harmless=True)
_NO_VALIDATOR: Final = "no request validator asks for it, and without one API Gateway checks nothing"
_RESPONSES: Final = Known("API Gateway declares responses and does not check them", harmless=True)

_PATH_ITEM: Final[Table] = {
    **dict.fromkeys(_VERBS, CONTAINER),
    **extensions_of("path"),
    "$ref": CONTAINER,
    "parameters": CONTAINER,
    "servers": _SERVERS,
    "summary": DESCRIBES,
    "description": DESCRIBES,
}
_OPERATION: Final[Table] = {
    **extensions_of("operation"),
    **dict.fromkeys(("tags", "summary", "description", "externalDocs", "operationId", "deprecated"), DESCRIBES),
    **dict.fromkeys(("parameters", "responses", "security"), CONTAINER),
    "isDefaultRoute": HTTP_API,
}
_OPERATION_2: Final[Table] = {
    **_OPERATION,
    "consumes": READ,
    "produces": Known("the integration decides the media type of its answer", harmless=True),
    "schemes": _SERVERS,
}
_OPERATION_3: Final[Table] = {
    **_OPERATION,
    "requestBody": CONTAINER,
    "servers": _SERVERS,
    "callbacks": Known("callbacks are calls of the back end's, not the gateway's", harmless=True),
}
_PARAMETER_SHAPE: Final = (
    "schema content type format items enum default minimum maximum exclusiveMinimum exclusiveMaximum minLength "
    "maxLength pattern minItems maxItems uniqueItems multipleOf style explode allowReserved allowEmptyValue "
    "collectionFormat deprecated"
)
_PARAMETER: Final[Table] = {
    **dict.fromkeys(("name", "in", "required"), READ),
    **dict.fromkeys(("description", "example", "examples", "x-example"), DESCRIBES),
    **dict.fromkeys(_PARAMETER_SHAPE.split(), _NOT_CHECKED),
}
_BODY_PARAMETER: Final[Table] = {
    **_PARAMETER,
    **dict.fromkeys(("name", "in"), DESCRIBES),
    "required": Known("API Gateway does not look at it; the model decides", harmless=True),
    "schema": READ,
}
_REQUEST_BODY: Final[Table] = {
    "content": CONTAINER,
    "description": DESCRIBES,
    "required": Known("API Gateway does not look at it; the model decides", harmless=True),
}
_MEDIA_TYPE: Final[Table] = {
    "schema": Known("no request validator checks bodies of this method"),
    "example": DESCRIBES,
    "examples": DESCRIBES,
    "encoding": Known("API Gateway does not look at it"),
}
_VALIDATOR: Final = "x-amazon-apigateway-request-validator"
_INTEGRATION: Final = "x-amazon-apigateway-integration"
_AUTH: Final = "x-amazon-apigateway-auth"


_WORDS: Final = re.compile("[A-Za-z0-9]+")


class _Parameter(NamedTuple):
    """`location` is path, querystring, header, or "" where nothing checks it. A body's schema comes as a parameter in
    Swagger 2.0."""

    name: str = ""
    location: str = ""
    required: bool = False
    places: tuple[Place, ...] = ()
    body: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Everything the operations of one document are read against."""

    reader: Reader
    models: Models
    security: Security
    validators: Mapping[str, RequestValidator]
    validator: Node | None  # the validator of operations that name none
    consumes: Node | None  # Swagger 2.0: the media types of bodies where an operation names none
    parameters: dict[int, _Parameter]  # what was read already, by the id of its node

    def read(self, paths: Node) -> tuple[Method, ...]:
        methods: list[Method] = []
        for path, node in self.reader.mapping(paths, "paths").items():
            if path.startswith("x-"):
                self.reader.unknown(node, "paths", {})
                continue
            self.reader.note(node, READ)
            if (found := self.reader.follow(node, f"the path {path!r}")) is not None:
                item = self.reader.section(found[0], "the path", _PATH_ITEM)
                shared = self._parameters(item)
                for key, child in item.entries.items():
                    if key in _VERBS or key == ANY_METHOD:
                        self.reader.note(child, READ)
                        methods.append(self._method(node, child, shared))
        return tuple(methods)

    def _method(self, path_node: Node, node: Node, shared: list[_Parameter]) -> Method:
        reader = self.reader
        verb = "ANY" if node.key == ANY_METHOD else node.key.upper()
        swagger = reader.dialect == "2.0"
        section = reader.section(node, "the operation", _OPERATION_2 if swagger else _OPERATION_3)
        section.feeds("path", path_node.place)
        section.feeds("verb", node.place)
        parameters = {(each.location, each.name): each for each in (*shared, *self._parameters(section))}
        for each in parameters.values():
            if each.location:
                section.feeds("request_parameters", *each.places)
        bodies = [each for each in parameters.values() if each.body is not None]
        asked = self.security.of(section.entries.get("security"))
        section.feeds("api_key_required", *asked.api_key, *asked.nothing)
        section.feeds("security", *asked.nothing)
        own = section.entries.get(OWN)
        extensions = {} if own is None else read_own(reader, own)
        if own is not None and isinstance(own.value, dict):
            section.keep_places(own)
            section.feeds("extensions", *(child.place for key, child in own.value.items() if key != "policies"))
        name = _model_name(verb, path_node.key)
        integration = section.take(_INTEGRATION, "integration")
        models = self._swagger_bodies(section, bodies, name) if swagger else self._bodies(section, name)
        validator = self._request_validator(section)
        if validator is None or not validator.validate_request_parameters:
            reader.ledger.excuse(section.fields.get("request_parameters", ()), _NO_VALIDATOR)
        if validator is None or not validator.validate_request_body:
            reader.ledger.excuse(section.fields.get("request_models", ()), _NO_VALIDATOR)
        return Method(
            path=path_node.key.rstrip("/") or "/" if path_node.key.startswith("/") else path_node.key,
            verb=verb,
            operation_id=self._operation_id(section),
            api_key_required=bool(asked.api_key),
            security=(*asked.requirements, *self._iam(section)),
            request_parameters={
                f"method.request.{each.location}.{each.name}": each.required
                for each in parameters.values()
                if each.location and each.name
            },
            request_models=models,
            request_validator=validator,
            integration=None if integration is None else read_integration(reader, integration),
            method_responses=self._responses(section),
            policies=self._policies(section, own, extensions),
            extensions=extensions,
            origin=section.origin(),
        )

    def _operation_id(self, section: Section) -> str:
        node = section.entries.get("operationId")
        return "" if node is None else self.reader.text(node, "operationId")

    # ------------------------------------------------------------------------------------------ parameters

    def _parameters(self, section: Section) -> list[_Parameter]:
        node = section.entries.get("parameters")
        if node is None or node.value is None:
            return []
        return [self._parameter(item) for item in self.reader.items(node, "parameters")]

    def _parameter(self, node: Node) -> _Parameter:
        found = self.reader.follow(node, "the parameter")
        if found is None:
            return _Parameter()
        target, references = found
        if (parameter := self.parameters.get(id(target))) is None:
            parameter = self.parameters[id(target)] = self._read_parameter(target)
        return parameter._replace(places=(*references, *parameter.places))

    def _read_parameter(self, node: Node) -> _Parameter:
        reader = self.reader
        entries = reader.mapping(node, "a parameter")
        where = entries.get("in")
        location = "" if where is None else reader.text(where, "in")
        if location == "body" and reader.dialect == "2.0":
            body = reader.section(node, "the body parameter", _BODY_PARAMETER)
            return _Parameter(name="body", places=body.take_places("schema"), body=body.entries.get("schema"))
        if location == ("formData" if reader.dialect == "2.0" else "cookie"):
            for child in entries.values():
                reader.note(child, Known(f"API Gateway does not check parameters in {location}"))
            return _Parameter()
        section = reader.section(node, "the parameter", _PARAMETER)
        if location not in ("path", "query", "header") and isinstance(node.value, dict):
            near = reader.near(location, ("path", "query", "header", "cookie"))
            what = f"the parameter's 'in' is {location!r}" if where is not None else "the parameter has no 'in'"
            reader.problem(where or node, what, why="it is path, query or header", near=near)
        name = section.text("name", "name")
        if not name and isinstance(node.value, dict):
            reader.problem(node, "the parameter has no name")
        required = section.flag("required", "required")
        return _Parameter(
            name=name,
            location={"query": "querystring", "path": "path", "header": "header"}.get(location, ""),
            required=required or location == "path",
            places=section.take_places("name", "in", "required"),
        )

    # ------------------------------------------------------------------------------------------ bodies

    def _bodies(self, section: Section, name: str) -> dict[str, Model]:
        node = section.entries.get("requestBody")
        found = None if node is None else self.reader.follow(node, "the request body")
        if found is None:
            return {}
        body = self.reader.section(found[0], "the request body", _REQUEST_BODY)
        content = body.entries.get("content")
        models: dict[str, Model] = {}
        for media_type, child in self.reader.mapping(content, "content").items() if content else ():
            entry = self.reader.section(child, "the media type", _MEDIA_TYPE)
            schema = entry.entries.get("schema")
            if schema is not None and (model := self.models.of(schema, name)) is not None:
                section.feeds("request_models", *found[1], schema.place)
                models[media_type] = model
        return models

    def _swagger_bodies(self, section: Section, bodies: list[_Parameter], name: str) -> dict[str, Model]:
        consumes = section.entries.get("consumes", self.consumes)
        types = ("application/json",) if consumes is None else self.reader.texts(consumes, "consumes")
        models: dict[str, Model] = {}
        for body in bodies:
            if body.body is not None and (model := self.models.of(body.body, name)) is not None:
                section.feeds("request_models", *body.places, *([consumes.place] if consumes else ()))
                models |= dict.fromkeys(types or ("application/json",), model)
        return models

    def _request_validator(self, section: Section) -> RequestValidator | None:
        node = section.entries.get(_VALIDATOR, self.validator)
        if node is None:
            return None
        section.feeds("request_validator", node.place)
        name = read_validator_name(self.reader, node)
        if name not in self.validators and isinstance(node.value, str):
            near = self.reader.near(name, self.validators)
            self.reader.problem(node, f"there is no request validator {name!r}", near=near)
        return self.validators.get(name)

    # ------------------------------------------------------------------------------------------ the rest

    def _responses(self, section: Section) -> dict[str, Any]:
        node = section.entries.get("responses")
        responses: dict[str, Any] = {}
        written = node is not None and node.value is not None
        for status, child in self.reader.mapping(node, "responses").items() if node and written else ():
            if status.startswith("x-"):
                self.reader.unknown(child, "the responses", {})
                continue
            self.reader.note(child, _RESPONSES)
            section.feeds("method_responses", child.place)
            if (found := self.reader.follow(child, "the response")) is not None:
                responses[status] = self._response(found[0])
        return responses

    def _response(self, node: Node) -> dict[str, Any]:
        entries = self.reader.mapping(node, "the response")
        headers = entries.get("headers")
        content = entries.get("content")
        schemas = {"application/json": entries.get("schema")}
        if content is not None:
            bodies = self.reader.mapping(content, "content").items()
            schemas = {kind: body.value.get("schema") for kind, body in bodies if isinstance(body.value, dict)}
        names = {kind: _reference_name(schema) for kind, schema in schemas.items() if schema is not None}
        return {
            "response_parameters": {
                f"method.response.header.{name}": False
                for name in (self.reader.mapping(headers, "headers") if headers else ())
            },
            "response_models": {kind: name for kind, name in names.items() if name},
        }

    def _iam(self, section: Section) -> tuple[SecurityRequirement, ...]:
        node = section.entries.get(_AUTH)
        if node is None or not read_auth(self.reader, node):
            return ()
        origin = Origin(node.place, {"scheme": (node.place,), "kind": (node.place,)})
        return (SecurityRequirement(scheme=SecurityScheme(name=_AUTH, kind="AWS_IAM", origin=origin), origin=origin),)

    def _policies(self, section: Section, own: Node | None, extensions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """The policies of our own key, each a mapping; taken out of the other extensions."""
        if own is None or extensions.pop("policies", None) is None:
            return ()
        node = self.reader.mapping(own, OWN)["policies"]
        section.feeds("policies", node.place)
        return tuple(
            {key: child.plain() for key, child in self.reader.mapping(item, "a policy").items()}
            for item in self.reader.items(node, "policies")
        )


def _model_name(verb: str, path: str) -> str:
    """The name of an inline model: `POST /pets/{id}` is PostPetsId."""
    return "".join(word[0].upper() + word[1:] for word in _WORDS.findall(f"{verb.lower()} {path}"))


def _reference_name(schema: Node) -> str:
    reference = schema.value.get("$ref") if isinstance(schema.value, dict) else None
    return reference.value.rpartition("/")[2] if reference is not None and isinstance(reference.value, str) else ""
