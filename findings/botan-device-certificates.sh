#!/bin/sh
# Botan's tool can't read a certificate without an end, as devices have it, nor
# one that ends after the year 3100.
#
# Seen with: botan 2.19.3+dfsg-1+deb12u1 (Debian 12), OpenSSL's openssl beside it,
#   certificates made by cryptography 50.0.2
#
# A device that gets its identity in the factory keeps it for as long as it is
# used.  RFC 5280 (section 4.1.2.5) has a date for that, 99991231235959Z, which
# IEEE 802.1AR asks for in initial device identifiers.  One would expect a
# library for small devices to know it.  Botan holds every year after 3100 for a
# mistake: the date "does not seem to be valid", and nothing of the certificate
# is read; nor can anything be verified below a CA that has no end.  Botan itself
# writes 3100 without complaint, so tests with "far in the future" pass.
#
# Who is hurt: who checks devices at the gate with Botan: each of them has a
# bad certificate, and new ones would have as well.  What to do: an end before
# 3100 for what you issue; read others with OpenSSL.
#
# Needs: Debian 12, with apt.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

version=2.19.3+dfsg-1+deb12u1
timeout 300 apt-get download --quiet=2 \
    "botan=$version" "libbotan-2-19=$version" libtspi1=0.3.15-0.3 \
    >/dev/null 2>&1
for package in ./*.deb; do
    dpkg -x "$package" root
done
python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet cryptography==50.0.2

cat >recorded <<'END'
botan 2.19.3, devices and their CAs
until the end of 2049
  OpenSSL: OK
  Botan: Certificate passes validation checks
until the end of 2050
  OpenSSL: OK
  Botan: Certificate passes validation checks
until the end of 3100
  OpenSSL: OK
  Botan: Certificate passes validation checks
until the end of 3101
  OpenSSL: OK
  Botan: Error: Time 31011231235959Z does not seem to be valid
until the end of 9999
  OpenSSL: OK
  Botan: Error: Time 99991231235959Z does not seem to be valid
END

cat >make.py <<'END'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def write(file, subject, key, year):
    ca = subject == "CA"
    usage = x509.KeyUsage(
        not ca, False, False, False, False, ca, ca, False, False
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named("CA"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2026, 1, 1))
        .not_valid_after(datetime.datetime(year, 12, 31, 23, 59, 59))
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(usage, True)
        .sign(keys[0], hashes.SHA256())
    )
    with open(file, "wb") as file:
        file.write(certificate.public_bytes(pki.Encoding.PEM))


for year in (2049, 2050, 3100, 3101, 9999):
    write(f"ca-{year}.pem", "CA", keys[0], year)
    write(f"device-{year}.pem", "device", keys[1], year)
END
timeout 60 env/bin/python -W ignore make.py

botan() {
    LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) root/usr/bin/botan "$@" 2>&1
}
{
    echo "botan $(botan version), devices and their CAs"
    for year in 2049 2050 3100 3101 9999; do
        echo "until the end of $year"
        device=device-$year.pem
        openssl verify -CAfile "ca-$year.pem" "$device" >said 2>&1 || true
        echo "  OpenSSL: $(sed "s/.*: //" said)"
        botan cert_verify "$device" "ca-$year.pem" >said || true
        echo "  Botan: $(tail -n 1 said)"
    done
} >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
