"""A certificate described as the standard library describes it."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    NameOID,
)

from tlskit.stdlib.certificate import certificate_dict
from tlskit.testing import BAD_KINDS, CA

_CA = CA("tlskit described CA")
_NAME = x509.Name(
    [
        x509.RelativeDistinguishedName(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "Zoë"),
                x509.NameAttribute(NameOID.EMAIL_ADDRESS, "zoe@x.example"),
            ]
        ),
        x509.RelativeDistinguishedName(
            [x509.NameAttribute(NameOID.COUNTRY_NAME, "NL")]
        ),
        x509.RelativeDistinguishedName(
            [
                x509.NameAttribute(
                    x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), "odd"
                )
            ]
        ),
    ]
)
_NAMES = x509.SubjectAlternativeName(
    [
        x509.DNSName("a.example"),
        x509.DNSName("*.b.example"),
        x509.RFC822Name("a@b.example"),
        x509.UniformResourceIdentifier("spiffe://a/b"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::a0")),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        x509.DirectoryName(_NAME),
    ]
)


def _uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


_ACCESS = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(method, _uri(f"http://a.example/{number}"))
        for number, method in enumerate(
            [
                AuthorityInformationAccessOID.OCSP,
                AuthorityInformationAccessOID.CA_ISSUERS,
                AuthorityInformationAccessOID.OCSP,
            ]
        )
    ]
)
_POINTS = x509.CRLDistributionPoints(
    [
        x509.DistributionPoint(
            [_uri("http://a.example/crl"), x509.DirectoryName(_NAME)],
            None,
            None,
            None,
        ),
        x509.DistributionPoint(
            None,
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(NameOID.COMMON_NAME, "a")]
            ),
            None,
            None,
        ),
    ]
)


def _dated(year: int) -> datetime:
    return datetime(year, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


CERTIFICATES = {
    "root": _CA.certificate,
    "plain": _CA.issue("a.example").certificate,
    "nameless": _CA.issue(with_san=False).certificate,
    "rich": _CA.issue(
        san=_NAMES,
        extensions=[(_ACCESS, False), (_POINTS, False)],
        valid=(_dated(2020), _dated(2070)),
    ).certificate,
    **{
        kind: _CA.issue_bad(kind, "a.example").certificate
        for kind in BAD_KINDS
    },
}


@pytest.fixture(params=CERTIFICATES)
def certificate(request) -> x509.Certificate:
    """Every certificate."""
    return CERTIFICATES[request.param]


def test_it_is_described_as_ssl_does(certificate, tmp_path):
    """Word by word what the standard library's own C code says."""
    path = tmp_path / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    theirs = ssl._ssl._test_decode_cert(str(path))

    assert theirs == certificate_dict(certificate)


def test_an_address_of_a_wrong_size_is_shown_as_such():
    """Eight bytes are a network to cryptography, and nothing to ssl."""
    network = x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))
    names = x509.SubjectAlternativeName([network])
    found = certificate_dict(_CA.issue(san=names).certificate)

    assert (("IP Address", "<invalid>"),) == found["subjectAltName"]
