"""Values of API keys as they are made here: an optional prefix, random characters, and a checksum.

    acme_7mQZk3fXyTnB0hW2cVr9LpJd8sGa4u1kH2Qx
    ----  ----------------------------- ------
    prefix            random            checksum

All are letters and digits, so that a double click takes the whole. The checksum is the CRC-32 of what stands before it:
a scanner of logs and repositories, and whoever types a key, see without a look-up whether it can be one. It proves
nothing: the look-up does. (The form is the one that GitHub's tokens made known.)
"""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

__all__ = ["ENTROPY_BYTES", "LENGTH", "MOST_PREFIX", "checks_out", "make_id", "make_value"]

ENTROPY_BYTES: Final = 40
"""How much randomness a value takes: so much more than it can hold that the bias of the last characters is nothing."""

LENGTH: Final = 40
"""The length of a whole value, as API Gateway's own keys have it."""

MOST_PREFIX: Final = 11
"""The longest prefix: with its `_`, it leaves 22 random characters, which are 131 bits."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM: Final = 6  # 62 to the power of 6 is more than 2 to the power of 32
_PREFIX: Final = re.compile(rf"[A-Za-z][A-Za-z0-9]{{0,{MOST_PREFIX - 1}}}")


def make_value(entropy: bytes, prefix: str = "") -> str:
    """A new value from `ENTROPY_BYTES` random bytes. Raises ValueError for fewer, and for what is no prefix."""
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix!r:.50} is no prefix; write up to {MOST_PREFIX} letters and digits, a letter first")
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"a key takes {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    start = f"{prefix}_" if prefix else ""
    body = start + _digits(int.from_bytes(entropy), LENGTH - len(start) - _CHECKSUM)
    return body + _checksum(body)


def checks_out(value: str) -> bool:
    """Whether a text can be a value made here. A wrong character in a real one is always found."""
    body, checksum = value[:-_CHECKSUM], value[-_CHECKSUM:]
    return len(value) == LENGTH and value.isascii() and checksum == _checksum(body)


def make_id(entropy: bytes) -> str:
    """An id for a key, in the form that API Gateway's have: ten small letters and digits. Ids are public."""
    number, characters = int.from_bytes(entropy), _ALPHABET[:10] + _ALPHABET[36:]
    return "".join(characters[number // 36**place % 36] for place in range(10))


def _checksum(body: str) -> str:
    return _digits(crc32(body.encode()), _CHECKSUM)


def _digits(number: int, count: int) -> str:
    """The last `count` digits of a number to the base 62."""
    found = []
    for _ in range(count):
        number, digit = divmod(number, 62)
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))
