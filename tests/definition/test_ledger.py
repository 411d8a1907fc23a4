"""A small compiler reads a definition through the ledger's view; the report says what it acted on."""

from collections.abc import Callable

import pytest

from gatewaykit.definition.ledger import APPROXIMATED, ENFORCED, IGNORED, UNKNOWN, Entry, Ledger
from gatewaykit.definition.model import (
    Definition,
    Integration,
    IntegrationResponse,
    Method,
    Model,
    Origin,
    Place,
)


def place(pointer: str, line: int = 1) -> Place:
    return Place("api.yaml", line, 1, pointer)


def definition_and_ledger() -> tuple[Definition, Ledger]:
    ledger = Ledger()
    keys = ["/key-source", "/m/get", "/m/security", "/m/int/uri", "/m/int/timeout", "/m/int/r/200", "/models/Pet"]
    for line, key in enumerate(keys, start=1):
        ledger.key(place(key, line), key.rpartition("/")[2], note="nobody reads it", security=key == "/m/security")
    response = IntegrationResponse(origin=Origin(fields={"selection_pattern": (place("/m/int/r/200", 6),)}))
    integration = Integration(
        type="HTTP",
        uri="http://backend",
        timeout_ms=50,
        responses=(response,),
        origin=Origin(fields={"uri": (place("/m/int/uri", 4),), "timeout_ms": (place("/m/int/timeout", 5),)}),
    )
    model = Model(name="Pet", schema={"type": "object"}, origin=Origin(fields={"schema": (place("/models/Pet", 7),)}))
    method = Method(
        path="/",
        verb="GET",
        api_key_required=True,
        integration=integration,
        request_models={"application/json": model},
        request_parameters={"method.request.header.x": True},
        origin=Origin(fields={"verb": (place("/m/get", 2),), "api_key_required": (place("/m/security", 3),)}),
    )
    root = Origin(fields={"api_key_source": (place("/key-source", 1),)})
    return Definition(methods=(method,), models={"Pet": model}, origin=root), ledger


def compile_keys(view: Definition) -> object:
    return view.api_key_source


def compile_methods(view: Definition) -> object:
    return [(method.verb, method.api_key_required) for method in view.methods]


def compile_integrations(view: Definition) -> object:
    integrations = [method.integration for method in view.methods]
    return [(each.uri, each.timeout_ms, [r.selection_pattern for r in each.responses]) for each in integrations if each]


def compile_models(view: Definition) -> object:
    return [model.schema for method in view.methods for model in method.request_models.values()]


CONSUMERS: dict[Callable[[Definition], object], set[str]] = {
    compile_keys: {"key-source"},
    compile_methods: {"get", "security"},
    compile_integrations: {"uri", "timeout", "200"},
    compile_models: {"Pet"},
}


def test_every_key_is_enforced_when_every_consumer_runs() -> None:
    definition, ledger = definition_and_ledger()
    for consumer in CONSUMERS:
        consumer(ledger.view(definition))

    assert {entry.status for entry in ledger.report()} == {ENFORCED}


@pytest.mark.parametrize("deleted", CONSUMERS, ids=lambda consumer: consumer.__name__)
def test_deleting_a_consumer_turns_its_keys_to_ignored(deleted: Callable[[Definition], object]) -> None:
    definition, ledger = definition_and_ledger()
    for consumer in CONSUMERS:
        if consumer is not deleted:
            consumer(ledger.view(definition))

    report = ledger.report()

    assert {entry.key for entry in report if entry.status == IGNORED} == CONSUMERS[deleted]
    assert all(entry.note == "nobody reads it" for entry in report if entry.status == IGNORED)


def test_looking_at_the_origin_or_walking_over_objects_enforces_nothing() -> None:
    definition, ledger = definition_and_ledger()
    view = ledger.view(definition)

    assert [method.origin for method in view.methods]
    assert {entry.status for entry in ledger.report()} == {IGNORED}


def test_a_view_gives_the_same_values_and_is_the_same_every_time() -> None:
    definition, ledger = definition_and_ledger()
    view = ledger.view(definition)

    method = view.methods[0]

    assert method.request_parameters is definition.methods[0].request_parameters
    assert method.request_validator is None
    assert method is view.methods[0]
    assert ledger.view(method) is method
    assert view.models["Pet"] is method.request_models["application/json"]
    assert "Method" in repr(method)
    with pytest.raises(AttributeError):
        _ = method.no_such_field  # type: ignore[attr-defined]


def test_an_approximation_and_a_refusal_to_act_win_over_a_read_and_say_why() -> None:
    definition, ledger = definition_and_ledger()
    view = ledger.view(definition)
    compile_methods(view)
    compile_integrations(view)

    integration = view.methods[0].integration
    ledger.approximate(integration, "timeout_ms", "rounded up to a second")
    ledger.ignore(view.methods[0], "api_key_required", "no keys are bound")
    ledger.ignore(view, "binary_media_types", "not in the document, so nothing to say")

    entries = {entry.key: entry for entry in ledger.report()}
    assert (entries["timeout"].status, entries["timeout"].note) == (APPROXIMATED, "rounded up to a second")
    assert (entries["security"].status, entries["security"].note) == (IGNORED, "no keys are bound")
    assert entries["uri"].status == ENFORCED


def test_the_report_is_in_the_order_of_the_document() -> None:
    ledger = Ledger()
    ledger.key(place("/b", 9), "b")
    ledger.key(place("/a", 2), "a", status=UNKNOWN, near="aa")

    assert ledger.report().entries == (
        Entry(status=UNKNOWN, key="a", place=place("/a", 2), near="aa"),
        Entry(status=IGNORED, key="b", place=place("/b", 9)),
    )


@pytest.mark.parametrize(
    ("accept", "left"),
    [
        pytest.param((), ["scheme", "authorizer", "policy"], id="nothing accepted"),
        pytest.param(("policy",), ["scheme", "authorizer"], id="by name"),
        pytest.param(("/policy",), ["scheme", "authorizer"], id="by pointer"),
        pytest.param(("scheme",), ["policy"], id="what stands inside goes with it"),
        pytest.param(("fine", "unrelated"), ["scheme", "authorizer", "policy"], id="other names do not help"),
    ],
)
def test_a_security_key_stops_the_start_unless_it_is_enforced_or_accepted(
    accept: tuple[str, ...], left: list[str]
) -> None:
    ledger = Ledger()
    ledger.key(place("/schemes/scheme", 1), "scheme", security=True, note="nothing enforces it")
    ledger.key(place("/schemes/scheme/authorizer", 2), "authorizer", security=True)
    ledger.key(place("/policy", 3), "policy", status=UNKNOWN, security=True)
    ledger.key(place("/enforced", 4), "enforced", security=True)
    ledger.key(place("/near", 5), "near", security=True)
    ledger.key(place("/fine", 6), "fine")
    ledger.mark((place("/enforced", 4),))
    ledger.approximate(Definition(origin=Origin(fields={"methods": (place("/near", 5),)})), "methods", "nearly")

    problems = ledger.report().unenforced_security(frozenset(accept))

    assert [problem.what.split("'")[1] for problem in problems] == left
    assert not left or problems[-1].where.startswith("api.yaml:")
