"""The two ids on every answer of a REST API: `x-amzn-RequestId` and `x-amz-apigw-id` (recorded row 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request

__all__ = ["Envelope"]

_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Ids(Protocol):
    """Where ids come from."""

    def pair(self) -> tuple[bytes, bytes]: ...


class Envelope(Policy):
    """Puts the ids on the response. A client may choose the request id, if it is a UUID (reference 01 section 5)."""

    name = phase = "envelope"

    def __init__(self, ids: Ids) -> None:
        new_ids = ids.pair

        def on_request(request: Request) -> Request:
            chosen = request.headers.get(b"x-amzn-requestid")
            id, extended_id = new_ids()
            request.id = (id if chosen is None or not _UUID.fullmatch(chosen) else chosen).decode()
            request.extended_id = extended_id.decode()
            return request

        self.on_request = on_request

    def on_head(self, request: Request, head: Head) -> None:
        head.headers += (
            (b"x-amzn-requestid", request.id.encode()),
            (b"x-amz-apigw-id", request.extended_id.encode()),
        )
        if request.trace_id:
            head.headers.append((b"x-amzn-trace-id", request.trace_id.encode("latin-1", "replace")))
