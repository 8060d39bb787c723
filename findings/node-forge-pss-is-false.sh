#!/bin/sh
# node-forge calls good signatures of RSASSA-PSS false, unless they are with
# SHA-256 and a salt.
#
# Seen with: node-forge 1.4.3 (npm), certificates made by cryptography 50.0.2,
#   verified by the system's node as well
#
# One would expect an algorithm to be verified or to be refused as unknown, as
# node-forge refuses keys that are not for RSA.  It reads the parameters of a PSS
# signature, keeps the hash in them, and shows it; and yet the certificate is
# hashed with SHA-256, whatever they say.  A salt of length 0, which RFC 8017
# allows, doesn't work with SHA-256 either.  The answer is "false", the same as
# for a forged certificate, and in a chain "Certificate signature is invalid".
#
# Who is hurt: who checks the certificates of authorities that sign with PSS and
# SHA-384 or SHA-512, and reports an attack.  What to do: verify with node's own
# X509Certificate, and take node-forge's "false" for "don't know" with PSS.
#
# Needs: node (16 or newer) and npm.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet cryptography==50.0.2
timeout 600 npm install --silent --no-audit --no-fund --ignore-scripts \
    --prefix . node-forge@1.4.3 >/dev/null

cat >recorded <<'END'
node-forge 1.4.3
sha256, salt of 32 bytes: node says true, node-forge says true
sha256, salt of 0 bytes: node says true, node-forge says false
sha384, salt of 48 bytes: node says true, node-forge says false
sha512, salt of 64 bytes: node says true, node-forge says false
END

timeout 120 env/bin/python -W ignore - <<'END'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import padding, rsa

key = rsa.generate_private_key(65537, 2048)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
now = datetime.datetime.now(datetime.timezone.utc)
for algorithm, salt in (
    (hashes.SHA256(), 32),
    (hashes.SHA256(), 0),
    (hashes.SHA384(), 48),
    (hashes.SHA512(), 64),
):
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(
            key, algorithm,
            rsa_padding=padding.PSS(padding.MGF1(algorithm), salt),
        )
    )
    with open(f"{algorithm.name}-{salt}.pem", "wb") as file:
        file.write(certificate.public_bytes(pki.Encoding.PEM))
END

cat >verify.js <<'END'
const crypto = require('crypto');
const fs = require('fs');
const forge = require('node-forge');

console.log('node-forge', require('node-forge/package.json').version);
const cases = [['sha256', 32], ['sha256', 0], ['sha384', 48], ['sha512', 64]];
for (const [hash, salt] of cases) {
  const pem = fs.readFileSync(`${hash}-${salt}.pem`, 'utf8');
  const node = new crypto.X509Certificate(pem);
  const read = forge.pki.certificateFromPem(pem);
  if (read.signatureParameters.saltLength !== salt) throw new Error('salt');
  console.log(
    `${hash}, salt of ${salt} bytes: node says` +
      ` ${node.verify(node.publicKey)}, node-forge says ${read.verify(read)}`
  );
}
END
timeout 60 node verify.js >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
