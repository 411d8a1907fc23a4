"""What the benchmarks compare with is worth the comparison."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.stacks import templates
from gatewaykit.core.template_variables import Params, variables
from gatewaykit.core.vtl import Template, compile_template

NAMES = st.sampled_from(["user", "name", "contact", "email", "age", "customer", "lines", "sku", "quantity", "price"])
TEXTS = st.text(st.sampled_from("ab \"'\\/\n\x08\x0c\x7f.e-é€😀"), max_size=6)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS,
    st.sampled_from([1e16, 1e7, 0.001, 1e-4, 12345678.5, -0.0, 2**70, "12345678.5"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=4), max_leaves=20
)
USERS = st.fixed_dictionaries({}, optional={"name": LEAVES, "age": LEAVES, "contact": st.dictionaries(NAMES, LEAVES)})
ITEMS = st.fixed_dictionaries({}, optional={"sku": LEAVES, "quantity": LEAVES, "price": LEAVES, "name": VALUES})
BODIES = st.one_of(
    VALUES,
    st.fixed_dictionaries({"user": USERS}),
    st.fixed_dictionaries({"customer": LEAVES, "lines": st.lists(ITEMS, max_size=4)}),
    st.fixed_dictionaries({"lines": st.dictionaries(TEXTS, ITEMS | LEAVES, max_size=3)}),
).map(lambda value: json.dumps(value, ensure_ascii=False)) | st.sampled_from(
    ["", "{", "NaN", "a=1", '{"user": NaN}', " {} "]
)
STRINGS = st.dictionaries(TEXTS, TEXTS, max_size=3)


def rendered(template: str, body: str, params: Params, context: dict[str, Any], stage_variables: dict[str, str]) -> Any:
    compiled = compile_template(template)
    assert isinstance(compiled, Template)
    return compiled.render(
        variables(
            body=body, params=params, context=context, stage_variables=stage_variables, only_reads=compiled.only_reads
        )
    )


@pytest.mark.parametrize("subject", templates.SUBJECTS, ids=lambda subject: subject.name)
@given(body=BODIES, query=STRINGS, header=STRINGS, stage_variables=STRINGS)
@example(body="{}", query={}, header={}, stage_variables={})
def test_a_mapping_by_hand_gives_the_bytes_of_the_template_for_any_request(
    subject: templates.Subject,
    body: str,
    query: dict[str, str],
    header: dict[str, str],
    stage_variables: dict[str, str],
) -> None:
    params, context = Params(templates.PATH, query, header), templates.fresh_context()

    by_hand = subject.by_hand(body, params, context, stage_variables)

    assert by_hand == rendered(subject.template, body, params, context, stage_variables)
