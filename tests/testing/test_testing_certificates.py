"""The certificates of ``tlskit.testing``, as two other verifiers see them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

import tlskit
from tlskit.testing import BAD_KINDS, CA, Leaf

HOST = "right.example"
ADDRESS = "192.0.2.7"
KEYS = {
    "ecdsa": ec.EllipticCurvePrivateKey,
    "rsa": rsa.RSAPrivateKey,
    "ed25519": ed25519.Ed25519PrivateKey,
}
STRICT = crypto.X509StoreFlags.X509_STRICT
CRL = STRICT | crypto.X509StoreFlags.CRL_CHECK


@pytest.fixture(scope="module")
def ca() -> CA:
    """A CA that these tests share; they don't change it."""
    return CA()


def names(certificate: x509.Certificate) -> list[object]:
    """Give the subject alternative names as values."""
    found = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return [each.value for each in found.value]


def common_name(certificate: x509.Certificate) -> str:
    """Give the subject's only common name."""
    (attribute,) = certificate.subject
    return str(attribute.value)


def check_by_openssl(
    root: CA, leaf: Leaf, flags: int = STRICT, crl: bytes | None = None
) -> None:
    """Have OpenSSL verify a chain, with all of its strictness."""
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(root.certificate))
    store.set_flags(flags)
    if crl is not None:
        store.add_crl(x509.load_pem_x509_crl(crl))
    chain = [crypto.X509.from_cryptography(each) for each in leaf.chain]
    crypto.X509StoreContext(store, chain[0], chain[1:]).verify_certificate()


def check_by_cryptography(root: CA, leaf: Leaf, name: str = HOST) -> None:
    """Have the other verifier check a chain, for a server and a client."""
    builder = verification.PolicyBuilder().store(
        verification.Store([root.certificate])
    )
    try:
        subject: Any = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    above = list(leaf.chain[1:])
    builder.build_server_verifier(subject).verify(leaf.certificate, above)
    builder.build_client_verifier().verify(leaf.certificate, above)


# -- good ones --------------------------------------------------------------


@pytest.mark.parametrize("kind", KEYS)
def test_good_chain(kind):
    """OpenSSL at its strictest accepts a chain of each kind of key."""
    root = CA(key_type=kind)
    leaf = root.intermediate(key_type=kind).issue(HOST, key_type=kind)

    check_by_openssl(root, leaf)
    assert 2 == len(leaf.chain)
    for key in (root.key, leaf.key):
        assert isinstance(key, KEYS[kind])


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize("name", [HOST, ADDRESS, "2001:db8::7"])
def test_a_second_verifier_accepts(kind, name):
    """So does cryptography's; web PKI's profile has no Ed25519."""
    root = CA(key_type=kind)
    leaf = root.intermediate(key_type=kind).issue(name, key_type=kind)

    check_by_cryptography(root, leaf, name)


def test_depth():
    """A chain has every CA above the leaf, but not the root."""
    root = CA()
    upper = root.intermediate("upper")
    leaf = upper.intermediate("lower").issue(HOST)

    assert [HOST, "lower", "upper"] == [common_name(c) for c in leaf.chain]
    assert leaf.certificate == leaf.chain[0]
    check_by_openssl(root, leaf)


def test_no_such_name(ca):
    """What is no name at all is refused."""
    with pytest.raises(tlskit.ConfigurationError):
        ca.issue("not a name")


def test_without_names(ca):
    """A client may have a common name only; its certificate is no less fit."""
    for leaf in (ca.issue(common_name="somebody"), ca.issue()):
        check_by_openssl(ca, leaf)
        with pytest.raises(x509.ExtensionNotFound):
            names(leaf.certificate)


def test_a_long_name(ca):
    """A common name has at most 64 characters (RFC 5280, appendix A)."""
    name = ".".join(["label"] * 20)
    leaf = ca.issue(name)

    assert name[:64] == common_name(leaf.certificate)
    assert [name] == names(leaf.certificate)


def test_chosen_names_and_extensions(ca):
    """Names and extensions can be given as cryptography's objects."""
    san = x509.SubjectAlternativeName([x509.DNSName("given.example")])
    must_staple = x509.TLSFeature([x509.TLSFeatureType.status_request])
    leaf = ca.issue(san=san, extensions=[(must_staple, True)])
    found = leaf.certificate.extensions.get_extension_for_class(
        x509.TLSFeature
    )

    assert ["given.example"] == names(leaf.certificate)
    assert (must_staple, True) == (found.value, found.critical)


def test_usages(ca):
    """A leaf is for servers and clients, unless told otherwise."""

    def usages(leaf: Leaf) -> set[x509.ObjectIdentifier]:
        found = leaf.certificate.extensions.get_extension_for_class(
            x509.ExtendedKeyUsage
        )
        return set(found.value)

    server, client = (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    )

    assert {server, client} == usages(ca.issue(HOST))
    assert {client} == usages(ca.issue(HOST, usages=[client]))


def test_serials(ca):
    """No two certificates of a CA have the same serial number."""
    serials = {ca.issue(HOST).certificate.serial_number for _ in range(3)}

    assert 3 == len(serials)
    assert all(0 < each < 1 << 159 for each in serials)


def test_no_secret_in_a_repr(ca):
    """What a failing test prints of a leaf does not hold its key."""
    leaf = ca.issue(HOST)
    secret = leaf.key.private_numbers().private_value

    assert str(secret) not in repr(leaf)
    assert "PRIVATE KEY" not in repr(leaf)


# -- bad ones ---------------------------------------------------------------


def test_names_beside_an_address(ca):
    """Only addresses are written wrongly, whatever else is there."""
    leaf = ca.issue_bad("ip-as-dns", "bücher.example", ADDRESS)

    assert ["xn--bcher-kva.example", ADDRESS] == names(leaf.certificate)


def test_weak_digest_is_sound_otherwise(ca):
    """The SHA-1 signature is genuine: without levels OpenSSL accepts it."""
    leaf = ca.issue_bad("weak-digest", HOST)

    assert isinstance(leaf.certificate.signature_hash_algorithm, hashes.SHA1)
    check_by_openssl(ca, leaf)


@pytest.mark.parametrize("kind", BAD_KINDS)
def test_key_fits(ca, kind):
    """Whatever is wrong, the key belongs to the certificate."""
    leaf = ca.issue_bad(kind, HOST)

    assert leaf.key.public_key() == leaf.certificate.public_key()


# -- revocation -------------------------------------------------------------


def test_revoked():
    """What was issued as revoked is in the CA's list, and no other."""
    ca = CA()
    good, bad = ca.issue(HOST), ca.issue_bad("revoked", HOST)
    crl = ca.crl()

    check_by_openssl(ca, good, CRL, crl)
    with pytest.raises(crypto.X509StoreContextError, match="revoked"):
        check_by_openssl(ca, bad, CRL, crl)


def test_revoked_later():
    """More can be listed, as leaves or certificates."""
    ca = CA()
    one, two = ca.issue(HOST), ca.issue(HOST)
    crl = ca.crl([one, two.certificate])

    for leaf in (one, two):
        with pytest.raises(crypto.X509StoreContextError, match="revoked"):
            check_by_openssl(ca, leaf, CRL, crl)
    check_by_openssl(ca, one, CRL, ca.crl())


@pytest.mark.parametrize("kind", KEYS)
def test_crl_is_signed(kind):
    """A list is its CA's, whatever the key, and has what RFC 5280 demands."""
    ca = CA(key_type=kind)
    crl = x509.load_pem_x509_crl(ca.crl())

    assert crl.is_signature_valid(ca.certificate.public_key())
    assert ca.certificate.subject == crl.issuer
    assert {x509.CRLNumber, x509.AuthorityKeyIdentifier} == {
        type(each.value) for each in crl.extensions
    }


def test_signatures_without_a_hash_of_their_own():
    """Ed25519 signs what it is given."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from tlskit.testing.making import _signature

    key = ed25519.Ed25519PrivateKey.generate()
    key.public_key().verify(_signature(b"data", key, None), b"data")
