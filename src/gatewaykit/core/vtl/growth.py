"""How much a rendering may do and put out: one request may not hold up the rest, nor fill the memory."""

from __future__ import annotations

from typing import Final

from gatewaykit.core.vtl.values import MAX_TEXT, Failure, text

__all__ = ["LARGE", "MAX_ITERATIONS", "MAX_STEPS", "MAX_UNSEEN", "TURN", "Counted", "Part", "Pieces"]

MAX_ITERATIONS: Final = 1000
"""Iterations of one #foreach (developer guide, "Quotas")."""

MAX_STEPS: Final = 250_000
"""Iterations of all #foreach of one rendering, calls of macros and so on: what is inside one another multiplies."""

TURN: Final = 16
"""Iterations between two looks at how much there is, where code runs elsewhere than it stands; a power of two."""

LARGE: Final = 16_384
"""A piece of output that is worth a look at how much there is."""

MAX_UNSEEN: Final = 64
"""Pieces that are not large and that nobody needs to look at."""


class Counted:
    """A rendering of many outputs: how many steps there were, over everything in it."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps = 0

    def step(self, steps: int = 1) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Failure(f"more than {MAX_STEPS} iterations")


class Pieces(list[str]):
    """Output that grows. Loops `look` when they begin, and long pieces are a `check`: nothing grows unseen."""

    _counted = _length = 0  # on the class until there is something to count

    def look(self, steps: int) -> int:
        """Whether there are too many steps, or too much output; the next look is at so many pieces as this gives."""
        if steps > MAX_STEPS:
            raise Failure(f"more than {MAX_STEPS} iterations")
        self.check()
        return len(self) + MAX_UNSEEN

    def write(self, values: tuple[object, ...]) -> None:
        for value in values:
            self.put(text(value))

    def put(self, shown: str) -> None:
        self.append(shown)
        if len(shown) > LARGE or len(self) - self._counted > MAX_UNSEEN:
            self.check()

    def check(self) -> None:
        self._length += sum(map(len, self[self._counted :]))
        self._counted = len(self)
        if self._length > MAX_TEXT:
            raise Failure(f"an output of more than {MAX_TEXT} characters")


class Part(Pieces):
    """One of many outputs of a rendering, which counts for all of them.

    Loops call `enter`, and `turn` now and then: how much they do is not known when they begin.
    """

    def __init__(self, rendering: Counted) -> None:
        super().__init__()
        self._rendering = rendering

    def enter(self, count: int) -> None:
        self._rendering.step(min(count, TURN))

    def turn(self) -> None:
        self._rendering.step(TURN)
        self.check()
