"""Policies around a Django project, from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from gatewaykit import ConfigError, Identity, PolicyMiddleware, Request, rule
from gatewaykit.asgi.wsgi import wsgi_app
from gatewaykit.gateway.django import GatewaykitMiddleware, get_asgi_application
from gatewaykit.testing import Client
from tests.asgi.apps import Deciding, refuse

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", DEBUG=False)
    django.setup()


def sync_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_principal(request))


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_principal(request))


def _principal(request: Any) -> str:
    view = request.gatewaykit
    return "no view" if view is None else view.identity.principal


def learn(request: Request) -> Request:
    request.identity = Identity(principal="alice")
    return request


urlpatterns = [path("sync", sync_view), path("async", async_view)]
POLICIES = [Deciding(learn), rule("/closed", refuse())]


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    middleware = ["gatewaykit.gateway.django.GatewaykitMiddleware"]
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware):
        yield


@pytest.mark.parametrize("url", ["/sync", "/async"])
async def test_views_find_what_the_policies_learned(url: str) -> None:
    with override_settings(GATEWAYKIT={"policies": POLICIES}):
        answer = await Client(get_asgi_application(), any_casing=True).get(url)

    assert (answer.status, answer.text) == (200, "alice")


async def test_policies_may_be_named_by_their_dotted_path() -> None:
    import sys

    sys.modules.setdefault("policies_of_the_shop", sys.modules[__name__])
    with override_settings(GATEWAYKIT={"policies": "policies_of_the_shop.POLICIES"}):
        answer = await Client(get_asgi_application(), any_casing=True).get("/closed")

    assert answer.status == 403


async def test_the_lifespan_that_django_lacks_is_answered() -> None:
    with override_settings(GATEWAYKIT={"policies": POLICIES}):
        async with Client(get_asgi_application(), any_casing=True).lifespan() as client:
            answer = await client.get("/sync")

    assert answer.status == 200


async def test_views_under_wsgi_find_it_too() -> None:
    app = wsgi_app(get_wsgi_application())

    behind = await Client(PolicyMiddleware(app, policies=POLICIES)).get("/sync")
    alone = await Client(app).get("/sync")

    assert (behind.text, alone.text) == ("alice", "no view")


async def test_without_policies_the_attribute_is_none() -> None:
    from django.core.asgi import get_asgi_application as get_django_application

    answer = await Client(get_django_application(), any_casing=True).get("/async")

    assert answer.text == "no view"


async def test_the_middleware_is_async_where_the_project_is() -> None:
    from asgiref.sync import iscoroutinefunction

    async def later(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse()

    assert iscoroutinefunction(GatewaykitMiddleware(later))
    assert not iscoroutinefunction(GatewaykitMiddleware(sync_view))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(None, "GATEWAYKIT: is missing", id="missing"),
        pytest.param([], "GATEWAYKIT: is no dict", id="no dict"),
        pytest.param({"polices": []}, "did you mean 'policies'?", id="a near miss"),
        pytest.param({"policies": "nowhere.POLICIES"}, "No module named 'nowhere'", id="a path to nothing"),
        pytest.param({"profile": "azure"}, "profile", id="a wrong value"),
    ],
)
def test_settings_that_cannot_be_used_are_named(given: Any, says: str) -> None:
    with override_settings(GATEWAYKIT=given), pytest.raises(ConfigError) as caught:
        get_asgi_application()

    assert says in str(caught.value)


def test_all_problems_of_the_settings_come_at_once() -> None:
    with override_settings(GATEWAYKIT={"polices": [], "stor": ""}), pytest.raises(ConfigError) as caught:
        get_asgi_application()

    assert [problem.near for problem in caught.value.problems] == ["policies", "store"]
