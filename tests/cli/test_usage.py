"""`gatewaykit usage`, and the same in code."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import Gateway, VirtualClock
from gatewaykit.cli import main
from gatewaykit.stores.memory import MemoryThrottleStore
from tests.conformance.documents import document, mock

ACME, BETA = "acme-key-0123456789abcdef", "beta-key-0123456789abcdef"
KEYED = {"x-amazon-apigateway-integration": mock(), "security": [{"key": []}]}
API = document(
    {"/pets": {"get": KEYED}},
    components={"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}},
)
PLANS = {
    "basic": {"quota": {"limit": 10, "period": "WEEK"}, "keys": ["acme", "beta"]},
    "open": {"throttle": {"rate": 5, "burst": 5}},
}


def gateway(clock: VirtualClock, **options: Any) -> Gateway:
    return Gateway.from_openapi(
        API, api_keys={"acme": ACME, "beta": BETA}, usage_plans=PLANS, clock=clock, account_limit=False, **options
    )


def ask(api: Gateway, key: str, times: int) -> int:
    return sum(api.decide("GET", "/pets", headers={"x-api-key": key}).allowed for _ in range(times))


async def test_usage_is_by_key_and_day_in_the_shape_of_get_usage() -> None:
    clock = VirtualClock("2026-01-15T12:00Z")
    api = gateway(clock)
    ask(api, ACME, 3)
    clock.advance("1d")
    ask(api, ACME, 2)
    ask(api, BETA, 1)

    used = await api.usage("basic", start_date="2026-01-14", end_date="2026-01-16")

    assert used == {
        "usagePlanId": "basic", "startDate": "2026-01-14", "endDate": "2026-01-16",
        "items": {"acme": [[0, 10], [3, 7], [2, 5]], "beta": [[0, 10], [0, 10], [1, 9]]},
    }  # fmt: skip
    one = await api.usage("basic", key_id="beta")
    assert (one["startDate"], one["endDate"], len(one["items"]["beta"])) == ("2025-12-18", "2026-01-16", 30)
    paged = await api.usage("basic", limit=1)
    assert (list(paged["items"]), paged["position"]) == (["acme"], "acme")
    assert list((await api.usage("basic", limit=1, position="acme"))["items"]) == ["beta"]


async def test_an_extension_leaves_so_many_and_forgets_nothing() -> None:
    api = gateway(VirtualClock("2026-01-15T12:00Z"))
    assert ask(api, ACME, 12) == 10

    answer = await api.extend_usage("basic", "acme", 2)

    assert answer["items"] == {"acme": [[10, 2]]}
    assert ask(api, ACME, 5) == 2
    assert (await api.usage("basic", key_id="acme"))["items"]["acme"][-1] == [12, 0]


@pytest.mark.parametrize(
    ("ask_for", "what"),
    [
        (lambda api: api.usage("basik"), "no usage plan 'basik'; did you mean 'basic'"),
        (lambda api: api.usage("open"), "has no quota, so nothing is counted"),
        (lambda api: api.usage("basic", key_id="acne"), "no key 'acne'; did you mean 'acme'"),
        (lambda api: api.usage("basic", start_date="soon"), "'soon' is no date"),
        (lambda api: api.usage("basic", start_date="2020-01-01"), "too long ago"),
        (lambda api: api.usage("basic", limit=0), "no number from 1 to 500"),
        (lambda api: api.extend_usage("basic", "acme", -1), "no number of requests"),
        (lambda api: api.extend_usage("basic", "nobody", 1), "no key 'nobody'"),
    ],
)
async def test_what_is_not_there_is_said(ask_for: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        await ask_for(gateway(VirtualClock()))


async def test_a_store_that_keeps_no_usage_says_so() -> None:
    class Plain:
        """Memory without the verbs of usage."""

        def __init__(self) -> None:
            self._memory = MemoryThrottleStore()

        def __getattr__(self, name: str) -> Any:
            if name in ("usage", "extend"):
                raise AttributeError(name)
            return getattr(self._memory, name)

    with pytest.raises(ValueError, match="does not keep usage"):
        await gateway(VirtualClock(), store=Plain()).usage("basic")


YAML = f"""
apis: {{shop: {{definition: shop.json}}}}
store: sqlite:///limits.db
keys: {{acme: {ACME}, beta: {BETA}}}
usage_plans:
  basic: {{quota: {{limit: 10, period: MONTH}}, keys: [acme, beta]}}
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.json").write_text(json.dumps(API))
    (tmp_path / "gateway.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def count(times: int) -> None:
    """What a server has counted before."""
    from gatewaykit.gateway.configured import build_gateway, load_config

    api = build_gateway(load_config("gateway.yaml"))
    assert ask(api, ACME, times) == times
    asyncio.run(api.aclose())


@pytest.mark.usefixtures("there")
def test_the_command_shows_what_was_used_and_leaves_more(capsys: pytest.CaptureFixture[str]) -> None:
    count(4)

    assert main(["usage", "gateway.yaml"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] + row[3:] for row in shown[1:]] == [
        ["basic", "acme", "4", "6", "########"], ["basic", "beta", "0", "10"],
    ]  # fmt: skip
    assert main(["usage", "gateway.yaml", "--plan", "basic", "--key", "acme", "--remaining", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["items"] == {"acme": [[4, 50]]}
    assert main(["usage", "gateway.yaml", "--key", "acme", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["items"]["acme"][-1] == [4, 50]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--remaining", "5"], "--remaining needs --plan and --key"),
        (["--key", "a", "--key", "b"], "name one key"),
        (["--plan", "nope"], "there is no usage plan 'nope'"),
        (["--from", "2020-01-01"], "too long ago"),
    ],
)
@pytest.mark.usefixtures("there")
def test_mistakes_are_one_line(options: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "gateway.yaml", *options]) == 2

    complaint = capsys.readouterr().err
    assert what in complaint
    assert len(complaint.splitlines()) == 1


def test_limits_in_memory_cannot_be_read_from_outside(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (there / "gateway.yaml").write_text(YAML.replace("store: sqlite:///limits.db\n", ""))

    assert main(["usage", "gateway.yaml"]) == 2

    assert "only the process that serves knows" in capsys.readouterr().err


def test_without_a_quota_there_is_nothing_to_show(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (there / "gateway.yaml").write_text(YAML.replace("quota: {limit: 10, period: MONTH}, ", ""))

    assert main(["usage", "gateway.yaml"]) == 2

    assert "nothing is counted" in capsys.readouterr().err
