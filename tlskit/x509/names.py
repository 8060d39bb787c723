"""Read X.500 names from their DER, and write them as OpenSSL does.

``cryptography`` refuses many a name that OpenSSL takes: Latin-1 in a
TeletexString, a bit string, types that are no strings.  Such a peer still
has a name to show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .der import Element, dotted, elements, fields

if TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "common_names",
    "is_self_issued",
    "issuer_oneline",
    "issuer_text",
    "oneline",
    "subject_oneline",
    "subject_text",
]

_BIT_STRING, _SEQUENCE = 0x03, 0x30
_COMMON_NAME = "2.5.4.3"
_ENCODINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as it is used in practice
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
# What cryptography raises for a name that it can't decode.
_UNDECODABLE = (ValueError, TypeError, LookupError)
# OpenSSL writes unknown types as numbers, into a buffer of this size.
_MAX_OID_TEXT = 79


class _Attribute(NamedTuple):
    """One attribute of a name: where it stands, its type and value."""

    place: int  # The same for all attributes of a multi-valued RDN.
    oid: str
    value: Element


def oneline(name: x509.Name) -> bytes:
    r"""Write *name* as ``X509_NAME_oneline`` does: ``/C=DE/CN=example``.

    Values are given byte by byte as they are encoded, with ``\xNN`` for
    what is no printable ASCII, and ``\`` before ``/`` and ``+``.  The
    attributes of a multi-valued RDN are joined by ``+``.  OpenSSL cuts the
    line to the caller's buffer; here it is always whole.

    Never take it for a decision: it is ambiguous, and who wrote the name
    may have chosen every byte of it.
    """
    return _oneline(name.public_bytes())


def subject_oneline(certificate: x509.Certificate) -> bytes:
    """Write the subject of *certificate*, also one that can't be decoded."""
    return _oneline(fields(certificate.tbs_certificate_bytes).subject.whole)


def issuer_oneline(certificate: x509.Certificate) -> bytes:
    """Write the issuer of *certificate*, also one that can't be decoded."""
    return _oneline(fields(certificate.tbs_certificate_bytes).issuer.whole)


def subject_text(certificate: x509.Certificate) -> str:
    """Write the subject as RFC 4514 says, also one that can't be decoded.

    Such a one is written as ``subject_oneline`` does.
    """
    try:
        return certificate.subject.rfc4514_string()
    except _UNDECODABLE:
        return subject_oneline(certificate).decode("ascii")


def issuer_text(certificate: x509.Certificate) -> str:
    """Write the issuer in the same way."""
    try:
        return certificate.issuer.rfc4514_string()
    except _UNDECODABLE:
        return issuer_oneline(certificate).decode("ascii")


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Say whether subject and issuer may be the same name to OpenSSL.

    It compares without case, and without regard to white space and to kinds
    of strings (RFC 5280, section 7.1).  A name that can't be decoded may be
    anybody's.
    """
    try:
        names = [
            [
                {(each.oid, " ".join(str(each.value).lower().split()))}
                for rdn in name.rdns
                for each in rdn
            ]
            for name in (certificate.subject, certificate.issuer)
        ]
    except _UNDECODABLE:
        return True
    return names[0] == names[1]


def common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give the common names of the subject in order.

    Those that can't be decoded are left out.
    """
    texts = []
    for attribute in _attributes(
        fields(certificate.tbs_certificate_bytes).subject.whole
    ):
        encoding = _ENCODINGS.get(attribute.value.tag)
        if attribute.oid != _COMMON_NAME or encoding is None:
            continue
        try:
            texts.append(attribute.value.content.decode(encoding))
        except UnicodeDecodeError:
            continue
    return tuple(texts)


def _oneline(der: bytes) -> bytes:
    line = bytearray()
    last = -1
    for place, oid, value in _attributes(der):
        line += b"+" if place == last else b"/"
        line += _SHORT_NAMES.get(oid, oid[:_MAX_OID_TEXT]).encode("ascii")
        line += b"="
        line += b"".join(map(_escaped, _value_bytes(value)))
        last = place
    return bytes(line)


def _value_bytes(value: Element) -> bytes:
    """Give what OpenSSL keeps of a value."""
    if value.tag == _SEQUENCE:
        return value.whole
    if value.tag != _BIT_STRING or not value.content:
        return value.content
    unused, bits = value.content[0], bytearray(value.content[1:])
    if bits:
        bits[-1] &= 0xFF << (unused & 7) & 0xFF
    return bytes(bits)


def _escaped(byte: int) -> bytes:
    if not 0x20 <= byte <= 0x7E:
        return b"\\x%02X" % byte
    return b"\\%c" % byte if byte in b"/+" else b"%c" % byte


def _attributes(der: bytes) -> Iterator[_Attribute]:
    """Walk through the DER of a name (RFC 5280, section 4.1.2.4)."""
    (name,) = elements(der)
    for place, rdn in enumerate(elements(name.content)):
        for attribute in elements(rdn.content):
            oid, value = elements(attribute.content)
            yield _Attribute(place, dotted(oid.content), value)


def _table(prefix: str, names: str) -> dict[str, str]:
    """Read a table of last arcs and short names."""
    words = names.split()
    return {
        f"{prefix}.{arc}": name
        for arc, name in zip(words[::2], words[1::2], strict=True)
    }


# OpenSSL's short names for the types of attributes that names are made of.
_SHORT_NAMES = {
    **_table(
        "2.5.4",
        """
        3 CN 4 SN 5 serialNumber 6 C 7 L 8 ST 9 street 10 O 11 OU 12 title
        13 description 14 searchGuide 15 businessCategory 16 postalAddress
        17 postalCode 18 postOfficeBox 19 physicalDeliveryOfficeName
        20 telephoneNumber 21 telexNumber 22 teletexTerminalIdentifier
        23 facsimileTelephoneNumber 24 x121Address 25 internationaliSDNNumber
        26 registeredAddress 27 destinationIndicator
        28 preferredDeliveryMethod 29 presentationAddress
        30 supportedApplicationContext 31 member 32 owner 33 roleOccupant
        34 seeAlso 35 userPassword 36 userCertificate 37 cACertificate
        38 authorityRevocationList 39 certificateRevocationList
        40 crossCertificatePair 41 name 42 GN 43 initials
        44 generationQualifier 45 x500UniqueIdentifier 46 dnQualifier
        47 enhancedSearchGuide 48 protocolInformation 49 distinguishedName
        50 uniqueMember 51 houseIdentifier 52 supportedAlgorithms
        53 deltaRevocationList 54 dmdName 65 pseudonym 72 role
        97 organizationIdentifier 98 c3 99 n3 100 dnsName
        """,
    ),
    **_table(
        "0.9.2342.19200300.100.1",
        """
        1 UID 2 textEncodedORAddress 3 mail 4 info 5 favouriteDrink
        6 roomNumber 7 photo 8 userClass 9 host 10 manager
        11 documentIdentifier 12 documentTitle 13 documentVersion
        14 documentAuthor 15 documentLocation 20 homeTelephoneNumber
        21 secretary 22 otherMailbox 23 lastModifiedTime 24 lastModifiedBy
        25 DC 26 aRecord 27 pilotAttributeType27 28 mXRecord 29 nSRecord
        30 sOARecord 31 cNAMERecord 37 associatedDomain 38 associatedName
        39 homePostalAddress 40 personalTitle 41 mobileTelephoneNumber
        42 pagerTelephoneNumber 43 friendlyCountryName 44 uid
        45 organizationalStatus 46 janetMailbox 47 mailPreferenceOption
        48 buildingName 49 dSAQuality 50 singleLevelQuality
        51 subtreeMinimumQuality 52 subtreeMaximumQuality
        53 personalSignature 54 dITRedirect 55 audio 56 documentPublisher
        """,
    ),
    **_table(
        "1.2.840.113549.1.9",
        """
        1 emailAddress 2 unstructuredName 3 contentType 4 messageDigest
        5 signingTime 6 countersignature 7 challengePassword
        8 unstructuredAddress 9 extendedCertificateAttributes 14 extReq
        15 SMIME-CAPS 16 SMIME 20 friendlyName 21 localKeyID
        """,
    ),
    **_table(
        "1.2.643.100",
        """
        1 OGRN 3 SNILS 5 OGRNIP 111 subjectSignTool 112 issuerSignTool
        113 classSignTool
        """,
    ),
    **_table(
        "1.2.643.3.131.1",
        """
        1 INN
        """,
    ),
    **_table(
        "1.3.6.1.4.1.311.60.2.1",
        """
        1 jurisdictionL 2 jurisdictionST 3 jurisdictionC
        """,
    ),
    **_table(
        "1.3.6.1.4.1.311.20.2",
        """
        2 msSmartcardLogin 3 msUPN
        """,
    ),
    **_table(
        "1.3.6.1.5.5.7.9",
        """
        1 id-pda-dateOfBirth 2 id-pda-placeOfBirth 3 id-pda-gender
        4 id-pda-countryOfCitizenship 5 id-pda-countryOfResidence
        """,
    ),
    **_table(
        "2.23.133.2",
        """
        1 tcg-at-tpmManufacturer 2 tcg-at-tpmModel 3 tcg-at-tpmVersion
        10 tcg-at-securityQualities 11 tcg-at-tpmProtectionProfile
        12 tcg-at-tpmSecurityTarget 13 tcg-at-tbbProtectionProfile
        14 tcg-at-tbbSecurityTarget 15 tcg-at-tpmIdLabel
        16 tcg-at-tpmSpecification 17 tcg-at-tcgPlatformSpecification
        18 tcg-at-tpmSecurityAssertions 19 tcg-at-tbbSecurityAssertions
        23 tcg-at-tcgCredentialSpecification 25 tcg-at-tcgCredentialType
        26 tcg-at-previousPlatformCertificates
        27 tcg-at-tbbSecurityAssertions-v3 28 tcg-at-cryptographicAnchors
        """,
    ),
}
