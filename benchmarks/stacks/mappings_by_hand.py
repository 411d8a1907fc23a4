"""The mappings of `templates`, as somebody would write them in Python instead.

Each has two forms. The one that counts gives the template's bytes whatever the request holds: a body that is no JSON or
of another shape, values of another type, no parameters at all. The trusting one is for callers who know the shape of
every body beforehand, and fails or gives other bytes for another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from gatewaykit.core.template_variables import Parameters
from gatewaykit.core.vtl.values import PLAIN_LEAST, PLAIN_MOST, text, to_json

__all__ = ["loop", "passthrough", "small", "trusting_loop", "trusting_passthrough", "trusting_small"]

Context = Mapping[str, Any]
Strings = Mapping[str, str]

_NOTHING: Final[dict[str, Any]] = {}


def _refuse_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are no JSON


_decoded: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode
_NO_DOCUMENT: Final = (ValueError, RecursionError)
_NOT_THERE: Final = (*_NO_DOCUMENT, KeyError, TypeError)


def _text(value: Any) -> str | int:
    """What JSON may hold, as a template prints it."""
    kind = type(value)
    if kind is str or kind is int:
        return value  # type: ignore[no-any-return]  # mypy does not follow `kind`
    if value is None:
        return ""
    if kind is float and PLAIN_LEAST <= value < PLAIN_MOST:
        return repr(value)
    return text(value)  # a boolean, list or map, or a double that Java writes with an exponent


# ---------------------------------------------------------------------------------------------- a small body mapping


def small(body: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    try:
        user = _decoded(body)["user"]
    except _NOT_THERE:
        user = _NOTHING
    if type(user) is not dict:
        user = _NOTHING
    contact = user.get("contact")
    email = contact.get("email") if type(contact) is dict else None
    return (
        f'{{\n  "id": "{params.path["id"]}",\n  "name": "{_text(user.get("name"))}",\n  "email": "{_text(email)}",\n'
        f'  "age": {_text(user.get("age"))},\n  "stage": "{context["stage"]}"\n}}'
    )


def trusting_small(body: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    user = json.loads(body)["user"]
    return (
        f'{{\n  "id": "{params.path["id"]}",\n  "name": "{user["name"]}",\n  "email": "{user["contact"]["email"]}",\n'
        f'  "age": {user["age"]},\n  "stage": "{context["stage"]}"\n}}'
    )


# ------------------------------------------------------------------------------------------- a loop over many items


def loop(body: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    try:
        order = _decoded(body)
    except _NO_DOCUMENT:
        order = _NOTHING
    if type(order) is not dict:
        order = _NOTHING
    lines = order.get("lines")
    items = lines if type(lines) is list else [*lines.values()] if type(lines) is dict else None
    count = "" if items is None else len(items)
    shown = ",\n".join(
        [
            f'    {{"sku": "{_text(item.get("sku"))}", "count": {_text(item.get("quantity"))}, '
            f'"price": {_text(item.get("price"))}, "text": "{_text(item.get("name"))}"}}'
            for item in [item if type(item) is dict else _NOTHING for item in items or ()]
        ]
    )
    if items:
        shown += "\n"
    customer = _text(order.get("customer"))
    return f'{{\n  "customer": "{customer}",\n  "count": {count},\n  "items": [\n{shown}  ]\n}}'


def trusting_loop(body: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    order = json.loads(body)
    items = order["lines"]
    shown = ",\n".join(
        [
            f'    {{"sku": "{item["sku"]}", "count": {item["quantity"]}, "price": {item["price"]}, '
            f'"text": "{item["name"]}"}}'
            for item in items
        ]
    )
    return f'{{\n  "customer": "{order["customer"]}",\n  "count": {len(items)},\n  "items": [\n{shown}\n  ]\n}}'


# ------------------------------------------------------------------------- everything there is, as the console has it


def passthrough(body: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    try:
        document = _dumped(_decoded(body))
    except _NO_DOCUMENT:
        document = _undecoded(body)
    return _everything(document, params, context, stage_variables)


def trusting_passthrough(body: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    return _everything(_encoded(json.loads(body)), params, context, stage_variables)


def _undecoded(body: str) -> str:
    """An empty body is an empty object, and one that does not begin as JSON does is a text."""
    if not body:
        return "{}"
    return '""' if body.lstrip()[:1] in ("", "{", "[", '"', "'") else _encoded(body)


def _everything(document: str, params: Parameters, context: Context, stage_variables: Strings) -> str:
    kinds = []
    for kind, values in (("path", params.path), ("querystring", params.querystring), ("header", params.header)):
        pairs = ",    ".join([f'    "{name}" : "{_escaped(value)}"\n        ' for name, value in values.items()])
        kinds.append(f'"{kind}" : {{\n    {pairs}{"    " if values else ""}}}\n    ')
    variables = ",".join([f'"{name}" : "{_escaped(value)}"\n    ' for name, value in stage_variables.items()])
    identity, principal = context["identity"], context["authorizer"]["principalId"] if "authorizer" in context else ""
    return (
        f'{{\n"body-json" : {document},\n"params" : {{\n{",".join(kinds)}}},\n'
        f'"stage-variables" : {{\n{variables}}},\n"context" : {{\n'
        f'    "account-id" : "{identity["accountId"] or ""}",\n'
        f'    "api-id" : "{context["apiId"]}",\n'
        f'    "api-key" : "{identity.get("apiKey", "")}",\n'
        f'    "authorizer-principal-id" : "{principal}",\n'
        f'    "caller" : "{identity["caller"] or ""}",\n'
        f'    "cognito-authentication-provider" : "{identity["cognitoAuthenticationProvider"] or ""}",\n'
        f'    "cognito-authentication-type" : "{identity["cognitoAuthenticationType"] or ""}",\n'
        f'    "cognito-identity-id" : "{identity["cognitoIdentityId"] or ""}",\n'
        f'    "cognito-identity-pool-id" : "{identity["cognitoIdentityPoolId"] or ""}",\n'
        f'    "http-method" : "{context["httpMethod"]}",\n'
        f'    "stage" : "{context["stage"]}",\n'
        f'    "source-ip" : "{identity["sourceIp"]}",\n'
        f'    "user" : "{identity["user"] or ""}",\n'
        f'    "user-agent" : "{identity["userAgent"] or ""}",\n'
        f'    "user-arn" : "{identity["userArn"] or ""}",\n'
        f'    "request-id" : "{context["requestId"]}",\n'
        f'    "resource-id" : "{context["resourceId"]}",\n'
        f'    "resource-path" : "{context["resourcePath"]}"\n    }}\n}}\n'
    )


_encoded: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _dumped(document: Any) -> str:
    shown = _encoded(document)
    return to_json(document) if "." in shown or "e+" in shown or "e-" in shown else shown  # doubles as Java has them


_TO_ESCAPE: Final = re.compile(r"[^ !#-&(-\[\]-~]")
_SHORT: Final = {
    "\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\", "'": "\\'",
}  # fmt: skip


def _escaped(value: str) -> str:
    return _TO_ESCAPE.sub(_escape, value)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join([f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)])
