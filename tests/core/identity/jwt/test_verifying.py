"""Compact tokens: what holds, and every kind of forgery that does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.jwt.algorithms import ALGORITHMS, HMAC_ALGORITHMS
from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected
from gatewaykit.core.identity.jwt.keys import KeySet, read_key_set, secret_key
from gatewaykit.core.identity.jwt.verifying import Verified, Verifier, unverified_claims
from tests.tokens import AUDIENCE, ISSUER, NOW_S, SECRET, b64, claims, jwk, private_key, signed, token

RULES = ClaimRules(issuer=ISSUER, audiences=frozenset({AUDIENCE}))
ASYMMETRIC = [name for name in ALGORITHMS if name not in HMAC_ALGORITHMS]
KEYS = read_key_set(
    {"keys": [jwk("RSA", "RSA"), *(jwk(name, name) for name in ("ES256", "ES384", "ES512", "Ed25519"))]}
)  # fmt: skip


def kid_of(alg: str) -> str:
    return "RSA" if alg[:2] in ("RS", "PS") else "Ed25519" if alg.startswith("Ed") else alg


def verify(text: str | bytes, *algorithms: str, keys: KeySet = KEYS, **options: Any) -> Verified | Rejected:
    raw = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
    return Verifier(algorithms or ASYMMETRIC, RULES, **options).verify(raw, keys, NOW_S)


def why(answer: Verified | Rejected) -> str:
    assert isinstance(answer, Rejected), answer
    return answer.detail


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_token_of_each_algorithm_holds(alg: str) -> None:
    text = token(alg, header={"kid": kid_of(alg)}, scope="a b")

    assert verify(text) == (claims(scope="a b"), ("a", "b"), NOW_S + 3600)
    assert verify(text, alg) == verify(text)


@pytest.mark.parametrize("alg", HMAC_ALGORITHMS)
def test_a_shared_secret_checks_tokens_whatever_key_they_name(alg: str) -> None:
    key = secret_key(SECRET, HMAC_ALGORITHMS)

    assert not isinstance(verify(token(alg), alg, keys=KeySet([key])), Rejected)  # type: ignore[list-item]  # a good secret


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_an_algorithm_that_was_not_allowed_is_not_tried(alg: str) -> None:
    others = [each for each in ALGORITHMS if each != alg]

    assert "which is not one of" in why(verify(token(alg, header={"kid": kid_of(alg)}), *others))


def test_the_same_headers_are_read_once_and_a_forgery_under_them_still_fails() -> None:
    verifier = Verifier(["RS256"], RULES)
    good, forged = token(header={"kid": "RSA"}), token(header={"kid": "RSA"}, key="RSA/other", sub="mallory")

    assert not isinstance(verifier.verify(good.encode(), KEYS, NOW_S), Rejected)
    assert why(verifier.verify(forged.encode(), KEYS, NOW_S)) == "the signature does not match"
    assert not isinstance(verifier.verify(good.encode(), KEYS, NOW_S), Rejected)


def test_other_keys_are_asked_anew() -> None:
    verifier = Verifier(["RS256"], RULES)
    text = token(header={"kid": "RSA"}).encode()
    verifier.verify(text, KEYS, NOW_S)
    rotated = read_key_set({"keys": [jwk("RSA/other", "RSA")]})

    assert why(verifier.verify(text, rotated, NOW_S)) == "the signature does not match"


def test_no_more_than_a_few_headers_are_remembered() -> None:
    verifier = Verifier(["Ed25519"], RULES)
    for number in range(40):
        text = token("Ed25519", header={"kid": "Ed25519", "nonce": number})
        assert not isinstance(verifier.verify(text.encode(), KEYS, NOW_S), Rejected)

    assert len(verifier._headers) == 32


# ---------------------------------------------------------------------------------------------------- forgeries

GOOD = token(header={"kid": "RSA"})
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(HEADER, id="one segment"),
        pytest.param(f"{HEADER}.{PAYLOAD}", id="two segments"),
        pytest.param(f"{GOOD}.", id="an empty fourth segment"),
        pytest.param(f"{GOOD}.{SIGNATURE}", id="four segments"),
        pytest.param(f"{GOOD}.x.y", id="five segments, as in encrypted tokens"),
        pytest.param(json.dumps({"payload": PAYLOAD, "protected": HEADER, "signature": SIGNATURE}), id="JSON form"),
    ],
)
def test_what_has_other_than_three_segments_is_told_so(text: str) -> None:
    rejected = verify(text)

    assert isinstance(rejected, Rejected)
    assert rejected.told == "token contains an invalid number of segments"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("..", id="three empty segments"),
        pytest.param(f".{PAYLOAD}.{SIGNATURE}", id="no header"),
        pytest.param(f"{HEADER}..{SIGNATURE}", id="no payload"),
        pytest.param(f"{HEADER}.{PAYLOAD}.", id="no signature"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-4]}", id="a shorter signature"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE}AAAA", id="a longer signature"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{'A' * len(SIGNATURE)}", id="a signature of zeros"),
        pytest.param(f"{HEADER}.{b64(claims(sub='mallory'))}.{SIGNATURE}", id="another payload"),
        pytest.param(f"{b64({'alg': 'RS256', 'kid': 'RSA', 'x': 1})}.{PAYLOAD}.{SIGNATURE}", id="another header"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE}=", id="padding after the signature"),
        pytest.param(f"{HEADER}=.{PAYLOAD}.{SIGNATURE}", id="padding after the header"),
        pytest.param(f"{HEADER}.{PAYLOAD}=.{SIGNATURE}", id="padding after the payload"),
        pytest.param(f"{HEADER} .{PAYLOAD}.{SIGNATURE}", id="a space in the header"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE}\n", id="a line end"),
        pytest.param(f"{HEADER}.{PAYLOAD}#.{SIGNATURE}", id="a stray character"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE.replace('_', '/').replace('-', '+')}/", id="plain base64"),
        pytest.param(GOOD.encode("utf-16").decode("latin-1"), id="UTF-16"),
        pytest.param(token(key="RSA/other", header={"kid": "RSA"}), id="another key's"),
        pytest.param(token("ES256", header={"kid": "RSA"}), id="another kind of key"),
        pytest.param(token("PS256", header={"kid": "RSA", "alg": "RS256"}), id="PS as RS"),
        pytest.param(token("RS256", header={"kid": "RSA", "alg": "PS256"}), id="RS as PS"),
        pytest.param(token("RS512", header={"kid": "RSA", "alg": "RS256"}), id="another hash"),
    ],
)
def test_what_was_not_signed_does_not_hold(text: str) -> None:
    assert why(verify(text))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, True, 0, ["RS256"], {"RS256": 1}], ids=repr)
@pytest.mark.parametrize("signature", ["", SIGNATURE, "AA"], ids=["unsigned", "another's", "one byte"])
def test_no_algorithm_is_none(alg: object, signature: str) -> None:
    assert why(verify(f"{b64({'alg': alg, 'kid': 'RSA'})}.{b64(claims())}.{signature}"))


def test_a_public_key_is_no_secret() -> None:
    from tests.tokens import pem

    for secret in (pem().encode(), pem().strip().encode(), json.dumps(jwk()).encode(), jwk()["n"].encode()):
        text = token("HS256", secret, header={"kid": "RSA"})

        assert "alg is 'HS256'" in why(verify(text))
        assert "no key 'RSA' is for HS256" in why(verify(text, "HS256", "RS256"))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": jwk("RSA/other")},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA", "x5t#S256": "AAAA"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a_key_that_the_token_brings_is_not_looked_at(header: Mapping[str, Any]) -> None:
    assert why(verify(token(key="RSA/other", header={"kid": "RSA", **header}))) == "the signature does not match"
    assert not isinstance(verify(token(header={"kid": "RSA", **header})), Rejected)


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": None},
        {"crit": ["exp"], "exp": 1},
        {"b64": False},
        {"b64": True},
    ],
    ids=repr,
)
def test_extensions_are_refused(header: Mapping[str, Any]) -> None:
    assert "no extension is supported" in why(verify(token(header={"kid": "RSA", **header})))


@pytest.mark.parametrize(
    "kid",
    ["../../../dev/null", "/dev/null", "' OR '1'='1", "RSA\0", "rsa", " RSA", "", "k" * 3000, "\U0001f600", "${jndi:ldap://x}"],
    ids=lambda kid: kid[:12],
)  # fmt: skip
def test_a_name_that_no_key_has_is_looked_up_and_nothing_else(kid: str) -> None:
    rejected = verify(token(header={"kid": kid}))

    assert isinstance(rejected, Rejected)
    assert rejected.elsewhere
    assert len(rejected.detail) < 300


@pytest.mark.parametrize("value", [7, True, ["RSA"], {"a": 1}, 1.5, None], ids=repr)
@pytest.mark.parametrize("name", ["kid", "typ", "cty"])
def test_names_and_types_are_texts(name: str, value: object) -> None:
    assert why(verify(token(header={"kid": "RSA", name: value}))) == f"{name} is no text"


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"none","alg":"RS256","kid":"RSA"}',
        '{"alg":"RS256","kid":"RSA","kid":"RSA"}',
        '{"alg":"RS256","kid":"RSA"} ',
        '{"alg":"RS256","kid":"RSA","x":NaN}',
        '{"alg":"RS256","kid":"\\ud800"}',
        '["RS256"]',
        '"RS256"',
        "null",
        b"\xff",
        '{"alg":"RS256","kid":"RSA","x":"' + "x" * 4096 + '"}',
        '{"alg":"RS256","kid":"RSA","x":' + "[" * 900 + "]" * 900 + "}",
    ],
    ids=[
        "alg twice", "kid twice", "white space is fine", "NaN", "a lone surrogate", "a list", "a text", "null",
        "no UTF-8", "huge", "deep",
    ],
)  # fmt: skip
def test_a_header_is_one_small_object(header: str | bytes) -> None:
    answer = verify(signed(header, claims(), "RS256"))

    assert isinstance(answer, Rejected) is (header != '{"alg":"RS256","kid":"RSA"} ')


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        '"alice"',
        b"\xff",
        json.dumps(claims())[:-1] + ',"sub":"mallory"}',
        json.dumps(claims()) + "{}",
        json.dumps(claims(exp=float("nan"))),
        json.dumps(claims(exp=float("inf"))),
        json.dumps(claims()).replace(f"{NOW_S + 3600}", "1e999"),
        '{"a":' + "[" * 5000 + "]" * 5000 + "}",
        json.dumps(claims(sub="\ud800")),
    ],
    ids=[
        "nothing", "a list", "a text", "no UTF-8", "sub twice", "two objects", "NaN", "infinity", "a huge float",
        "deep", "a lone surrogate",
    ],
)  # fmt: skip
def test_a_payload_is_one_object_even_when_it_is_signed(payload: str | bytes) -> None:
    assert "the payload is malformed" in why(verify(signed({"alg": "RS256", "kid": "RSA"}, payload, "RS256")))


def test_a_huge_token_is_not_even_decoded() -> None:
    assert why(verify(token(header={"kid": "RSA"}, x="x" * 16384))).startswith("a token of 2")
    assert why(verify("." * 10_000_000))


def test_a_claim_that_does_not_do_is_told_after_the_signature() -> None:
    assert "expired" in why(verify(token(header={"kid": "RSA"}, exp=1)))
    assert why(verify(token(header={"kid": "RSA"}, exp=1, key="RSA/other"))) == "the signature does not match"


# ------------------------------------------------------------------------------- padding (CVE-2006-4339 and its kin)

_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(lambda info, digest: b"\0\1" + b"\xff" * 202 + b"\0" + info + digest, id="as it should be"),
        pytest.param(
            lambda info, digest: b"\0\1" + b"\xff" * 8 + b"\0" + info + digest + bytes(194), id="garbage behind"
        ),
        pytest.param(lambda info, digest: b"\0\1" + b"\xff" * 8 + bytes(195) + info + digest, id="zeros before"),
        pytest.param(lambda info, digest: b"\0\2" + b"\xff" * 202 + b"\0" + info + digest, id="the type of encryption"),
        pytest.param(lambda info, digest: b"\0\0" + bytes(202) + b"\0" + info + digest, id="the type without padding"),
        pytest.param(lambda info, digest: b"\0\1" + b"\xff" * 221 + b"\0" + digest, id="no name of the hash"),
        pytest.param(
            lambda info, digest: b"\0\1" + b"\xff" * 201 + b"\0" + b"\x30\x81\x31" + info[2:] + digest,
            id="a long length",
        ),
        pytest.param(
            lambda info, digest: (
                b"\0\1" + b"\xff" * 204 + b"\0" + b"\x30\x2f\x30\x0b" + info[4:15] + info[17:] + digest
            ),
            id="no parameters",
        ),
        pytest.param(
            lambda info, digest: b"\0\1" + b"\xff" * 202 + b"\0" + info.replace(b"\2\1\5", b"\2\3\5") + digest,
            id="the name of another hash",
        ),
    ],
)
def test_the_padding_of_an_rsa_signature_is_exact(block: Any, request: pytest.FixtureRequest) -> None:
    from hashlib import sha256

    text = f"{HEADER}.{PAYLOAD}"
    numbers = private_key("RSA").private_numbers()
    message = int.from_bytes(block(_DIGEST_INFO, sha256(text.encode()).digest()))
    signature = pow(message, numbers.d, numbers.public_numbers.n).to_bytes(256)

    holds = not isinstance(verify(f"{text}.{b64(signature)}"), Rejected)
    assert holds is (request.node.callspec.id == "as it should be")


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 222])
def test_the_salt_of_a_ps_signature_is_as_long_as_its_hash(salt: int) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    text = f"{b64({'alg': 'PS256', 'kid': 'RSA'})}.{PAYLOAD}"
    form = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    signature = private_key("RSA").sign(text.encode(), form, hashes.SHA256())

    assert why(verify(f"{text}.{b64(signature)}")) == "the signature does not match"


@pytest.mark.parametrize("r", [0, 1, -1, "n-1", "n", "n+1", 2**256 - 1], ids=str)
@pytest.mark.parametrize("s", [0, 1, "n-1", "n", 2**256 - 1], ids=str)
def test_psychic_and_other_edge_signatures_prove_nothing(r: int | str, s: int | str) -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    numbers = {"n-1": order - 1, "n": order, "n+1": order + 1}
    raw = b"".join((numbers.get(each, each) % 2**256).to_bytes(32) for each in (r, s))  # type: ignore[call-overload, operator]
    text = f"{b64({'alg': 'ES256', 'kid': 'ES256'})}.{PAYLOAD}.{b64(raw)}"

    assert why(verify(text)) == "the signature does not match"


def test_an_ecdsa_signature_is_two_numbers_and_not_der() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    text = f"{b64({'alg': 'ES256', 'kid': 'ES256'})}.{PAYLOAD}"
    der = private_key("ES256").sign(text.encode(), ec.ECDSA(hashes.SHA256()))

    assert why(verify(f"{text}.{b64(der)}")) == "the signature does not match"


# ---------------------------------------------------------------------------------------------------- which key


def test_a_token_that_names_no_key_is_for_the_only_one_that_could_be_meant() -> None:
    text = signed({"alg": "RS256"}, claims(), "RS256")
    two = read_key_set({"keys": [jwk("RSA", "a"), jwk("RSA/other", "b")]})

    assert not isinstance(verify(text), Rejected)
    assert why(verify(text, keys=two)) == "the header names no key, and 2 could be meant"
    assert why(verify(text, needs_kid=True)) == "the header names no key (kid)"


def test_of_keys_with_one_name_each_is_tried() -> None:
    keys = read_key_set({"keys": [jwk("RSA/other", "k1"), jwk("RSA", "k1")]})

    assert not isinstance(verify(token(), keys=keys), Rejected)


def test_keys_without_names_are_tried_but_not_where_a_name_is_asked_for() -> None:
    keys = read_key_set({"keys": [jwk("RSA/other", None), jwk("RSA", None)]})

    assert not isinstance(verify(token(), keys=keys), Rejected)
    assert not isinstance(verify(signed({"alg": "RS256"}, claims(), "RS256"), keys=keys), Rejected)
    assert "no key 'k1'" in why(verify(token(), keys=keys, needs_kid=True))


@pytest.mark.parametrize(
    ("text", "keys", "elsewhere"),
    [
        pytest.param(token(header={"kid": "new"}), KEYS, True, id="an unknown name"),
        pytest.param(token(header={"kid": "RSA"}, key="RSA/2"), KEYS, False, id="a known name"),
        pytest.param(token("ES384", header={"kid": "RSA"}), KEYS, False, id="a known name for another algorithm"),
        pytest.param(signed({"alg": "RS256"}, claims(), "RS256", "RSA/2"), KEYS, True, id="no name"),
        pytest.param(
            token(key="RSA/2"), read_key_set({"keys": [jwk("RSA", None)]}), True, id="a name among keys without one"
        ),
        pytest.param(
            signed({"alg": "ES256"}, claims(), "ES256"), read_key_set({"keys": [jwk("RSA", "a")]}), True,
            id="no name, and no key for the algorithm",
        ),
    ],
)  # fmt: skip
def test_whether_other_keys_could_do_is_said(text: str, keys: KeySet, elsewhere: bool) -> None:
    verifier = Verifier(ASYMMETRIC, RULES)
    verifier.verify(token(header={"kid": "RSA"}).encode(), keys, NOW_S)
    rejected = verifier.verify(text.encode(), keys, NOW_S)

    assert isinstance(rejected, Rejected)
    assert rejected.elsewhere is elsewhere


# ---------------------------------------------------------------------------------------------------- any text


@given(st.binary(max_size=60) | st.text("eyJ0.-_{}\"'=Ab", max_size=40).map(str.encode))
def test_any_bytes_are_rejected(text: bytes) -> None:
    assert why(verify(text))


@given(st.sampled_from(ASYMMETRIC), st.integers(0), st.sampled_from("ABCxyz019-_.=\n"), st.data())
def test_a_token_with_one_character_changed_does_not_hold(alg: str, at: int, other: str, data: st.DataObject) -> None:
    text = token(alg, header={"kid": kid_of(alg)})
    at %= len(text)
    changed = text[:at] + other + text[at + data.draw(st.integers(0, 2)) :]

    assert changed == text or why(verify(changed))


def test_claims_can_be_read_before_anything_is_proved() -> None:
    assert unverified_claims(token(key="RSA/other").encode()) == claims()


@pytest.mark.parametrize("text", [b"", b"a.b", b"..", b"." * 3, b"a." + b"A" * 20000 + b".a"], ids=len)
def test_what_is_no_token_has_no_claims(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unverified_claims(text)
