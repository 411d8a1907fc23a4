"""A directory to stand in, with the files that commands are about; and the command line, run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatewaykit.cli import main

API = """\
openapi: 3.0.1
info: {title: shop, version: "1"}
x-amazon-apigateway-policy: {Version: "2012-10-17", Statement: []}
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
POLICY = ("--accept", "x-amazon-apigateway-policy")


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
