"""Every recorded row of reference 08 sections 2, 3, 5 and 6 is a named test here, or has its reason below."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROWS: Final = {
    "section 2, validation": [str(row) for row in range(14, 25)],
    "section 3, templates": [str(row) for row in range(25, 53)],
    "section 5, integrations": [*(str(row) for row in range(79, 104)), "97b"],
    "section 6, content handling": [str(row) for row in range(104, 119)],
}
ELSEWHERE: Final = {
    "23": "refusals of the call that makes one model; a document's models are not made by it",
    "52": "about the engine, not a request: tests/oracle compares with it, tests/core/vtl has what it made",
    "98": "an AWS service other than Lambda is a problem at start; what it is sent for an empty body is row 31",
}
RECORDINGS: Final = {  # of reference 03 section 9, with the rows that say what they show
    "test_input_path_template_formatting": range(25, 31),
    "test_input_body_formatting": range(31, 34),
    "test_api_gateway_request_validator": range(14, 21),
    "test_api_gateway_request_validator_with_ref_models": [21],
    "test_integration_mock_with_request_overrides_in_response_template": [35],
    "test_integration_mock_with_response_override_in_request_template": [36],
    "test_integration_mock_with_vtl_map_assignation": [37],
    "test_lambda_aws_integration_with_request_template": [96],
    "test_lambda_aws_integration_response_with_mapping_templates": [97],
    "test_lambda_selection_patterns": [95],
    "test_http_integration_with_lambda": range(79, 84),
    "test_http_proxy_integration_request_data_mappings": [86, 87],
    "TestApiGatewayHeaderRemapping": range(89, 95),
    "TestApiGatewayS3BinarySupport": range(104, 119),
    "test_aws_proxy_binary_response": [75],
}
# Its others: AWS services (SQS, SSM, Kinesis, EventBridge, DynamoDB, Step Functions) are a problem at start, the
# test-invoke log is in tests/core/test_execution_log.py, and canaries are no part of a definition.
HERE: Final = Path(__file__).parent
_IN_AN_ID: Final = re.compile(r"\brows? (\d+b?)")
_IN_A_NAME: Final = re.compile(r"(?<=_)rows?_(\d+b?)(?=_)")


def rows_of(tree: ast.Module) -> Iterator[str]:
    """The rows that the tests of a module name, in their ids or in their own names."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield from _IN_A_NAME.findall(node.name)
        elif isinstance(node, ast.keyword) and node.arg in ("id", "ids"):
            for inner in ast.walk(node.value):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield from _IN_AN_ID.findall(inner.value)


TESTED: Final = {row for path in HERE.glob("test_*.py") for row in rows_of(ast.parse(path.read_text("utf-8")))}


@pytest.mark.parametrize("section", ROWS)
def test_every_row_is_a_test(section: str) -> None:
    assert [row for row in ROWS[section] if row not in TESTED and row not in ELSEWHERE] == []


@pytest.mark.parametrize("recording", RECORDINGS)
def test_every_recording_is_a_test(recording: str) -> None:
    assert [row for row in RECORDINGS[recording] if str(row) not in TESTED] == []


def test_a_row_that_is_a_test_needs_no_reason() -> None:
    assert sorted(TESTED & ELSEWHERE.keys()) == []


def test_rows_are_found_in_names_and_ids_and_nowhere_else() -> None:
    module = ast.parse(
        """
def test_row_1_is_so(): "row 2"
def helper_row_3_no(): ...
@table([pytest.param(1, id="row 97b: an id"), pytest.param("row 4", id="arrow 5")], ids=["rows 6"])
def test_more(): ...
"""
    )

    assert sorted(rows_of(module)) == ["1", "6", "97b"]
