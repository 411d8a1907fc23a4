"""METHOD, PATH and the options that describe a request: of `explain` and `invoke`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gatewaykit.cli.usage_error import UsageError

__all__ = ["add_request", "request_of"]


def add_request(parser: argparse.ArgumentParser) -> None:
    """METHOD, PATH, and the options that describe the rest of a request."""
    parser.add_argument("method", metavar="METHOD", help="such as GET")
    parser.add_argument("path", metavar="PATH", help="with its query string, if any")
    parser.add_argument("-H", "--header", metavar="'NAME: VALUE'", action="append", default=[], help="a request header")
    parser.add_argument("--client-cert", metavar="FILE", help="the client's certificate in PEM, with its chain")
    parser.add_argument("-d", "--data", metavar="TEXT", help="the request body; @FILE reads it, @- from stdin")


def request_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Headers, body and certificate of the request that `-H`, `-d` and `--client-cert` describe."""
    headers = []
    for text in arguments.header:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"-H {text!r} is no header; write 'Name: value'")
        headers.append((name.strip(), value.strip()))
    certificate = arguments.client_cert
    try:
        chain = None if certificate is None else Path(certificate).read_text("latin-1")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"--client-cert {certificate}: {getattr(error, 'strerror', None) or error}") from None
    if chain is not None and "-----BEGIN CERTIFICATE-----" not in chain:
        raise UsageError(f"--client-cert {certificate}: there is no certificate in PEM in it")
    return {"headers": headers, "body": _body(arguments.data), "client_cert": chain}


def _body(text: str | None) -> bytes:
    if text is None:
        return b""
    if text == "@-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        return Path(text[1:]).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"-d {text}: {getattr(error, 'strerror', None) or error}") from None
