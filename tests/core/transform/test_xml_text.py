"""XML as JSON values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.transform.unusable import Unusable
from gatewaykit.core.transform.xml_text import parse_xml


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param("<a>x</a>", {"a": "x"}, id="text"),
        pytest.param("<a/>", {"a": None}, id="empty"),
        pytest.param("<a> \n </a>", {"a": None}, id="white space"),
        pytest.param("<a x='1'/>", {"a": {"@x": "1"}}, id="attributes"),
        pytest.param("<a x='1'> t <b/> u</a>", {"a": {"@x": "1", "b": None, "#text": "t  u"}}, id="text between"),
        pytest.param("<a><b>1</b><c/><b>2</b><b/></a>", {"a": {"b": ["1", "2", None], "c": None}}, id="several"),
        pytest.param("<l><i>1</i></l>", {"l": {"i": ["1"]}}, id="a list of one"),
        pytest.param(
            "<n:a xmlns:n='u'>&lt;&#65;<![CDATA[&]]></n:a>", {"n:a": {"@xmlns:n": "u", "#text": "<A&"}}, id="names"
        ),
        pytest.param("<?xml version='1.0'?><!-- c --><a>\u00fc</a>", {"a": "\u00fc"}, id="what stands around it"),
    ],
)
def test_a_document_is_read(body: str, value: Any) -> None:
    assert parse_xml(body.encode(), ["i"]) == value


def test_a_document_says_its_encoding() -> None:
    assert parse_xml("<?xml version='1.0' encoding='iso-8859-1'?><a>\u00fc</a>".encode("latin-1")) == {"a": "\u00fc"}


BOMB = "<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'>{}]><a>&y9;</a>".format(
    "".join(f"<!ENTITY y{n} '{f'&y{n - 1};' * 10 if n else '&x;' * 10}'>" for n in range(10))
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BOMB, id="a bomb of entities"),
        pytest.param("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", id="a file"),
        pytest.param("<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>", id="a document type elsewhere"),
        pytest.param("<!DOCTYPE a><a/>", id="a document type alone"),
    ],
)
def test_a_document_type_is_refused_where_it_begins(body: str) -> None:
    assert parse_xml(body.encode()) == Unusable("it is not valid XML: a document type declaration is not read")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"), pytest.param(b"<a>", id="no end"), pytest.param(b"<a/><b/>", id="two roots"),
        pytest.param(b"<a>&x;</a>", id="an unknown entity"), pytest.param(b"<a>\xff</a>", id="no UTF-8"),
        pytest.param(b"<?xml version='1.0' encoding='none-such'?><a/>", id="an unknown encoding"),
        pytest.param(b"<?xml version='1.0' encoding='shift_jis'?><a>\x83\x65</a>", id="an encoding of many bytes"),
        pytest.param(b"<a>" * 101 + b"</a>" * 101, id="nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_told(body: bytes) -> None:
    found = parse_xml(body)

    assert isinstance(found, Unusable)
    assert found.detail.startswith("it is not valid XML: ")


def test_a_hundred_elements_inside_one_another_are_read() -> None:
    assert not isinstance(parse_xml(b"<a>" * 100 + b"</a>" * 100), Unusable)


MARKUP = st.lists(
    st.sampled_from(
        ["<a>", "</a>", "<b x='1'>", "</b>", "t", "&lt;", "&#", "<!", "<![CDATA[", "]]>", "<?", "?>", "\xff"]
    )
).map("".join)


@given(
    st.binary() | MARKUP.map(lambda text: text.encode("latin-1")) | MARKUP.map(lambda text: f"<r>{text}</r>".encode())
)
def test_any_bytes_are_a_value_or_unusable(body: bytes) -> None:
    assert isinstance(parse_xml(body), dict | Unusable)
