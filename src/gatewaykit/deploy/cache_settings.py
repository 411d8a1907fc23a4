"""`edge_cache` and `stage_cache` as settings: in `gateway.yaml`, and under `x-gatewaykit` in a definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatewaykit.deploy.settings import Duration, setting

__all__ = ["EdgeCacheSettings", "StageCachePolicySettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCacheSettings:
    name: str = setting("A name that tells caches in one store apart", "edge")
    query: tuple[str, ...] | None = setting("The query parameters that count, and that go on; all where left out", None)
    headers: tuple[str, ...] = setting("Headers that count", ())
    cookies: tuple[str, ...] | None = setting("The cookies that count, and that go on; all go on where left out", None)
    min_ttl: Duration = setting("The least time a response is kept, whatever it says", 0)
    max_ttl: Duration = setting("The most", "365d")
    default_ttl: Duration = setting("For responses that do not say; a tenth of their age where left out", None)
    stale_while_revalidate: Duration = setting("How stale a response may be while it is fetched anew", 0)
    stale_if_error: Duration = setting("How stale a response may be while the back end fails", 0)
    keep_stale: Duration = setting("How long what can be validated is kept after it was fresh", "1h")
    max_object_bytes: int = setting("The largest body that is kept", 10485760)
    waiters: Literal["stream", "wait"] = setting("How those get a response that is being fetched", "stream")
    max_waiting: int = setting("How many may wait for one fetch", 10000)
    wait: Duration = setting("How long they wait for its head", "30s")
    obey_client: bool = setting("Let clients ask for fresh responses by Cache-Control", False)
    cache_status: bool = setting("Say in Cache-Status what the cache did", True)
    kept_in: str = setting("Where responses are kept: memory://?size=64MB or redis://…; where limits are if empty", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCachePolicySettings:
    ttl: Duration = setting("How long responses are kept, an hour at most", "300s")
    key: tuple[str, ...] = setting("Parameters that tell responses apart, as method.request.querystring.page", ())
    methods: tuple[str, ...] = setting("The methods whose responses are kept", ("GET",))
    namespace: str = setting("Methods of one namespace share entries", "")
    encryption_key: str | None = setting("Keep entries encrypted: 16, 24 or 32 bytes in base64", None)
    require_authorization: bool = setting("Let only callers with execute-api:InvalidateCache ask for new ones", True)
    unauthorized: Literal["FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"] = setting(
        "What becomes of the others that ask for one", "SUCCEED_WITH_RESPONSE_HEADER"
    )
    name: str = setting("A name that tells caches in one store apart", "stage")
    kept_in: str = setting("Where responses are kept: memory://?size=64MB or redis://…; where limits are if empty", "")
