"""Where generated code takes a short way, it gives what the long way gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from gatewaykit.core.vtl import Template, TemplateFailure, compile_template
from gatewaykit.core.vtl.values import HostObject, text


def render(written: str, **variables: Any) -> Any:
    template = compile_template(written)
    assert isinstance(template, Template), template
    return template.render(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#foreach($i in $l)$i#if($foreach.hasNext), #end#end", "1, 2, 3"),
        ("#foreach($i in $l)#if($foreach.first)<#end$i#if($foreach.last)>#end#end", "<123>"),
        ("#foreach($i in $l)$i#if($foreach.hasNext)#end.#end", "1.2.3."),
        ("#foreach($i in $l)$i#if($foreach.hasNext),#else;#end#end", "1,2,3;"),
        ("#foreach($i in $l)$i#if($foreach.hasNext)$i#end#end", "11223"),
        ("#foreach($i in $l)#foreach($j in $l)$j#if($foreach.hasNext),#end#end#if($foreach.hasNext);#end#end",
         "1,2,3;1,2,3;1,2,3"),
        ("#foreach($i in $l)$l.set(0, 9)$i#if($foreach.hasNext),#end#end", "11,92,93"),
        ("#foreach($i in $l)#if($foreach.first)<#end#if($foreach.first)-#end#if($foreach.hasNext),#end|#end",
         "<-,|,||"),
        ("#foreach($i in $l)a#if($foreach.last)b#{end}c#end", "acacabc"),
    ],
    ids=[
        "after", "before and after", "empty", "with else", "with a reference", "loops in loops", "beside a call",
        "one after another", "texts alone",
    ],
)  # fmt: skip
def test_text_between_items(text: str, expected: str) -> None:
    assert render(text, l=[1, 2, 3]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#foreach($k in $m.keySet())$k#end", "ab"),
        ("#foreach($k in $none.keySet())$k#end", ""),
        ("#foreach($k in $l.keySet())$k#end", ""),
        ("#set($n = {})#set($n[true] = 1)#foreach($k in $n.keySet())$k#end", "true"),
        ("#foreach($k in $m.keySet())$m.put('c', 1)$k#end", "a1b"),
        ("#foreach($k in $m.keySet())$m.get($k)$m.get('x')$m.get(1)#end", "12"),
        ("$l.get(0)$l.get('x')$none.get('x')", "1"),
    ],
    ids=[
        "a map", "nothing", "no map", "a key that is no text", "the map grows", "values by key", "get of a list",
    ],
)  # fmt: skip
def test_keys_and_values(text: str, expected: str) -> None:
    assert render(text, m={"a": 1, "b": 2}, l=[1, 2]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$a.b.c$a.b.d$a.b$a.c.d$a", "12{c=1, d=2}{b={c=1, d=2}}"),
        ("$a.b.c$a.put('b', 5)$a.b.c$a.b", "1{c=1, d=2}5"),
        ("$a.b.x.y$a.b.x.z\\$a.b.c$a.b.c", "$a.b.c1"),
        ("#set($x = 1)#set($y = $a.b)$x$y.c$y.d", "112"),
        ("#set($x = $a.b.c)$a.b.c#set($a.b = 3)$a.b$x", "131"),
    ],
    ids=["prefixes", "changed in between", "an escaped reference holds nothing", "assignments first", "and later"],
)
def test_what_is_read_more_than_once(text: str, expected: str) -> None:
    assert render(text, a={"b": {"c": 1, "d": 2}}) == expected


def test_output_that_grows_in_short_loops_is_seen() -> None:
    loops = "".join(f"#foreach($i{number} in $l)" for number in range(8)) + "$word" + "#end" * 8

    failure = render(loops, l=[1, 2, 3], word="x" * 10_000)

    assert isinstance(failure, TemplateFailure)
    assert failure.reason.startswith("an output of more than")


def test_text_that_grows_in_a_loop_is_seen() -> None:
    failure = render("#foreach($i in $l)" + "x" * 20_000 + "#end", l=[0] * 1000)

    assert isinstance(failure, TemplateFailure)
    assert failure.reason.startswith("an output of more than")


def test_a_loop_that_is_left_counts_what_it_did() -> None:
    search = "#foreach($i in $l)#foreach($j in $l)#if($j == 2)$j#break#end#end#end"

    assert render(search, l=[*range(1000)]) == "2" * 1000


class Host(HostObject):
    methods: ClassVar[Mapping[str, Callable[..., object]]] = {
        "show": lambda host, value: f"<{text(value)}>",
        "word": lambda host, value: value if isinstance(value, str) else undefined(),
    }
    takes_anything: ClassVar[frozenset[str]] = frozenset(("show",))


def undefined() -> object:
    raise TypeError


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$o.show($i)$o.word($i)", "<1><a>a"),
        ("$o.show($none)$o.show()$o.show(1, 2)", "<><>"),
        ("$o.equals($o)$o.nope($i)", "truetrue"),
        ("$s.concat($i)$s.contains($i)", "safalse"),
        ("$none.show($i)", ""),
        ("#set($o = 's')$o.concat($i)$o.show($i)", "sa"),
    ],
    ids=["methods", "arguments", "any object's", "of a text", "of nothing", "of what is assigned"],
)
def test_calls_in_loops(template: str, expected: str) -> None:
    assert render(f"#foreach($i in $l){template}#end", l=[1, "a"], o=Host(), s="s") == expected


@pytest.mark.parametrize("depth", [7, 9])
def test_short_loops_in_one_another_are_counted(depth: int) -> None:
    loops = "".join(f"#foreach($i{number} in $l)" for number in range(depth)) + "#end" * depth

    failure = render(loops, l=[*itertools.repeat(1, 10)])

    assert isinstance(failure, TemplateFailure)
    assert failure.reason == "more than 250000 iterations"
