"""Policies around a Django project, from one settings dict.

# settings.py
GATEWAYKIT = {
    "policies": [cors(origins=["https://shop.example"]), rule("POST /login", throttle(rate="5/minute", …))],
    "trusted_proxies": ["10.0.0.0/8"],
}
MIDDLEWARE = ["gatewaykit.gateway.django.GatewaykitMiddleware", …]     # request.gatewaykit

# asgi.py
from gatewaykit.gateway.django import get_asgi_application
application = get_asgi_application()
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

try:
    from django.conf import settings
    from django.utils.module_loading import import_string
except ModuleNotFoundError:
    raise ModuleNotFoundError('gatewaykit.gateway.django needs Django; run: pip install "gatewaykit[django]"') from None

from gatewaykit.asgi.scope import STATE_KEY, View
from gatewaykit.asgi.wsgi import ENVIRON_KEY
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.gateway.middleware import PolicyMiddleware

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

__all__ = ["GatewaykitMiddleware", "get_asgi_application"]

_SETTINGS = ("clock", "max_body_bytes", "policies", "profile", "store", "trusted_proxies")


def get_asgi_application() -> PolicyMiddleware:
    """Django's ASGI application inside the policies of `settings.GATEWAYKIT`.

    The dict holds the options of `PolicyMiddleware`; `policies` is a list, or the dotted path of one. Raises
    ConfigError, with every problem, for keys and values that cannot be used.
    """
    from django.core.asgi import get_asgi_application as get_django_application

    application = get_django_application()  # first: it loads the apps that the policies may import
    return PolicyMiddleware(application, **_options(getattr(settings, "GATEWAYKIT", None)))


class GatewaykitMiddleware:
    """Sets `request.gatewaykit`: what the policies learned (`identity`, `limits`, `request_id`, `address`).

    It is None where no policy stood before the request. Works in sync and async projects.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        request.gatewaykit = _view(request)
        return self._get_response(request)


def _view(request: Any) -> View | None:
    scope = getattr(request, "scope", None)
    if scope is None:
        view: View | None = request.META.get(ENVIRON_KEY)
    else:
        view = (scope.get("state") or {}).get(STATE_KEY)
    return view


def _options(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        what = "is missing" if given is None else f"is no dict: {given!r}"
        raise ConfigError(
            Problem(where="settings.GATEWAYKIT", what=what, mend='Write GATEWAYKIT = {"policies": [...]}.')
        )
    problems = [
        Problem(
            where=f"settings.GATEWAYKIT[{key!r}]",
            what="is no setting",
            near=near_miss(str(key), _SETTINGS),
            mend=f"The settings are {', '.join(_SETTINGS)}.",
        )
        for key in given
        if key not in _SETTINGS
    ]
    options = {key: value for key, value in given.items() if key in _SETTINGS}
    if isinstance(path := options.get("policies"), str):
        try:
            options["policies"] = import_string(path)
        except ImportError as error:
            problems.append(Problem(where="settings.GATEWAYKIT['policies']", what=str(error)))
    if problems:
        raise ConfigError(problems)
    return options
