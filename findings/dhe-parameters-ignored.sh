#!/bin/sh
# OpenSSL 4.0 takes the DH parameters that a server was given, and then uses
# its own smaller ones for every client that names an ffdhe group.
#
# Seen with: pyOpenSSL 26.4.0 and cryptography 50.0.2 (its wheel's OpenSSL 4.0)
#
# One would expect DH parameters that were loaded to be the ones that are used,
# or to be refused.  Since 4.0 OpenSSL negotiates the groups of RFC 7919 in
# TLS 1.2 too, and a group that both sides know goes before the parameters.
# OpenSSL's own client names ffdhe2048 first, so a server with 4096 bits, which
# an audit asked for, serves 2048 bits, and nothing says so: not a return
# value, not an error, not a callback.  A scanner that sends no ffdhe group
# still finds 4096 bits and reports that all is well.
#
# Who is hurt: who hardens a TLS 1.2 server with a dhparam file.  What to do:
# leave the ffdhe groups that are too small out of the server's groups, or offer
# no DHE cipher suites at all; measure with a client that names ffdhe groups.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0

cat >recorded <<'END'
pyOpenSSL 26.4.0, OpenSSL 4.0
parameters given to the server: 4096 bits
client without ffdhe groups: DHE-RSA-AES128-GCM-SHA256, 4096 bits, as given
client as it comes: DHE-RSA-AES128-GCM-SHA256, 2048 bits, not as given
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import dh, rsa
from OpenSSL import SSL, __version__, crypto

# The 4096-bit group of RFC 3526, from its formula: p = 2^4096 - 2^4032 - 1
# + 2^64 * (floor(2^3966 * pi) + 240904), and pi by Machin's formula.
def arctan(inverse, unit):
    total = term = unit // inverse
    square, divisor, sign = inverse * inverse, 1, 1
    while term:
        term //= square
        divisor += 2
        sign = -sign
        total += sign * (term // divisor)
    return total


unit = 1 << (3966 + 64)
pi = (4 * (4 * arctan(5, unit) - arctan(239, unit))) >> 64
prime = (1 << 4096) - (1 << 4032) - 1 + (1 << 64) * (pi + 240904)
given = dh.DHParameterNumbers(prime, 2)
with open("dhparam.pem", "wb") as file:
    file.write(
        given.parameters().parameter_bytes(
            pki.Encoding.PEM, pki.ParameterFormat.PKCS3
        )
    )

key = rsa.generate_private_key(65537, 2048)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now)
    .not_valid_after(now + datetime.timedelta(days=1))
    .sign(key, hashes.SHA256())
)

openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(f"pyOpenSSL {__version__}, OpenSSL {openssl[:3]}")
print(f"parameters given to the server: {prime.bit_length()} bits")


def prime_of(flight):
    """The prime in the ServerKeyExchange of a server's first flight."""
    messages = b""
    while flight and flight[0] == 22:
        length = int.from_bytes(flight[3:5], "big")
        messages += flight[5 : 5 + length]
        flight = flight[5 + length :]
    while messages[0] != 12:
        messages = messages[4 + int.from_bytes(messages[1:4], "big") :]
    length = int.from_bytes(messages[4:6], "big")
    return int.from_bytes(messages[6 : 6 + length], "big")


for what, curve in (
    ("client without ffdhe groups", "prime256v1"),
    ("client as it comes", None),
):
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.use_privatekey(key)
    server.use_certificate(certificate)
    server.load_tmp_dh("dhparam.pem")
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if curve is not None:
        client.set_tmp_ecdh(crypto.get_elliptic_curve(curve))
    for context in (server, client):
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(b"DHE-RSA-AES128-GCM-SHA256")
    one, other = SSL.Connection(client, None), SSL.Connection(server, None)
    one.set_connect_state()
    other.set_accept_state()
    flights = []
    for source, sink in [(one, other), (other, one)] * 2:
        try:
            source.do_handshake()
        except SSL.WantReadError:
            pass
        flights.append(source.bio_read(1 << 16))
        sink.bio_write(flights[-1])
    found = prime_of(flights[1])
    print(
        f"{what}: {one.get_cipher_name()}, {found.bit_length()} bits,"
        f" {'as given' if found == prime else 'not as given'}"
    )
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
