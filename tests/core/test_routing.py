"""REST routing: path and verb together, as recorded, at a cost that does not know the number of routes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewaykit.core.routing import ANY_VERBS, RouteConflict, Router, split_path


def router(*routes: str) -> Router[str]:
    """Routes such as `GET /a/{b}`; each leaf is its own text."""
    made: Router[str] = Router()
    for route in routes:
        verb, resource = route.split(" ")
        made.add(verb, resource, route)
    return made


def leaf(made: Router[str], verb: str, path: str) -> str | None:
    found = made.match(verb, path)
    return None if found is None else found[0]


@pytest.mark.parametrize(
    ("routes", "asked", "expected"),
    [
        pytest.param(["GET /a"], "GET /b", None, id="row 1: unknown path"),
        pytest.param(["GET /a"], "POST /a", None, id="row 2: known path, unknown verb"),
        pytest.param(
            ["POST /test", "OPTIONS /{proxy+}"], "OPTIONS /test", "OPTIONS /{proxy+}", id="row 3: falls through"
        ),
        pytest.param(
            ["ANY /test/any", "OPTIONS /{proxy+}"], "OPTIONS /test/any", "ANY /test/any", id="row 4: ANY stays"
        ),
        pytest.param(
            ["GET /part1", "GET /part1/hardcoded-value", "GET /{param+}"],
            "GET /part1/random-value",
            "GET /{param+}",
            id="row 5: a literal does not trap",
        ),
        pytest.param(
            ["GET /{param+}", "GET /part1/hardcoded-value", "GET /part1"],
            "GET /part1/random-value",
            "GET /{param+}",
            id="row 5: in another order",
        ),
        pytest.param(["GET /{proxy+}"], "GET /proxy-value/", "GET /{proxy+}", id="row 53: a slash at the end"),
        pytest.param(["GET /{proxy+}"], "GET /a//b", "GET /{proxy+}", id="row 54: slashes inside"),
        pytest.param(["GET /a"], "GET //a", "GET /a", id="row 56: slashes before"),
        pytest.param(["GET /"], "GET /", "GET /", id="the root"),
        pytest.param(["GET /a"], "GET /", None, id="no root"),
        pytest.param(["GET /{proxy+}"], "GET /", None, id="greedy needs a segment"),
        pytest.param(["GET /{proxy+}"], "GET ///", None, id="slashes are no segment"),
        pytest.param(["GET /{id}"], "GET /a/b", None, id="a parameter is one segment"),
        pytest.param(["GET /a/{id}"], "GET /a//", None, id="a parameter is not empty"),
        pytest.param(["GET /a/{id}/b"], "GET /a//b", None, id="nor in the middle"),
        pytest.param(["GET /{a}", "ANY /b"], "GET /b", "ANY /b", id="a literal before a parameter"),
        pytest.param(["ANY /a", "GET /a"], "GET /a", "GET /a", id="the verb before ANY"),
        pytest.param(["GET /a", "ANY /a"], "GET /a", "GET /a", id="the verb before ANY, listed first"),
        pytest.param(["GET /a"], "HEAD /a", None, id="HEAD is not GET"),
        pytest.param(["ANY /a"], "TRACE /a", None, id="ANY is seven verbs"),
        pytest.param(["GET /a/b/c", "GET /a/{x}/d"], "GET /a/b/d", "GET /a/{x}/d", id="back out of a literal"),
        pytest.param(["GET /{x}/b", "GET /a/{proxy+}"], "GET /a/b", "GET /a/{proxy+}", id="segment by segment"),
        pytest.param(["POST /a/{x}", "GET /a/{x}/{p+}"], "GET /a/b/c/d", "GET /a/{x}/{p+}", id="greedy further in"),
        pytest.param(["GET /a"], "GET /%61", None, id="an encoded letter is another path"),
        pytest.param(["GET /a/b"], "GET /a%2Fb", None, id="an encoded slash is no slash"),
    ],
)
def test_a_request_goes_to(routes: list[str], asked: str, expected: str | None) -> None:
    verb, path = asked.split(" ")

    assert leaf(router(*routes), verb, path) == expected


@pytest.mark.parametrize(
    ("route", "path", "values"),
    [
        pytest.param("/a", "/a", None, id="none"),
        pytest.param("/a/{x}/{y}", "/a/1/2", {"x": "1", "y": "2"}, id="two"),
        pytest.param("/a/{x}", "/a/t%2Bx@y", {"x": "t%2Bx@y"}, id="row 57: not decoded"),
        pytest.param("/{p+}", "/v/", {"p": "v"}, id="row 53: without the slash at the end"),
        pytest.param("/{p+}", "/v//w", {"p": "v//w"}, id="row 54: with slashes inside"),
        pytest.param("/{x}/{p+}", "/a/b/c", {"x": "a", "p": "b/c"}, id="both kinds"),
    ],
)
def test_path_parameters_are(route: str, path: str, values: dict[str, str] | None) -> None:
    found = router(f"GET {route}").match("GET", path)

    assert found is not None
    assert found[1] == values


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        pytest.param(
            ["GET /{proxy+}", "GET /{x}"],
            "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed",
            id="row 134: another variable beside a greedy one",
        ),
        pytest.param(["GET /{x}", "GET /{y}/a"], "A sibling ({x}) of this resource already", id="two parameters"),
        pytest.param(
            ["GET /{proxy+}", "GET /{proxy+}/a"],
            "Cannot create a child of a resource with a greedy path variable: {proxy+}",
            id="row 134: a child of a greedy one",
        ),
    ],
)
def test_resources_that_cannot_stand_side_by_side_are_refused(routes: list[str], message: str) -> None:
    with pytest.raises(RouteConflict) as caught:
        router(*routes)

    assert message in str(caught.value)


def test_any_stands_for_seven_verbs() -> None:
    made = router("ANY /a")

    assert [verb for verb in (*ANY_VERBS, "TRACE", "CONNECT") if leaf(made, verb, "/a")] == list(ANY_VERBS)
    assert list(made.leaves()) == ["ANY /a"] * 7


@pytest.mark.parametrize(
    ("path", "verbs"),
    [("/a", ("GET", "PUT")), ("/a/", ("GET", "PUT")), ("/b", ("POST",)), ("/b/c", ("POST",)), ("/", ())],
)
def test_the_verbs_of_a_path_are_those_of_the_resource_it_fits_best(path: str, verbs: tuple[str, ...]) -> None:
    assert router("PUT /a", "GET /a", "POST /{p+}").verbs(path) == verbs


@pytest.mark.parametrize(
    ("asked", "resource", "failed_on"),
    [
        pytest.param("POST /pets", "/pets", "it has GET but no POST", id="another verb"),
        pytest.param("GET /pets/1/toy", "/pets/{id}/toys", "segment 3 is 'toy', not 'toys'", id="a segment"),
        pytest.param("DELETE /pets/1/toys", "/pets/{id}/toys", "it has GET but no DELETE", id="behind a parameter"),
        pytest.param("GET /shops", "/shops/{id}/staff", "the path ends before '{id}/staff'", id="too short"),
        pytest.param("GET /about/us", "/about", "the path goes on with 'us'", id="too long"),
        pytest.param("PUT /files/a/b", "/files/{path+}", "it has GET but no PUT", id="a greedy one"),
        pytest.param("GET /abuot", "/about", "it is spelt otherwise", id="a slip"),
    ],
)
def test_near_misses_say_what_nearly_matched(asked: str, resource: str, failed_on: str) -> None:
    made = router(
        "GET /pets", "GET /pets/{id}/toys", "GET /shops/{id}/staff", "GET /about", "GET /files/{path+}"
    )  # fmt: skip
    verb, path = asked.split(" ")

    best = made.near_misses(verb, path)[0]

    assert (best.resource, best.failed_on) == (resource, failed_on)


def test_no_near_miss_where_nothing_is_near() -> None:
    assert router("GET /pets").near_misses("GET", "/xyzzy") == []
    assert Router[str]().near_misses("GET", "/") == []


@pytest.mark.parametrize(
    ("path", "parts"),
    [("", []), ("/", []), ("///", []), ("/a", ["a"]), ("//a/", ["a"]), ("/a//b", ["a", "", "b"]), ("/a//", ["a", ""])],
)
def test_a_path_splits_into(path: str, parts: list[str]) -> None:
    assert split_path(path) == parts


# --------------------------------------------------------------------------------------------------- the property

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{p+}"])
RESOURCES = st.lists(SEGMENTS, max_size=4).map(lambda parts: "/" + "/".join(parts))
ROUTES = st.lists(st.tuples(st.sampled_from(["GET", "POST", "ANY"]), RESOURCES), max_size=8)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "", "x"]), max_size=5).map(lambda parts: "/" + "/".join(parts))


@given(ROUTES, st.sampled_from(["GET", "POST", "DELETE", "TRACE"]), PATHS)
@example([("GET", "/a/{p+}"), ("GET", "/{x}/b")], "GET", "/a/b")
def test_routing_agrees_with_a_naive_search(routes: list[tuple[str, str]], verb: str, path: str) -> None:
    made: Router[str] = Router()
    kept: dict[tuple[str, str], str] = {}
    for each, resource in routes:
        try:
            made.add(each, resource, f"{each} {resource}")
        except RouteConflict:
            continue
        kept[each, resource] = f"{each} {resource}"

    found = made.match(verb, path)

    assert (found and (found[0], found[1] or {})) == naive(kept, verb, path)


def naive(routes: dict[tuple[str, str], str], verb: str, path: str) -> tuple[str, dict[str, str]] | None:
    """Every route tried on its own; the best by the rank of its segments, then the verb itself before ANY."""
    parts = split_path(path)
    fitting = []
    for (each, resource), text in routes.items():
        if each != verb and not (each == "ANY" and verb in ANY_VERBS):
            continue
        wanted = split_path(resource)
        values: dict[str, str] = {}
        rank: list[int] = []
        for at, segment in enumerate(wanted):
            if segment == "{p+}":
                values["p"] = "/".join(parts[at:]).strip("/")
                rank.append(2)
                if not values["p"]:
                    break
            elif at >= len(parts) or (segment == "{x}" and not parts[at]) or segment not in ("{x}", parts[at]):
                break
            else:
                rank.append(1 if segment == "{x}" else 0)
                if segment == "{x}":
                    values["x"] = parts[at]
        else:
            if len(wanted) == len(parts) or (wanted and wanted[-1] == "{p+}" and len(parts) >= len(wanted)):
                fitting.append((rank, each == "ANY", text, values))
    if not fitting:
        return None
    _, _, text, values = min(fitting, key=lambda each: each[:2])
    return text, values


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_text_gives_a_leaf_or_none(verb: str, path: str) -> None:
    made = router("GET /", "GET /a/{x}", "POST /b/{p+}")

    assert made.match(verb or "GET", path) is None or verb in ("", "GET", "POST")
    assert isinstance(made.verbs(path), tuple)
    assert isinstance(made.near_misses(verb, path), list)


def test_a_request_without_a_verb_matches_nothing() -> None:
    assert router("GET /a", "GET /b/{x}").match("", "/a") is None
