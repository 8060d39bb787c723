#!/bin/sh
# The AWS client takes ten to thirty seconds to say that it doesn't trust a
# server, and tells the server as late.
#
# Seen with: awscrt 0.38.1 (its s2n-tls), Python's ssl as the server and as
#   another client, certificates made by cryptography 50.0.2
#
# One would expect a client to end the handshake when it refuses a certificate,
# within milliseconds, as others do.  s2n-tls waits for a random time of ten to
# thirty seconds after any failed handshake before it closes the connection, so
# that nobody learns anything from the time that it took; that is sensible in a
# server, and the client in awscrt does it as well.  A good certificate takes no
# time at all, so a time-out for connecting of ten seconds, which suffices
# everywhere, turns "not trusted" and "another host name" into "timed out".
#
# Who is hurt: who uses MQTT or S3 through awscrt with a private CA that has
# changed: the log says time-out, and one looks for a firewall.  What to do: wait
# for longer than thirty seconds once, or try the same with another client.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 awscrt==0.38.1

cat >recorded <<'END'
awscrt 0.38.1
trusted
  ssl: connected after less than 5 s
    the server hears of it after less than 5 s
  awscrt: connected after less than 5 s
    the server hears of it after less than 5 s
another CA
  ssl: certificate signature failure after less than 5 s
    the server hears of it after less than 5 s
  awscrt: AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE after 5 to 40 s
    the server hears of it after 5 to 40 s
another name
  ssl: Hostname mismatch after less than 5 s
    the server hears of it after less than 5 s
  awscrt: AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE after 5 to 40 s
    the server hears of it after 5 to 40 s
END

cat >look.py <<'END'
import datetime
import importlib.metadata
import socket
import ssl
import threading
import time

from awscrt import exceptions, http, io
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
seen = []


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def signed(subject, holder, signer, serial):
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named("CA"))
        .public_key(holder.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(serial == 1, None), True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("a.example")]), False
        )
    )
    certificate = builder.sign(signer, hashes.SHA256())
    return certificate.public_bytes(pki.Encoding.PEM)


def serve(listener, context):
    connection, _ = listener.accept()
    connection.settimeout(60)
    with connection:
        began = time.monotonic()
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            pass
        seen.append(time.monotonic() - began)


def class_of(seconds):
    if seconds < 5:
        return "less than 5 s"
    return "5 to 40 s" if seconds < 40 else "more than 40 s"


def by_awscrt(port, name, root):
    options = io.TlsContextOptions()
    options.override_default_trust_store(root)
    tls = io.ClientTlsContext(options).new_connection_options()
    tls.set_server_name(name)
    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    future = http.HttpClientConnection.new(
        "127.0.0.1", port, bootstrap, tls_connection_options=tls
    )
    try:
        future.result(60).close()
    except exceptions.AwsCrtError as error:
        return error.name
    return "connected"


def by_ssl(port, name, root):
    context = ssl.create_default_context(cadata=root.decode())
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=name):
                return "connected"
        except ssl.SSLCertVerificationError as error:
            return error.verify_message.partition(",")[0]


root = signed("CA", keys[0], keys[0], 1)
other = signed("CA", keys[1], keys[1], 1)
with open("server.pem", "wb") as file:
    file.write(signed("server", keys[2], keys[0], 2))
    file.write(keys[2].private_bytes(
        pki.Encoding.PEM, pki.PrivateFormat.PKCS8, pki.NoEncryption()
    ))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem")
print("awscrt", importlib.metadata.version("awscrt"))
for title, name, trusted in (
    ("trusted", "a.example", root),
    ("another CA", "a.example", other),
    ("another name", "b.example", root),
):
    print(title)
    for client, connect in (("ssl", by_ssl), ("awscrt", by_awscrt)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener, context))
            thread.start()
            began = time.monotonic()
            port = listener.getsockname()[1]
            result = connect(port, name, trusted)
            waited = class_of(time.monotonic() - began)
            thread.join(60)
        print(f"  {client}: {result} after {waited}")
        print(f"    the server hears of it after {class_of(seen[-1])}")
END
timeout 200 env/bin/python -W ignore look.py >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
