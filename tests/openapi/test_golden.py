import json
from pathlib import Path

import pytest

from gatewaykit.openapi.document import Node, load
from tests.openapi.golden_documents import DOCUMENTS, expected_path, outcome, read


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_golden_document_means_what_is_written_beside_it(document: Path) -> None:
    expected = json.loads(expected_path(document).read_text(encoding="utf-8"))

    assert outcome(read(document)) == expected


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_key_is_missing_from_the_report(document: Path) -> None:
    """Each key is an entry, or holds entries, or stands inside an entry."""
    entries = {entry.place.pointer for entry in read(document).ledger.report()}
    above = {pointer[:end] for pointer in entries for end in range(len(pointer)) if pointer[end] == "/"}
    root, _ = load(document)

    def unaccounted(node: Node) -> list[str]:
        pointer = node.place.pointer
        if pointer in entries:
            return []
        children = (
            node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else []
        )
        missing = [found for child in children for found in unaccounted(child)]
        holds_nothing = not children and (node.value == {} or node.value == [])
        return missing if pointer in above or pointer == "" or holds_nothing else [pointer]

    assert unaccounted(root) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_golden_document_read_from_parsed_values_means_the_same(document: Path) -> None:
    from gatewaykit.openapi import read_definition

    root, _ = load(document)

    assert read_definition(root.plain()).definition == read(document).definition
