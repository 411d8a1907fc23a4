"""Mapping templates: text is compiled once to a Python function, which then renders as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Final

from gatewaykit.core.vtl.generator import Generated, Generator, TooComplex
from gatewaykit.core.vtl.parser import Parsed, TemplateProblem, parse
from gatewaykit.core.vtl.runtime import NAMESPACE
from gatewaykit.core.vtl.scoped_code import ScopedGenerator
from gatewaykit.core.vtl.scopes import SCOPED, MacroBody, Program, run, run_inside
from gatewaykit.core.vtl.uses import Uses
from gatewaykit.core.vtl.values import MAX_TEXT, Failure

__all__ = [
    "MAX_TEMPLATE_BYTES", "Kind", "Template", "TemplateFailure", "TemplateProblem", "compile_template",
    "generate_template",
]  # fmt: skip

MAX_TEMPLATE_BYTES: Final = 300 * 1024
"""Size of a mapping template (developer guide, "Quotas")."""

MAX_REMEMBERED: Final = 4096
"""How long a text may be for #evaluate to keep what it compiled."""

_FILE: Final = "<mapping template>"


@dataclass(frozen=True, slots=True)
class TemplateFailure:
    """Why a template did not render, and where in it (1-based)."""

    line: int
    column: int
    reason: str


class Template:
    """A compiled template. `render` walks nothing: it calls the function that was made of the text.

    `only_reads`: it does no more with `$context` and `$stageVariables` than read what is in them by name.
    `context_names`: the names of all that it reads of `$context`; None where that cannot be told, or it changes it.
    """

    __slots__ = ("_places", "_render", "context_names", "only_reads", "text")

    def __init__(
        self,
        text: str,
        render: Callable[[Mapping[str, object]], str],
        places: list[tuple[int, int]],
        *,
        only_reads: bool,
        context_names: frozenset[str] | None,
    ) -> None:
        self.text = text
        self.only_reads, self.context_names = only_reads, context_names
        self._render = render
        self._places = places

    def render(self, variables: Mapping[str, object]) -> str | TemplateFailure:
        """The text, or why there is none. Maps and lists among the variables may be changed by the template."""
        try:
            rendered = self._render(variables)
        except Failure as failure:
            return self._failed(failure.__traceback__, str(failure))
        except RecursionError as error:
            return self._failed(error.__traceback__, "a value is nested too deeply")
        if len(rendered) > MAX_TEXT:
            return TemplateFailure(1, 1, f"an output of more than {MAX_TEXT} characters")
        return rendered

    def _failed(self, traceback: TracebackType | None, reason: str) -> TemplateFailure:
        line, column = 1, 1
        while traceback:
            if traceback.tb_frame.f_code.co_filename == _FILE:
                line, column = self._places[traceback.tb_lineno - 1]
            traceback = traceback.tb_next
        return TemplateFailure(line, column, reason)


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What writes the code of templates: of usual ones, of those with scopes, and of what #evaluate runs in them.

    `names` is what such code sees besides what all code does.
    """

    usual: type[Generator] = Generator
    scoped: type[ScopedGenerator] = ScopedGenerator
    evaluated: type[ScopedGenerator] = ScopedGenerator
    names: Mapping[str, object] = field(default_factory=dict)


USUAL: Final = Kind()


def compile_template(text: str, kind: Kind = USUAL) -> Template | TemplateProblem:
    """The template, or the first problem in it. Any text gives one of the two."""
    generated = generate_template(text, kind)
    if isinstance(generated, TemplateProblem):
        return generated
    uses, places = generated.uses, generated.places
    if uses.scoped:
        render: Callable[[Mapping[str, object]], str] = partial(run, _program(generated, _FILE, kind))
    else:
        render = _namespace(generated, _FILE, kind)["render"]
    reads = uses.only_reads and not uses.sets_context
    context_names = frozenset(uses.context_names) if reads else None
    return Template(text, render, places, only_reads=uses.only_reads, context_names=context_names)


def generate_template(text: str, kind: Kind = USUAL) -> Generated | TemplateProblem:
    """The Python source of a template."""
    if len(text) > MAX_TEMPLATE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE_BYTES:
        return TemplateProblem(1, 1, f"a template of more than {MAX_TEMPLATE_BYTES} bytes")
    parsed = parse(text)
    if isinstance(parsed, TemplateProblem):
        return parsed
    uses = Uses(parsed)
    generator = kind.scoped(uses, parsed, is_open=parsed.evaluates) if uses.scoped else kind.usual(uses)
    return _generated(text, parsed, generator)


def _generated(text: str, parsed: Parsed, generator: Generator) -> Generated | TemplateProblem:
    try:
        return generator.generated(parsed.statements)
    except TooComplex as problem:
        lines = text.split("\n")
        return TemplateProblem(problem.line, problem.column, problem.message, lines[min(problem.line, len(lines)) - 1])


def _program(generated: Generated, file: str, kind: Kind) -> Program:
    namespace = _namespace(generated, file, kind)
    macros = {name: MacroBody(parameters, namespace[body]) for name, (body, parameters) in generated.macros.items()}
    return Program(namespace["body"], macros)


def _namespace(generated: Generated, file: str, kind: Kind) -> dict[str, Any]:
    evaluate = partial(run_inside, partial(_compiled, kind))
    namespace: dict[str, Any] = {
        **NAMESPACE, **SCOPED, "evaluate": evaluate, **kind.names, **generated.constants, "__builtins__": {},
    }  # fmt: skip
    code = compile(generated.source, file, "exec")
    exec(code, namespace)  # noqa: S102 - our own generator's source, in which no text of a template stands
    return namespace


def _evaluated(kind: Kind, text: str, macros: frozenset[str]) -> Program | str:
    """What #evaluate runs, or why it cannot. `macros` are those that the template has already."""
    parsed = parse(text, macros)
    generated = (
        parsed
        if isinstance(parsed, TemplateProblem)
        else _generated(text, parsed, kind.evaluated(Uses(parsed), parsed, is_open=True))
    )
    if isinstance(generated, TemplateProblem):
        return f"{generated.message} (line {generated.line}, column {generated.column} of the evaluated text)"
    return _program(generated, "<evaluated text>", kind)


_remembered: Final = lru_cache(maxsize=64)(_evaluated)


def _compiled(kind: Kind, text: str, macros: frozenset[str]) -> Program | str:
    is_remembered = kind is USUAL and len(text) <= MAX_REMEMBERED
    return (_remembered if is_remembered else _evaluated)(kind, text, macros)
