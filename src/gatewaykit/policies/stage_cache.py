"""`stage_cache(...)`: the cache of an API Gateway stage.

Developer guide, "Cache settings for REST APIs". What counts and what is kept is in `core.caching.stage`.

Under the aws profile the key is what AWS makes it: who asks for the same declared parameters gets the same response,
whoever it is. `gatewaykit check` says where that can mix callers.

Under the web profile it is safe by construction:
* The path and the whole query are in the key, besides the declared parameters.
* What is behind may look at all that goes on to it. So a response to a request with Authorization, a cookie, an API
  key, a client certificate or an identity that is not in the key is kept only if it says that it is `public`; one that
  says no-store or private, sets a cookie, or varies by a header that is not in the key is never kept.
* A request with a header by which frameworks take another host, path or method for asked passes by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gatewaykit.core.caching.stage import (
    DEFAULT_TTL_S,
    MOST_TTL_S,
    STRATEGIES,
    Part,
    compile_part,
)
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.option_reading import Options
from gatewaykit.policies.sealed import Seal, seal_of
from gatewaykit.policies.stage_lookup import BoundStageCache
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.ports import CacheSpace, CacheStore, Runtime

__all__ = ["StageCache", "stage_cache"]

_VERBS: Final = ("shared", "space", "aclose")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCache(Policy):
    """A stage cache; made by `stage_cache`, or for a method of a definition."""

    phase = "stage_cache"

    name: str
    ttl_s: float
    methods: frozenset[str]
    parts: tuple[Part, ...]
    namespace: str
    seal: Seal | None
    require_authorization: bool
    strategy: str
    may_invalidate: Callable[[Request], bool] | None
    store: CacheStore | str
    needs_body: bool = False
    spaces: list[CacheSpace] = field(default_factory=list, compare=False, repr=False)

    def bind(self, runtime: Runtime) -> Policy:
        store = self.store
        if isinstance(store, str):
            if runtime.open_cache is None:
                raise ConfigError(Problem(where="stage_cache.kept_in", what="this runtime has no store of responses"))
            store = runtime.open_cache(store)
        space = store.space(f"stage:{self.name}")
        if space not in self.spaces:
            self.spaces.append(space)
        return BoundStageCache(self, store, space, runtime)

    async def flush(self) -> None:
        """Forget everything, as FlushStageCache does."""
        for space in self.spaces:
            if (flushed := space.flush()) is not None:
                await flushed


def stage_cache(
    *,
    ttl: str | float = DEFAULT_TTL_S,
    key: Sequence[str] = (),
    methods: Sequence[str] = ("GET",),
    namespace: str = "",
    encryption_key: bytes | str | None = None,
    require_authorization: bool = True,
    unauthorized: str = "SUCCEED_WITH_RESPONSE_HEADER",
    may_invalidate: Callable[[Request], bool] | None = None,
    name: str = "stage",
    kept_in: str | CacheStore = "",
) -> StageCache:
    """Keep responses for `ttl` (an hour at most), by the parameters of the request that `key` names.

    A parameter is `"method.request.querystring.page"`, `"method.request.header.Accept-Language"`,
    `"method.request.path.id"`, or `multivaluequerystring` and `multivalueheader` for all values. Methods that share a
    `namespace` share entries. Responses over 1 MiB, and others than 2xx, are not kept.

    A client that sends `Cache-Control: max-age=0` gets a new response where it may: where `may_invalidate` says so, or
    `iam` before this policy has found that the caller may `execute-api:InvalidateCache`; anybody, without
    `require_authorization`. What becomes of the others says `unauthorized`: FAIL_WITH_403,
    SUCCEED_WITH_RESPONSE_HEADER or SUCCEED_WITHOUT_RESPONSE_HEADER, with what is kept.

    With an `encryption_key` (16, 24 or 32 bytes, as such or in base64) entries are kept encrypted (AES-GCM). `kept_in`
    says where: `"memory://?size=64MB"`, `"redis://…"` or a `gatewaykit.ports.CacheStore`; empty, it is where limits are
    kept.

    >>> from gatewaykit import stage_cache
    >>> pages = stage_cache(ttl="60s", key=["method.request.querystring.page"])
    """
    options = Options("stage_cache")
    ttl_s = options.seconds("ttl", ttl)
    if ttl_s > MOST_TTL_S:
        options.problem("ttl", f"{ttl!r} is longer than {MOST_TTL_S} s", why="API Gateway keeps nothing for longer")
    parts = []
    for named in options.texts("key", key):
        if (part := compile_part(named)) is None:
            mend = "Write method.request.querystring.NAME, method.request.header.NAME or method.request.path.NAME"
            options.problem("key", f"{named!r:.80} is no parameter of a request", mend=mend)
        else:
            parts.append(part)
    named_methods = frozenset(method.upper() for method in options.texts("methods", methods))
    if not named_methods:
        options.problem("methods", "there are none")
    strategy = str(unauthorized).upper()
    if strategy not in STRATEGIES:
        options.problem("unauthorized", f"{unauthorized!r:.60} is none of {', '.join(STRATEGIES)}")
    if may_invalidate is not None and not callable(may_invalidate):
        options.problem("may_invalidate", f"{may_invalidate!r:.60} is no function")
    if not isinstance(kept_in, str) and not all(hasattr(kept_in, verb) for verb in _VERBS):
        options.problem("kept_in", f"{kept_in!r:.60} is no store of responses")
    seal: Seal | None = None
    if encryption_key is not None:
        try:
            seal = seal_of(encryption_key)
        except ValueError as error:
            options.problem("encryption_key", str(error))
    made = StageCache(
        name=options.text("name", name), ttl_s=ttl_s, methods=named_methods, parts=tuple(parts),
        namespace=namespace, seal=seal,
        require_authorization=options.flag("require_authorization", require_authorization), strategy=strategy,
        may_invalidate=may_invalidate, store=kept_in, needs_body=bool(named_methods - {"GET", "HEAD"}),
    )  # fmt: skip
    options.check()
    return made
