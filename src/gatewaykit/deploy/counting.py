"""What a limit counts by, as it is written in a file: `address`, `api_key`, …, `header:X-Tenant`, `claim:sub`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.settings import Scalar
from gatewaykit.errors import ConfigError
from gatewaykit.policies import by

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction

__all__ = ["CountedBy"]

_PLAIN_KEYS: Final = ("address", "api_key", "everyone", "identity", "route")
_NAMED_KEYS: Final = ("claim", "header")


def _parse_key(text: object) -> KeyFunction:
    """What to count by: `address`, `api_key`, …, `header:X-Tenant`, `claim:sub`."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} says not what to count by; write one of {_key_choices()}")
    kind, colon, name = text.partition(":")
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


def _key_choices() -> str:
    return ", ".join((*_PLAIN_KEYS, *(f"{kind}:NAME" for kind in _NAMED_KEYS)))


_KEY_PATTERN: Final = f"^({'|'.join(_PLAIN_KEYS)}|({'|'.join(_NAMED_KEYS)}):.+)$"
CountedBy = Annotated[Any, Scalar(_parse_key, {"type": "string", "pattern": _KEY_PATTERN})]
