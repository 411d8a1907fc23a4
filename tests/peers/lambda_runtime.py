"""A real Lambda runtime: AWS's own client (awslambdaric) runs a handler in a process of its own.

It asks a Runtime API for events; the one here has Lambda's Invoke API in front, as the runtime interface emulator does.
Lambda developer guide, "Using the Lambda runtime API".
"""

from __future__ import annotations

import itertools
import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

__all__ = ["running"]

_LONGEST_S = 60


class _Call:
    """An event on its way to the runtime, and what comes back."""

    def __init__(self, event: bytes) -> None:
        self.event = event
        self.answer: queue.Queue[tuple[bytes, bool]] = queue.Queue()


@contextmanager
def running(module: Path, handler: str) -> Iterator[str]:
    """The endpoint of a Lambda API that invokes one function, whatever name it is called by."""
    waiting: queue.Queue[_Call | None] = queue.Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(waiting))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    port = server.server_address[1]
    environment = {
        **os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "AWS_LAMBDA_FUNCTION_NAME": module.stem,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/", "AWS_LAMBDA_LOG_STREAM_NAME": "/", "LAMBDA_TASK_ROOT": str(module.parent),
        "PYTHONPATH": str(module.parent),
    }  # fmt: skip
    command = [sys.executable, "-m", "awslambdaric", f"{module.stem}.{handler}"]
    try:
        with subprocess.Popen(
            command, env=environment, cwd=module.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
    finally:
        waiting.put(None)
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(waiting: queue.Queue[_Call | None]) -> type[BaseHTTPRequestHandler]:
    numbers = itertools.count(1)
    under_way: dict[str, _Call] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """The runtime asks for the next event."""
            call = waiting.get()
            if call is None:
                self._answer(503, b"")
                return
            name = f"call-{next(numbers)}"
            under_way[name] = call
            self._answer(
                200, call.event,
                ("Lambda-Runtime-Aws-Request-Id", name), ("Lambda-Runtime-Deadline-Ms", "9999999999999"),
                ("Lambda-Runtime-Trace-Id", "Root=1-5e1b4151-5ac6c58f5b5daa1c1e4b5c3b"),  # it crashes without one
                ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f"),
            )  # fmt: skip

        def do_POST(self) -> None:
            """Somebody invokes the function, or the runtime says what became of an event."""
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            *_, name, last = self.path.split("/")
            if last in ("response", "error") and name in under_way:
                under_way.pop(name).answer.put((body, last == "error"))
                self._answer(202, b"{}")
            elif last == "invocations":
                waiting.put(call := _Call(body))
                answer, failed = call.answer.get(timeout=_LONGEST_S)
                self._answer(200, answer, *([("X-Amz-Function-Error", "Unhandled")] if failed else []))
            else:
                self._answer(404, b"{}")

        def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body))), ("Content-Type", "application/json")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler
