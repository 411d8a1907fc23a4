"""SAML assertions as credentials. What must not let anybody in is in tests/attacks/test_saml.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gatewaykit import ConfigError, Policy, Reason, SamlBearerMiddleware, VirtualClock, saml_bearer
from gatewaykit.core.http import Request
from gatewaykit.core.identity.saml import Seen
from gatewaykit.ports import Runtime
from gatewaykit.testing import Client, PolicyContract, decide, decider, make_request
from tests.core.identity.test_saml_metadata import METADATA
from tests.peers.identity_provider import API, ISSUER, NOW, assertion, deflated, encoded, provider

IDP = provider()
OPTIONS: dict[str, Any] = {"issuer": ISSUER, "audience": API, "idp_certificates": IDP.pem}


def signed(**facts: str) -> str:
    return encoded(IDP.sign(assertion(**facts)))


def send(headers: dict[str, str], path: str = "/", **options: Any) -> Any:
    policy = saml_bearer(**{**OPTIONS, **options})
    return decide(policy, make_request("GET", path, headers=headers), clock=VirtualClock(NOW))


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (f"SAML {signed()}", True),
        (f"saml {deflated(IDP.sign(assertion()))}", True),
        (f"Bearer {signed()}", True),
        (f"Basic {signed()}", False),
        (signed(), False),
        ("SAML", False),
        ("", False),
    ],
    ids=["SAML", "deflated", "Bearer", "Basic", "bare", "no credential", "nothing"],
)
def test_an_assertion_stands_behind_its_scheme(value: str, allowed: bool) -> None:
    decision = send({"authorization": value})

    assert decision.allowed is allowed
    assert decision.reason is (None if allowed else Reason.TOKEN_MISSING)


def test_the_caller_is_who_the_assertion_names() -> None:
    decision = send({"authorization": f"SAML {signed()}"})

    assert (decision.identity.principal, decision.identity.kind) == ("alice@example.com", "saml")
    assert decision.identity.claims["groups"] == ["staff", "vets"]
    assert decision.credential == "assertion _a1 in the header authorization"


def test_it_may_stand_elsewhere_and_bare() -> None:
    assert send({"x-assertion": signed()}, identity_source="header:X-Assertion").allowed
    assert send({}, f"/?assertion={signed()}", identity_source="query:assertion").allowed


@pytest.mark.parametrize("headers", [{}, {"authorization": "SAML x"}], ids=["none", "nonsense"])
def test_a_refusal_asks_for_an_assertion(headers: dict[str, str]) -> None:
    decision = send(headers)

    assert (decision.status, decision.response.header("www-authenticate")) == (401, "SAML")


def test_the_metadata_name_the_provider_and_its_certificates(tmp_path: Path) -> None:
    body = "".join(IDP.pem.split("\n")[1:-2])
    (tmp_path / "idp.xml").write_text(METADATA.replace("QUJD", body).replace("REVG", ""))

    decision = send(
        {"authorization": f"SAML {signed()}"}, issuer=None, idp_certificates=None, idp_metadata=tmp_path / "idp.xml"
    )

    assert decision.identity.claims["issuer"] == ISSUER


def test_either_of_two_certificates_will_do() -> None:
    both = provider("next").pem + IDP.pem

    assert send({"authorization": f"SAML {signed()}"}, idp_certificates=both.encode()).allowed


def test_looking_does_not_use_an_assertion_up(runtime: Runtime) -> None:
    runtime.clock = VirtualClock(NOW)
    headers = [(b"authorization", f"SAML {signed()}".encode())]
    looking, taking = (saml_bearer(**OPTIONS).bind(each).on_request for each in (runtime.looking(), runtime))
    assert looking is not None
    assert taking is not None

    for hook, reasons in ((looking, [None, None]), (taking, [None, Reason.TOKEN_INVALID])):
        answers: list[Any] = [hook(Request("GET", "/", headers=headers)) for _ in range(2)]
        assert [getattr(answer, "reason", None) for answer in answers] == reasons


def test_a_table_that_is_full_lets_nobody_in_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewaykit.policies.saml_bearer._MOST_USED", 1)
    decide_next = decider(saml_bearer(**OPTIONS), clock=VirtualClock(NOW))

    decisions = [
        decide_next(make_request("GET", "/", headers={"authorization": f"SAML {signed(id=name)}"}))
        for name in ("_a", "_b", "_a")
    ]

    assert [decision.status for decision in decisions] == [None, 500, 401]
    assert decisions[1].reason is Reason.AUTHORIZER_FAILED
    assert Seen(1).most == 1


async def test_it_is_a_middleware_too() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        who = scope["state"]["gatewaykit"].identity.principal
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": who.encode()})

    client = Client(SamlBearerMiddleware(app, **OPTIONS, clock=VirtualClock(NOW)))

    assert (await client.get("/", headers={"authorization": f"SAML {signed()}"})).text == "alice@example.com"


class TestSamlBearer(PolicyContract):
    clock = VirtualClock(NOW)
    headers: ClassVar = {"authorization": f"SAML {signed()}"}

    def make_policy(self) -> Policy:
        return saml_bearer(**OPTIONS)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"audience": []}, "audience"),
        ({"issuer": None}, "issuer"),
        ({"issuer": ""}, "issuer"),
        ({"recipient": ""}, "recipient"),
        ({"idp_certificates": None}, "idp_certificates"),
        ({"idp_certificates": "idp.pem"}, "idp_certificates"),
        ({"idp_certificates": provider("weak", "weak").pem}, "idp_certificates"),
        ({"idp_metadata": "nowhere.xml"}, "idp_metadata"),
        ({"idp_metadata": __file__}, "idp_metadata"),
        ({"idp_certificates": [IDP.pem]}, "idp_certificates"),
        ({"idp_metadata": 7}, "idp_metadata"),
        ({"one_time": "no"}, "one_time"),
        ({"attributes": ["mail"]}, "attributes"),
        ({"leeway": -1}, "leeway"),
        ({"principal": ""}, "principal"),
        ({"identity_source": "authorization"}, "identity_source"),
    ],
)
def test_a_wrong_option_is_a_mistake(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        saml_bearer(**{**OPTIONS, **options})

    assert [problem.where for problem in caught.value.problems] == [f"saml_bearer.{where}"]


@pytest.mark.parametrize("module", ["signxml", "lxml"])
def test_without_the_extra_one_line_names_the_command(module: str) -> None:
    code = f"""
import sys; sys.modules[{module!r}] = None
from gatewaykit import ConfigError, saml_bearer
try: saml_bearer(audience="x")
except ConfigError as error: print(error)
"""

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert result.stdout.strip() == 'saml_bearer needs signxml: pip install "gatewaykit[saml]"', result.stderr
