"""`gatewaykit invoke FILE METHOD PATH`: one request, in process, with the log of API Gateway's test-invoke."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.request_options import add_request, request_of
from gatewaykit.cli.sources import add_json, add_source, open_source

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.gateway.explanation import Invocation
    from gatewaykit.gateway.gateway import Gateway

__all__ = ["add", "run"]


def add(commands: Any) -> None:
    parser = commands.add_parser("invoke", help="run one request in process, with a trace of its phases")
    add_source(parser)
    add_request(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    import asyncio

    gateway, path = open_source(arguments).find(arguments.path)
    invocation = asyncio.run(_invoke(gateway, arguments.method, path, request_of(arguments)))
    refusal = invocation.refusal
    body = invocation.body.decode("utf-8", "replace")
    if output.as_json:
        output.json(
            {
                "status": invocation.status,
                "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in invocation.headers],
                "body": body,
                "latency_ms": round(invocation.latency_ms, 3),
                "reason": None if refusal is None else refusal.reason.name,
                "detail": "" if refusal is None else refusal.detail,
                "log": list(invocation.log),
            }
        )
    else:
        for line in invocation.log:
            output.line(line)
        fine = refusal is None and invocation.status < 400
        status = output.style("green" if fine else "red", str(invocation.status))
        output.line(f"\n{status} in {invocation.latency_ms:.1f} ms")
        if refusal is not None:
            output.line(f"{refusal.reason.name}: {refusal.detail or refusal.reason.text}")
        if body:
            output.line(body)
    return 0 if refusal is None and invocation.status < 400 else 1


async def _invoke(gateway: Gateway, method: str, path: str, request: dict[str, Any]) -> Invocation:
    async with gateway:
        return await gateway.invoke(method, path, **request)
