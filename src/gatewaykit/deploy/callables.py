"""Python callables named in configuration as `module:callable`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.settings import Scalar

__all__ = ["Function", "load_callable"]


def load_callable(text: object) -> Callable[..., Any]:
    """What `module:callable` names; the callable may be an attribute of an attribute. Raises ValueError."""
    from importlib import import_module

    if not isinstance(text, str):
        raise ValueError(f"{text!r} names no function; write 'module:callable'")
    module_name, colon, attribute = text.partition(":")
    if not colon or not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(f"{text!r} names no function; write 'module:callable', such as 'handlers:orders'")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{text!r}: there is no module {error.name!r}; modules are looked up from here") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything, or exit, while it is imported
        raise ValueError(f"{text!r}: importing {module_name!r} raised {type(error).__name__}: {error}") from None
    for name in attribute.split("."):
        if not hasattr(found, name):
            near = near_miss(name, [each for each in dir(found) if not each.startswith("_")])
            raise ValueError(f"{text!r}: {module_name!r} has no {name!r}{f' (did you mean {near!r}?)' if near else ''}")
        found = getattr(found, name)
    if not callable(found):
        raise ValueError(f"{text!r} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # callable, as just checked


Function = Annotated[Any, Scalar(load_callable, {"type": "string", "pattern": r"^[\w.]+:[\w.]+$"})]
"""The setting of a configuration that names a callable."""
