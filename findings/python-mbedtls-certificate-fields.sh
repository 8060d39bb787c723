#!/bin/sh
# python-mbedtls raises errors for the key usages and names of most valid
# certificates, and shows a CA without a limit as one with the limit 0.
#
# Seen with: python-mbedtls 2.10.1 (its wheel's Mbed TLS 2.28), certificates
#   made by cryptography 50.0.2
#
# One would expect the properties of a certificate that was loaded to be what
# is in it.  key_usage is an enumeration of single bits, so it works for
# certificates with exactly one usage; two, as most CAs and RSA servers have, or
# none, raise a ValueError.  subject_alternative_names decodes each name as
# UTF-8, also the four or sixteen bytes of an address, which mostly raises a
# UnicodeDecodeError; a certificate without names has one, the empty name.
# basic_constraints has no word for "no limit": it says 0 for it, which in
# X.509 is the strictest limit.
#
# Who is hurt: who lists, checks or monitors certificates on small systems with
# it: one host with an address in its certificate ends the run.  What to do:
# read the fields with cryptography or asn1crypto; Mbed TLS itself reads them.
#
# Needs: Python 3.10, 3.11 or 3.12, for which there are wheels.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

for python in python3 python3.12 python3.11 python3.10 ""; do
    [ -n "$python" ] || { echo "Python 3.10 to 3.12 is needed."; exit 1; }
    "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' \
        2>/dev/null && break
done
"$python" -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 python-mbedtls==2.10.1

cat >recorded <<'END'
python-mbedtls 2.10.1, Mbed TLS 2.28
key usage digital_signature: 128
key usage digital_signature, key_encipherment: ValueError: 160 is not a valid KeyUsage
key usage key_cert_sign, crl_sign: ValueError: 6 is not a valid KeyUsage
no key usage: ValueError: 0 is not a valid KeyUsage
CA without a limit: BasicConstraints(ca=True, max_path_length=0)
CA with the limit 0: BasicConstraints(ca=True, max_path_length=0)
CA with the limit 1: BasicConstraints(ca=True, max_path_length=1)
the name a.example: ['a.example']
the name 192.0.2.1: UnicodeDecodeError
the name 2001:db8::1: UnicodeDecodeError
no name: ['']
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import importlib.metadata
import ipaddress

import mbedtls.version
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from mbedtls.x509 import CRT

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "name")])
NOW = datetime.datetime.now(datetime.timezone.utc)
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment",
    "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
    "encipher_only", "decipher_only",
)


def certificate(*extensions):
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, True)
    made = builder.sign(KEY, hashes.SHA256())
    return CRT(made.public_bytes(pki.Encoding.DER))


def show(what, read):
    try:
        value = read()
    except UnicodeDecodeError as error:
        value = type(error).__name__
    except ValueError as error:
        value = f"ValueError: {error}"
    print(f"{what}: {value}")


version = importlib.metadata.version("python-mbedtls")
library = ".".join(map(str, mbedtls.version.version_info[:2]))
print(f"python-mbedtls {version}, Mbed TLS {library}")

for names in (
    ("digital_signature",),
    ("digital_signature", "key_encipherment"),
    ("key_cert_sign", "crl_sign"),
):
    usage = x509.KeyUsage(**{name: name in names for name in USAGES})
    show(
        f"key usage {', '.join(names)}",
        lambda: int(certificate(usage).key_usage),
    )
show("no key usage", lambda: int(certificate().key_usage))

for limit, what in (
    (None, "CA without a limit"),
    (0, "CA with the limit 0"),
    (1, "CA with the limit 1"),
):
    basic = x509.BasicConstraints(ca=True, path_length=limit)
    show(what, lambda: certificate(basic).basic_constraints)

for name in (
    x509.DNSName("a.example"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
    x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
):
    names = x509.SubjectAlternativeName([name])
    show(
        f"the name {name.value}",
        lambda: list(certificate(names).subject_alternative_names),
    )
show("no name", lambda: list(certificate().subject_alternative_names))
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
