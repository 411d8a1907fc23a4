"""`address_filter(...)`: who may come in at all, by the client's address.

The meaning is that of AWS WAF's IP sets, and so is the answer (gateway response WAF_FILTERED).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gatewaykit.core.address_list import AddressList, compile_addresses
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Runtime

__all__ = ["AddressFilter", "address_filter"]

_REMEMBERED: Final = 4096  # addresses whose verdict is kept; an address comes with many requests


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFilter(Policy):
    """Lists of addresses; made by `address_filter`."""

    phase = "address"

    allow: AddressList | None
    deny: AddressList | None

    def bind(self, runtime: Runtime) -> Policy:
        verdict = lru_cache(_REMEMBERED)(_verdict(self.allow, self.deny))

        def on_request(request: Request) -> Request | Refusal:
            detail = verdict(request.address)
            return Refusal(Reason.ADDRESS_DENIED, detail) if detail else request

        return Bound("address_filter", on_request=on_request)


def address_filter(*, allow: Iterable[str] | None = None, deny: Iterable[str] | None = None) -> AddressFilter:
    """Let in the addresses and networks of `allow` only, and none of those in `deny`, which wins.

    Entries are such as `"192.0.2.7"`, `"10.0.0.0/8"` or `"2001:db8::/32"`. The client's address is found by the
    trusted-proxy rule. A client whose address is not known is refused where there is an `allow`. A refusal is a 403.

    >>> from gatewaykit import address_filter
    >>> office = address_filter(allow=["203.0.113.0/24", "2001:db8::/32"], deny=["203.0.113.66"])
    """
    problems: list[Problem] = []
    lists: dict[str, AddressList | None] = {"allow": None, "deny": None}
    for name, given in (("allow", allow), ("deny", deny)):
        where = f"address_filter.{name}"
        if isinstance(given, str) or (given is not None and not isinstance(given, Iterable)):
            problems.append(Problem(where=where, what=f"is {given!r:.80}", mend="Write a list"))
        elif given is not None:
            found = compile_addresses(given, where)
            if isinstance(found, AddressList):
                lists[name] = found
            else:
                problems += found
    if allow is None and deny is None:
        mend = "Give allow=[…], deny=[…], or both"
        problems.append(Problem(where="address_filter", what="neither allow nor deny", mend=mend))
    if problems:
        raise ConfigError(problems)
    return AddressFilter(**lists)


def _verdict(allow: AddressList | None, deny: AddressList | None) -> Callable[[str], str]:
    """Why an address is refused; "" where it is not."""

    def verdict(address: str) -> str:
        shown = address if len(address) < 60 and address.isprintable() else "the client's address"
        if deny is not None and (entry := deny.find(address)):
            return f"{shown} is on the deny list ({entry})"
        if allow is not None and not allow.find(address):
            return f"{shown} is not on the allow list" if address else "the client's address is not known"
        return ""

    return verdict
