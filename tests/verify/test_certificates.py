"""What ``CertificateInfo`` reads is what ``openssl x509`` prints."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlskit import ClientContext, ServerContext
from tlskit.testing import CA, memory_pair
from tlskit.verify.certificates import CertificateInfo, fingerprint

from ..peers import needs

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ROOT = CA("tlskit certificates CA", key_type="rsa")
LEAF = ROOT.issue(
    "bücher.example", "192.0.2.1", valid=(NOW - DAY, NOW + 3 * DAY)
)


def printed(*options: str) -> str:
    """Have ``openssl x509`` print something of the leaf."""
    done = subprocess.run(
        ["openssl", "x509", "-noout", *options],
        input=LEAF.certificate.public_bytes(Encoding.PEM),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().partition("=")[2].strip()


@needs("openssl")
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_fingerprint(digest: str) -> None:
    """The fingerprint is written as ``openssl`` writes it."""
    wanted = printed("-fingerprint", f"-{digest}")

    assert wanted == fingerprint(LEAF.certificate, digest)


def test_broken_digests() -> None:
    """A fingerprint that can be forged is none."""
    with pytest.raises(ValueError, match="sha256, sha384, sha512"):
        fingerprint(LEAF.certificate, "sha1")


@needs("openssl")
def test_serial_number() -> None:
    """The serial number is written as ``openssl`` writes it."""
    info = CertificateInfo.of(LEAF.certificate)

    assert int(printed("-serial"), 16) == int(info.serial_number, 16)


def test_info() -> None:
    """Names, dates, key and purposes of a server's certificate."""
    info = CertificateInfo.of(LEAF.certificate)

    assert "bücher.example" == info.subject
    assert "tlskit certificates CA" == info.issuer
    assert ("xn--bcher-kva.example", "192.0.2.1") == info.names
    assert (NOW - DAY, NOW + 3 * DAY) == (info.not_before, info.not_after)
    assert "EC 256 bits" == info.key
    assert "SHA256" == info.digest
    assert ("serverAuth", "clientAuth") == info.purposes
    assert not info.is_ca
    assert CertificateInfo.of(ROOT.certificate).is_ca
    assert (
        "'bücher.example' issued by 'tlskit certificates CA', valid from "
        "2026-05-31T12:00:00Z to 2026-06-04T12:00:00Z" == str(info)
    )


@pytest.mark.parametrize(
    ("now", "left"),
    [(NOW, 3), (NOW + 2.5 * DAY, 0), (NOW + 3.5 * DAY, -1)],
)
def test_days_left(now: datetime, left: int) -> None:
    """Only whole days count, and after the end they are negative."""
    assert left == CertificateInfo.of(LEAF.certificate).days_left(now)


def test_days_left_from_now() -> None:
    """Without a moment it is the present."""
    assert CertificateInfo.of(ROOT.certificate).days_left() > 3000


def test_pin_is_what_pins_take() -> None:
    """A pin that is read here is accepted there; another one is not."""
    leaf = ROOT.issue("localhost")
    context = ClientContext("auto")
    ROOT.trust(context)
    context.set_verify()
    context.set_pins([CertificateInfo.of(leaf.certificate).pin])
    server = ServerContext()
    leaf.apply(server)
    ours, theirs = memory_pair(context, server)
    with ours, theirs:
        assert ours.peer_certificate is not None
        info = CertificateInfo.of(ours.peer_certificate)

    assert CertificateInfo.of(leaf.certificate) == info
    assert info.pin != CertificateInfo.of(LEAF.certificate).pin


def test_as_dict() -> None:
    """All of it is JSON."""
    data = CertificateInfo.of(LEAF.certificate).as_dict()

    assert data == json.loads(json.dumps(data))
    assert "2026-05-31T12:00:00Z" == data["not_before"]
    assert ["serverAuth", "clientAuth"] == data["purposes"]


def test_strangers_can_not_write_on_the_terminal() -> None:
    """Control characters are escaped, and what can't be read is empty."""
    odd = x509.UnrecognizedExtension(
        x509.SubjectAlternativeName.oid, b"\x05\x00"
    )
    leaf = ROOT.issue(
        common_name="evil\x1b[2J", with_san=False, extensions=[(odd, False)]
    )
    info = CertificateInfo.of(leaf.certificate)

    assert "\x1b" not in str(info)
    assert () == info.names
    assert leaf.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
