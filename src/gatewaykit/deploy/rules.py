"""A list of policies and rules as chains: which apply to a request, found once per combination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gatewaykit.core.rules import RuleSet, Target, parse_target
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies import by

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.pipeline.chain import Chain
    from gatewaykit.ports import Policy, Runtime

__all__ = ["Listed", "Rule", "RuleChains", "bind_listed", "bind_policy", "rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Policies for the requests that fit a target."""

    target: Target
    policies: tuple[Policy, ...]


def rule(target: str, *policies: Policy) -> Rule:
    """Policies for one route: `rule("POST /login", throttle(…))`, `rule("/items/{proxy+}", api_key(…), …)`.

    Without a verb it holds for all of them; a rule for GET holds for HEAD too. Where several rules fit a request, all
    apply, in the order they are listed. Raises ConfigError for a malformed target.
    """
    problems = []
    if any(isinstance(each, Rule) for each in policies):
        what, mend = f"{target!r}: a rule stands inside a rule", "Give its policies to the outer one"
        problems.append(Problem(where="rule", what=what, mend=mend))
    try:
        parsed = parse_target(target)
    except ValueError as error:
        problems.append(Problem(where="rule", what=str(error)))
    if problems:
        raise ConfigError(problems)
    return Rule(parsed, policies)


_HOOKS: Final = ("on_request", "around", "on_head", "on_body", "wrap_body", "on_end")

Listed = tuple["Target | None", "tuple[Policy, ...]"]
"""One entry of a list of policies, bound: its target (None: everywhere) and its policies."""


def bind_listed(policies: Sequence[Policy | Rule], runtime: Runtime) -> list[Listed]:
    """The list with every policy bound. Raises ConfigError, with all problems, for entries that are no policies."""
    listed: list[Listed] = []
    problems: list[Problem] = []
    once: dict[int, Policy] = {}  # one object is one policy, wherever it is listed
    for position, entry in enumerate(policies):
        target, members = (entry.target, entry.policies) if isinstance(entry, Rule) else (None, (entry,))
        bound = []
        for policy in members:
            if isinstance(policy, type) or not hasattr(policy, "bind"):
                what, mend = (
                    f"{policy!r} is no policy",
                    "Write a policy such as throttle(...), or a subclass of gatewaykit.Policy.",
                )
                if isinstance(policy, type):
                    what, mend = f"{policy.__name__} is a class, not a policy", f"Write {policy.__name__}(…)"
                problems.append(Problem(where=f"policies[{position}]", what=what, mend=mend))
                continue
            try:
                if id(policy) not in once:
                    once[id(policy)] = bind_policy(policy, runtime)
                bound.append(once[id(policy)])
            except ConfigError as error:
                problems.extend(error.problems)
        listed.append((target, tuple(bound)))
    if problems:
        raise ConfigError(problems)
    return listed


def bind_policy(policy: Policy, runtime: Runtime) -> Policy:
    """What `bind` gives, with what the policy says of itself. Raises ConfigError for what would never be called."""
    bound: Policy | None = policy.bind(runtime)
    if bound is None:
        mend = "Return the object with the hooks: self, if it has them itself"
        raise ConfigError(Problem(where=type(policy).__name__, what="bind() gave None", mend=mend))
    for name in dir(bound):
        if name not in _HOOKS and name.startswith(("on_", "wrap_")) and (near := near_miss(name, _HOOKS)):
            why = "it would never be called, and everybody let in"
            raise ConfigError(Problem(where=type(bound).__name__, what=f"{name!r} is no hook", why=why, near=near))
    bound.phase = bound.phase or policy.phase
    bound.counts_by_api_key = getattr(policy, "key", None) is by.api_key
    bound.answers_preflight = bound.answers_preflight or policy.answers_preflight
    bound.rewrites = bound.rewrites or policy.rewrites
    return bound


class RuleChains:
    """The chain of a request. Each combination of rules is compiled when it is first met; there are few."""

    __slots__ = ("_chains", "_compile", "_listed", "_positions", "_rules")

    def __init__(self, listed: Sequence[Listed], compile_chain: Callable[[Sequence[Policy]], Chain]) -> None:
        self._listed = tuple(listed)
        self._compile = compile_chain
        self._positions = tuple(at for at, (target, _) in enumerate(listed) if target is not None)
        self._rules = RuleSet([target for target, _ in listed if target is not None])
        self._chains: dict[tuple[tuple[int, ...], tuple[int, ...]], Chain] = {}

    def chain(self, request: Request) -> Chain:
        """The chain for a request, with the path parameters of its rules written."""
        path, raw_path = request.path, request.raw_path
        applying = self._rules.applying(request.method, path, raw_path)
        preflight: tuple[int, ...] = ()
        if request.method == "OPTIONS" and (asked := request.headers.get(b"access-control-request-method")):
            preflight = self._rules.applying(asked.decode("latin-1"), path, raw_path)
        if applying and not request.resource:  # a gateway has routed it already
            request.path_parameters = self._rules.parameters(applying, path)
            request.resource = self._rules.resource(applying)
        key = (applying, preflight)
        chain = self._chains.get(key)
        if chain is None:
            chain = self._chains[key] = self._compile(self._policies(applying, preflight))
        return chain

    def _policies(self, applying: tuple[int, ...], preflight: tuple[int, ...]) -> list[Policy]:
        """A preflight asks on behalf of another verb: the cross-origin policies of that verb's rules answer it.

        A policy that stands in several rules which fit acts once, where it stands first.
        """
        full = {self._positions[rule] for rule in applying}
        cors_only = {self._positions[rule] for rule in preflight} - full
        chosen: list[Policy] = []
        for at, (target, policies) in enumerate(self._listed):
            if target is None or at in full:
                chosen.extend(policies)
            elif at in cors_only:
                chosen.extend(policy for policy in policies if policy.answers_preflight)
        return list({id(policy): policy for policy in chosen}.values())
