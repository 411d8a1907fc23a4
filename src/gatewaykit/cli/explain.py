"""`gatewaykit explain FILE METHOD PATH`: what would happen to a request, and why.

Nothing is taken from a limit, and no integration is called; authorizers and issuers are asked.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.request_options import add_request, request_of
from gatewaykit.cli.sources import add_json, add_source, open_source

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.gateway.explanation import Explanation
    from gatewaykit.gateway.gateway import Gateway

__all__ = ["add", "run"]


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="say what would happen to a request, and why",
        epilog="--key VALUE, without a name, is the API key that the request carries.",
    )
    add_source(parser)
    add_request(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    import asyncio

    request = request_of(arguments)
    sent = [key for key in arguments.key if "=" not in key]  # NAME=VALUE gives the gateway a key, as everywhere
    arguments.key = [key for key in arguments.key if "=" in key]
    request["headers"] += [("x-api-key", key) for key in sent]
    gateway, path = open_source(arguments, unbound=True, reads=True).find(arguments.path)
    explanation = asyncio.run(_explained(gateway, arguments.method, path, request))
    decision = explanation.decision
    if output.as_json:
        output.json(
            {
                "allowed": decision.allowed,
                "reason": None if decision.reason is None else decision.reason.name,
                "detail": decision.detail,
                "status": decision.status,
                "route": None if explanation.route is None else asdict(explanation.route),
                "near_misses": [asdict(miss) for miss in explanation.near_misses],
                "credential": decision.credential,
                "authorization": decision.authorization,
                "steps": [asdict(step) for step in explanation.steps],
            }
        )
    else:
        first, _, rest = str(explanation).partition("\n")
        output.line(output.style("red" if decision.refusal is not None else "green", first))
        if rest:
            output.line(rest)
    return 0 if decision.refusal is None else 1


async def _explained(gateway: Gateway, method: str, path: str, request: dict[str, Any]) -> Explanation:
    async with gateway:
        return await gateway.explain_waiting(method, path, **request)
