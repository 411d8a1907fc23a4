"""A real OpenID provider: npm's oidc-provider, at the versions that `oidc/package-lock.json` names.

A test module gets the fixtures by importing them: `from tests.peers.oidc import oidc, oidc_program`. The packages are
installed on first use, into a folder that git ignores.
"""

from __future__ import annotations

import base64
import fcntl
import http.client
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

__all__ = ["JWT_RESOURCE", "OPAQUE_RESOURCE", "Issuer", "oidc", "oidc_program"]

HERE = Path(__file__).parent / "oidc"
_STARTING_S = 60

JWT_RESOURCE = "https://api.example/jwt"
"""What to ask for to get an access token that is a JWT, signed with RS256."""

OPAQUE_RESOURCE = "https://api.example/opaque"
"""What to ask for to get an access token that only introspection can tell about."""

_SCOPES = "pets:read pets:write"
_RESOURCES: Mapping[str, Mapping[str, Any]] = {
    JWT_RESOURCE: {"format": "jwt", "alg": "RS256"},
    OPAQUE_RESOURCE: {"format": "opaque"},
    **{f"https://api.example/{alg}": {"format": "jwt", "alg": alg} for alg in ("PS256", "ES256", "Ed25519")},
}
_CLIENTS = ("shop", "gateway")


@dataclass(slots=True)
class Issuer:
    """A running provider. It has the clients `shop` (who gets tokens) and `gateway` (who asks about them).

    `resources` maps resource indicators to `format` (`jwt` or `opaque`), and where wanted `alg`, `scope`, `ttl` (in
    seconds) and `audience`. `claims` are added to the tokens of a client.
    """

    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _RESOURCES)
    claims: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"shop": {"tenant": "acme"}})
    secret: str = "a secret of all clients of this test provider"
    port: int = 0
    _process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The issuer."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; again on the same port after `stop`, then with new keys and no memory of tokens."""
        wanted = {
            "port": self.port, "claims": self.claims,
            "resources": {name: {"scope": _SCOPES, "ttl": 3600, **each} for name, each in self.resources.items()},
            "clients": [{"client_id": name, "client_secret": self.secret} for name in _CLIENTS],
        }  # fmt: skip
        self._process = process = subprocess.Popen(
            ["node", "provider.mjs", json.dumps(wanted)],
            cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        timer = threading.Timer(_STARTING_S, process.kill)
        timer.start()
        line = next((line for line in process.stdout if line.startswith('{"issuer"')), None)
        timer.cancel()
        if line is None:
            self.stop()
            pytest.fail(f"oidc-provider did not start: node ended with {process.returncode}")
        self.port = int(urlsplit(json.loads(line)["issuer"]).port or 0)

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None

    def token(self, resource: str = JWT_RESOURCE, scope: str = "pets:read", client: str = "shop") -> str:
        """An access token that the client gets with its own credentials."""
        body = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        return str(self._post("/token", body, client)["access_token"])

    def revoke(self, token: str, client: str = "shop") -> None:
        self._post("/token/revocation", {"token": token}, client)

    def introspect(self, token: str, client: str = "gateway") -> Any:
        return self._post("/token/introspection", {"token": token}, client)

    def rotate(self, *, keep: int = 1) -> list[str]:
        """New keys sign from now on; the last `keep` generations stay published. The ids of the published keys."""
        return list(self._exchange("POST", f"/test/rotate?keep={keep}"))

    def asked_for(self, path: str) -> int:
        """How often this path was asked for."""
        return int(self._exchange("GET", "/test/counts").get(path, 0))

    def _post(self, path: str, body: Mapping[str, str], client: str) -> Any:
        credentials = base64.b64encode(f"{client}:{self.secret.replace(' ', '+')}".encode()).decode()
        headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {credentials}"}
        return self._exchange("POST", path, urlencode(body), headers)

    def _exchange(self, method: str, target: str, body: str = "", headers: Mapping[str, str] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        assert response.status == 200, f"{method} {target}: {response.status} {answer!r}"
        return json.loads(answer) if answer else None


@pytest.fixture(scope="session")
def oidc_program() -> None:
    """The packages are installed, once for all processes that want them."""
    installed, lock = HERE / "node_modules" / ".installed", HERE / "package-lock.json"
    with (HERE / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install oidc-provider: {done.stderr.strip()[-500:]}")
        installed.write_bytes(lock.read_bytes())


@pytest.fixture
def oidc(oidc_program: None) -> Iterator[Issuer]:
    """A provider of its own for each test."""
    issuer = Issuer()
    issuer.start()
    yield issuer
    issuer.stop()
