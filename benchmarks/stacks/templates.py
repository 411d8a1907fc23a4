"""Three mapping templates, and what they are rendered with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.stacks import mappings_by_hand as by_hand
from gatewaykit.core.payload.headers import readable_headers
from gatewaykit.core.template_variables import Params

__all__ = [
    "HEADERS",
    "PATH",
    "QUERY",
    "STAGE_VARIABLES",
    "SUBJECTS",
    "Subject",
    "branches",
    "fresh_context",
    "long_text",
]

PATH: Final = {"id": "42"}
QUERY: Final = {"expand": "lines", "page": "2"}
HEADERS: Final = readable_headers(
    [
        (b"Accept", b"application/json"), (b"Content-Type", b"application/json"), (b"Host", b"api.shop.example"),
        (b"User-Agent", b"shop-client/2.1 (+https://shop.example)"), (b"X-Forwarded-For", b"192.0.2.44"),
        (b"X-Request-Note", b'"urgent"'),
    ]
)  # fmt: skip
STAGE_VARIABLES: Final = {"backend": "orders.internal", "tier": "gold"}

_IDENTITY: Final = {
    "cognitoIdentityPoolId": None, "accountId": None, "cognitoIdentityId": None, "caller": None,
    "sourceIp": "192.0.2.44", "principalOrgId": None, "accessKey": None, "cognitoAuthenticationType": None,
    "cognitoAuthenticationProvider": None, "userArn": None, "userAgent": "shop-client/2.1", "user": None,
}  # fmt: skip
_CONTEXT: Final = {
    "resourceId": "k3x9v1", "resourcePath": "/orders/{id}", "httpMethod": "POST",
    "extendedRequestId": "JKJaXmPLvHcESHA=", "requestTime": "01/Mar/2026:12:00:00 +0000", "path": "/prod/orders/42",
    "accountId": "123456789012",
    "protocol": "HTTP/1.1", "stage": "prod", "domainPrefix": "api", "requestTimeEpoch": 1772366400000,
    "requestId": "9d1c7e0a-6b7d-4f5e-8a55-0f3d2f6c1a11", "domainName": "api.shop.example", "deploymentId": "dep001",
    "apiId": "a1b2c3d4e5",
}  # fmt: skip


def fresh_context() -> dict[str, Any]:
    """`$context` of one request: a template may write into it."""
    return {**_CONTEXT, "identity": {**_IDENTITY}}


ByHand = Callable[[str, Params, Mapping[str, Any], Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class Subject:
    """One template: `by_hand` gives the same bytes for any request, and `trusting` for bodies like this one."""

    name: str
    template: str
    body: str
    by_hand: ByHand
    trusting: ByHand
    of_airspeed: float


# ---------------------------------------------------------------------------------------------- a small body mapping

_SMALL: Final = """#set($user = $input.path('$.user'))
{
  "id": "$input.params('id')",
  "name": "$user.name",
  "email": "$user.contact.email",
  "age": $user.age,
  "stage": "$context.stage"
}"""
_SMALL_BODY: Final = '{"user": {"name": "Ada Lovelace", "age": 36, "contact": {"email": "ada@engine.example"}}}'


# ------------------------------------------------------------------------------------------------ a loop over 100 items

_LOOP: Final = """#set($order = $input.path('$'))
{
  "customer": "$order.customer",
  "count": $order.lines.size(),
  "items": [
#foreach($item in $order.lines)
    {"sku": "$item.sku", "count": $item.quantity, "price": $item.price, "text": "$item.name"}#if($foreach.hasNext),#end

#end
  ]
}"""
_LOOP_BODY: Final = json.dumps(
    {
        "customer": "ada@engine.example",
        "lines": [
            {"sku": f"ABC-{1000 + n}", "quantity": 1 + n % 9, "price": 9.75 + n, "name": f"p{n}"} for n in range(100)
        ],
    }
)


# ------------------------------------------------------------------------- everything there is, as the console has it

_PASSTHROUGH: Final = """#set($allParams = $input.params())
{
"body-json" : $input.json('$'),
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
},
"stage-variables" : {
#foreach($key in $stageVariables.keySet())
"$key" : "$util.escapeJavaScript($stageVariables.get($key))"
    #if($foreach.hasNext),#end
#end
},
"context" : {
    "account-id" : "$context.identity.accountId",
    "api-id" : "$context.apiId",
    "api-key" : "$context.identity.apiKey",
    "authorizer-principal-id" : "$context.authorizer.principalId",
    "caller" : "$context.identity.caller",
    "cognito-authentication-provider" : "$context.identity.cognitoAuthenticationProvider",
    "cognito-authentication-type" : "$context.identity.cognitoAuthenticationType",
    "cognito-identity-id" : "$context.identity.cognitoIdentityId",
    "cognito-identity-pool-id" : "$context.identity.cognitoIdentityPoolId",
    "http-method" : "$context.httpMethod",
    "stage" : "$context.stage",
    "source-ip" : "$context.identity.sourceIp",
    "user" : "$context.identity.user",
    "user-agent" : "$context.identity.userAgent",
    "user-arn" : "$context.identity.userArn",
    "request-id" : "$context.requestId",
    "resource-id" : "$context.resourceId",
    "resource-path" : "$context.resourcePath"
    }
}
"""
_PASSTHROUGH_BODY: Final = '{"id": 417, "customer": {"name": "Ada"}, "lines": [{"sku": "ABC-1000", "quantity": 2}]}'


SUBJECTS: Final = (
    Subject("a small body mapping", _SMALL, _SMALL_BODY, by_hand.small, by_hand.trusting_small, 18),
    Subject("#foreach over 100 items", _LOOP, _LOOP_BODY, by_hand.loop, by_hand.trusting_loop, 14),
    Subject(
        "the console's passthrough",
        _PASSTHROUGH,
        _PASSTHROUGH_BODY,
        by_hand.passthrough,
        by_hand.trusting_passthrough,
        22,
    ),
)


# ------------------------------------------------------------------------------------------------------ what is large


def long_text(size: int) -> str:
    """A template of about `size` characters: conditions, assignments and references."""
    piece = (
        "#set($line = $input.path('$.lines[0]'))\n"
        '#if($line.quantity > 3 && $line.sku != "x")"$line.sku": $line.price,'
        '#else"$context.stage": {$line.quantity},#end\n'
    )
    return piece * (size // len(piece))


def branches(count: int) -> str:
    """A template of so many branches, of which `$context.stage` takes the one of its number."""
    first, *others = [f'($context.stage == "{number}")branch {number}\n' for number in range(count)]
    return "#if" + first + "".join(f"#elseif{other}" for other in others) + "#end"
