#!/bin/sh
# cert2json shows other key usages than a certificate has, so that a CA seems to
# be no CA, and leaves out the first byte of the serial number.
#
# Seen with: cert2json 1.0.13 (npm), certificates made by cryptography 50.0.2
#
# One would expect a converter to JSON to show what openssl x509 -text shows.
# The key usages are a string of bits that is stored without the unused ones at
# its end (RFC 5280, section 4.2.1.3, and DER), and the first bit is the
# leftmost.  cert2json reads the bits as a number, from the right: what the
# certificate says depends on how many bits were left out.  A CA's certificate
# and CRL signing turn into a digital signature and content commitment.  Only
# what reads the same from both sides stays, such as the digital signature and
# key encipherment of most servers, so a test with one finds nothing.  The
# serial number is right in decimal; in hexadecimal, as one searches for it in a
# CRL or a log, its first byte is gone.
#
# Who is hurt: who fills an inventory or a report with it: CAs are listed as
# servers, and no serial number is found again.  What to do: take node's own
# X509Certificate, or the decimal number.
#
# Needs: node and npm.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet cryptography==50.0.2
timeout 600 npm install --silent --no-audit --no-fund --ignore-scripts \
    --prefix . cert2json@1.0.13 >/dev/null

cat >recorded <<'END'
cert2json 1.0.13
12345 is 3039 with digital signature
  12345 is "39" with Digital Signature
2141562277 is 7FA5A5A5 with digital signature, key encipherment
  2141562277 is "a5:a5:a5" with Digital Signature, Key Encipherment
9007199254741005 is 2000000000000D with key agreement
  9007199254741005 is "00:00:00:00:00:0d" with Digital Signature
1 is 1 with certificate signing, CRL signing
  1 is "" with Digital Signature, Content Commitment (Certificate Signing)
END

cat >make.py <<'END'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

# In the order of RFC 5280 and of KeyUsage().
USAGES = (
    "digital signature", "content commitment", "key encipherment",
    "data encipherment", "key agreement", "certificate signing",
    "CRL signing", "encipher only", "decipher only",
)
now = datetime.datetime.now(datetime.timezone.utc)
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example")])
for number, (serial, has) in enumerate((
    (0x3039, {"digital signature"}),
    (0x7FA5A5A5, {"digital signature", "key encipherment"}),
    (0x2000000000000D, {"key agreement"}),
    (0x01, {"certificate signing", "CRL signing"}),
)):
    usage = x509.KeyUsage(*(one in has for one in USAGES))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(usage, True)
        .sign(key, hashes.SHA256())
    )
    with open(f"{number}.pem", "wb") as file:
        file.write(certificate.public_bytes(pki.Encoding.PEM))
    with open(f"{number}.txt", "w") as file:
        print(f"{serial} is {serial:X} with", end=" ", file=file)
        print(*(one for one in USAGES if one in has), sep=", ", file=file)
END
timeout 60 env/bin/python -W ignore make.py

cat >read.js <<'END'
const fs = require('fs');
const { parse } = require('cert2json');

console.log('cert2json', require('cert2json/package.json').version);
for (let number = 0; fs.existsSync(`${number}.pem`); number++) {
  const { tbs } = parse(fs.readFileSync(`${number}.pem`, 'utf8'));
  const { int, hex } = tbs.serialNumber;
  const { usages } = tbs.extensions[0];
  console.log(fs.readFileSync(`${number}.txt`, 'utf8').trimEnd());
  console.log(`  ${int} is "${hex}" with ${usages.join(', ')}`);
}
END
timeout 60 node read.js >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
