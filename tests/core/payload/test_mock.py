"""The status of a MOCK integration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.mock import mock_status


@pytest.mark.parametrize(
    ("rendered", "status"),
    [
        pytest.param('{"statusCode": 200}', 200, id="row 38 JSON"),
        pytest.param("{statusCode: 200}", 200, id="row 38 unquoted key"),
        pytest.param('{"statusCode": 200,}', 200, id="row 38 trailing comma"),
        pytest.param("{'statusCode': 200}", 200, id="single quotes"),
        pytest.param('{"statusCode": 200 ,, }', 200, id="empty members"),
        pytest.param('{"statusCode": 200, foo}: [ba r]}', 200, id="junk in another member"),
        pytest.param('{"statusCode": 200, null: null}', 200, id="null member"),
        pytest.param('{"statusCode": 200, "": ""}', 200, id="empty key"),
        pytest.param('\n { "statusCode" : 404 } \n', 404, id="blanks"),
        pytest.param("{statusCode: 0}", 0, id="zero"),
        pytest.param("{statusCode: -5}", -5, id="negative"),
        pytest.param('{"statusCode": "200"}', None, id="string"),
        pytest.param('{statusCode: "200"}', None, id="string, loosely"),
        pytest.param('{"statusCode": true}', None, id="boolean"),
        pytest.param('{"statusCode": 200.5}', None, id="fraction"),
        pytest.param("{'statusCode\": 200}", None, id="mismatched quotes"),
        pytest.param("statusCode: 200", None, id="no braces"),
        pytest.param('{"statusCode": 200', None, id="no closing brace"),
        pytest.param('{"statusCode": 200, {x: 1}', None, id="key that begins with a brace"),
        pytest.param('{"statusCode": 200, [x: 1}', None, id="key that begins with a bracket"),
        pytest.param("", None, id="nothing"),
        pytest.param("[]", None, id="a list"),
        pytest.param("{" * 100000 + "}" * 100000, None, id="deep"),
        pytest.param('{"statusCode": ' + "1" * 5000 + "}", None, id="huge"),
    ],
)
def test_the_status_is_read_as_loosely_as_recorded(rendered: str, status: int | None) -> None:
    assert mock_status(rendered) == status


@given(st.text() | st.text(alphabet='{}[]":, statusCode200-').map(lambda text: "{" + text + "}"))
def test_any_text_gives_an_integer_or_none(rendered: str) -> None:
    assert mock_status(rendered) is None or isinstance(mock_status(rendered), int)
