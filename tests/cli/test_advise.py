"""`gatewaykit advise`."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, VirtualClock, access_log, by, quota, throttle
from gatewaykit.cli import log_files
from gatewaykit.testing import Client
from tests.cli.conftest import Run

MIDNIGHT = 1_767_225_600


def clf(at_s: float, address: str = "192.0.2.1", path: str = "/a", status: int = 200) -> str:
    moment = datetime.fromtimestamp(MIDNIGHT + at_s, timezone.utc)
    return f'{address} - - [{moment:%d/%b/%Y:%H:%M:%S +0000}] "GET {path} HTTP/1.1" {status} 5\n'


def a_day() -> list[str]:
    """One client that asks each minute, and one that asks for 50 at once each hour."""
    steady = [(minute * 60, "192.0.2.1") for minute in range(1440)]
    bursts = [(hour * 3600 + 5, "192.0.2.2") for hour in range(24) for _ in range(50)]
    return [clf(at_s, address) for at_s, address in sorted(steady + bursts)]


def words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_limits_are_tried(run: Run, here: Path) -> None:
    (here / "access.log").write_text("".join(a_day()))

    ran = run("advise", "access.log", "--rate", "1/s", "--burst", "40", "--quota", "1400/DAY")

    said = words(ran.out)
    assert ran.code == 0
    assert said[0].startswith("2,640 requests of 2 addresses, 2026-01-01T00:00:00Z to 2026-01-01T23:59:00Z; at most 50")
    assert said[3:7] == [
        "1/s with a burst of 40 and a quota of 1,400 a day would have denied",
        "280 of 2,640 requests (10.6 %), to 2 of 2 keys",
        "240 by 1/s with a burst of 40",
        "40 by a quota of 1,400 a day",
    ]
    assert said[8:11] == [
        "KEY REQUESTS DENIED FIRST LAST",
        "192.0.2.2 1,200 240 20 % 2026-01-01T00:00:05Z 2026-01-01T23:00:05Z",
        "192.0.2.1 1,440 40 2.78 % 2026-01-01T23:20:00Z 2026-01-01T23:59:00Z",
    ]
    assert said[12] == "FROM REQUESTS DENIED"
    assert said[13] == "2026-01-01T00:00:00Z 220 20 xxx---------------------------"
    assert len(said) == 13 + 12


def test_limits_are_proposed(run: Run, here: Path) -> None:
    (here / "access.log").write_text("".join(a_day()))

    proposed = json.loads(run("advise", "access.log", "--false-denials", "1%", "--json").out)["proposed"]
    throttle, quota = proposed["throttle"], proposed["quota"]
    limits = ("--rate", str(throttle["rate"]), "--burst", str(throttle["burst"]), "--quota", f"{quota['limit']}/DAY")
    tried = json.loads(run("advise", "access.log", *limits, "--json").out)["tried"]

    assert quota == {"period": "DAY", "limit": 1427, "denied": 13, "for_none": 1440}
    assert tried["denied"] <= throttle["denied"] + quota["denied"] <= 26


def test_the_burst_of_one_rate_is_proposed(run: Run, here: Path) -> None:
    (here / "access.log").write_text("".join(a_day()))

    ran = run("advise", "access.log", "--rate", "2/minute", "--false-denials", "0", "--period", "WEEK")

    assert [line for line in words(ran.out) if line][3:] == [
        "rate 0.0333333/s (2/minute)",
        "burst 50",
        "It denies 0 of 2,640 requests",
        "RATE LEAST BURST DENIES BURST THAT DENIES NONE",
        "0.0333333/s (2/minute) 50 0 50 proposed",
        "No quota is proposed: the log covers less than a week",
    ]


async def test_a_log_that_a_gateway_wrote_is_denied_what_the_gateway_denied(run: Run, here: Path) -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    lines: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    written = '{"id":"$context.requestId","ip":"$context.identity.sourceIp","at":"-","status":"$context.status",'
    written += '"requestTimeEpoch":"$context.requestTimeEpoch"}'
    gateway = PolicyMiddleware(
        app,
        clock=clock,
        policies=[
            access_log(written, sink=lines.append),
            throttle(rate=2.5, burst=4, key=by.address),
            quota(limit=150, period="DAY", key=by.address),
        ],
    )
    clients = [Client(gateway, client=(address, 1)) for address in ("192.0.2.1", "2001:db8::1", "2001:db8::2")]
    for number in range(900):
        clock.advance(0.05 + (number % 7) * 0.02)
        await clients[number % 3].get("/")
    denied = sum(json.loads(line)["status"] == "429" for line in lines)
    (here / "access.log").write_text("\n".join(lines))

    ran = run("advise", "access.log", "--rate", "2.5", "--burst", "4", "--quota", "150/DAY", "--json")

    found = json.loads(ran.out)
    assert 0 < denied < 900
    assert (found["requests"], found["keys"], found["whole_seconds"]) == (900, 2, False)
    assert (found["answered_429"], found["tried"]["denied"]) == (denied, pytest.approx(denied, abs=denied * 0.05))


@pytest.mark.parametrize(
    ("by", "keys"),
    [("address", 2), ("route", 3), ("everyone", 1), ("field:tenant", 1)],
)
def test_what_to_count_by(run: Run, here: Path, by: str, keys: int) -> None:
    lines = [clf(0, "192.0.2.1", "/a"), clf(0, "2001:db8::1", "/b?x"), clf(1, "2001:db8::ff", "/b")]
    lines.append('{"ts":1767225600,"ip":"192.0.2.1","method":"PUT","path":"/a","tenant":"acme"}\n')
    (here / "access.log").write_text("".join(lines))

    found = json.loads(run("advise", "access.log", "--by", by, "--json").out)

    assert found["keys"] == keys
    assert found["without_key"] == 4 - found["requests"]


def test_rotated_and_compressed_logs_in_any_order(run: Run, here: Path) -> None:
    (here / "access.log").write_text(clf(7200) * 3)
    (here / "access.log.1").write_bytes(gzip.compress((clf(0) * 3).encode()))

    ran = run("advise", "access.log", "access.log.1", "--rate", "0.001", "--burst", "3", "--json")

    found = json.loads(ran.out)
    assert (found["requests"], found["out_of_order"], found["tried"]["denied"]) == (6, 0, 0)


def test_lines_a_little_out_of_order_are_put_in_order(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "_IN_ORDER", 4)
    near = [clf(at_s) for at_s in (3, 1, 2, 0, 7, 5, 6, 4, 11, 9, 10, 8)]
    (here / "access.log").write_text("".join([*near, clf(2)]))

    found = json.loads(run("advise", "access.log", "--rate", "1", "--burst", "1", "--json").out)

    assert (found["requests"], found["out_of_order"], found["tried"]["denied"]) == (13, 1, 1)


def test_beyond_the_bound_of_keys_the_rest_count_as_one(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "_MOST_KEYS", 3)
    (here / "access.log").write_text("".join(clf(0, f"192.0.2.{number % 9}") for number in range(18)))

    found = json.loads(run("advise", "access.log", "--rate", "1", "--burst", "2", "--json").out)

    assert found["keys"] == 4
    assert found["tried"]["keys"] == [
        {"key": "(all others)", "requests": 12, "count": 10, "first_s": MIDNIGHT, "last_s": MIDNIGHT}
    ]


def test_lines_that_are_none_are_counted_and_shown(run: Run, here: Path) -> None:
    content = b"\n".join(
        [b"\xff\xfe\x00junk", clf(0).strip().encode(), b"{" * 100_000, b"", b"x" * 200_000, clf(1).encode()]
    )
    (here / "access.log").write_bytes(content)

    ran = run("advise", "access.log")

    said = words(ran.out)
    assert said[:4] == [
        "3 of 5 lines could not be read:",
        "access.log:1 no line of an access log",
        "access.log:3 a line of 64 KiB and more",
        "access.log:5 a line of 64 KiB and more",
    ]
    assert said[4].startswith("2 requests of 1 address,")


def test_a_terminal_sees_how_far_it_is(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, seconds = Terminal(), itertools.count(0.0)
    (here / "access.log").write_text(clf(0) * 20_000)
    monkeypatch.setattr(log_files.SYSTEM, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(sys, "stderr", terminal)

    run("advise", "access.log", "--json")

    assert terminal.getvalue() == "\r8,192 lines\r16,384 lines\r\x1b[K"


def test_a_compressed_log_that_breaks_off(run: Run, here: Path) -> None:
    whole = gzip.compress("".join(clf(at, f"198.51.100.{at * 7919 % 251}") for at in range(5000)).encode())
    (here / "access.log.gz").write_bytes(whole[: len(whole) // 2])

    found = json.loads(run("advise", "access.log.gz", "--json").out)

    assert found["requests"] > 1000
    assert "cannot be decompressed" in found["unreadable_lines"][0]["what"]


def test_a_log_comes_from_standard_input(here: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "gatewaykit", "advise", "-"], input=gzip.compress(clf(0).encode()), capture_output=True
    )

    assert ran.stdout.startswith(b"1 request of 1 address")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["none.log"], "none.log: No such file or directory", id="no file"),
        pytest.param(["."], ".: Is a directory", id="a directory"),
        pytest.param(["empty.log"], "no request with an address in empty.log", id="an empty log"),
        pytest.param(
            ["a.log", "--by", "user"], "no request with a user in a.log. Count by something", id="no such key"
        ),
        pytest.param(["a.log", "--by", "adress"], "--by: there is no 'adress' (did you mean 'address'?)", id="by"),
        pytest.param(["a.log", "--by", "field:"], "--by: there is no 'field:'", id="a field without a name"),
        pytest.param(["a.log", "--rate", "fast"], "--rate: 'fast' is not a rate", id="rate"),
        pytest.param(["a.log", "--burst", "3"], "--burst: a burst needs a rate", id="burst without rate"),
        pytest.param(["a.log", "--rate", "1", "--burst", "-3"], "--burst: a burst is a whole number", id="burst"),
        pytest.param(["a.log", "--quota", "3/YEAR"], "--quota: '3/YEAR'", id="period"),
        pytest.param(["a.log", "--quota", "many/DAY"], "--quota: 'many/DAY'", id="quota"),
        pytest.param(["a.log", "--false-denials", "100%"], "--false-denials: '100%' is no share", id="share"),
        pytest.param(["-", "-"], "LOG: standard input can be read once", id="stdin twice"),
    ],
)
def test_a_mistake_is_said_in_a_line(run: Run, here: Path, options: list[str], said: str) -> None:
    (here / "a.log").write_text(clf(0))
    (here / "empty.log").touch()

    ran = run("advise", *options)

    assert ran.code == 2
    assert ran.err.startswith(said)
    assert len(ran.err.splitlines()) == 1


def test_the_key_of_a_line_cannot_steer_the_terminal(run: Run, here: Path) -> None:
    (here / "a.log").write_text(json.dumps({"ts": MIDNIGHT, "user": "\x1b[2J\r" + "x" * 500}) + "\n")

    ran = run("advise", "a.log", "--by", "user", "--rate", "0", "--burst", "0")

    assert "\x1b" not in ran.out
    assert max(map(len, ran.out.splitlines())) < 160
