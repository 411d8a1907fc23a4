"""`lambda_authorizer` as it is written in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from gatewaykit.deploy.callables import load_callable
from gatewaykit.deploy.settings import Duration, Raw, Scalar, setting

__all__ = ["LambdaAuthorizerSettings"]


def _function(text: object) -> Callable[..., Any] | str:
    """A Python function, as `module:callable`; else the name or the ARN of a function at an endpoint."""
    named = isinstance(text, str) and text and (":" not in text or text.startswith("arn:"))
    return text if named else load_callable(text)  # type: ignore[return-value]  # a text, as just seen


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaAuthorizerSettings:
    function: Annotated[Any, Scalar(_function, {"type": "string", "minLength": 1})] = setting(
        "Your function, as module:callable; or the name of a Lambda function that is called at the endpoint"
    )
    endpoint: str = setting(
        "Where the Lambda API is, such as http://127.0.0.1:3001, for a function that is not here", ""
    )
    type: Literal["REQUEST", "TOKEN"] = setting("What the function is shown: the request, or one token", "REQUEST")
    identity_source: tuple[str, ...] = setting("What of a request tells callers apart: method.request.header.X, …", ())
    validation_expression: str | None = setting("A regular expression that a token has to match", None)
    ttl_s: Duration = setting("How long an answer is kept; 300 seconds in REST APIs with identity sources", None)
    payload_format: Literal["1.0", "2.0"] = setting("The format of events and answers; 2.0 is for HTTP APIs", "1.0")
    simple_responses: bool = setting("The function answers isAuthorized, not a policy (format 2.0)", False)
    timeout_s: Duration = setting("How long the function may take", 10.0)
    resource_policy: Annotated[Any, Raw("policy_document")] = setting("The API's resource policy", None)
    api: Literal["REST", "HTTP", "WEBSOCKET"] = setting("Whose rules hold", "REST")
    name: str = setting("A name that tells this authorizer from others in logs", "")
