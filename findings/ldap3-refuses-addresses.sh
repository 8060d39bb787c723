#!/bin/sh
# From Python 3.12 on ldap3 doesn't accept an LDAP server by its IP address any
# more, whatever addresses the server's certificate has.
#
# Seen with: ldap3 2.9.1, certificates made by cryptography 50.0.2, Python's ssl
#
# One would expect the check of the server's name to be the one of the Python
# that runs.  ldap3 brings a copy of Python 3.4's for interpreters without
# ssl.match_hostname(), and such were once the old ones.  Python 3.12 removed
# that function, and so the newest interpreters get the oldest rules: addresses
# are not looked at, and the error shows the certificate, the address in it, and
# says that it doesn't match that address.  The upgrade of Python is what breaks
# the login, with neither ldap3 nor the certificate changed.
#
# Who is hurt: who reaches a directory by its address, as one does for the sake
# of DNS failures.  What to do: connect by a name; or let Python's SSLContext
# check the name, outside ldap3.
#
# Under Python 3.10 and 3.11 the script takes the function away, as 3.12 did.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 ldap3==2.9.1

cat >recorded <<'END'
ldap3 2.9.1
the certificate has: localhost, 127.0.0.1
ssl connects to localhost: accepted
ldap3 connects to localhost: accepted
ssl connects to 127.0.0.1: accepted
ldap3 connects to 127.0.0.1: certificate doesn't match any name in ['127.0.0.1']
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import ipaddress
import socket
import ssl
import threading

if hasattr(ssl, "match_hostname"):
    del ssl.match_hostname

import ldap3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from ldap3.core.exceptions import LDAPException

now = datetime.datetime.now(datetime.timezone.utc)
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "directory")])
names = x509.SubjectAlternativeName(
    [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
)
usage = x509.KeyUsage(
    True, False, False, False, False, True, False, False, False
)
identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(hours=1))
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.BasicConstraints(True, None), True)
    .add_extension(usage, True)
    .add_extension(identifier, False)
    .add_extension(names, False)
    .sign(key, hashes.SHA256())
)
with open("server.pem", "wb") as file:
    file.write(certificate.public_bytes(pki.Encoding.PEM))
    file.write(
        key.private_bytes(
            pki.Encoding.PEM, pki.PrivateFormat.PKCS8, pki.NoEncryption()
        )
    )

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem")
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(30)
port = listener.getsockname()[1]


def serve():
    accepted, _ = listener.accept()
    accepted.settimeout(30)
    try:
        with context.wrap_socket(accepted, server_side=True) as secured:
            secured.recv(1)
    except OSError:
        pass


def by_ssl(host):
    client = ssl.create_default_context(cafile="server.pem")
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        client.wrap_socket(plain, server_hostname=host),
    ):
        return "accepted"


def by_ldap3(host):
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file="server.pem")
    server = ldap3.Server(
        host, port, use_ssl=True, tls=tls, get_info=ldap3.NONE,
        connect_timeout=30, mode=ldap3.IP_V4_ONLY,
    )
    connection = ldap3.Connection(server)
    try:
        connection.open(read_server_info=False)
    except LDAPException as error:
        text = str(error)
        return "certificate " + text[text.index("doesn't match") :].strip()
    connection.unbind()
    return "accepted"


print("ldap3", ldap3.__version__)
print("the certificate has: localhost, 127.0.0.1")
for host in ("localhost", "127.0.0.1"):
    for what, connect in (("ssl", by_ssl), ("ldap3", by_ldap3)):
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        print(f"{what} connects to {host}: {connect(host)}")
        thread.join(30)
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
