"""`idempotency` as settings: in `gateway.yaml`, and under `x-gatewaykit` in a definition."""

from __future__ import annotations

from dataclasses import dataclass

from gatewaykit.deploy.counting import CountedBy
from gatewaykit.deploy.settings import Duration, setting

__all__ = ["IdempotencySettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencySettings:
    methods: tuple[str, ...] = setting("The methods it applies to", ("POST", "PATCH"))
    required: bool = setting("Refuse requests without a key", False)
    keep: Duration = setting("How long an answer is kept", "24h")
    hold: Duration = setting(
        "How long a key is held whose outcome nobody knows; longer than a request ever takes", "60s"
    )
    header: str = setting("The header that carries the key", "Idempotency-Key")
    keep_errors: bool = setting("Keep 5xx answers of the back end too", False)
    max_answer_bytes: int = setting("The largest answer that is kept, with its head", 262144)
    caller: CountedBy = setting("Whose a key is: address, api_key, identity, header:NAME or claim:NAME", None)
    kept_in: str = setting(
        "Where keys are kept: memory://, sqlite:///keys.db or redis://…; that of the limits if empty", ""
    )
