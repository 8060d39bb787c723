"""A server of the standard library's that refuses its client by a reset."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from .engines import authority
from .looping import stdlib_contexts
from .peers import PATIENCE, Task, reset

__all__ = ["refusing"]


@contextmanager
def refusing(last: bytes = b"") -> Iterator[int]:
    """Serve one client in TLS 1.3, and reset with its request unread.

    Args:
        last: What is said to a client that is let in; b"" demands a
            certificate, and refuses a client without one by an alert.

    Returns:
        The port, on 127.0.0.1.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        task = Task(_serve, listener, last)
        yield int(listener.getsockname()[1])
        task.result()


def _serve(listener: socket.socket, last: bytes) -> None:
    sock, _ = listener.accept()
    with sock:
        sock.settimeout(PATIENCE)
        _refuse(sock, last)


def _refuse(sock: socket.socket, last: bytes) -> None:
    _, context = stdlib_contexts()
    if not last:
        context.load_verify_locations(cadata=authority().pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            session.do_handshake()
            session.write(last)
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
        except ssl.SSLError:
            break
    sock.sendall(outgoing.read())
    # The request is there: so the kernel resets what is closed.
    sock.recv(1, socket.MSG_PEEK)
    reset(sock)
