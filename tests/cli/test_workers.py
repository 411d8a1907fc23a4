"""`gatewaykit serve --workers N`: several processes behind one socket, and limits that are not multiplied unseen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from gatewaykit.cli import main
from tests.conformance.documents import document, mock, proxy

FUNCTIONS = """
import os, sys




def pid(event, context):
    return {"statusCode": 200, "body": str(os.getpid())}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions.py").write_text(FUNCTIONS, "utf-8")
    (tmp_path / "api.json").write_text(json.dumps(document({"/pid": {"get": proxy("pid")}})), "utf-8")
    return tmp_path


def written(here: Path, **settings: Any) -> str:
    given = {"apis": {"a": {"definition": "api.json"}}, "functions": {"pid": "functions:pid"}, **settings}
    (here / "gateway.yaml").write_text(json.dumps(given), "utf-8")
    return "gateway.yaml"


@contextmanager
def serving(here: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "gatewaykit", "serve", *words, "--port", "0", "--json", "--log", "off"]
    process = subprocess.Popen(
        command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        lines = ""
        while not lines.rstrip().endswith("}") or lines.count("{") != lines.count("}"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            lines += line
        yield process, json.loads(lines)["url"]
    finally:
        process.terminate()
        process.wait(timeout=30)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def pids(url: str, least: int) -> set[int]:
    """The processes that answer, once there are so many."""
    found: set[int] = set()
    until = time.monotonic() + 30
    while len(found) < least and time.monotonic() < until:
        try:
            with urlopen(f"{url}/pid", timeout=5) as answer:
                found.add(int(answer.read()))
        except OSError:  # the one that is killed just now
            continue
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended; it may still be waited for by somebody."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_several_processes_serve_and_all_end_with_their_parent(here: Path) -> None:
    file = written(here, account_limit=False)
    with serving(here, file, "--workers", "3") as (process, url):
        found = pids(url, 3)
        assert len(found) == 3
        assert process.pid not in found
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0

    assert all(gone(pid) for pid in found)


def test_one_that_dies_is_started_again_and_it_is_said(here: Path) -> None:
    file = written(here, account_limit=False)
    with serving(here, file, "--workers", "2") as (process, url):
        killed = min(pids(url, 2))
        os.kill(killed, signal.SIGKILL)
        after = pids(url, 2) | pids(url, 2)
        while killed in after or len(after) < 2:
            after = pids(url, 2) - {killed}
        process.terminate()
        _, said = process.communicate(timeout=30)

    assert f"worker {killed} was ended by SIGKILL" in said


def test_workers_end_where_their_parent_is_killed(here: Path) -> None:
    file = written(here, account_limit=False)
    with serving(here, file, "--workers", "2") as (process, url):
        found = pids(url, 2)
        process.kill()
        process.wait(timeout=10)
        until = time.monotonic() + 30
        while not all(gone(pid) for pid in found) and time.monotonic() < until:
            time.sleep(0.02)  # the workers notice by themselves

    assert all(gone(pid) for pid in found)


IN_MEMORY = [
    pytest.param({}, [], "account count in memory", id="the account's limit"),
    pytest.param(
        {"policies": [{"throttle": {"rate": 1, "burst": 1, "key": "address", "name": "front"}}],
         "account_limit": False},
        [], "front count in memory", id="a throttle",
    ),
    pytest.param(
        {"policies": [{"idempotency": {"kept_in": "memory://"}}], "account_limit": False},
        [], "idempotency count in memory", id="idempotency keys",
    ),
    pytest.param({"store": "sqlite:///limits.db"}, ["--accept-limits-per-worker"], "is for one process", id="SQLite"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "words", "told"), IN_MEMORY)
def test_limits_that_would_be_multiplied_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], words: list[str], told: str
) -> None:
    code = main(["serve", written(here, **settings), "--workers", "2", "--port", "0", *words])

    assert (code, told in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["--accept-limits-per-worker"]),
        ({"store": "redis://127.0.0.1:1"}, []),
        ({"account_limit": False}, []),
        ({"apis": {"a": {"definition": "api.json", "profile": "web"}}}, []),
    ],
    ids=["accepted", "in Redis", "no limits", "only the guard before authentication"],
)
def test_what_is_not_multiplied_or_accepted_serves(here: Path, settings: dict[str, Any], words: list[str]) -> None:
    (here / "api.json").write_text(json.dumps(document({"/pid": {"get": mock()}})), "utf-8")
    with (
        serving(here, written(here, **settings), "--workers", "2", *words) as (_, url),
        urlopen(f"{url}/pid") as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("number", ["0", "-1", "x", "257", "1.5"])
def test_what_is_no_number_of_workers(here: Path, capsys: pytest.CaptureFixture[str], number: str) -> None:
    assert main(["serve", written(here), "--workers", number]) == 2
    assert "is no number of processes" in capsys.readouterr().err
