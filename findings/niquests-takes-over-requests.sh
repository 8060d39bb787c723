#!/bin/sh
# Once niquests is installed, requests does its TLS with another urllib3; with
# rtls there as well, with rustls instead of Python's ssl.  requests is the
# same, and says nothing.
#
# Seen with: niquests 3.21.2 (urllib3-future 2.25.904), requests 2.34.2,
#   urllib3 2.8.0, rtls 2026.9.21
#
# One would expect a second HTTP client to stand beside the first one.  But
# urllib3-future, on which niquests is built, replaces the files of urllib3 by
# its own, under the same name; and it takes rtls where it finds it.
#
# Who is hurt: whoever has set up Python's ssl, as by OPENSSL_CONF or
# truststore, and does not know that requests asks another library now; and
# whoever expects ssl's exceptions.
# What to do: keep niquests in an environment of its own, or ask
# importlib.metadata for urllib3-future where it matters.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    requests==2.34.2 urllib3==2.8.0 trustme==1.2.1

cat >recorded <<'END'
requests alone: urllib3 2.8.0, refused by ssl.SSLCertVerificationError
with niquests: urllib3 2.25.904, refused by ssl.SSLCertVerificationError
with niquests and rtls: urllib3 2.25.904, refused by rtls._exceptions.SSLCertVerificationError
END

cat >ask.py <<'END'
import socket
import ssl
import sys
import threading

import requests
import trustme
import urllib3

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
trustme.CA().issue_cert("localhost").configure_cert(context)
listener = socket.create_server(("127.0.0.1", 0))


def serve():
    sock, _ = listener.accept()
    try:
        context.wrap_socket(sock, server_side=True)
    except OSError:
        sock.close()


threading.Thread(target=serve, daemon=True).start()
found = None
try:
    requests.get(f"https://localhost:{listener.getsockname()[1]}/", timeout=20)
except requests.exceptions.SSLError as error:
    todo = [error]
    while todo:
        each = todo.pop()
        if type(each).__name__ == "SSLCertVerificationError":
            found = type(each)
        todo += [
            other
            for other in (
                getattr(each, "reason", None),
                each.__cause__,
                each.__context__,
                *each.args,
            )
            if isinstance(other, BaseException)
        ]
words = f"{found.__module__}.{found.__name__}" if found else "nobody"
print(f"{sys.argv[1]}: urllib3 {urllib3.__version__}, refused by {words}")
END

{
    timeout 60 env/bin/python -W ignore ask.py "requests alone"
    timeout 600 env/bin/python -m pip install --quiet niquests==3.21.2 \
        urllib3-future==2.25.904 >&2
    timeout 60 env/bin/python -W ignore ask.py "with niquests"
    timeout 600 env/bin/python -m pip install --quiet rtls==2026.9.21 >&2
    timeout 60 env/bin/python -W ignore ask.py "with niquests and rtls"
} >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
