"""uvicorn's wsproto protocol, with the TLS of the connection in the scope, and an answer to what is no handshake."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from gatewaykit.server.limits import BAD_HANDSHAKE
from gatewaykit.server.tls import tls_extension

if TYPE_CHECKING:
    import asyncio

__all__ = ["TlsWSProtocol"]


class TlsWSProtocol(WSProtocol):
    """`scope["extensions"]["tls"]` is there for a `wss` connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._tls = tls_extension(transport)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except ValueError:  # a field of the handshake is no text. Its connection would never be let go of
            if self.handshake_complete:
                raise
            self.transport.write(BAD_HANDSHAKE)
            self.transport.close()

    def run_asgi(self) -> Coroutine[Any, Any, None]:
        if self._tls is not None:
            cast(Any, self.scope)["extensions"]["tls"] = self._tls
        return super().run_asgi()
