"""`gateway.yaml`: what it stands for, everything that is wrong with one, and its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gatewaykit import ConfigError
from gatewaykit.deploy.config import config_schema
from gatewaykit.gateway.configured import load_config

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "gateway.schema.json"

SETTINGS = (
    "apis, policies, keys, key_store, authorizers, credentials, issuers, functions, apps, trusted_proxies, "
    "preauth_throttle, usage_plans, account_limit, store and server"
)
OF_AN_API = (
    "definition, upstream, path, profile, policies, stage, stage_variables, stage_prefix, accept, authorizers, "
    "method_settings, stage_cache and timeout"
)

WHOLE = """\
apis:
  shop:
    definition: shop.yaml
    stage: test
    stage_variables: {backend: "http://127.0.0.1:9000"}
    stage_prefix: true
    accept: [x-amazon-apigateway-policy]
    policies: [{validate: {parameters: [header.x-trace]}}]
  side:
    upstream: http://127.0.0.1:9000
    path: /side
    timeout: 3s
    profile: web
functions: {dump: "json:dumps"}
apps: {dumped: "json:dump"}
keys:
  plain: 0123456789abcdef
  hashed: {sha256: abababababababababababababababababababababababababababababababab, enabled: false}
key_store: data/keys.json
preauth_throttle: {rate: 10/minute, burst: 30}
trusted_proxies: [10.0.0.0/8]
store: memory://
server: {host: "::1", port: 0}
policies:
  - access_log
  - address_filter: {deny: [192.0.2.0/24]}
  - preauth_throttle
  - authenticate: {authorizer: "json:loads", timeout_s: 2s, challenge: Bearer}
  - cors: {origins: ["https://shop.example"], credentials: true}
  - rule: POST /login
    policies: [{throttle: {rate: 5/minute, burst: 5, key: address}}]
  - rule: /items/{proxy+}
    policies:
      - api_key
      - quota: {limit: 1000, period: DAY, key: api_key}
      - throttle: {rate: 100, burst: 200, key: "header:X-Tenant", without_key: share}
"""


def problems_of(tmp_path: Path, text: str) -> list[str]:
    """Every problem of a file, as `line:column: what`."""
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_whole_file_becomes_apis_keys_and_policies(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(WHOLE)

    config = load_config(path)

    shop, side = config.apis["shop"], config.apis["side"]
    assert (shop.definition, shop.stage, shop.stage_prefix) == (str(tmp_path / "shop.yaml"), "test", True)
    assert (side.upstream, side.path, side.timeout, side.profile) == ("http://127.0.0.1:9000", "/side", 3.0, "web")
    assert [(key.name, key.enabled) for key in config.keys] == [("plain", True), ("hashed", False)]
    assert (config.functions, config.apps) == ({"dump": json.dumps}, {"dumped": json.dump})
    assert config.key_store == str(tmp_path / "data" / "keys.json")
    assert (round(config.preauth_throttle.rate, 4), config.preauth_throttle.burst) == (0.1667, 30)
    assert (config.server.host, config.server.port) == ("::1", 0)
    assert [type(policy).__name__ for policy in config.policies] == [
        "AccessLog", "AddressFilter", "PreauthThrottle", "Authenticate", "Cors", "Rule", "Rule",
    ]  # fmt: skip
    assert (config.policies[3].authorizer, config.policies[3].timeout_s) == (json.loads, 2.0)
    assert [type(policy).__name__ for policy in config.policies[6].policies] == [
        "ApiKeyPolicy", "QuotaPolicy", "Throttle",
    ]  # fmt: skip


def test_the_whole_file_fits_the_schema() -> None:
    jsonschema.Draft202012Validator(config_schema()).validate(yaml.safe_load(WHOLE))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "apis:\n  a: {definition: x, stge: prod}\n",
            ["2:22: 'a' has no setting 'stge' (did you mean 'stage'?)"],
            id="a setting written wrongly",
        ),
        pytest.param(
            "colour: red\n",
            [f"1:1: the file has no setting 'colour'. Known are {SETTINGS}"],
            id="a setting nobody knows",
        ),
        pytest.param(
            "key_store: keys.txt",
            [
                "1:1: 'keys.txt' is no store of keys. Write a file such as 'keys.json' or 'keys.yaml', or a database "
                "such as 'sqlite:///keys.db'"
            ],
            id="a store of no kind",
        ),
        pytest.param("key_store: 5", ["1:1: 'key_store' is the number 5. Write text, in quotes"], id="no store"),
        pytest.param(
            "apis: {a: {upstream: http://h}}\nkey_store: keys.json",
            ["2:1: there are keys, and no policy asks for them. List '- api_key' under policies"],
            id="a store that nothing asks for",
        ),
        pytest.param(
            "preauth_throttle: {burst: 0, rate: 0}",
            [
                "1:20: preauth_throttle.burst: is 0, not a number of 1 or more",
                "1:30: preauth_throttle.rate: a rate of 0 forgives nothing: an address would be shut out for good",
            ],
            id="a throttle that lets nobody in",
        ),
        pytest.param(
            "preauth_throttle: off",
            ["1:1: 'preauth_throttle' is the text 'off'. Write true or false"],
            id="a throttle that is a word",
        ),
        pytest.param(
            "policies: [{address_filter: {deny: [10.0.0.1/8, nonsense]}}, address_filter]",
            [
                "1:37: address_filter.deny[0]: '10.0.0.1/8' is no network: 10.0.0.1/8 has host bits set (did you mean "
                "'10.0.0.0/8'?)",
                "1:49: address_filter.deny[1]: 'nonsense' is no network: 'nonsense' does not appear to be an IPv4 or "
                "IPv6 network",
                "1:62: address_filter: neither allow nor deny. Give allow=[…], deny=[…], or both",
            ],
            id="addresses that are none",
        ),
        pytest.param("[]", [f"1:1: the file is a list. Write a mapping with {SETTINGS}"], id="no mapping"),
        pytest.param("apis: 3", ["1:1: 'apis' is the number 3. Write a mapping from names to values"], id="no APIs"),
        pytest.param("apis:\n  a:\n", [f"2:3: 'a' is empty. Write a mapping with {OF_AN_API}"], id="an empty API"),
        pytest.param(
            "apis: {a: {}}",
            ["1:8: the API 'a' has to have either a definition or an upstream"],
            id="neither definition nor upstream",
        ),
        pytest.param(
            "apis: {a: {definition: x, timeout: 3s}}",
            ["1:27: 'timeout' means nothing for a definition; it is of an upstream"],
            id="a setting of upstreams",
        ),
        pytest.param(
            'apis: {a: {upstream: "http://h", stage: x}}',
            ["1:34: 'stage' means nothing for an upstream; it is of a definition"],
            id="a setting of definitions",
        ),
        pytest.param(
            "apis: {a: {upstream: localhost:9000}}",
            ["1:12: 'localhost:9000' is no address of a service; write one such as http://127.0.0.1:9000"],
            id="no address",
        ),
        pytest.param(
            'apis: {a: {upstream: "http://h:x"}}',
            ["1:12: 'http://h:x' is no address: Port could not be cast to integer value as 'x'"],
            id="no port in an address",
        ),
        pytest.param(
            "apis: {a: {definition: x, path: shop}}",
            ["1:27: the path 'shop' does not begin with a slash (did you mean '/shop'?)"],
            id="a path without a slash",
        ),
        pytest.param(
            "apis: {a: {definition: x}, b: {definition: y}}",
            ["1:28: the APIs 'a' and 'b' are both at /. Give each its own path"],
            id="two APIs at one path",
        ),
        pytest.param(
            "apis: {a: {definition: x, stage_variables: {port: 9000}}}",
            ["1:45: 'port' is the number 9000. Write text, in quotes"],
            id="a variable that is no text",
        ),
        pytest.param(
            "apis: {a: {definition: x, profile: awz, stage_prefix: 1}}",
            [
                "1:27: 'profile' is the text 'awz' (did you mean 'aws'?). Write aws or web",
                "1:41: 'stage_prefix' is the number 1. Write true or false",
            ],
            id="choices and flags",
        ),
        pytest.param(
            "apis: {a: {upstream: 'http://h', timeout: soon}}",
            ["1:34: 'timeout': 'soon' is not a duration; write a number and a unit, such as '30s' or '5m'"],
            id="no duration",
        ),
        pytest.param(
            "server: {port: 70000, hots: x}",
            [
                "1:10: 'port': 70000 is no port; write a number from 0 to 65535",
                "1:23: 'server' has no setting 'hots' (did you mean 'host'?)",
            ],
            id="server",
        ),
        pytest.param(
            "trusted_proxies: 10.0.0.0/8",
            ["1:1: 'trusted_proxies' is the text '10.0.0.0/8'. Write a list"],
            id="a text for a list",
        ),
        pytest.param(
            'functions: {a: x, b: "no_such_module:f", c: "json:dmps", d: "json:decoder"}',
            [
                "1:13: 'a': 'x' names no function; write 'module:callable', such as 'handlers:orders'",
                "1:19: 'b': 'no_such_module:f': there is no module 'no_such_module'; modules are looked up from here",
                "1:42: 'c': 'json:dmps': 'json' has no 'dmps' (did you mean 'dumps'?)",
                "1:58: 'd': 'json:decoder' is no function but module",
            ],
            id="functions",
        ),
        pytest.param(
            "keys:\n  a: short\n  b: {value: 0123456789abcdef, sha256: x}\n  c: {}\n  d: {sha256: beef}\n  e: 1\n"
            "policies: [api_key]",
            [
                "2:3: keys[a]: the value has 5 characters; 16 are the least: shorter keys can be found by trying",
                "3:3: the key 'b' has to have either a value or a sha256",
                "4:3: the key 'c' has to have either a value or a sha256",
                "5:3: keys[d]: after 'sha256:' come the 64 hexadecimal digits of a digest",
                "6:3: 'e' is the number 1. Write text, in quotes",
            ],
            id="keys; the policy that needs them adds nothing",
        ),
        pytest.param(
            "keys: {a: 0123456789abcdef, b: 0123456789abcdef}",
            ["1:1: keys[b]: has the same value as key a"],
            id="two keys of one value",
        ),
        pytest.param(
            "apis: {a: {upstream: 'http://h'}}\nkeys: {a: 0123456789abcdef}",
            ["2:1: there are keys, and no policy asks for them. List '- api_key' under policies"],
            id="keys that nothing asks for",
        ),
        pytest.param("- a\n- b", [f"1:1: the file is a list. Write a mapping with {SETTINGS}"], id="a list"),
        pytest.param("a: [", ["2:1: the document is not YAML: did not find expected node content"], id="no YAML"),
        pytest.param(
            "keys: {a: 0123456789abcdef}\nkeys: {}",
            ["2:1: the key 'keys' is given twice: the first one stands on line 1"],
            id="a key twice",
        ),
    ],
)
def test_every_problem_has_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert problems_of(tmp_path, text) == expected


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "gateway.yaml")


def test_importing_a_function_may_fail_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_handlers.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)

    found = problems_of(tmp_path, 'functions: {a: "broken_handlers:f"}')

    assert found == [
        "1:13: 'a': 'broken_handlers:f': importing 'broken_handlers' raised ZeroDivisionError: division by zero"
    ]


def test_a_sqlite_store_is_relative_to_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("key_store: sqlite:///keys.db\npreauth_throttle: false\n")

    config = load_config(path)

    assert config.key_store == f"sqlite:///{tmp_path}/keys.db"
    assert config.preauth_throttle is False


def test_the_committed_schema_is_that_of_the_settings() -> None:
    assert json.loads(SCHEMA.read_text()) == config_schema(), "gatewaykit check --schema > docs/reference/…"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"colour": 1}, id="unknown setting"),
        pytest.param({"policies": [{"trottle": {}}]}, id="unknown policy"),
        pytest.param({"policies": [{"throttle": {"rate": 1}}]}, id="missing option"),
        pytest.param({"policies": [{"throttle": {"rate": 1, "burst": 1, "key": "adress"}}]}, id="unknown key"),
        pytest.param({"policies": ["throttle"]}, id="a policy that needs options"),
        pytest.param({"policies": [{"rule": "/x", "policies": [{"rule": "/y", "policies": []}]}]}, id="rule in rule"),
        pytest.param({"server": {"port": 70000}}, id="port"),
    ],
)
def test_the_schema_refuses_what_reading_refuses(data: Any, tmp_path: Path) -> None:
    assert not jsonschema.Draft202012Validator(config_schema()).is_valid(data)
    assert problems_of(tmp_path, json.dumps(data))
