"""A document to a definition: the root of it, and what has to hold once everything was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from gatewaykit.definition.checks import check_definition
from gatewaykit.definition.ledger import Ledger
from gatewaykit.definition.model import Definition, Method, Origin, Place
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.openapi.document import Node, load, resolve
from gatewaykit.openapi.extensions import EXTENSIONS, extensions_of
from gatewaykit.openapi.operations import Operations
from gatewaykit.openapi.reading import CONTAINER, DESCRIBES, Known, Reader, Section, Table
from gatewaykit.openapi.schemas import Models
from gatewaykit.openapi.security import Security
from gatewaykit.openapi.unread import note_unread_extensions

__all__ = ["Reading", "read_definition"]

_BASE: Final = Known("the base path is not part of the routes", harmless=True)
_CONSUMED: Final = Known(consumed=True)
_UNUSED: Final = Known("nothing refers to it", harmless=True)
_REFERRED: Final = Known("it counts where it is referred to", harmless=True)
_ROOT: Final[Table] = {
    **extensions_of("root"),
    **dict.fromkeys(("info", "tags", "externalDocs"), DESCRIBES),
    **dict.fromkeys(("paths", "security"), CONTAINER),
}
_ROOT_2: Final[Table] = {
    **_ROOT,
    "swagger": _CONSUMED,
    **dict.fromkeys(("host", "basePath", "schemes"), _BASE),
    "consumes": Known("no operation takes its media types from here", harmless=True),
    "produces": Known("the integration decides the media type of its answer", harmless=True),
    **dict.fromkeys(("definitions", "parameters", "responses", "securityDefinitions"), CONTAINER),
}
_ROOT_3: Final[Table] = {
    **_ROOT,
    "openapi": _CONSUMED,
    "servers": _BASE,
    "components": CONTAINER,
    "webhooks": Known("webhooks are calls of the back end's, not the gateway's", harmless=True),
    "jsonSchemaDialect": Known("a model names its own draft"),
}
_COMPONENTS: Final[Table] = {
    **extensions_of("components"),
    **dict.fromkeys(("schemas", "parameters", "requestBodies", "responses", "securitySchemes"), CONTAINER),
    **dict.fromkeys(("headers", "examples", "links", "callbacks"), DESCRIBES),
    "pathItems": _REFERRED,
}


class Reading(NamedTuple):
    """What a document gives. `warnings` are what API Gateway's import would warn of and go on."""

    definition: Definition
    ledger: Ledger
    warnings: tuple[Problem, ...] = ()


def read_definition(
    source: str | Path | Mapping[str, Any], *, text: str | None = None, variables: Mapping[str, str] | None = None
) -> Reading:
    """Read an OpenAPI 3.0 or 3.1 or Swagger 2.0 document, YAML or JSON, as a REST API.

    `source` is a path, a text (of more than one line, or starting with `{`), or parsed values; with `text` given,
    `source` is only the name of the file in problems. `variables` are written `${NAME}` in the document and resolved
    wherever they stand, as on import. Raises ConfigError with every problem of the document.
    """
    root, problems = load(source, text)
    if variables:
        resolve(root, variables)
    reader = Reader(root, problems, {key: extension.known for key, extension in EXTENSIONS.items()})
    definition = _read_root(reader) if _read_version(reader) else Definition()
    reader.problems += check_definition(definition)
    if reader.problems:
        raise ConfigError(sorted(dict.fromkeys(reader.problems), key=_line))
    return Reading(definition, reader.ledger, tuple(reader.warnings))


def _read_version(reader: Reader) -> bool:
    """The dialect of the document: without it nothing else can be read."""
    entries = reader.mapping(reader.root, "the document")
    key = "swagger" if "swagger" in entries else "openapi"
    version = entries.get(key)
    if version is None:
        if isinstance(reader.root.value, dict):
            mend = "Start it with openapi: 3.0.1 or swagger: '2.0'"
            near = next(filter(None, (reader.near(key, ("openapi", "swagger")) for key in entries)), "")
            reader.problem(reader.root, "the document says neither 'openapi' nor 'swagger'", mend=mend, near=near)
        return False
    text = str(version.value)
    for dialect in ("2.0",) if key == "swagger" else ("3.0", "3.1"):
        if text == dialect or text.startswith(f"{dialect}."):
            reader.dialect = dialect
            return True
    why = "this reads swagger 2.0, openapi 3.0 and openapi 3.1"
    reader.problem(version, f"{key} {text!r:.40} is not supported", why=why)
    return False


def _read_root(reader: Reader) -> Definition:
    swagger = reader.dialect == "2.0"
    root = reader.section(reader.root, "the document", _ROOT_2 if swagger else _ROOT_3)
    components = root
    if not swagger and (node := root.entries.get("components")) is not None:
        components = reader.section(node, "components", _COMPONENTS)
    values = _read_extensions(reader, root)
    validators = values.pop("x-amazon-apigateway-request-validators", {})
    models = Models(reader, components.entries.get("definitions" if swagger else "schemas"))
    schemes = components.entries.get("securityDefinitions" if swagger else "securitySchemes")
    security = Security(reader, schemes, root.entries.get("security"))
    operations = Operations(
        reader=reader,
        models=models,
        security=security,
        validators=validators,
        validator=root.entries.get("x-amazon-apigateway-request-validator"),
        consumes=root.entries.get("consumes") if swagger else None,
        parameters={},
    )
    paths = root.entries.get("paths")
    if paths is None:
        reader.problem(reader.root, "the document has no paths")
    methods = () if paths is None else operations.read(paths)
    security.finish()
    _note_unneeded(reader, root, methods)
    for name in ("parameters", "requestBodies", "responses"):
        _note_components(reader, components.entries.get(name))
    note_unread_extensions(reader)
    info = root.entries.get("info")
    about = reader.mapping(info, "info") if info else {}
    return Definition(
        name=_scalar_text(about.get("title")),
        version=_scalar_text(about.get("version")),
        methods=methods,
        models=models.finish(),
        security_schemes=security.schemes,
        origin=Origin(Place(reader.root.file, reader.root.line, reader.root.column), root.fields, root.inner),
        **values,
    )


def _read_extensions(reader: Reader, root: Section) -> dict[str, Any]:
    """The fields that keys at the root become; the request validators under their own key."""
    values: dict[str, Any] = {}
    for key, node in root.entries.items():
        extension = EXTENSIONS.get(key)
        if extension is None or extension.read is None or "root" not in extension.places:
            continue
        value = extension.read(reader, node)
        if extension.field == "extensions" and isinstance(node.value, dict):
            root.keep_places(node)
            root.feeds("extensions", *(child.place for child in node.value.values()))
        elif extension.field:
            root.feeds(extension.field, node.place)
        if extension.field:
            values[extension.field] = value
        elif key == "x-amazon-apigateway-request-validators":
            values[key] = value
    servers = root.entries.get("servers")
    for server in reader.items(servers, "servers") if servers else ():
        key = "x-amazon-apigateway-endpoint-configuration"
        for name, node in reader.mapping(server, "a server").items():
            if name == key and (read := EXTENSIONS[key].read) is not None:
                reader.met.add(id(node))
                values[EXTENSIONS[key].field] = read(reader, node)
                root.feeds(EXTENSIONS[key].field, node.place)
            elif name.startswith("x-"):
                reader.unknown(node, "the server", extensions_of("server"))
    return values


def _note_unneeded(reader: Reader, root: Section, methods: Sequence[Method]) -> None:
    """Keys that protect something only where a method uses them, where none does."""
    source = root.entries.get("x-amazon-apigateway-api-key-source")
    if source is not None and not any(method.api_key_required for method in methods):
        reader.note(source, Known("no operation asks for an API key", harmless=True))
    validator = root.entries.get("x-amazon-apigateway-request-validator")
    if validator is not None and not any(
        validator.place in method.origin.fields.get("request_validator", ()) for method in methods
    ):
        reader.note(validator, Known("every operation has its own", harmless=True))


def _note_components(reader: Reader, section: Node | None) -> None:
    """What is defined for reference, where nothing refers to it; what is referred to was read there."""
    for node in reader.mapping(section, section.key).values() if section else ():
        reader.note(node, _REFERRED if id(node) in reader.followed else _UNUSED)


def _scalar_text(node: Node | None) -> str:
    return "" if node is None or isinstance(node.value, (dict, list)) or node.value is None else str(node.value)


def _line(problem: Problem) -> tuple[str, int, int]:
    """Problems come in the order of the document."""
    file, _, rest = problem.where.rpartition(":")
    start, _, line = file.rpartition(":")
    return (start, int(line), int(rest)) if line.isdecimal() and rest.isdecimal() else (problem.where, 0, 0)
