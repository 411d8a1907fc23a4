"""API keys: a table that holds digests only, and the look-up.

Developer guide, "Usage plans and API keys". A key is hashed when the table is made, and forgotten. The hash is a plain
SHA-256, without salt and without the many rounds that passwords need: those make up for secrets that people choose and
that can be guessed. A key is drawn at random (200 bits; the shortest that is accepted has 16 characters), so nobody
finds it by trying hashes, however fast they are; a slow hash would only cost each request a tenth of a second.

One hash and one look-up by digest answer for every key alike, known or not: what comparing digests gives away about a
digest helps nobody to find a key. No cache of raw keys stands in front: the hash costs a third of a microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest
from math import inf, isfinite
from typing import Final

from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import Problem
from gatewaykit.units import instant_text

__all__ = [
    "HASHED", "MIN_LENGTH", "ApiKey", "KeyTable", "aws_key_problems", "compile_keys", "digests_of", "hashed", "judge",
]  # fmt: skip

HASHED: Final = "sha256:"
"""How a value begins that is a digest already."""

MIN_LENGTH: Final = 16
"""The shortest value accepted: below it, keys can be found by trying. API Gateway asks for 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key. `value` is the key itself or `sha256:` and its hexadecimal digest; it never shows in a repr.

    `stages` are the stages that the key's usage plans hold; None means any. After a rotation `previous` is the value
    from before, which holds until `previous_expires_s`; None means until it is revoked. `expires_s` ends the key as a
    whole. Instants are seconds since 1970; at its very second a value has expired.
    """

    id: str
    name: str = ""
    value: str = field(repr=False)
    enabled: bool = True
    stages: frozenset[str] | None = None
    description: str = ""
    created_s: float | None = None
    expires_s: float | None = None
    previous: str = field(default="", repr=False)
    previous_expires_s: float | None = None


class KeyTable:
    """Keys by digest. A key with two values stands there twice."""

    __slots__ = ("by_digest", "keys")

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self.keys = tuple(keys)
        self.by_digest = {digest: key for key in self.keys for digest in digests_of(key)}


_DECOY: Final = ApiKey(id="", value=HASHED + "0" * 64)
"""What an unknown digest is compared with, so that it goes the same way as a known one."""


def judge(digest: bytes, found: ApiKey | None, stage: str, now_s: float) -> ApiKey | Refusal:
    """What a look-up comes to: the key that a store found for a digest, or the refusal that says what is wrong.

    The key is hashed, as tables and stores have it.
    """
    key = found or _DECOY
    ends_s = key.expires_s
    sent = f"{HASHED}{digest.hex()}".encode()
    if not compare_digest(sent, key.value.encode("utf-8", "replace")):
        if not key.previous or not compare_digest(sent, key.previous.encode("utf-8", "replace")):
            return Refusal(Reason.API_KEY_UNKNOWN, f"no key has the digest {digest.hex()[:12]}…")
        ends_s = min(_or_never(ends_s), _or_never(key.previous_expires_s))
    if not key.enabled:
        return Refusal(Reason.API_KEY_DISABLED, f"key {key.id} ({key.name}) is disabled")
    if ends_s is not None and now_s >= ends_s:
        what = "" if now_s >= _or_never(key.expires_s) else "the value from before the rotation of "
        return Refusal(Reason.API_KEY_EXPIRED, f"{what}key {key.id} ({key.name}) expired at {instant_text(ends_s)}")
    if key.stages is not None and stage not in key.stages:
        return Refusal(Reason.API_KEY_NOT_IN_PLAN, f"no plan of key {key.id} ({key.name}) holds stage {stage!r}")
    return key


def digests_of(key: ApiKey) -> tuple[bytes, ...]:
    """The digests of a key's values: the current one, and the one from before a rotation."""
    values = (key.value, key.previous) if key.previous else (key.value,)
    return tuple(bytes.fromhex(hashed(value).removeprefix(HASHED)) for value in values)


def compile_keys(keys: Mapping[str, str] | Iterable[ApiKey]) -> KeyTable | tuple[Problem, ...]:
    """The table of some keys (names and values, or `ApiKey`s), or everything wrong with them."""
    problems: list[Problem] = []
    if isinstance(keys, Mapping):
        keys = [ApiKey(id=str(name), name=str(name), value=value) for name, value in keys.items()]
    owners: dict[bytes, str] = {}
    compiled: dict[str, ApiKey] = {}
    for position, key in enumerate(keys):
        if not isinstance(key, ApiKey):
            problems.append(Problem(where=f"keys[{position}]", what=f"{type(key).__name__} is no ApiKey"))
            continue
        where = f"keys[{key.id}]"
        if not key.id or key.id in compiled:
            problems.append(Problem(where=where, what="two keys have this id" if key.id else "a key without an id"))
        found = [*_value_problems(key.value, where), *(_value_problems(key.previous, where) if key.previous else ())]
        found += _instant_problems(key, where)
        if not found:
            for digest in digests_of(key):
                if digest in owners:
                    problems.append(Problem(where=where, what=f"has the same value as key {owners[digest]}"))
                owners[digest] = key.id
        problems += found
        compiled[key.id] = key
    if problems:
        return tuple(problems)
    return KeyTable(
        replace(
            key, name=key.name or key.id, value=hashed(key.value), previous=hashed(key.previous) if key.previous else ""
        )
        for key in compiled.values()
    )


def hashed(value: str) -> str:
    """A key's value as it is kept: `sha256:` and the digest. A value that is hashed already stays."""
    return value.lower() if value.startswith(HASHED) else HASHED + sha256(value.encode()).hexdigest()


def aws_key_problems(name: str, value: str) -> tuple[str, ...]:
    """What API Gateway says against creating such a key (recorded row 123)."""
    found = []
    if len(value) < 20:
        found.append("API Key value should be at least 20 characters")
    if len(value) > 128:
        found.append("API Key value exceeds maximum size of 128 characters")
    if len(name) > 1024:
        found.append("Invalid API Key name, can be at most 1024 characters.")
    return tuple(found)


def _value_problems(value: object, where: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem(where=where, what=f"a key's value is a text, not {type(value).__name__}")
    elif value.startswith(HASHED):
        digest = value.removeprefix(HASHED)
        if len(digest) != 64 or not all(character in "0123456789abcdefABCDEF" for character in digest):
            yield Problem(where=where, what="after 'sha256:' come the 64 hexadecimal digits of a digest")
    elif len(value) < MIN_LENGTH:
        yield Problem(
            where=where, what=f"the value has {len(value)} characters; {MIN_LENGTH} are the least",
            why="shorter keys can be found by trying",
        )  # fmt: skip
    elif not value.isascii() or not value.isprintable() or value != value.strip():
        yield Problem(
            where=where, what="the value cannot be sent in a header field: printable ASCII without outer blanks"
        )


def _instant_problems(key: ApiKey, where: str) -> Iterator[Problem]:
    for name in ("expires_s", "previous_expires_s"):
        instant = getattr(key, name)
        is_number = isinstance(instant, (int, float)) and not isinstance(instant, bool)
        if instant is not None and not (is_number and isfinite(instant)):
            yield Problem(where=where, what=f"{name} is {instant!r}", mend="Write seconds since 1970")


def _or_never(instant_s: float | None) -> float:
    return inf if instant_s is None else instant_s
