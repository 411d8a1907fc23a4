"""Certificates in header fields, in each proxy's form, and the fields that nobody else may write."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList
from gatewaykit.core.identity.certificate_headers import (
    FORMS,
    Parts,
    claims_certificate,
    form_of,
    values_of,
)  # fmt: skip
from gatewaykit.core.identity.mtls import read_certificates
from tests.peers.certificates import issue

ROOT = issue("CN=root", ca=True)
INNER = issue("CN=inner", ROOT, ca=True)
CLIENT = issue(issuer=INNER)

LEAF = b64encode(CLIENT.der)
CHAIN = b64encode(INNER.der)
ESCAPED = quote(CLIENT.pem, safe="").encode()  # as nginx and Envoy do
ALB = quote(CLIENT.pem + INNER.pem, safe="+=/").encode()
BOTH = quote(CLIENT.pem + INNER.pem, safe="").encode()


def sent(source: str, headers: HeaderList) -> Parts:
    form = form_of(source)
    return form.parse(values_of(headers, form.names))


def certificates(source: str, headers: HeaderList) -> object:
    parts = sent(source, headers)
    return parts if parts is None or isinstance(parts, str) else read_certificates(parts)


ONE, TWO = (CLIENT.certificate,), (CLIENT.certificate, INNER.certificate)
XFCC = b"x-forwarded-client-cert"


@pytest.mark.parametrize(
    ("source", "headers", "expected"),
    [
        pytest.param("client-cert", [(b"Client-Cert", b":%b:" % LEAF)], ONE, id="client-cert (RFC 9440)"),
        pytest.param(
            "client-cert", [(b"client-cert", b":%b:" % LEAF), (b"client-cert-chain", b":%b:" % CHAIN)], TWO,
            id="client-cert with its chain",
        ),
        pytest.param(
            "client-cert",
            [
                (b"client-cert", b" :%b:;a=1; b=?1;c;d=\"x\" " % LEAF),
                (b"client-cert-chain", b":%b: , :%b:" % (CHAIN, CHAIN)), (b"client-cert-chain", b":%b:" % CHAIN),
            ],
            (*TWO, INNER.certificate, INNER.certificate), id="client-cert with parameters and a chain in two lines",
        ),
        pytest.param("client-cert", [], None, id="no client-cert"),
        pytest.param(
            "nginx", [(b"X-SSL-Client-Cert", ESCAPED), (b"X-SSL-Client-Verify", b"SUCCESS")], ONE, id="nginx"
        ),
        pytest.param("nginx", [(b"x-ssl-client-cert", ESCAPED)], ONE, id="nginx without its verdict"),
        pytest.param("nginx", [(b"x-ssl-client-verify", b"NONE")], None, id="nginx without a certificate"),
        pytest.param(
            "nginx", [(b"x-ssl-client-cert", b""), (b"x-ssl-client-verify", b"NONE")], None, id="empty fields"
        ),
        pytest.param(
            "haproxy", [(b"x-ssl-client-cert", b":%b:" % LEAF), (b"x-ssl-client-verify", b"0")], ONE, id="haproxy"
        ),
        pytest.param("haproxy", [(b"x-ssl-client-cert", LEAF)], ONE, id="haproxy, bare"),
        pytest.param("haproxy", [(b"x-ssl-client-cert", b'"%b"' % LEAF)], ONE, id="haproxy, quoted"),
        pytest.param(
            "haproxy", [(b"x-ssl-client-cert", b"::"), (b"x-ssl-client-verify", b"0")], None, id="haproxy without one"
        ),
        pytest.param(
            "envoy", [(XFCC, b'By=spiffe://a;Hash=ab;Cert="%b";Subject="CN=\\"x\\";,";URI=;DNS=a.example' % ESCAPED)],
            ONE, id="envoy (documentation)",
        ),
        pytest.param("envoy", [(XFCC, b'cert="%b";Chain="%b"' % (ESCAPED, BOTH))], (*ONE, *TWO), id="envoy's chain"),
        pytest.param("envoy", [(XFCC, b'Chain="%b"' % BOTH)], TWO, id="envoy with a chain alone"),
        pytest.param("envoy", [(XFCC, b"Cert=%b;" % ESCAPED)], ONE, id="envoy, not quoted"),
        pytest.param("envoy", [(XFCC, b" ")], None, id="envoy without one"),
        pytest.param("envoy", [], None, id="no envoy"),
        pytest.param("alb", [(b"X-Amzn-Mtls-Clientcert", ALB)], TWO, id="alb, passed through (documentation)"),
        pytest.param("alb", [(b"X-Amzn-Mtls-Clientcert-Leaf", ESCAPED)], ONE, id="alb, verified (documentation)"),
        pytest.param("alb", [(b"x-amzn-mtls-clientcert", b"")], None, id="alb without one"),
    ],
)  # fmt: skip
def test_each_form_is_read(source: str, headers: HeaderList, expected: object) -> None:
    assert certificates(source, headers) == expected


@pytest.mark.parametrize(
    ("source", "headers", "why"),
    [
        pytest.param("client-cert", [(b"client-cert", b":%b:" % LEAF)] * 2, "sent twice", id="two client-certs"),
        pytest.param(
            "client-cert", [(b"client-cert", b":%b:, :%b:" % (LEAF, LEAF))], "sent twice", id="two in one field"
        ),
        pytest.param("client-cert", [(b"client-cert-chain", b":%b:" % CHAIN)], "without Client-Cert", id="chain alone"),
        pytest.param("client-cert", [(b"client-cert", LEAF)], "no byte sequence", id="no colons"),
        pytest.param("client-cert", [(b"client-cert", b"")], "", id="an empty client-cert"),
        pytest.param("client-cert", [(b"client-cert", b"::")], "no byte sequence", id="nothing between the colons"),
        pytest.param("client-cert", [(b"client-cert", b":a:")], "no byte sequence", id="no base64"),
        pytest.param("client-cert", [(b"client-cert", b":%b: x" % LEAF)], "no byte sequence", id="more behind it"),
        pytest.param(
            "client-cert", [(b"client-cert", b":%b:" % LEAF), (b"client-cert-chain", b"x")], "Client-Cert-Chain is no",
            id="a broken chain",
        ),
        pytest.param("nginx", [(b"x-ssl-client-cert", ESCAPED)] * 2, "sent twice", id="two certificates"),
        pytest.param(
            "nginx", [(b"x-ssl-client-cert", ESCAPED), *[(b"x-ssl-client-verify", b"SUCCESS")] * 2], "sent twice",
            id="two verdicts",
        ),
        pytest.param(
            "nginx", [(b"x-ssl-client-cert", ESCAPED), (b"x-ssl-client-verify", b"FAILED:certificate has expired")],
            "the proxy says of it: FAILED:certificate has expired", id="a bad verdict",
        ),
        pytest.param("nginx", [(b"x-ssl-client-cert", b"no")], "holds no PEM", id="no PEM"),
        pytest.param(
            "haproxy", [(b"x-ssl-client-cert", LEAF), (b"x-ssl-client-verify", b"10")], "the proxy says of it: 10",
            id="haproxy's bad verdict",
        ),
        pytest.param("haproxy", [(b"x-ssl-client-cert", b"\xff")], "no DER in base64", id="no DER"),
        pytest.param("envoy", [(XFCC, b'Cert="%b"' % ESCAPED)] * 2, "sent twice", id="two fields"),
        pytest.param(
            "envoy", [(XFCC, b'Cert="%b",Cert="%b"' % (ESCAPED, ESCAPED))], "several clients", id="several clients"
        ),
        pytest.param(
            "envoy", [(XFCC, b'Cert="%b";CERT="%b"' % (ESCAPED, ESCAPED))], "names a certificate twice", id="two Certs"
        ),
        pytest.param("envoy", [(XFCC, b"Hash=ab;Subject=\"CN=a\"")], "holds no certificate", id="a digest alone"),
        pytest.param("envoy", [(XFCC, b"?")], "no list of pairs", id="no pairs"),
        pytest.param("envoy", [(XFCC, b'Cert="x')], "no list of pairs", id="an open quote"),
        pytest.param("envoy", [(XFCC, b'Cert="x"')], "holds no PEM", id="no PEM in it"),
        pytest.param(
            "alb", [(b"x-amzn-mtls-clientcert", ALB), (b"x-amzn-mtls-clientcert-leaf", ALB)], "sent twice", id="two"
        ),
        pytest.param("alb", [(b"x-amzn-mtls-clientcert", b"%zz")], "holds no PEM", id="no PEM from the alb"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_form_says_why(source: str, headers: HeaderList, why: str) -> None:
    parts = sent(source, headers)

    assert why in parts if isinstance(parts, str) else (parts, why) == ((), "")


def test_the_fields_of_nginx_may_have_other_names() -> None:
    form = form_of("nginx", "X-Cert", "X-Verdict")

    assert form.names == (b"x-cert", b"x-verdict")
    assert form_of("nginx", verify_header="V").names == (b"x-ssl-client-cert", b"v")
    assert form_of("envoy", "X-Cert").names == (XFCC,)


CLAIMS = [
    "Client-Cert", "client-cert-chain", "X-SSL-Client-Cert", "x-ssl-client-verify", "X-SSL-Client-S-DN",
    "ssl-client-subject-dn", "SSL_CLIENT_CERT", "X_SSL_Client_Cert", "x-ssl_client-cert", "X-Client-Cert",
    "X-Forwarded-Client-Cert", "x_forwarded_client_cert", "X-Forwarded-Tls-Client-Cert-Info", "X-Amzn-Mtls-Clientcert",
    "X-AMZN-MTLS-CLIENTCERT-LEAF", "x_amzn_mtls_clientcert_serial_number", "CLIENT_CERT", "x-our-cert", "X_Our-CERT",
]  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_field_that_claims_a_certificate_is_known_in_any_spelling(name: str) -> None:
    assert claims_certificate([b"x-our-cert"])(name.encode())


@pytest.mark.parametrize(
    "name",
    ["Client", "X-Client-Certainly-Not"[:9], "Certificate", "X-Forwarded-For", "Accept", "x-our-cert2", "client-certs"],
)
def test_other_fields_are_left_alone(name: str) -> None:
    assert not claims_certificate([b"x-our-cert"])(name.encode())


@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(
        st.tuples(
            st.sampled_from([name for form in FORMS.values() for name in form.names]),
            st.one_of(
                st.binary(max_size=60),
                st.lists(
                    st.sampled_from(
                        [LEAF, ESCAPED, b":", b'"', b"Cert=", b"Chain=", b";", b",", b"%0A", b" ", b"\\", b"="]
                    )
                ).map(b"".join),
            ),
        ),
        max_size=4,
    ),
)
def test_any_bytes_give_a_chain_a_reason_or_nothing(source: str, headers: HeaderList) -> None:
    found = certificates(source, headers)

    assert found is None or isinstance(found, (str, tuple))
