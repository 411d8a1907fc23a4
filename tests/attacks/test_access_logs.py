"""Access logs hold what strangers wrote: it forges no line, and steers nothing that reads the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, access_log
from gatewaykit.cli import main
from gatewaykit.testing import Client

OTHER = '198.51.100.66 - - [01/Jan/2026:00:00:00 +0000] "GET /paid HTTP/1.1" 200 5'
FORGED = [
    f"curl\n{OTHER}\n", f'curl" 200 5\r\n{OTHER}', '","ip":"198.51.100.66","x":"', '"}\n{"ip":"198.51.100.66","ts":1}',
    "</userAgent><ip>198.51.100.66</ip><userAgent>", f"\u2028{OTHER}\u2028", f"\x0b{OTHER}\x0c{OTHER}\x85{OTHER}",
    "\\", '\\"', "\x1b[2J\x1b]0;owned\x07",
]  # fmt: skip
FORMATS = {
    "own": '$context.identity.sourceIp - $context.identity.userAgent [$context.requestTime] "$context.httpMethod '
    '$context.path $context.protocol" $context.status $context.responseLength',
    "json": '{"agent":"$context.identity.userAgent","ip":"$context.identity.sourceIp","ts":"$context.requestTimeEpoch",'
    '"after":"$context.identity.userAgent"}',
    "xml": "<r><userAgent>$context.identity.userAgent</userAgent><ip>$context.identity.sourceIp</ip>"
    "<time>$context.requestTime</time><userAgent>$context.identity.userAgent</userAgent></r>",
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
async def test_a_client_forges_no_request_of_another(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "access.log"
    lines: list[str] = []
    client = Client(PolicyMiddleware(app, policies=[access_log(form, sink=lines.append)]))
    for agent in FORGED:
        await client.get("/", headers=[(b"user-agent", agent.encode())])
    log.write_text("".join(f"{line}\n" for line in lines))

    code = main(["advise", str(log), "--rate", "0", "--burst", "0", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (found["unreadable"], found["requests"]) == (0, len(FORGED))
    assert [key["key"] for key in found["tried"]["keys"]] == ["127.0.0.1"]


def test_a_name_in_a_log_does_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(json.dumps({"ts": 1_767_225_600, "user": text}) + "\n" for text in FORGED))

    code = main(["advise", str(log), "--by", "user", "--rate", "0", "--burst", "0"])

    out = capsys.readouterr().out
    assert code == 0
    assert all(line.isprintable() for line in out.split("\n"))
    assert "\n198.51.100.66" not in out
