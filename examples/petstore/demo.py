"""Serve the petstore with its back end, and say what to try. `--check` tries it all and prints what came of it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent))

from backend import PORT as BACKEND_PORT
from backend import Backend
from functions import adopt

from gatewaykit import Gateway, access_log
from gatewaykit.server.run import bind, serve

API = Path(__file__).with_name("api.yaml")
KEY = {"x-api-key": "demo-key-for-local-use-only"}
T = TypeVar("T")
PET = {"content-type": "application/json", "x-request-source": "demo"}


@dataclass(frozen=True)
class Try:
    """A request, and the answer that the definition promises."""

    what: str
    path: str
    status: int
    contains: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    times: int = 1

    def curl(self, url: str) -> str:
        parts = ["curl -i"]
        if self.method != "GET":
            parts.append(f"-X {self.method}")
        parts += [f"-H '{name}: {value}'" for name, value in self.headers.items()]
        if self.body:
            parts.append(f"-d '{self.body}'")
        line = " ".join([*parts, f"{url}{self.path}"])
        return f"for i in $(seq {self.times}); do {line}; done" if self.times > 1 else line


TRIES = (
    Try("a mock, answered by the gateway itself", "/status", 200, '"status": "up"'),
    Try("a proxy to the back end", "/pets", 200, '"Tom"'),
    Try("an answer of the back end, mapped by a template", "/pets/1", 200, '"Tom the cat"'),
    Try("a status chosen by the back end's", "/pets/9", 404, "No pet has the id 9"),
    Try("no route", "/dragons", 404, "There is no GET /dragons"),
    Try("a browser's question before it sends a key", "/pets", 204, "", "OPTIONS"),
    Try("no key", "/pets", 403, "Forbidden", "POST", PET, "{}"),
    Try("a required header missing", "/pets", 400, "X-Request-Source", "POST", KEY, "{}"),
    Try("a body against its model", "/pets", 400, "Invalid request body", "POST", {**KEY, **PET}, '{"name": "Rex"}'),
    Try("a new pet", "/pets", 201, '"id": 3', "POST", {**KEY, **PET}, '{"name": "Rex", "kind": "dog"}'),
    Try("a Lambda function", "/pets/1/adoption", 201, '"by": "Ann"', "POST", KEY, '{"by": "Ann"}'),
    Try("too many calls with one key", "/pets/1/adoption", 429, "Too Many", "POST", KEY, '{"by": "Ann"}', times=6),
)


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.check:
        arguments.port = arguments.backend_port = 0
    backend = _on_port(Backend, arguments.backend_port)
    host, port = backend.server_address[:2]
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    gateway = Gateway.from_openapi(
        API,
        stage_variables={"backend": f"{host}:{port}"},
        functions={"adopt": adopt},
        policies=() if arguments.check else [access_log()],
    )
    listener = _on_port(lambda port: bind("127.0.0.1", port), arguments.port)
    outcomes: list[bool] = []

    def on_ready(url: str) -> None:
        if arguments.check:
            threading.Thread(target=_check, args=(url, outcomes)).start()
        else:
            _greet(url)

    try:
        serve(gateway, listener, on_ready=on_ready)
    except KeyboardInterrupt:  # Ctrl-C, or the end of the check
        pass
    backend.shutdown()
    return 0 if all(outcomes) and (outcomes or not arguments.check) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="the gateway's port (8080)")
    parser.add_argument("--backend-port", type=int, default=BACKEND_PORT, help=f"the back end's ({BACKEND_PORT})")
    parser.add_argument("--check", action="store_true", help="try everything on free ports, and exit with 0 or 1")
    return parser


def _on_port(make: Callable[[int], T], port: int) -> T:
    """What `make` puts on a port; on a free one, where somebody else has it."""
    try:
        return make(port)
    except OSError as error:
        print(f"port {port}: {os.strerror(error.errno or 0)}; taking a free one", file=sys.stderr)
        return make(0)


def _greet(url: str) -> None:
    print(f"The petstore is at {url}. Try, in another terminal:\n")
    for each in TRIES:
        print(f"# {each.what}: {each.status}\n{each.curl(url)}\n")
    print("Ctrl-C ends it. The access log:\n", flush=True)


def _check(url: str, outcomes: list[bool]) -> None:
    """Try everything, print a table, and end the server."""
    try:
        for each in TRIES:
            status, body = 0, ""
            for _ in range(each.times):
                status, body = _ask(each, url)
                if each.times > 1 and status == each.status:
                    break
            good = status == each.status and each.contains in body
            outcomes.append(good)
            print(f"{'ok  ' if good else 'FAIL'} {status}  {each.method:7} {each.path:17} {each.what}")
            if not good:
                print(f"     expected {each.status} with {each.contains!r}, got {body!r}")
    finally:
        outcomes.append(len(outcomes) == len(TRIES))
        os.kill(os.getpid(), signal.SIGINT)


def _ask(each: Try, url: str) -> tuple[int, str]:
    data = each.body.encode() if each.body else None
    request = urllib.request.Request(url + each.path, data, each.headers, method=each.method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


if __name__ == "__main__":
    sys.exit(main())
