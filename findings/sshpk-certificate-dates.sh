#!/bin/sh
# sshpk moves certificates of the 1990s into the 2090s, and gives every date
# the milliseconds of the moment at which it was read.
#
# Seen with: sshpk 1.18.0 (npm), certificates made by cryptography 50.0.2
#
# One would expect the validity of a certificate to be what is written in it.
# sshpk makes a Date of now and sets year, month, day, hour, minute and second,
# so the milliseconds of now stay: the same file, read twice, has two validities,
# and a date that is compared, hashed or stored never agrees with itself.
# It also takes a two-digit year from 60 on for one of this century, less one:
# a root that is valid from 1998 on is valid from 2097 on.  RFC 5280 (section
# 4.1.2.5.1) says that years from 50 on are of the 20th century.
#
# Who is hurt: who shows or compares validities in JavaScript, and finds old
# roots and device certificates "not yet valid".  What to do: take the dates
# from node's own X509Certificate.
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
    --prefix . sshpk@1.18.0 >/dev/null

cat >recorded <<'END'
sshpk 1.18.0
1998-09-01 12:00:00 is read as 2097-09-01 12:00:00
2026-09-01 12:00:00 is read as 2026-09-01 12:00:00
read 50 times: the same to the second: true
read 50 times: the same to the millisecond: false
END

timeout 60 env/bin/python -W ignore - <<'END'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")])
for year in (1998, 2026):
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(year, 9, 1, 12))
        .not_valid_after(datetime.datetime(2028, 1, 28, 12))
        .sign(key, hashes.SHA256())
    )
    with open(f"{year}.der", "wb") as file:
        file.write(certificate.public_bytes(pki.Encoding.DER))
END

cat >read.js <<'END'
const fs = require('fs');
const sshpk = require('sshpk');

const shown = (date) => date.toISOString().slice(0, 19).replace('T', ' ');
const read = (year) =>
  sshpk.parseCertificate(fs.readFileSync(`${year}.der`), 'x509').validFrom;
const pause = () =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);

console.log('sshpk', require('sshpk/package.json').version);
for (const year of ['1998', '2026']) {
  console.log(`${year}-09-01 12:00:00 is read as ${shown(read(year))}`);
}
const dates = [];
while (dates.length < 50) {
  dates.push(read('2026'));
  pause();
}
const exact = new Set(dates.map(Number)).size === 1;
const seconds = new Set(dates.map(shown)).size === 1;
console.log(`read 50 times: the same to the second: ${seconds}`);
console.log(`read 50 times: the same to the millisecond: ${exact}`);
END
timeout 60 node read.js >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
