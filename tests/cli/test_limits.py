"""Limits at the command line: `check`, `routes` and `explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewaykit.cli import main
from tests.conformance.documents import document, mock

ACME = "acme-key-0123456789abcdef"
YAML = f"""
apis:
  shop: {{definition: shop.json, method_settings: {{"*/*": {{rate: 100, burst: 50}}}}}}
keys: {{acme: {ACME}}}
usage_plans:
  free: {{throttle: {{rate: 5/minute, burst: 5}}, quota: {{limit: 100, period: DAY}}, keys: [acme]}}
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = {"x-amazon-apigateway-integration": mock(), "security": [{"key": []}]}
    schemes = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}}
    api = document({"/pets": {"get": keyed}, "/health": {"get": mock()}}, components=schemes)
    (tmp_path / "shop.json").write_text(json.dumps(api))
    (tmp_path / "gateway.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("there")
def test_check_shows_the_limits_of_every_method_for_every_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gateway.yaml"]) == 0

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        "METHOD PATH PLAN LIMITS, IN ORDER",
        "GET /pets free plan free 0.0833333/s burst 5; plan free quota 100 a day; "
        "method GET /pets 100/s burst 50; account 10000/s burst 5000",
        "GET /health - method GET /health 100/s burst 50; account 10000/s burst 5000",
    ]


@pytest.mark.usefixtures("there")
def test_check_says_for_how_long_tokens_are_leased_and_what_that_may_admit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gateway.yaml").write_text(f"store: redis://127.0.0.1:1?lease=10ms{YAML}")

    assert main(["check", "gateway.yaml"]) == 0

    assert "leased for 10 ms: any interval may have rate x 10 ms more" in capsys.readouterr().out
    assert main(["check", "gateway.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lease_s"] == 0.01


@pytest.mark.usefixtures("there")
def test_the_limits_are_in_the_json_of_check_and_routes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gateway.yaml", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)["limits"]
    assert main(["routes", "gateway.yaml", "--json"]) == 0
    routes = json.loads(capsys.readouterr().out)

    assert [(each["resource"], each["plan"], len(each["limits"])) for each in checked] == [
        ("/pets", "free", 4), ("/health", None, 2),
    ]  # fmt: skip
    assert [len(each["limits"]) for route in routes for each in route["limits"]] == [4, 2]


@pytest.mark.usefixtures("there")
def test_explain_shows_what_is_left_of_each_limit_for_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "gateway.yaml", "GET", "/pets", "--key", ACME]) == 0

    out = capsys.readouterr().out
    assert "usage_plan: plan free: 4 of 5 left, all again in 12 s\n" in out
    assert "\n             account: 4999 of 5000 left, all again in 0.0001 s" in out
    assert main(["explain", "gateway.yaml", "GET", "/pets", "--key", "other-key-0123456789"]) == 1
    assert "API_KEY_UNKNOWN" in capsys.readouterr().out


@pytest.mark.usefixtures("there")
def test_without_plans_and_settings_check_tells_of_no_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "shop.json"]) == 0

    assert "LIMITS" not in capsys.readouterr().out
