"""What `explain` and `invoke` give: a decision with its reasons, and a request that was run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.core.reasons import Refusal
    from gatewaykit.core.routing import NearMiss
    from gatewaykit.deploy.deployment import RouteSummary
    from gatewaykit.pipeline.decision import Decision

__all__ = ["Explanation", "Invocation", "Step", "step_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one policy said: `passed`, `refused` or `answered`, and the exact reason."""

    policy: str
    verdict: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would happen to a request, and why. Nothing was taken from any limit."""

    decision: Decision
    route: RouteSummary | None
    near_misses: tuple[NearMiss, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = []
        refusal = self.decision.refusal
        if self.route is None:
            lines.append(f"no route: {self.decision.detail}")
            lines += [
                f"  near: {miss.resource} ({', '.join(miss.verbs)}): {miss.failed_on}" for miss in self.near_misses
            ]
            return "\n".join(lines)
        where = f"{self.route.verb} {self.route.resource} -> {self.route.integration}"
        if refusal is not None:
            lines.append(f"denied: {self.decision.detail or refusal.reason.text}; the route is fine")
            lines.append(f"  reason     {refusal.reason.name} ({refusal.reason.response_type.type_name})")
            lines.append(f"  client     {self.decision.status}")
        elif self.decision.response is not None:
            lines.append(f"answered: a policy answers with {self.decision.status}")
        else:
            lines.append("allowed: the request reaches the integration")
        lines.append(f"  route      {where}")
        facts = (
            ("credential", self.decision.credential), ("decided by", self.decision.authorization),
            ("cache", self.decision.cache),
        )  # fmt: skip
        lines += [f"  {name:<10} {text}" for name, text in facts if text]
        for step in self.steps:
            first, *more = step.detail.split("; ") if step.verdict == "passed" else [step.detail]
            lines.append(f"  {step.verdict:<10} {step.policy}{f': {first}' if first else ''}")
            lines += [f"{'':<13}{text}" for text in more]  # a line for each limit
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request, run in process. `log` has the lines of API Gateway's test-invoke."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    latency_ms: float
    log: tuple[str, ...]
    cache: tuple[str, ...]  # what caches did, and why
    refusal: Refusal | None


def step_of(text: str) -> Step:
    """A step, as the trace has it."""
    said, _, detail = text.partition(": ")
    policy, _, verdict = said.rpartition(" ")
    return Step(policy=policy, verdict=verdict, detail=detail)
