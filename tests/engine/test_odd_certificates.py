"""Certificates that OpenSSL takes, and that other parsers are too strict for.

What nobody needs must not decide, and what OpenSSL has verified is accepted;
whatever is really wrong stays refused.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from cryptography import x509

import tlskit
from tlskit import IdentityError, VerificationError
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.verify.certificates import CertificateInfo
from tlskit.verify.chain import pin_of
from tlskit.x509.der import element

from ..altered import altered, der_of, pem_of

HOST = "odd.example"
#: A name as devices write it: PrintableString has no ampersand.
UTF8, PRINTABLE = b"\x0c\x0bSmith+Co CA", b"\x13\x0bSmith&Co CA"
#: The same, and bytes that are no UTF-8.
LATIN = b"\x13\x0bSmith\xe9Co CA"


def client(*roots: bytes) -> tlskit.ClientContext:
    """Trust these roots, DER, and verify."""
    context = tlskit.ClientContext("auto")
    context.load_verify_source(tlskit.VerifySource.pem(pem_of(*roots)))
    context.set_verify()
    context.set_verify_hostname()
    return context


def server(leaf: Leaf, *ders: bytes) -> tlskit.ServerContext:
    """Present these certificates, DER, with the leaf's key."""
    return tlskit.ServerContext(
        certificate_chain=pem_of(*ders), private_key=leaf.key
    )


class Device:
    """A root and a leaf with a name that breaks the rules of its string."""

    def __init__(self, name: bytes = PRINTABLE) -> None:
        self.ca = CA("Smith+Co CA")
        self.leaf = self.ca.issue(HOST)
        change = (UTF8, name)
        self.root_der = altered(self.ca.certificate, self.ca, change)
        self.leaf_der = altered(self.leaf.certificate, self.ca, change)

    def server(self) -> tlskit.ServerContext:
        """Present the leaf."""
        return server(self.leaf, self.leaf_der)


@pytest.fixture
def device() -> Device:
    """Make one."""
    return Device()


@pytest.fixture(params=[PRINTABLE, LATIN], ids=["ampersand", "latin-1"])
def any_device(request: pytest.FixtureRequest) -> Device:
    """Make one of each kind."""
    return Device(request.param)


def test_the_parser_refuses_such_names(any_device: Device) -> None:
    """Else the tests below would test nothing."""
    with pytest.raises(ValueError, match="PrintableString"):
        x509.load_der_x509_certificate(any_device.leaf_der)


def test_such_a_chain_is_accepted(any_device: Device) -> None:
    """What OpenSSL has verified is accepted; its bytes are there."""
    context = client(any_device.root_der)
    here, there = memory_pair(context, any_device.server(), hostname=HOST)
    with here, there:
        facts = here.facts

        assert here.peer_verified
        assert facts is not None
        assert (any_device.leaf_der,) == facts.peer_ders
        assert (
            any_device.leaf_der,
            any_device.root_der,
        ) == facts.verified_ders
        assert (HOST,) == here.peer_certificate_hostnames
        assert 2 == len(here.verified_chain)


def test_such_a_pair_is_followed(device: Device, tmp_path: Path) -> None:
    """A pair in files may have such a name, too, and is told as it is."""
    files = tmp_path / "chain.pem", tmp_path / "key.pem"
    files[0].write_bytes(pem_of(device.leaf_der, device.root_der))
    files[1].write_bytes(device.leaf.key_pem)
    context = tlskit.ServerContext()
    context.load_credentials(tlskit.ReloadableCredentials(*files))
    trusting = client(device.root_der)
    here, there = memory_pair(trusting, context, hostname=HOST)
    with here, there:
        assert here.facts is not None
        assert device.leaf_der == here.facts.peer_ders[0]


def test_such_a_name_is_shown(device: Device) -> None:
    """The name is told as it stands there."""
    context = client(device.root_der)
    here, there = memory_pair(context, device.server(), hostname=HOST)
    with here, there:
        certificate = here.peer_certificate

        assert b"/CN=Smith&Co CA" == here.peer_issuer_name
        assert certificate is not None
        assert "CN=Smith&Co CA" == certificate.issuer.rfc4514_string()
        assert "Smith&Co CA" == CertificateInfo.of(certificate).issuer


def test_another_name_stays_refused(any_device: Device) -> None:
    """The host is compared all the same."""
    with pytest.raises(IdentityError):
        memory_pair(
            client(any_device.root_der), any_device.server(), hostname="x.test"
        )


def test_a_forged_one_stays_refused(device: Device) -> None:
    """The signature counts, over the bytes that came."""
    forged = altered(device.leaf.certificate, CA(), (UTF8, PRINTABLE))
    context = client(device.root_der)
    with pytest.raises(VerificationError) as info:
        memory_pair(context, server(device.leaf, forged), hostname=HOST)

    assert "Smith&Co CA" in info.value.explain()
    assert info.value.certificate is not None


def test_the_unchanged_root_is_another_one(device: Device) -> None:
    """Trust is in bytes, not in what was made readable."""
    context = client(der_of(CA("Smith&Co CA").certificate))
    with pytest.raises(VerificationError):
        memory_pair(context, device.server(), hostname=HOST)


def test_the_same_verdict_without_a_connection(any_device: Device) -> None:
    """verify_chain() takes what a handshake takes."""
    context = client(any_device.root_der)
    path = context.verify_chain(pem_of(any_device.leaf_der), hostname=HOST)

    assert 2 == len(path)
    with pytest.raises(VerificationError):
        client(der_of(CA().certificate)).verify_chain(
            pem_of(any_device.leaf_der)
        )


def test_both_sides_bind_to_the_same_bytes(device: Device) -> None:
    """The channel binding is of the certificate that was sent."""
    context = client(device.root_der)
    here, there = memory_pair(context, device.server(), hostname=HOST)
    with here, there:
        kind = "tls-server-end-point"

        assert here.channel_binding(kind) == there.channel_binding(kind)


def test_pins_of_such_a_chain(device: Device) -> None:
    """A pinned root counts; a stranger's key does not."""
    context = client(device.root_der)
    context.set_pins([pin_of(device.ca.certificate)])
    here, there = memory_pair(context, device.server(), hostname=HOST)
    here.close()
    there.close()
    context.set_pins([pin_of(CA().certificate)])

    with pytest.raises(VerificationError, match="pinned"):
        memory_pair(context, device.server(), hostname=HOST)


def test_strict_refuses_such_a_chain(device: Device) -> None:
    """The second verifier can't read it, and says so."""
    context = client(device.root_der)
    context.set_strict()

    with pytest.raises(VerificationError) as info:
        memory_pair(context, device.server(), hostname=HOST)

    assert "second-verifier" == info.value.code


# -- extensions -------------------------------------------------------------


def unknown(oid: str, value: str) -> x509.UnrecognizedExtension:
    """Make an extension that nobody checks while it is written."""
    return x509.UnrecognizedExtension(
        x509.ObjectIdentifier(oid), bytes.fromhex(value)
    )


UNRELATED = {
    "issuerAltName, ediPartyName": ("2.5.29.18", "3007a505a1030c0165"),
    "issuerAltName, x400Address": ("2.5.29.18", "3004a3023000"),
    "policy with a private qualifier": (
        "2.5.29.32",
        "3014301206032a0304300b300906032a030504027171",
    ),
    "timestamps that are garbage": (
        "1.3.6.1.4.1.11129.2.4.2",
        "04050005616263",
    ),
}


@pytest.mark.parametrize("kind", UNRELATED)
@pytest.mark.parametrize("certified", [HOST, "other.example"])
def test_an_extension_that_nobody_needs(kind: str, certified: str) -> None:
    """The names count, whatever stands beside them."""
    ca = CA()
    extension = unknown(*UNRELATED[kind])
    leaf = ca.issue(certified, extensions=[(extension, False)])
    context = client(der_of(ca.certificate))
    there = server(leaf, *map(der_of, leaf.chain))
    if certified != HOST:
        with pytest.raises(IdentityError) as info:
            memory_pair(context, there, hostname=HOST)

        assert "wrong-identity" == info.value.code
        return
    here, other = memory_pair(context, there, hostname=HOST)
    with here, other:
        assert here.peer_verified
        assert (HOST,) == here.peer_certificate_hostnames


def test_names_that_are_there_twice() -> None:
    """Which of two lists of names would count is anybody's guess."""
    ca = CA()
    leaf = ca.issue(HOST, extensions=[(unknown("1.2.3.4", "0500"), False)])
    names = leaf.certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    san = bytes.fromhex("0603551d11")
    content = element(0x04, names.value.public_bytes())
    stray = bytes.fromhex("06032a030404020500")
    twice = altered(
        leaf.certificate,
        ca,
        (element(0x30, stray), element(0x30, san + content)),
    )
    context = client(der_of(ca.certificate))
    with pytest.raises(VerificationError) as info:
        memory_pair(context, server(leaf, twice), hostname=HOST)

    assert HOST in str(info.value)


# -- warnings ---------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
def test_a_root_with_the_serial_number_zero(strict: bool) -> None:
    """Such roots are in every bundle, and warnings may be errors."""
    zero, other = CA("zero"), CA("other")
    number = zero.certificate.serial_number
    size = number.bit_length() // 8 + 1
    root = altered(
        zero.certificate,
        zero,
        (element(0x02, number.to_bytes(size, "big")), b"\x02\x01\x00"),
    )
    issuer = other if strict else zero
    leaf = issuer.issue(HOST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        context = client(root, der_of(other.certificate))
        context.set_strict(strict)
        here, there = memory_pair(
            context, server(leaf, *map(der_of, leaf.chain)), hostname=HOST
        )
        with here, there:
            shown = [CertificateInfo.of(each) for each in here.verified_chain]
            roots = context.as_ssl_context().get_ca_certs()

    assert issuer.certificate.subject == here.verified_chain[-1].subject
    assert strict or "0" == shown[-1].serial_number
    assert 2 == len(roots)


def test_other_warnings_are_left_alone() -> None:
    """Only what is said of foreign bytes is kept quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client(der_of(CA().certificate))
        with pytest.raises(UserWarning, match="Parsed a thing"):
            warnings.warn("Parsed a thing", UserWarning, stacklevel=1)
