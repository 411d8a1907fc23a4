"""Mapping templates: text is compiled once to a Python function, which then renders as often as needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from gatewaykit.core.vtl.generator import Generated, Generator, TooComplex, generate
from gatewaykit.core.vtl.parser import TemplateProblem, parse
from gatewaykit.core.vtl.runtime import NAMESPACE
from gatewaykit.core.vtl.values import MAX_TEXT, Failure

__all__ = [
    "MAX_TEMPLATE_BYTES", "PREPARE", "Template", "TemplateFailure", "TemplateProblem", "compile_template",
    "generate_template", "make_template",
]  # fmt: skip

MAX_TEMPLATE_BYTES: Final = 300 * 1024
"""Size of a mapping template (developer guide, "Quotas")."""

PREPARE: Final = "#prepare"
"""Under this name, which none can have in a template, the variables may hold a function of themselves. It is called
before a rendering that may do more with `$context` than read what is in it by name."""

_FILE: Final = "<mapping template>"


@dataclass(frozen=True, slots=True)
class TemplateFailure:
    """Why a template did not render, and where in it (1-based)."""

    line: int
    column: int
    reason: str


class Template:
    """A compiled template. `render` walks nothing: it calls the function that was made of the text."""

    __slots__ = ("_places", "_prepares", "_render", "text")

    def __init__(self, text: str, render: Callable[[Mapping[str, object]], str], places: list[tuple[int, int]]) -> None:
        self.text = text
        self._render = render
        self._places = places
        self._prepares = _MORE_THAN_READ.search(text) is not None

    def render(self, variables: Mapping[str, object]) -> str | TemplateFailure:
        """The text, or why there is none. Maps and lists among the variables may be changed by the template."""
        if self._prepares and PREPARE in variables:
            variables[PREPARE](variables)  # type: ignore[operator]  # see PREPARE
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


# `context` before anything but a name that is no method, or that leads to overrides or just to the identity; and code
# that is put together as text, which may hold anything
_NAME: Final = r"\.[A-Za-z][A-Za-z0-9_-]*(?![A-Za-z0-9_(-])"
_MORE_THAN_READ: Final = re.compile(
    rf"evaluate|context(?!{_NAME})|context\.(?:requestOverride|responseOverride|identity(?!{_NAME}))"
)


def compile_template(text: str) -> Template | TemplateProblem:
    """The template, or the first problem in it. Any text gives one of the two."""
    generated = generate_template(text)
    return generated if isinstance(generated, TemplateProblem) else make_template(text, generated)


def generate_template(text: str, generator: type[Generator] | None = None) -> Generated | TemplateProblem:
    """The Python source of a template, by the usual generator or a kind of it."""
    if len(text) > MAX_TEMPLATE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE_BYTES:
        return TemplateProblem(1, 1, f"a template of more than {MAX_TEMPLATE_BYTES} bytes")
    statements = parse(text)
    if isinstance(statements, TemplateProblem):
        return statements
    try:
        return generate(statements, generator)
    except TooComplex as problem:
        lines = text.split("\n")
        return TemplateProblem(problem.line, problem.column, problem.message, lines[min(problem.line, len(lines)) - 1])


def make_template(text: str, generated: Generated, names: Mapping[str, object] | None = None) -> Template:
    """A template of generated source, which sees `names` besides the usual ones."""
    return Template(text, _function(generated, names or {}), generated.places)


def _function(generated: Generated, names: Mapping[str, object]) -> Callable[[Mapping[str, object]], str]:
    namespace: dict[str, Any] = {**NAMESPACE, **names, **generated.constants, "__builtins__": {}}
    code = compile(generated.source, _FILE, "exec")
    exec(code, namespace)  # noqa: S102 - our own generator's source, in which no text of a template stands
    render: Callable[[Mapping[str, object]], str] = namespace["render"]
    return render
