#!/bin/sh
# python-mbedtls ends its connections without close_notify, and refuses
# certificates without an alert: close(), unwrap() and "with" put the alert
# into a buffer that nobody sends.
#
# Seen with: python-mbedtls 2.10.1 (its wheel's Mbed TLS 2.28), certificates
#   made by cryptography 50.0.2, ssl of Python 3.10 to 3.12 as the server
#
# One would expect close() of a TLS socket to announce the end: RFC 5246 says
# in section 7.2.1 that each party MUST send a close_notify, and without it the
# other side can't tell an end from a cut.  The buffer's shutdown() writes the
# alert, but only shutdown() of the socket itself sends what is there.  Alerts
# for what went wrong stay in the buffer, too: a server that is refused for an
# unknown CA sees no reason.
#
# Who is hurt: whoever reads to the end from a program with python-mbedtls, and
# whoever has to find out why it does not connect.  What to do: call
# shutdown(SHUT_WR) before close(); ask the program's own log for the reason of
# a refusal.
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
ended by close(): hello, then UNEXPECTED_EOF_WHILE_READING
ended by with: hello, then UNEXPECTED_EOF_WHILE_READING
ended by unwrap().close(): hello, then UNEXPECTED_EOF_WHILE_READING
ended by shutdown(SHUT_WR): hello, then the end
unknown CA: UNEXPECTED_EOF_WHILE_READING
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import importlib.metadata
import socket
import ssl
import threading

import mbedtls.version
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mbedtls import tls
from mbedtls.exceptions import TLSError
from mbedtls.x509 import CRT

NOW = datetime.datetime.now(datetime.timezone.utc)
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])


def certificate(key):
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), False
        )
        .sign(key, hashes.SHA256())
    )


OURS = certificate(KEY).public_bytes(serialization.Encoding.PEM)
OTHER = certificate(ec.generate_private_key(ec.SECP256R1())).public_bytes(
    serialization.Encoding.PEM
)
with open("server.pem", "wb") as file:
    file.write(OURS)
    file.write(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def met(roots, end):
    """Give what the server has seen of a client that ends so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        sock, _ = listener.accept()
        sock.settimeout(20)
        with sock:
            try:
                with context.wrap_socket(
                    sock, server_side=True, suppress_ragged_eofs=False
                ) as wrapped:
                    while data := wrapped.recv(100):
                        seen.append(data.decode())
                    seen.append("then the end")
            except ssl.SSLError as error:
                seen.append(("then " if seen else "") + str(error.reason))

    thread = threading.Thread(target=serve)
    thread.start()
    store = tls.TrustStore()
    store.add(CRT.from_PEM(roots.decode()))
    client = tls.ClientContext(
        tls.TLSConfiguration(trust_store=store, validate_certificates=True)
    ).wrap_socket(
        socket.create_connection(listener.getsockname(), 20), "localhost"
    )
    try:
        client.do_handshake()
        client.sendall(b"hello")
        end(client)
    except TLSError:
        client.close()
    thread.join()
    listener.close()
    return ", ".join(seen)


def leave(client):
    with client:
        pass


def announce(client):
    client.shutdown(socket.SHUT_WR)
    client.close()


print(
    "python-mbedtls", importlib.metadata.version("python-mbedtls") + ",",
    "Mbed TLS", ".".join(map(str, mbedtls.version.version_info[:2])),
)
print("ended by close():", met(OURS, lambda client: client.close()))
print("ended by with:", met(OURS, leave))
print(
    "ended by unwrap().close():",
    met(OURS, lambda client: client.unwrap().close()),
)
print("ended by shutdown(SHUT_WR):", met(OURS, announce))
print("unknown CA:", met(OTHER, leave))
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
