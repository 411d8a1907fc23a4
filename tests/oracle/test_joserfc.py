"""joserfc as the oracle of token verification: what it refuses, we refuse; and of usual tokens we accept what it does.

Where we are stricter on purpose (duplicate members, nesting, extensions) only the first half is asked for.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as jose
from joserfc.jwk import KeySet as JoseKeys
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected
from gatewaykit.core.identity.jwt.keys import KeySet, read_key_set, secret_key
from gatewaykit.core.identity.jwt.verifying import Verifier
from tests.tokens import AUDIENCE, ISSUER, NOW_S, SECRET, b64, claims, jwk, signed

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
SECRETS = ["HS256", "HS384", "HS512"]
DOCUMENT = {"keys": [jwk("RSA", "RSA"), *(jwk(name, name) for name in ("ES256", "ES384", "ES512", "Ed25519"))]}
OURS, THEIRS = read_key_set(DOCUMENT), JoseKeys.import_key_set(DOCUMENT)  # type: ignore[arg-type]  # its typed form
RULES = ClaimRules(issuer=ISSUER, audiences=frozenset({AUDIENCE}))
CLAIMS = jose.JWTClaimsRegistry(
    now=int(NOW_S), iss={"essential": True, "value": ISSUER}, aud={"essential": True, "values": [AUDIENCE]},
    exp={"essential": True},
)  # fmt: skip
REGISTRY = JWSRegistry(strict_check_header=False, algorithms=ALGORITHMS)


def kid_of(alg: str) -> str:
    return "RSA" if alg[:2] in ("RS", "PS") else "Ed25519" if alg.startswith("Ed") else alg


def we_accept(text: str) -> bool:
    return not isinstance(Verifier(ALGORITHMS, RULES).verify(text.encode("utf-8", "replace"), OURS, NOW_S), Rejected)


def they_accept(text: str) -> bool:
    try:
        CLAIMS.validate(jose.decode(text, THEIRS, algorithms=ALGORITHMS, registry=REGISTRY).claims)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not accept; not all of it is a JoseError
        return False
    return True


def agree(text: str) -> None:
    assert they_accept(text) or not we_accept(text), text


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_good_token_is_good_for_both(alg: str) -> None:
    text = signed({"alg": alg, "kid": kid_of(alg)}, claims(), alg)

    assert we_accept(text)
    assert they_accept(text)


@pytest.mark.parametrize("alg", SECRETS)
def test_a_shared_secret_is_too(alg: str) -> None:
    text = signed({"alg": alg}, claims(), alg)
    key = secret_key(SECRET, [alg])

    assert not isinstance(key, str)
    assert not isinstance(Verifier([alg], RULES).verify(text.encode(), KeySet([key]), NOW_S), Rejected)
    assert jose.decode(text, OctKey.import_key(SECRET), algorithms=[alg]).claims == claims()


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@given(
    st.sampled_from(ALGORITHMS),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3), st.text("ABab01_-.=", max_size=3)), max_size=3),
)
def test_a_token_with_any_part_changed(alg: str, changes: list[tuple[int, int, str]]) -> None:
    text = signed({"alg": alg, "kid": kid_of(alg)}, claims(), alg)
    for at, length, other in changes:
        at %= len(text) + 1
        text = text[:at] + other + text[at + length :]

    agree(text)


NAMES = ["alg", "kid", "typ", "cty", "crit", "b64", "exp", "x"]  # not jwk, jku, x5c: joserfc reads them, to refuse some
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([*ALGORITHMS, *SECRETS, "none", "RSA", "ES256", "b64", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@given(st.sampled_from(ALGORITHMS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_a_token_with_any_header(alg: str, header: dict[str, Any]) -> None:
    agree(signed({"alg": alg, "kid": kid_of(alg), **header}, claims(), alg))


DATES = st.sampled_from(
    [NOW_S, NOW_S - 1, NOW_S + 1, 0, -1, True, None, "0", float("inf"), float("nan"), 10**30, [NOW_S + 9]]
)
PEOPLE = st.sampled_from([ISSUER, AUDIENCE, [AUDIENCE], ["x", AUDIENCE], [], "", None, 7, {AUDIENCE: 1}])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "exp": DATES,
            "nbf": DATES,
            "iat": DATES,
            "iss": PEOPLE,
            "aud": PEOPLE,
            "scope": PEOPLE,
        },
    ),
    st.sets(st.sampled_from(["exp", "iss", "aud", "iat"])),
)
def test_a_token_with_any_claims(more: dict[str, Any], without: set[str]) -> None:
    payload = {name: value for name, value in {**claims(), **more}.items() if name not in without}

    agree(signed({"alg": "Ed25519", "kid": "Ed25519"}, payload, "Ed25519"))


@given(st.text('{}[]":,truefalsn0.19-eE\\u ', max_size=12))
def test_a_payload_of_any_text_behind_good_claims(text: str) -> None:
    agree(signed({"alg": "Ed25519", "kid": "Ed25519"}, json.dumps(claims())[:-1] + text + "}", "Ed25519"))


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_any_three_texts(header: str, payload: str, signature: str) -> None:
    for text in (
        f"{header}.{payload}.{signature}",
        f"{b64(header.encode('utf-8', 'replace'))}.{b64(payload.encode('utf-8', 'replace'))}.{signature}",
    ):
        assert not we_accept(text)
