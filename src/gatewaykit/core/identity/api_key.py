"""API keys: a table that holds digests only, and the look-up.

Developer guide, "Usage plans and API keys". A key is hashed (SHA-256) when the table is made, and forgotten. One hash
and one look-up by digest answer for every key alike, known or not: what comparing digests gives away about a digest
helps nobody to find a key. No cache of raw keys stands in front: the hash costs a third of a microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import Problem

__all__ = ["HASHED", "MIN_LENGTH", "ApiKey", "KeyTable", "aws_key_problems", "compile_keys", "hashed"]

HASHED: Final = "sha256:"
"""How a value begins that is a digest already."""

MIN_LENGTH: Final = 16
"""The shortest value accepted: below it, keys can be found by trying. API Gateway asks for 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key. `value` is the key itself or `sha256:` and its hexadecimal digest; it never shows in a repr.

    `stages` are the stages that the key's usage plans hold; None means any.
    """

    id: str
    name: str = ""
    value: str = field(repr=False)
    enabled: bool = True
    stages: frozenset[str] | None = None


class KeyTable:
    """Keys by digest, each with the digest itself, for comparing."""

    __slots__ = ("entries", "keys")

    def __init__(self, by_digest: Mapping[bytes, ApiKey]) -> None:
        self.entries = {digest: (digest, key) for digest, key in by_digest.items()}
        self.keys = tuple(by_digest.values())

    def find(self, digest: bytes, stage: str) -> ApiKey | Refusal:
        """The key with this digest, or the refusal that says what is wrong with it."""
        expected, key = self.entries.get(digest, _DECOY)
        if not compare_digest(digest, expected):
            return Refusal(Reason.API_KEY_UNKNOWN, f"no key has the digest {digest.hex()[:12]}…")
        if not key.enabled:
            return Refusal(Reason.API_KEY_DISABLED, f"key {key.id} ({key.name}) is disabled")
        if key.stages is not None and stage not in key.stages:
            return Refusal(Reason.API_KEY_NOT_IN_PLAN, f"no plan of key {key.id} ({key.name}) holds stage {stage!r}")
        return key


_DECOY: Final = (bytes(32), ApiKey(id="", value="", enabled=False))
"""What an unknown digest is compared with, so that it goes the same way as a known one."""


def compile_keys(keys: Mapping[str, str] | Iterable[ApiKey]) -> KeyTable | tuple[Problem, ...]:
    """The table of some keys (names and values, or `ApiKey`s), or everything wrong with them."""
    problems: list[Problem] = []
    if isinstance(keys, Mapping):
        keys = [ApiKey(id=str(name), name=str(name), value=value) for name, value in keys.items()]
    by_digest: dict[bytes, ApiKey] = {}
    ids: set[str] = set()
    for position, key in enumerate(keys):
        if not isinstance(key, ApiKey):
            problems.append(Problem(where=f"keys[{position}]", what=f"{type(key).__name__} is no ApiKey"))
            continue
        where = f"keys[{key.id}]"
        if not key.id or key.id in ids:
            problems.append(Problem(where=where, what="two keys have this id" if key.id else "a key without an id"))
        ids.add(key.id)
        if not (found := list(_value_problems(key.value, where))):
            digest = bytes.fromhex(hashed(key.value).removeprefix(HASHED))
            if digest in by_digest:
                problems.append(Problem(where=where, what=f"has the same value as key {by_digest[digest].id}"))
            by_digest[digest] = replace(key, name=key.name or key.id, value=HASHED + digest.hex())
        problems += found
    return tuple(problems) if problems else KeyTable(by_digest)


def hashed(value: str) -> str:
    """A key's value as it is kept: `sha256:` and the digest. A value that is hashed already stays."""
    return value if value.startswith(HASHED) else HASHED + sha256(value.encode()).hexdigest()


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
