"""Limits of a served gateway that are kept in a database."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cli.conftest import POLICY, Run, Serve

CONFIG = """\
store: sqlite:///limits.db?flush=60s
policies:
  - quota: {limit: 5, period: MONTH, key: everyone, name: monthly}
"""


def test_a_server_that_is_told_to_end_keeps_what_it_counted(here: Path, serve: Serve, run: Run) -> None:
    (here / "gateway.yaml").write_text(CONFIG)
    words = ("shop.yaml", "--config", "gateway.yaml", *POLICY, "--function", "orders=shop_handlers:orders")
    first = serve(*words)
    answers = [first.get("/hello").status_code for _ in range(3)]
    refused = run("invoke", *words, "GET", "/hello")
    looked = run("explain", *words, "GET", "/hello")
    first.stop(signal.SIGTERM)
    second = serve(*words)
    answers += [second.get("/hello").status_code for _ in range(3)]
    second.stop(signal.SIGTERM)

    assert answers == [200, 200, 200, 200, 200, 429]
    assert refused.code == 2
    assert f"in use by process {first.process.pid}, since" in refused.err
    assert "allowed" in looked.out
