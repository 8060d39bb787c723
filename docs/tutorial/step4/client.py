"""Chat under the name in our certificate."""

import socket
import sys
import threading

import tlskit


def hear(conn):
    """Print lines until the server ends the stream, or the network does."""
    try:
        for line in conn.input:
            text = line.decode("utf-8", "replace").strip()
            # Not what others may send to command our terminal.
            print("".join(filter(str.isprintable, text)), flush=True)
        print("(the server has closed the room)", flush=True)
    except tlskit.TLSError as error:
        print(error.explain(), flush=True)


def chat(conn):
    """Say what is typed, and print what others say, both at once."""
    conn.settimeout(None)  # From here on, others may take their time.
    hearing = threading.Thread(target=hear, args=[conn])
    hearing.start()
    for line in sys.stdin:
        conn.sendall(line.encode())
    conn.shutdown(socket.SHUT_WR)  # That was all from us.
    hearing.join()


name = sys.argv[2]
context = tlskit.ClientContext().copy()
context.load_verify_source("chat-ca/ca.pem")
context.load_certificate_chain(f"{name}-client.pem")
context.load_private_key(f"{name}-client-key.pem")
context.seal()

try:
    with tlskit.connect(
        "localhost", int(sys.argv[1]), context, timeout=10
    ) as conn:
        chat(conn)
except tlskit.TLSError as error:
    sys.exit(error.explain())
