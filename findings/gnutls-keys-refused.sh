#!/bin/sh
# About half of the EC keys that GnuTLS's certtool makes are refused by
# cryptography, which asks that an issue be filed.
#
# Seen with: cryptography 50.0.2, gnutls-bin 3.7.9-2+deb12u7 (Debian 12), OpenSSL
#   4.0 by pyOpenSSL 26.4.0
#
# RFC 5915 gives the private number a fixed length: that of the curve.  One
# would expect 48 bytes for P-384.  certtool writes 49 wherever the first bit is
# set, with a zero byte in front, as an INTEGER has it; that is the case for
# every other key.  OpenSSL and cryptography 46 read those, too; cryptography 50
# says that the number is too short, though it is too long.
#
# Who is hurt: who makes keys with certtool and serves them from Python: one
# renewal works, the next one does not.  What to do: openssl pkey -in OLD -out
# NEW, which writes 48 bytes.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

version=3.7.9-2+deb12u7
timeout 300 apt-get download --quiet=2 \
    "gnutls-bin=$version" "libgnutls30=$version" >/dev/null 2>&1
for package in ./*.deb; do
    dpkg -x "$package" root
done
certtool() {
    LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) root/usr/bin/certtool "$@"
}
python3 -m venv new
timeout 600 new/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0
python3 -m venv old
timeout 600 old/bin/python -m pip install --quiet cryptography==46.0.0

cat >recorded <<'END'
certtool 3.7.9, 40 keys for P-384
of 48 bytes: some; of 49 bytes: some
cryptography 46.0.0
  of 48 bytes: all read
  of 49 bytes: all read
cryptography 50.0.2
  of 48 bytes: all read
  of 49 bytes: all refused: private key value is too short
OpenSSL 4.0
  of 48 bytes: all read
  of 49 bytes: all read
END

mkdir keys
for number in $(seq 40); do
    certtool --generate-privkey --key-type ecdsa --curve secp384r1 --no-text \
        --outfile "keys/$number.pem" 2>/dev/null
done

cat >look.py <<'END'
import base64
import sys
from pathlib import Path

from cryptography import __version__
from cryptography.hazmat.primitives.serialization import load_pem_private_key

keys = {48: [], 49: []}
for path in Path("keys").iterdir():
    pem = path.read_bytes()
    der = base64.b64decode(b"".join(pem.strip().splitlines()[1:-1]))
    # ECPrivateKey: a SEQUENCE with a long length, the version 1, the number.
    assert der[3:7] == b"\x02\x01\x01\x04", der[:8].hex()
    keys[der[7]].append(pem)


def look(name, read):
    print(name)
    for length, pems in keys.items():
        refused = set()
        for pem in pems:
            try:
                read(pem)
            except Exception as error:
                words = str(error).partition(". ")[0]
                refused.add(words.rpartition(": ")[2])
        words = f"all refused: {', '.join(refused)}" if refused else "all read"
        print(f"  of {length} bytes: {words}")


if sys.argv[1:] == ["first"]:
    counts = ("some" if found else "none" for found in keys.values())
    print("of 48 bytes: {}; of 49 bytes: {}".format(*counts))
look(f"cryptography {__version__}", lambda pem: load_pem_private_key(pem, None))
if sys.argv[1:] != ["first"]:
    from OpenSSL import SSL, crypto

    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
    look(
        f"OpenSSL {openssl[:3]}",
        lambda pem: crypto.load_privatekey(crypto.FILETYPE_PEM, pem),
    )
END

{
    echo "$(certtool --version | sed -n '1s/ *$//p'), 40 keys for P-384"
    timeout 120 old/bin/python -W ignore look.py first
    timeout 120 new/bin/python -W ignore look.py
} >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
