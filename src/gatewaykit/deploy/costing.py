"""What a request costs, as it is written in a file: a number, or where it is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.settings import Scalar
from gatewaykit.errors import ConfigError
from gatewaykit.policies import cost

__all__ = ["CostOf"]

_KINDS: Final[dict[str, tuple[Callable[..., Any], tuple[str, ...]]]] = {
    "header": (cost.header, ("default", "most")),
    "response_header": (cost.response_header, ("reserve", "most")),
    "response_json": (cost.response_json, ("reserve", "most")),
}
_MEND: Final = "write a number, {header: X-Cost, most: 100} or {response_json: $.usage.total_tokens, reserve: 1000}"


def _parse_cost(value: object) -> Any:
    """A number, or a mapping with one of `header`, `response_header`, `response_json` and its options."""
    if not isinstance(value, Mapping):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r:.60} is no cost; {_MEND}")
        return value
    kinds = [key for key in value if key in _KINDS]
    if len(kinds) != 1:
        raise ValueError(f"it says not where the cost is found; {_MEND}")
    make, known = _KINDS[kinds[0]]
    options = {key: each for key, each in value.items() if key != kinds[0]}
    for key in options:
        if key not in known:
            near = near_miss(str(key), known)
            raise ValueError(f"there is no {key!r:.40} of {kinds[0]}{f'; did you mean {near!r}?' if near else ''}")
    if "reserve" in known and "reserve" not in options:
        raise ValueError(f"{kinds[0]} needs reserve, what is taken until the response has said it")
    try:
        return make(value[kinds[0]], **options)
    except ConfigError as error:
        raise ValueError("; ".join(problem.what for problem in error.problems)) from None


def _kind(name: str) -> dict[str, Any]:
    numbers = {key: {"type": "integer", "minimum": 0} for key in _KINDS[name][1]}
    required = [name, "reserve"] if "reserve" in numbers else [name]
    return {
        "type": "object", "properties": {name: {"type": "string"}, **numbers}, "required": required,
        "additionalProperties": False,
    }  # fmt: skip


CostOf = Annotated[
    Any, Scalar(_parse_cost, {"anyOf": [{"type": "integer", "minimum": 0}, *(_kind(name) for name in _KINDS)]})
]
