"""The gateway as a reverse proxy, against nginx and Caddy: requests per CPU second of the proxy.

    python -m benchmarks --only proxy

Ours is `http_proxy` of a definition, served as `gatewaykit serve` does it. The back end is nginx.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks import e2e
from benchmarks.bench_transport import SIZES, proxies, write_site
from benchmarks.report import Line, at_least, line, say

__all__ = ["run"]

_OF_NGINX: Final = {"1 kB": at_least(0.28), "100 kB": at_least(0.33)}


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds, seconds = (3, 1) if quick else (11, 2)
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        home, back = Path(directory), e2e.free_port()
        write_site(home, back)
        command = [e2e.program("nginx"), "-p", directory, "-c", str(home / "back.conf")]
        with e2e.Server("back end", command, back, cpu=e2e.LOAD_CPU):
            for size, count in SIZES.items():
                say(f"  bodies of {size}")
                path = f"/{count}"
                nginx, caddy, transport = proxies(home, back, path)
                ours = _gateway(back, path)
                times = e2e.cpu_per_request([nginx, caddy, transport, ours], rounds=rounds, seconds=seconds)
                of = {
                    "gateway / nginx proxy_pass": times.ratios(nginx.name, ours.name),
                    "gateway / caddy reverse_proxy": times.ratios(caddy.name, ours.name),
                    "the transport alone / nginx proxy_pass": times.ratios(nginx.name, transport.name),
                }
                lines += [
                    line(
                        "proxy", f"{what}, {size}, requests per CPU second", ratios,
                        _OF_NGINX[size] if what.startswith("gateway / nginx") else None,
                    )
                    for what, ratios in of.items()
                ]  # fmt: skip
    return lines


def _gateway(back: int, path: str) -> e2e.Server:
    port = e2e.free_port()
    environment = {
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "BENCH_BACK_END": str(back),
        "BENCH_PORT": str(port),
    }
    return e2e.Server(
        "gateway", [sys.executable, "-m", "benchmarks.bench_proxy"], port, path=path, environment=environment
    )


def document(back: int) -> dict[str, Any]:
    """One greedy route to the back end."""
    proxied = {
        "responses": {"default": {"description": "whatever the back end says"}},
        "parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": {
            "type": "http_proxy",
            "httpMethod": "ANY",
            "uri": f"http://127.0.0.1:{back}/{{proxy}}",
            "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
        },
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "proxy", "version": "1"},
        "paths": {"/{proxy+}": {"x-amazon-apigateway-any-method": proxied}},
    }


if __name__ == "__main__":
    from gatewaykit import Gateway
    from gatewaykit.server.run import serve

    gateway = Gateway.from_openapi(document(int(os.environ["BENCH_BACK_END"])), account_limit=False)
    serve(gateway, port=int(os.environ["BENCH_PORT"]))
