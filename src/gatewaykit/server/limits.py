"""What one connection may take before a request has come whole, and its response has gone."""

from __future__ import annotations

import string
from typing import Final

__all__ = [
    "BACKLOG", "BAD_HANDSHAKE", "BODY_TIMEOUT_S", "GRACE_S", "HEAD_TIMEOUT_S", "MAX_HEAD_BYTES", "OF_A_HOST",
    "SEND_TIMEOUT_S", "TOO_LARGE",
]  # fmt: skip

MAX_HEAD_BYTES: Final = 64 * 1024  # API Gateway takes 10 240 bytes; nginx 32 KiB, h11 64 KiB
HEAD_TIMEOUT_S: Final = 60.0  # nginx's client_header_timeout
BODY_TIMEOUT_S: Final = 60.0  # between two pieces of a body: nginx's client_body_timeout
SEND_TIMEOUT_S: Final = 60.0  # for a client to take more of a response: nginx's send_timeout
GRACE_S: Final = 30  # an integration may take 29 s, and its request should finish when the server stops
BACKLOG: Final = 2048
OF_A_HOST: Final = (
    string.ascii_letters.encode() + b"0123456789-._~!$&'()*+,;=%:[]"
)  # RFC 3986 section 3.2.2, and a port
BAD_HANDSHAKE: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
