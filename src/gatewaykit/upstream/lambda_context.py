"""The second argument of a handler, with the names that Lambda's Python runtime gives it.

Lambda developer guide, "Using the Lambda context object to retrieve Python function information".
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from gatewaykit.core.context import ApiFacts

__all__ = ["CognitoIdentity", "LambdaContext", "lambda_context", "log_stream"]


@dataclass(kw_only=True)
class CognitoIdentity:
    """Who called, where an app of the mobile SDK did. Through API Gateway nobody is named here, but it is there."""

    cognito_identity_id: None = None
    cognito_identity_pool_id: None = None


@dataclass(kw_only=True)
class LambdaContext:
    """One call as its handler sees it. Without slots: frameworks put attributes of their own on it."""

    function_name: str
    aws_request_id: str
    invoked_function_arn: str
    deadline_s: float
    monotonic: Callable[[], float]
    function_version: str = "$LATEST"
    memory_limit_in_mb: str = "128"
    log_group_name: str = ""
    log_stream_name: str = ""
    identity: CognitoIdentity = field(default_factory=CognitoIdentity)
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """How long the integration still waits for this call."""
        return max(0, round((self.deadline_s - self.monotonic()) * 1000))

    def log(self, message: Any) -> None:
        """Write to where the function's own `print` goes."""
        sys.stdout.write(f"{message}\n")


def lambda_context(
    name: str,
    qualifier: str,
    request_id: str,
    facts: ApiFacts,
    monotonic: Callable[[], float],
    timeout_s: float,
    log_stream_name: str = "",
) -> LambdaContext:
    """The context of one call that has to end within `timeout_s`."""
    arn = f"arn:aws:lambda:{facts.region}:{facts.account_id}:function:{name}" + (f":{qualifier}" if qualifier else "")
    return LambdaContext(
        function_name=name,
        aws_request_id=request_id,
        invoked_function_arn=arn,
        deadline_s=monotonic() + timeout_s,
        monotonic=monotonic,
        function_version=_version(qualifier),
        log_group_name=f"/aws/lambda/{name}",
        log_stream_name=log_stream_name,
    )


def log_stream(name: str, qualifier: str, started_s: float) -> str:
    """A log stream's name: the day it began, the version, and an id. Lambda has one for each of its sandboxes."""
    day = time.strftime("%Y/%m/%d", time.gmtime(started_s))
    return f"{day}/[{_version(qualifier)}]{sha256(name.encode()).hexdigest()[:32]}"


def _version(qualifier: str) -> str:
    """An alias stands for a version that nobody here knows."""
    return qualifier if qualifier.isdecimal() else "$LATEST"
