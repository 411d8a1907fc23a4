"""The trusted-proxy setting as the first step of a chain: one address and one scheme, for every policy behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatewaykit.core.client_address import compile_client_address, compile_client_scheme
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["ClientAddress"]


class ClientAddress(Policy):
    """Writes `request.address` and `request.scheme`.

    Raises ConfigError for an entry that is no address, network or `"unix"`.
    """

    name = phase = "client_address"

    def __init__(self, trusted: Sequence[str]) -> None:
        if isinstance(trusted, str):
            raise ConfigError(Problem(where="trusted_proxies", what=f"is text, {trusted!r}", mend="Write a list."))
        try:
            address_of, scheme_of = compile_client_address(trusted), compile_client_scheme(trusted)
        except ValueError as error:
            raise ConfigError(
                Problem(where="trusted_proxies", what=str(error), mend="Write addresses, networks, or 'unix'.")
            ) from None

        def on_request(request: Request) -> Request:
            request.address = address_of(request)
            request.scheme = scheme_of(request)
            return request

        self.on_request = on_request
