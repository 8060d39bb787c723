"""Say one line to the server, and print the answer."""

import sys

import tlskit

context = tlskit.ClientContext().copy()
context.load_verify_source("chat-ca/ca.pem")
context.seal()

with tlskit.connect(
    "localhost", int(sys.argv[1]), context, timeout=10
) as port:
    port.sendall(b"hello\n")
    print(port.input.readline(1000).decode(), end="")
