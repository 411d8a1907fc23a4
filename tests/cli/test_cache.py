"""`gatewaykit cache`: what caches keep, seen and changed from outside of the process that serves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatewaykit.cli import main
from gatewaykit.gateway.configured import build_gateways, load_config
from gatewaykit.testing import Client
from tests.conformance.documents import document, mock
from tests.peers.redis import RedisServer, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

ANSWER = {"responseParameters": {"method.response.header.Cache-Control": "'max-age=60'",
                                 "method.response.header.Surrogate-Key": "'all pets'"}}  # fmt: skip
API = document({"/pets": {"get": mock(**ANSWER)}, "/cats": {"get": mock(**ANSWER)}})


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


@pytest.fixture
def served(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose gateway has answered two requests, in this process; its caches are in Redis."""
    monkeypatch.chdir(tmp_path)
    store = f"redis://127.0.0.1:{server.port}?gateway=cli-{os.getpid()}-{tmp_path.name}&timeout=20s"
    (tmp_path / "api.json").write_text(json.dumps(API), "utf-8")
    settings = {
        "store": store, "account_limit": False, "policies": [{"edge_cache": {}}],
        "apis": {"pets": {"definition": "api.json", "stage_cache": {"methods": {"/cats/GET": {}}}}},
    }  # fmt: skip
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(settings), "utf-8")

    async def serve() -> None:
        (api,) = build_gateways(load_config(path)).values()
        async with api:
            for target in ("/pets", "/cats"):
                assert (await Client(api).get(target, headers={"host": "shop.example"})).status == 200

    asyncio.run(serve())
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["cache", *words]) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def counts(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    rows: list[dict[str, Any]] = json.loads(said(capsys, "stats", "gateway.yaml", "--json"))
    assert all(row["bytes"] > 0 for row in rows if row["entries"])
    return {row["cache"]: row["entries"] for row in rows}


def test_it_counts_purges_and_flushes(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert counts(capsys) == {"edge:edge": 2, "stage:pets/prod": 1}
    assert "edge:edge" in said(capsys, "stats", "gateway.yaml")

    assert "1 forgotten" in said(
        capsys, "purge", "gateway.yaml", "--prefix", "shop.example/pets", "--cache", "edge:edge"
    )
    assert counts(capsys) == {"edge:edge": 1, "stage:pets/prod": 1}

    assert json.loads(said(capsys, "purge", "gateway.yaml", "--tag", "pets", "--json")) == [
        {"cache": "edge:edge", "purged": 1}, {"cache": "stage:pets/prod", "purged": 0},
    ]  # fmt: skip
    assert "flushed" in said(capsys, "flush", "gateway.yaml")
    assert counts(capsys) == {"edge:edge": 0, "stage:pets/prod": 0}


def test_it_says_what_is_kept_and_why_not(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = ["-H", "host: shop.example"]

    kept = said(capsys, "explain", "gateway.yaml", "GET", "/pets", *host)
    other = said(capsys, "explain", "gateway.yaml", "GET", "/pets", "-H", "cookie: a=b")
    fetched = json.loads(said(capsys, "explain", "gateway.yaml", "GET", "/pets", *host, "--fetch", "--json"))
    passes = said(capsys, "explain", "gateway.yaml", "GET", "/pets", "-H", "x-forwarded-host: evil")

    assert "edge:edge: kept: 200, 0 bytes" in kept
    assert "tags all pets" in kept
    assert "not kept" in other
    assert "it came with Cookie" in other
    assert (fetched["status"], "hit" in fetched["fetched"][0]) == (200, True)
    assert "passes by: a header asks for another host" in passes


def test_a_request_that_no_cache_sees(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "refused" in said(capsys, "explain", "gateway.yaml", "GET", "/nowhere")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stats", "gateway.yaml", "--cache", "edge:edgy"], "did you mean 'edge:edge'"),
        (["stats", "plain.yaml"], "has no cache"),
        (["flush", "memory.yaml"], "kept in memory"),
    ],
)
def test_mistakes(served: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    plain: dict[str, Any] = {"apis": {"pets": {"definition": "api.json"}}}
    (served.parent / "plain.yaml").write_text(json.dumps(plain), "utf-8")
    memory = {**plain, "policies": [{"edge_cache": {"kept_in": "memory://"}}]}
    (served.parent / "memory.yaml").write_text(json.dumps(memory), "utf-8")

    assert told in said(capsys, *words, code=2)


def test_a_server_that_is_away_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "api.json").write_text(json.dumps(API), "utf-8")
    settings = {
        "apis": {"pets": {"definition": "api.json"}},
        "store": "redis://127.0.0.1:1",
        "policies": ["edge_cache"],
    }
    (tmp_path / "gateway.yaml").write_text(json.dumps(settings), "utf-8")

    assert "127.0.0.1:1" in said(capsys, "stats", str(tmp_path / "gateway.yaml"), code=2)
