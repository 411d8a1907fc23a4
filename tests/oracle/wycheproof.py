"""Wycheproof's vectors for JSON Web Signatures, run by hand: no package of Debian, PyPI or npm brings them.

    .venv/bin/python tests/oracle/wycheproof.py testvectors_v1/json_web_signature_test.json

Prints every vector that is judged otherwise than the file says, and fails for one that is accepted and should not be.
What the file tries is in tests/core/identity/jwt/test_verifying.py, with keys of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gatewaykit.core.identity.jwt.algorithms import ALGORITHMS
from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected
from gatewaykit.core.identity.jwt.encoding import decode
from gatewaykit.core.identity.jwt.keys import Key, KeySet, read_key_set, secret_key
from gatewaykit.core.identity.jwt.verifying import Verifier

KNOWN_WRONG = {367, 370}
"""Byte for byte the valid vector 357: what they were to differ in was lost from the file."""


def main(path: str) -> int:
    document = json.loads(Path(path).read_bytes())
    wrong = 0
    for group in document["testGroups"]:
        for test in group["tests"]:
            told = judged(group, test["jws"] if isinstance(test["jws"], str) else json.dumps(test["jws"]))
            if (told == "") == (test["result"] == "valid"):
                continue
            print(f"{test['tcId']} {test['comment']}: {test['result']}, here {told or 'accepted'}")
            wrong += not told and test["tcId"] not in KNOWN_WRONG
    print(f"{document['numberOfTests']} vectors, {wrong} false accepts")
    return 1 if wrong else 0


def judged(group: dict[str, Any], token: str) -> str:
    """Why a token is refused; nothing when its signature holds. The payloads are no claims."""
    try:
        keys = keys_of(group.get("public") or group["private"])
    except ValueError as error:
        return f"refused: {error}"
    payload = Verifier(ALGORITHMS, ClaimRules()).signed_payload(token.encode(), keys)
    return f"refused: {payload.detail}" if isinstance(payload, Rejected) else ""


def keys_of(jwk: dict[str, Any]) -> KeySet:
    if jwk["kty"] != "oct":
        return read_key_set(
            {"keys": [{name: jwk[name] for name in jwk if name not in ("d", "p", "q", "dp", "dq", "qi")}]}
        )
    key = secret_key(decode(jwk["k"].encode()), [jwk["alg"]])
    if isinstance(key, str):
        raise ValueError(key)
    return KeySet([Key(kid=jwk["kid"], checks=key.checks)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
