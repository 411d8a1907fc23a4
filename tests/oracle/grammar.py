"""Strategies for templates and their variables: well-formed ones from a grammar, and heaps of fragments."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# Left out, because Velocity prints an address, a class or a hash, because a null in a map made by Java prints otherwise
# than one from JSON, or because the JDK prints some doubles with digits too many: arrays made by split, `.class`,
# entrySet() with nulls, extreme doubles.

NAMES = ("a", "b", "s", "m", "l", "n", "t", "f", "d", "u-x", "none")

_texts = st.sampled_from(
    [
        "x",
        " ",
        "  ",
        "\n",
        "\n  ",
        "\t",
        ", ",
        "{",
        "}",
        "(",
        ")",
        "[0]",
        ".",
        ".y",
        "!",
        '"',
        "'",
        ":",
        "é",
        "€5",
        "-",
        "end",
        "1",
        "\\",
        "\\\\",
        "$ ",
        "$!",
        "$5",
        "# ",
        "#5 ",
        "\r\n",
        "$$",
        "]]",
        "*#",
        "|",
    ]
)
_constants = st.one_of(
    st.integers(-5, 12).map(str),
    st.sampled_from(
        ["true", "false", "1.5", "-0.25", "2147483647", "9223372036854775807", "''", '""', "'$a'", "'it''s'"]
    ),
    st.sampled_from(["'b'", '"k"', '"abc"', "'1'", '"a""b"', '"\\u0041"', '"a\nb"']),
)
_spaces = st.sampled_from(["", "", "", " ", "  "])


def _calls(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    none = st.sampled_from(
        [
            "length()",
            "size()",
            "isEmpty()",
            "trim()",
            "toLowerCase()",
            "toUpperCase()",
            "toString()",
            "keySet()",
            "values()",
            "nope()",
            "hashCode().equals(1)",
            "intValue()",
            "iterator().next()",
            "iterator().hasNext()",
            "toArray()",
            "toCharArray()[0]",
            "clear()",
            "longValue()",
            "doubleValue()",
            "isNaN()",
            "booleanValue()",
            "getKey()",
            "entrySet().size()",
            "charAt(0)",
            "hashCode()",
        ]
    )
    one = st.tuples(
        st.sampled_from(
            [
                "equals",
                "equalsIgnoreCase",
                "contains",
                "startsWith",
                "endsWith",
                "indexOf",
                "lastIndexOf",
                "substring",
                "charAt",
                "concat",
                "compareTo",
                "get",
                "containsKey",
                "containsValue",
                "add",
                "addAll",
                "remove",
                "nope",
                "codePointAt",
                "compareToIgnoreCase",
                "containsAll",
                "removeAll",
                "retainAll",
                "parseInt",
                "valueOf",
                "parseBoolean",
                "toHexString",
                "putAll",
                "contentEquals",
            ]
        ),
        values,
    ).map(lambda pair: f"{pair[0]}({pair[1]})")
    two = st.tuples(
        st.sampled_from(
            [
                "put",
                "set",
                "substring",
                "replace",
                "indexOf",
                "lastIndexOf",
                "startsWith",
                "add",
                "subList",
                "getOrDefault",
                "putIfAbsent",
                "max",
                "sum",
                "compare",
                "parseInt",
                "addAll",
                "subSequence",
            ]
        ),
        values,
        _spaces,
        values,
    ).map(lambda four: f"{four[0]}({four[1]},{four[2]}{four[3]})")
    regex = st.sampled_from(
        [
            "replaceAll('b', '[$0]')",
            "replaceAll(\"[a-c]+\", 'z')",
            "replaceFirst('(a)(.)', '$2$1')",
            "matches('[a-z]+')",
            "split('b').size()",
            "split(',')[0]",
        ]
    )
    return st.one_of(none, one, two, regex)


def _references(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    accessor = st.one_of(
        st.sampled_from([".k", ".k", ".x-y", ".empty", ".nope", ".q"]),
        values.filter(lambda value: not value.startswith(("{", "[", "1.5", "-0.25"))).map(lambda value: f"[{value}]"),
        _calls(values).map(lambda call: f".{call}"),
    )
    body = st.tuples(st.sampled_from(NAMES), st.lists(accessor, max_size=3).map("".join)).map("".join)
    return st.tuples(st.sampled_from(["${%s}", "$%s", "$%s", "$!%s", "$!{%s}"]), body).map(
        lambda pair: pair[0] % pair[1]
    )


_values: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        _constants,
        _constants,
        _references(_values),
        st.lists(_values, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(_constants, _values), max_size=2).map(
            lambda items: "{" + ", ".join(f"{key} : {value}" for key, value in items) + "}"
        ),
        st.tuples(st.integers(-2, 4), _spaces, st.integers(-2, 4)).map(
            lambda ends: f"[{ends[0]}{ends[1]}..{ends[1]}{ends[2]}]"
        ),
        st.lists(st.one_of(_texts, _references(_values)), max_size=3)
        .map("".join)
        .filter(lambda text: '"' not in text)
        .map(lambda text: f'"{text}"'),
    )
)

_expressions: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        _values,
        _values,
        st.tuples(
            _expressions,
            st.sampled_from(
                ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", " eq ", " and ", " or ", " lt "]
            ),
            _spaces,
            _expressions,
        ).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}{parts[3]}"),
        _expressions.map(lambda inner: f"({inner})"),
        _expressions.map(lambda inner: f"!{inner}"),
    )
)

_targets = st.one_of(
    st.sampled_from(
        [
            "$a",
            "$b",
            "$s",
            "$z",
            "${a}",
            "$!a",
            "$m.k",
            "$m.q.r",
            "$m['k']",
            '$m["$s"]',
            "$l[0]",
            "$l[-1]",
            "$none.x",
            "$foreach.q",
            "$velocityCount",
            "$u-x",
            "$m.x-y",
        ]
    )
)


def _blocks(statements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    end = st.sampled_from(["#end", "#end", "#end\n", "#end  \n", "#{end}"])
    opened = st.sampled_from(["", "", "\n", "  \n", " "])
    condition = st.one_of(_expressions, _references(_values))
    otherwise = st.one_of(
        st.just(""), statements.map(lambda body: "#{else}" + body), statements.map(lambda body: "#else\n" + body)
    )
    conditional = st.tuples(condition, opened, statements, otherwise, end).map(
        lambda parts: f"#if({parts[0]}){parts[1]}{parts[2]}{parts[3]}{parts[4]}"
    )
    chained = st.tuples(condition, statements, condition, statements, end).map(
        lambda parts: f"#if( {parts[0]} ){parts[1]}#elseif({parts[2]}){parts[3]}{parts[4]}"
    )
    loop = st.tuples(
        st.sampled_from(["i", "j"]), st.one_of(_references(_values), _values), opened, statements, end
    ).map(lambda parts: "#foreach($" + f"{parts[0]} in {parts[1]}){parts[2]}${parts[0]}{parts[3]}{parts[4]}")
    define = st.tuples(st.sampled_from(["g", "h"]), statements, end).map(
        lambda parts: f"#define(${parts[0]}){parts[1]}{parts[2]}"
    )
    parameters = st.sampled_from(["", " $p", " $p $q", " $a", ", $p, $i", " $p $p", " ${p}", " 'p'"])
    macro = st.tuples(st.sampled_from(["mac", "mac", "ro"]), parameters, opened, statements, end).map(
        lambda parts: f"#macro({parts[0]}{parts[1]}){parts[2]}{parts[3]}{parts[4]}"
    )
    around = st.tuples(_macro_calls, statements, end).map(lambda parts: f"#@{parts[0][1:]}{parts[1]}{parts[2]}")
    evaluated = statements.map(lambda body: body.replace("'", "''")).map(lambda body: f"#evaluate('{body}')")
    string = statements.map(lambda body: body.replace('"', '""')).map(lambda body: f'#set($z = "{body}")$z')
    return st.one_of(conditional, chained, loop, loop, define, macro, macro, around, evaluated, string)


_macro_calls = st.tuples(
    st.sampled_from(["mac", "mac", "ro", "{mac}"]), st.lists(_values, max_size=3), st.sampled_from([" ", ", ", " , "])
).map(lambda parts: f"#{parts[0]}({parts[2].join(parts[1])})")


_leaves = st.one_of(
    _texts,
    _texts,
    _references(_values),
    _references(_values),
    st.tuples(_spaces, _targets, _spaces, _expressions, st.sampled_from(["", "", "\n", " \n", " "])).map(
        lambda parts: f"{parts[0]}#set({parts[1]}{parts[2]}={parts[3]}){parts[4]}"
    ),
    st.sampled_from(
        [
            "$foreach.index", "$foreach.count", "$foreach.hasNext", "#if($foreach.hasNext),#end", "$velocityCount",
            "$velocityHasNext", "$foreach.parent.index", "$foreach.first$foreach.last", "$foreach.topmost.count",
            "$i", "$j", "$g", "$!h", "#break", "#stop", "## comment\n", "#* block *#", "#** formal *#",
            "#[[ $a #if ]]#", "\\$a", "\\\\$a", "\\#if", "\\\\#foo", "\\$!a", "$\\!a", "#foo", "#foo($a 'x')",
            "#{foo}", "#literal() $a #end", "#a$s", "$s.", "$s-", "$s[", "$[", "$.x", "#$s", "#${s}x", "$$s",
            "$p", "$!q", "${p}", "$p.k", "\\$p", "$bodyContent", "$!bodyContent", "#mac", "#ro", "\\#mac", "\\\\#mac",
            "#mac(x)", "#break($foreach)", "#break($foreach.parent)", "#break($a)", "#stop('x')", "#evaluate($s)",
            "#evaluate('#macro(ro)[$!p]#end')", "#set($p = 5)", "#set($i = 5)", "$macro.x", "#set($z = \"#break\")",
            "#foreach($foreach in [1])x#end", "#macro(mac)deep#mac()#end", "#define($g)<$!g>#end",
        ]
    ),
    _macro_calls,
)  # fmt: skip


@st.composite
def _leaf(draw: st.DrawFn) -> str:
    """A statement without a body. A function, so that its strategies are not all written out in `repr`."""
    leaf: str = draw(_leaves)
    return leaf


_statements: st.SearchStrategy[str] = st.recursive(
    st.lists(_leaf(), max_size=4).map("".join),
    lambda inner: st.lists(st.one_of(_leaf(), _blocks(inner)), max_size=4).map("".join),
    max_leaves=8,
)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """A well-formed template."""
    return draw(_statements)


_fragments = st.lists(
    st.one_of(
        _texts,
        _leaves,
        st.sampled_from(
            [
                "#if(",
                "#if",
                "#end",
                "#else",
                "#elseif($a)",
                "#set(",
                "#set($a=",
                "#foreach($i in ",
                "$l)",
                ")",
                "$m.",
                "$m.k(",
                "${",
                "${a",
                "}",
                "[",
                "]",
                "$l[0",
                "true",
                "=",
                "==",
                "&&",
                "'",
                '"',
                "##",
                "#*",
                "*#",
                "#[[",
                "]]#",
                "#define($g)",
                "#@foo()",
                "#5",
                "#-1.5",
                "..",
                "{",
                "{}",
                "#{if}",
                "#{",
                "\\#",
                "\\#end",
                "#macro(",
                "#macro(mac $p)",
                "#mac(",
                "#@mac()",
                "#evaluate(",
                "#break(",
                "#stop(",
            ]
        ),
    ),
    max_size=8,
).map("".join)


@st.composite
def fragments(draw: st.DrawFn) -> str:
    """Pieces of templates in any order."""
    return draw(_fragments)


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    st.sampled_from([2**31, -(2**40), 2**70, 1.5, -2.0, 0.001, 1e7, 123456789.5, 1e-4]),
    st.sampled_from(["", "k", "abc", "a,b", "true", "1", "é", "𝄞x", 'q"\\']),
)
_json = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["k", "q", "x-y", "r", "1"]), inner, max_size=3)
    ),
    max_leaves=6,
)

_variables: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "a": _json,
        "b": _scalars,
        "s": st.sampled_from(["abc", "", "k", "a b"]),
        "m": st.dictionaries(st.sampled_from(["k", "q", "x-y"]), _json, max_size=3),
        "l": st.lists(_json, max_size=3),
        "n": st.integers(-5, 5),
        "t": st.just(True),
        "f": st.just(False),
        "d": st.sampled_from([0.5, 2.0, -1.25]),
        "u-x": _scalars,
    },
)


@st.composite
def variables(draw: st.DrawFn) -> dict[str, Any]:
    """What a template may refer to."""
    return draw(_variables)
