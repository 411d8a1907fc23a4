"""One definition with every kind of authorizer, a resource policy and mutual TLS, under `serve`, with real clients."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cli.conftest import Serve, Server
from tests.peers.certificates import NOW, issue, server
from tests.peers.moto import REGION, Moto, moto, moto_server
from tests.peers.oidc import JWT_RESOURCE, OPAQUE_RESOURCE, Issuer, oidc, oidc_program

__all__ = ["moto", "moto_server", "oidc", "oidc_program"]

pytestmark = pytest.mark.needs("node", "npm", "openssl", "curl")

LAMBDA = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:123456789012:function:"
ACCESS_KEY, SECRET = "AKIDALICE00000000000", "a secret access key of forty characters!"
API_KEY = "a-key-of-the-shop-of-forty-characters-00"


def template(text: str) -> dict[str, Any]:
    return {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": text}}},
    }


def method(scheme: str, shown: str, *scopes: str, **more: Any) -> dict[str, Any]:
    text = f'{{"who": "{shown}", "cert": "$context.identity.clientCert.subjectDN"}}'
    operation = {"responses": {}, "x-amazon-apigateway-integration": template(text), **more}
    return {"get": operation if not scheme else {**operation, "security": [{scheme: list(scopes)}]}}


def authorizer(**settings: Any) -> dict[str, Any]:
    where = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom"}
    return {**where, "x-amazon-apigateway-authorizer": settings}


def definition(pool: str) -> dict[str, Any]:
    principal = "$context.authorizer.principalId"
    everybody = {"Principal": "*", "Action": "execute-api:Invoke"}
    closed = {"Effect": "Deny", **everybody, "Resource": "execute-api:/*/GET/closed"}
    evenings = {"StringEquals": {"aws:UserAgent": "forbidden"}}
    return {
        "openapi": "3.0.1",
        "info": {"title": "shop", "version": "1"},
        "paths": {
            "/open": method("", "anybody"),
            "/closed": method("", "nobody"),
            "/iam/{id}": method("iam", "$context.identity.userArn"),
            "/token": method("token", principal),
            "/request": method("request", principal),
            "/member": method("members", "$context.authorizer.claims['cognito:username']"),
            "/scoped": method("members", "$context.authorizer.claims.username", "aws.cognito.signin.user.admin"),
            "/jwt": method("bearer", "$context.authorizer.claims.tenant"),
            "/opaque": method("opaque", principal),
            "/keyed": method("key", "$context.identity.apiKeyId"),
        },
        "components": {
            "securitySchemes": {
                "iam": {
                    "type": "apiKey", "name": "Authorization", "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
                "token": authorizer(
                    type="token", authorizerUri=f"{LAMBDA}by_token/invocations",
                    identityValidationExpression="tok-[a-z]+",
                ),
                "request": authorizer(
                    type="request", authorizerUri=f"{LAMBDA}by_request/invocations",
                    identitySource="method.request.header.X-Who, method.request.querystring.room",
                ),
                "members": authorizer(type="cognito_user_pools", providerARNs=[pool]),
                "bearer": {"type": "http", "scheme": "bearer"},
                "opaque": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            }
        },
        "x-amazon-apigateway-policy": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", **everybody, "Resource": "execute-api:/*/GET/*"},
                closed,
                {"Effect": "Deny", **everybody, "Resource": "execute-api:/*", "Condition": evenings},
            ],
        },
    }  # fmt: skip


HANDLERS = """\
def policy(effect, arn):
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": arn}
    return {"Version": "2012-10-17", "Statement": [statement]}


def by_token(event, context):
    token = event["authorizationToken"]
    if token == "tok-nobody":
        raise Exception("Unauthorized")
    if token == "tok-broken":
        raise RuntimeError("the database is down")
    effect = "Deny" if token == "tok-denied" else "Allow"
    return {"principalId": token, "policyDocument": policy(effect, event["methodArn"])}


def by_request(event, context):
    who, room = event["headers"]["x-who"], event["queryStringParameters"]["room"]
    return {"principalId": f"{who}@{room}", "policyDocument": policy("Allow", event["methodArn"])}
"""

USERS = {
    "users": {
        "alice": {
            "access_keys": [{"id": ACCESS_KEY, "secret": SECRET}],
            "policies": [
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Action": "execute-api:Invoke",
                            "Resource": "arn:aws:execute-api:*:*:*/*/GET/iam/8",
                        }
                    ],
                }
            ],
        }
    }
}


@dataclass(frozen=True, slots=True)
class Shop:
    """The running gateway, its clients' certificate, and the issuers of tokens."""

    server: Server
    client: httpx2.Client
    keys: Path
    issuer: Issuer
    tokens: dict[str, str]

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        answer = self.client.get(self.url(path), headers={name.replace("_", "-"): headers[name] for name in headers})
        return answer.status_code, answer.json()

    def url(self, path: str) -> str:
        return f"{self.server.said['url']}{path}"

    def signed(self, path: str, secret: str = SECRET, *, query: bool = False) -> AWSRequest:
        """As botocore signs it."""
        request = AWSRequest("GET", self.url(path))
        credentials = Credentials(ACCESS_KEY, secret)
        (SigV4QueryAuth if query else SigV4Auth)(credentials, "execute-api", REGION).add_auth(request)
        return request


ROOT = issue("CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,CN=till 1", ROOT)
DN = "C=US,O=Shop,CN=till 1"


def sign_in(moto: Moto) -> tuple[str, dict[str, str]]:
    """The ARN of a user pool, and the tokens of a user in it."""
    cognito = moto.client("cognito-idp")
    try:
        pool = cognito.create_user_pool(PoolName="members")["UserPool"]
        client = cognito.create_user_pool_client(
            UserPoolId=pool["Id"], ClientName="web", ExplicitAuthFlows=["ADMIN_NO_SRP_AUTH"]
        )["UserPoolClient"]["ClientId"]
        cognito.admin_create_user(UserPoolId=pool["Id"], Username="ann")
        cognito.admin_set_user_password(UserPoolId=pool["Id"], Username="ann", Password="Passw0rd!", Permanent=True)
        signed_in = cognito.admin_initiate_auth(
            UserPoolId=pool["Id"], ClientId=client, AuthFlow="ADMIN_NO_SRP_AUTH",
            AuthParameters={"USERNAME": "ann", "PASSWORD": "Passw0rd!"},
        )["AuthenticationResult"]  # fmt: skip
        return pool["Arn"], {"id": signed_in["IdToken"], "access": signed_in["AccessToken"]}
    finally:
        cognito.close()


@pytest.fixture
def shop(serve: Serve, here: Path, oidc: Issuer, moto: Moto) -> Iterator[Shop]:
    pool, tokens = sign_in(moto)
    keys = here / "keys"
    keys.mkdir()
    server(ROOT).files(keys, "server")
    (keys / "ca.pem").write_text(ROOT.pem)
    (here / "shop_api.json").write_text(json.dumps(definition(pool)))
    (here / "secured_handlers.py").write_text(HANDLERS)
    (here / "users.json").write_text(json.dumps(USERS))
    config = {
        "apis": {"shop": {"definition": "shop_api.json"}},
        "server": {"tls": {"cert": "keys/server.pem", "key": "keys/server.key", "client_ca": "keys/ca.pem"}},
        "policies": [{"mtls": {"truststore": "keys/ca.pem"}}],
        "functions": {"by_token": "secured_handlers:by_token", "by_request": "secured_handlers:by_request"},
        "credentials": "users.json",
        "issuers": {pool: f"{moto.url}/{pool.rpartition('/')[2]}"},
        "authorizers": {
            "bearer": {"jwt": {"issuer": oidc.url, "audience": [JWT_RESOURCE]}},
            "opaque": {
                "introspection": {
                    "endpoint": f"{oidc.url}/token/introspection", "client_id": "gateway",
                    "client_secret": oidc.secret,
                }
            },
        },
        "keys": {"till": API_KEY},
    }  # fmt: skip
    (here / "gateway.yaml").write_text(json.dumps(config))
    running = serve("gateway.yaml")
    context = ssl.create_default_context(cadata=ROOT.pem)
    context.load_cert_chain(*CLIENT.files(keys, "client"))
    with httpx2.Client(trust_env=False, verify=context) as client:
        yield Shop(running, client, keys, oidc, tokens)


def test_every_way_in(shop: Shop) -> None:
    """One start of the peers and the server: what each kind of credential opens, and what it does not."""

    # the resource policy alone
    assert shop.get("/open") == (200, {"who": "anybody", "cert": DN})
    status, denied = shop.get("/closed")
    assert (status, "User: anonymous is not authorized to perform: execute-api:Invoke" in denied["Message"]) == (
        403,
        True,
    )
    assert shop.get("/open", user_agent="forbidden")[0] == 403

    # AWS signatures, by botocore: in headers, and in the address
    signed = shop.signed("/iam/7?b=2&a=1")
    answer = shop.client.get(signed.url, headers=dict(signed.headers))
    assert (answer.status_code, answer.json()["who"]) == (200, "arn:aws:iam::123456789012:user/alice")
    presigned = shop.signed("/iam/7", query=True)
    assert shop.client.get(presigned.url).status_code == 200
    assert shop.client.get(presigned.url.replace("/iam/7", "/iam/9")).status_code == 403
    wrong = shop.signed("/iam/7", "another secret access key")
    answer = shop.client.get(wrong.url, headers=dict(wrong.headers))
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    own_policy = shop.signed("/iam/8")
    answer = shop.client.get(own_policy.url, headers=dict(own_policy.headers))
    assert (answer.status_code, "explicit deny" in answer.text) == (403, True)
    assert shop.get("/iam/7") == (403, {"message": "Missing Authentication Token"})

    # Lambda authorizers
    assert shop.get("/token", authorization="tok-ann") == (200, {"who": "tok-ann", "cert": DN})
    assert [shop.get("/token", authorization=f"tok-{who}")[0] for who in ("nobody", "broken", "denied", "7")] == [
        401, 500, 403, 401,
    ]  # fmt: skip
    assert shop.get("/token") == (401, {"message": "Unauthorized"})
    assert shop.get("/request?room=12", x_who="ann") == (200, {"who": "ann@12", "cert": DN})
    assert shop.get("/request", x_who="ann")[0] == 401

    # a Cognito user pool
    assert shop.get("/member", authorization=shop.tokens["id"]) == (200, {"who": "ann", "cert": DN})
    assert shop.get("/member", authorization=shop.tokens["access"])[0] == 401
    assert shop.get("/scoped", authorization=shop.tokens["access"])[0] == 200
    assert shop.get("/scoped", authorization=shop.tokens["id"])[0] == 401

    # an OpenID provider: a token that is verified here, and one that only introspection tells about
    bearer = shop.issuer.token(JWT_RESOURCE)
    assert shop.get("/jwt", authorization=f"Bearer {bearer}") == (200, {"who": "acme", "cert": DN})
    assert shop.get("/jwt", authorization=f"Bearer {bearer[:-8]}AAAAAAAA")[0] == 401
    opaque = shop.issuer.token(OPAQUE_RESOURCE)
    assert shop.get("/opaque", authorization=f"Bearer {opaque}")[0] == 200
    assert shop.get("/opaque", authorization=f"Bearer {opaque}x")[0] == 401
    assert shop.get("/jwt", authorization=f"Bearer {opaque}")[0] == 401

    # an API key
    assert shop.get("/keyed", x_api_key=API_KEY) == (200, {"who": "till", "cert": DN})
    assert shop.get("/keyed", x_api_key=API_KEY + "x") == (403, {"message": "Forbidden"})

    # client certificates, with curl
    assert curl(shop, *CLIENT.files(shop.keys, "curl")) == "200"
    assert curl(shop, *STRANGER.files(shop.keys, "stranger")) == "000"
    assert curl(shop, *EXPIRED.files(shop.keys, "expired")) == "000"
    assert curl(shop) == "000"


STRANGER = issue("C=US,O=Shop,CN=till 1", issue("CN=root", ca=True))
EXPIRED = issue(
    "C=US,O=Shop,CN=till 1", ROOT, begins=NOW.replace(year=NOW.year - 2), ends=NOW.replace(year=NOW.year - 1)
)


def curl(shop: Shop, certificate: Path | None = None, key: Path | None = None) -> str:
    """The status that curl gets, 000 where it has no connection."""
    own = ["--cert", str(certificate), "--key", str(key)] if certificate else []
    command = ["curl", "-s", "-o", "-", "-w", "%{http_code}", "--cacert", str(shop.keys / "ca.pem"), *own]
    done = subprocess.run([*command, shop.url("/open")], capture_output=True, text=True, check=False)
    return done.stdout[-3:]
