"""A directory to stand in, with the files that commands are about; and the command line, here or served for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatewaykit.cli import main

API = """\
openapi: 3.0.1
info: {title: shop, version: "1"}
x-amazon-apigateway-security-policy: TLS_1_2
x-amazon-apigateway-tag-value: stray
paths:
  /pets/{id}:
    get:
      responses: {}
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: FUNCTION
  /hello:
    get:
      responses: {}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses:
          default: {statusCode: "200", responseTemplates: {application/json: '{"stage": "$context.stage"}'}}
"""
FUNCTION = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:123456789012:function:orders/invocations"
)
HANDLERS = """\
def orders(event, context):
    return {"statusCode": 201, "body": event["body"] or event["pathParameters"]["id"]}
"""
POLICY = ("--accept", "x-amazon-apigateway-security-policy")


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with `shop.yaml` and its handlers in it."""
    (tmp_path / "shop.yaml").write_text(API.replace("FUNCTION", FUNCTION))
    (tmp_path / "shop_handlers.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*words: str) -> Ran:
        sys.modules.pop("shop_handlers", None)
        code = main(words)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return ran


@dataclass(slots=True)
class Server:
    """A running `gatewaykit serve --json`: what it said first, and its process."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    def get(self, path: str, **options: Any) -> httpx2.Response:
        verify = options.pop("verify", True)
        with httpx2.Client(trust_env=False, verify=verify) as client:
            return client.get(self.said["url"] + path, **options)

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Exit code and the rest of its output."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


Serve = Callable[..., Server]


@pytest.fixture
def serve(here: Path) -> Iterator[Serve]:
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> Server:
        command = [sys.executable, "-m", "gatewaykit", "serve", *words, "--port", "0", "--json"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here, env={**os.environ}
        )
        running.append(process)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                return Server(process, json.loads("".join(lines)))
        raise AssertionError(f"{process.wait()}: {''.join(lines)}{process.stderr and process.stderr.read()}")

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
            process.communicate()
