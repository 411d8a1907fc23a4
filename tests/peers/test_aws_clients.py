"""Real clients sign, over real sockets: botocore, boto3 and curl to a gateway; and we to moto, which checks."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import boto3
import httpx2
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from gatewaykit import Gateway, IamMiddleware, iam
from gatewaykit.clock import SYSTEM
from gatewaykit.core.iam.signing import Signer, presigned_target, signed_headers
from gatewaykit.server.httptools_protocol import RawHttpToolsProtocol
from tests.attacks.checks import a_gateway
from tests.conformance.documents import mock
from tests.peers.moto import REGION, Moto, moto, moto_server  # noqa: F401 - fixtures
from tests.server.test_protocols import serving

KEY_ID, SECRET, ROBOT = "AKIDALICE", "alice-secret-0123456789", "robot-secret-0123456789"


def allowing(*actions: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


USERS = {
    "users": {"alice": {"access_keys": [{"id": KEY_ID, "secret": SECRET}], "policies": [allowing("execute-api:*")]}},
    "roles": {
        "robot": {
            "policies": [allowing("execute-api:Invoke")],
            "sessions": [{"name": "ci", "id": "ASIDROBOT", "secret": ROBOT, "token": "token/of+robot=="}],
        }
    },
}  # fmt: skip
BODY = b'{"name":"r\xc3\xa9x"}'


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    caller = scope["state"]["gatewaykit"].identity
    await send({"type": "http.response.body", "body": caller.principal.encode() + b" " + body})


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    async with serving(IamMiddleware(echo, USERS, profile="aws"), RawHttpToolsProtocol) as port:
        yield f"http://127.0.0.1:{port}"


def send(request: AWSRequest) -> tuple[int, bytes]:
    session = URLLib3Session()
    try:
        response = session.send(request.prepare())
        return response.status_code, response.content
    finally:
        session.close()


@pytest.mark.parametrize(
    ("credentials", "caller"),
    [
        (BotoCredentials(KEY_ID, SECRET), b"arn:aws:iam::123456789012:user/alice"),
        (
            BotoCredentials("ASIDROBOT", ROBOT, "token/of+robot=="),
            b"arn:aws:sts::123456789012:assumed-role/robot/ci",
        ),
    ],
    ids=["a user", "a session of a role"],
)
async def test_what_botocore_signs_comes_through(shop: str, credentials: BotoCredentials, caller: bytes) -> None:
    request = AWSRequest(
        "POST", f"{shop}/pets/a%20b/%C3%BC?b=2&a=x%2Fy&a=1", {"Content-Type": "application/json"}, BODY
    )
    SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)

    answer = await asyncio.to_thread(send, request)

    assert answer == (200, caller + b" " + BODY)


async def test_what_botocore_presigns_comes_through(shop: str) -> None:
    request = AWSRequest("GET", f"{shop}/pets?b=2&a=1")
    SigV4QueryAuth(BotoCredentials(KEY_ID, SECRET), "execute-api", "us-east-1", expires=60).add_auth(request)

    answer = await asyncio.to_thread(send, request)

    assert answer == (200, b"arn:aws:iam::123456789012:user/alice ")


async def test_botocore_with_another_secret_is_refused(shop: str) -> None:
    request = AWSRequest("POST", f"{shop}/pets", {}, BODY)
    SigV4Auth(BotoCredentials(KEY_ID, "x" * 40), "execute-api", "us-east-1").add_auth(request)

    status, body = await asyncio.to_thread(send, request)

    assert status == 403
    assert b"The request signature we calculated does not match" in body


@pytest.mark.needs("curl")
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["/pets"], id="plain"),
        pytest.param(["/pets?a=1&b=2"], id="a query"),  # curls before 8 do not sort what they sign
        pytest.param(["/pets", "--data-binary", BODY.decode(), "-H", "content-type: application/json"], id="a body"),
        pytest.param(["/a/./b/../c", "-X", "DELETE"], id="dot segments, which curl takes out"),
    ],
)
async def test_what_curl_signs_comes_through(shop: str, words: list[str]) -> None:
    command = [
        "curl", "-sS", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", f"{KEY_ID}:{SECRET}", shop + words[0],
        *words[1:],
    ]  # fmt: skip

    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30)

    assert ran.stdout.startswith(b"arn:aws:iam::123456789012:user/alice"), ran


async def test_boto3_posts_to_connections() -> None:
    """`POST /{stage}/@connections/{id}`, whose path boto3 encodes (reference 06 section 5; row 147)."""
    gateway: Gateway = a_gateway(
        {"/{proxy+}": {"any": mock()}}, policies=[iam(USERS, action="execute-api:ManageConnections")], stage_prefix=True
    )
    async with serving(gateway, RawHttpToolsProtocol) as port:

        def post(key_id: str, secret: str, token: str | None = None) -> int:
            client = boto3.client(
                "apigatewaymanagementapi", endpoint_url=f"http://127.0.0.1:{port}/prod", region_name="us-east-1",
                aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token,
                config=Config(retries={"max_attempts": 0}),
            )  # fmt: skip
            try:
                answer = client.post_to_connection(ConnectionId="L0SM9cOFvHcCIhw=", Data=b"hello")
                return int(answer["ResponseMetadata"]["HTTPStatusCode"])
            except ClientError as error:
                return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            finally:
                client.close()

        statuses = [
            await asyncio.to_thread(post, KEY_ID, SECRET),
            await asyncio.to_thread(post, KEY_ID, ROBOT),
            await asyncio.to_thread(post, "ASIDROBOT", ROBOT, "token/of+robot=="),  # it may only invoke
        ]

    assert statuses == [200, 403, 403]


async def test_httpx_may_carry_our_signatures(shop: str) -> None:
    host = shop.removeprefix("http://").encode()
    headers = signed_headers(
        Signer(access_key_id=KEY_ID, secret=SECRET), "PUT", b"/pets/1?a=b", [(b"host", host)], BODY, SYSTEM.wall()
    )

    async with httpx2.AsyncClient() as client:
        answer = await client.put(f"{shop}/pets/1?a=b", headers=headers, content=BODY)

    assert (answer.status_code, answer.content) == (200, b"arn:aws:iam::123456789012:user/alice " + BODY)


# ---------------------------------------------------------------------------------------------------- moto

STS = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
ASKING = b"Action=GetCallerIdentity&Version=2011-06-15"
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def ask_moto(server: Moto, signer: Signer, change: Callable[[bytes], bytes] = bytes) -> tuple[int, bytes]:
    """A call of STS that is signed by us; `change` is made to the body after it."""
    headers = signed_headers(
        signer, "POST", b"/", [(b"host", f"sts.{REGION}.amazonaws.com".encode()), FORM], ASKING, SYSTEM.wall()
    )
    plain = {name.decode(): value.decode() for name, value in headers}
    return server.call("POST", "/", change(ASKING), plain)


def test_moto_takes_what_we_sign_and_nothing_else(moto: Moto) -> None:  # noqa: F811 - the fixture
    key_id, secret = moto.user("alice", STS)
    alice = Signer(access_key_id=key_id, secret=secret, region=REGION, service="sts")
    with moto.auth():
        good = ask_moto(moto, alice)
        wrong = ask_moto(moto, Signer(access_key_id=key_id, secret="x" * 40, region=REGION, service="sts"))
        unknown = ask_moto(moto, Signer(access_key_id="AKIDNOBODY", secret=secret, region=REGION, service="sts"))
        changed = ask_moto(moto, alice, lambda body: body + b"&X=1")

    assert good[0] == 200
    assert b":user/alice" in good[1]
    assert (wrong[0], changed[0], unknown[0]) == (403, 403, 403)
    assert b"SignatureDoesNotMatch" in wrong[1]
    assert b"InvalidClientTokenId" in unknown[1]


def test_moto_takes_the_session_that_it_gave(moto: Moto) -> None:  # noqa: F811 - the fixture
    policy = json.dumps({"Version": "2012-10-17", "Statement": [STS]})
    iam_client, sts = moto.client("iam"), moto.client("sts")
    try:
        role = iam_client.create_role(RoleName="robot", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
        iam_client.put_role_policy(RoleName="robot", PolicyName="given", PolicyDocument=policy)
        given = sts.assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    finally:
        iam_client.close()
        sts.close()
    robot = Signer(
        access_key_id=given["AccessKeyId"], secret=given["SecretAccessKey"], session_token=given["SessionToken"],
        region=REGION, service="sts",
    )  # fmt: skip

    with moto.auth():
        good, other = ask_moto(moto, robot), ask_moto(moto, replace(robot, session_token="x"))

    assert (good[0], b":assumed-role/robot/ci" in good[1]) == (200, True)
    assert other[0] == 403


@pytest.mark.parametrize("key", ["a b/c.txt", "\u00fc~(1).txt"])
def test_moto_gives_what_we_presign_for_s3(moto: Moto, key: str) -> None:  # noqa: F811 - the fixture
    s3 = moto.client("s3")
    try:
        s3.create_bucket(Bucket="shop")
        s3.put_object(Bucket="shop", Key=key, Body=b"content")
    finally:
        s3.close()
    host = f"127.0.0.1:{moto.port}".encode()
    target = presigned_target(
        Signer(access_key_id="test", secret="test", region=REGION, service="s3"), "GET",
        f"/shop/{quote(key)}".encode(), [(b"host", host)], SYSTEM.wall(),
    )  # fmt: skip

    assert moto.call("GET", target.decode()) == (200, b"content")
