"""Two views, one of them async; both find what the policies learned on the request."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path


async def item(request: Any, id: int) -> JsonResponse:
    caller = request.gatewaykit.identity
    return JsonResponse({"id": id, "seen by": caller.principal})


def login(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"token": "..."})


urlpatterns = [path("items/<int:id>", item), path("login", login)]
