#!/bin/sh
# gRPC starts a server with an Ed25519 or P-521 certificate without a word, and
# then none of its own clients can connect.
#
# Seen with: grpcio 1.85.3, Python 3.13's ssl with its OpenSSL beside it,
#   certificates made by cryptography 50.0.2
#
# One would expect a library to serve what it also takes, or to say that it can't
# when it is given the key.  gRPC has BoringSSL, whose server signs with Ed25519
# and P-521, and whose client, as it is left by gRPC, offers neither in
# signature_algorithms.  Clients with OpenSSL do, so a health check by another
# program works.  The client of gRPC says "Socket closed", not that there is no
# common signature algorithm, which only the server's debug log has; and both
# algorithms are good further up in the chain, where the client checks them.
#
# Who is hurt: who renews all certificates of a house with Ed25519, and finds
# every gRPC client cut off.  What to do: P-256, P-384 or RSA for the servers;
# CAs can be of any kind.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 grpcio==1.85.3

cat >recorded <<'END'
grpcio 1.85.3
server RSA: the server starts
  OpenSSL: connected
  gRPC: hello
server P-256: the server starts
  OpenSSL: connected
  gRPC: hello
server P-384: the server starts
  OpenSSL: connected
  gRPC: hello
server P-521: the server starts
  OpenSSL: connected
  gRPC: Handshake read failed (Socket closed)
server Ed25519: the server starts
  OpenSSL: connected
  gRPC: Handshake read failed (Socket closed)
server P-256, CA P-521: the server starts
  OpenSSL: connected
  gRPC: hello
server P-256, CA Ed25519: the server starts
  OpenSSL: connected
  gRPC: hello
END

cat >look.py <<'END'
import datetime
import os
import ssl
import socket
from concurrent.futures import ThreadPoolExecutor

os.environ["GRPC_VERBOSITY"] = "NONE"
import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
KEYS = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}


class Greeter(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"hello")


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def signed(subject, holder, signer, serial):
    ca = serial == 1
    usage = x509.KeyUsage(
        not ca, False, False, False, False, ca, ca, False, False
    )
    own = signer.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named("CA"))
        .public_key(holder.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(usage, True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(own), False
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(holder.public_key()),
            False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), False
        )
    )
    edwards = isinstance(signer, ed25519.Ed25519PrivateKey)
    certificate = builder.sign(signer, None if edwards else hashes.SHA256())
    return certificate.public_bytes(pki.Encoding.PEM)


def by_grpc(port, root):
    credentials = grpc.ssl_channel_credentials(root)
    name = (("grpc.ssl_target_name_override", "localhost"),)
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, name) as channel:
        call = channel.unary_unary("/greeter/greet")
        try:
            return call(b"", timeout=20).decode()
        except grpc.RpcError as error:
            return error.details().rpartition(": ")[2]


def by_openssl(port, root):
    context = ssl.create_default_context(cadata=root.decode())
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="localhost"):
                return "connected"
        except ssl.SSLError as error:
            return str(error)


def look(title, ca_key, key):
    root = signed("CA", ca_key, ca_key, 1)
    leaf = signed("server", key, ca_key, 2)
    private = key.private_bytes(
        pki.Encoding.PEM, pki.PrivateFormat.PKCS8, pki.NoEncryption()
    )
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Greeter(),))
    credentials = grpc.ssl_server_credentials([(private, leaf)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    print(f"{title}: the server starts")
    print("  OpenSSL:", by_openssl(port, root))
    print("  gRPC:", by_grpc(port, root))
    server.stop(None).wait(20)


print("grpcio", grpc.__version__)
for name, key in KEYS.items():
    look(f"server {name}", KEYS["P-256"], key)
for name in ("P-521", "Ed25519"):
    look(f"server P-256, CA {name}", KEYS[name], KEYS["P-256"])
END
timeout 120 env/bin/python -W ignore look.py >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
