"""What options of the ready-made authorizers have in common: durations, names, lists and addresses, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gatewaykit.core.identity.token_source import TokenSource, token_source
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.by import HEADER_NAME
from gatewaykit.units import parse_duration
from gatewaykit.upstream.fetch import Call, call_to

__all__ = ["Options"]


class Options:
    """Reads the options of one policy, and notes every problem under the policy's name."""

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self.problems: list[Problem] = []

    def problem(self, option: str, what: str, *, why: str = "", mend: str = "", near: str = "") -> None:
        where = f"{self._policy}.{option}"
        self.problems.append(Problem(where=where, what=what, why=why, mend=mend, near=near))

    def check(self) -> None:
        """Raise ConfigError with every problem, if there is one."""
        if self.problems:
            raise ConfigError(self.problems)

    def seconds(self, option: str, value: str | float, *, zero: bool = True) -> float:
        """A duration; with `zero=False` it has to be more than none."""
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.problem(option, str(error))
            return 1.0
        if not seconds and not zero:
            self.problem(option, "0 leaves no time for any answer")
        return seconds

    def text(self, option: str, value: object) -> str:
        """A text that is not empty."""
        if not isinstance(value, str) or not value:
            self.problem(option, f"{value!r:.60} is no text")
        return str(value)

    def texts(self, option: str, value: object) -> tuple[str, ...]:
        """A text, or a list of some."""
        listed = (value,) if isinstance(value, str) else value
        if not isinstance(listed, Sequence) or not all(isinstance(each, str) and each for each in listed):
            self.problem(option, f"{value!r:.60} is neither a text nor a list of texts")
            return ()
        return tuple(listed)

    def flag(self, option: str, value: object) -> bool:
        """True or false, and nothing that only counts as such."""
        if not isinstance(value, bool):
            self.problem(option, f"{value!r:.60} is neither true nor false")
        return value is True

    def names(self, option: str, value: object) -> Mapping[str, str]:
        """A mapping from names to names; None is an empty one."""
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(each, str) and each for each in value.values()):
            self.problem(option, f"{value!r:.60} is no mapping from names to names")
            return {}
        return {str(name): each for name, each in value.items()}

    def header(self, option: str, value: object) -> str:
        """A header name, in lower case."""
        if not isinstance(value, str) or not HEADER_NAME.fullmatch(value):
            self.problem(option, f"{value!r:.60} is no header name")
        return str(value).lower()

    def headers(self, option: str, value: object) -> tuple[bytes, ...]:
        """A list of header names, in lower case."""
        return tuple(self.header(option, each).encode("ascii", "replace") for each in self.texts(option, value))

    def source(self, value: object) -> TokenSource:
        """The option `identity_source`."""
        try:
            return token_source(value)
        except ValueError as error:
            self.problem("identity_source", str(error))
            return TokenSource(header=b"authorization")

    def call(self, option: str, url: object, method: str, timeout: str | float) -> Call:
        """The call to an address. `timeout` is of the option of that name."""
        timeout_s = self.seconds("timeout", timeout, zero=False)
        if not isinstance(method, str) or not HEADER_NAME.fullmatch(method):
            self.problem("method", f"{method!r:.60} is no method")
        try:
            return replace(call_to(str(url)), method=method, timeout_s=timeout_s)
        except ValueError as error:
            self.problem(option, str(error))
            return call_to("http://localhost/")
