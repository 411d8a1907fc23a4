"""Templates are untrusted text: nothing but values is in their reach, and no template runs or grows without end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.template_variables import Params, variables
from gatewaykit.core.vtl import Template, TemplateFailure, compile_java_regex, compile_template
from gatewaykit.core.vtl.methods import METHODS
from gatewaykit.core.vtl.runtime import Loop, assign_index, assign_property, call, index, items, member
from gatewaykit.core.vtl.safe_regex import MAX_MATCHES, find_all, matches
from gatewaykit.core.vtl.scopes import Block, Rendering, Scope
from gatewaykit.core.vtl.values import (
    MAX_TEXT,
    Char,
    Entry,
    Failure,
    HostObject,
    JavaIterator,
    JavaList,
    JavaSet,
    MapKey,
    OnceMap,
    SilentMap,
    text,
)


def render(template_text: str, given_variables: Mapping[str, Any]) -> str | TemplateFailure:
    template = compile_template(template_text)
    assert isinstance(template, Template), template
    return template.render(given_variables)


def scope() -> dict[str, Any]:
    """All that a mapping template sees, and a value of each kind."""
    seen = dict(
        variables(
            body='{"a": [1, {"b": null}], "s": "text"}',
            params=Params(path={"id": "7"}, querystring={}, header={"Host": "api.example"}),
            context={"stage": "prod", "identity": SilentMap(sourceIp="192.0.2.1"), "requestOverride": OnceMap()},
            stage_variables={"k": "v"},
        )
    )
    return seen | {"s": "abc", "n": 5, "d": 1.5, "t": True, "l": [1, "b", None], "m": {"k": "v"}, "j": JavaList("ab")}


# ----------------------------------------------------------------------------------------------------- injection


def attributes(*names: str) -> str:
    return "".join([f".{name}" for name in names])


PAYLOADS = [
    # Java: what leads from a value to classes and processes
    "$x.class", "$x.class.forName('java.lang.Runtime')", "$x.class.classLoader", "$x.class.protectionDomain",
    "$x.getClass()", "${x.getClass()}", "$x.getClass().forName('java.lang.Runtime').getRuntime().exec('id')",
    "$x.class.inspect('java.lang.Runtime').type.getRuntime().exec('id').waitFor()",
    "#set($e = 'e')$e.getClass().forName('java.lang.System').exit(1)",
    "#set($str = $x.class.forName('java.lang.String'))$str", "$x.getClass().getDeclaredMethods()",
    "$x.getClass().getResource('/').getPath()", "$x.wait()", "$x.notify()", "$x.notifyAll()", "$x.finalize()",
    "$runtime.exec('id')", "$session.getServletContext()", "$application.class", "$request.getSession()",
    "$velocityContext", "$context.class", "$context.getClass()", "$context.get('class')", "$context.internalGet('x')",
    "$esc.getClass()", "$field.in('java.lang.Runtime')", "$class.inspect('java.lang.Runtime')",
    # Python: attributes of objects, with and without underscores
    "$x.__class__", "$x.__init__", "$x.__dict__", "$x['__class__']", '$x["__class__"]["__mro__"]',
    "$x.get('__class__')",
    "$x.__class__.__mro__[1].__subclasses__()", "$x.__init__.__globals__", "$x.__builtins__",
    "$x.__getattribute__('x')",
    "$x.__reduce_ex__(2)", "$x.func_globals", "$x.func_code", "$x.im_func.func_globals", "$x.gi_frame.f_back",
    "$x.f_globals", "$x.f_builtins", "$x.tb_frame", "$x.cr_frame", "$x.mro()", "$x._module", "$x._rendering",
    "$x.methods",
    "$x.template_property('x')", "$x.template_text()", "$x.rendered()", "$x.has_next()", "$x._items", "$x.outer",
    "$x.site", "$x.format('{0.__class__}')", "$x.format_map($m)", "$x.join", "$x.encode()", "$x.decode()", "$x.mutable",
    "$x.from_bytes($s, 'big')", "$x.fromkeys($l)", "$x.setdefault('a', 1)", "$x.update($m)", "$x.pop(0)",
    "$x.popitem()",
    "$x.append(1)", "$x.extend($l)", "$x.insert(0, 1)", "$x.sort()", "$x.reverse()", "$x.copy()", "$x.items()",
    "$x.keys()", "$x.numerator", "$x.real", "$x.to_bytes(1, 'big')", "$x.as_integer_ratio()", "$x.hex()", "$x.upper()",
    "$x.capitalize()", "$x.translate($m)", "$x.maketrans($m)", "$x.zfill(9)", "$x.render($m)", "$x.text", "$x._render",
    # what would be something if the text of a template became code or a format
    "{{7*7}}${7*7}", "${T(java.lang.Runtime).getRuntime()}", "{x.__class__}", "%(x)s", "{0}", "#{7*7}", "<%= 7*7 %>",
    "${self.__class__}", "$import", "$exec", "$eval", "$open", "$print", "$globals", "$builtins", "$pieces", "$scope",
    "$append", "$variables", "$text", "$join", "$get", "$call", "$k0", "$v0", "$t1", "$self", "$cls",
    "#set($x.__class__ = 1)", "#set($x['__class__'] = 1)", "#set($x.methods = 1)", "#set($x.template_text = 1)",
    "#evaluate('$x.__class__')", '#evaluate("#set($y = $x.getClass())$y")', "#macro(m $a)$a.__class__#end#m($x)",
    "#define($b)$x.getClass()#end$b.__class__$b._body$b._scope.rendering",
    "#foreach($i in [1])$foreach.__class__$foreach.site$foreach.methods$foreach.entries$foreach.outer#end",
]  # fmt: skip


def owners() -> dict[str, Any]:
    """A value of each kind, and some that only a mistake can bring in. New ones, since payloads change them."""
    return {
        "text": "abc", "number": 5, "double": 1.5, "boolean": True, "list": [1], "made list": JavaList("ab"),
        "set": JavaSet("ab"), "map": {"k": "v"}, "once": OnceMap(k="v"), "silent": SilentMap(k="v"), "char": Char("a"),
        "entry": Entry("k", "v"), "iterator": JavaIterator([1]), "input": scope()["input"], "util": scope()["util"],
        "context": scope()["context"], "module": pytest, "function": compile_template, "bytes": b"abc", "type": str,
    }  # fmt: skip


TELLTALES = ("<", "0x", "module", "built-in", "method", "object", "function", "frame", "gatewaykit", "java.lang", "49")
"""What shows in the output when a template got hold of more than values; each payload is looked through on its own."""


@pytest.mark.parametrize("owner", list(owners()))
def test_no_payload_reaches_anything_but_values(owner: str) -> None:
    for payload in PAYLOADS:
        template = compile_template(payload)
        if not isinstance(template, Template):
            continue

        rendered = template.render({**scope(), "x": owners()[owner]})

        if isinstance(rendered, str):
            left = rendered
            for written in (payload, *payload.split("'"), *payload.split("$x"), *payload.split("$b")):
                left = left.replace(written, "") if written else left
            assert not any(telltale in left for telltale in TELLTALES), (payload, rendered)
        else:
            assert "<" not in rendered.reason
            assert "object at" not in rendered.reason


def test_getclass_leads_nowhere() -> None:
    failure = TemplateFailure(1, 1, "the method getClass() is not supported")

    assert [render("$x.getClass()", {"x": value}) for value in ("s", 1, 1.5, True, [], {}, Char("a"))] == [failure] * 7


VALUE_TYPES = (type(None), str, int, float, bool, dict, list, MapKey, HostObject)


def check_values(value: object, depth: int = 0) -> None:
    assert isinstance(value, VALUE_TYPES), value
    assert type(value).__module__ in ("builtins", *DECLARED), value
    if depth < 4 and isinstance(value, (dict, list)):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            check_values(item, depth + 1)


DECLARED = (
    "gatewaykit.core.vtl.values",
    "gatewaykit.core.vtl.runtime",
    "gatewaykit.core.vtl.scopes",
    "gatewaykit.core.template_variables",
)

names = (
    st.sampled_from(sorted({name for methods in METHODS.values() for name in methods}))
    | st.sampled_from([name for value in owners().values() for name in dir(value)])
    | st.text(max_size=8)
)


@given(st.data())
def test_whatever_is_called_on_whatever_is_in_scope_gives_a_value(data: st.DataObject) -> None:
    in_scope: list[Any] = [
        *scope().values(), Char("a"), Entry("k", 1), JavaIterator([1, 2]), JavaSet("ab"), None, Loop(None, 3),
        Block(lambda scope, pieces: None, Scope({}, Rendering({}))), MapKey(1.5),
    ]  # fmt: skip
    value = data.draw(st.sampled_from(in_scope))
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(names)
        arguments = data.draw(st.lists(st.sampled_from(in_scope), max_size=3))
        how: Callable[[], object] = data.draw(
            st.sampled_from(
                [
                    lambda: member(value, name),  # noqa: B023 - called before the loop goes on
                    lambda: index(value, name),  # noqa: B023 - as above
                    lambda: index(value, arguments[0] if arguments else 0),  # noqa: B023 - as above
                    lambda: call(value, name, *arguments),  # noqa: B023 - as above
                    lambda: (items(value) or [None])[0],  # noqa: B023 - as above
                    lambda: assign_property(value, name, arguments),  # type: ignore[func-returns-value]  # noqa: B023 - as above; it gives None
                    lambda: assign_index(value, name, arguments),  # type: ignore[func-returns-value]  # noqa: B023 - as above; it gives None
                ]
            )
        )

        with contextlib.suppress(Failure, RecursionError):
            value = how()
            check_values(value)
            assert type(text(value)) in (str, Char)


def test_only_declared_methods_of_a_host_object_can_be_called() -> None:
    class Host(HostObject):
        methods: ClassVar[Mapping[str, Callable[..., object]]] = {"shown": lambda host: host.secret()}

        def secret(self) -> str:
            return "told"

    assert render("$h.shown()|$h.secret()|$h.secret|$h.methods", {"h": Host()}) == "told|||"


# -------------------------------------------------------------------------------------------------------- bounds

LARGE = f"a text of more than {MAX_TEXT} characters"
OUTPUT = f"an output of more than {MAX_TEXT} characters"
STEPS = "more than 250000 iterations"
DOUBLING = "#set($a = [])#foreach($i in [1..60])#set($a = [$a, $a])#end"


@pytest.mark.parametrize(
    ("template", "given_variables", "reason"),
    [
        pytest.param('#foreach($i in [1..60])#set($s = "$s$s")#end', {"s": "xy"}, LARGE, id="a string of itself"),
        pytest.param("$s" * 5000, {"s": "x" * 2**20}, OUTPUT, id="many references"),
        pytest.param('#set($x = "' + "$s" * 5000 + '")', {"s": "x" * 2**20}, LARGE, id="many references in a string"),
        pytest.param('#set($x = "' + "$s" * 14 + '")', {"s": "x" * 2**20}, LARGE, id="some references in a string"),
        pytest.param("#foreach($i in [1..500])" + "$s" * 12 + "#end", {"s": "x" * 2**20}, OUTPUT, id="a loop"),
        pytest.param(
            "#macro(m)$s#end#foreach($i in [1..500])#m()#m()#end", {"s": "x" * 2**20}, OUTPUT, id="macros in a loop"
        ),
        pytest.param("#define($b)$s#end" + "$b" * 12, {"s": "x" * 2**20}, OUTPUT, id="blocks"),
        pytest.param('#define($b)$s#end#set($x = "' + "$b" * 12 + '")', {"s": "x" * 2**20}, LARGE, id="in a string"),
        pytest.param(
            '#set($x = "#if(true)' + "$s" * 12 + '#end")', {"s": "x" * 2**20}, OUTPUT, id="a string with a directive"
        ),
        pytest.param("#evaluate($s)#evaluate($s)", {"s": "x" * 200_000}, None, id="long evaluated texts"),
        pytest.param(
            "#set($e = '#evaluate($e)')#evaluate($e)", {},
            "more than 20 #evaluate inside one another", id="evaluate in itself",
        ),
        pytest.param("#macro(m)#m()#end#m()", {}, "more than 20 macros inside one another", id="a macro in itself"),
        pytest.param(
            "#macro(a)#b()#end#macro(b)#a()#end#a()", {}, "more than 20 macros inside one another", id="in another"
        ),
        pytest.param(
            '#macro(m $a $n)#if($n > 0)#set($k = $n - 1)#m("$a$a" $k)#{else}$a#end#end#m("x" 19)',
            {}, STEPS, id="arguments",
        ),
        pytest.param(
            "#define($b0)#end" + "".join([f"#define($b{n})$b{n - 1}$b{n - 1}#end" for n in range(1, 60)]) + "$b59",
            {}, STEPS, id="blocks in blocks",
        ),
        pytest.param(
            "#macro(m)#end#foreach($i in $l)#foreach($j in $l)#m()#end#end",
            {"l": [0] * 600}, STEPS, id="calls in loops",
        ),
        pytest.param(DOUBLING + "$a", {}, LARGE, id="a list that holds itself doubled"),
        pytest.param(DOUBLING + "$a.hashCode()", {}, "a value is too large to be hashed", id="its hash"),
        pytest.param(
            DOUBLING + DOUBLING.replace("$a", "$b") + "#if($a == $b)x#end",
            {}, "values that are too large to be compared", id="two of them",
        ),
        pytest.param(
            "#foreach($i in [1..59])#set($p = $i - 1)$l[$i].add($l[$p])$l[$i].add($l[$p])#end$l[59]",
            {"l": [[] for _ in range(60)]}, "a value is too large to be written as JSON", id="lists from JSON",
        ),
        pytest.param(
            "#foreach($i in $n)$l[0].add($s)#end$l",
            {"l": [[]], "n": [0] * 1000, "s": "x" * 2**20}, "a value is too large to be written as JSON",
            id="one text many times in a list in a list",
        ),
        pytest.param("#set($a = {})#foreach($i in [1..60])#set($a = {$a: $a})#end", {}, LARGE, id="a map as a key"),
        pytest.param(
            "#foreach($i in $l)#set($s = $s.replaceAll('x', 'xxxx'))#end",
            {"l": [0] * 30, "s": "x"},
            f"more than {MAX_MATCHES} matches of the regular expression 'x'", id="replaceAll",
        ),
        pytest.param("$s.toCharArray()", {"s": "x" * 2**20}, "a list of more than 1000000 items", id="characters"),
    ],
)  # fmt: skip
def test_nothing_runs_or_grows_beyond_its_bound(
    template: str, given_variables: dict[str, Any], reason: str | None
) -> None:
    rendered = render(template, given_variables)

    assert isinstance(rendered, TemplateFailure)
    assert reason is None or rendered.reason == reason


class Printed(HostObject):
    """Prints a new text each time, and counts."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.times = 0

    def template_text(self) -> str:
        self.times += 1
        return "x" * self.size


@pytest.mark.parametrize(
    ("template", "size"),
    [
        pytest.param("$o" * 5000, 2**20, id="references"),
        pytest.param("#if($o)$o#end" * 300, 2**20, id="in conditions"),
        pytest.param("#macro(m)#end#m()" + "$o" * 300, 2**20, id="beside a macro"),
        pytest.param("#macro(m)" + "$o" * 300 + "#end#m()", 2**20, id="in a macro"),
        pytest.param("#evaluate('" + "$o" * 300 + "')", 2**20, id="in an evaluated text"),
        pytest.param("#foreach($i in [1..99])" + "#if($o)$o#end" * 900 + "#end", 8000, id="small ones in a loop"),
        pytest.param("#foreach($i in [1..99])" + "$o" * 2500 + "#end", 8000, id="many in a loop"),
        pytest.param(
            "#macro(m)#foreach($i in [1..99])" + "$o" * 1500 + "#end#end#m()", 8000, id="in a loop in a macro"
        ),
    ],
)
def test_output_is_not_made_far_beyond_its_bound(template: str, size: int) -> None:
    printed = Printed(size)

    rendered = render(template, {"o": printed})

    assert isinstance(rendered, TemplateFailure)
    assert rendered.reason == OUTPUT
    assert printed.times * size < 6 * MAX_TEXT


def test_a_string_may_be_as_long_as_a_text() -> None:
    assert render('#set($x = "$s$s")$x.length()', {"s": "x" * (MAX_TEXT // 2)}) == str(MAX_TEXT)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        pytest.param("(a+)+$", "a" * 60 + "b", id="a repeat in a repeat"),
        pytest.param("(.*)*x", "a" * 2000, id="anything any number of times"),
        pytest.param("(a|a)*b", "a" * 5000, id="two ways to the same"),
        pytest.param("(a|aa)+$", "a" * 5000 + "b", id="ways that overlap"),
        pytest.param("([a-zA-Z]+)*1", "a" * 5000, id="letters in groups"),
        pytest.param("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000, id="class names"),
        pytest.param("(x+x+)+y", "x" * 5000, id="sums"),
        pytest.param("(.*a){12}b", "a" * 5000, id="twelve times anything"),
        pytest.param("(a?){30}a{30}b", "a" * 60, id="optional and needed"),
        pytest.param("(?:a|ab)(?:a|ab)" * 10 + "c", "ab" * 60, id="twenty choices"),
        pytest.param(".*.*.*.*x", "a" * 5000, id="four times anything"),
        pytest.param(r"\s+$", " " * 50_000 + "x", id="blanks at the end"),
        pytest.param("(?=(a+)+b)a", "a" * 5000, id="looking ahead"),
        pytest.param("(a*)*\\1b", "a" * 5000, id="a group again"),
        pytest.param("(?:(?:a??)*?)*b", "a" * 5000, id="as little as possible"),
        pytest.param("(?>a+a+)+b", "a" * 5000, id="atomic"),
        pytest.param("(?:a++b?)++c", "a" * 5000, id="possessive"),
        pytest.param("(?:(?:(?:a{1,100}){1,100}){1,100})b", "a" * 5000, id="counted"),
    ],
)
def test_a_catastrophic_pattern_ends(pattern: str, value: str) -> None:
    compiled = compile_java_regex(pattern)
    assert not isinstance(compiled, str)

    for attempt in (lambda: next(find_all(compiled, value), False), lambda: matches(compiled, value)):
        with contextlib.suppress(Failure):
            assert attempt() is False


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("$s.matches('(a+)+\\1b')", r"(a+)+\\1b"),
        ("$s.split('(a+)+\\1b')", r"(a+)+\\1b"),
        ("$s.matches('(a|ab|abc|abcd)+x')", "(a|ab|abc|abcd)+x"),
        ("$s.split('(a|ab|abc|abcd)+x')", "(a|ab|abc|abcd)+x"),
    ],
    ids=["a group again", "a group again in split", "too many steps", "too many steps in split"],
)
def test_what_takes_too_long_is_a_failure_with_the_pattern(template: str, pattern: str) -> None:
    assert render(template, {"s": "a" * 300_000}) == TemplateFailure(
        1, 1, f"the regular expression '{pattern}' takes too long on a text of 300000 characters"
    )


@pytest.mark.parametrize(
    "template",
    [
        "before $s.charAt(9) after", "#foreach($i in [1, 2])$i$s.charAt($i)#end", "#macro(m)in $s.charAt(9)#end#m()",
        "x#evaluate('$s.charAt(9)')",
    ],
    ids=["text", "loop", "macro", "evaluate"],
)  # fmt: skip
def test_a_template_that_fails_gives_no_part_of_its_output(template: str) -> None:
    assert isinstance(render(template, {"s": "a"}), TemplateFailure)
