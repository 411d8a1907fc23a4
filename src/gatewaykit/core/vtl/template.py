"""Mapping templates: text is compiled once to a Python function, which then renders as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

__all__ = ["MAX_TEMPLATE_BYTES", "Template", "TemplateFailure", "TemplateProblem", "compile_template"]

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
    """A compiled template. `render` walks nothing: it calls the function that was made of the text."""

    __slots__ = ("_places", "_render", "text")

    def __init__(self, text: str, render: Callable[[Mapping[str, object]], str], places: list[tuple[int, int]]) -> None:
        self.text = text
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


def compile_template(text: str) -> Template | TemplateProblem:
    """The template, or the first problem in it. Any text gives one of the two."""
    if len(text) > MAX_TEMPLATE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE_BYTES:
        return TemplateProblem(1, 1, f"a template of more than {MAX_TEMPLATE_BYTES} bytes")
    parsed = parse(text)
    if isinstance(parsed, TemplateProblem):
        return parsed
    uses = Uses(parsed)
    generated = _generated(text, parsed, uses, is_evaluated=False)
    if isinstance(generated, TemplateProblem):
        return generated
    if uses.scoped:
        return Template(text, partial(run, _program(generated, _FILE)), generated.places)
    return Template(text, _namespace(generated, _FILE)["render"], generated.places)


def _generated(text: str, parsed: Parsed, uses: Uses, *, is_evaluated: bool) -> Generated | TemplateProblem:
    is_open = parsed.evaluates or is_evaluated
    generator = ScopedGenerator(uses, parsed, is_open=is_open) if uses.scoped or is_evaluated else Generator(uses)
    try:
        return generator.generated(parsed.statements)
    except TooComplex as problem:
        lines = text.split("\n")
        return TemplateProblem(problem.line, problem.column, problem.message, lines[min(problem.line, len(lines)) - 1])


def _program(generated: Generated, file: str) -> Program:
    namespace = _namespace(generated, file)
    macros = {name: MacroBody(parameters, namespace[body]) for name, (body, parameters) in generated.macros.items()}
    return Program(namespace["body"], macros)


def _namespace(generated: Generated, file: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {**_NAMESPACE, **generated.constants, "__builtins__": {}}
    code = compile(generated.source, file, "exec")
    exec(code, namespace)  # noqa: S102 - our own generator's source, in which no text of a template stands
    return namespace


def _evaluated(text: str, macros: frozenset[str]) -> Program | str:
    """What #evaluate runs, or why it cannot. `macros` are those that the template has already."""
    parsed = parse(text, macros)
    generated = (
        parsed if isinstance(parsed, TemplateProblem) else _generated(text, parsed, Uses(parsed), is_evaluated=True)
    )
    if isinstance(generated, TemplateProblem):
        return f"{generated.message} (line {generated.line}, column {generated.column} of the evaluated text)"
    return _program(generated, "<evaluated text>")


_remembered: Final = lru_cache(maxsize=64)(_evaluated)


def _compiled(text: str, macros: frozenset[str]) -> Program | str:
    return (_remembered if len(text) <= MAX_REMEMBERED else _evaluated)(text, macros)


_NAMESPACE: Final = {**NAMESPACE, **SCOPED, "evaluate": partial(run_inside, _compiled)}
