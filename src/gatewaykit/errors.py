"""What can go wrong outside a decision. A refusal is data (`core.reasons`); a failure is one of these exceptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["ConfigError", "Problem", "StoreError", "UpstreamError", "words_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a configuration: where it stands, what it is, why it matters and how to mend it.

    `where` is `file:line:column` where the source has lines, else a path such as `policies[2].throttle.rate`.
    `near` is the name that was probably meant.
    """

    where: str
    what: str
    why: str = ""
    mend: str = ""
    near: str = ""

    def moved(self, where: str) -> Problem:
        """The same, where it stands at another place: the one it had is said first."""
        what = f"{self.where}: {self.what}" if self.where else self.what
        return replace(self, where=where, what=what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f": {self.why}"
        if self.near:
            text += f" (did you mean {self.near!r}?)"
        if self.mend:
            text += f". {self.mend}"
        return text


class ConfigError(Exception):
    """A configuration cannot be used. `problems` holds every problem found, not just the first."""

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(where="", what=problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class StoreError(Exception):
    """A store (Redis, a file) could not answer."""


class UpstreamError(Exception):
    """A network call to a back end gave no usable response.

    `kind` is one of `address` (the target is no valid endpoint), `unresolved`, `refused`, `unreachable`, `tls`,
    `connect_timeout`, `timeout`, `reset` (closed before a whole response came), `invalid` (not HTTP), `too_large`.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {message}")


def words_of(error: BaseException) -> str:
    """What an exception says. Handlers and policies may raise anything, also what cannot be printed."""
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 - any failure of a foreign __str__; the error itself is being reported
        return f"(its text could not be made: {type(worse).__name__})"
