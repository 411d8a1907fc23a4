"""Identity sources: what of a request names the caller to a Lambda authorizer, and its answers are cached under.

Developer guide, "Use API Gateway Lambda authorizers" and "Control access to HTTP APIs with AWS Lambda authorizers";
reference 02 sections 3 and 5, 06 section 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.vtl.java_regex import compile_java_regex
from gatewaykit.core.vtl.linear_regex import degree, linear_regex
from gatewaykit.core.vtl.safe_regex import matches
from gatewaykit.core.vtl.values import Failure

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = [
    "Context", "IdentitySources", "Values", "cache_key", "compile_identity_sources", "compile_token_check", "joined",
]  # fmt: skip

Context = Callable[["Request"], Mapping[str, Any]]
"""Gives the `$context` of a request; called only where a source asks for it."""

Values = tuple[tuple[str, ...], ...]
"""Of each source, all its values in order: nothing in a value can look like another caller's values."""

_Read = Callable[["Request", Context], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class IdentitySources:
    """Sources in the order they were written."""

    names: tuple[str, ...]
    reads: tuple[_Read, ...]

    def read(self, request: Request, context: Context) -> Values | Refusal:
        """The values of all sources; a 401 where one is missing or empty."""
        values = tuple([read(request, context) for read in self.reads])
        for found in values:
            if not found or not found[-1].strip():
                name = self.names[values.index(found)]
                return Refusal(
                    Reason.IDENTITY_SOURCE_MISSING, f"{name} is {'empty' if found else 'missing'}; nobody was asked"
                )
        return values


def cache_key(values: Values) -> Values | bytes:
    """What an answer is kept under: the values, or the digest of long ones, so that no flood of them is kept."""
    size = 0
    for found in values:
        for text in found:
            size += len(text)
    return values if size <= _MOST_KEPT else sha256(repr(values).encode("utf-8", "surrogatepass")).digest()


def joined(values: Values) -> list[str]:
    """A text for each source; the values of a repeated one are joined by commas, as HTTP joins them."""
    return [",".join(found) for found in values]


def compile_identity_sources(sources: str | Sequence[str], api: str) -> IdentitySources | tuple[str, ...]:
    """The sources of a comma-separated text or a list, or everything wrong with them. `api`: REST, HTTP, WEBSOCKET."""
    given: Iterable[str] = sources.split(",") if isinstance(sources, str) else sources
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    reads: list[_Read] = []
    problems: list[str] = []
    for name in names:
        read = _compile(name, api)
        if isinstance(read, str):
            problems.append(read)
        else:
            reads.append(read)
    return tuple(problems) if problems else IdentitySources(names, tuple(reads))


def compile_token_check(expression: str) -> Callable[[str], Refusal | None] | str:
    """The check of a validation expression, or why it cannot be used. The whole token has to match.

    The expression may come from a definition that nobody here wrote: one that might take for ever is refused.
    """
    pattern = compile_java_regex(expression)
    if isinstance(pattern, str):
        return f"{expression!r} is no regular expression: {pattern}"
    if degree(pattern, anchored=True) is None and linear_regex(pattern) is None:
        return f"{expression!r} may take for ever on some tokens"
    refused = f"the token does not match the validation expression {expression!r}; nobody was asked"

    def check(token: str) -> Refusal | None:
        if len(token) > _MOST_TOKEN:
            return Refusal(Reason.IDENTITY_SOURCE_INVALID, f"the token has more than {_MOST_TOKEN} characters")
        try:
            fits = matches(pattern, token)
        except Failure as error:
            return Refusal(Reason.IDENTITY_SOURCE_INVALID, str(error))
        return None if fits else Refusal(Reason.IDENTITY_SOURCE_INVALID, refused)

    return check


_MOST_KEPT: Final = 2048
_MOST_TOKEN: Final = 10_240
"""What API Gateway takes of all headers together (developer guide, "Quotas")."""

_PREFIXES: Final = {"REST": ("method.request.", ""), "HTTP": ("$request.", "$"), "WEBSOCKET": ("route.request.", "")}
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE: Final = re.compile(r"[A-Za-z0-9_]+")
_CONTEXT: Final = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")


def _compile(source: str, api: str) -> _Read | str:
    of_request, of_gateway = _PREFIXES[api]
    place, _, name = source.removeprefix(of_request).partition(".")
    if source.startswith(of_request) and place == "header" and _HEADER.fullmatch(name):
        return _header(name.lower().encode())
    if source.startswith(of_request) and place == "querystring" and name:
        return lambda request, context: tuple(request.query.get(name, ()))
    place, _, name = source.removeprefix(of_gateway).partition(".")
    if source.startswith(of_gateway) and place == "stageVariables" and _VARIABLE.fullmatch(name):
        return lambda request, context: _one(request.stage_variables.get(name))
    if source.startswith(of_gateway) and place == "context" and _CONTEXT.fullmatch(name):
        path = name.split(".")
        return lambda request, context: _one(_inside(context(request), path))
    forms = [f"{of_request}header.NAME", f"{of_request}querystring.NAME", f"{of_gateway}stageVariables.NAME"]
    return f"{source!r} is none of {', '.join(forms)} and {of_gateway}context.NAME"


def _header(wanted: bytes) -> _Read:
    def read(request: Request, context: Context) -> tuple[str, ...]:
        if wanted not in request.headers:
            return ()
        return tuple([value.decode("latin-1") for name, value in request.header_list if name.lower() == wanted])

    return read


def _inside(value: object, path: Sequence[str]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _one(value: object) -> tuple[str, ...]:
    return () if value is None or isinstance(value, (Mapping, list, tuple)) else (str(value),)
