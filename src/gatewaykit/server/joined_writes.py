"""A transport that puts the head of a response and the body behind it into one write.

uvicorn writes the two apart, and each write is a system call: a fifth of the processor time of a small response. Here a
small write waits for the one after it, or for the event loop's next turn, whichever comes first, so that nothing that
an app has sent ever waits for what it has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

__all__ = ["JoinedWrites"]

_SMALL_BYTES: Final = 32 * 1024  # beyond, joining copies more than a system call costs


class JoinedWrites:
    """The transport behind it in everything but when it writes."""

    __slots__ = ("_call_soon", "_held", "_transport", "_write", "get_extra_info", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._write, self._call_soon = transport, transport.write, loop.call_soon
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self._held = b""

    def write(self, data: bytes) -> None:
        if held := self._held:
            self._held = b""
            if len(data) > _SMALL_BYTES:
                self._write(held)
                self._write(data)
            else:
                self._write(held + data)
        elif data and len(data) <= _SMALL_BYTES:
            self._held = data
            self._call_soon(self._flush)
        else:
            self._write(data)

    def _flush(self) -> None:
        if held := self._held:
            self._held = b""
            if not self.is_closing():  # the client may have left meanwhile
                self._write(held)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
