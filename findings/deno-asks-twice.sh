#!/bin/sh
# Deno offers the hybrid group X25519MLKEM768, but no key share for it: every
# handshake with a server that prefers that group takes a round trip more.
#
# Seen with: deno 2.9.8 (rustls); the server that reads the messages is
#   pyOpenSSL 26.4.0 with cryptography 50.0.2 (OpenSSL 4.0)
#
# One would expect that a client which can do a post-quantum exchange either
# sends a share for it, as Python's OpenSSL 4.0, Go and the browsers do beside
# one for x25519, or is content with the x25519 whose share it has sent.
# Deno lists the hybrid group last, and sends a share for the first one only.
# OpenSSL from 3.5 on prefers the hybrid group to all others, so it answers with
# a HelloRetryRequest, and the client says hello once more.
#
# Who is hurt: who connects from far away, as each new connection waits for one
# more round trip, and whoever counts ClientHellos.  What to do: resume sessions
# or keep connections open; if latency counts more than the safety from quantum
# computers, leave the hybrid group out of the server's groups.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 trustme==1.2.1 deno==2.9.8

cat >recorded <<'END'
Deno: 2 ClientHellos, X25519MLKEM768
OpenSSL 4.0: 1 ClientHello, X25519MLKEM768
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import os
import socket
import subprocess
import threading

import trustme
from OpenSSL import SSL

ca = trustme.CA()
ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path("l.pem")
ca.cert_pem.write_to_path("ca.pem")
with open("call.ts", "w") as file:
    file.write(
        "const s=await Deno.connectTls({hostname:'localhost',"
        "port:+Deno.args[0],caCerts:[Deno.readTextFileSync('ca.pem')]});"
        "await s.handshake(); s.close();"
    )


def records(data):
    """The kinds of TLS messages in whole records of plaintext."""
    while len(data) > 5:
        size = int.from_bytes(data[3:5], "big")
        if data[0] == 22:
            yield data[5]
        data = data[5 + size :]


def serve(client):
    """How often a client says hello, and which group comes of it."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_file("l.pem")
    context.use_privatekey_file("l.pem")
    hellos = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        thread = threading.Thread(target=client, args=(number,))
        thread.start()
        sock, _ = listener.accept()
        server = SSL.Connection(context, None)
        server.set_accept_state()
        with sock:
            done = False
            while not done:
                try:
                    server.do_handshake()
                    done = True
                except SSL.WantReadError:
                    pass
                try:
                    while True:
                        sock.sendall(server.bio_read(65536))
                except SSL.WantReadError:
                    pass
                if not done:
                    data = sock.recv(65536)
                    hellos += list(records(data)).count(1)
                    server.bio_write(data)
            group = server.get_group_name()
        thread.join()
    words = "1 ClientHello" if hellos == 1 else f"{hellos} ClientHellos"
    return f"{words}, {group}"


def by_deno(number):
    subprocess.run(
        ["env/bin/deno", "run", "-q", "-A", "call.ts", str(number)],
        env={**os.environ, "DENO_NO_UPDATE_CHECK": "1"},
        check=False,
        capture_output=True,
    )


def by_openssl(number):
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations("ca.pem")
    with socket.create_connection(("127.0.0.1", number)) as sock:
        client = SSL.Connection(context, sock)
        client.set_connect_state()
        client.do_handshake()


for name, client in (("Deno", by_deno), ("OpenSSL 4.0", by_openssl)):
    print(f"{name}: {serve(client)}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
