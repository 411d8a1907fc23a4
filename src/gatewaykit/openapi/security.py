"""Security schemes and requirements, as API Gateway reads them.

An apiKey scheme in the header `x-api-key` makes an API key required; other schemes are authorizers by their
`x-amazon-apigateway-*` keys; anything else is nothing a gateway could enforce, and the report says so.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gatewaykit.definition.model import Origin, Place, SecurityRequirement, SecurityScheme
from gatewaykit.openapi.document import Node
from gatewaykit.openapi.reading import HTTP_API, READ, Known, Reader, Table

__all__ = ["Asked", "Security"]

_SCHEME: Final = Known("nothing enforces this scheme", security=True)
_UNUSED: Final = Known("no operation asks for it", harmless=True)
_AUTHORIZER_KEY: Final = "x-amazon-apigateway-authorizer"
_AUTHTYPE_KEY: Final = "x-amazon-apigateway-authtype"
_KINDS: Final = {"token": "LAMBDA_TOKEN", "request": "LAMBDA_REQUEST", "cognito_user_pools": "COGNITO_USER_POOLS"}
_AUTHORIZER: Final[Table] = {
    "type": READ,
    "authorizerUri": READ,
    "authorizerCredentials": READ,
    "identitySource": READ,
    "identityValidationExpression": READ,
    "authorizerResultTtlInSeconds": READ,
    "providerARNs": READ,
    "jwtConfiguration": HTTP_API,
    "authorizerPayloadFormatVersion": HTTP_API,
    "enableSimpleResponses": HTTP_API,
}
_TEXTS: Final = ("authorizerUri", "authorizerCredentials", "identitySource", "identityValidationExpression")


class Asked(NamedTuple):
    """What a `security` list asks for, and where the parts stand."""

    api_key: tuple[Place, ...] = ()  # empty: no API key is asked for
    requirements: tuple[SecurityRequirement, ...] = ()
    nothing: tuple[Place, ...] = ()  # the place of a list that asks for nothing


class Security:
    def __init__(self, reader: Reader, schemes: Node | None, root: Node | None) -> None:
        self._reader = reader
        self._nodes: dict[str, Node] = reader.mapping(schemes, "the security schemes") if schemes else {}
        self._used: set[str] = set()
        self.schemes = {name: scheme for name, node in self._nodes.items() if (scheme := self._scheme(name, node))}
        self._root_node = root
        self._root: Asked | None = None

    def of(self, node: Node | None) -> Asked:
        """What an operation asks for: by its own list, else by that of the whole document (recorded row 133)."""
        if node is not None:
            return self._read(node)
        if self._root is None:
            self._root = Asked() if self._root_node is None else self._read(self._root_node)
        return self._root

    def finish(self) -> None:
        """What no operation asks for protects nothing, so that it need not be enforced."""
        for name in self._nodes.keys() - self._used:
            self._relabel(self._nodes[name])
        if self._root_node is not None and self._root is None:
            self._read(self._root_node)
            for item in self._root_node.value if isinstance(self._root_node.value, list) else ():
                for requirement in item.value.values() if isinstance(item.value, dict) else ():
                    self._reader.note(requirement, Known("every operation has its own", harmless=True))

    def _relabel(self, node: Node) -> None:
        self._reader.note(node, _UNUSED)
        for child in node.value.values() if isinstance(node.value, dict) else ():
            if child.key.startswith("x-"):
                self._reader.note(child, _UNUSED)

    def _read(self, node: Node) -> Asked:
        api_key: list[Place] = []
        requirements: list[SecurityRequirement] = []
        for item in self._reader.items(node, "security"):
            entries = self._reader.mapping(item, "a security requirement")
            if not entries:
                note = "an empty requirement does not make the others optional"
                self._reader.ledger.key(item.place, "security", note=note, harmless=True)
            for name, scopes in entries.items():
                self._reader.note(scopes, _SCHEME)
                scheme = self.schemes.get(name)
                if scheme is None:
                    if name not in self._nodes:
                        near = self._reader.near(name, self._nodes)
                        self._reader.problem(scopes, f"there is no security scheme {name!r}", near=near)
                    continue
                self._used.add(name)
                texts = self._reader.texts(scopes, f"the scopes of {name!r}")
                if scheme.kind == "API_KEY":
                    api_key += (scopes.place, *scheme.origin.fields["kind"])
                else:
                    fields = {"scheme": (scopes.place,), "scopes": (scopes.place,)}
                    origin = Origin(scopes.place, fields)
                    requirements.append(SecurityRequirement(scheme=scheme, scopes=texts, origin=origin))
        if node.value == []:
            self._reader.note(node, Known("asks for nothing", harmless=True))
            return Asked(nothing=(node.place,))
        return Asked(tuple(api_key), tuple(requirements))

    def _scheme(self, name: str, node: Node) -> SecurityScheme | None:
        reader = self._reader
        reader.note(node, _SCHEME)
        found = reader.follow(node, f"the security scheme {name!r}")
        if found is None:
            return None
        target, _ = found
        entries = reader.mapping(target, "the security scheme")
        settings: dict[str, Any] = {key: child.plain() for key, child in entries.items() if not key.startswith("x-")}
        kind_places, places = [node.place], [node.place]
        kind = "UNSUPPORTED"
        is_key = settings.get("type") == "apiKey" and settings.get("in") == "header"
        if is_key and str(settings.get("name")).lower() == "x-api-key":
            kind = "API_KEY"
        for key, child in entries.items():
            if key in (_AUTHTYPE_KEY, _AUTHORIZER_KEY):
                reader.note(child, _SCHEME)
                kind_places.append(child.place)
                places.append(child.place)
            elif key.startswith("x-"):
                reader.unknown(child, "the security scheme", {_AUTHTYPE_KEY: READ, _AUTHORIZER_KEY: READ})
        if (authtype := entries.get(_AUTHTYPE_KEY)) is not None:
            settings["authtype"] = reader.text(authtype, _AUTHTYPE_KEY)
            if settings["authtype"].lower() == "awssigv4":
                kind = "AWS_IAM"
        if (authorizer := entries.get(_AUTHORIZER_KEY)) is not None:
            section = reader.section(authorizer, "the authorizer", _AUTHORIZER)
            settings["authorizer"] = {key: child.plain() for key, child in section.entries.items()}
            settings["authorizer"] |= {key: section.text(key, "settings") for key in _TEXTS if key in section.entries}
            if "providerARNs" in section.entries:
                settings["authorizer"]["providerARNs"] = section.texts("providerARNs", "settings")
            places += (child.place for child in section.entries.values())
            kind = self._authorizer_kind(authorizer, section.text("type", "kind"))
            kind_places += section.fields.get("kind", ())
        fields = {"kind": tuple(kind_places), "settings": tuple(places)}
        return SecurityScheme(name=name, kind=kind, settings=settings, origin=Origin(node.place, fields))

    def _authorizer_kind(self, node: Node, type_: str) -> str:
        if (kind := _KINDS.get(type_.lower())) is not None:
            return kind
        if type_.lower() == "jwt":
            why = "this document is read as a REST API"
            self._reader.problem(node, "authorizers of type 'jwt' belong to HTTP APIs", why=why)
        else:
            near = self._reader.near(type_, _KINDS)
            mend = "" if near else f"Valid are {', '.join(_KINDS)}"
            self._reader.problem(node, f"the authorizer type {type_!r} is not known", near=near, mend=mend)
        return "UNSUPPORTED"
