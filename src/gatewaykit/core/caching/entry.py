"""What a cache keeps of one response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.core.http import HeaderList

__all__ = ["Entry"]


@dataclass(slots=True)
class Entry:
    """A stored response, whole; nobody changes it.

    `headers` are those that are sent again: lower-case names, none of the connection.

    `stored_s` is the wall clock when it came in, `age_s` how old it was by then (RFC 9111 section 4.2.3). It is fresh
    for `fresh_s` seconds after `stored_s`, counted without that age, and kept until the store's own time for it is
    over. `vary` are the request fields it was chosen by, with the values they had. An entry with `status` 0 is no
    response: it says that those under this key vary, and by which fields.
    """

    status: int
    headers: HeaderList
    body: bytes
    stored_s: float
    fresh_s: float = 0.0
    age_s: float = 0.0
    vary: tuple[tuple[bytes, bytes], ...] = ()
    tags: tuple[str, ...] = ()
    url: str = ""  # what a purge by address looks at
