"""What a limit counts by, as it is written in a file: `address`, `api_key`, …, `header:X-Tenant`, `claim:sub`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.settings import Scalar
from gatewaykit.errors import ConfigError
from gatewaykit.policies import by

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction

__all__ = ["CountedBy"]

_PLAIN_KEYS: Final = ("address", "api_key", "everyone", "identity", "network", "route")
_NAMED_KEYS: Final = ("authorizer_context", "claim", "header", "path_parameter")
_NETWORK: Final = re.compile(r"(\d{1,2})(?:/(\d{1,3}))?")


def _parse_key(text: object) -> KeyFunction:
    """What to count by: `address`, `api_key`, …, `header:X-Tenant`, `claim:sub`; of a list, each combination."""
    if isinstance(text, list):
        try:
            return by.every(*(_parse_key(part) for part in text))
        except ConfigError as error:
            raise ValueError(error.problems[0].what) from None
    if not isinstance(text, str):
        raise ValueError(f"{text!r} says not what to count by; write one of {_key_choices()}")
    kind, colon, name = text.partition(":")
    if kind == "network":
        return _network(name) if colon else by.network()
    if kind in _PLAIN_KEYS and not colon:
        return getattr(by, kind)  # type: ignore[no-any-return]  # each is a KeyFunction
    if kind in _NAMED_KEYS and name.strip():
        try:
            return getattr(by, kind)(name.strip())  # type: ignore[no-any-return]  # each makes a KeyFunction
        except ConfigError as error:
            raise ValueError(error.problems[0].what) from None
    near = near_miss(kind, (*_PLAIN_KEYS, *_NAMED_KEYS))
    hint = f" (did you mean {near!r}?)" if near and near != kind else ""
    raise ValueError(f"{text!r} says not what to count by{hint}; write one of {_key_choices()}")


def _network(text: str) -> KeyFunction:
    found = _NETWORK.fullmatch(text)
    if found is None:
        raise ValueError(f"'network:{text}' is no network; write network:24 or network:24/56, bits of IPv4 and IPv6")
    try:
        return by.network(ipv4=int(found[1]), ipv6=int(found[2] or 64))
    except ConfigError as error:
        raise ValueError(error.problems[0].what) from None


def _key_choices() -> str:
    return ", ".join((*_PLAIN_KEYS, *(f"{kind}:NAME" for kind in _NAMED_KEYS)))


_ONE: Final = {
    "type": "string",
    "pattern": f"^({'|'.join(_PLAIN_KEYS)}|network:\\d+(/\\d+)?|({'|'.join(_NAMED_KEYS)}):.+)$",
}
CountedBy = Annotated[Any, Scalar(_parse_key, {"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 2}]})]
