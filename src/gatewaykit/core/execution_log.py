"""The execution log of one request, in the lines and order of API Gateway's test-invoke (row 138; reference 05 §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.core.http import HeaderList, Request, Response

__all__ = ["execution_log", "java_map", "last_four", "masked"]

_SECRET = frozenset((b"authorization", b"x-api-key", b"cookie", b"proxy-authorization", b"x-amz-security-token"))
_BEFORE = frozenset(("policy", "credential", "authorization", "authorizer", "usage_plan"))
"""Phases that are over when the execution starts; API Gateway's log has only lines of the last."""

_EVENT_BYTES = 1024  # of a log event; what is over is cut (reference 01 section 2)


def execution_log(
    request: Request, response: Response, *, api_key_required: bool, wall_s: float, max_bytes: int = _EVENT_BYTES
) -> list[str]:
    """The lines. Header values that are secrets are masked; `request.events` gives the phases between."""
    stamp = datetime.fromtimestamp(wall_s, timezone.utc).strftime("%a %b %d %H:%M:%S UTC %Y")
    lines: list[str] = [f"Extended Request Id: {request.extended_id}"]
    policies = [text for phase, text in request.events or () if phase == "policy"]
    if request.resource:
        lines += [f"Policy {text.removesuffix(': ')}" for text in policies]
        lines += [text for phase, text in request.events or () if phase == "authorizer"]
        key = last_four(request.header("x-api-key")) if api_key_required else ""
        lines.append(f"Verifying Usage Plan for request: {request.id}. API Key: {key} API Stage: {request.stage}")
        if not api_key_required:
            lines.append(
                f"API Key  authorized because method '{request.method} {request.resource}' does not require API Key. "
                "Request will not contribute to throttle or quota limits"
            )
        lines += [text for phase, text in request.events or () if phase == "usage_plan"]
        lines += [
            f"Starting execution for request: {request.id}",
            f"HTTP Method: {request.method}, Resource Path: {request.resource}",
            f"Method request path: {java_map(request.path_parameters)}",
            f"Method request query string: {java_map({name: values[-1] for name, values in request.query.items()})}",
            f"Method request headers: {java_map(masked(request.header_list))}",
            f"Method request body before transformations: {_text(request.body)}",
        ]
    lines += [text for phase, text in request.events or () if phase not in _BEFORE]
    refusal = request.refusal
    if refusal is not None:
        what = "configuration error: " if refusal.reason.status >= 500 else ""
        lines.append(f"Execution failed due to {what}{refusal.detail or refusal.reason.text}")
    body = response.body if isinstance(response.body, bytes) else None
    lines.append(f"Method response body after transformations: {_text(body)}")
    lines.append(f"Method response headers: {java_map(masked(response.headers))}")
    if refusal is None:
        lines.append("Successfully completed execution")
    lines.append(f"Method completed with status: {response.status}")
    return [f"Execution log for request {request.id}", *(f"{stamp} : {_cut(line, max_bytes)}" for line in lines)]


def java_map(values: Mapping[str, str]) -> str:
    """A map as Java prints one: `{a=1, b=2}`."""
    return "{" + ", ".join(f"{name}={value}" for name, value in values.items()) + "}"


def masked(headers: HeaderList | Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields as text, the last value of each, secrets masked but for their last four characters."""
    shown = {}
    for name, value in headers:
        text = value.decode("latin-1")
        shown[name.decode("latin-1")] = last_four(text) if name.lower() in _SECRET else text
    return shown


def last_four(secret: str | None) -> str:
    """A secret as a log may show it."""
    if not secret:
        return ""
    return "*" * max(len(secret) - 4, 8) + (secret[-4:] if len(secret) > 8 else "")


def _text(body: bytes | None) -> str:
    return "" if body is None else body.decode("utf-8", "replace")


def _cut(line: str, most: int) -> str:
    line = line.replace("\r", "\\r").replace("\n", "\\n")
    return line if len(line) <= most else line[:most] + " [TRUNCATED]"
