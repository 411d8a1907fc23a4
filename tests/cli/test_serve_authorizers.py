"""`gatewaykit serve` with the ready-made authorizers: a real issuer, a service that decides, signed assertions."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Serve
from tests.peers.identity_provider import API, ISSUER, assertion, deflated, provider
from tests.peers.oidc import OPAQUE_RESOURCE, Issuer, oidc, oidc_program

__all__ = ["oidc", "oidc_program"]

DECIDES = """\
openapi: 3.0.1
info: {title: who, version: "1"}
paths:
  /check:
    get:
      responses:
        "200": {description: "", headers: {X-User: {schema: {type: string}}}}
        "401": {description: "", headers: {WWW-Authenticate: {schema: {type: string}}}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates:
          application/json: >-
            #if($input.params('cookie') == 's=1') {"statusCode": 200} #else {"statusCode": 401} #end
        responses:
          "200": {statusCode: "200", responseParameters: {method.response.header.X-User: "'ann'"}}
          "401": {statusCode: "401", responseParameters: {method.response.header.WWW-Authenticate: "'Cookie'"}}
"""


@pytest.mark.needs("node", "npm")
def test_each_authorizer_lets_in_whom_it_knows(serve: Serve, here: Path, oidc: Issuer) -> None:
    (here / "decides.yaml").write_text(DECIDES)
    decides = serve("decides.yaml", "--log", "off")
    now = datetime.datetime.now(datetime.timezone.utc)
    idp = provider("now", around=now.isoformat())
    mock = {
        "type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200"}},
    }  # fmt: skip
    paths = {
        path: {"get": {"responses": {}, "x-amazon-apigateway-integration": mock}}
        for path in ("/opaque", "/session", "/staff")
    }
    document = {"openapi": "3.0.1", "info": {"title": "shop", "version": "1"}, "paths": paths}
    (here / "api.json").write_text(json.dumps(document))
    asked = {"endpoint": f"{oidc.url}/token/introspection", "client_id": "gateway", "client_secret": oidc.secret}
    session = {"url": f"{decides.said['url']}/check", "principal": "X-User", "copy_headers": ["X-User"]}
    staff = {"audience": [API], "issuer": ISSUER, "idp_certificates": idp.pem}
    policies = [
        {"rule": "/opaque", "policies": [{"introspection": asked}]},
        {"rule": "/session", "policies": [{"forward_auth": session}]},
        {"rule": "/staff", "policies": [{"saml_bearer": staff}]},
    ]
    (here / "gateway.yaml").write_text(json.dumps({"apis": {"a": {"definition": "api.json", "policies": policies}}}))
    server = serve("gateway.yaml", "--log", "off")
    ends = f'NotOnOrAfter="{now + datetime.timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"'
    signed = f"SAML {deflated(idp.sign(assertion(conditions=ends, confirmation=ends)))}"
    good = {
        "/opaque": {"authorization": f"Bearer {oidc.token(OPAQUE_RESOURCE)}"},
        "/session": {"cookie": "s=1"},
        "/staff": {"authorization": signed},
    }

    statuses = {
        path: [server.get(path, headers=each).status_code for each in ({}, {"authorization": "Bearer x"}, headers)]
        for path, headers in good.items()
    }

    assert statuses == {path: [401, 401, 200] for path in good}
    assert server.get("/staff", headers=good["/staff"]).status_code == 401  # it was used
    assert server.get("/opaque", headers=good["/session"]).status_code == 401
    assert server.stop()[0] == 0
