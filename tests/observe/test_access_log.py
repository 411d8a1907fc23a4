"""The access-log policy."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Request
from gatewaykit.errors import ConfigError
from gatewaykit.observe.access_log import AccessLog, BufferedSink, access_log
from gatewaykit.ports import Runtime


def one_request(policy: AccessLog, runtime: Runtime, clock: VirtualClock) -> None:
    bound = policy.bind(runtime)
    request = Request("GET", "/pets")
    assert bound.on_request is not None
    assert bound.on_end is not None
    assert bound.on_request(request) is request
    clock.advance("250ms")
    request.status, request.sent_bytes, request.id = 200, 7, "r-1"
    bound.on_end(request)


def test_a_request_leaves_one_line_with_when_it_came_and_how_long_it_took(
    runtime: Runtime, clock: VirtualClock
) -> None:
    lines: list[str] = []
    one_request(access_log(sink=lines.append), runtime, clock)

    assert lines == ['127.0.0.1 - - [15/Jan/2026:12:00:00 +0000] "GET /pets HTTP/1.1" 200 7 r-1 250']


def test_under_the_aws_profile_the_format_is_the_guide_s(runtime: Runtime, clock: VirtualClock) -> None:
    runtime.profile = "aws"
    lines: list[str] = []
    one_request(access_log("clf", sink=lines.append), runtime, clock)

    assert lines == ['127.0.0.1 - - [15/Jan/2026:12:00:00 +0000] "GET - HTTP/1.1" 200 7 r-1 -']


@pytest.mark.parametrize("kind", ["path", "stream", "sink", "standard output"])
async def test_a_sink_may_be(
    kind: str, runtime: Runtime, clock: VirtualClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, path = io.StringIO(), tmp_path / "access.log"
    sink = {"path": str(path), "stream": stream, "sink": BufferedSink(stream), "standard output": None}[kind]
    policy = access_log("$context.requestId", sink=sink)  # type: ignore[arg-type]  # by table
    one_request(policy, runtime, clock)
    await policy.bind(runtime).aclose()
    await policy.aclose()

    found = stream.getvalue() + (path.read_text() if path.exists() else "") + capsys.readouterr().out
    assert found == "r-1\n"


async def test_a_function_has_nothing_to_close(runtime: Runtime) -> None:
    policy = access_log(sink=[].append)

    await policy.bind(runtime).aclose()
    await policy.aclose()


def test_a_look_leaves_no_line(runtime: Runtime) -> None:
    runtime.look_only = True

    assert access_log(sink=[].append).bind(runtime).on_end is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"format": "apache"}, "access_log.format: 'apache' is neither a format's name nor a text with variables."),
        ({"format": 5}, "access_log.format: 5 is no text"),
        ({"format": "$context.statuss"}, "access_log.format: $context.statuss is no variable"),
        ({"sink": 5}, "access_log.sink: 5 is no path, stream, function or sink"),
        ({"sink": "."}, "access_log.sink: '.' is a directory, not a file"),
        ({"sink": ""}, "access_log.sink: '' names no file"),
        ({"sink": "no/such/log"}, "access_log.sink: 'no/such/log': there is no directory 'no/such'"),
    ],
    ids=["name", "no text", "variable", "sink", "directory", "no path", "no directory"],
)
def test_what_is_wrong_with_options(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        access_log(**options)  # type: ignore[arg-type]  # users' mistakes

    assert str(caught.value).startswith(problem)
