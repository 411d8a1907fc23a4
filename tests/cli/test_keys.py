"""`gatewaykit keys`: what is made, shown once, rotated, revoked and imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatewaykit.core.identity.key_value import checks_out
from tests.cli.conftest import POLICY, Ran, Run

STORES = pytest.mark.parametrize("store", ["keys.json", "keys.yaml", "sqlite:///keys.db"])


def said(ran: Ran, code: int = 0) -> Any:
    assert (ran.code, ran.err) == (code, ""), ran
    return json.loads(ran.out)


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir() if path.name.startswith("keys."))


@STORES
def test_a_key_is_shown_once_and_its_digest_is_kept(run: Run, here: Path, store: str) -> None:
    made = said(run("keys", "create", "acme", "--prefix", "shop", "--store", store, "--json"))

    assert re.fullmatch(r"shop_[0-9A-Za-z]{35}", made["value"])
    assert checks_out(made["value"])
    assert (made["name"], made["state"], made["store"]) == ("acme", "enabled", store)
    (listed,) = said(run("keys", "list", "--store", store, "--json"))
    assert listed == {name: made[name] for name in ("state", "id", "name", "enabled", "created")}
    assert made["value"].encode() not in on_disk(here)


def test_as_text_it_says_that_it_is_the_only_time(run: Run) -> None:
    made = run("keys", "create", "acme")
    listed = run("keys", "list")

    assert made.code == 0
    value = made.out.split()[1]
    assert checks_out(value)
    assert "The key is shown this once; the store has its digest only" in made.out
    assert re.search(r"^ID +NAME +STATE +CREATED +EXPIRES +OLD VALUE\n\w{10}  acme  enabled  20", listed.out)
    assert value not in listed.out


@STORES
def test_options_of_create_are_kept(run: Run, store: str) -> None:
    words = ["--description", "for ci", "--expires", "2099-01-01", "--stage", "dev", "--stage", "prod", "--disabled"]
    said(run("keys", "create", "ci", *words, "--store", store, "--json"))

    (listed,) = said(run("keys", "list", "--store", store, "--json"))

    assert listed.pop("id")
    assert listed.pop("created")
    assert listed == {
        "state": "disabled", "name": "ci", "enabled": False, "description": "for ci",
        "expires": "2099-01-01T00:00:00Z", "stages": ["dev", "prod"],
    }  # fmt: skip


@STORES
def test_a_rotation_keeps_the_old_value_for_its_time(run: Run, store: str) -> None:
    made = said(run("keys", "create", "acme", "--store", store, "--json"))

    rotated = said(run("keys", "rotate", "acme", "--old-for", "until-revoked", "--store", store, "--json"))
    again = run("keys", "rotate", made["id"], "--store", store)
    dropped = said(run("keys", "revoke", "acme", "--old", "--store", store, "--json"))
    third = run("keys", "rotate", "acme", "--store", store)

    assert rotated["id"] == made["id"]
    assert rotated["value"] != made["value"]
    assert rotated["previous"] == {}
    assert again.code == 2
    assert (
        f"key {made['id']} (acme) has two values already. Run: gatewaykit keys revoke {made['id']} --old" in again.err
    )
    assert "previous" not in dropped
    assert re.search(r"Old value +holds until 20\d\d-", third.out)


def test_an_old_value_that_has_ended_is_in_nobodys_way(run: Run, here: Path) -> None:
    run("keys", "create", "acme")
    run("keys", "rotate", "acme", "--old-for", "0s")

    assert "Old value" not in run("keys", "list").out or "-" in run("keys", "list").out
    assert run("keys", "rotate", "acme", "--old-for", "0s").code == 0


@STORES
def test_disable_enable_revoke(run: Run, store: str) -> None:
    run("keys", "create", "acme", "--store", store)

    states = []
    for verb in ("disable", "enable", "enable"):
        assert run("keys", verb, "acme", "--store", store).out.startswith("acme (")
        states.append(said(run("keys", "list", "--store", store, "--json"))[0]["state"])
    gone = run("keys", "revoke", "acme", "--store", store)

    assert states == ["disabled", "enabled", "enabled"]
    assert gone.out.endswith("is revoked\n")
    assert said(run("keys", "list", "--store", store, "--json")) == []


def test_an_expired_key_is_shown_as_such(run: Run, here: Path) -> None:
    record = {"id": "a", "name": "old", "sha256": "ab" * 32, "expires": "2001-01-01"}
    (here / "keys.json").write_text(json.dumps({"version": 1, "keys": [record]}))

    assert "old   expired  -        2001-01-01 00:00" in run("keys", "list").out


CSV = """\
Name,key,description,Enabled,usageplanIds
MyFirstApiKey,apikey1234abcdefghij0123456789,An imported key,TRUE,
short,abc,,,
other,other1234abcdefghij01234567890,,FALSE,
"""


@STORES
def test_import_takes_what_it_can_and_tells_the_rest(run: Run, here: Path, store: str) -> None:
    (here / "k.csv").write_text(CSV)

    first = said(run("keys", "import", "k.csv", "--store", store, "--json"), code=1)
    again = run("keys", "import", "k.csv", "--store", store)

    assert first["warnings"] == ["k.csv:3: API Key value should be at least 20 characters"]
    assert len(first["ids"]) == 2
    assert again.out.endswith("0 keys imported, 2 changed, 1 problems\n")
    listed = said(run("keys", "list", "--store", store, "--json"))
    assert [(key["name"], key["enabled"], key["id"]) for key in listed] == [
        ("MyFirstApiKey", True, first["ids"][0]),
        ("other", False, first["ids"][1]),
    ]
    assert b"apikey1234" not in on_disk(here)


def test_import_fails_as_a_whole_where_it_is_told_to(run: Run, here: Path) -> None:
    (here / "k.csv").write_text(CSV)
    (here / "plans.csv").write_text("name,key,usageplanids\na,apikey1234abcdefghij0123456789,p1\n")

    for file in ("k.csv", "plans.csv"):
        ran = run("keys", "import", file, "--fail-on-warnings")
        assert ran.code == 1
        assert ran.out.endswith("Nothing was imported\n")
    assert not (here / "keys.json").exists()
    assert run("keys", "import", "plans.csv").code == 0


def test_import_says_when_a_key_is_the_old_value_of_another(run: Run, here: Path) -> None:
    (here / "k.csv").write_text("name,key\na,apikey1234abcdefghij0123456789\n")
    run("keys", "import", "k.csv")
    run("keys", "rotate", "a", "--old-for", "until-revoked")

    ran = run("keys", "import", "k.csv")

    assert ran.code == 2
    assert "a key is the old value of another" in ran.err


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no verb": ([], "gatewaykit keys: the following arguments are required: verb"),
    "an unknown verb": (["lst"], "there is no verb 'lst' (did you mean 'list'?)"),
    "an unknown option": (["list", "--stor", "x"], "gatewaykit keys list: unrecognized arguments: --stor x (did you"),
    "a store that is not there": (["list", "--store", "gone.json"], "gone.json: the file cannot be read"),
    "a database that is not there": (["list", "--store", "sqlite:///gone.db"], "gone.db: the database cannot be used"),
    "a store of no kind": (["list", "--store", "keys.db"], "did you mean 'sqlite:///keys.db'?"),
    "a directory for a store": (["list", "--store", "dir.json"], "Is a directory"),
    "a place that cannot be written": (
        ["create", "a", "--store", "no/such/keys.json"],
        "directory. Make its directory",
    ),
    "a database that cannot be written": (["create", "a", "--store", "sqlite:///no/such.db"], "Make its directory"),
    "a store that is no JSON": (["list", "--store", "cut.json"], "cut.json:1:6: the file is not JSON: Expecting value"),
    "a store that is none": (["list", "--store", "other.json"], "other.json: is no list of keys"),
    "a key that is not there": (["revoke", "acm"], "there is no key 'acm' (did you mean 'acme'?)"),
    "a name that two keys have": (["disable", "twin"], "2 keys are named 'twin': give the id"),
    "a name of blanks": (["create", " "], "a name has 1 to 1024 characters"),
    "a long name": (["create", "n" * 1025], "a name has 1 to 1024 characters"),
    "a prefix that is none": (["create", "a", "--prefix", "a-b"], "--prefix: 'a-b' is no prefix"),
    "an end that is no time": (["create", "a", "--expires", "soon"], "--expires: 'soon' is neither a time such as 90d"),
    "an end in the past": (["create", "a", "--expires", "2001-01-01"], "--expires: '2001-01-01' is in the past"),
    "an end beyond all days": (["create", "a", "--expires", "9999999d"], "--expires: '9999999d' is too long"),
    "an old value for no time": (["rotate", "acme", "--old-for", "x"], "--old-for: 'x' is neither"),
    "a file that is not there": (["import", "gone.csv"], "gone.csv: the file cannot be read: No such file"),
    "a file without columns": (["import", "other.json"], "other.json:1: the first row names no column 'name'"),
    "a file that is no text": (["import", "latin.csv"], "latin.csv: the file is not UTF-8 text"),
}


@pytest.mark.parametrize(("words", "problem"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_said_in_a_line_and_exits_with_2(run: Run, here: Path, words: list[str], problem: str) -> None:
    (here / "other.json").write_text("[]")
    (here / "cut.json").write_text('{"a":')
    (here / "latin.csv").write_bytes(b"\xff")
    (here / "dir.json").mkdir()
    for name in ("acme", "twin", "twin"):
        run("keys", "create", name)

    ran = run("keys", *words)
    as_json = run("keys", *words, "--json")

    assert (ran.code, as_json.code) == (2, 2)
    assert problem in ran.err
    assert "Traceback" not in ran.err + ran.out
    assert json.loads(as_json.out)["problems"]


def test_two_commands_at_once_lose_nothing(here: Path) -> None:
    command = [sys.executable, "-m", "gatewaykit", "keys", "create"]
    made = [subprocess.Popen([*command, f"n{number}"], stdout=subprocess.DEVNULL) for number in range(6)]

    assert [process.wait(timeout=60) for process in made] == [0] * 6

    listed = json.loads((here / "keys.json").read_text())["keys"]
    assert sorted(key["name"] for key in listed) == [f"n{number}" for number in range(6)]


KEYED = """\
openapi: 3.0.1
info: {title: keyed, version: "1"}
components: {securitySchemes: {key: {type: apiKey, name: x-api-key, in: header}}}
paths:
  /hello:
    get:
      security: [{key: []}]
      responses: {}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses: {default: {statusCode: "200"}}
"""


def test_a_gateway_lets_the_keys_of_a_store_in(run: Run, here: Path) -> None:
    (here / "keyed.yaml").write_text(KEYED)
    (here / "with.yaml").write_text("key_store: keys.json\n")
    (here / "gateway.yaml").write_text("apis: {a: {definition: keyed.yaml}}\nkey_store: keys.json\n")
    (here / "side.yaml").write_text("key_store: keys.json\npolicies: [api_key]\n")
    made = said(run("keys", "create", "acme", "--json"))
    header = ["-H", f"x-api-key: {made['value']}"]

    for source in (["keyed.yaml", "--keys", "keys.json"], ["keyed.yaml", "--config", "with.yaml"], ["gateway.yaml"]):
        assert run("explain", *source, "GET", "/hello", *header).code == 0
        denied = run("explain", *source, "GET", "/hello", "-H", "x-api-key: nobodys-key-0123456789")
        assert (denied.code, "API_KEY_UNKNOWN" in denied.out) == (1, True)
    run("keys", "revoke", "acme")
    assert run("explain", "gateway.yaml", "GET", "/hello", *header).code == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["explain", "shop.yaml", "GET", "/hello", *POLICY, "--keys", "keys.json"],
         "--keys: no method of this API asks for a key"),
        (["explain", "keyed.yaml", "GET", "/hello", "--keys", "gone.json"], "gone.json: the file cannot be read"),
        (["explain", "keyed.yaml", "GET", "/hello", "--keys", "keys.json", "--config", "with.yaml"],
         "--keys: with.yaml has a key_store already; write it there"),
        (["serve", "--upstream", "http://h", "--keys", "keys.json", "--config", "with.yaml"],
         "--keys: with.yaml has keys already; write it there"),
        (["explain", "gateway.yaml", "GET", "/hello", "--keys", "keys.json"], "write it there"),
    ],
    ids=["nothing asks for them", "not there", "two stores", "two stores for an upstream", "the file has its own"],
)  # fmt: skip
def test_a_store_for_a_gateway_that_is_a_mistake(run: Run, here: Path, words: list[str], problem: str) -> None:
    (here / "keyed.yaml").write_text(KEYED)
    (here / "with.yaml").write_text("key_store: keys.json\n")
    (here / "gateway.yaml").write_text("apis: {a: {definition: keyed.yaml}}\n")
    run("keys", "create", "acme")

    ran = run(*words)

    assert ran.code == 2
    assert problem in ran.err
