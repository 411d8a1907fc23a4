"""Usage plans and the throttling hierarchy in a gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit import ConfigError, Gateway, Identity, Reason, VirtualClock, authenticate
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.usage_plan import ApiStage, UsagePlan
from gatewaykit.deploy.hierarchy import Hierarchy, HierarchyOptions
from gatewaykit.gateway.configured import build_gateways, load_config
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.testing import Client
from tests.conformance.documents import document, mock
from tests.peers.redis import running

ACME, BETA, GAMMA = "acme-key-0123456789abcdef", "beta-key-0123456789abcdef", "gamma-key-0123456789abcdef"
KEYS = {"acme": ACME, "beta": BETA, "gamma": GAMMA}
ANYONE: dict[str, Any] = {"x-amazon-apigateway-integration": mock()}
KEYED = {**ANYONE, "security": [{"key": []}]}
ROOT: dict[str, Any] = {
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}}
}
PATHS = {"/pets": {"get": KEYED, "post": KEYED}, "/open": {"get": ANYONE}}
TOO_MANY, OVER = b'{"message":"Too Many Requests"}', b'{"message":"Limit Exceeded"}'


def gateway(**options: Any) -> Gateway:
    options = {"api_keys": KEYS, "clock": VirtualClock("2026-01-15T12:00Z"), "account_limit": False, **options}
    return Gateway.from_openapi(document(PATHS, **ROOT), **options)


def asked(api: Gateway, path: str = "GET /pets", key: str = ACME, times: int = 1) -> list[Reason | None]:
    verb, _, resource = path.partition(" ")
    return [api.decide(verb, resource, headers={"x-api-key": key}).reason for _ in range(times)]


T, Q = Reason.THROTTLED, Reason.QUOTA_EXCEEDED


# ---------------------------------------------------------------------------------------------------- one level each


def test_a_plans_rate_is_each_keys_own_over_all_its_methods() -> None:
    api = gateway(usage_plans={"basic": {"throttle": {"rate": "6/minute", "burst": 2}, "keys": ["acme", "beta"]}})

    assert asked(api) + asked(api, "POST /pets") + asked(api) == [None, None, T]
    assert asked(api, key=BETA, times=3) == [None, None, T]


def test_a_plans_quota_counts_by_the_calendar_with_an_offset_at_first() -> None:
    clock = VirtualClock("2026-01-15T23:59Z")
    plan = {"quota": {"limit": 3, "period": "DAY", "offset": 1}, "keys": ["acme"]}
    api = gateway(usage_plans={"daily": plan}, clock=clock)

    first = asked(api, times=3)
    clock.advance("1m")
    second = asked(api, times=4)

    assert first == [None, None, Q]
    assert second == [None, None, None, Q]


def test_a_plan_limits_single_methods_of_a_stage_for_each_key() -> None:
    stages = [{"stage": "prod", "throttle": {"/pets/POST": {"rate": 0, "burst": 1}}}, "dev"]
    plans = {"basic": {"throttle": {"rate": 0, "burst": 9}, "stages": stages, "keys": ["acme", "beta"]}}
    here, there = gateway(usage_plans=plans), gateway(usage_plans=plans, stage="dev")

    assert asked(here, "POST /pets", times=2) + asked(here, times=2) == [None, T, None, None]
    assert asked(here, "POST /pets", BETA, times=2) == [None, T]
    assert asked(there, "POST /pets", times=2) == [None, None]


def test_a_stages_limit_of_a_method_is_of_all_its_callers() -> None:
    api = gateway(
        method_settings={"*/*": {"rate": 0, "burst": 2}, "/~1open/GET": {"rate": 0, "burst": 1}},
        usage_plans={"free": {"keys": ["acme", "beta"]}},
    )

    assert asked(api) + asked(api, key=BETA) + asked(api) == [None, None, T]
    assert asked(api, "POST /pets") == [None]
    assert asked(api, "GET /open", times=2) == [None, T]


def test_the_accounts_limit_is_of_everything_and_that_of_aws_where_nothing_is_said() -> None:
    small = gateway(account_limit={"rate": 0, "burst": 2})
    default = gateway(account_limit=None)
    web = gateway(account_limit=None, profile="web")

    assert asked(small) + asked(small, "GET /open") + asked(small, "POST /pets") == [None, None, T]
    assert asked(default, "GET /open", times=5001) == [None] * 5000 + [T]
    assert asked(web, "GET /open", times=5001) == [None] * 5001
    assert asked(gateway(account_limit=True, profile="web"), "GET /open", times=5001)[-1] is T
    assert asked(gateway(account_limit=Bucket(0.0, 0)), "GET /open") == [T]


def test_a_burst_may_be_over_the_rate() -> None:  # row 124
    api = gateway(usage_plans={"basic": {"throttle": {"rate": 10, "burst": 20}, "keys": ["acme"]}})

    assert asked(api, times=21) == [None] * 20 + [T]


# ---------------------------------------------------------------------------------------------------- together


@pytest.mark.parametrize(
    ("tight", "reason", "named"),
    [
        ("method", T, "plan basic GET /pets: over 0 requests a second with a burst of 0"),
        ("plan", T, "plan basic: over 0 requests a second with a burst of 0"),
        ("quota", Q, "plan basic quota: over 0 requests a day"),
        ("stage", T, "method GET /pets: over 0 requests a second with a burst of 0"),
        ("account", T, "account: over 0 requests a second with a burst of 0"),
    ],
)
def test_each_level_answers_for_itself(tight: str, reason: Reason, named: str) -> None:
    def burst(level: str) -> dict[str, int]:
        return {"rate": 0, "burst": 0 if level == tight else 5}

    plan = {
        "throttle": burst("plan"), "quota": {"limit": 0 if tight == "quota" else 5, "period": "DAY"}, "keys": ["acme"],
        "stages": [{"stage": "prod", "throttle": {"/pets/GET": burst("method")}}],
    }  # fmt: skip
    api = gateway(usage_plans={"basic": plan}, method_settings={"*/*": burst("stage")}, account_limit=burst("account"))

    decision = api.decide("GET", "/pets", headers={"x-api-key": ACME})

    assert decision.reason is reason
    assert decision.detail.startswith(named)


def test_the_first_that_is_exceeded_answers_whatever_else_is() -> None:
    plan = {"throttle": {"rate": 0, "burst": 0}, "quota": {"limit": 0, "period": "DAY"}, "keys": ["acme"]}
    api = gateway(usage_plans={"basic": plan}, account_limit={"rate": 0, "burst": 0})

    assert api.decide("GET", "/pets", headers={"x-api-key": ACME}).detail.startswith("plan basic: ")


LEVEL = st.integers(0, 6)


@given(LEVEL, LEVEL, LEVEL, LEVEL, LEVEL, st.lists(st.sampled_from(["acme", "beta", "gamma", "nobody"]), max_size=30))
def test_a_refusal_by_any_level_takes_nothing_anywhere(
    method: int, plan: int, quota: int, stage: int, account: int, callers: list[str]
) -> None:
    """However many come in whatever order, each level has given exactly one token for each request it let through."""
    plans = {
        "basic": {
            "throttle": {"rate": 0, "burst": plan}, "quota": {"limit": quota, "period": "WEEK"},
            "stages": [{"stage": "prod", "throttle": {"/pets/GET": {"rate": 0, "burst": method}}}],
            "keys": ["acme", "beta"],
        },
        "free": {"keys": ["gamma"]},
    }  # fmt: skip
    api = gateway(
        usage_plans=plans, method_settings={"/pets/GET": {"rate": 0, "burst": stage}},
        account_limit={"rate": 0, "burst": account},
    )  # fmt: skip
    of_key = dict.fromkeys(["acme", "beta"], 0)
    of_all = 0

    for caller in callers:
        if caller == "nobody":
            assert asked(api, key="unknown-key-0123456789") == [Reason.API_KEY_UNKNOWN]
            continue
        mine = of_key.get(caller)
        fits = of_all < min(stage, account) and (mine is None or mine < min(method, plan, quota))
        assert (asked(api, key=KEYS[caller]) == [None]) == fits
        of_all += fits
        if mine is not None:
            of_key[caller] = mine + fits


# ---------------------------------------------------------------------------------------------------- keys and plans


def test_where_there_are_plans_a_key_needs_one_of_this_stage() -> None:
    plans = {"here": {"keys": ["acme"], "stages": ["prod"]}, "elsewhere": {"keys": ["beta"], "stages": ["dev"]}}
    api = gateway(usage_plans=plans)

    decision = api.decide("GET", "/pets", headers={"x-api-key": BETA})

    assert asked(api) == [None]
    assert asked(api, key=GAMMA) == [Reason.API_KEY_NOT_IN_PLAN]
    assert decision.reason is Reason.API_KEY_NOT_IN_PLAN
    assert decision.detail == "the key is in no usage plan that holds the stage local/prod"
    assert decision.response is not None
    assert (decision.response.status, decision.response.body) == (403, b'{"message":"Forbidden"}')


def test_without_plans_a_key_is_enough() -> None:
    assert asked(gateway(), times=3) == [None, None, None]


def test_a_method_without_keys_counts_for_nobody() -> None:
    api = gateway(usage_plans={"basic": {"throttle": {"rate": 0, "burst": 0}, "keys": ["acme"]}})

    assert asked(api, "GET /open", times=3) == [None, None, None]


def test_the_key_may_come_from_the_authorizer() -> None:
    root = {**ROOT, "x-amazon-apigateway-api-key-source": "AUTHORIZER"}
    api = Gateway.from_openapi(
        document(PATHS, **root), api_keys=KEYS, account_limit=False, clock=VirtualClock(),
        policies=[authenticate(lambda request: Identity(principal="a", claims={"usageIdentifierKey": ACME}))],
        usage_plans={"basic": {"throttle": {"rate": 0, "burst": 1}, "keys": ["acme"]}},
    )  # fmt: skip

    assert [api.decide("GET", "/pets").reason for _ in range(2)] == [None, T]


def test_plans_may_be_objects_and_are_readable() -> None:
    plan = UsagePlan("basic", throttle=Bucket(0.0, 1), quota=Quota(5, "DAY"), stages=(ApiStage(),), keys=("acme",))
    api = gateway(usage_plans=[plan])

    assert api.usage_plans == (plan,)
    assert asked(api, times=2) == [None, T]


def test_a_definition_may_bring_its_own_plans_and_settings() -> None:
    own = {
        "keys": {"acme": ACME}, "usage_plans": {"basic": {"throttle": {"rate": 0, "burst": 1}, "keys": ["acme"]}},
        "method_settings": {"/open/GET": {"rate": 0, "burst": 1}},
    }  # fmt: skip
    api = Gateway.from_openapi(document(PATHS, **ROOT, **{"x-gatewaykit": own}), clock=VirtualClock())

    assert asked(api, times=2) == [None, T]
    assert asked(api, "GET /open", times=2) == [None, T]


def test_a_plan_of_the_deployment_takes_the_place_of_the_documents_with_its_id() -> None:
    own = {"usage_plans": {"basic": {"throttle": {"rate": 0, "burst": 9}, "keys": ["acme", "beta"]}}}
    api = Gateway.from_openapi(
        document(PATHS, **ROOT, **{"x-gatewaykit": own}), api_keys=KEYS, clock=VirtualClock(),
        usage_plans={"basic": {"throttle": {"rate": 0, "burst": 1}, "keys": ["acme"]}},
    )  # fmt: skip

    assert [plan.keys for plan in api.usage_plans] == [("acme",)]
    assert asked(api, times=2) == [None, T]
    assert asked(api, key=BETA) == [Reason.API_KEY_NOT_IN_PLAN]


def test_what_methods_have_grows_with_plans_not_with_keys() -> None:
    plan = UsagePlan("basic", throttle=Bucket(1.0, 1), stages=(ApiStage(),), keys=tuple(map(str, range(1000))))
    options = HierarchyOptions(usage_plans=(plan,))
    hierarchy = Hierarchy(options, ApiFacts(stage="prod"), ["GET /a", "GET /b"])

    one, two = (hierarchy.policy(f"GET /{name}", "GET", f"/{name}", needs_key=True) for name in "ab")

    assert one is not None
    assert two is not None
    assert one.plan_of is two.plan_of
    assert len(one.plan_of or ()) == 1000
    assert len(one.plans) == 1


# ---------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("plan", "body", "error_type"),
    [
        ({"throttle": {"rate": 0.5, "burst": 1}}, TOO_MANY, "TooManyRequestsException"),
        ({"quota": {"limit": 1, "period": "DAY"}}, OVER, "LimitExceededException"),
    ],
    ids=["throttle", "quota"],
)
@pytest.mark.parametrize("profile", ["aws", "web"])
async def test_the_answers_are_those_of_api_gateway(
    plan: dict[str, Any], body: bytes, error_type: str, profile: str
) -> None:
    client = Client(gateway(usage_plans={"basic": {**plan, "keys": ["acme"]}}, profile=profile))
    await client.get("/pets", headers={"x-api-key": ACME})

    answer = await client.get("/pets", headers={"x-api-key": ACME})

    assert (answer.status, answer.body, answer.header("x-amzn-errortype")) == (429, body, error_type)
    assert (answer.header("retry-after") is not None) == (profile == "web")
    assert (answer.header("ratelimit") is not None) == (profile == "web")


async def test_headers_tell_what_is_left_of_the_plan_on_every_response() -> None:
    plan = {"throttle": {"rate": 1, "burst": 5}, "quota": {"limit": 9, "period": "DAY"}, "headers": True}
    client = Client(gateway(usage_plans={"basic": {**plan, "keys": ["acme"]}}))

    answer = await client.get("/pets", headers={"x-api-key": ACME})

    assert answer.header("ratelimit") == '"plan basic";r=4;t=1, "plan basic quota";r=8;t=43200'
    assert answer.header("ratelimit-policy") == '"plan basic";q=5;w=5, "plan basic quota";q=9;w=86400'


async def test_the_execution_log_has_the_lines_of_api_gateway() -> None:  # reference 05 section 6
    api = gateway(usage_plans={"basic": {"throttle": {"rate": 10, "burst": 1}, "keys": ["acme"]}})

    logs = [(await api.invoke("GET", "/pets", headers={"x-api-key": ACME})).log for _ in range(2)]

    assert any("Usage Plan check succeeded for API Key acme and API Stage local/prod" in line for line in logs[0])
    assert any(
        "Key throttle limit exceeded for RestApi local, Stage prod, Resource /pets, HttpMethod GET. "
        "Limit: 10 Burst: 1" in line
        for line in logs[1]
    )


def test_explain_shows_each_limit_what_is_left_and_when_it_refills() -> None:
    plan = {"throttle": {"rate": 1, "burst": 5}, "quota": {"limit": 9, "period": "DAY"}, "keys": ["acme"]}
    api = gateway(usage_plans={"basic": plan}, account_limit=True)
    asked(api)

    for _ in range(2):
        explained = api.explain("GET", "/pets", headers={"x-api-key": ACME})
        assert [step.detail for step in explained.steps if step.policy == "usage_plan"] == [
            "plan basic: 3 of 5 left, all again in 2 s; plan basic quota: 7 of 9 left, all again in 12 h; "
            "account: 4998 of 5000 left, all again in 0.0002 s"
        ]


# ---------------------------------------------------------------------------------------------------- stores


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
def test_in_redis_the_hierarchy_is_one_round_trip_and_exact() -> None:
    async def scenario(port: int) -> None:
        store = RedisThrottleStore(RedisAddress(port=port, timeout_s=20))
        plan = {"throttle": {"rate": 0, "burst": 7}, "quota": {"limit": 6, "period": "DAY"}, "keys": ["acme", "beta"]}
        api = gateway(usage_plans={"basic": plan}, method_settings={"*/*": {"rate": 0, "burst": 9}}, store=store)
        client = Client(api)
        answers = await asyncio.gather(
            *(client.get("/pets", headers={"x-api-key": key}) for _ in range(10) for key in (ACME, BETA))
        )
        assert sorted(answer.status for answer in answers) == [200] * 9 + [429] * 11
        calls = int((await store._connections.here().call(_STATS)).split(b"cmdstat_evalsha:calls=")[1].split(b",")[0])
        assert calls == 20
        await api.aclose()

    with running() as server:
        asyncio.run(scenario(server.port))


_STATS = b"*2\r\n$4\r\nINFO\r\n$12\r\ncommandstats\r\n"


YAML = """
apis:
  shop: {definition: shop.json, path: /shop}
  store: {definition: shop.json, path: /store, method_settings: {/open/GET: {rate: 0, burst: 1}}}
keys: {acme: acme-key-0123456789abcdef, beta: beta-key-0123456789abcdef}
account_limit: {rate: 0, burst: 6}
usage_plans:
  both: {quota: {limit: 3, period: MONTH}, keys: [acme]}
  one: {stages: [{api: shop, stage: prod}], keys: [beta]}
"""


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    import json

    (tmp_path / "shop.json").write_text(json.dumps(document(PATHS, **ROOT)))
    (tmp_path / "gateway.yaml").write_text(YAML)
    return tmp_path / "gateway.yaml"


def test_apis_of_one_file_share_plans_and_the_account(yaml: Path) -> None:
    gateways = build_gateways(load_config(yaml), clock=VirtualClock())
    shop, store = gateways["/shop"], gateways["/store"]

    assert asked(shop, times=2) + asked(store, times=2) == [None, None, None, Q]
    assert asked(shop, key=BETA) + asked(store, key=BETA) == [None, Reason.API_KEY_NOT_IN_PLAN]
    assert asked(store, "GET /open", times=2) + asked(shop, "GET /open", times=2) == [None, T, None, T]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("usage_plans: {free: {keys: []}}", "3:1: usage plans are of definitions, and there is none here"),
        ("account_limit: {rate: 5, burst: 5}", "3:1: the account's limit is of definitions, and there is none here"),
    ],
)
def test_what_only_definitions_have_is_a_problem_without_one(tmp_path: Path, more: str, problem: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"apis:\n  back: {{upstream: http://shop.example}}\n{more}\n")

    with pytest.raises(ConfigError) as caught:
        load_config(file)

    assert problem in str(caught.value)


def test_a_plan_cannot_hold_an_upstream(yaml: Path) -> None:
    yaml.write_text(
        YAML.replace("keys: {acme", "  back: {upstream: http://shop.example, path: /b}\nkeys: {acme", 1).replace(
            "api: shop", "api: back"
        )
    )

    with pytest.raises(ConfigError, match="the API 'back' is an upstream, which has no usage plans"):
        load_config(yaml)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("keys: [acme]}", "keys: [acmee]}", "plan 'both' has the key 'acmee', and there is no such key"),
        ("api: shop", "api: shopp", "there is no API 'shopp'"),
        ("stage: prod", "stage: produ", "no API here has the stage 'produ'"),
        ("period: MONTH", "period: YEAR", "Write DAY, WEEK or MONTH"),
        ("/open/GET: ", "/opn/GET: ", "there is a limit for GET /opn, and this API has no such method"),
        ("/open/GET: ", "GET: ", "'GET' names no method"),
        ("keys: [beta]", "keys: [acme]", "key 'acme' is in the plans 'both' and 'one'"),
        ("burst: 6", "burst: -6", "a burst is a whole number"),
        ("quota: {", "quotas: {", "has no setting 'quotas'"),
        ("  both:", "  'bo th':", "is no id of a plan"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(yaml: Path, old: str, new: str, problem: str) -> None:
    assert old in YAML
    yaml.write_text(YAML.replace(old, new))

    with pytest.raises(ConfigError) as caught:
        build_gateways(load_config(yaml))

    assert problem in str(caught.value)


def test_problems_of_arguments_come_together() -> None:
    with pytest.raises(ConfigError) as caught:
        gateway(
            usage_plans={
                "a b": {"throttle": {"rate": "x", "burst": 1}},
                "c": {"quota": {"limit": -1, "period": "DAY"}},
            },
            method_settings={"/pets/GET": {"rate": 1, "burst": 1}, "GET /pets": {"rate": 2, "burst": 2}},
            account_limit={"rate": 1},
        )

    places = [problem.where for problem in caught.value.problems]
    assert places == ["usage_plans.a b.throttle.rate", "method_settings.GET /pets", "account_limit"]


def test_two_objects_with_one_id_and_unknown_methods_are_problems() -> None:
    stages = (ApiStage("", "prod", {"GET /pest": Bucket(1.0, 1)}),)
    with pytest.raises(ConfigError, match="two plans have one id"):
        gateway(usage_plans=[UsagePlan("a"), UsagePlan("a")])
    with pytest.raises(ConfigError, match=r"limits GET /pest, and this API has no such method.*GET /pets"):
        gateway(usage_plans=[UsagePlan("a", stages=stages)])


def test_keys_of_a_store_are_known_to_it_alone(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"version": 1, "keys": []}')

    api = gateway(usage_plans={"a": {"keys": ["somebody"]}}, key_store=str(tmp_path / "keys.json"))

    assert [plan.keys for plan in api.usage_plans] == [("somebody",)]
