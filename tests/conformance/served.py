"""A gateway served for real, in a process of its own on a free port, with a back end behind it; spoken to in bytes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Served", "a_back_end", "serving"]


class Answer:
    """One response as it came over the wire."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(line.split(" ")[1]) if line else 0
        self.fields = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
        if self.header("transfer-encoding") == "chunked":
            self.body = _without_chunks(self.body)

    def header(self, name: str) -> str | None:
        """The values of a header field, joined; None where it was not sent."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)


def _without_chunks(framed: bytes) -> bytes:
    body = b""
    while framed:
        size, _, framed = framed.partition(b"\r\n")
        body, framed = body + framed[: int(size, 16)], framed[int(size, 16) + 2 :]
    return body


class Served:
    """A running server: its port, its process, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.log = ""  # what it wrote on stderr, once it has ended
        self.port = int(url.rpartition(":")[2])

    def send(self, *pieces: bytes, timeout_s: float = 20) -> bytes:
        """Everything the server sends for these bytes, until it closes the connection."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                while piece := connection.recv(65536):
                    answer += piece
            except ConnectionError:
                pass  # it had not read all that was sent when it closed
        return answer

    def ask(self, line: bytes, *fields: bytes, body: bytes = b"") -> Answer:
        """One request (`GET /path`) with these header lines, and its answer."""
        length = [b"Content-Length: %d" % len(body)] if body else []
        head = [line + b" HTTP/1.1", b"Host: api.example", b"Connection: close", *length, *fields]
        return Answer(self.send(b"\r\n".join(head) + b"\r\n\r\n" + body))


@contextmanager
def serving(folder: Path, document: Mapping[str, Any], handlers: str, *words: str) -> Iterator[Served]:
    """`gatewaykit serve` of a document whose functions are in the text of a module, `handlers`."""
    (folder / "api.json").write_text(json.dumps(document))
    (folder / "handlers.py").write_text(handlers)
    command = [sys.executable, "-m", "gatewaykit", "serve", "api.json", "--port", "0", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line == "}\n":
                break
        else:
            raise AssertionError(f"{process.wait()}: {said}{process.stderr and process.stderr.read()}")
        served = Served(process, json.loads(said)["url"])
        try:
            yield served
        finally:
            process.terminate()
            served.log = process.communicate(timeout=30)[1]


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it received, as JSON, and with headers of its own; at /mirror with the body alone."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/mirror":
            self.send_response(200)
            self.send_header("Content-Type", self.headers["content-type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        received = {"method": self.command, "target": self.path, "headers": self.headers.items(), "body": body.decode()}
        answer = json.dumps(received).encode()
        self.send_response(200)  # with Server and Date
        for name, value in (("Content-Type", "application/json"), ("x-amzn-RequestId", "theirs"), ("X-Other", "1")):
            self.send_header(name, value)
        self.send_header("Connection", "keep-alive")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_OPTIONS = _answer

    def log_message(self, *arguments: Any) -> None:
        """Tests need no log of it."""


@contextmanager
def a_back_end() -> Iterator[int]:
    """The port of an HTTP server that answers with what it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
