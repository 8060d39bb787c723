"""Say one line to the server, and print the answer."""

import sys

import tlskit

context = tlskit.ClientContext().copy()
context.load_verify_source("chat-ca/ca.pem")
context.seal()

with tlskit.connect(
    "localhost", int(sys.argv[1]), context, timeout=10
) as conn:
    conn.sendall(b"hello\n")
    print(conn.input.readline(1000).decode(), end="")
