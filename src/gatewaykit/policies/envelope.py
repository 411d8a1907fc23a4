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
            request.ids = ids = new_ids()
            request._id = request._extended_id = None  # derived from these where somebody asks
            chosen = request.headers.get(b"x-amzn-requestid")
            if chosen is not None and _UUID.fullmatch(chosen):
                request.ids = chosen, ids[1]
            return request

        self.on_request = on_request

    def on_head(self, request: Request, head: Head) -> None:
        id, extended_id = request.ids or (request.id.encode(), request.extended_id.encode())
        head.headers += ((b"x-amzn-requestid", id), (b"x-amz-apigw-id", extended_id))
        if request.trace_id:
            head.headers.append((b"x-amzn-trace-id", request.trace_id.encode("latin-1", "replace")))
