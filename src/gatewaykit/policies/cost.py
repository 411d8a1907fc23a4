"""What a request costs, where that is not 1: a number, what a header says, or what the response turns out to say.

>>> from gatewaykit import by, cost, throttle
>>> batch = throttle(rate=100, burst=500, key=by.api_key, cost=cost.header("X-Batch-Size", most=500))
>>> tokens = throttle(
...     rate="100000/minute",
...     burst=100_000,
...     key=by.api_key,
...     cost=cost.response_json("$.usage.total_tokens", reserve=1000),
... )

A cost that the response says is settled: `reserve` is taken when the request comes, and when it has ended the rest is
taken too, or what was too much given back. A limit may then owe tokens: it gives none until they are paid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gatewaykit.core.jsonpath import Path, PathProblem, compile_path
from gatewaykit.core.metering import Reader, amount_of, reader_of
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.by import HEADER_NAME

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request

__all__ = ["Cost", "RequestCost", "SettledCost", "header", "response_header", "response_json"]

MOST: Final = 1_000_000
_LONGEST: Final = 15  # digits of a number in a header


@dataclass(frozen=True, slots=True)
class RequestCost:
    """A cost that the request shows: `of` gives it, or a refusal."""

    of: Callable[[Request], int | Refusal]


@dataclass(frozen=True, slots=True)
class SettledCost:
    """A cost that the response shows, in a header or in its body. `reserve` is taken until it does."""

    reserve: int
    most: int
    field: bytes = b""
    path: Path | None = None

    def of_head(self, head: Head) -> int | None:
        """What the header says; None where it says nothing."""
        for name, value in head.headers:
            if name.lower() == self.field:
                return _number(value, self.most)
        return None

    def reader(self, head: Head) -> Reader | None:
        """What reads the cost from a body of this head; None for a body that has none."""
        fields = {name.lower(): value for name, value in head.headers}
        if self.path is None or fields.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            return None
        return reader_of(self.path, fields.get(b"content-type", b"").decode("latin-1"))

    def of_body(self, reader: Reader) -> int | None:
        """What the body said, once it has passed."""
        return amount_of(reader.value(), self.most)


Cost: TypeAlias = "int | RequestCost | SettledCost | Callable[[Request], int]"


def header(name: str, *, default: int | None = 1, most: int = 1000) -> RequestCost:
    """What a request header says, from 0 to `most`. A client may write there what it likes: trust whoever sets it.

    Without the header it costs `default`; with None there, and with what is no such number, the request is a 400.
    """
    problems = [*_wrong_name("header", name), *_wrong("header", "most", most, 1)]
    if default is not None:
        problems += _wrong("header", "default", default, 0)
    if problems:
        raise ConfigError(problems)
    field = name.lower().encode()

    def of(request: Request) -> int | Refusal:
        value = request.headers.get(field)
        amount = default if value is None else _number(value, most + 1)
        if amount is None or amount > most:
            return Refusal(Reason.MALFORMED_REQUEST, f"{name} is no cost from 0 to {most}")
        return amount

    return RequestCost(of)


def response_header(name: str, *, reserve: int, most: int = MOST) -> SettledCost:
    """What a header of the response says; `reserve` where it says nothing. More than `most` counts as that."""
    problems = [*_wrong_name("response_header", name), *_wrong("response_header", "reserve", reserve, 0)]
    problems += _wrong("response_header", "most", most, 1)
    if problems:
        raise ConfigError(problems)
    return SettledCost(reserve, most, field=name.lower().encode())


def response_json(path: str, *, reserve: int, most: int = MOST) -> SettledCost:
    """What stands at a JSONPath of the response: a JSON body, or the last of a stream of events or lines that has it.

    The body passes as it comes. It is asked for without a Content-Encoding: one that has one, or is longer than 1 MiB
    (a line of a stream: 256 KiB), says nothing, and costs `reserve`.
    """
    problems = [*_wrong("response_json", "reserve", reserve, 0), *_wrong("response_json", "most", most, 1)]
    compiled: Any = compile_path(path) if isinstance(path, str) else PathProblem(0, "is no text")
    if isinstance(compiled, PathProblem):
        what = f"{path!r:.60} is no JSONPath: {compiled.message}"
        problems.append(Problem(where="cost.response_json.path", what=what))
    elif not compiled.is_definite:
        what = f"{path!r:.60} may find several values"
        problems.append(
            Problem(where="cost.response_json.path", what=what, mend="Name one, as in $.usage.total_tokens")
        )
    if problems:
        raise ConfigError(problems)
    return SettledCost(reserve, most, path=compiled)


def cost_problems(what: str, cost: object) -> list[Problem]:
    """What is wrong with the option `cost` of a policy."""
    unnamed: tuple[object, ...] = (header, response_header, response_json)
    if isinstance(cost, (RequestCost, SettledCost)) or (callable(cost) and cost not in unnamed):
        return []
    if cost in unnamed:
        return [Problem(where=f"{what}.cost", what="this needs a name first", mend="Write cost.header('X-Cost')")]
    if isinstance(cost, bool) or not isinstance(cost, int) or not 0 <= cost <= MOST:
        choices = "cost.header('X'), cost.response_header('X', reserve=1), cost.response_json('$.a', reserve=1)"
        mend = f"Give a number up to {MOST}, {choices}, or a function from a request to a number"
        return [Problem(where=f"{what}.cost", what=f"{cost!r:.60} is no cost", mend=mend)]
    return []


def _number(value: bytes, most: int) -> int | None:
    text = value.strip(b" \t")
    return min(most, int(text)) if text.isdigit() and len(text) <= _LONGEST else None


def _wrong(function: str, option: str, value: object, least: int) -> list[Problem]:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
        what = f"{value!r:.60} is no whole number from {least} to {MOST}"
        return [Problem(where=f"cost.{function}.{option}", what=what)]
    return []


def _wrong_name(function: str, name: object) -> list[Problem]:
    if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
        return [Problem(where=f"cost.{function}", what=f"{name!r:.60} is no header name")]
    return []
