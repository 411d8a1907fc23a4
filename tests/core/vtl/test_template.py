"""Mapping templates: AWS's recorded facts, problems with their place, failures with theirs, and bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewaykit.core.vtl import Template, TemplateFailure, TemplateProblem, compile_template
from gatewaykit.core.vtl.template import MAX_TEMPLATE_BYTES
from gatewaykit.core.vtl.values import MAX_TEXT, HostObject
from tests.oracle import grammar

PATIENT = settings(suppress_health_check=list(HealthCheck))
"""Templates are large and take long to make up."""


def compiled(text: str) -> Template:
    template = compile_template(text)
    assert isinstance(template, Template), template
    return template


def render(text: str, **variables: object) -> str | TemplateFailure:
    return compiled(text).render(variables)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        pytest.param("Hello $name", {}, "Hello ", id="row 43: an undefined reference prints nothing"),
        pytest.param("#if($undefined)a#{else}b#end", {}, "a", id="row 44: what is undefined is true"),
        pytest.param("#if($a.b.c)yes!#end", {}, "yes!", id="row 44: and so is what is undefined further down"),
        pytest.param("#if($v)shown#end", {"v": False}, "", id="row 45: JSON false is false"),
        pytest.param("#if($v)hide me#end", {"v": None}, "hide me", id="row 45: JSON null is true"),
        pytest.param(
            "#foreach($i in [1,2,3])$i. #if($velocityHasNext)yes#end, #end", {}, "1. yes, 2. yes, 3. , ", id="row 46"
        ),
        pytest.param('#set($d={})#set($d["$key"]="foo")$d.toString()', {}, "{=foo}", id="row 47"),
        pytest.param("hello #stop world", {}, "hello ", id="row 48"),
        pytest.param("#define($hello)hi#end$hello()$hello()", {}, "hi()hi()", id="row 49"),
        pytest.param("$user.name", {"user": {"items": "1;2;3"}}, "", id="row 50"),
        pytest.param("#set($a=1) \t #set($b=2)|", {}, "|", id="row 51: blanks before #set belong to it"),
    ],
)
def test_a_recorded_template_renders_as_on_aws(text: str, variables: dict[str, Any], expected: str) -> None:
    assert render(text, **variables) == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        pytest.param("a\n#if($x", 2, 7, "unexpected end of the template, expected ')'", id="unclosed condition"),
        pytest.param("#end", 1, 1, "unexpected '#end'", id="end of nothing"),
        pytest.param("#if($x)\nabc", 2, 4, "unexpected end of the template, expected #end", id="no end"),
        pytest.param("#set($x 1)", 1, 9, "unexpected '1', expected '='", id="no equals sign"),
        pytest.param("#set($x = )", 1, 11, "unexpected ')', expected a value", id="no value"),
        pytest.param("#set($x = [1..", 1, 15, "unexpected end of the template, expected a name", id="half a range"),
        pytest.param("#if($x ~ 1)y#end", 1, 8, "unexpected '~'", id="a character that means nothing there"),
        pytest.param("costs 5$", 1, 8, "the template ends in the middle of '$'", id="a dollar at the very end"),
        pytest.param("$m.get('a'", 1, 11, "unexpected end of the template, expected ')'", id="unclosed call"),
        pytest.param("$l[]", 1, 4, "unexpected ']', expected an index", id="no index"),
        pytest.param("#macro x", 1, 1, "#macro without arguments", id="macro without a name"),
        pytest.param("#macro('m')x#end", 1, 1, "#macro is written #macro(name $parameter …)", id="macro of a string"),
        pytest.param("#macro(m a)x#end", 1, 10, "unexpected 'a', expected a parameter", id="a word as a parameter"),
        pytest.param(
            '#macro(m)x#end#set($x = "#m(y)")', 1, 29, "'y' is no argument of a macro", id="a word as an argument"
        ),
        pytest.param("a #evaluate(1)", 1, 3, "#evaluate takes one string or reference", id="evaluate of a number"),
        pytest.param("#evaluate", 1, 1, "#evaluate takes one string or reference", id="evaluate of nothing"),
        pytest.param("#evaluate('a' 'b')", 1, 1, "#evaluate takes one value", id="evaluate of two strings"),
        pytest.param("#parse('x')", 1, 1, "#parse is not supported", id="parse"),
        pytest.param("#{include}('x')", 1, 1, "#include is not supported", id="include"),
        pytest.param("#foreach $x", 1, 1, "#foreach without arguments", id="foreach without arguments"),
        pytest.param("#foreach($x)a#end", 1, 1, "#foreach is written #foreach($item in $list)", id="half a foreach"),
        pytest.param("#foreach($x in y)a#end", 1, 1, "#foreach is written #foreach($item in $list)", id="over a word"),
        pytest.param("#define('x')a#end", 1, 1, "#define takes one reference", id="define of a string"),
        pytest.param("#literal('x')a#end", 1, 1, "#literal takes no argument and an inner text", id="literal"),
        pytest.param("#break(1 2)", 1, 1, "#break takes one value", id="break of two loops"),
        pytest.param("#stop(x)", 1, 1, "#stop takes one value", id="stop of a word"),
        pytest.param('#set($x = "$")', 1, 11, None, id="a dollar in a string is text"),
        pytest.param('#set($x = "\\u00g1")', 1, 11, "a \\u escape without four hexadecimal digits", id="bad escape"),
        pytest.param('\n #set($x = "a $m.get(")', 2, 23, None, id="a problem in a string has its place there"),
        pytest.param("#set($x = " + "9" * 1001 + ")", 1, 11, "a number of more than 1000 digits", id="long number"),
        pytest.param("#set($x = #5)", 1, 11, "unexpected '#5', expected a value", id="a hash before a number"),
        pytest.param("#if(true)" * 61, 1, 527, "nested deeper than 60 levels", id="deep blocks"),
        pytest.param("#set($x = " + "(" * 61, 1, 70, "nested deeper than 60 levels", id="deep expression"),
        pytest.param("#set($x = " + "!" * 61 + "$y)", 1, 69, "nested deeper than 60 levels", id="many negations"),
        pytest.param(
            ("#if(false)" + "#elseif(false)" * 50 + "#else ") * 58 + "#end" * 58,
            1,
            33_653,
            "directives are nested too deeply",
            id="many branches in one another",
        ),
        pytest.param("$x" + "[$x" * 60 + "]" * 60, 1, 181, "nested deeper than 60 levels", id="deep index"),
        pytest.param("$x" + "[$x" * 40 + "]" * 40, 1, 1, "an expression is too deeply nested", id="brackets"),
        pytest.param("x" * (300 * 1024 + 1), 1, 1, "a template of more than 307200 bytes", id="a large template"),
        pytest.param("é" * (150 * 1024 + 1), 1, 1, "a template of more than 307200 bytes", id="large in bytes"),
    ],
)
def test_what_cannot_be_compiled_is_a_problem_with_its_place(
    text: str, line: int, column: int, message: str | None
) -> None:
    problem = compile_template(text)

    if message is None:
        assert isinstance(problem, Template) or (problem.line, problem.column) == (line, column)
    else:
        assert isinstance(problem, TemplateProblem)
        assert (problem.line, problem.column, problem.message) == (line, column, message)


def test_a_problem_shows_the_line_it_stands_on() -> None:
    problem = compile_template("one\n  #if($x\nthree")

    assert isinstance(problem, TemplateProblem)
    assert problem.text == "three"


@pytest.mark.parametrize(
    ("text", "variables", "failure"),
    [
        pytest.param(
            "a\n $s.substring(9)",
            {"s": "abc"},
            TemplateFailure(2, 2, "substring(9, 3) of a string of 3"),
            id="one line",
        ),
        pytest.param(
            "$s.charAt(0)\n $s.charAt(7)",
            {"s": "abc"},
            TemplateFailure(2, 2, "charAt(7) of a string of 3"),
            id="second",
        ),
        pytest.param(
            "#if($l[5])x#end", {"l": []}, TemplateFailure(1, 1, "index 5 of a list of 0"), id="in a condition"
        ),
        pytest.param("#set($x = $l.get(1))", {"l": [1]}, TemplateFailure(1, 1, "index 1 of a list of 1"), id="in #set"),
        pytest.param(
            "#define($b)\n$s.length(1)#end$b",
            {"s": ""},
            TemplateFailure(2, 1, "length() takes no arguments"),
            id="in a block",
        ),
        pytest.param(
            '#set($x = "#if(true)$s.length(1)#end")',
            {"s": ""},
            TemplateFailure(1, 21, "length() takes no arguments"),
            id="in a string",
        ),
        pytest.param(
            "$s.format('%s', 1)",
            {"s": ""},
            TemplateFailure(1, 1, "the method format() is not supported"),
            id="no such method here",
        ),
        pytest.param(
            "#foreach($i in [1..1001])x#end",
            {},
            TemplateFailure(1, 1, "#foreach over 1001 items; 1000 is the most"),
            id="1001 iterations",
        ),
        pytest.param(
            "#set($x = [1..999999])", {}, TemplateFailure(1, 1, "a range of more than 250000 numbers"), id="long range"
        ),
        pytest.param(
            "#foreach($i in $l)#foreach($j in $l)#end#end",
            {"l": [0] * 1000},
            TemplateFailure(1, 19, "more than 250000 iterations"),
            id="nested loops",
        ),
        pytest.param(
            "#foreach($i in $l)$s#end",
            {"l": [0] * 20, "s": "x" * 2**20},
            TemplateFailure(1, 1, "an output of more than 10485760 characters"),
            id="large output of a loop",
        ),
        pytest.param(
            "$s$s$s",
            {"s": "x" * 2**22},
            TemplateFailure(1, 1, "an output of more than 10485760 characters"),
            id="large output",
        ),
        pytest.param(
            "#foreach($i in $l)#set($s = $s + $s)#end",
            {"l": [0] * 40, "s": "x"},
            TemplateFailure(1, 19, "a text of more than 10485760 characters"),
            id="a string that doubles",
        ),
        pytest.param(
            "#foreach($i in $l)#set($n = $n * $n)#end",
            {"l": [0] * 40, "n": 7},
            TemplateFailure(1, 19, "a number is too large"),
            id="a number that squares",
        ),
        pytest.param(
            "#foreach($i in $l)$k.addAll($k)#end",
            {"l": [0] * 40, "k": [1]},
            TemplateFailure(1, 19, "a list of more than 1000000 items"),
            id="a list that doubles",
        ),
        pytest.param(
            "#set($m.m = $m)$m", {"m": {}}, TemplateFailure(1, 16, "a value is nested too deeply"), id="a map in itself"
        ),
        pytest.param(
            "#set($l[0] = $l)$l",
            {"l": [1]},
            TemplateFailure(1, 17, "a value is too large to be written as JSON"),
            id="a list in itself",
        ),
    ],
)
def test_a_template_fails_with_the_place_and_the_reason(
    text: str, variables: dict[str, Any], failure: TemplateFailure
) -> None:
    rendered = render(text, **variables)

    if text.startswith("#foreach") and isinstance(rendered, TemplateFailure):
        assert rendered.reason == failure.reason
    else:
        assert rendered == failure


LARGE = f"a text of more than {MAX_TEXT} characters"


@pytest.mark.parametrize(
    ("text", "variables", "reason"),
    [
        pytest.param("#set($n = $n + 0.5)", {"n": 10**400}, "a number is too large", id="a number beyond doubles"),
        pytest.param("$s.concat($s)", {"s": "x" * 2**23}, LARGE, id="concat"),
        pytest.param("$s.replace('x', $s)", {"s": "x" * 2**12}, LARGE, id="replace"),
        pytest.param("$s.replaceAll('x', $s)", {"s": "x" * 2**12}, LARGE, id="replaceAll"),
        pytest.param("$s.join($s, $l)", {"s": "x" * 2**14, "l": ["y"] * 1000}, LARGE, id="join"),
        pytest.param("$m", {"m": {"a": "x" * 2**23, "b": "x" * 2**22}}, LARGE, id="a printed map"),
        pytest.param("$l.add(1)", {"l": [0] * 10**6}, "a list of more than 1000000 items", id="add"),
    ],
)
def test_nothing_grows_beyond_its_bound(text: str, variables: dict[str, Any], reason: str) -> None:
    assert render(text, **variables) == TemplateFailure(1, 1, reason)


def test_a_thousand_iterations_are_allowed() -> None:
    assert render("#foreach($i in [1..1000])x#end") == "x" * 1000


@pytest.mark.parametrize(
    "reference",
    [
        "$s.format_map",
        "$s.upper()",
        "$l.append(1)",
        "$l.sort",
        "$n.real",
        "$host.secret",
        "$host.methods",
        "$f.gi_frame",
        "$s['__class__']",
        "$m['__class__']",
        "$m.get('__class__')",
        "$host.template_text()",
        "$module.path",
        "$module.exit()",
        "$b.hex()",
        "$f",
        "$module",
    ],
)
def test_no_python_attribute_can_be_reached(reference: str) -> None:
    class Host(HostObject):
        secret = "secret"

    variables: dict[str, object] = {
        "s": "abc", "m": {}, "l": [], "n": 1, "host": Host(), "f": compile_template, "module": pytest, "b": b"bytes",
    }  # fmt: skip

    assert render(reference, **variables) == ""
    assert render(f"#set($q = {reference})$q", **variables) == ""


def test_a_name_that_begins_with_an_underscore_is_no_property() -> None:
    assert render("$s.__class__", s="abc") == "abc.__class__"


def test_text_of_a_template_never_becomes_code() -> None:
    text = '"\'{}\\\n{0}{variables}%s""" + exit() #'

    assert render(text + " $x{", x="\"{}'") == text + " \"{}'{"


def test_a_template_renders_again_and_again_from_fresh_variables() -> None:
    template = compiled("#set($n = $n + 1)$n")

    assert [template.render({"n": 1}), template.render({"n": 5})] == ["2", "6"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '#define($b)$x#end#set($x = 1)$b#set($x = 2)"$b"', '1"2"', id="a block sees variables as they are"
        ),
        pytest.param('#define($b)a#stop#end#set($y = "$b")c', "", id="a block that stops inside a string"),
        pytest.param("#define($b)a#stop#end<#define($c)[$b]#end$c", "<[a", id="a block that stops inside a block"),
        pytest.param("#define($b)x#end#if($b)y#end$b.z#set($c = $b)$c", "yx", id="a block as a value"),
        pytest.param("#define($b)x#end#set($y = $b + '!')$y", "x!", id="a block in a sum"),
        pytest.param("#define($b)x#end#if($b == 'x')y#end", "y", id="a block compares as it prints"),
        pytest.param(
            "#foreach($i in [1,2])#if($foreach.hasNext)$foreach.count#end#end", "1", id="counters in a condition"
        ),
        pytest.param("#foreach($i in [1,2])#foreach($j in [3,4])$foreach.index#end#end", "0101", id="inner counters"),
        pytest.param("$foreach.index", "", id="no loop"),
        pytest.param(
            "#set($foreach = 5)$foreach#foreach($i in [1])$foreach.index#end$foreach",
            "505",
            id="a variable named foreach",
        ),
        pytest.param("#set(${x} = 5)[$x]", "[]", id="the formal form assigns to nothing that can be read"),
        pytest.param("#set($n = 1" + "+1" * 20 + ")$n", "21", id="a sum of many"),
        pytest.param("#set($n = 99" + " - 1" * 20 + ")$n", "79", id="from the left"),
        pytest.param("#set($m = {'a': 5})#set($m.a = $m)$m" + ".a" * 20 + ".b|", "|", id="a property of many"),
        pytest.param(
            "#set($m = {'a': 1, 'b': 1})#foreach($e in $m.entrySet())"
            "#foreach($f in $m.entrySet())$e.equals($f) $e.equals('a=1') #end#end",
            "true false false false false false true false ",
            id="entries that are equal",
        ),
        pytest.param("$!x$!{x}${x}", "", id="every form of an undefined reference"),
        pytest.param("#set($x = 0.0)#set($y = -0.0)$x $y", "0.0 -0.0", id="zeros with a sign"),
        pytest.param("a$s.concat('#stop')b#set($s = 'x')$s.concat(\"#stop\")c", "ab", id="a string that stops"),
        pytest.param('$x.y("#if(true)b#end")|', "|", id="a directive in an argument that is not evaluated"),
        pytest.param("#set($i-j = 5)$i-j", "5", id="hyphens are part of a name"),
        pytest.param("#foreach($i in [1])#set($x = [1, $foreach])$x.hashCode()|#end", "|", id="no hash"),
        pytest.param("#foreach($i in [1])#set($x = {'a': $foreach})$x.hashCode()|#end", "|", id="nor of a map"),
        pytest.param('#set($x = $s.x("a\'$s", "#if(true)b#end"))[$x]', "[]", id="strings as arguments"),
    ],
)
def test_a_construct_renders(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize("taken", [0, 1, 49, 50, 51, 99, 100, 999, 1000])
def test_of_a_thousand_branches_the_one_that_holds_is_taken(taken: int) -> None:
    inner = "#if($n < 0)#elseif($n == 999)in" + "#elseif(false)" * 60 + "#end"
    branches = "".join([f"#elseif($n == {number}){number}" for number in range(1, 1000)])

    rendered = render(f"#if($n == 0)0{branches}{inner}#{{else}}none{inner}#end.", n=taken)

    assert rendered == {999: "999in.", 1000: "none."}.get(taken, f"{taken}.")


def _many(piece: str, count: int = 2_500) -> str:
    return piece * count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("x" * MAX_TEMPLATE_BYTES, "x" * MAX_TEMPLATE_BYTES, id="one text"),
        pytest.param(_many("$a ", 20_000), _many("1 ", 20_000), id="references"),
        pytest.param("#if(!$a)x" + "#elseif(!$m)y" * 5_000 + "#{else}z#end", "z", id="branches"),
        pytest.param(_many("$m.k,"), _many("v,"), id="properties"),
        pytest.param(_many("$m.get($a)$m.k."), _many("v."), id="calls"),
        pytest.param(_many("#set($b = $a)"), "", id="assignments"),
        pytest.param(_many("#if($a)x#end"), _many("x"), id="conditions"),
        pytest.param(_many("#foreach($x in [1])$x#end"), _many("1"), id="loops"),
        pytest.param(_many("#macro(m)x#end#m()"), _many("x"), id="macros"),
        pytest.param(_many("#evaluate($a)"), _many("1"), id="evaluated texts"),
        pytest.param("#set($x = $a" + "+$a" * 10_000 + ")$x", "1" * 10_001, id="a long sum"),
        pytest.param("#if($a" + "&&$a" * 10_000 + ")x#end", "x", id="a long condition"),
        pytest.param('#set($x = "' + "$a " * 10_000 + '")$x', "1 " * 10_000, id="a string of references"),
        pytest.param("#set($x = [$a" + ",$a" * 10_000 + "])$x.size()", "10001", id="a long list"),
        pytest.param("$m" + ".y" * 10_000, "", id="a long chain"),
        pytest.param("#foreach($x in [1])" * 58 + "$x" + "#end" * 58, "1", id="deep loops"),
        pytest.param("#if(true)" * 58 + "x" + "#end" * 58, "x", id="deep conditions"),
    ],
)
def test_a_large_template_compiles_and_renders(text: str, expected: str) -> None:
    assert render(text, a="1", m={"k": "v", "1": ""}) == expected


@given(
    st.one_of(
        st.text(), st.text(alphabet="$#{}()[]!.\\\"'ab1 \n=,:<>&|-+*/%"), grammar.fragments(), grammar.templates()
    )
)
def test_any_text_compiles_or_is_a_problem_with_its_place(text: str) -> None:
    template = compile_template(text)

    if isinstance(template, TemplateProblem):
        assert template.line >= 1
        assert template.column >= 1
        assert template.message


@PATIENT
@given(grammar.templates(), grammar.variables())
def test_rendering_never_raises(text: str, variables: dict[str, Any]) -> None:
    template = compile_template(text)

    if isinstance(template, Template):
        rendered = template.render(variables)

        assert isinstance(rendered, (str, TemplateFailure))


@given(text=st.text(st.characters(exclude_characters="$#")))
def test_text_without_references_and_directives_is_its_own_rendering(text: str) -> None:
    assert render(text) == text
