"""Small documents for the tests of the readers."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from gatewaykit.errors import ConfigError
from gatewaykit.openapi import Reading, read_definition

MOCK = "x-amazon-apigateway-integration: {type: mock}"


def read(text: str) -> Reading:
    return read_definition("api.yaml", text=dedent(text))


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def root(text: str) -> str:
    """A document with these keys at the root."""
    return f"openapi: 3.0.1\npaths: {{}}\n{dedent(text)}"


def paths(text: str) -> str:
    """A document with these paths."""
    return "openapi: 3.0.1\npaths:\n" + indent(dedent(text), "  ")


def operation(text: str, rest: str = "") -> str:
    """A document with `GET /pets`; its keys start on line 5, column 7."""
    return f"openapi: 3.0.1\npaths:\n  /pets:\n    get:\n{indent(dedent(text), '      ')}\n{dedent(rest)}"


def integration(text: str) -> str:
    """A document with one integration; its keys start on line 6, column 9."""
    return operation("x-amazon-apigateway-integration:\n" + indent(dedent(text).strip("\n"), "  "))
