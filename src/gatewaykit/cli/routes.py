"""`gatewaykit routes FILE`: every route, with what stands before and behind it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.sources import add_json, add_source, open_source

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.cli.sources import Opened

__all__ = ["add", "route_rows", "run"]


def add(commands: Any) -> None:
    parser = commands.add_parser("routes", help="list the routes of a definition")
    add_source(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    opened = open_source(arguments, unbound=True, unenforced=True, reads=True)
    if output.as_json:
        output.json(
            [
                {
                    "verb": route.verb, "resource": _path(mount, route.resource), "integration": route.integration,
                    "policies": list(route.policies), "api_key_required": route.api_key_required,
                    "authorizer": route.authorizer,
                    "limits": [{"plan": each.plan or None, "limits": list(each.limits)} for each in route.limits],
                }
                for mount, gateway in opened.gateways.items()
                for route in gateway.routes
            ]
        )  # fmt: skip
        return 0
    heading = [output.style("bold", name) for name in ("METHOD", "PATH", "POLICIES", "INTEGRATION")]
    output.table([heading, *route_rows(opened)], 0)
    return 0


def route_rows(opened: Opened) -> list[list[str]]:
    """Verb, path, policies and integration of each route, as text."""
    return [
        [route.verb, _path(mount, route.resource), ", ".join(route.policies) or "-", route.integration]
        for mount, gateway in opened.gateways.items()
        for route in gateway.routes
    ]


def _path(mount: str, resource: str) -> str:
    return mount.rstrip("/") + resource
