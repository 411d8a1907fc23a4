"""The address of an HTTP back end: `https://host:port/path/{name}?query={name}`.

Host and port are fixed before any request is seen: nothing a client sends can name another host. What fills `{name}` is
percent-encoded here and nowhere else; an encoded slash stays encoded, and dot segments cannot lead above the place of a
parameter (API Gateway's answer to those is not recorded). Reference 04 section 4; rows 13, 86 and 99.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, unquote_plus

__all__ = ["InvalidUri", "Uri", "as_path", "compile_uri", "has_dot_segments", "interpolate", "raw_as_path"]


@dataclass(frozen=True, slots=True)
class InvalidUri:
    """Why an address cannot be called. `variable` is the stage variable that has no value, where that is the cause."""

    reason: str
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Uri:
    """A checked address. Parts alternate between literal text and names in braces, beginning with a literal."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...]
    query: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port as they are written in a URI."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}")

    def target(self, values: Mapping[str, str], query: Iterable[tuple[str, Iterable[str]]] = ()) -> str:
        """The request target. `values` are percent-encoded already (`as_path`, `raw_as_path`), `query` is plain text.

        Per query name the address's own values come first, then those given; none replaces another (row 86).
        """
        path = "".join(_fill(self.path, values, "%7B{}%7D")) or "/"
        merged: dict[str, list[str]] = {}
        if self.query:
            decoded = {name: unquote(value) for name, value in values.items()}
            for name_parts, value_parts in self.query:
                name, value = (
                    "".join(_fill(name_parts, decoded, "{{{}}}")),
                    "".join(_fill(value_parts, decoded, "{{{}}}")),
                )
                merged.setdefault(name, []).append(value)
        for name, more in query:
            merged.setdefault(name, []).extend(more)
        if not merged:
            return path
        return (
            path + "?" + "&".join(f"{_as_query(name)}={_as_query(value)}" for name in merged for value in merged[name])
        )

    def is_left_by(self, target: str) -> bool:
        """Do dot segments, in any spelling, lead a target out of what this address puts its parameters under?"""
        if len(self.path) == 1 or (len(self.path) == 3 and (self.path[0], self.path[2]) == ("/", "")):
            return False  # no parameter, or nothing but one: there is nothing to leave
        return has_dot_segments(target.partition("?")[0])


def compile_uri(text: str, stage_variables: Mapping[str, str], *, any_port: bool = False) -> Uri | InvalidUri:
    """Check an address with its stage variables filled in; one without a scheme is http.

    API Gateway calls ports 80, 443 and 1024 to 65535 only; `any_port` is for back ends that are not of a definition.
    """
    filled = interpolate(text, stage_variables)
    if isinstance(filled, InvalidUri):
        return filled
    if "://" not in filled.partition("?")[0]:
        filled = f"http://{filled}"
    if not (parts := _URI.fullmatch(filled)):
        return InvalidUri("an address is http:// or https://, a host, a path and perhaps a query")
    if not (authority := _AUTHORITY.fullmatch(parts["authority"])):
        return InvalidUri(
            f"{parts['authority']!r} is no host and port; a host takes no path parameters and no user name"
        )
    scheme = parts["scheme"].lower()
    port = int(authority["port"]) if authority["port"] else _DEFAULT_PORT[scheme]
    if not any_port and port not in (80, 443) and not 1024 <= port <= 65535:
        return InvalidUri(f"port {port} is none of 80, 443 and 1024 to 65535")
    if not 1 <= port <= 65535:
        return InvalidUri(f"there is no port {port}")
    query = tuple(_pair(pair) for pair in (parts["query"] or "").split("&") if pair)
    host = authority["host"].strip("[]").lower()
    return Uri(scheme, host, port, _literals_as_path(_split(parts["path"])), query)


def interpolate(text: str, stage_variables: Mapping[str, str]) -> str | InvalidUri:
    """Fill in `${stageVariables.name}`; a variable without a value makes the whole address invalid (row 13)."""
    missing = [name for name in _VARIABLE.findall(text) if not stage_variables.get(name)]
    if missing:
        return InvalidUri(f"the stage variable {missing[0]!r} is not set", missing[0])
    return _VARIABLE.sub(lambda match: stage_variables[match[1]], text)


def as_path(text: str) -> str:
    """Plain text as part of a path. A slash stays a slash, a percent sign becomes `%25`."""
    return quote(text, safe=_PATH_SAFE, errors="replace")


def raw_as_path(raw: str) -> str:
    """A path parameter as the client sent it: decoded as far as a path allows; an encoded slash stays encoded."""
    if _PLAIN.fullmatch(raw):
        return raw
    return "".join(
        _decoded_where_legal(piece) if _TRIPLET.fullmatch(piece) else quote(piece, safe=_PATH_SAFE, errors="replace")
        for piece in _TRIPLETS.split(raw)
    )


def has_dot_segments(path: str) -> bool:
    """Does `..` stand between slashes, however they are spelt? Back ends differ in what they decode first."""
    return _DOTS.search(path) is not None


_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_PATH_SAFE: Final = "/-._~!$&'()*+,;=:@"
_QUERY_SAFE: Final = "-._~!$'()*,:@/?"
_URI = re.compile(r"(?P<scheme>(?i:https?))://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
_AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_BRACED = re.compile(r"\{([a-zA-Z0-9._$-]+)\}")
_DOTS = re.compile(r"(?:^|[/\\]|%2f|%5c)(?:\.|%2e){2}(?:[/\\]|%2f|%5c|$)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
_TRIPLET = re.compile(r"%[0-9A-Fa-f]{2}")
_TRIPLETS = re.compile(r"(%[0-9A-Fa-f]{2})")


def _split(text: str) -> tuple[str, ...]:
    return tuple(_BRACED.split(text))


def _literals_as_path(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part if at % 2 else _literal_as_path(part) for at, part in enumerate(parts))


def _literal_as_path(text: str) -> str:
    return "".join(piece if at % 2 else as_path(piece) for at, piece in enumerate(_TRIPLETS.split(text)))


def _pair(pair: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name, _, value = pair.partition("=")
    return tuple(map(unquote_plus, _split(name))), tuple(map(unquote_plus, _split(value)))


def _fill(parts: tuple[str, ...], values: Mapping[str, str], unmapped: str) -> list[str]:
    """Literals, and values where there is one; a name without a value stays as it is written."""
    return [
        part if not at % 2 else values[part] if part in values else unmapped.format(part)
        for at, part in enumerate(parts)
    ]


def _decoded_where_legal(triplet: str) -> str:
    character = chr(int(triplet[1:], 16))
    legal = character.isascii() and (character.isalnum() or character in _PATH_SAFE) and character != "/"
    return character if legal else triplet.upper()


def _as_query(text: str) -> str:
    return quote(text, safe=_QUERY_SAFE, errors="replace")
