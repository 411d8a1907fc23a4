"""`preauth_throttle(...)`: an address that only fails to prove who it is does not get to try for ever.

API Gateway leaves this to WAF's rate-based rules. Here a token is taken before anybody is asked who the caller is, and
given back when that went well: who authenticates never uses the bucket up, however many share an address, and an
address without tokens is stopped before any authorizer hears of it. Docs: decision 0009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.budgets import Budgets
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.throttle import Bucket
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies import by
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy
from gatewaykit.units import parse_rate

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Head, Request
    from gatewaykit.ports import Runtime

__all__ = ["BURST", "RATE", "PreauthThrottle", "guarded", "preauth_setting", "preauth_throttle"]

RATE: Final = 20.0
BURST: Final = 200
"""An office behind one address whose tokens all expire at once gets through; a flood is twenty calls a second."""

_NOBODY: Final = "an unknown address"
_STOPPED: Final[dict[str, Any]] = {}  # the facts of this policy's own refusals, by which it knows them again


@dataclass(frozen=True, slots=True, kw_only=True)
class PreauthThrottle(Policy):
    """A bucket of failures for each address; made by `preauth_throttle`. One object is one limit, wherever it stands.

    The buckets are this process's own: a question to a store over the network for each anonymous request would only
    turn the flood on the store.
    """

    phase = "preauth"

    rate: float
    burst: int
    budgets: dict[Clock, Budgets] = field(default_factory=dict, repr=False, compare=False)

    def bind(self, runtime: Runtime) -> _Gate:
        budgets = self.budgets.setdefault(runtime.clock, Budgets(Bucket(self.rate, self.burst)))
        return _Gate(self, budgets, runtime)


def preauth_throttle(*, rate: str | float = RATE, burst: int = BURST) -> PreauthThrottle:
    """Let each address fail to authenticate `rate` times a second, and `burst` times at once.

    What counts is a request that an authenticating policy behind this one did not let through, whatever the reason.
    Where no policy authenticates, the app does: then a response of 401 or 403 counts. Addresses are found by the
    trusted-proxy rule; IPv6 addresses count by their /64. A refusal is a 429, with Retry-After under the web profile.

    >>> from gatewaykit import preauth_throttle
    >>> strict = preauth_throttle(rate="10/minute", burst=20)
    """
    problems = []
    per_second = 0.0
    try:
        per_second = parse_rate(rate)
        if not per_second:
            what = "a rate of 0 forgives nothing: an address would be shut out for good"
            problems.append(Problem(where="preauth_throttle.rate", what=what))
    except ValueError as error:
        problems.append(Problem(where="preauth_throttle.rate", what=str(error)))
    if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
        problems.append(Problem(where="preauth_throttle.burst", what=f"is {burst!r:.50}, not a number of 1 or more"))
    if problems:
        raise ConfigError(problems)
    return PreauthThrottle(rate=per_second, burst=burst)


def preauth_setting(setting: PreauthThrottle | bool | None, profile: str) -> PreauthThrottle | None:
    """What a door's `preauth_throttle=` means: None is on under the web profile. Raises ConfigError."""
    if isinstance(setting, PreauthThrottle):
        return setting
    if setting is not None and not isinstance(setting, bool):
        mend = "Write True, False, or preauth_throttle(rate=…, burst=…)"
        raise ConfigError(Problem(where="preauth_throttle", what=f"is {setting!r:.80}", mend=mend))
    return preauth_throttle() if (profile == "web" if setting is None else setting) else None


def guarded(policies: Sequence[Policy], default: Policy | None) -> list[Policy]:
    """The policies of a chain with what this policy needs: a gate, and the place behind which a caller is known.

    A chain that authenticates and has no gate of its own gets `default`, just before the first policy that does.
    """
    listed = [*policies]
    authenticating = [policy for policy in listed if policy.phase == "authenticate"]
    if default is not None and authenticating and not any(isinstance(policy, _Gate) for policy in listed):
        listed.insert(listed.index(authenticating[0]), default)
    for gate in [policy for policy in listed if isinstance(policy, _Gate)]:
        at = listed.index(gate)
        last = listed.index(authenticating[-1]) if authenticating else -1
        if at < last:
            listed.insert(last + 1, gate.passed)
        else:
            listed[at] = gate.by_status
    return listed


class _Gate(Bound):
    """The bound policy. `passed` stands behind the authenticating policies; `by_status` where there are none."""

    phase = "preauth"

    def __init__(self, config: PreauthThrottle, budgets: Budgets, runtime: Runtime) -> None:
        monotonic, look_only = runtime.clock.monotonic, runtime.look_only
        take = budgets.wait_s if look_only else budgets.take

        def on_request(request: Request) -> Request | Refusal:
            key = by.address(request) or _NOBODY
            wait_s = take(key, monotonic())
            return request if not wait_s else _refusal(key, config, wait_s)

        def on_passed(request: Request) -> Request:
            if not look_only:
                budgets.give_back(by.address(request) or _NOBODY, monotonic())
            return request

        def on_head(request: Request, head: Head) -> None:
            stopped_here = request.refusal is not None and request.refusal.facts is _STOPPED
            if head.status not in (401, 403) and not stopped_here:
                on_passed(request)

        super().__init__("preauth_throttle", on_request=on_request)
        self.passed = Bound("preauth_throttle", on_request=on_passed)
        self.by_status = Bound("preauth_throttle", on_request=on_request, on_head=on_head)
        self.passed.phase, self.by_status.phase = "preauth_passed", self.phase


def _refusal(key: str, config: PreauthThrottle, wait_s: float) -> Refusal:
    detail = (
        f"{key} failed to authenticate too often ({config.rate:.6g} a second, burst {config.burst}); next in "
        f"{wait_s:.3g} s. If it is a proxy of yours, name it in trusted_proxies"
    )
    retry_after = (b"retry-after", b"%d" % max(1, ceil(wait_s - 1e-6)))
    return Refusal(Reason.THROTTLED, detail, headers=(retry_after,), facts=_STOPPED)
