"""`gatewaykit policy simulate POLICY…`: what IAM policies say of a request, or of a table of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.cli.sources import add_json
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.cli.policy_table import Case
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.iam.access import Access
    from gatewaykit.core.iam.policy import CompiledPolicy
    from gatewaykit.core.iam.verdict import Verdict

__all__ = ["add", "run"]

_KINDS: Final = ("identity", "resource", "boundary", "session", "scp")


def add(commands: Any) -> None:
    parser = commands.add_parser("policy", help="say what IAM policies allow")
    parser.add_argument("verb", choices=["simulate"], help="evaluate policies against requests")
    parser.add_argument(
        "policies", nargs="+", metavar="POLICY",
        help="a file with a policy, or a definition with x-amazon-apigateway-policy; KIND=FILE says what kind it is",
    )  # fmt: skip
    parser.add_argument(
        "--kind",
        choices=_KINDS,
        help="of all policies that say none (resource for those with principals, else identity)",
    )
    asked = parser.add_argument_group("what is asked")
    asked.add_argument("--request", nargs=2, metavar=("METHOD", "PATH"), help="may this be invoked?")
    asked.add_argument("--action", help="the action (execute-api:Invoke)")
    asked.add_argument("--resource", metavar="ARN", help="the resource, in place of --request")
    asked.add_argument("--principal", metavar="ARN", help="who asks: a user, a role, a session or an account")
    asked.add_argument(
        "--key", action="append", default=[], metavar="NAME=VALUE", help="a condition key; again for further values"
    )
    asked.add_argument("--table", metavar="FILE", help="ask all of a table (YAML, JSON or CSV), and compare")
    api = parser.add_argument_group("the API that --request and short ARNs are about")
    api.add_argument("--stage", help="its stage (prod)")
    api.add_argument("--api-id", help="its id (local)")
    api.add_argument("--account-id", help="its account (123456789012)")
    api.add_argument("--region", help="its region (us-east-1)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.cli.policy_table import read_table
    from gatewaykit.core.iam.policy import evaluate

    facts = _facts(arguments)
    single = _single(arguments)
    if arguments.table is not None and single:
        raise UsageError(f"--table asks its own questions; leave out {single[0]}")
    if arguments.table is None and not (arguments.request or arguments.resource):
        raise UsageError("nothing is asked", mend="Give --request METHOD PATH, --resource ARN, or --table FILE")
    policies = _policies(arguments, facts)
    cases = [_case(arguments)] if arguments.table is None else read_table(arguments.table)
    asked = [(case, _access(case, facts)) for case in cases]
    answers = [(case, access, evaluate(policies, access)) for case, access in asked]
    wrong = [case for case, _, verdict in answers if not case.expects(verdict)]
    if output.as_json:
        results = [_plain(case, access, verdict) for case, access, verdict in answers]
        output.json({"results": results, "mismatches": len(wrong)} if arguments.table else results[0])
    else:
        _show(output, answers)
        if arguments.table:
            output.line(f"\n{len(wrong)} of {len(cases)} are not as expected" if wrong else "\nAll are as expected")
    if arguments.table:
        return 1 if wrong else 0
    return 0 if answers[0][2].effect.value == "allow" else 1


# ---------------------------------------------------------------------------------------------------- what it reads


def _facts(arguments: argparse.Namespace) -> ApiFacts:
    from gatewaykit.core.context import ApiFacts

    names = ("stage", "api_id", "account_id", "region")
    return ApiFacts(**{name: value for name in names if (value := getattr(arguments, name)) is not None})


def _single(arguments: argparse.Namespace) -> list[str]:
    names = ("request", "action", "resource", "principal", "key")
    return [f"--{name}" for name in names if getattr(arguments, name)]


def _case(arguments: argparse.Namespace) -> Case:
    from gatewaykit.cli.policy_table import Case

    keys: dict[str, list[str]] = {}
    for pair in arguments.key:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f"--key {pair!r} is no NAME=VALUE", mend="Write --key aws:SourceIp=192.0.2.1")
        keys.setdefault(name, []).append(value)
    if arguments.request and arguments.resource:
        raise UsageError("--request and --resource both say what is asked for; give one")
    method, path = arguments.request or ("", "")
    return Case(
        where="", method=method, path=path, resource=arguments.resource or "",
        action=arguments.action or "execute-api:Invoke", principal=arguments.principal or "", keys=keys,
    )  # fmt: skip


def _access(case: Case, facts: ApiFacts) -> Access:
    from gatewaykit.clock import SYSTEM
    from gatewaykit.core.http import Request
    from gatewaykit.core.iam.access import Access, instant_text, method_arn, principal_of

    principal = principal_of(case.principal) if case.principal else None
    if case.principal and principal is None:
        what = f"{case.principal!r} names no principal"
        raise UsageError(what, where=case.where, mend="Write the ARN of a user, a role or a session, or an account id")
    resource = case.resource
    if not resource:
        if not case.path.startswith("/"):
            raise UsageError(f"the path {case.path!r} does not begin with a slash", where=case.where)
        resource = method_arn(Request(case.method, case.path.partition("?")[0]), facts)
    now = SYSTEM.wall()
    keys = {"aws:CurrentTime": [instant_text(now)], "aws:EpochTime": [str(int(now))]}
    given = {name.lower() for name in case.keys}
    kept = {name: values for name, values in keys.items() if name.lower() not in given}
    return Access(case.action, resource, principal, {**kept, **case.keys}, facts=facts)


def _policies(arguments: argparse.Namespace, facts: ApiFacts) -> list[CompiledPolicy]:
    from gatewaykit.core.iam.policy import compile_policy
    from gatewaykit.openapi.document import load

    problems: list[Problem] = []
    compiled = []
    for named in arguments.policies:
        kind, name = _kind_of(named, arguments.kind)
        node, found = load(Path(name))
        problems += found
        document = node.plain()
        base = ""
        if isinstance(document, dict) and _DEFINITION in document:
            document, base, kind = document[_DEFINITION], f".{_DEFINITION}", kind or "resource"
        policy = compile_policy(document, name=name, kind=kind or _guess(document), facts=facts)
        if isinstance(policy, tuple):
            problems += [_placed(problem, node, name, base) for problem in policy]
        else:
            compiled.append(policy)
    if problems:
        raise ConfigError(problems)
    return compiled


_DEFINITION: Final = "x-amazon-apigateway-policy"


def _kind_of(named: str, default: str | None) -> tuple[Any, str]:
    kind, equals, name = named.partition("=")
    if not equals or Path(named).exists():
        return default, named
    if kind not in _KINDS:
        from gatewaykit.definition.near import near_miss

        near = near_miss(kind, _KINDS)
        mend = "" if near else f"Write one of {', '.join(_KINDS)} before the ="
        raise UsageError(f"{named}: there is no kind {kind!r} of policy", near=near, mend=mend)
    return kind, name


def _guess(document: object) -> Any:
    statements = document.get("Statement") if isinstance(document, dict) else None
    listed = statements if isinstance(statements, list) else [statements]
    named = any(isinstance(each, dict) and ("Principal" in each or "NotPrincipal" in each) for each in listed)
    return "resource" if named else "identity"


def _placed(problem: Problem, node: Any, name: str, base: str) -> Problem:
    """A problem with the line it stands on, as far as its path can be followed."""
    rest = f"{base}.{problem.where}" if problem.where else base
    found = node
    while rest:
        if rest.startswith("[") and isinstance(found.value, list):
            index, _, rest = rest[1:].partition("]")
            found = found.value[int(index)]
            continue
        names = found.value if isinstance(found.value, dict) else {}
        key = max((key for key in names if rest.startswith(f".{key}")), key=len, default=None)
        if key is None:
            break
        found, rest = names[key], rest[len(key) + 1 :]
    where = f"{name}:{found.line}:{found.column}" if found.line else name
    text = f"{problem.where}: {problem.what}" if problem.where else problem.what
    return Problem(where=where, what=text, why=problem.why, mend=problem.mend, near=problem.near)


# ---------------------------------------------------------------------------------------------------- what it prints


def _show(output: Output, answers: Sequence[tuple[Case, Access, Verdict]]) -> None:
    rows = [["", "REQUEST", "WHO", "DECIDED BY"]]
    rows[0] = [output.style("bold", cell) if cell else "" for cell in rows[0]]
    for case, access, verdict in answers:
        allowed = verdict.effect.value == "allow"
        outcome = output.style("green" if allowed else "red", "allow" if allowed else "deny")
        if not case.expects(verdict):
            outcome += output.style("bold", f", not {case.expect}")
        rows.append([outcome, case.text(access), case.principal or "anonymous", _decided_by(verdict, access)])
    output.table(rows, 0)


def _decided_by(verdict: Verdict, access: Access) -> str:
    from gatewaykit.core.iam.authorization import reason

    why = reason(verdict, access)
    statement = f"{verdict.statement} of {verdict.policy}" if verdict.statement else ""
    if verdict.effect.value != "silent":
        return f"{statement}: {why}" if why else statement
    place = verdict.kind or "policy"
    told = f"no {place} policy allows it" if place in ("identity", "resource", "session") else f"no {place} allows it"
    return f"{told}; nearest is {statement}: {why}" if statement else told


def _plain(case: Case, access: Access, verdict: Verdict) -> dict[str, Any]:
    from gatewaykit.core.iam.authorization import reason

    return {
        "outcome": "allow" if verdict.effect.value == "allow" else "deny",
        "explicit": verdict.effect.value != "silent",
        "action": access.action,
        "resource": access.resource,
        "principal": case.principal or None,
        "policy": verdict.policy,
        "kind": verdict.kind,
        "statement": verdict.statement,
        "why": reason(verdict, access),
        "expected": case.expect or None,
        "as_expected": case.expects(verdict),
    }
