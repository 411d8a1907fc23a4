"""A gateway of many routes: against a tree written by hand, and against Starlette's router.

    python -m benchmarks --only routing

Every operation is `x-gatewaykit: {app: …}` and has no policy, so that what is measured is the way from the server to
the app: the gateway's own entry, the routing, and for the AWS profile the two ids on every answer.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, Router

from benchmarks.inproc import answer_of, http_scope, measure, request_to
from benchmarks.report import Line, at_least, at_most, line, say
from benchmarks.stacks import facts
from gatewaykit import Gateway

__all__ = ["run"]

_SIZES: Final = (10, 100, 1000)


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds = 21 if quick else 61
    say("  gateways of 10, 100 and 1000 routes")
    cases: dict[str, Any] = {"bare": request_to(facts.bare, _hit(1000))}
    for size in _SIZES:
        web, by_hand = _gateway(size, "web"), _by_hand(size)
        if answer_of(web, _hit(size)) != answer_of(by_hand, _hit(size)):
            raise RuntimeError(f"the gateway of {size} routes does not answer as the tree written by hand does")
        cases[f"web {size}"] = request_to(web, _hit(size))
        cases[f"tree {size}"] = request_to(by_hand, _hit(size))
    aws, starlette, router = _gateway(1000, "aws"), _starlette(), _router(1000)
    mine, plain = answer_of(aws, _hit(1000)), answer_of(facts.bare, _hit(1000))
    if (mine[0], mine[2]) != (plain[0], plain[2]) or len(mine[1]) != len(plain[1]) + 2:
        raise RuntimeError(f"the gateway of the AWS profile answers {mine}")
    if not answer_of(starlette, _hit(1)) == answer_of(router, _hit(1000)) == plain:
        raise RuntimeError("Starlette does not answer alike")
    cases["aws 1000"] = request_to(aws, _hit(1000))
    cases["aws miss"] = request_to(aws, _miss(1000))
    cases["aws mock"] = request_to(_mocks(1000), _hit(1000))
    cases["web miss"] = request_to(_gateway(1000, "web"), _miss(1000))
    cases["starlette"] = request_to(starlette, _hit(1))
    times = measure(cases, rounds=rounds)
    say("  Starlette's router of 1000 routes")
    far = measure(
        {
            "bare": cases["bare"],
            "web 1000": cases["web 1000"],
            "router": request_to(router, _hit(1000)),
            "miss": cases["web miss"],
            "router miss": request_to(router, _miss(1000)),
        },
        rounds=rounds,
    )
    return [
        *[line("routing", f"{n} routes, added", times.added_us(f"web {n}", "bare"), unit="us") for n in _SIZES],
        *[
            line(
                "routing", f"{size} routes / a tree by hand, added",
                times.added_ratios(f"web {size}", f"tree {size}", "bare"), at_most(1.5),
            )
            for size in _SIZES
        ],
        line("routing", "1000 routes / 10 routes, in all", times.ratios("web 1000", "web 10"), at_most(1.1)),
        line("routing", "AWS profile, 1000 routes, added", times.added_us("aws 1000", "bare"), unit="us"),
        line("routing", "Starlette with one route, added", times.added_us("starlette", "bare"), unit="us"),
        line(
            "routing", "AWS profile / Starlette with one route, added",
            times.added_ratios("aws 1000", "starlette", "bare"), at_most(0.33),
        ),
        line(
            "routing", "Starlette's router, last of 1000 / gateway, added",
            far.added_ratios("router", "web 1000", "bare"), at_least(400),
        ),
        line("routing", "a miss / a hit that is a mock, AWS profile", times.ratios("aws miss", "aws mock"), at_most(1)),
        line("routing", "a miss / a hit in an app, AWS profile", times.ratios("aws miss", "aws 1000")),
        line("routing", "Starlette's miss / a miss, added", far.added_ratios("router miss", "miss", "bare")),
    ]  # fmt: skip


def _hit(size: int) -> dict[str, Any]:
    return http_scope(path=f"/v1/things{size - 1}/42")


def _miss(size: int) -> dict[str, Any]:
    return http_scope(path=f"/v1/things{size}/42")


def _gateway(size: int, profile: str) -> Gateway:
    operation = {"x-gatewaykit": {"app": "bare"}, "responses": {"200": {"description": "ok"}}}
    return Gateway.from_openapi(
        _document(size, operation), profile=profile, apps={"bare": facts.bare}, account_limit=False
    )


def _mocks(size: int) -> Gateway:
    operation = {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200"}},
        },
    }
    return Gateway.from_openapi(_document(size, operation), account_limit=False)


def _document(size: int, operation: dict[str, Any]) -> dict[str, Any]:
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    paths = {f"/v1/things{n}/{{id}}": {"parameters": [parameter], "get": operation} for n in range(size)}
    return {"openapi": "3.0.3", "info": {"title": "many", "version": "1"}, "paths": paths}


def _by_hand(size: int) -> Any:
    """A dictionary for each segment, `{id}` where no literal fits, then the verb: and the app is called."""
    root: dict[str, Any] = {}
    for n in range(size):
        root.setdefault("v1", {}).setdefault(f"things{n}", {})["{id}"] = {"GET": facts.bare}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        node, parameters = root, {}
        for part in scope["raw_path"].decode("latin-1").strip("/").split("/"):  # as sent: %2F is no slash
            child = node.get(part)
            if child is None:
                child = node.get("{id}")
                if child is None:
                    break
                parameters["id"] = part
            node = child
        else:
            found = node.get(scope["method"])
            if found is not None:
                await found(scope, receive, send)
                return
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def _starlette() -> Any:
    async def thing(request: Any) -> Response:
        return Response(b'{"hello":"you"}', media_type="application/json")

    return Starlette(routes=[Route("/v1/things0/{id}", thing)])


def _router(size: int) -> Any:
    return Router([Route(f"/v1/things{n}/{{id}}", _App()) for n in range(size)])


class _App:
    """An object, so that Starlette takes it for an ASGI app and adds nothing of its own."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await facts.bare(scope, receive, send)
