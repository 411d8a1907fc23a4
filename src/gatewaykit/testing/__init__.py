"""The public test kit: try policies and gateways in process, with no server, no network and no sleeping.

Names load on first use, so that a test run pays only for what it imports.
"""

_HOME = {
    "VirtualClock": "clock",
    "make_request": "gateway.requests",
    "Client": "testing.client", "Exchange": "testing.client", "Result": "testing.client",
    "AsgiViolation": "testing.messages",
    "WebSocket": "testing.websocket",
    "decide": "testing.deciding", "decider": "testing.deciding",
    "CacheStoreContract": "testing.cache_store_contract",
    "IdempotencyStoreContract": "testing.idempotency_store_contract",
    "KeyStoreContract": "testing.key_store_contract", "PolicyContract": "testing.policy_contract",
    "ThrottleStoreContract": "testing.store_contract", "presign": "testing.signing", "sign": "testing.signing",
    "UsageStoreContract": "testing.usage_store_contract",
    "Hold": "upstream.scripted", "Reply": "upstream.scripted", "ScriptedTransport": "upstream.scripted",
}  # fmt: skip

__all__ = [*_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gatewaykit.testing' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"gatewaykit.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
