"""Templates that note what they read."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from gatewaykit.core.template_variables import Params, variables
from gatewaykit.core.vtl import tracing
from gatewaykit.core.vtl.template import Template, TemplateProblem, compile_template
from gatewaykit.core.vtl.tracing import Read, Trace, compile_traced
from gatewaykit.core.vtl.values import text
from tests.oracle import grammar


def seen(body: str = "") -> dict[str, Any]:
    params = Params(path={"id": "7"})
    return variables(body=body, params=params, context={"stage": "prod"}, stage_variables={"x": "v"})


def traced(text: str, body: str = "") -> tuple[Any, list[tuple[int, int, str, str | None]]]:
    trace = Trace()
    template = compile_traced(text, trace)
    assert isinstance(template, Template)
    result = template.render(seen(body))
    return result, [(read.line, read.column, read.reference, read.value) for read in trace.reads]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        pytest.param("$context.stage", [(1, 1, "$context.stage", "prod")], id="a reference"),
        pytest.param("a\n  ${stageVariables.x}", [(2, 3, "$stageVariables.x", "v")], id="its place"),
        pytest.param("$no.x $!no", [(1, 1, "$no.x", None), (1, 7, "$no", None)], id="what is not there"),
        pytest.param("$input.params('id')", [(1, 1, "$input.params('id')", "7")], id="a call"),
        pytest.param(
            "#set($a = {'k': [1, 2]})$a.k[1]$a['k'].get(0)",
            [(1, 25, "$a.k[1]", "2"), (1, 32, "$a['k'].get(0)", "1")],
            id="indexes",
        ),
        pytest.param(
            '#set($i = 0)$input.params($context.stage)$a["$i"]$a.b(true)',
            [
                (1, 13, "$context.stage", "prod"),
                (1, 13, "$input.params($context.stage)", ""),
                (1, 42, "$a[…]", None),
                (1, 50, "$a.b(true)", None),
            ],
            id="inside of a reference",
        ),
        pytest.param("#if($context.no && $x)#end", [(1, 1, "$context.no", None), (1, 1, "$x", None)], id="a condition"),
        pytest.param("#if(false)$x#{else}$y#end", [(1, 20, "$y", None)], id="only what is reached"),
        pytest.param(
            "#foreach($i in [5, 6])$i$foreach.index#end",
            [(1, 23, "$i", "5"), (1, 25, "$foreach.index", "0"), (1, 23, "$i", "6"), (1, 25, "$foreach.index", "1")],
            id="a loop",
        ),
        pytest.param("#set($a = [1])#foreach($i in $a)#end", [(1, 15, "$a", "[1]")], id="what a loop goes over"),
        pytest.param(
            "#set($context.requestOverride.header.x = 1)",
            [(1, 1, "$context.requestOverride.header", "{}")],
            id="what is written into",
        ),
        pytest.param("$input", [(1, 1, "$input", "")], id="an object of ours"),
        pytest.param(
            "#macro(m $p)$p#end\n#m($context.stage)",
            [(2, 1, "$context.stage", "prod"), (1, 13, "$p", "prod")],
            id="a macro",
        ),
        pytest.param(
            "#define($b)$context.stage#end#set($l = [$b])$l$b",
            [
                (1, 30, "$b", ""),
                (1, 45, "$l", "…"),
                (1, 12, "$context.stage", "prod"),
                (1, 47, "$b", ""),
                (1, 12, "$context.stage", "prod"),
            ],
            id="a block",
        ),
        pytest.param("\\$context.stage", [], id="what is escaped"),
    ],
)
def test_each_reference_is_noted_with_its_value(text: str, reads: list[Any]) -> None:
    result, noted = traced(text)

    assert noted == reads
    plain = compile_template(text)
    assert isinstance(plain, Template)
    assert plain.render(seen()) == result


@given(template=grammar.templates() | grammar.fragments(), given=grammar.variables())
def test_a_trace_changes_nothing(template: str, given: dict[str, Any]) -> None:
    plain, watched = compile_template(template), compile_traced(template, Trace())
    if isinstance(plain, TemplateProblem) or isinstance(watched, TemplateProblem):
        assert plain == watched or "nested" in str(watched)
        return

    assert watched.render(copy.deepcopy(given)) == plain.render(copy.deepcopy(given))


def test_what_a_text_reads_that_is_evaluated_is_noted_with_its_place_there() -> None:
    trace = Trace()
    template = compile_traced("#set($t = '  $context.stage')\n#evaluate($t)", trace)
    assert isinstance(template, Template)

    assert template.render(seen()) == "  prod"
    assert trace.reads == [
        Read(2, 1, "$t", "  $context.stage"),
        Read(1, 3, "$context.stage", "prod", evaluated=True),
    ]


@pytest.mark.parametrize("value", [[], [[1], {"a": [2]}], {"a": {}}], ids=["empty", "lists", "maps"])
def test_a_list_or_map_is_noted_as_it_prints(value: Any) -> None:
    trace = Trace()

    trace.note("$a", 1, 1, value)

    assert trace.reads == [Read(1, 1, "$a", text(value))]


def test_a_value_is_noted_as_it_was() -> None:
    _, reads = traced("#set($a = [1])$a#set($b = $a.add(2))$a")

    assert [value for _, _, name, value in reads if name == "$a"] == ["[1]", "[1, 2]"]


def test_a_template_that_fails_has_noted_what_it_read_until_then() -> None:
    _, reads = traced("$context.stage $util.parseJson('x') $context.stage")

    assert reads == [(1, 1, "$context.stage", "prod")]


def test_a_value_too_large_to_be_shown_is_a_mark() -> None:
    trace = Trace()

    trace.note("$a", 1, 1, ["x" * 2**20] * 20)

    assert trace.reads == [Read(1, 1, "$a", "…")]


@pytest.mark.parametrize("depth", [20_000, 100_000])
def test_a_value_too_deep_to_be_shown_is_a_mark(depth: int) -> None:
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    trace = Trace()

    assert trace.note("$a", 1, 1, deep) is deep
    assert trace.reads == [Read(1, 1, "$a", "…")]

    while deep:
        deep = deep[0]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_READS", 3)
    trace = Trace()
    template = compile_traced("#foreach($i in [1..5])$i#end", trace)
    assert isinstance(template, Template)

    assert template.render({}) == "12345"
    assert ([read.value for read in trace.reads], trace.more) == (["1", "2", "3"], 2)


def test_a_broken_template_is_the_same_problem() -> None:
    assert compile_traced("#if(", Trace()) == compile_template("#if(")
    assert isinstance(compile_traced("#if(", Trace()), TemplateProblem)
