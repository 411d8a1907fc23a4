"""The service behind the gateway: a few pets, in memory. Run it alone with `python backend.py [PORT]`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 9000


class Pets(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        if self.path == "/pets":
            self._answer(200, list(self.server.pets.values()))
        elif pet := self.server.pets.get(self.path.removeprefix("/pets/")):
            self._answer(200, pet)
        else:
            self._answer(404, {"message": "not found"})

    def do_POST(self) -> None:
        pet = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pet["id"] = len(self.server.pets) + 1
        self.server.pets[str(pet["id"])] = pet
        self._answer(201, pet)

    def log_message(self, *_: object) -> None:
        """The gateway writes the access log."""

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)


class Backend(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = PORT) -> None:
        super().__init__(("127.0.0.1", port), Pets)
        self.pets = {
            "1": {"id": 1, "name": "Tom", "kind": "cat"},
            "2": {"id": 2, "name": "Spike", "kind": "dog"},
        }


if __name__ == "__main__":
    with Backend(int(sys.argv[1]) if len(sys.argv) > 1 else PORT) as backend:
        print(f"pets at http://127.0.0.1:{backend.server_address[1]}/pets", flush=True)
        try:
            backend.serve_forever()
        except KeyboardInterrupt:
            pass
