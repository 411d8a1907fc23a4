"""`access_log(...)`: one line for every request, whatever became of it.

Developer guide, "Set up CloudWatch logging for REST APIs". List it first, so that it also sees what others refuse.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, Final

from gatewaykit.core.access_log import AWS_FORMATS, WEB_FORMATS, Format, compile_format
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.observe.sink import BufferedSink
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Runtime

__all__ = ["AccessLog", "BufferedSink", "access_log"]

_NAMES: Final = tuple(AWS_FORMATS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLog(Policy):
    """An access log; made by `access_log`."""

    phase = "access_log"

    formats: dict[str, Format]  # profile -> format
    sink: BufferedSink | Callable[[str], object]

    def bind(self, runtime: Runtime) -> Policy:
        return _BoundAccessLog(self.formats[runtime.profile], self.sink, runtime)

    async def aclose(self) -> None:
        if isinstance(self.sink, BufferedSink):
            self.sink.close()


class _BoundAccessLog(Policy):
    name = phase = "access_log"

    def __init__(self, format: Format, sink: BufferedSink | Callable[[str], object], runtime: Runtime) -> None:
        self._sink = sink
        write = sink.write if isinstance(sink, BufferedSink) else sink
        log, clock = format.writer(write), runtime.clock
        wall, monotonic = clock.wall, clock.monotonic

        def on_request(request: Request) -> Request:  # around an app nobody else has read the clock
            request.received_s = wall()
            return request

        def on_timed_request(request: Request) -> Request:
            request.received_s, request.received_monotonic_s = wall(), monotonic()
            return request

        def on_timed_end(request: Request) -> None:
            log(request, monotonic() - request.received_monotonic_s)

        self.on_request = on_timed_request if format.shows_latency else on_request
        if not runtime.look_only:
            self.on_end = on_timed_end if format.shows_latency else log

    async def aclose(self) -> None:
        if isinstance(self._sink, BufferedSink):
            self._sink.close()


def access_log(
    format: str = "clf",
    *,
    sink: BufferedSink | IO[Any] | str | PathLike[str] | Callable[[str], object] | None = None,
) -> AccessLog:
    """Write a line for every request: `"clf"`, `"json"`, `"xml"`, `"csv"`, or a text of your own with `$context.…`.

    The named formats are API Gateway's under the aws profile; under the web profile they show the path, the caller's
    identity and the milliseconds instead of what only AWS has. A variable without a value prints `-`. Values are
    escaped: no client can forge a line.

    `sink` is a path, a stream (standard output where none is given), or a function that gets each line as it comes.
    Paths and streams are written in batches of a second; make a `BufferedSink` to choose.

    >>> from gatewaykit import access_log
    >>> log = access_log("$context.requestId $context.httpMethod $context.path $context.status", sink=print)
    """
    problems: list[Problem] = []
    formats: dict[str, Format] = {}
    if not isinstance(format, str):
        problems.append(Problem(where="access_log.format", what=f"{format!r} is no text"))
    elif format not in _NAMES and "$" not in format:
        what = f"{format!r} is neither a format's name nor a text with variables"
        mend = f"The names are {', '.join(_NAMES)}; a variable is $context.requestId"
        problems.append(Problem(where="access_log.format", what=what, mend=mend))
    else:
        for profile, named in (("aws", AWS_FORMATS), ("web", WEB_FORMATS)):
            compiled = compile_format(named.get(format, format))
            if isinstance(compiled, tuple):
                problems = list(compiled)
            else:
                formats[profile] = compiled
    if sink is None:
        sink = BufferedSink(sys.stdout)
    elif not isinstance(sink, BufferedSink) and (isinstance(sink, (str, PathLike)) or hasattr(sink, "write")):
        try:
            sink = BufferedSink(sink)
        except ConfigError as error:
            problems += [Problem(where="access_log.sink", what=problem.what) for problem in error.problems]
    elif not callable(sink) and not isinstance(sink, BufferedSink):
        problems.append(Problem(where="access_log.sink", what=f"{sink!r} is no path, stream, function or sink"))
    if problems or isinstance(sink, (str, PathLike)) or not (callable(sink) or isinstance(sink, BufferedSink)):
        raise ConfigError(problems)
    return AccessLog(formats=formats, sink=sink)
