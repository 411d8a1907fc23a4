"""moto: AWS services that answer on this machine, as a server of its own.

It ignores signatures until its authentication is switched on; from then on it checks them, and IAM policies, for real.
A test module gets the fixtures by importing them: `from tests.peers.moto import moto, moto_server`.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

__all__ = ["REGION", "Moto", "moto", "moto_server"]

REGION = "us-east-1"
_STARTING_S = 60


@dataclass(frozen=True, slots=True)
class Moto:
    """A running moto server."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, access_key: str = "test", secret: str = "test", **options: Any) -> Any:
        """A boto3 client of one of its services. Close it, or let the test's end do so."""
        import boto3

        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=access_key,
            aws_secret_access_key=secret, **options,
        )  # fmt: skip

    def call(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One plain HTTP exchange: its status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def reset(self) -> None:
        """Forget everything that was created, and check no signatures."""
        assert self.call("POST", "/moto-api/reset")[0] == 200

    def switch_auth(self, *, on: bool) -> None:
        """Check signatures and IAM policies of every call from now on, or of none."""
        calls_before = "0" if on else "Infinity"
        assert self.call("POST", "/moto-api/reset-auth", calls_before.encode())[0] == 200

    @contextmanager
    def auth(self) -> Iterator[None]:
        """Signatures and IAM policies are checked inside. Make users, keys and policies before."""
        self.switch_auth(on=True)
        try:
            yield
        finally:
            self.switch_auth(on=False)

    def user(self, name: str, *statements: Mapping[str, Any]) -> tuple[str, str]:
        """A new IAM user that these statements allow something: its access key id and secret. Auth must be off."""
        iam = self.client("iam")
        try:
            iam.create_user(UserName=name)
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            if statements:
                iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=document)
            made = iam.create_access_key(UserName=name)["AccessKey"]
            return made["AccessKeyId"], made["SecretAccessKey"]
        finally:
            iam.close()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    """One server for all tests of this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _await_readiness(process)
            yield Moto(port)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def moto(moto_server: Moto) -> Iterator[Moto]:
    """The server with nothing in it."""
    moto_server.switch_auth(on=False)
    moto_server.reset()
    yield moto_server
    moto_server.switch_auth(on=False)


def _await_readiness(process: subprocess.Popen[str]) -> None:
    """Until it says that it is running; then its words are read on, so that it is never stuck writing them."""
    assert process.stderr is not None
    timer = threading.Timer(_STARTING_S, process.kill)
    timer.start()
    said = []
    for line in process.stderr:
        said.append(line)
        if "Running on" in line:
            break
    timer.cancel()
    if process.poll() is not None or not said or "Running on" not in said[-1]:
        pytest.fail(f"moto did not start: {''.join(said)}")
    threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()


def _drain(lines: Any) -> None:
    for _ in lines:
        pass
